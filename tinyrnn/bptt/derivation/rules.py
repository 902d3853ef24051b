"""The little algebra that makes expressions look like a textbook's: a + −b is a − b, g y − g y² is g y (1 − y).

`apply` builds an expression and tidies it on the way.  Its arguments are tidy already, so each rule looks a level or two
deep.  Rules change values by rounding at most: equations are executed as they are printed, and compared with autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any

from .algebra import Apply, Expression, Number, is_number, is_op
from .patterns import PATTERNS

Rule = Callable[..., Expression | None]
RULES: dict[str, Rule] = {}
ONE = Number(1)


def apply(op: str, args: tuple[Expression, ...], attrs: dict[str, Any], shape: tuple[int, ...]) -> Expression:
    """op(*args), tidied."""
    others = {name: a for name, a in attrs.items() if name != "shape"}  # for that is the shape of the result
    for rules in (PATTERNS, RULES):
        tidy = rules[op](shape, *args, **others) if op in rules else None
        if tidy is not None:
            return tidy
    return Apply(op, args, attrs, shape)


def rule(*ops: str) -> Callable[[Rule], Rule]:
    """This function tidies these operations: (shape, *args, **attrs) to an expression, or None where nothing is to be done."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, function))
        return function

    return register


def scaled(factor: Number, e: Expression) -> Expression:
    """factor · e"""
    if is_number(factor, 1):
        return e
    if is_number(factor, -1):
        return apply("neg", (e,), {}, e.shape)
    return apply("mul", (factor, e), {}, e.shape)


def coefficient(e: Expression) -> tuple[Number, Expression]:
    """The number in front of an expression, and the rest."""
    if is_op(e, "mul") and isinstance(e.args[0], Number) and e.args[0].shape == () and e.args[1].shape == e.shape:
        return e.args[0], e.args[1]
    return ONE, e


def product(a: Number, b: Number, shape: tuple[int, ...] = ()) -> Number:
    """The product of two numbers."""
    return Number(a.value * b.value, (*a.over, *b.over), shape)


# -- sums --------------------------------------------------------------------------------------------------------


def _sum_of_numbers(shape, a, b, *, sign=1):
    if isinstance(a, Number) and isinstance(b, Number) and a.over == b.over:
        return Number(a.value + sign * b.value, a.over, shape)
    return None


def _unspread(shape, a, b):
    """Operands without a `broadcast_to` that the other operand brings about anyway."""
    if is_op(a, "broadcast_to") and b.shape == shape:
        a = a.args[0]
    elif is_op(b, "broadcast_to") and a.shape == shape:
        b = b.args[0]
    return a, b


@rule("add")
def _add(shape, a, b):
    a, b = _unspread(shape, a, b)
    if is_number(a, 0) and b.shape == shape:
        return b  # 0 + b = b
    if is_number(b, 0) and a.shape == shape:
        return a
    if is_op(b, "neg"):
        return apply("sub", (a, b.args[0]), {}, shape)  # a + −b = a − b
    if is_op(a, "neg"):
        return apply("sub", (b, a.args[0]), {}, shape)
    return _combined("add", shape, a, b) or _sum_of_numbers(shape, a, b)


@rule("sub")
def _sub(shape, a, b):
    a, b = _unspread(shape, a, b)
    if is_number(b, 0) and a.shape == shape:
        return a
    if is_number(a, 0) and b.shape == shape:
        return apply("neg", (b,), {}, shape)
    if is_op(b, "neg"):
        return apply("add", (a, b.args[0]), {}, shape)  # a − −b = a + b
    if is_op(b, "square") and b.args[0] == a:
        return apply("mul", (a, apply("sub", (ONE, a), {}, shape)), {}, shape)  # y − y² = y (1 − y)
    return _combined("sub", shape, a, b) or _sum_of_numbers(shape, a, b, sign=-1)


