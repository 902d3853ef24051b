"""Primitives that join many arrays into one, and cut one into many: `stack` and `unstack`, `concatenate` and `split`, `total`."""

from __future__ import annotations

from functools import reduce
from itertools import accumulate

from ..primitive import several, variadic


@variadic
def stack(xp, *xs, axis=0):
    """Lay arrays of one shape side by side along a new axis.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.stack([tr.ones(3), tr.zeros(3)]).shape
    (2, 3)
    """
    return xp.stack(xs, axis=axis)


@several
def unstack(xp, x, *, axis=0):
    """Cut an array along an axis into as many arrays, without that axis, as it is long.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> a, b = tr.unstack(tr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> b.numpy()
    array([3., 4.], dtype=float32)
    """
    return tuple(xp.moveaxis(x, axis, 0))


stack.vjps(lambda g, y, xs, *, axis=0: unstack.bundle(g, axis=axis))
unstack.vjps(lambda gs, y, x, *, axis=0: stack(*gs, axis=axis))


@variadic
def concatenate(xp, *xs, axis=0):
    """Join arrays along an axis that they have.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.concatenate([tr.ones(2, 3), tr.ones(2, 1)], axis=-1).shape
    (2, 4)
    """
    return xp.concatenate(xs, axis=axis)


@several
def _split(xp, x, *, sizes, axis):
    """Cut an array along an axis into pieces of these sizes."""
    ends = list(accumulate(sizes))
    before = (slice(None),) * (axis % x.ndim)
    return tuple([x[(*before, slice(end - size, end))] for size, end in zip(sizes, ends)])


concatenate.vjps(lambda g, y, xs, *, axis=0: _split.bundle(g, sizes=tuple(x.shape[axis] for x in xs), axis=axis))
_split.vjps(lambda gs, y, x, *, sizes, axis: concatenate(*gs, axis=axis))


def split(x, parts, axis=-1):
    """Cut an array along an axis into equal parts, or into parts of given sizes.

    Parameters
    ----------
    x : Tensor or array
    parts : int or sequence of int
        How many equal parts, or the size of each.
    axis : int
        The axis that is cut.

    Raises
    ------
    ValueError
        If the parts do not add up to the length of the axis.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> i, f, g, o = tr.split(tr.zeros(2, 12), 4)
    >>> o.shape
    (2, 3)
    """
    length = x.shape[axis]
    sizes = (length // parts,) * parts if isinstance(parts, int) else tuple(parts)
    if sum(sizes) != length:
        raise ValueError(f"split: axis {axis} of shape {tuple(x.shape)} has length {length}, which does not divide into {parts}")
    return _split(x, sizes=sizes, axis=axis)


@variadic
def total(xp, *terms):
    """y = Σ terms, in their order: the shares that arrive at one value, added up."""
    return reduce(xp.add, terms)


total.vjps(lambda g, y, terms: [g] * len(terms))
