"""Compositions that have a name on paper: softmax and its kin, one-hot vectors, guards against division by zero.

The library computes a softmax in seven operations, so that nothing overflows; on paper it is one.  Each pattern recognises
the last operation of such a composition, whose parts are recognised already.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeGuard

from .algebra import Apply, Expression, Number, is_number, is_op

Pattern = Callable[..., Expression | None]
PATTERNS: dict[str, Pattern] = {}


def pattern(op: str) -> Callable[[Pattern], Pattern]:
    """This function recognises compositions that end with this operation."""

    def register(function: Pattern) -> Pattern:
        PATTERNS[op] = function
        return function

    return register


def _along(e: Expression, op: str, x: Expression) -> TypeGuard[Apply]:
    """Is e this operation on x?"""
    return is_op(e, op) and e.args[0] == x


@pattern("where")
def _guards(shape, condition, a, b):
    if not is_op(condition, "equal"):
        return None
    tested, value = condition.args
    if is_number(a, 0) and is_number(value, math.inf) and is_op(b, "detach"):
        largest = b.args[0]
        if is_op(largest, "max") and largest.attrs.get("keepdims") and _along(tested, "abs", b):
            return Apply("largest", largest.args, {"axis": largest.attrs["axis"]}, shape)  # max x, or 0 if that is ±∞
    if is_number(value, 0) and is_op(tested, "sum_exp") and (is_number(a, 1) or is_number(a, 0) or is_number(a, -math.inf)):
        # it is never 0, but where all is masked
        return b
    if is_number(value, 0) and is_number(a, 1) and tested == b:
        return Apply("nonzero", (b,), {}, shape)
    return None


@pattern("exp")
def _shifted_exp(shape, x):
    if is_op(x, "sub") and _along(x.args[1], "largest", x.args[0]):
        return Apply("exp_shifted", (x.args[0],), x.args[1].attrs, shape)  # exp(x − max x)
    return None


@pattern("sum")
def _sums(shape, x, *, axis=None, keepdims=False):
    if is_op(x, "exp_shifted") and keepdims and isinstance(axis, int) and (x.attrs["axis"] - axis) % len(x.shape) == 0:
        return Apply("sum_exp", x.args, x.attrs, shape)
    return Number(1.0, (), shape) if _are_one_hot(x) and axis in (-1, len(x.shape) - 1) else None


def _are_one_hot(x: Expression) -> bool:
    """Are the rows of x one-hot?"""
    return is_op(_as_it_was(x), "one_hot") and _as_it_was(x).shape[-1] == x.shape[-1]


@pattern("sum_to")
def _sum_of_one_hot(shape, x, **_):
    return Number(1.0, (), shape) if _are_one_hot(x) and shape == (*x.shape[:-1], 1) else None


@pattern("div")
def _softmax(shape, a, b):
    if is_op(a, "exp_shifted") and _along(b, "sum_exp", a.args[0]):
        return Apply("softmax", a.args, a.attrs, shape)
    return None


@pattern("mul")
def _times_softmax(shape, a, b):
    if is_op(a, "broadcast_to"):
        a = a.args[0]
    sign = is_op(a, "neg")
    ratio = a.args[0] if sign else a
    if is_op(ratio, "div") and is_op(b, "exp_shifted") and _along(ratio.args[1], "sum_exp", b.args[0]):
        u = ratio.args[0]
        u = Number(u.value, u.over) if isinstance(u, Number) else u
        e = Apply("mul", (u, Apply("softmax", b.args, b.attrs, b.shape)), {}, shape)
        return Apply("neg", (e,), {}, shape) if sign else e
    return None


@pattern("sub")
def _log_softmax(shape, a, b):
    if (
        is_op(a, "sub")
        and is_op(b, "log")
        and _along(a.args[1], "largest", a.args[0])
        and _along(b.args[0], "sum_exp", a.args[0])
    ):
        return Apply("log_softmax", (a.args[0],), a.args[1].attrs, shape)
    return None


@pattern("add")
def _logsumexp(shape, a, b):
    if is_op(a, "log") and is_op(a.args[0], "sum_exp") and _along(b, "largest", a.args[0].args[0]):
        return Apply("logsumexp", b.args, b.attrs, shape)
    return None


# -- one number of each row, and back ------------------------------------------------------------------------------


def _by_row(arrays, index) -> bool:
    """Is it x[0, 1, 2 …; labels]: one number of each row?"""
    return len(arrays) == 2 == len(index) and is_op(arrays[0], "arange") and index[0] is index[1]


@pattern("getitem")
def _pick(shape, x, *arrays, index):
    if isinstance(index, tuple) and _by_row(arrays, index) and not is_op(x, "neg"):
        return Apply("pick", (x, arrays[1]), {}, shape)
    return None


@pattern("put")
def _one_hot(shape, g, *arrays, index, **_):
    if not (isinstance(index, tuple) and _by_row(arrays, index)) or is_op(g, "neg", "mul", "broadcast_to"):
        return None
    hot = Apply("one_hot", (arrays[1],), {"classes": shape[-1]}, shape)
    if isinstance(g, Number):
        return Apply("mul", (Number(g.value, g.over), hot), {}, shape)
    return Apply("mul", (Apply("reshape", (g,), {"shape": (*g.shape, 1)}, (*g.shape, 1)), hot), {}, shape)


@pattern("reshape")
def _of_all_places(shape, a, **_):
    """The rows were places of a batch before: then so are the results."""
    if is_op(a, "pick"):
        x, labels = map(_as_it_was, a.args)
        return Apply("pick", (x, labels), {}, shape) if labels.shape == shape == x.shape[:-1] else None
    if is_op(a, "one_hot"):
        labels = _as_it_was(a.args[0])
        return Apply("one_hot", (labels,), a.attrs, shape) if (*labels.shape, a.shape[-1]) == shape else None
    return None


def _as_it_was(e: Expression) -> Expression:
    return e.args[0] if is_op(e, "reshape") else e
