"""The Tensor: a Value whose operators are the primitives; and the Parameter, the Tensor that training changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

import numpy

from . import autodiff, backend, ops
from .autodiff import identify
from .backend import Device
from .graph import Value, modes, unchain

_new = object.__new__
_data = Value.data  # the slot
Array = numpy.ndarray
Operation = Callable[..., "Tensor"]


def _methods(*operations: Any) -> tuple[Operation, ...]:
    """Operations as methods of Tensor, which return Tensors: for type checkers."""
    return operations


def _reflected(primitive: Any) -> Operation:
    return lambda self, other: primitive(other, self)


def _in_place(primitive: Any) -> Operation:
    """`w -= …` changes a leaf that requires a gradient, where nothing is recorded; elsewhere it makes a new Tensor."""

    def operator(self: Tensor, other: Any) -> Tensor:
        if not (self.op is None and self.requires_grad):
            return primitive(self, other)
        if modes().grad:
            raise RuntimeError(f"{identify(self)} is a leaf that requires a gradient: change it in place under tr.no_grad()")
        return self.assign(primitive(self, other))

    return operator


class Tensor(Value):
    """An array of numbers with a history, on which gradients flow back.

    Parameters
    ----------
    data : array, Tensor, number or nested lists
        Copied.  Python numbers become float32, arrays keep their dtype.
    dtype : dtype, optional
    device : str or Device, optional
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``; by default where `data` is, for Python numbers the default device.
    requires_grad : bool
        Whether `backward` computes a gradient for it.
    name : str, optional
        What drawings and equations call it.

    Raises
    ------
    TypeError
        If `data` holds no numbers, or integers are asked for gradients.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> x = tr.Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4.])
    """

    __slots__ = ()

    def __init__(
        self,
        data: Any,
        *,
        dtype: Any = None,
        device: str | Device | None = None,
        requires_grad: bool = False,
        name: str | None = None,
    ) -> None:
        data = data.data if isinstance(data, Value) else data
        if isinstance(data, (list, tuple)) and any(isinstance(item, Value) and item.requires_grad for item in data):
            raise TypeError(f"a {type(data).__name__} of Tensors would lose their gradients: join them with tr.stack")
        array = backend.asarray(data, dtype, device, copy=True)
        super().__init__(array, name=name)
        if requires_grad:
            self.requires_grad_()

    def derive(self, data: Any, op: Any, args: tuple, attrs: Any, requires_grad: bool) -> Tensor:
        result = _new(Tensor)
        Value.__init__(result, data, requires_grad, op, args, attrs)
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.op is not None:
            raise TypeError(f"{identify(self)} is the result of an operation: copy or save its detach(), without the history")
        return super().__reduce_ex__(protocol)

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """Of a copy or a pickled leaf."""
        for name, value in state[1].items():
            setattr(self, name, value)
        self.begin_anew()
        backend.protect(self.data, self.requires_grad)

    # -- gradients -------------------------------------------------------------------------------

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients from now on, or no longer; the Tensor itself is returned."""
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(f"{identify(self)} has dtype {self.dtype}: only floats have gradients; make it with dtype='float32'")
        if self.op is not None:
            raise RuntimeError(
                f"{identify(self)} was computed from others: only a leaf can be told whether it requires a gradient"
            )
        self.requires_grad = requires_grad
        backend.protect(self.data, requires_grad)
        return self

    def backward(self, gradient: Any = None, create_graph: bool = False, release: bool = False) -> None:
        """Add ∂self/∂leaf to the `grad` of every leaf that requires a gradient.

        Parameters
        ----------
        gradient : Tensor or array, optional
            ∂L/∂self, in the shape of this Tensor; not needed for a scalar, where it is 1.
        create_graph : bool
            Record the backward pass: the gradients then have a history that can be drawn and differentiated.
        release : bool
            Let the history go on the way, to save memory.  By default it stays as long as this Tensor does, so that it
            can still be drawn and explained.

        Raises
        ------
        ValueError
            If this is no scalar and no gradient is given, or one of another shape.
        RuntimeError
            If nothing in the history requires a gradient, if the history was released, or if a parameter was changed in
            place after it had been used.

        Examples
        --------
        >>> import tinyrnn as tr
        >>> w = tr.Parameter(2.0)
        >>> (w * w * w).backward()
        >>> w.grad.item()
        12.0
        """
        autodiff.backward(self, gradient, create_graph, release)

    def detach(self) -> Tensor:
        """The same numbers (not copied), through which no gradient flows back."""
        return ops.detach(self)

    def unchain(self, before: int | None = None) -> None:
        """Cut the history here, or behind time step `before` (see `tinyrnn.unchain`)."""
        unchain(self, before=before)

    # -- numbers ---------------------------------------------------------------------------------

    def assign(self, data: Any) -> Tensor:
        """Put other numbers of the same shape into this leaf, in place; what it was used for can no longer be differentiated.

        Raises
        ------
        RuntimeError
            If this Tensor is the result of an operation.
        ValueError
            If the shape is another one.
        """
        new = backend.asarray(data.data if isinstance(data, Value) else data, self.dtype, backend.device_of(self.data))
        if new.shape != self.shape:
            raise ValueError(f"cannot assign shape {tuple(new.shape)} to {identify(self)}")
        with backend.active(self.device):
            self.writable()[...] = new
        return self

    def writable(self) -> Any:
        """This leaf's array, to be changed in place; the change is noted.  One that shares its memory is copied first."""
        if self.op is not None:
            raise RuntimeError(f"{identify(self)} is the result of an operation: only a leaf can be changed in place")
        self.note_change()
        if backend.is_read_only_view(self.data):  # of a detached value: its history needs the numbers as they are
            self.data = backend.copy(self.data)
        if not self.ndim:
            self.data = backend.asarray(self.data)  # NumPy gives a scalar, which is fixed, for what has no axes
        return backend.writable(self.data)

    def numpy(self) -> Array:
        """The numbers as a NumPy array, not copied from the CPU; read-only if gradients depend on them."""
        array = backend.to_host(self.data)
        if self.requires_grad or self.op is not None:
            array = array.view()
            array.flags.writeable = False
        return array

    def item(self) -> Any:
        """The one number of a Tensor of size 1, as a Python number."""
        if self.size != 1:
            raise ValueError(f"item() needs one number, but {identify(self)} has {self.size}")
        return self.data.item()

    def tolist(self) -> Any:
        """The numbers as nested lists."""
        return self.data.tolist()

    def to(self, device: str | Device) -> Tensor:
        """This Tensor if it is on that device already, else a copy there, through which gradients flow."""
        device = backend.Device.parse(device)
        return self if self.device == device else ops.move(self, device=device)

    def astype(self, dtype: Any) -> Tensor:
        """The same numbers in another dtype; the gradient comes back in this one."""
        return ops.cast(self, dtype=dtype)

    @property
    def device(self) -> Device:
        return backend.device_of(self.data)

    @property
    def size(self) -> int:
        return self.data.size

    # -- operators -------------------------------------------------------------------------------

    __add__, __radd__, __iadd__ = _methods(ops.add, _reflected(ops.add), _in_place(ops.add))
    __sub__, __rsub__, __isub__ = _methods(ops.sub, _reflected(ops.sub), _in_place(ops.sub))
    __mul__, __rmul__, __imul__ = _methods(ops.mul, _reflected(ops.mul), _in_place(ops.mul))
    __truediv__, __rtruediv__, __itruediv__ = _methods(ops.div, _reflected(ops.div), _in_place(ops.div))
    __pow__, __rpow__ = _methods(ops.pow, _reflected(ops.pow))
    __matmul__, __rmatmul__ = _methods(ops.matmul, _reflected(ops.matmul))
    __and__, __rand__ = _methods(ops.logical_and, _reflected(ops.logical_and))
    __or__, __ror__ = _methods(ops.logical_or, _reflected(ops.logical_or))
    __neg__, __abs__, __invert__, __getitem__ = _methods(ops.neg, ops.abs, ops.logical_not, ops.index)
    __lt__, __le__, __gt__, __ge__ = _methods(ops.less, ops.less_equal, ops.greater, ops.greater_equal)
    __eq__, __ne__ = _methods(ops.equal, ops.not_equal)  # type: ignore[assignment]
    __hash__ = object.__hash__

    exp, log, sqrt, abs, tanh, sigmoid, relu = _methods(ops.exp, ops.log, ops.sqrt, ops.abs, ops.tanh, ops.sigmoid, ops.relu)
    softmax, log_softmax, logsumexp = _methods(ops.softmax, ops.log_softmax, ops.logsumexp)
    clip, norm, mean, var = _methods(ops.clip, ops.norm, ops.mean, ops.var)
    squeeze, expand_dims, flip = _methods(ops.squeeze, ops.expand_dims, ops.flip)
    split = ops.split

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.sum(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.min(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> Tensor:
        return ops.argmax(self, axis=axis)

    def reshape(self, *shape: Any) -> Tensor:
        return ops.reshape(self, shape=_shape(shape))

    def transpose(self, *axes: int) -> Tensor:
        """Permute the axes (all of them are named), or reverse them."""
        return ops.transpose(self, axes=_shape(axes) or None)

    def unstack(self, axis: int = 0) -> tuple[Tensor, ...]:
        return ops.unstack(self, axis=axis)

    @property
    def T(self) -> Tensor:
        return ops.transpose(self)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("a Tensor's numbers are not set one by one: use tr.where or tr.put, or assign() on a leaf")

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(f"{identify(self)} has no axes, hence no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.unstack()) if len(self) else iter(())

    def all(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.all(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.any(self, axis=axis, keepdims=keepdims)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.item(), digits)

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __repr__(self) -> str:
        if isinstance(self.data, tuple):
            return f"<{len(self.data)} parts of {self.op}>"
        numbers = numpy.array2string(backend.to_host(self.data), separator=", ", prefix=type(self).__name__ + "(", threshold=20)
        about = [f"dtype={self.dtype}"] if self.dtype != numpy.float32 else []
        about += [f"name={self.name!r}"] if self.name else []
        about += [f"device='{self.device}'"] if self.device.kind != "cpu" else []
        about += [f"op={self.op.name}"] if self.op is not None else ["requires_grad=True"] if self.requires_grad else []
        return f"{type(self).__name__}({', '.join([numbers, *about])})"

    # -- NumPy's protocols, and DLPack -----------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return numpy.array(self.numpy(), dtype=dtype) if copy else numpy.asarray(self.numpy(), dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """`np.tanh(t)`, and `array * t`, are recorded like `tr.tanh(t)` and `t * array`."""
        operation, name = _UFUNCS.get(ufunc), ufunc.__name__
        if operation is None:
            raise TypeError(f"np.{name} is not recorded for Tensors: {_KNOWN_UFUNCS} are; or compute on t.numpy()")
        if method != "__call__" or kwargs:
            what = f"np.{name}.{method}" if method != "__call__" else f"np.{name} with {', '.join(kwargs)}"
            raise TypeError(f"{what} is not recorded for Tensors: write np.{name}(…) alone, or compute on t.numpy()")
        return operation(*args)

    def __array_function__(self, function: Any, types: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """`np.sum(t, axis=0)` is `t.sum(axis=0)`."""
        operation, name = _FUNCTIONS.get(function), function.__name__
        if operation is None:
            raise TypeError(f"np.{name} is not recorded for Tensors: compute on t.numpy(), or use a function of tinyrnn")
        try:
            signature(operation).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"np.{name} of a Tensor takes {signature(operation)}: {error}") from None
        return operation(*args, **kwargs)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return backend.writable(self._array()).__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array().__dlpack_device__()

    def _array(self) -> Any:
        """The array, also where NumPy gave a bare number for one without axes."""
        return numpy.asarray(self.data) if isinstance(self.data, numpy.generic) else self.data


def _shape(numbers: tuple) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    return tuple(numbers[0]) if len(numbers) == 1 and isinstance(numbers[0], (tuple, list)) else numbers


_SAME_NAME = ("add", "exp", "log", "logaddexp", "sqrt", "tanh", "maximum", "minimum", "matmul", "sign")
_COMPARISONS = (
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_not",
)
_RENAMED = {"subtract": "sub", "multiply": "mul", "divide": "div", "negative": "neg", "power": "pow", "absolute": "abs"}
_UFUNCS: dict[Any, Any] = {getattr(numpy, name): getattr(ops, name) for name in (*_SAME_NAME, *_COMPARISONS)}
_UFUNCS |= {getattr(numpy, theirs): getattr(ops, ours) for theirs, ours in _RENAMED.items()}
_KNOWN_UFUNCS = ", ".join(sorted(ufunc.__name__ for ufunc in _UFUNCS))

_METHODS = ("sum", "max", "min", "all", "any", "argmax", "mean", "var", "clip", "squeeze", "reshape", "transpose")
_FUNCTIONS: dict[Any, Any] = {getattr(numpy, name): getattr(Tensor, name) for name in _METHODS}
_FUNCTIONS |= {getattr(numpy, name): getattr(ops, name) for name in ("where", "expand_dims", "flip")}
_FUNCTIONS |= {
    numpy.concatenate: lambda arrays, axis=0: ops.concatenate(*arrays, axis=axis),
    numpy.stack: lambda arrays, axis=0: ops.stack(*arrays, axis=axis),
    numpy.linalg.norm: ops.norm,
}
_FUNCTIONS |= {numpy.shape: lambda t: t.shape, numpy.ndim: lambda t: t.ndim, numpy.size: lambda t: t.size}


class Parameter(Tensor):
    """A leaf that training changes: it requires a gradient, and modules find it among their attributes.

    Parameters
    ----------
    data : array, Tensor, number or nested lists
        Copied.  Python numbers become float32, float arrays keep their dtype.
    name : str, optional
        What drawings and equations call it; by default the name of the attribute that holds it.

    Raises
    ------
    TypeError
        If `data` holds no floats.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.Parameter([[1.0, 2.0]], name="W").shape
    (1, 2)
    """

    __slots__ = ()

    def __init__(self, data: Any, name: str | None = None) -> None:
        super().__init__(data, requires_grad=True, name=name)

    @property
    def data(self) -> Any:
        """The array, read-only; to put another one here is a change like `assign`, which keeps the memory."""
        return _data.__get__(self)

    @data.setter
    def data(self, array: Any) -> None:
        _data.__set__(self, array)
        backend.protect(array, True)
        self.note_change()


# -- making tensors ----------------------------------------------------------------------------------------------


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
    name: str | None = None,
) -> Tensor:
    """A Tensor of these numbers, copied: Python numbers become float32, arrays keep their dtype.

    Parameters, errors: see `Tensor`.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.tensor([1, 2]).dtype
    dtype('float32')
    """
    return Tensor(data, dtype=dtype, device=device, requires_grad=requires_grad, name=name)


def as_tensor(data: Any) -> Any:
    """A Tensor as it is; an array as a Tensor that shares its memory; numbers as by `tensor`."""
    if isinstance(data, Value):
        return data
    result = _new(Tensor)
    Value.__init__(result, backend.asarray(data))
    return result


def from_dlpack(other: Any) -> Tensor:
    """A Tensor that shares the memory of another library's array (PyTorch, CuPy, JAX, …), through DLPack.

    Parameters
    ----------
    other : object with ``__dlpack__``
        On the CPU or on an NVIDIA GPU.

    Raises
    ------
    TypeError
        If `other` does not speak DLPack.
    DeviceError
        If it lives on a device that is neither.

    Examples
    --------
    >>> import numpy as np
    >>> import tinyrnn as tr
    >>> a = np.ones(2)
    >>> t = tr.from_dlpack(a)
    >>> a[0] = 5.0
    >>> t.tolist()
    [5.0, 1.0]
    """
    if not hasattr(other, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: a {type(other).__name__} has no __dlpack__; use tr.tensor to copy numbers")
    kind, index = other.__dlpack_device__()
    if int(kind) not in (1, 2):
        raise backend.DeviceError(f"from_dlpack: DLPack device {int(kind)} is neither the CPU (1) nor CUDA (2)")
    device = Device("cpu") if int(kind) == 1 else Device("cuda", index)
    with backend.active(device):
        return as_tensor(backend.library(device).from_dlpack(other))


def _made(make: str, shape: tuple, dtype: Any, device: Any) -> Tensor:
    target = backend.default_device() if device is None else backend.available(device)
    with backend.active(target):
        return as_tensor(getattr(backend.library(target), make)(_shape(shape), dtype=dtype))


def zeros(*shape: Any, dtype: Any = "float32", device: str | Device | None = None) -> Tensor:
    """A Tensor of zeros: ``zeros(2, 3)`` or ``zeros((2, 3))``.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.zeros(2, 3)
    Tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _made("zeros", shape, dtype, device)


def ones(*shape: Any, dtype: Any = "float32", device: str | Device | None = None) -> Tensor:
    """A Tensor of ones: ``ones(2, 3)`` or ``ones((2, 3))``.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.ones((2, 3), dtype="float64").dtype
    dtype('float64')
    """
    return _made("ones", shape, dtype, device)


def randn(*shape: Any, dtype: Any = "float32", device: str | Device | None = None) -> Tensor:
    """A Tensor of normal random numbers (mean 0, variance 1) from the device's generator (see `manual_seed`).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.manual_seed(0)
    >>> tr.randn(2, 3).shape
    (2, 3)
    """
    target = backend.default_device() if device is None else backend.available(device)
    with backend.active(target):
        return as_tensor(backend.generator(target).standard_normal(_shape(shape), dtype=dtype))
