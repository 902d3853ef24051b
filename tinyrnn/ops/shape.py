"""Primitives that rearrange or repeat numbers: each is another one's transpose, so their vjps need nothing else."""

from __future__ import annotations

from ..primitive import primitive


@primitive
def broadcast_to(xp, x, *, shape):
    """Repeat x along its axes of length 1 until it has the given shape.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.broadcast_to(tr.tensor([1.0, 2.0]), shape=(2, 2)).tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    """
    return xp.broadcast_to(x, shape)


@primitive
def sum_to(xp, x, *, shape):
    """Sum x over the axes along which `shape` was broadcast: over added axes, and over those where it has length 1."""
    lead = x.ndim - len(shape)
    if x.shape[lead:] == shape:
        return x.sum(axis=tuple(range(lead)))
    stretched = tuple(lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1)
    return x.sum(axis=tuple(range(lead)) + stretched, keepdims=True).reshape(shape)


broadcast_to.vjps(lambda g, y, x, *, shape: sum_to(g, shape=x.shape))  # repeating, transposed, is summing
sum_to.vjps(lambda g, y, x, *, shape: broadcast_to(g, shape=x.shape))  # and summing, transposed, is repeating


@primitive
def reshape(xp, x, *, shape):
    """The same numbers, in the same order, under another shape; one length may be −1.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.reshape(tr.ones(2, 6), shape=(3, -1)).shape
    (3, 4)
    """
    return x.reshape(shape)


reshape.vjps(lambda g, y, x, *, shape: reshape(g, shape=x.shape))


@primitive
def transpose(xp, x, *, axes=None):
    """Permute the axes; without `axes`, reverse them.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.transpose(tr.ones(2, 3, 4), axes=(1, 0, 2)).shape
    (3, 2, 4)
    """
    return xp.transpose(x, axes)


def _inverse(axes):
    """The permutation that undoes `axes`."""
    return axes and tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))


transpose.vjps(lambda g, y, x, *, axes=None: transpose(g, axes=_inverse(axes)))


def swap_last(x):
    """Transpose each matrix of a batch: the last two axes change places."""
    if x.ndim == 2:
        return transpose(x)
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
