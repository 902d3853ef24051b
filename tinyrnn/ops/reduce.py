"""Primitives that reduce axes to one number each."""

from __future__ import annotations

from ..primitive import primitive
from .compare import equal
from .elementwise import cast
from .shape import broadcast_to, reshape


def reduced_axes(axis, ndim):
    """The axes that `axis` (None, one or several, negative ones from the end) names, as non-negative numbers."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"there is no axis {a}: the array has {ndim}")
    return tuple(a % ndim for a in axes)


def kept_shape(shape, axis):
    """A shape with 1 in place of the reduced axes."""
    axes = reduced_axes(axis, len(shape))
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _restore(g, x, axis):
    """Give each number of x the g of what it was reduced to."""
    return broadcast_to(reshape(g, shape=kept_shape(x.shape, axis)), shape=x.shape)


@primitive
def sum(xp, x, *, axis=None, keepdims=False):
    """y = Σ x over `axis` (None: all, an int, or a tuple of ints).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.sum(tr.ones(2, 3), axis=0).tolist()
    [2.0, 2.0, 2.0]
    """
    return xp.sum(x, axis=axis, keepdims=keepdims)


sum.vjps(lambda g, y, x, *, axis=None, keepdims=False: _restore(g, x, axis))  # ∂y/∂xᵢ = 1


@primitive
def max(xp, x, *, axis=None, keepdims=False):
    """y = max x over `axis` (None: all, an int, or a tuple of ints).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> x = tr.tensor([1.0, 3.0, 3.0], requires_grad=True)
    >>> tr.max(x).backward()
    >>> x.grad.tolist()  # a tie is split evenly
    [0.0, 0.5, 0.5]
    """
    return xp.max(x, axis=axis, keepdims=keepdims)


@primitive
def min(xp, x, *, axis=None, keepdims=False):
    """y = min x over `axis` (None: all, an int, or a tuple of ints)."""
    return xp.min(x, axis=axis, keepdims=keepdims)


def _to_the_extreme(g, y, x, *, axis=None, keepdims=False):
    """∂y/∂xᵢ = 1/k where xᵢ is one of the k largest (or smallest)."""
    chosen = cast(equal(x, _restore(y, x, axis)), dtype=x.dtype)
    return _restore(g, x, axis) * chosen / sum(chosen, axis=axis, keepdims=True)


max.vjps(_to_the_extreme)
min.vjps(_to_the_extreme)
