"""The array type: a NumPy array that pretends to be on a GPU, and the rules for calling anything with it."""

import threading

import numpy


class _Current(threading.local):
    device = 0


current = _Current()


class ndarray:
    """What `cupy.ndarray` lets one do, and nothing else."""

    __slots__ = ("_host", "_id")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is not None or strides is not None:
            raise NotImplementedError("the stand-in allocates its own memory")
        self._host, self._id = numpy.empty(shape, dtype, order), current.device

    # -- no silent way to the host ---------------------------------------------------------------

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        import cupy

        if method != "__call__" or not hasattr(cupy, ufunc.__name__):
            return NotImplemented
        return getattr(cupy, ufunc.__name__)(*inputs, **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        import cupy

        module = cupy.linalg if function.__module__ == "numpy.linalg" else cupy
        if not all(issubclass(t, ndarray) for t in types) or not hasattr(module, function.__name__):
            return NotImplemented
        return getattr(module, function.__name__)(*args, **kwargs)

    def get(self, stream=None, order="C", out=None, blocking=True):
        return self._host.copy()

    def set(self, arr, stream=None):
        if not isinstance(arr, numpy.ndarray) or arr.shape != self.shape or arr.dtype != self.dtype:
            raise ValueError("set needs a NumPy array of the same shape and dtype")
        self._host[...] = arr

    def item(self):
        return self._host.item()

    def tolist(self):
        return self._host.tolist()

    def __bool__(self):
        return bool(self._host)

    def __int__(self):
        return int(self._host)

    def __float__(self):
        return float(self._host)

    def __index__(self):
        return self._host.__index__()

    def __repr__(self):
        return repr(self._host)

    def __str__(self):
        return str(self._host)

    def __format__(self, spec):
        return format(self._host, spec)

    # -- what it is ------------------------------------------------------------------------------

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)

    @property
    def device(self):
        from .cuda import Device

        return Device(self._id)

    @property
    def flags(self):
        return Flags(self._host.flags)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # -- views: no kernel runs, so any GPU may be current ----------------------------------------

    @property
    def T(self):
        return self.transpose()

    def transpose(self, *axes):
        return self._view(self._host.transpose(*axes))

    def reshape(self, *shape, order="C"):
        view = self._host.reshape(*shape)
        if not numpy.may_share_memory(view, self._host):  # it must copy: a kernel
            host_of(self)
        return self._view(view)

    def view(self, dtype=None):
        return self._view(self._host.view() if dtype is None else self._host.view(dtype))

    def squeeze(self, axis=None):
        return self._view(self._host.squeeze(axis))

    def swapaxes(self, axis1, axis2):
        return self._view(self._host.swapaxes(axis1, axis2))

    def diagonal(self, offset=0, axis1=0, axis2=1):
        return self._view(self._host.diagonal(offset, axis1, axis2))

    def _view(self, host):
        return wrap(host, self._id)

    # -- copies ----------------------------------------------------------------------------------

    def copy(self, order="C"):
        return wrap(self._host.copy(), current.device)  # on the current GPU, wherever it was

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if not copy and self.dtype == numpy.dtype(dtype):
            return self
        return wrap(host_of(self).astype(dtype), self._id)

    def flatten(self, order="C"):
        return wrap(host_of(self).flatten(), self._id)

    def ravel(self, order="C"):
        return self.reshape(-1)

    def fill(self, value):
        host_of(self).fill(host_of(value))

    # -- indexing --------------------------------------------------------------------------------

    def __getitem__(self, key):
        index, advanced = index_of(key, self.shape)
        return wrap(numpy.asarray((host_of(self) if advanced else self._host)[index]), self._id)

    def __setitem__(self, key, value):
        if isinstance(value, numpy.ndarray):  # CuPy copies an array of the same shape and dtype; nothing of ours relies on it
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        host_of(self)[index_of(key, self.shape)[0]] = host_of(value)

    # -- DLPack: a capsule that only the stand-in can open ---------------------------------------

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return Capsule(self)

    def __dlpack_device__(self):
        return 2, self._id


class Capsule:
    """What stands for a DLPack capsule of CUDA memory."""

    def __init__(self, array):
        self.array = array


class Flags:
    """CuPy's flags: nothing about writing, and nothing to set."""

    __slots__ = ("c_contiguous", "f_contiguous", "owndata", "fnc", "forc")

    def __init__(self, flags):
        for name in self.__slots__:
            object.__setattr__(self, name, getattr(flags, name))

    def __setattr__(self, name, value):
        raise AttributeError(f"'Flags' object has no settable attribute {name!r}")


def wrap(host, device=None):
    array = ndarray.__new__(ndarray)
    array._host = numpy.asarray(host)
    array._id = current.device if device is None else device
    return array


