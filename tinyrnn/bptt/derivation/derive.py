"""From the fold of a record to equations: which values are worth one.

A value gets an equation of its own if its author named it, if it is a state (or the gradient of one) that goes from step
to step, if it is needed in several places, or if it would make another equation too long.  Where a gradient gets one, so
does the value that it belongs to: a pre-activation is called a as soon as δa is.  All else is written in place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...tape import Fold, Graph, Operation
from .algebra import BOUND, Apply, Expression, Number, Symbol, cost, is_op, symbols, walk
from .reading import Reading
from .slicing import is_view
from .structure import axis_of_maxima, blocks, joins_directions, within_step
from .values import Assembled, Size, source


class Derivation(Reading):
    """The equations of a fold, as expressions.

    Attributes
    ----------
    results : dict
        The loss (None) and, by leaf, the gradients: each an expression.
    needed : list of Operation
        The named operations that the results are made of, in the order of the fold.
    referred, counted : set
        All that symbols stand for in them, and all sizes.
    blocks : dict of Operation to list of Operation
        What is cut into gates, say, and the parts.
    """

    def __init__(self, graph: Graph, fold: Fold) -> None:
        super().__init__(graph, fold)
        self.loss = fold.homes[graph.outputs[0]][0]
        self.gradient_of = {o.adjoint: o for o in reversed(fold.operations) if o.adjoint is not None}
        self.blocks = dict(blocks(fold))
        self.authored = frozenset(o for o in fold.operations if self._is_named_from_the_start(o))
        self.named |= self.authored
        self._idle: set[Operation] = set()
        self._settle()

    def _is_named_from_the_start(self, o: Operation) -> bool:
        if o.op is None or o.backward:
            return bool(o.initial) or (o.adjoint is not None and bool(o.adjoint.initial))  # a state's gradient
        return bool(o.name) or bool(o.initial) or o is self.loss or joins_directions(o)

    def _settle(self) -> None:
        """Name more values until no expression is too long, and none is written twice; then drop needless names."""
        while True:
            before = len(self.named)
            self.start_again()
            for o in self.fold.operations:
                if o in self.named and not o.backward:
                    self.definition(o)
            self.results = {leaf: self.read(wire, None) for leaf, wire in zip(self.fold.targets, self.fold.outputs)}
            for o in self.fold.operations:
                if o in self.named:
                    self.definition(o)
            if len(self.named) == before:
                self.needed = self._needed()
                self.named |= self._repeated() - self._idle
                self.named |= {of for o in tuple(self.named) if (of := self._unnamed_value_of(o)) is not None}
                self.named |= set(self._parts_of_blocks()) - self._idle
            if len(self.named) == before:
                needless = self._needless()
                if not needless:
                    return
                self.named -= needless
                self._idle |= needless

    # -- names to add --------------------------------------------------------------------------------------------

    def value_of(self, o: Operation) -> Operation | None:
        """The value whose gradient o is; that of x, if it is that of x − max x as well."""
        of = o.adjoint
        if of is None or of.op != "sub" or not all(map(within_step, of.wires)):
            return of
        shifted = axis_of_maxima(of) is not None or is_op(self.expression(source(of.wires[1])), "largest")
        return source(of.wires[0]) if shifted else of

    def _unnamed_value_of(self, o: Operation) -> Operation | None:
        """The value whose gradient o is, if it has no name yet."""
        of = self.value_of(o)
        nameless = of is not None and of.op is not None and of not in self.named and not is_view(self.expression(of))
        return of if nameless else None

    def _parts_of_blocks(self) -> Iterator[Operation]:
        """The blocks of named values, and their gradients, unless these have a name already."""
        for owner, parts in self.blocks.items():
            if owner in self.named:
                yield from parts
                gradients = [g for part in parts if (g := self.gradient_of.get(part)) is not None]
                yield from (g for g in gradients if cost(self.expression(g)) > 0)

    def _repeated(self) -> set[Operation]:
        """What is written in more than one place, and worth a name.

        What runs at each step may be written once more for a single step: ∂L/∂h₀ repeats what δhₜ says.
        """
        found: Counter[Operation] = Counter()
        for right in self.equations():
            if not isinstance(right, Apply):
                continue
            for_all = right.origin is not None and right.origin.loop is not None
            stack = [(a, right.origin, for_all or is_op(right, *BOUND)) for a in right.args]
            while stack:
                e, within, for_all = stack.pop()
                if not isinstance(e, Apply):
                    continue
                origin = e.origin
                counts = origin is not None and origin is not within and origin.shape is not None
                if counts and (origin.loop is None or (for_all and _changes(e))) and not _is_trivial(e):
                    found[origin] += 1
                    if found[origin] > 1:
                        continue
                stack += [(a, origin, for_all or is_op(e, *BOUND)) for a in e.args]
        return {o for o, times in found.items() if times > 1}

    # -- what is left --------------------------------------------------------------------------------------------

    def equations(self) -> Iterator[Expression]:
        """The right-hand side of every equation."""
        for o in self.needed:
            yield self.definition(o)
            yield from (self.read(w, o) for w in o.initial.values())
        for assembled in self.assembled.values():
            if assembled in self.referred:
                yield from (e for _, e in self.assembly(assembled))
        yield from self.results.values()

    def _needed(self) -> list[Operation]:
        """The named values that the results are made of, and those that their author named."""
        self.referred: set = set()
        self.counted: set[Size] = set()
        stack: list[Expression] = [*self.results.values()]
        stack += [Symbol(o) for o in self.named if o.name and not o.backward]
        stack += [Symbol(leaf) for leaf in self.results if leaf is not None]  # also if it cancels out
        while stack:
            e = stack.pop()
            for size in {size for part in walk(e) if isinstance(part, Number) for size in part.over} - self.counted:
                self.counted.add(size)
                stack.append(self.count(size))
            for symbol in symbols(e):
                of = symbol.of
                if of in self.referred:
                    continue
                self.referred.add(of)
                if isinstance(of, Assembled):
                    stack += [e for _, e in self.assembly(of)]
                elif isinstance(of, Operation) and of.op is not None:
                    stack += [self.definition(of), *(self.read(w, of) for w in of.initial.values())]
        return [o for o in self.fold.operations if o in self.referred and o.op is not None]

    def _needless(self) -> set[Operation]:
        """Names that turned out to be needless: for what has a name already, or is used in one place only."""
        uses = Counter(s.of for e in self.equations() for s in symbols(e) if s.index is None or s.index.steps)
        parts = {part for of_owner in self.blocks.values() for part in of_owner}
        partners = {self.value_of(o) for o in tuple(self.named)} | parts | {self.gradient_of.get(part) for part in parts}
        views = {o for o in self.named if is_view(self.definition(o)) and not o.initial and o is not self.loss}
        idle = {o for o in self.named - self.authored - partners if uses[o] <= 1 or _is_trivial(self.definition(o))}
        return (views | idle) - self._idle


def _changes(e: Expression) -> bool:
    """Is it another one at each step?"""
    return any(s.index is not None and s.index.steps for s in symbols(e))


def _is_trivial(e: Expression) -> bool:
    """Is it as short as a name: W_hᵀ, tanh(cₜ), 1 − zₜ?"""
    return cost(e) == 0 or (cost(e) == 1 and len(list(symbols(e))) <= 1 and not is_op(e, "sequence"))
