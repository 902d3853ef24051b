"""What the operations of a fold are in terms of each other: expressions in which some are named and others written out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...tape import Affine, At, Constant, Delayed, Every, Fixed, Fold, Graph, Operation, Past, Table
from .algebra import BOUND, PRESENT, Apply, Expression, Index, Number, Symbol, cost, is_op, moved, replaced, symbols, walk
from .aliases import aliases
from .clock import Clock, delayed
from .rules import apply, coefficient, scaled
from .slicing import at
from .structure import axis_of_maxima, counts_up, guards, is_sequence, size_of
from .values import Assembled, Given, Size, loop_of, shape_of, source, step_of, symbol_of

LONGEST = 9  # operations in one expression
SHORT = 4  # operations that may be written again for each step rather than once for all


class Reading:
    """Reads the operations of a fold as expressions.

    Attributes
    ----------
    named : set of Operation
        Those that others refer to by a symbol.  It grows while reading: with what would make an expression too long,
        what feeds itself at another step, and what cannot be written in place.
    """

    def __init__(self, graph: Graph, fold: Fold) -> None:
        self.graph, self.fold = graph, fold
        self.clock = Clock(graph, {loop_of(o) for o in fold.operations if o.loop is not None})
        self.named: set[Operation] = set()
        self.assembled: dict[Any, Assembled] = {}
        self.sizes: dict[Any, Size] = {}
        self._guards = dict(guards(fold))
        self._aliases = aliases(fold)
        self._given: dict[tuple[Operation, int], Given] = {}
        self._inputs = dict(self._inputs_of_single_steps())
        self.start_again()

    def start_again(self) -> None:
        """Forget what was read: other operations have names now."""
        self._definitions: dict[Operation, Expression] = {}
        self._active: set[Operation] = set()
        self._known: list[tuple[Expression, Expression]] = []  # what has a name, and would be recognised in gradients

    # -- operations ----------------------------------------------------------------------------------------------

    def definition(self, o: Operation) -> Expression:
        """What an operation computes."""
        if o not in self._definitions:
            self._active.add(o)
            e = self._build(o)
            if o.backward:
                e = replaced(e, self._known)
            elif is_op(e, "softmax") and o in self.named:
                self._known.append((e, symbol_of(o)))
            self._definitions[o] = _belonging(e, o)
            self._active.discard(o)
        return self._definitions[o]

    def expression(self, o: Operation) -> Expression:
        """An operation as others write it: by name, or in place."""
        if o.op is None:
            return self._leaf(o)
        if o in self._active:
            self.named.add(o)
        if o in self.named:
            return symbol_of(o)
        e = self.definition(o)
        bound = o.loop is not None and any(is_op(part, *BOUND) for part in walk(e))
        if cost(e) > LONGEST or is_op(e, "sequence") or bound:
            self.named.add(o)
        return symbol_of(o) if o in self.named else e

    def _leaf(self, o: Operation) -> Expression:
        if o.backward:
            return Number(1.0, (), shape_of(o))  # ∂L/∂L
        if o in self._aliases:
            original, transposed = self._aliases[o]
            e = self.expression(original)
            return apply("transpose", (e,), {}, shape_of(o)) if transposed else e
        if o in self._guards:
            return Apply("equal", (self.expression(self._guards[o]), Number(0)), {}, shape_of(o))
        if o in self._inputs:
            given, step = self._inputs[o]
            return Symbol(given, Index(step + 1), shape_of(o))
        return Apply("arange", (), {}, shape_of(o)) if counts_up(o) else symbol_of(o)

    def _build(self, o: Operation) -> Expression:
        args = tuple(self._where_it_exists(o, wire, self.read(wire, o)) for wire in o.wires)
        attrs = {name: self._attribute(a, o) for name, a in o.attrs.items()}
        if "shape" in attrs and o.op != "reshape" and (like := self._like(o)) is not None:
            attrs["like"] = like
        special = self._special(o, args)
        return apply(str(o.op), args, attrs, shape_of(o)) if special is None else special

    def _special(self, o: Operation, args: tuple[Expression, ...]) -> Expression | None:
        """What the operation alone does not show: all steps of a value, one step of all, a mean."""
        if is_sequence(o):
            return args[0]
        if o.op == "part" and isinstance(o.wires[0], (Fixed, Delayed)):
            return self._step_of_bundle(o, source(o.wires[0])) or self._block(args[0], o)
        if o.op == "getitem" and isinstance(o.attrs["index"], (int, Affine)):
            return self._step_of_array(o)
        if (axis := axis_of_maxima(o)) is not None:
            return apply("sub", (args[0], Apply("largest", (args[0],), {"axis": axis}, args[1].shape)), {}, shape_of(o))
        if (size := size_of(o)) is None:
            return None
        size = self.sizes.setdefault((size.value,) if size.fixed else (size.of, size.axis), size)
        if o.backward:
            return apply("mul", (Number(1, (size,)), args[0]), {}, shape_of(o))
        total = source(o.wires[0])
        return apply("mean", (self.read(total.wires[0], total),), total.attrs, shape_of(o))

    def count(self, size: Size) -> Expression:
        """The number that a size is: a plain one, or that of the entries of an array that grows with the sequence."""
        if size.fixed:
            return Number(size.value)
        array = self.expression(size.of)
        same = [s for s in symbols(array) if s.shape == array.shape]
        same += [s for s in symbols(array) if size.axis is None and math.prod(s.shape) == size.value]
        if not same:
            self.named.add(size.of)
            same = [symbol_of(size.of)]
        return Apply("count", (same[0],), {"axis": size.axis})

    def _where_it_exists(self, o: Operation, wire: Any, term: Expression) -> Expression:
        """A term of a sum of shares, which may be missing at some steps."""
        if not o.summed or o.loop is None or (isinstance(term, Number) and term.value == 0):
            return term
        there = tuple(o.steps)
        if isinstance(wire, Delayed):
            there = tuple(t for t in o.steps if t - wire.delay in wire.source.nodes)
        elif isinstance(wire, Table):
            there = tuple(sorted(wire.at))
        if there == tuple(o.steps):
            return term
        loop = loop_of(o)
        first, last = self.clock.span((there[0], there[-1]), loop)
        absent = [self.clock.at(t, loop) for t in o.steps if t not in there]
        gaps = tuple(self.clock.at(t, loop) for t in o.steps if t not in there and there[0] < t < there[-1])
        when = {"index": PRESENT, "first": first, "last": last, "gaps": gaps, "absent": tuple(absent)}
        return Apply("present", (term,), when, shape_of(o))

    def _attribute(self, a: Any, o: Operation) -> Any:
        """An attribute; one that counts the steps as an index, and so the place of a step in a sequence."""
        if isinstance(a, Affine):
            return self.clock.affine(a.slope, a.offset, loop_of(o))
        if isinstance(a, tuple):  # a size that grows with the steps
            return tuple(Index(n.offset - n.slope, n.slope) if isinstance(n, Affine) else n for n in a)
        if o.op == "put" and isinstance(a, int) and o.of is not None and isinstance(o.of.wires[0], Fixed):
            whole = source(o.of.wires[0])
            if is_sequence(whole):
                return self.clock.at(a % shape_of(whole)[0], loop_of(source(whole.wires[0])))
        return a

    def _like(self, o: Operation) -> Symbol | None:
        """A symbol of the shape of o, if that may grow with the sequence."""
        lengths = self.clock.lengths.values()
        grows = any(not isinstance(n, int) or any(n % length == 0 for length in lengths) for n in shape_of(o))
        if not grows or o.of is None or o.into is None or not isinstance(o.of.wires[o.into], (Fixed, Delayed)):
            return None
        array = self.read(o.of.wires[o.into], o)
        return next((s for s in symbols(array) if s.shape == shape_of(o) and (s.index is None or o.loop is not None)), None)

    # -- steps of sequences, blocks of rows ----------------------------------------------------------------------

    def _step_of_bundle(self, o: Operation, bundle: Operation) -> Expression | None:
        """xs[t], of what was cut into its steps."""
        if bundle.op != "unstack" or bundle.loop is not None:
            return None
        index = o.attrs["index"]
        count = self.clock.affine(index.slope, index.offset, loop_of(o)) if isinstance(index, Affine) else Index(index + 1)
        return self._slice(bundle.wires[0], bundle.attrs.get("axis", 0), count, o)

    def _step_of_array(self, o: Operation) -> Expression | None:
        """x[t] of anything, y[-1] of what is stacked over time."""
        index, wire = o.attrs["index"], o.wires[0]
        if isinstance(index, Affine):
            return self._slice(wire, 0, self.clock.affine(index.slope, index.offset, loop_of(o)), o)
        whole = self.read(wire, o)
        if is_op(whole, "stack"):
            return at(whole, 0, Index(index % len(whole.args) + 1), self._step_of_symbol)
        if not isinstance(whole, Symbol) or not is_sequence(whole.of):
            return None
        loop = loop_of(source(whole.of.wires[0]))
        return self._slice(wire, 0, self.clock.at(index % whole.shape[0], loop), o)

    def _slice(self, wire: Any, axis: int, index: Index, reader: Operation) -> Expression | None:
        whole = self.read(wire, reader)
        entry = at(whole, axis % len(whole.shape), index, self._step_of_symbol)
        if entry is None or (index.steps and cost(entry) > SHORT):
            self.named.add(wire.source)
            whole = symbol_of(wire.source)
            entry = at(whole, axis % len(whole.shape), index, self._step_of_symbol)
        return entry

    def _step_of_symbol(self, symbol: Symbol, axis: int, index: Index) -> Expression | None:
        """hₜ of H = (h₁, …, h_T)"""
        o = symbol.of
        if not is_sequence(o) or o.wires[0].steps.step != 1 or o.attrs.get("axis", 0) % len(shape_of(o)) != axis:
            return None
        return moved(self.expression(source(o.wires[0])), index.shifted(o.wires[0].steps[0]))

    def _block(self, bundle: Expression, o: Operation) -> Expression | None:
        """A block of what was joined out of blocks, or of a multiple of that."""
        if not is_op(bundle, "split"):
            return None
        factor, joined = coefficient(bundle.args[0])
        if isinstance(joined, Symbol) and isinstance(joined.of, Operation) and joined.of.op == "concatenate":
            joined = moved(self.definition(joined.of), joined.index or PRESENT)
        return scaled(factor, apply("part", (Apply("split", (joined,), bundle.attrs),), {"index": o.attrs["index"]}, shape_of(o)))

    # -- wires ---------------------------------------------------------------------------------------------------

    def read(self, wire: Any, reader: Operation | None) -> Expression:
        """What comes along a wire."""
        if isinstance(wire, Constant):
            return Number(wire.value.item() if hasattr(wire.value, "item") else wire.value)
        if isinstance(wire, Table):
            return self._table(wire, reader)
        e = self.expression(wire.source)
        if isinstance(wire, Delayed):
            return moved(e, delayed(wire.delay))
        if isinstance(wire, At):
            return moved(e, self.clock.at(wire.step, loop_of(wire.source)))
        if isinstance(wire, Every) and reader is not None and reader.op == "stack":
            span = self.clock.span(wire.steps, loop_of(wire.source))
            return Apply("sequence", (e,), {"span": span, "axis": reader.attrs.get("axis", 0)}, shape_of(reader))
        if isinstance(wire, Every):
            return apply("over_time", (e,), {"span": self.clock.span(wire.steps, loop_of(wire.source))}, e.shape)
        if isinstance(wire, Past):
            self.named.add(wire.source)
            first, last = self.clock.at(wire.begin, loop_of(wire.source)), delayed(wire.delay)
            return Apply("past", (symbol_of(wire.source),), {"first": first, "last": last}, shape_of(wire.source))
        return e

    def _table(self, table: Table, reader: Operation | None) -> Expression:
        """Another value from outside at each step: an input, a step of a sequence, or what must be said step by step."""
        wires = dict(sorted(table.at.items()))
        if len(wires) == 1:
            return self.read(next(iter(wires.values())), reader)
        sources = {t: w.source for t, w in wires.items() if not isinstance(w, Constant)}
        if len(sources) == len(wires):
            found = self._sequence_of(wires, sources, reader)
            if found is not None:
                return found
        key = tuple((t, getattr(w, "source", None), getattr(w, "step", None)) for t, w in wires.items())
        assembled = self.assembled.setdefault(key, Assembled(wires, None if reader is None else loop_of(reader)))
        return Symbol(assembled, PRESENT, next(map(shape_of, sources.values()), ()))

    def _sequence_of(self, wires: dict[int, Any], sources: dict[int, Operation], reader: Any) -> Expression | None:
        """The values of a table as the entries of one input, or of one sequence."""
        first = next(iter(sources.values()))
        if all(isinstance(w, At) for w in wires.values()) and all(s is first for s in sources.values()):
            line = _line({t: w.step for t, w in wires.items()})
            return line and moved(self.expression(first), self.clock.affine(*line, loop_of(first)))
        if not all(isinstance(w, Fixed) for w in wires.values()):
            return None
        if all(s.op is None and not s.trainable for s in sources.values()):
            return Symbol(self._input(sources), PRESENT, shape_of(first))
        if all(s.op == "part" and s.wires == first.wires for s in sources.values()) and source(first.wires[0]).op == "unstack":
            bundle, line = source(first.wires[0]), _line({t: s.attrs["index"] for t, s in sources.items()})
            axis = bundle.attrs.get("axis", 0)
            return line and self._slice(bundle.wires[0], axis, self.clock.affine(*line, loop_of(reader)), bundle)
        return None

    def assembly(self, assembled: Assembled) -> Iterator[tuple[int, Expression]]:
        """What an assembled value is at each of its steps."""
        return ((t, self.read(wire, None)) for t, wire in assembled.wires.items())

    # -- inputs --------------------------------------------------------------------------------------------------

    def inputs(self) -> list[Given]:
        """All inputs, in the order in which they were met."""
        return list(dict.fromkeys(self._given.values()))

    def _input(self, leaves: dict[int, Operation]) -> Given:
        """The input that has these leaves; the backward pass may read fewer of them."""
        for step, leaf in leaves.items():
            given = self._given.get((leaf, step))
            if given is not None and all(given.leaves.get(t, other) is other for t, other in leaves.items()):
                given.leaves.update(leaves)
                break
        else:
            given = Given(dict(leaves))
        self._given.update({(leaf, step): given for step, leaf in leaves.items()})
        return given

    def _inputs_of_single_steps(self) -> Iterator[tuple[Operation, tuple[Given, int]]]:
        """Inputs of steps that are not folded: what one operation reads at each of them is one input."""
        groups: dict[Any, dict[int, Operation]] = {}
        for o in self.fold.operations:
            step = step_of(o)
            if o.loop is not None or step is None or o.backward:
                continue
            for place, wire in enumerate(o.wires):
                leaf = wire.source if isinstance(wire, Fixed) else o
                if leaf.op is None and leaf.loop is None and not leaf.trainable and not leaf.carried:
                    groups.setdefault((o.node.key, place), {})[step] = leaf
        seen: set[Operation] = set()
        for leaves in groups.values():
            if len(set(leaves.values())) == len(leaves) and not seen & set(leaves.values()):
                seen |= set(leaves.values())
                given = self._input(leaves)
                yield from ((leaf, (given, step)) for step, leaf in leaves.items())


def _line(points: dict[int, Any]) -> tuple[int, int] | None:
    """(slope, offset), if the numbers lie on a line."""
    (t, a), (u, b) = list(points.items())[:2]
    slope = (b - a) // (u - t)
    offset = a - slope * t
    return (slope, offset) if slope and all(n == slope * s + offset for s, n in points.items()) else None


def _belonging(e: Expression, o: Operation) -> Expression:
    """e as the value of o; so is what stands behind a number or a sign, which other operations may take out of it."""
    if not isinstance(e, Apply) or e.origin is not None:
        return e
    args = e.args
    if e.op == "neg" or (e.op == "mul" and isinstance(args[0], Number)):
        args = (*args[:-1], _belonging(args[-1], o))
    return replace(e, args=args, origin=o)
