"""The part of `cupyx` that tinyrnn uses."""

import numpy
from cupy._array import host_of, index_of, ndarray


def scatter_add(a, slices, value):
    if not isinstance(a, ndarray):
        raise TypeError(f"expected a cupy.ndarray, not {type(a)}")
    if a.dtype.name not in ("int32", "float16", "float32", "float64", "uint32", "uint64", "complex64", "complex128"):
        raise TypeError(f"scatter_add does not support {a.dtype}")
    numpy.add.at(host_of(a), index_of(slices, a.shape)[0], host_of(value))