def wrap_all(result):
    if isinstance(result, (tuple, list)):
        return type(result)(map(wrap_all, result)) if type(result) in (tuple, list) else tuple(map(wrap_all, result))
    return wrap(result) if isinstance(result, (numpy.ndarray, numpy.generic)) else result


def host_of(a):
    """The NumPy array behind an argument of a kernel, once it is known to be allowed there."""
    if isinstance(a, ndarray):
        if a._id != current.device:
            raise ValueError(
                f"The device where the array resides ({a._id}) is different from the current device ({current.device}). "
                "Peer access is unavailable between these devices."
            )
        return a._host
    if isinstance(a, (list, tuple)):
        return type(a)(map(host_of, a))
    if a is None or isinstance(a, (bool, int, float, complex, numpy.generic, str, type, numpy.dtype)):
        return a
    raise TypeError(f"Unsupported type {type(a)}")


def index_of(key, shape):
    """An index for NumPy, and whether there are arrays in it."""
    keys = key if isinstance(key, tuple) else (key,)
    out, advanced, axis = [], False, 0
    ellipsis = len(shape) - sum(k.ndim if is_mask(k) else 1 for k in keys if k is not None and k is not Ellipsis)
    for k in keys:
        if isinstance(k, ndarray):
            advanced = True
            host = host_of(k)
            if host.dtype.kind in "iu" and shape[axis]:
                host = host % shape[axis]  # CuPy wraps around
            out.append(host)
            axis += k.ndim if is_mask(k) else 1
        elif k is None or k is Ellipsis or (isinstance(k, (slice, int, numpy.integer)) and not isinstance(k, bool)):
            out.append(k)
            axis += 0 if k is None else ellipsis if k is Ellipsis else 1
        else:
            raise TypeError(f"an index of type {type(k)} would be copied to the GPU silently: make it a cupy.ndarray")
    return (tuple(out) if isinstance(key, tuple) else out[0]), advanced


def is_mask(k):
    return isinstance(k, ndarray) and k.dtype.kind == "b"


def _operator(name, reflected=False, in_place=False):
    function = getattr(numpy, name)

    def operate(self, other):
        if isinstance(other, numpy.ndarray) or not isinstance(other, (ndarray, bool, int, float, complex, numpy.generic)):
            if isinstance(other, numpy.ndarray):
                raise TypeError(f"Unsupported type {type(other)}")
            return NotImplemented
        a, b = host_of(self), host_of(other)
        if in_place:
            function(a, b, out=a, casting="same_kind")
            return self
        return wrap(numpy.asarray(function(b, a) if reflected else function(a, b)))

    return operate


for _name, _function in {
    **{"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide", "mod": "remainder"},
    **{"pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"},
}.items():
    setattr(ndarray, f"__{_name}__", _operator(_function))
    setattr(ndarray, f"__r{_name}__", _operator(_function, reflected=True))
    setattr(ndarray, f"__i{_name}__", _operator(_function, in_place=True))
for _name, _function in {
    **{"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal"},
}.items():
    setattr(ndarray, f"__{_name}__", _operator(_function))


def _unary(name):
    return lambda self: wrap(numpy.asarray(getattr(numpy, name)(host_of(self))))


for _name, _function in {"neg": "negative", "abs": "absolute", "invert": "invert", "pos": "positive"}.items():
    setattr(ndarray, f"__{_name}__", _unary(_function))


def _method(name, parameters):
    check = signature(parameters)

    def method(self, *args, **kwargs):
        check(*args, **kwargs)
        return wrap(
            numpy.asarray(getattr(host_of(self), name)(*map(host_of, args), **{k: host_of(v) for k, v in kwargs.items()}))
        )

    return method


def signature(parameters):
    """A function that accepts these parameters only."""
    return eval(f"lambda {parameters}: None")


_AXES = "axis=None, out=None, keepdims=False"
for _name, _parameters in {
    "sum": "axis=None, dtype=None, out=None, keepdims=False",
    "mean": "axis=None, dtype=None, out=None, keepdims=False",
    "prod": "axis=None, dtype=None, out=None, keepdims=False",
    "var": "axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "std": "axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    **dict.fromkeys(("max", "min", "any", "all"), _AXES),
    "argmax": "axis=None, out=None, dtype=None, keepdims=False",
    "argmin": "axis=None, out=None, dtype=None, keepdims=False",
    "clip": "min=None, max=None, out=None",
    "cumsum": "axis=None, dtype=None, out=None",
    "dot": "b, out=None",
    "take": "indices, axis=None, out=None",
    "repeat": "repeats, axis=None",
    "round": "decimals=0, out=None",
    "argsort": "axis=-1",
    "trace": "offset=0, axis1=0, axis2=1, dtype=None, out=None",
}.items():
    setattr(ndarray, _name, _method(_name, _parameters))
