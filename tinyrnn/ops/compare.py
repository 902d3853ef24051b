"""Primitives that compare: piecewise constant, so they have no vjps, and a gradient stops here."""

from __future__ import annotations

from ..primitive import elementwise, primitive


@elementwise
def equal(xp, a, b):
    """a = b, as bools."""
    return xp.equal(a, b)


@elementwise
def not_equal(xp, a, b):
    """a ≠ b, as bools."""
    return xp.not_equal(a, b)


@elementwise
def less(xp, a, b):
    """a < b, as bools."""
    return xp.less(a, b)


@elementwise
def less_equal(xp, a, b):
    """a ≤ b, as bools."""
    return xp.less_equal(a, b)


@elementwise
def greater(xp, a, b):
    """a > b, as bools."""
    return xp.greater(a, b)


@elementwise
def greater_equal(xp, a, b):
    """a ≥ b, as bools."""
    return xp.greater_equal(a, b)


@elementwise
def logical_and(xp, a, b):
    """a ∧ b, as bools."""
    return xp.logical_and(a, b)


@elementwise
def logical_or(xp, a, b):
    """a ∨ b, as bools."""
    return xp.logical_or(a, b)


@elementwise
def logical_not(xp, x):
    """¬x, as bools."""
    return xp.logical_not(x)


@primitive
def all(xp, x, *, axis=None, keepdims=False):
    """Do all hold, over `axis` (None: all, an int, or a tuple of ints)?"""
    return xp.all(x, axis=axis, keepdims=keepdims)


@primitive
def any(xp, x, *, axis=None, keepdims=False):
    """Does any hold, over `axis` (None: all, an int, or a tuple of ints)?"""
    return xp.any(x, axis=axis, keepdims=keepdims)


@elementwise
def sign(xp, x):
    """−1, 0 or 1."""
    return xp.sign(x)


@primitive
def argmax(xp, x, *, axis=None):
    """Where the largest number stands; of equal ones, the first.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.argmax(tr.tensor([[1.0, 3.0], [2.0, 0.0]]), axis=1).numpy()
    array([1, 0])
    """
    return xp.argmax(x, axis=axis)
