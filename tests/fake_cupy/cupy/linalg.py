"""The part of `cupy.linalg` that both CuPy 13 and 14 have and that recurrent networks use."""

import numpy

from ._array import host_of, ndarray, wrap, wrap_all


def qr(a, mode="reduced"):
    if not isinstance(a, ndarray):
        raise TypeError(f"expected a cupy.ndarray, not {type(a)}")
    return wrap_all(tuple(numpy.linalg.qr(host_of(a), mode)))


def norm(x, ord=None, axis=None, keepdims=False):
    return wrap(numpy.linalg.norm(host_of(x), ord, axis, keepdims))


def svd(a, full_matrices=True, compute_uv=True):
    return wrap_all(tuple(numpy.linalg.svd(host_of(a), full_matrices, compute_uv)))
