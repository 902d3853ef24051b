"""A strict stand-in for CuPy (see README.md beside this folder)."""

import numpy
from numpy import bool_, e, finfo, float16, float32, float64, iinfo, inf, int8, int16, int32, int64, nan, newaxis, pi, uint8

from . import _array, cuda, linalg, random
from ._array import Capsule, host_of, ndarray, signature, wrap, wrap_all

__version__ = "13.6.0"


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get() if isinstance(a, ndarray) else numpy.asarray(a)


def get_array_module(*args):
    import sys

    return sys.modules[__name__] if any(isinstance(a, ndarray) for a in args) else numpy


# -- creation: on the current GPU ------------------------------------------------------------------


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0):
    if isinstance(obj, ndarray):  # the way from another GPU too
        here = obj._id == _array.current.device
        return wrap(numpy.array(obj._host, dtype, copy=True if copy or not here else None, ndmin=ndmin))
    host = numpy.array(obj, dtype, ndmin=ndmin)  # fails on a list of cupy arrays; the real one joins them
    if host.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {host.dtype}")
    return wrap(host)


def asarray(a, dtype=None, order=None):
    return a if isinstance(a, ndarray) and _fits(a, dtype) else array(a, dtype, copy=False)


def _fits(a, dtype):
    return a._id == _array.current.device and dtype in (None, a.dtype)


def ascontiguousarray(a, dtype=None):
    return wrap(numpy.ascontiguousarray(host_of(_need(a)), dtype))


def from_dlpack(array):
    if not hasattr(array, "__dlpack_device__"):
        raise TypeError("The input object does not support the DLPack protocol")
    kind, _ = array.__dlpack_device__()
    if int(kind) != 2:
        raise BufferError("the data is not on a GPU")
    capsule = array.__dlpack__(stream=0)
    if not isinstance(capsule, Capsule):
        raise TypeError("the stand-in opens only its own capsules")
    return capsule.array._view(capsule.array._host)


def _need(a):
    if not isinstance(a, ndarray):
        raise TypeError(f"expected a cupy.ndarray, not {type(a)}")
    return a


def _creation(name, parameters):
    check = signature(parameters)

    def function(*args, **kwargs):
        check(*args, **kwargs)
        return wrap_all(getattr(numpy, name)(*map(host_of, args), **{k: host_of(v) for k, v in kwargs.items()}))

    function.__name__ = name
    return function


def _ufunc(name):
    numpy_ufunc = getattr(numpy, name)

    def ufunc(*args, out=None, dtype=None, casting="same_kind"):
        if out is not None:
            numpy_ufunc(*map(host_of, args), out=host_of(_need(out)), dtype=dtype, casting=casting)
            return out
        return wrap_all(numpy_ufunc(*map(host_of, args), dtype=dtype, casting=casting))

    ufunc.__name__ = name
    return ufunc


def _array_function(name, parameters):
    check = signature(parameters)

    def function(*args, **kwargs):
        check(*args, **kwargs)
        first = args[0] if args else next(iter(kwargs.values()))
        for a in first if isinstance(first, (list, tuple)) else [first]:
            _need(a)
        out = kwargs.get("out")
        result = getattr(numpy, name)(*map(host_of, args), **{k: host_of(v) for k, v in kwargs.items()})
        return out if out is not None else wrap_all(result)

    function.__name__ = name
    return function


