"""One time step of an expression over all steps: (2 Y)ₜ is 2 yₜ, for what is computed of each number alone or of each row."""

from __future__ import annotations

from collections.abc import Callable

from .algebra import Apply, Expression, Index, Number, Symbol, is_op
from .rules import apply

ELEMENTWISE = {
    *("add", "sub", "mul", "div", "neg", "pow", "square", "exp", "log", "sqrt", "abs", "tanh", "sigmoid", "relu", "logaddexp"),
    *("maximum", "minimum", "where", "masked", "nonzero", "sign", "detach", "cast", "move"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_not"),
}
ROWWISE = {"softmax", "log_softmax"}

LookUp = Callable[[Symbol, int, Index], Expression | None]


def at(e: Expression, axis: int, index: Index, look_up: LookUp) -> Expression | None:
    """The entry of e at a step, along an axis; None if that takes more than its symbols at that step.

    Parameters
    ----------
    look_up : callable
        Says what a symbol is at that step: hₜ of H = (h₁, …, h_T).
    """
    shape = (*e.shape[:axis], *e.shape[axis + 1 :])
    if isinstance(e, Number):
        return Number(e.value, e.over, shape)
    if isinstance(e, Symbol):
        return look_up(e, axis, index) or Apply("at", (e,), {"axis": axis, "index": index}, shape)

    def of(a: Expression) -> Expression | None:
        """The entry of an operand, which broadcasts."""
        own = axis - (len(e.shape) - len(a.shape))
        if own < 0:
            return a
        return at(a, own, index, look_up) if a.shape[own] == e.shape[axis] or isinstance(a, Number) else None

    args: list[Expression | None] = []
    fixed = not (index.steps or index.length)
    if e.op in ELEMENTWISE or (e.op in ROWWISE and axis < len(e.shape) - 1):
        args = [of(a) for a in e.args]
    elif e.op == "matmul" and len(e.args[1].shape) == 2 and axis < len(e.shape) - 1:
        args = [at(e.args[0], axis, index, look_up), e.args[1]]
    elif e.op == "transpose" and e.attrs.get("axes"):
        rest = [a for a in e.attrs["axes"] if a != e.attrs["axes"][axis]]
        return at(e.args[0], e.attrs["axes"][axis], index, look_up) if rest == sorted(rest) else None
    elif e.op == "getitem" and len(e.args) == 2 and len(e.attrs["index"]) == 1 and axis < len(e.args[1].shape):
        args = [e.args[0], at(e.args[1], axis, index, look_up)]  # a table of vectors, indexed by symbols
    elif e.op == "one_hot" and axis < len(e.args[0].shape):
        args = [at(e.args[0], axis, index, look_up)]
    elif e.op == "put" and axis == 0 and len(e.args) == 1 and isinstance(e.attrs["index"], Index):
        there = e.attrs["index"]
        return Apply("present", (e.args[0],), {"index": index, "first": there, "last": there, "gaps": (), "absent": ()}, shape)
    elif e.op == "put" and axis == 0 and len(e.args) == 1 and isinstance(e.attrs["index"], int) and fixed:
        return e.args[0] if e.attrs["index"] % e.shape[0] == index.offset - 1 else Number(0.0, (), shape)
    elif e.op == "stack" and e.attrs.get("axis", 0) % len(e.shape) == axis and fixed:
        return e.args[index.offset - 1] if len(e.args) == e.shape[axis] else None
    elif e.op == "concatenate" and e.attrs.get("axis", 0) % len(e.shape) != axis and e.attrs.get("axis", 0) < 0:
        args = [at(a, axis, index, look_up) for a in e.args]
    found = tuple(a for a in args if a is not None)
    return apply(e.op, found, e.attrs, shape) if args and len(found) == len(args) else None


def is_view(e: Expression) -> bool:
    """Is it a symbol, or one at a step?"""
    return isinstance(e, Symbol) or (is_op(e, "at") and isinstance(e.args[0], Symbol))
