"""A primitive: one differentiable operation, written for arrays, recorded when it meets a Value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import update_wrapper
from inspect import signature
from types import MethodType
from typing import Any

import numpy

from . import backend
from .graph import Place, Value, here, modes

REGISTRY: dict[str, Primitive] = {}
PLAIN = {numpy.ndarray, float, int, bool}  # arguments that need no further look
FLOAT64 = numpy.dtype("float64")


class Primitive:
    """`forward(xp, *arrays, **attrs)` and one vector-Jacobian product (vjp) per array argument.

    Positional arguments are what one can differentiate; keyword arguments are fixed attributes.
    Arrays in, array out.  As soon as one argument is a Value, the result is one too and remembers this call.

    Parameters
    ----------
    forward : callable
        Computes with arrays only; its first argument is their library, `numpy` or `cupy`.
    broadcasts : bool
        Whether the arguments broadcast against each other; the engine then sums each gradient back to the shape of
        its argument, so that no vjp has to.
    """

    many = False  # does it return several values?

    pullbacks: Any

    def __init__(self, forward: Callable, broadcasts: bool = False) -> None:
        update_wrapper(self, forward)
        own = signature(forward)
        self.__signature__ = own.replace(parameters=list(own.parameters.values())[1:])  # callers give no xp
        self.name, self.forward, self.broadcasts = forward.__name__.strip("_"), forward, broadcasts
        self.pullbacks = ()
        self.joint_vjp: Callable | None = None  # of argument 1, for many uses [(g, argument 0), …] of one matrix together
        REGISTRY[self.name] = self

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        value, needs_grad, plain, arrays = None, False, True, []
        for a in args:
            if isinstance(a, Value):
                value = a
                needs_grad = needs_grad or a.requires_grad
                a = a.data
            elif type(a) not in PLAIN:
                plain = False
            arrays.append(a)
        if not plain:
            args = tuple([_operand(self, a, value is not None) for a in args])
            arrays = [a.data if isinstance(a, Value) else a for a in args]
        try:
            on_cpu = type(arrays[0]) is numpy.ndarray
            data = self.forward(numpy, *arrays, **attrs) if on_cpu else self._run(arrays, attrs)
        except (ValueError, TypeError, IndexError) as error:
            raise _explained(self, arrays, attrs, error) from None
        if value is None:
            return data
        if self.broadcasts and data.dtype is FLOAT64:
            data = _unpromoted(data, arrays)
        return self.record(value, data, args, attrs, needs_grad)

    def _run(self, arrays: list, attrs: dict[str, Any]) -> Any:
        """The array that comes of these arrays, computed where they are."""
        xp = backend.namespace(arrays)
        if xp is numpy:
            return self.forward(xp, *arrays, **attrs)
        with backend.active(backend.common_device(arrays)):
            return self.forward(xp, *arrays, **attrs)

    def record(self, value: Value, data: Any, args: tuple, attrs: dict[str, Any], needs_grad: bool) -> Any:
        """A Value with this data that remembers the call, if anybody will ask."""
        grad, recording, anomaly = modes()
        if anomaly:
            check_finite(data, self, args, here().place)
        if needs_grad and grad and self.pullbacks:
            return value.derive(data, self, args, attrs, True)
        if recording:
            return value.derive(data, self, args, attrs, False)
        return value.derive(data, None, (), None, False)

    def vjps(self, *pullbacks: Callable | None) -> None:
        """Pullback i maps (g, y, *args), g = ∂L/∂y, to ∂L/∂args[i]; None where there is no derivative."""
        self.pullbacks = pullbacks

    def __get__(self, instance: Any, owner: type) -> Any:  # lets `class Tensor: tanh = ops.tanh` bind like a method
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple:
        return registered, (self.name,)  # there is only one, also after copying and unpickling


def registered(name: str) -> Primitive:
    """The primitive of this name."""
    return REGISTRY[name]


class Variadic(Primitive):
    """A primitive of any number of like arguments, or of one list of them.

    Its one vjp takes g apart into the shares of all the arguments at once.
    """

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        if len(args) == 1 and not hasattr(args[0], "dtype") and isinstance(args[0], Iterable):
            args = tuple(args[0])
        if not args:
            raise ValueError(f"{self.name}() needs at least one array")
        return super().__call__(*args, **attrs)

    def pull_all(self, g: Any, y: Any, args: Any, attrs: dict[str, Any]) -> Any:
        """Something from which `part` picks the share of each argument."""
        return self.pullbacks[0](g, y, args, **attrs)


class Several(Primitive):
    """A primitive that returns several values: one bundle, recorded once, out of which `part` picks each.

    In its vjp, g is the list of what arrived at the parts.
    """

    many = True

    def __call__(self, *args: Any, **attrs: Any) -> tuple:
        bundle = self.bundle(*args, **attrs)
        if not isinstance(bundle, Value):
            return bundle
        return tuple([part(bundle, k) for k in range(len(bundle.data))])

    def bundle(self, *args: Any, **attrs: Any) -> Any:
        """All the results together."""
        return super().__call__(*args, **attrs)


def part(bundle: Any, index: int) -> Any:
    """Result number `index` of a primitive that returned several."""
    if not isinstance(bundle, Value):
        return bundle[index]
    if bundle.op is None:
        return bundle.derive(bundle.data[index], None, (), None, False)
    return bundle.derive(bundle.data[index], PART, (bundle,), {"index": index}, bundle.requires_grad)


def primitive(forward: Callable) -> Primitive:
    """A primitive whose arguments have shapes of their own."""
    return Primitive(forward)


def elementwise(forward: Callable) -> Primitive:
    """A primitive whose arguments broadcast."""
    return Primitive(forward, broadcasts=True)


def variadic(forward: Callable) -> Variadic:
    """A primitive of any number of like arguments."""
    return Variadic(forward)


def several(forward: Callable) -> Several:
    """A primitive that returns several values."""
    return Several(forward)


def _part(xp: Any, bundle: tuple, *, index: int) -> Any:
    """One of several results."""
    return bundle[index]


PART = Primitive(_part)
PART.vjps(lambda g, y, bundle, *, index: g)  # the engine lays g at its place among the parts


# -- arguments of other kinds ------------------------------------------------------------------------------------


def _operand(op: Primitive, a: Any, among_values: bool) -> Any:
    """An argument that is no array of ours: numbers in lists become an array, and what has no numbers is refused."""
    if isinstance(a, numpy.generic):  # a NumPy number would promote float32 to float64, a Python number does not
        return a.item() if among_values else a
    if isinstance(a, (list, tuple)):
        if any(isinstance(item, Value) for item in a):
            raise TypeError(f"{op.name}: an argument is a {type(a).__name__} of Tensors: make one Tensor of them with tr.stack")
        return backend.asarray(a)
    if not isinstance(a, (Value, int, float)) and not backend.is_array(a):
        hint = "make it a Tensor with tr.from_dlpack or tr.tensor" if hasattr(a, "__dlpack__") else "expected a Tensor or numbers"
        raise TypeError(f"{op.name}: an argument is a {type(a).__module__}.{type(a).__qualname__}: {hint}")
    return a


def _unpromoted(data: Any, arrays: list) -> Any:
    """float32 with integers is float32: NumPy would make it float64."""
    dtypes = [a.dtype for a in arrays if hasattr(a, "dtype")]
    if FLOAT64 in dtypes or not any(dtype.kind == "f" for dtype in dtypes):
        return data
    with backend.active(backend.device_of(data)):
        return data.astype(max(dtype for dtype in dtypes if dtype.kind == "f"))


# -- errors ------------------------------------------------------------------------------------------------------


def describe(a: Any) -> str:
    """The shape and dtype of an argument, or the number itself."""
    return f"{tuple(a.shape)} {a.dtype}" if hasattr(a, "shape") else repr(a)[:40]


def _explained(op: Primitive, arrays: list, attrs: dict[str, Any], error: Exception) -> Exception:
    """The same error in words that name the operation, its arguments and what was expected."""
    backend.common_device(arrays)
    what = ", ".join([*map(describe, arrays), *(f"{k}={v!r:.40}" for k, v in attrs.items())])
    shapes = [a.shape for a in arrays if hasattr(a, "shape")]
    why = str(error)
    if "positional argument" in why:
        why = f"positional arguments are arrays, everything else is a keyword: {op.name}{signature(op)}"
    elif op.broadcasts and isinstance(error, ValueError):
        why = "the shapes do not broadcast: counted from the last axis, sizes must be equal, or one of them 1"
    elif op.name == "matmul" and len(shapes) == 2:
        why = _why_no_product(*shapes)
    kind = next(kind for kind in (ValueError, IndexError, TypeError) if isinstance(error, kind))
    return kind(f"{op.name}({what}): {why}")


def _why_no_product(a: tuple, b: tuple) -> str:
    if not a or not b:
        return "a matrix product needs arrays of at least one axis; to scale by a number use *"
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        return f"the inner sizes differ: the last axis of {a} has {a[-1]}, but {b} expects {inner} there"
    return f"the batch axes {a[:-2]} and {b[:-2]} do not broadcast"


def check_finite(data: Any, op: Any, args: tuple, place: Place, towards: str = "") -> None:
    """Raise if what `op` gave has a NaN or an infinity (see `detect_anomaly`)."""
    for array in data if isinstance(data, tuple) else (data,):
        if array.dtype.kind == "f" and not bool(numpy.isfinite(host := backend.to_host(array)).all()):
            bad = host[~numpy.isfinite(host)].flat[0]
            known = "; ".join(map(_range, args)) or "none"
            raise FloatingPointError(f"{op.name}{towards} gave {bad} ({place}); its arguments: {known}")


def _range(a: Any) -> str:
    """An argument's shape, dtype and the range of its numbers."""
    data = a.data if isinstance(a, Value) else a
    if not hasattr(data, "dtype") or data.size == 0:
        return describe(data) if not isinstance(data, tuple) else f"{len(data)} parts"
    host = backend.to_host(data)
    return f"{describe(data)} in [{host.min():.4g}, {host.max():.4g}]"
