"""Primitives that contract axes."""

from __future__ import annotations

import math

from ..primitive import primitive
from .join import concatenate
from .shape import reshape, sum_to, swap_last, transpose


@primitive
def matmul(xp, a, b):
    """Y = A B, over batch axes that broadcast; a single axis is a row vector on the left, a column vector on the right.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> x, W = tr.ones(2, 3), tr.ones(3, 4)
    >>> (x @ W).shape
    (2, 4)
    """
    if a.ndim > 2 and b.ndim == 2:  # one large product instead of many small ones
        return xp.matmul(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    return xp.dot(a, b) if a.ndim == b.ndim == 2 else xp.matmul(a, b)  # on matrices the same, and quicker


def _as_matrices(g, a, b):
    """The operands with at least two axes, and g in the shape of their product."""
    rows = a if a.ndim > 1 else reshape(a, shape=(1, *a.shape))
    columns = b if b.ndim > 1 else reshape(b, shape=(*b.shape, 1))
    if rows is not a or columns is not b:
        batch = g.shape[: g.ndim - (a.ndim > 1) - (b.ndim > 1)]
        g = reshape(g, shape=(*batch, rows.shape[-2], columns.shape[-1]))
    return g, rows, columns


def _as_rows(x):
    """All axes but the last as one."""
    return x if x.ndim == 2 else reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


def _left(g, y, a, b):
    """∂L/∂A = G Bᵀ"""
    if a.ndim == b.ndim == 2:
        return g @ b.T
    g, rows, columns = _as_matrices(g, a, b)
    product = matmul(g, swap_last(columns))
    return product if product.shape == a.shape else reshape(sum_to(product, shape=rows.shape), shape=a.shape)


def _right(g, y, a, b):
    """∂L/∂B = Aᵀ G"""
    if a.ndim == b.ndim == 2:
        return a.T @ g
    g, rows, columns = _as_matrices(g, a, b)
    if rows.ndim > 2 and columns.ndim == 2:  # Σ over the batch of Aᵀ G is one product of long matrices
        rows, g = _as_rows(rows), _as_rows(g)
    product = matmul(swap_last(rows), g)
    return product if product.shape == b.shape else reshape(sum_to(product, shape=columns.shape), shape=b.shape)


matmul.vjps(_left, _right)


def _right_jointly(uses):
    """Σₜ Aₜᵀ Gₜ = [A₁; A₂; …]ᵀ [G₁; G₂; …]: the gradient of a weight used at many time steps as one long product."""
    rows, gs = concatenate([_as_rows(a) for _, a in uses]), concatenate([_as_rows(g) for g, _ in uses])
    return matmul(transpose(rows), gs)


matmul.joint_vjp = _right_jointly
