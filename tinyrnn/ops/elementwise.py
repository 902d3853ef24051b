"""Primitives that act on each number alone.  Their vjps are the school derivatives, times g."""

from __future__ import annotations

import math
from typing import Any

import numpy

from .. import backend
from ..graph import SEVERED, Value
from ..primitive import Primitive, elementwise, primitive
from .compare import equal, greater, less, sign


@elementwise
def add(xp, a, b):
    """y = a + b"""
    return xp.add(a, b)


add.vjps(
    lambda g, y, a, b: g,  # ∂y/∂a = 1
    lambda g, y, a, b: g,  # ∂y/∂b = 1
)


@elementwise
def sub(xp, a, b):
    """y = a − b"""
    return xp.subtract(a, b)


sub.vjps(
    lambda g, y, a, b: g,  # ∂y/∂a = 1
    lambda g, y, a, b: -g,  # ∂y/∂b = −1
)


@elementwise
def mul(xp, a, b):
    """y = a b"""
    return xp.multiply(a, b)


mul.vjps(
    lambda g, y, a, b: g * b,  # ∂y/∂a = b
    lambda g, y, a, b: g * a,  # ∂y/∂b = a
)


@elementwise
def div(xp, a, b):
    """y = a / b"""
    return xp.divide(a, b)


div.vjps(
    lambda g, y, a, b: g / b,  # ∂y/∂a = 1/b
    lambda g, y, a, b: -g * y / b,  # ∂y/∂b = −a/b² = −y/b
)


@elementwise
def neg(xp, x):
    """y = −x"""
    return xp.negative(x)


neg.vjps(lambda g, y, x: -g)


@elementwise
def pow(xp, a, b):
    """y = aᵇ

    Examples
    --------
    >>> import tinyrnn as tr
    >>> x = tr.tensor(3.0, requires_grad=True)
    >>> (x**2).backward()
    >>> x.grad.item()
    6.0
    """
    return a**b


def _pow_base(g, y, a, b):
    """∂y/∂a = b aᵇ⁻¹, and 0 where b = 0, even at a = 0."""
    if isinstance(b, (int, float)):
        return g * 0.0 if b == 0 else g * (b * a) if b == 2 else g * (b * pow(a, b - 1))
    constant = equal(b, 0)
    return g * b * pow(where(constant, 1, a), where(constant, 1, b - 1))


def _pow_exponent(g, y, a, b):
    """∂y/∂b = aᵇ ln a, and 0 at a = 0."""
    if isinstance(a, (int, float)):
        return g * y * (math.log(a) if a else 0.0)
    zero = equal(a, 0)
    return where(zero, 0, g * y * log(where(zero, 1, a)))


pow.vjps(_pow_base, _pow_exponent)


@elementwise
def exp(xp, x):
    """y = eˣ"""
    return xp.exp(x)


exp.vjps(lambda g, y, x: g * y)  # dy/dx = y


@elementwise
def log(xp, x):
    """y = ln x"""
    return xp.log(x)


log.vjps(lambda g, y, x: g / x)  # dy/dx = 1/x


@elementwise
def sqrt(xp, x):
    """y = √x"""
    return xp.sqrt(x)


sqrt.vjps(lambda g, y, x: 0.5 * g / y)  # dy/dx = 1/(2√x)


@elementwise
def abs(xp, x):
    """y = |x|"""
    return xp.abs(x)


abs.vjps(lambda g, y, x: g * sign(x))  # dy/dx = ±1, and 0 at 0


@elementwise
def tanh(xp, x):
    """y = tanh x

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.tanh(tr.tensor([0.0, 800.0])).numpy()
    array([0., 1.], dtype=float32)
    """
    return xp.tanh(x)


tanh.vjps(lambda g, y, x: g * (1 - y * y))  # dy/dx = 1 − tanh²x = 1 − y²


@elementwise
def sigmoid(xp, x):
    """y = σ(x) = 1 / (1 + e⁻ˣ) = ½ tanh(½ x) + ½, the form that cannot overflow

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.sigmoid(tr.tensor([-1000.0, 0.0, 1000.0])).numpy()
    array([0. , 0.5, 1. ], dtype=float32)
    """
    y = xp.tanh(0.5 * x)
    half = xp.asarray(0.5, y.dtype)
    y *= half
    y += half
    return y