def _combined(op, shape, a, b):
    """a and b have something in common: a number, a factor, a divisor."""
    (c, x), (d, y) = coefficient(a), coefficient(b)
    if x == y and c.over == d.over and x.shape == shape:
        return scaled(Number(c.value + (d.value if op == "add" else -d.value), c.over), x)  # c x ± d x = (c ± d) x
    if d.value < 0 and d is not ONE:
        opposite = "sub" if op == "add" else "add"
        return apply(opposite, (a, scaled(replace(d, value=-d.value), y)), {}, shape)
    if c.value < 0 and c is not ONE and op == "add":
        return apply("sub", (b, scaled(replace(c, value=-c.value), x)), {}, shape)  # −c x + b = b − c x
    if c is not ONE and (c.value, c.over) == (d.value, d.over):
        return scaled(c, apply(op, (x, y), {}, shape))  # c x ± c y = c (x ± y)
    if op == "add" and is_op(a, "put", "present") and is_op(b, a.op) and (a.args[1:], a.attrs) == (b.args[1:], b.attrs):
        inner = apply("add", (a.args[0], b.args[0]), {}, a.args[0].shape)
        return Apply(a.op, (inner, *a.args[1:]), a.attrs, shape)  # both at the same place
    if is_op(a, "div") and is_op(b, "div") and a.args[1] == b.args[1]:
        return apply("div", (apply(op, (a.args[0], b.args[0]), {}, shape), a.args[1]), {}, shape)
    if is_op(a, "mul") and is_op(b, "mul") and not isinstance(a.args[0], Number):
        for left, right in ((a.args, b.args), (a.args[::-1], b.args[::-1])):
            if left[0] == right[0] and left[1].shape == right[1].shape == shape:
                inner = apply(op, (left[1], right[1]), {}, shape)
                factors = (left[0], inner) if left == a.args else (inner, left[0])
                return apply("mul", factors, {}, shape)  # a b ± a c = a (b ± c)
    return None


@rule("neg")
def _neg(shape, a):
    if isinstance(a, Number):
        return replace(a, value=-a.value)
    if is_op(a, "neg"):
        return a.args[0]  # −−a = a
    if is_op(a, "sub"):
        return apply("sub", a.args[::-1], {}, shape)  # −(a − b) = b − a
    c, x = coefficient(a)
    return scaled(replace(c, value=-c.value), x) if c is not ONE else None


@rule("total")
def _total(shape, *terms):
    terms = tuple(e for e in terms if not is_number(e, 0)) or terms[:1]
    if len(terms) == 1:
        return terms[0]
    if all(is_op(e, "put") for e in terms) and (row := _side_by_side(shape, terms)) is not None:
        return row
    if all(is_op(e, "concatenate") and e.attrs == terms[0].attrs for e in terms):
        columns = list(zip(*(e.args for e in terms)))
        if all(len({block.shape for block in blocks}) == 1 for blocks in columns):
            summed = tuple(apply("total", blocks, {}, blocks[0].shape) for blocks in columns)
            return Apply("concatenate", summed, terms[0].attrs, shape)  # [a b] + [c d] = [a+c b+d]
    if any(is_op(e, "over_time") for e in terms):
        return None
    return reduce(lambda a, b: apply("add", (a, b), {}, shape), _together(terms, shape))


def _side_by_side(shape, terms):
    """Blocks that fill a row: [a b c]."""
    spans = [block_of(e.attrs["index"], shape) for e in terms]
    if None in spans or not tile(spans, shape[-1]):
        return None
    blocks = sorted(zip(spans, terms), key=lambda pair: pair[0])
    return Apply("concatenate", tuple(e.args[0] for _, e in blocks), {"axis": -1}, shape)