dtype = numpy.dtype
_CREATION = {
    **dict.fromkeys(("empty", "zeros", "ones"), "shape, dtype=float, order='C'"),
    "full": "shape, fill_value, dtype=None, order='C'",
    **dict.fromkeys(("empty_like", "zeros_like", "ones_like"), "a, dtype=None, order='K', subok=None, shape=None"),
    "full_like": "a, fill_value, dtype=None, order='K', subok=None, shape=None",
    "arange": "start, stop=None, step=1, dtype=None",
    "linspace": "start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0",
    "eye": "N, M=None, k=0, dtype=float, order='C'",
    "identity": "n, dtype=float",
}
_UFUNCS = """
    add subtract multiply divide true_divide floor_divide negative positive power remainder mod absolute abs sign square
    sqrt cbrt reciprocal exp exp2 expm1 log log2 log10 log1p logaddexp logaddexp2 sin cos tan arcsin arccos arctan arctan2
    sinh cosh tanh maximum minimum fmax fmin equal not_equal less less_equal greater greater_equal
    logical_and logical_or logical_not logical_xor isfinite isinf isnan signbit floor ceil trunc rint
    bitwise_and bitwise_or bitwise_xor invert left_shift right_shift copysign ldexp nextafter
"""
_REDUCE = "a, axis=None, out=None, keepdims=False"
_FUNCTIONS = {
    "sum": "a, axis=None, dtype=None, out=None, keepdims=False",
    "prod": "a, axis=None, dtype=None, out=None, keepdims=False",
    "mean": "a, axis=None, dtype=None, out=None, keepdims=False",
    "var": "a, axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "std": "a, axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    **dict.fromkeys(("max", "min", "amax", "amin", "any", "all"), _REDUCE),
    "argmax": "a, axis=None, dtype=None, out=None, keepdims=False",
    "argmin": "a, axis=None, dtype=None, out=None, keepdims=False",
    "matmul": "a, b, out=None",
    "dot": "a, b, out=None",
    "tensordot": "a, b, axes=2",
    "outer": "a, b, out=None",
    "reshape": "a, newshape, order='C'",
    "ravel": "a, order='C'",
    "transpose": "a, axes=None",
    "moveaxis": "a, source, destination",
    "swapaxes": "a, axis1, axis2",
    "broadcast_to": "array, shape",
    "expand_dims": "a, axis",
    "squeeze": "a, axis=None",
    "concatenate": "tup, axis=0, out=None, dtype=None, casting='same_kind'",
    "stack": "tup, axis=0, out=None, dtype=None, casting='same_kind'",
    "vstack": "tup, dtype=None, casting='same_kind'",
    "hstack": "tup, dtype=None, casting='same_kind'",
    "split": "ary, indices_or_sections, axis=0",
    "flip": "a, axis=None",
    "tile": "A, reps",
    "repeat": "a, repeats, axis=None",
    "roll": "a, shift, axis=None",
    "pad": "array, pad_width, mode='constant', **kwargs",
    "where": "condition, x=None, y=None",
    "clip": "a, a_min, a_max, out=None",
    "cumsum": "a, axis=None, dtype=None, out=None",
    "cumprod": "a, axis=None, dtype=None, out=None",
    "diagonal": "a, offset=0, axis1=0, axis2=1",
    "diag": "v, k=0",
    "tril": "m, k=0",
    "triu": "m, k=0",
    "take": "a, indices, axis=None, out=None",
    "take_along_axis": "a, indices, axis",
    "argsort": "a, axis=-1, kind=None",
    "sort": "a, axis=-1, kind=None",
    "count_nonzero": "a, axis=None, keepdims=False",
    "nan_to_num": "x, copy=True, nan=0.0, posinf=None, neginf=None",
    "array_equal": "a1, a2, equal_nan=False",
    "allclose": "a, b, rtol=1e-05, atol=1e-08, equal_nan=False",
    "shape": "a",
    "ndim": "a",
    "size": "a, axis=None",
}
globals().update({name: _creation(name, parameters) for name, parameters in _CREATION.items()})
globals().update({name: _ufunc(name) for name in _UFUNCS.split()})
globals().update({name: _array_function(name, parameters) for name, parameters in _FUNCTIONS.items()})


def broadcast_to(array, shape):  # a view: no kernel
    return wrap(numpy.broadcast_to(_need(array)._host, shape), array._id)


def transpose(a, axes=None):  # a view
    return wrap(numpy.transpose(_need(a)._host, axes), a._id)


def moveaxis(a, source, destination):  # a view
    return wrap(numpy.moveaxis(_need(a)._host, source, destination), a._id)


def result_type(*args):
    return numpy.result_type(*(a.dtype if isinstance(a, ndarray) else a for a in args))