sigmoid.vjps(lambda g, y, x: g * (y - y * y))  # dy/dx = σ(x)(1 − σ(x)) = y − y²


@elementwise
def logaddexp(xp, a, b):
    """y = ln(eᵃ + eᵇ), without overflow"""
    return xp.logaddexp(a, b)


logaddexp.vjps(
    lambda g, y, a, b: g * sigmoid(a - b),  # ∂y/∂a = eᵃ/(eᵃ + eᵇ) = σ(a − b)
    lambda g, y, a, b: g * sigmoid(b - a),
)


@elementwise
def where(xp, condition, a, b):
    """y = a where the condition holds, else b

    Examples
    --------
    >>> import tinyrnn as tr
    >>> x = tr.tensor([-1.0, 2.0])
    >>> tr.where(x > 0, x, 0.0).numpy()
    array([0., 2.], dtype=float32)
    """
    return xp.where(condition, a, b)


where.vjps(
    None,
    lambda g, y, condition, a, b: where(condition, g, 0),  # what was not taken gets no gradient, not even a NaN
    lambda g, y, condition, a, b: where(condition, 0, g),
)


@elementwise
def relu(xp, x):
    """y = max(x, 0)"""
    return xp.maximum(x, 0)


relu.vjps(lambda g, y, x: where(greater(x, 0), g, 0))  # dy/dx = 1 where x > 0, else 0


@elementwise
def maximum(xp, a, b):
    """y = max(a, b)

    Examples
    --------
    >>> import tinyrnn as tr
    >>> a = tr.tensor([1.0, 2.0], requires_grad=True)
    >>> tr.maximum(a, 2.0).sum().backward()
    >>> a.grad.tolist()  # ½ at the tie
    [0.0, 0.5]
    """
    return xp.maximum(a, b)


def _to_the_winner(g, wins, loses):
    """g where it wins, ½ g at a tie."""
    return where(wins, g, where(loses, 0, 0.5 * g))


maximum.vjps(
    lambda g, y, a, b: _to_the_winner(g, greater(a, b), less(a, b)),
    lambda g, y, a, b: _to_the_winner(g, greater(b, a), less(b, a)),
)


@elementwise
def minimum(xp, a, b):
    """y = min(a, b)"""
    return xp.minimum(a, b)


minimum.vjps(
    lambda g, y, a, b: _to_the_winner(g, less(a, b), greater(a, b)),
    lambda g, y, a, b: _to_the_winner(g, less(b, a), greater(b, a)),
)


class _Detach(Primitive):
    """Remembers, where nothing else is recorded, that there was a history."""

    def record(self, value: Any, data: Any, args: tuple, attrs: dict[str, Any], needs_grad: bool) -> Any:
        result = super().record(value, data, args, attrs, needs_grad)
        if needs_grad and result.op is None:
            result.attrs = SEVERED
        return result


@_Detach
def detach(xp, x):
    """The same numbers, through which no gradient flows; on the CPU in the same memory, read-only.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> w = tr.Parameter(3.0)
    >>> (w * tr.detach(w)).backward()
    >>> w.grad.item()
    3.0
    """
    return backend.read_only_view(x)


@primitive
def _cast(xp, x, *, dtype):
    """The same numbers in another dtype."""
    return x.astype(dtype)


_cast.vjps(lambda g, y, x, *, dtype: cast(g, dtype=x.dtype))


def cast(x, dtype):
    """The same numbers in another dtype; the gradient comes back in the dtype of x, but not from integers or bools.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.cast(tr.tensor([1.7, 2.0]), "int64").tolist()
    [1, 2]
    """
    return _cast(x if numpy.dtype(dtype).kind == "f" else detach(x), dtype=dtype)


@primitive
def move(xp, x, *, device):
    """The same numbers on another device."""
    return backend.to_device(x, device)


move.vjps(lambda g, y, x, *, device: move(g, device=backend.device_of(x.data if isinstance(x, Value) else x)))