def block_of(index: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Where a slice of the last axis begins and ends: x[..., 4:8] or, of a matrix, x[:, 4:8]."""
    if not isinstance(index, tuple) or not index or not isinstance(index[-1], slice) or index[-1].step not in (None, 1):
        return None
    before = index[:-1]
    if before != (...,) and not (len(before) == len(shape) - 1 and all(i == slice(None) for i in before)):
        return None
    start, stop, _ = index[-1].indices(shape[-1])
    return start, stop


def tile(spans: list, length: int) -> bool:
    """Do these spans, one after the other, make up the whole?"""
    spans = sorted(spans)
    return [start for start, _ in spans] == [0, *(stop for _, stop in spans[:-1])] and spans[-1][1] == length


def _together(terms, shape):
    """Equal terms as a multiple of one; and terms that exist at the same steps only as one, so that equal ones meet."""
    groups = []
    for e in terms:
        alike = (g for g in groups if g[0] == e or (is_op(e, "present") and is_op(g[0], "present") and e.attrs == g[0].attrs))
        group = next(alike, None)
        if group is None:
            groups.append([e])
        else:
            group.append(e)
    for group in groups:
        if len(group) > 1 and is_op(group[0], "present"):
            inner = apply("total", tuple(e.args[0] for e in group), {}, shape)
            yield Apply("present", (inner,), group[0].attrs, shape)
        else:
            yield reduce(lambda a, b: apply("add", (a, b), {}, shape), group)


# -- products ----------------------------------------------------------------------------------------------------


@rule("mul")
def _mul(shape, a, b):
    a, b = _unspread(shape, a, b)
    if isinstance(b, Number) and not isinstance(a, Number):
        a, b = b, a
    if isinstance(a, Number):
        return _times(shape, a, b)
    if is_op(a, "neg"):
        return apply("neg", (apply("mul", (a.args[0], b), {}, shape),), {}, shape)  # −a b = −(a b)
    if is_op(b, "neg"):
        return apply("neg", (apply("mul", (a, b.args[0]), {}, shape),), {}, shape)
    (c, x), (d, y) = coefficient(a), coefficient(b)
    if c is not ONE or d is not ONE:
        return apply("mul", (product(c, d), apply("mul", (x, y), {}, shape)), {}, shape)
    if is_op(b, "mul") and b.shape == shape == b.args[0].shape:
        return apply("mul", (apply("mul", (a, b.args[0]), {}, shape), b.args[1]), {}, shape)  # a (b c) = (a b) c
    return Apply("square", (a,), {}, shape) if a == b else None  # a a = a²


def _times(shape, number, e):
    if isinstance(e, Number):
        return product(number, e, shape)
    if e.shape != shape:
        return (
            Apply("mul", (number, e), {}, shape)
            if not is_number(number, 1)
            else apply("broadcast_to", (e,), {"shape": shape}, shape)
        )
    number = replace(number, shape=())
    if is_number(number, 0):
        return Number(0.0, (), shape)
    if is_number(number, 1):
        return e
    if is_number(number, -1):
        return apply("neg", (e,), {}, shape)
    if is_op(e, "neg"):
        return apply("mul", (replace(number, value=-number.value), e.args[0]), {}, shape)
    if is_op(e, "present"):
        return Apply("present", (apply("mul", (number, e.args[0]), {}, shape),), e.attrs, shape)
    if is_op(e, "div") and isinstance(e.args[0], Number):
        return apply("div", (product(number, e.args[0]), e.args[1]), {}, shape)
    c, x = coefficient(e)
    return Apply("mul", (product(number, c), x), {}, shape)


@rule("div")
def _div(shape, a, b):
    if isinstance(b, Number) and a.shape == shape:
        if isinstance(a, Number) and not b.over:
            return replace(a, value=a.value / b.value) if b.value else None
        if b.over and b.value == 1:
            return None if len(b.over) > 1 else scaled(Number(1, b.over), a)
    if is_op(a, "neg"):
        return apply("neg", (apply("div", (a.args[0], b), {}, shape),), {}, shape)  # (−a) / b = −(a / b)
    if is_op(a, "div") and a.args[1] == b:
        return apply("div", (a.args[0], Apply("square", (b,), {}, b.shape)), {}, shape)  # a / b / b = a / b²
    c, x = coefficient(a)
    return scaled(c, apply("div", (x, b), {}, shape)) if c is not ONE and a.shape == shape else None  # (c x) / b = c (x / b)


@rule("pow")
def _pow(shape, a, b):
    if is_number(b, 1):
        return a
    return Apply("square", (a,), {}, shape) if is_number(b, 2) and a.shape == shape else None


@rule("matmul")
def _matmul(shape, a, b):
    (c, x), (d, y) = coefficient(a), coefficient(b)
    if c is not ONE or d is not ONE:
        return scaled(product(c, d), apply("matmul", (x, y), {}, shape))
    for i, e in enumerate((a, b)):
        if is_op(e, "neg"):
            args = (e.args[0], b) if i == 0 else (a, e.args[0])
            return apply("neg", (apply("matmul", args, {}, shape),), {}, shape)
    return None


# -- linear operations on one array: numbers and signs come out --------------------------------------------------


def _linear(op, shape, a, attrs, others=()):
    c, x = coefficient(a)
    if c is not ONE:
        return scaled(c, apply(op, (x, *others), attrs, shape))
    if is_op(a, "neg"):
        return apply("neg", (apply(op, (a.args[0], *others), attrs, shape),), {}, shape)
    return None


@rule("transpose")
def _transpose(shape, a, *, axes=None):
    if is_op(a, "transpose") and axes is None and a.attrs.get("axes") is None:
        return a.args[0]  # Aᵀᵀ = A
    if is_op(a, "matmul") and axes is None and all(len(e.shape) == 2 for e in a.args):
        left, right = (apply("transpose", (e,), {}, e.shape[::-1]) for e in a.args)
        return apply("matmul", (right, left), {}, shape)  # (A B)ᵀ = Bᵀ Aᵀ
    if len(shape) < 2 and axes is None:
        return a
    return _linear("transpose", shape, a, {} if axes is None else {"axes": axes})


@rule("broadcast_to")
def _broadcast_to(shape, a, **attrs):
    if is_op(a, "broadcast_to") and a.args[0].shape == ():
        a = a.args[0]
        return Apply("broadcast_to", (a,), {"shape": shape, **attrs}, shape)
    return _rearranged(shape, a) or _linear("broadcast_to", shape, a, {"shape": shape, **attrs})


@rule("reshape")
def _reshape(shape, a, **attrs):
    if is_op(a, "reshape"):
        return apply("reshape", a.args, {"shape": shape, **attrs}, shape)
    if shape != () and (a.shape == () or (is_op(a, "broadcast_to") and a.args[0].shape == ())):
        return apply("broadcast_to", (a,), {"shape": shape}, shape)  # one number, everywhere
    return _rearranged(shape, a) or _linear("reshape", shape, a, {"shape": shape, **attrs})


def _rearranged(shape, a):
    if isinstance(a, Number):
        return replace(a, shape=shape)
    return a if a.shape == shape else None


@rule("sum_to")
def _sum_to(shape, a, **attrs):
    if a.shape == shape:
        return a  # nothing was broadcast
    if is_op(a, "div") and a.args[1].shape == shape and a.args[0].shape == a.shape:
        sums = apply("sum_to", a.args[:1], {"shape": shape, **attrs}, shape)
        return apply("div", (sums, a.args[1]), {}, shape)  # Σ (a / b) = (Σ a) / b, where b is the same for all
    return _linear("sum_to", shape, a, {"shape": shape, **attrs})


@rule("over_time")
def _over_time(shape, a, **attrs):
    return _linear("over_time", shape, a, attrs)


def _reduced(op, shape, a, attrs):
    if is_op(a, "reshape") and shape == () and attrs.get("axis") is None:
        a = a.args[0]  # over all numbers, in whatever shape
        return apply(op, (a,), attrs, shape)
    return _linear(op, shape, a, attrs)


@rule("sum")
def _sum(shape, a, **attrs):
    return _reduced("sum", shape, a, attrs)


@rule("mean")
def _mean(shape, a, **attrs):
    return _reduced("mean", shape, a, attrs)


@rule("cast", "move")
def _cast(shape, a, **_):
    return a if isinstance(a, Number) else None


@rule("getitem")
def _getitem(shape, a, *arrays, index):
    if isinstance(a, Number):
        return replace(a, shape=shape)
    return _linear("getitem", shape, a, {"index": index}, arrays)


@rule("put")
def _put(shape, g, *arrays, **attrs):
    if is_op(g, "broadcast_to") and g.args[0].shape == ():
        ones = apply("put", (Number(1.0, (), g.shape), *arrays), {"shape": shape, **attrs}, shape)
        return apply("mul", (g.args[0], ones), {}, shape)
    return _linear("put", shape, g, {"shape": shape, **attrs}, arrays)


@rule("part")
def _part(shape, bundle, *, index):
    """The parts of what was joined are what was joined."""
    if not is_op(bundle, "split", "unstack") or not isinstance(index, int):
        return None
    joined, axis = bundle.args[0], bundle.attrs.get("axis", 0)
    if is_op(bundle, "split"):
        if isinstance(joined, Number):
            return replace(joined, shape=shape)
        rank = len(joined.shape)
        same = is_op(joined, "concatenate") and joined.attrs.get("axis", 0) % rank == axis % rank
        sizes = tuple(a.shape[axis] for a in joined.args) if same else None
        return joined.args[index] if sizes == bundle.attrs["sizes"] else None
    return joined.args[index] if is_op(joined, "stack") and joined.attrs.get("axis", 0) == axis else None


# -- choices -----------------------------------------------------------------------------------------------------


@rule("where")
def _where(shape, condition, a, b):
    if isinstance(condition, Number):
        return None
    if is_number(b, 0):
        return _masked(shape, condition, a, True)
    if is_number(a, 0):
        return _masked(shape, condition, b, False)
    return None


def _masked(shape, condition, e, holds):
    """e where the condition holds (or does not), else 0."""
    if is_op(e, "neg"):
        return apply("neg", (_masked(shape, condition, e.args[0], holds),), {}, shape)
    c, x = coefficient(e)
    if c is not ONE:
        return scaled(c, _masked(shape, condition, x, holds))
    if is_op(e, "masked") and not holds and not e.attrs["holds"] and is_op(condition, "less", "greater"):
        inner = e.args[0]
        if is_op(inner, "less", "greater") and inner.op != condition.op and inner.args == condition.args:
            tie = Apply("equal", condition.args, {}, condition.shape)  # neither less nor greater
            return Apply("masked", (tie, e.args[1]), {"holds": True}, shape)
    return Apply("masked", (condition, e), {"holds": holds}, shape)
