"""Equations as a program: a NumPy function, without autograd, that computes the loss and the gradients as they are printed."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

import numpy

from ... import backend
from ...ops.indexing import ARRAY
from ...tape import Affine, Fixed, Operation
from .algebra import PRESENT, Apply, Expression, Index, Number, Span, Symbol, is_op
from .naming import Label
from .recurrences import Equation, Section
from .values import Given, Gradient
from .writer import Writer

HELPERS = {
    "sigmoid": "def sigmoid(x):\n    return 0.5 * np.tanh(0.5 * x) + 0.5",
    "largest": ("def largest(x, axis):\n    m = np.max(x, axis=axis, keepdims=True)\n    return np.where(np.isinf(m), 0, m)"),
    "softmax": (
        "def softmax(x, axis=-1):\n    e = np.exp(x - largest(x, axis))\n    s = np.sum(e, axis=axis, keepdims=True)\n"
        "    return e / np.where(s == 0, 1, s)"
    ),
    "log_softmax": (
        "def log_softmax(x, axis=-1):\n    x = x - largest(x, axis)\n    s = np.sum(np.exp(x), axis=axis, keepdims=True)\n"
        "    return x - np.log(np.where(s == 0, 1, s))"
    ),
    "logsumexp": (
        "def logsumexp(x, axis=-1):\n    m = largest(x, axis)\n    with np.errstate(divide='ignore'):\n"
        "        return np.log(np.sum(np.exp(x - m), axis=axis, keepdims=True)) + m"
    ),
    "put": (
        "def put(g, index, shape):\n    y = np.zeros(shape)\n"
        "    np.add.at(y, index, g)  # what is named twice gets the sum\n    return y"
    ),
}
NEEDS = {"softmax": ["largest"], "log_softmax": ["largest"], "logsumexp": ["largest"]}


class Program(Writer):
    """The source of ``run(T, …)``.

    Attributes
    ----------
    arguments : dict
        The arguments by name, as the record has them.
    """

    minus, plus, times = " - ", " + ", " * "
    templates = {
        **{"add": ("{} + {}", 0, 0, 1), "sub": ("{} - {}", 0, 0, 1), "mul": ("{} * {}", 1, 1, 3), "div": ("{} / {}", 1, 1, 3)},
        **{"neg": ("-{}", 0, 3), "matmul": ("{} @ {}", 1, 1, 3), "square": ("{} ** 2", 3, 5), "pow": ("{} ** {}", 3, 5, 5)},
        **{op: (f"np.{op}({{}})", 5, 0) for op in ("tanh", "exp", "log", "sqrt", "abs", "sign", "logical_not")},
        **{op: (f"np.{op}({{}}, {{}})", 5, 0, 0) for op in ("logaddexp", "maximum", "minimum", "logical_and", "logical_or")},
        **{
            "relu": ("np.maximum({}, 0)", 5, 0),
            "sigmoid": ("sigmoid({})", 5, 0),
            "detach": ("{}", 5, 5),
            "where": ("np.where({}, {}, {})", 5, 0, 0, 0),
        },
        **{
            op: (f"({{}} {sign} {{}})", 5, 1, 1)
            for op, sign in (("equal", "=="), ("not_equal", "!="), ("less", "<"), ("less_equal", "<="))
        },
        **{
            "greater": ("({} > {})", 5, 1, 1),
            "greater_equal": ("({} >= {})", 5, 1, 1),
            "nonzero": ("np.where({0} == 0, 1, {0})", 5, 5),
        },
        **{"pick": ("np.take_along_axis({}, {}[..., None], -1)[..., 0]", 5, 0, 5)},
    }

    def __init__(self, recurrences: Any, gradient_names: dict[Operation, str]) -> None:
        super().__init__(recurrences)
        self.gradient_names = gradient_names
        self._identifiers: dict[Any, str] = {}
        self._used = {*keyword.kwlist, *dir(builtins), *HELPERS, "np", "run", "t", *recurrences.lengths}
        self._tables: dict[str, dict[int, Any]] = {}  # of arguments that have a node for each step, whichever loop reads it
        for thing in filter(_is_table, self.names.label):
            self._tables.setdefault(self.identifier(thing), {}).update(_nodes(thing))
        self.arguments = {self.identifier(thing): self._value(thing) for thing in self.names.label if _is_argument(thing)}
        self._made: set[str] = set()
        self.loop = Span(PRESENT, PRESENT)
        self.source = self._source()

    def unknown(self, e: Apply) -> tuple[str, int]:
        raise NotImplementedError(
            f"equations: the operation {e.op!r} is none of tinyrnn's, so its NumPy code is not known and the equations cannot be "
            "run; as text and as LaTeX they can be written"
        )

    # -- the function --------------------------------------------------------------------------------------------

    def _source(self) -> str:
        r = self.recurrences
        body = [line for section in r.sections for line in self.section(section)]
        results = [self.assignment(e) for e in r.gradients]
        named = ", ".join(f"{self.gradient_names[e.left.of.leaf]!r}: {self.symbol(e.left)}" for e in r.gradients)
        results.append(f"return {self.write(r.loss)}, {{{named}}}")
        code = "\n".join("    " + line for line in body + results)
        names = ", ".join([*r.lengths, *self.arguments])
        used = {name for name in HELPERS if f"{name}(" in code}
        used |= {other for name in used for other in NEEDS.get(name, [])}
        helpers = [HELPERS[name] for name in HELPERS if name in used]
        return "\n\n\n".join(["import numpy as np", *helpers, f"def run({names}):\n{code}"])

    def section(self, section: Section) -> Iterator[str]:
        beginnings: dict[str, list[str]] = {}
        for e in section.beginning:
            beginnings.setdefault(self.identifier(e.left.of), []).append(
                f"{self.index(self.index_of(e.left) or PRESENT)}: {self.full(e.right)}"
            )
        for name, entries in beginnings.items():
            yield f"{name} = {{{', '.join(entries)}}}" if name not in self._made else f"{name}.update({{{', '.join(entries)}}})"
            self._made.add(name)
        for e in section.equations:
            for symbol in (e.left, *e.blocks):
                name = self.identifier(symbol.of)
                if self.index_of(symbol) is not None and name not in self._made:
                    self._made.add(name)
                    yield f"{name} = {{}}"
        if section.loop is None or not section.equations:
            yield from (line for e in section.equations for line in self.lines(e))
            return
        self.loop = section.loop
        yield f"for t in {self.range(section.loop)}:"
        for e in section.equations:
            indent = "    "
            if e.when:
                yield f"    if {self.condition(PRESENT, e.when.first, e.when.last, e.without)}:"
                indent *= 2
            yield from (indent + line for line in self.lines(e))

    def lines(self, e: Equation) -> Iterator[str]:
        yield self.assignment(e)
        if e.blocks:
            sizes = [block.shape[-1] for block in e.blocks]
            at = str(len(sizes)) if len(set(sizes)) == 1 else str(list(accumulate(sizes))[:-1])
            yield f"{', '.join(map(self.symbol, e.blocks))} = np.split({self.symbol(e.left)}, {at}, axis=-1)"

    def assignment(self, e: Equation) -> str:
        return f"{self.symbol(e.left)} = {self.full(e.right)}"

    def range(self, span: Span) -> str:
        first, last = _ascending(span)
        text = f"range({self.index(first)}, {self.index(last.shifted(1))})"
        return f"reversed({text})" if _descends(span) else text

    def condition(self, index: Index, first: Index, last: Index, gaps: tuple[Index, ...] = ()) -> str:
        """Is the index between these steps?  Only what the loop does not say already is asked."""
        at = self.index(index)
        (low, high), ends = _ascending(Span(first, last)), _ascending(self.loop)
        if low == high:
            return f"{at} == {self.index(low)}"
        below = f" < {self.index(high.shifted(1))}" * (index.moved(ends.last) != high)
        above = f"{self.index(low.shifted(-1))} < " * (index.moved(ends.first) != low)
        asked = [f"{above}{at}{below}"] * bool(above or below)
        return " and ".join([*asked, *[f"{at} not in ({', '.join(map(self.index, gaps))},)"] * bool(gaps)]) or "True"

    # -- names ---------------------------------------------------------------------------------------------------

    def identifier(self, thing: Any) -> str:
        """A Python name, of its own for each label."""
        key: Any
        if isinstance(thing, Gradient):
            key, name = thing, "dL_d" + self.identifier(thing.leaf)
        else:
            key = self.names.label[thing] if _is_argument(thing) else self.names.label[thing]._replace(step=None)
            name = self._spelled(key)
        if key not in self._identifiers:
            free = name
            for k in range(2, 10_000):
                if free not in self._used:
                    break
                free = f"{name}_{k}"
            self._used.add(free)
            self._identifiers[key] = free
        return self._identifiers[key]

    def _spelled(self, label: Label) -> str:
        tag = label.tag.strip("()").replace("+", "_forward").replace("−", "_reverse").strip("_")
        index = re.sub(r"\W", "", self.index(label.step)) if label.step is not None else ""
        parts = [label.base + index, label.block, tag, "2" * bool(label.primes)]
        name = label.gradient + "_".join(part for part in parts if part)
        name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", name))
        return name if name.isidentifier() else "v_" + name

    def _value(self, thing: Any) -> Any:
        """An argument as it was recorded: an array, or a list of one for each step; by step, if some are left out."""
        if not _is_table(thing):
            return backend.to_host(thing.node.value)
        nodes = self._tables[self.identifier(thing)]
        values = {t + 1: backend.to_host(nodes[t].value) for t in sorted(nodes)}
        return values if _has_gaps(sorted(nodes)) else list(values.values())

    def index_of(self, s: Symbol) -> Index | None:
        if isinstance(s.of, Gradient) or (_is_argument(s.of) and not isinstance(s.of, Given)):
            return None
        return self.names.label[s.of].step or s.index

    def symbol(self, s: Symbol) -> str:
        name, index = self.identifier(s.of), self.index_of(s)
        if _is_table(s.of):
            steps = sorted(self._tables[name])
            first = 0 if _has_gaps(steps) else 1 + steps[0]
            return f"{name}[{self.index((s.index or PRESENT).shifted(-first))}]"
        return name if index is None else f"{name}[{self.index(index)}]"

    # -- numbers and operations ----------------------------------------------------------------------------------

    def full(self, e: Expression) -> str:
        """An expression where an array is needed, not only a number that broadcasts."""
        if isinstance(e, Number) and e.shape != ():
            return f"np.full({self.sizes(e.shape)}, {self.number(Number(e.value, e.over))[0]})"
        return self.write(e)

    def number(self, e: Number) -> tuple[str, int]:
        value = repr(e.value).replace("inf", "np.inf").replace("nan", "np.nan")
        if not e.over:
            return (f"np.full({self.sizes(e.shape)}, {value})", 5) if e.shape else (value, 0 if value.startswith("-") else 5)
        value = value.removesuffix(".0")  # a division makes it a float
        text = f"{value} / {' / '.join(self.symbol(Symbol(size)) for size in e.over)}"
        return (f"np.full({self.sizes(e.shape)}, {text})", 5) if e.shape else (text, 1)

    def write_total(self, e: Apply, *terms: Expression) -> tuple[str, int]:
        return " + ".join(self.write(a, 1) for a in terms), 0

    def write_masked(self, e: Apply, condition: Expression, a: Expression, *, holds: bool) -> tuple[str, int]:
        yes, no = (self.write(a), "0") if holds else ("0", self.write(a))
        return f"np.where({self.write(condition)}, {yes}, {no})", 5

    def write_present(
        self, e: Apply, a: Expression, *, index: Index, first: Index, last: Index, gaps: tuple, **_: Any
    ) -> tuple[str, int]:
        return f"({self.write(a)} if {self.condition(index, first, last, gaps)} else 0)", 5

    def write_over_time(self, e: Apply, a: Expression, *, span: Span) -> tuple[str, int]:
        return f"sum({self.write(a)} for t in {self.range(span)})", 5

    def write_sequence(self, e: Apply, a: Expression, *, span: Span, axis: int) -> tuple[str, int]:
        return f"np.stack([{self.write(a)} for t in {self.range(span)}]{_axis(axis, 0)})", 5

    def write_past(self, e: Apply, a: Symbol, *, first: Index, last: Index) -> tuple[str, int]:
        return f"*[{self.identifier(a.of)}[s] for s in range({self.index(first)}, {self.index(last.shifted(1))})]", 5

    def write_transpose(self, e: Apply, a: Expression, axes: Any = None) -> tuple[str, int]:
        return (f"{self.write(a, 5)}.T" if axes is None else f"np.transpose({self.write(a)}, {tuple(axes)})"), 5

    def write_sum(self, e: Apply, a: Expression, axis: Any = None, keepdims: bool = False) -> tuple[str, int]:
        return f"np.{e.op}({self.full(a)}{_axis(axis, None)}{', keepdims=True' if keepdims else ''})", 5

    write_mean = write_max = write_min = write_all = write_any = write_argmax = write_sum

    def write_count(self, e: Apply, a: Expression, *, axis: Any) -> tuple[str, int]:
        if axis is None:
            return f"np.size({self.write(a)})", 5
        axes = axis if isinstance(axis, tuple) else (axis,)
        return " * ".join(f"np.shape({self.write(a)})[{k}]" for k in axes), 1

    def write_sum_to(self, e: Apply, a: Expression, **_: Any) -> tuple[str, int]:
        shape = e.shape
        lead = len(a.shape) - len(shape)
        if a.shape[lead:] == shape:
            return f"np.sum({self.full(a)}, axis={tuple(range(lead)) if lead != 1 else 0})", 5
        kept = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1)
        text = f"np.sum({self.full(a)}, axis={kept if len(kept) > 1 else kept[0]}, keepdims=True)"
        return (f"{text}.reshape({self.sizes(shape)})" if lead else text), 5

    def write_broadcast_to(self, e: Apply, a: Expression, *, shape: Any, like: Any = None) -> tuple[str, int]:
        return f"np.broadcast_to({self.write(a)}, {self.shape(shape, like)})", 5

    def write_reshape(self, e: Apply, a: Expression, *, shape: Any) -> tuple[str, int]:
        free = (-1, *shape[1:]) if shape and -1 not in shape[1:] and 0 not in shape else shape  # of any length
        return f"np.reshape({self.full(a)}, {self.sizes(free)})", 5

    def sizes(self, shape: tuple[Any, ...]) -> str:
        """A shape, in which an `Index` or an `Affine` grows with the steps."""
        counts = (Index(n.offset - n.slope, n.slope) if isinstance(n, Affine) else n for n in shape)
        texts = [self.index(n) if isinstance(n, Index) else str(n) for n in counts]
        return f"({', '.join(texts)}{',' * (len(texts) == 1)})"

    def shape(self, shape: tuple[int, ...], like: Symbol | None) -> str:
        return f"{self.symbol(like)}.shape" if like is not None else self.sizes(shape)

    def write_cast(self, e: Apply, a: Expression, *, dtype: Any) -> tuple[str, int]:
        return f"{self.write(a, 5)}.astype({numpy.dtype(dtype).name!r})", 5

    def write_move(self, e: Apply, a: Expression, *, device: Any) -> tuple[str, int]:
        return self.parts(a)

    def write_softmax(self, e: Apply, a: Expression, *, axis: int) -> tuple[str, int]:
        return f"{e.op}({self.write(a)}{_axis(axis, -1)})", 5

    write_log_softmax = write_logsumexp = write_softmax

    def write_largest(self, e: Apply, a: Expression, *, axis: int) -> tuple[str, int]:
        return f"largest({self.write(a)}, {axis})", 5

    def write_exp_shifted(self, e: Apply, a: Expression, *, axis: int) -> tuple[str, int]:
        return f"np.exp({self.write(a, 1)} - largest({self.write(a)}, {axis}))", 5

    def write_sum_exp(self, e: Apply, a: Expression, *, axis: int) -> tuple[str, int]:
        return f"np.sum({self.write_exp_shifted(e, a, axis=axis)[0]}, axis={axis}, keepdims=True)", 5

    def write_one_hot(self, e: Apply, labels: Expression, *, classes: int) -> tuple[str, int]:
        return f"np.eye({classes})[{self.write(labels)}]", 5

    def write_arange(self, e: Apply) -> tuple[str, int]:
        return f"np.arange({e.shape[0]})", 5

    def write_at(self, e: Apply, a: Expression, *, axis: int, index: Index) -> tuple[str, int]:
        return f"{self.write(a, 5)}[{':, ' * axis}{self.index(index.shifted(-1))}]", 5

    def write_split(self, e: Apply, a: Expression, *, sizes: Any, axis: int) -> tuple[str, int]:
        at = len(sizes) if len(set(sizes)) == 1 else list(accumulate(sizes))[:-1]
        return f"np.split({self.full(a)}, {at}, axis={axis})", 5

    def write_unstack(self, e: Apply, a: Expression, *, axis: int = 0) -> tuple[str, int]:
        return f"np.moveaxis({self.full(a)}, {axis}, 0)", 5

    def write_part(self, e: Apply, a: Expression, *, index: int | Index) -> tuple[str, int]:
        return f"{self.write(a, 5)}[{self._one_index(index)}]", 5

    def write_concatenate(self, e: Apply, *blocks: Expression, axis: int = 0) -> tuple[str, int]:
        return f"np.concatenate([{', '.join(map(self.full, blocks))}]{_axis(axis, 0)})", 5

    def write_stack(self, e: Apply, *entries: Expression, axis: int = 0) -> tuple[str, int]:
        spread = (f"*{self.write(a)}" if is_op(a, "sequence") else self.full(a) for a in entries)
        return f"np.stack([{', '.join(spread)}]{_axis(axis, 0)})", 5

    def write_getitem(self, e: Apply, a: Expression, *arrays: Expression, index: Any) -> tuple[str, int]:
        return f"{self.write(a, 5)}[{self.indices(index, arrays)}]", 5

    def write_put(
        self, e: Apply, g: Expression, *arrays: Expression, index: Any, shape: Any, like: Any = None
    ) -> tuple[str, int]:
        inner = self.indices(index, arrays)
        return f"put({self.full(g)}, np.s_[{inner}], {self.shape(shape, like)})", 5

    def indices(self, index: Any, arrays: tuple[Expression, ...]) -> str:
        remaining = iter(arrays)
        parts = [
            self.write(next(remaining)) if i is ARRAY else self._one_index(i)
            for i in (index if isinstance(index, tuple) else (index,))
        ]
        return ", ".join(parts) + ("," if isinstance(index, tuple) and len(parts) == 1 else "") or "()"

    def _one_index(self, i: Any) -> str:
        if isinstance(i, Index):
            return self.index(i.shifted(-1))
        if isinstance(i, slice):
            ends = ["" if k is None else str(k) for k in (i.start, i.stop)]
            return ":".join([*ends, *([str(i.step)] if i.step is not None else [])])
        return "..." if i is ... else str(i)


def _descends(span: Span) -> bool:
    first, last = span
    return first.length > last.length or (first.length == last.length and first.offset > last.offset)


def _ascending(span: Span) -> Span:
    return Span(span.last, span.first) if _descends(span) else span


def _is_argument(thing: Any) -> bool:
    return isinstance(thing, Given) or (isinstance(thing, Operation) and thing.op is None and not thing.backward)


def _is_table(thing: Any) -> bool:
    """Is it an argument that has a value for each step?"""
    return isinstance(thing, Given) or (_is_argument(thing) and thing.loop is not None)


def _nodes(table: Any) -> Mapping[int, Any]:
    """What an argument is at each step, also at those at which another leaf stands for it."""
    if isinstance(table, Given):
        return {t: leaf.node for t, leaf in table.leaves.items()}
    beyond = {t: wire.source.node for t, wire in table.initial.items() if isinstance(wire, Fixed) and wire.source.op is None}
    return {**beyond, **table.nodes}


def _has_gaps(steps: list[int]) -> bool:
    return steps[-1] - steps[0] + 1 > len(steps)


def _axis(axis: Any, default: Any) -> str:
    return "" if axis == default else f", axis={axis}"
