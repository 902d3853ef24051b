"""Each primitive of tinyrnn in ONNX's operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from ... import backend
from ...graph import FunctionName, Value
from ...ops.indexing import ARRAY
from ...ops.reduce import reduced_axes
from ...primitive import PLAIN
from .graph import GraphWriter
from .tracing import Step, where

END = numpy.iinfo(numpy.int64)


class Operation:
    """One operation of a record, which is written into a graph."""

    def __init__(self, graph: GraphWriter, step: Step) -> None:
        self.graph, self.step, self.value = graph, step, step.value
        self.args = list(zip(*(value.args for value in step.values)))
        self.name = self.value.name

    def dtype(self, number: int) -> Any:
        """The dtype of an argument; None of a plain number, which takes that of the others."""
        argument = self.args[number][0]
        return None if type(argument) in PLAIN and not isinstance(argument, numpy.ndarray) else argument.dtype

    def input(self, number: int, dtype: Any = None) -> str:
        """The name of an argument, which becomes one of `dtype`."""
        arguments = self.args[number]
        own = self.dtype(number)
        if own is None:
            return self._number(arguments, numpy.dtype(dtype or self.value.dtype))
        if isinstance(arguments[0], Value):
            name = self.graph.names[arguments[0]]
        else:
            name = self.graph.array([backend.to_host(array) for array in arguments], self.value)
        return name if dtype is None or own == dtype else self.graph.cast(name, dtype)

    def inputs(self, dtype: Any = None) -> list[str]:
        return [self.input(number, dtype) for number in range(len(self.args))]

    def _number(self, numbers: tuple, dtype: Any) -> str:
        """A plain number; one that differs between the runs is a size, such as the count that a mean divides by."""
        if len(set(numbers)) == 1 or any(number != int(number) for number in numbers):
            return self.graph.array([numpy.array(number, dtype) for number in numbers], self.value)
        size = self.graph.add("Squeeze", self.graph.size([int(number) for number in numbers], self.value))
        return self.graph.cast(size, dtype)

    def attributes(self, key: str, default: Any = None) -> list:
        """A keyword argument, in every run."""
        return [(value.attrs or {}).get(key, default) for value in self.step.values]

    def attribute(self, key: str, default: Any = None) -> Any:
        """A keyword argument that is the same in every run."""
        found = self.attributes(key, default)
        if any(other != found[0] for other in found[1:]):
            raise ValueError(
                f"io.onnx.save: {where(self.value)} has {key}={found[0]!r} for the examples and {found[1:]} for others: "
                "leave the axis on which that depends out of axes"
            )
        return found[0]

    def add(self, op: str, *inputs: str, **attributes: Any) -> Any:
        return self.graph.add(op, *inputs, name=self.name, **attributes)


PRIMITIVES: dict[str, Callable[[Operation], Any]] = {}


def writes(*names: str) -> Callable:
    """The decorated function writes these primitives."""

    def register(function: Callable) -> Callable:
        PRIMITIVES.update(dict.fromkeys(names, function))
        return function

    return register


def _same(op: str, dtype: Any = None) -> Callable[[Operation], str]:
    """All arguments in one dtype, by default the result's."""
    return lambda operation: operation.add(op, *operation.inputs(dtype or operation.value.dtype))


ARITHMETIC = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "pow": "Pow",
    "maximum": "Max",
    "minimum": "Min",
    "total": "Sum",
}
FUNCTIONS = {name: name.capitalize() for name in ("neg", "exp", "log", "sqrt", "abs", "tanh", "sigmoid", "relu", "sign")}
COMPARISONS = {
    "equal": "Equal",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
}
PRIMITIVES |= {name: _same(op) for name, op in {**ARITHMETIC, **FUNCTIONS, "matmul": "MatMul"}.items()}
PRIMITIVES |= {name: _same(f"{name[8:].capitalize()}", bool) for name in ("logical_and", "logical_or", "logical_not")}


@writes(*COMPARISONS, "not_equal")
def _compare(operation: Operation) -> str:
    known = [dtype for number in range(len(operation.args)) if (dtype := operation.dtype(number)) is not None]
    dtype = numpy.result_type(*known)
    plain = [arguments[0] for number, arguments in enumerate(operation.args) if operation.dtype(number) is None]
    if dtype.kind != "f" and any(isinstance(number, float) for number in plain):
        dtype = numpy.dtype("float32")
    op = COMPARISONS.get(operation.value.op.name, "Equal")
    result = operation.add(op, *operation.inputs(dtype))
    return operation.add("Not", result) if operation.value.op.name == "not_equal" else result


@writes("where")
def _where(operation: Operation) -> str:
    dtype = operation.value.dtype
    return operation.add("Where", operation.input(0, bool), operation.input(1, dtype), operation.input(2, dtype))


@writes("logaddexp")
def _logaddexp(operation: Operation) -> str:
    """ln(eᵃ + eᵇ) = max(a, b) + ln(1 + e^−|a − b|)"""
    a, b = operation.inputs(operation.value.dtype)
    add = operation.add
    return add("Add", add("Max", a, b), add("Softplus", add("Neg", add("Abs", add("Sub", a, b)))))


@writes("detach", "move")
def _alias(operation: Operation) -> str:
    return operation.input(0)


@writes("cast")
def _cast(operation: Operation) -> str:
    return operation.input(0, operation.value.dtype)


# -- shapes --------------------------------------------------------------------------------------------------------


@writes("reshape")
def _reshape(operation: Operation) -> str:
    return operation.add(
        "Reshape", operation.input(0), operation.graph.shape([v.shape for v in operation.step.values], operation.value)
    )


@writes("broadcast_to")
def _expand(operation: Operation) -> str:
    return operation.add(
        "Expand", operation.input(0), operation.graph.shape([v.shape for v in operation.step.values], operation.value)
    )


@writes("transpose")
def _transpose(operation: Operation) -> str:
    axes = operation.attribute("axes")
    return operation.add("Transpose", operation.input(0), perm=axes and [axis % len(axes) for axis in axes])


@writes("concatenate")
def _concatenate(operation: Operation) -> str:
    return operation.add("Concat", *operation.inputs(operation.value.dtype), axis=operation.attribute("axis", 0))


@writes("stack")
def _stack(operation: Operation) -> str:
    axis = operation.attribute("axis", 0)
    at = operation.graph.integers(axis)
    return operation.add(
        "Concat", *(operation.add("Unsqueeze", x, at) for x in operation.inputs(operation.value.dtype)), axis=axis
    )


@writes("unstack")
def _unstack(operation: Operation) -> list[str]:
    axis = operation.attribute("axis", 0)
    cut = _cut(operation, axis, [1] * len(operation.value.data))
    return [operation.add("Squeeze", piece, operation.graph.integers(axis)) for piece in cut]


@writes("split")
def _split(operation: Operation) -> list[str]:
    return _cut(operation, operation.attribute("axis"), operation.attribute("sizes"))


def _cut(operation: Operation, axis: int, sizes: Any) -> list[str]:
    pieces = operation.add("Split", operation.input(0), operation.graph.integers(*sizes), axis=axis, results=len(sizes))
    return pieces if len(sizes) > 1 else [pieces]


@writes("part")
def _part(operation: Operation) -> str:
    return operation.graph.names[operation.value.args[0]][operation.attribute("index")]


@writes("getitem")
def _getitem(operation: Operation) -> str:
    """x[index]: slices at once, then each integer, then new axes; arrays of integers alone."""
    key = operation.attribute("index")
    keys = list(key if isinstance(key, tuple) else (key,))
    source = operation.value.args[0]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = [slice(None)] * (source.ndim - sum(k is not None for k in keys) + 1)
    if len(operation.args) > 1:
        return _gather(operation, keys)
    old = [k for k in keys if k is not None]
    cut = {axis: k for axis, k in enumerate(old) if isinstance(k, slice) and k != slice(None)}
    x = operation.input(0)
    if cut:
        steps = [k.step or 1 for k in cut.values()]
        starts = [k.start if k.start is not None else 0 if s > 0 else END.max for k, s in zip(cut.values(), steps)]
        ends = [k.stop if k.stop is not None else END.max if s > 0 else END.min for k, s in zip(cut.values(), steps)]
        x = operation.add("Slice", x, *(operation.graph.integers(*numbers) for numbers in (starts, ends, cut, steps)))
    for axis, k in reversed(list(enumerate(old))):
        if isinstance(k, int):
            x = operation.add("Gather", x, operation.graph.constant(numpy.int64(k)), axis=axis)
    new = [at for at, k in enumerate(k for k in keys if not isinstance(k, int)) if k is None]
    return operation.add("Unsqueeze", x, operation.graph.integers(*new)) if new else x


def _gather(operation: Operation, keys: list) -> str:
    """x[…, rows, …], or x[rows, columns, …] with arrays for the first axes."""
    arrays = [axis for axis, k in enumerate(keys) if k is ARRAY]
    plain = all(k is ARRAY or k == slice(None) for k in keys)
    numbers = all(operation.dtype(number).kind in "iu" for number in range(1, len(operation.args)))
    if plain and numbers and len(arrays) == 1:
        return operation.add("Gather", operation.input(0), operation.input(1, numpy.int64), axis=arrays[0])
    shapes = {tuple(argument[0].shape) for argument in operation.args[1:]}
    if plain and numbers and arrays == list(range(len(arrays))) and len(shapes) == 1:
        last = operation.graph.integers(-1)
        rows = [
            operation.add("Unsqueeze", operation.input(number, numpy.int64), last) for number in range(1, len(operation.args))
        ]
        return operation.add("GatherND", operation.input(0), operation.add("Concat", *rows, axis=-1))
    raise ValueError(f"io.onnx.save: {where(operation.value)} has an index that ONNX has no operator for: {keys}")


# -- reductions ----------------------------------------------------------------------------------------------------


@writes("sum", "max", "min", "all", "any")
def _reduce(operation: Operation) -> str:
    name, ndim = operation.value.op.name, operation.args[0][0].ndim
    axes = reduced_axes(operation.attribute("axis"), ndim)
    keep = int(operation.attribute("keepdims", False))
    if name == "sum":
        return operation.add(
            "ReduceSum", operation.input(0, operation.value.dtype), operation.graph.integers(*axes), keepdims=keep
        )
    if name in ("max", "min"):
        return operation.add(f"Reduce{name.capitalize()}", operation.input(0), axes=list(axes), keepdims=keep)
    found = operation.add(
        "ReduceMin" if name == "all" else "ReduceMax", operation.input(0, numpy.int32), axes=list(axes), keepdims=keep
    )
    return operation.graph.cast(found, bool)


@writes("argmax")
def _argmax(operation: Operation) -> str:
    axis, x = operation.attribute("axis"), operation.input(0)
    if axis is None:
        axis, x = 0, operation.add("Reshape", x, operation.graph.integers(-1))
    return operation.add("ArgMax", x, axis=axis, keepdims=0)


# -- composed functions that ONNX has an operator for --------------------------------------------------------------


def composed(value: Value) -> tuple[str, Value, int] | None:
    """If the value is the result of a softmax or log-softmax: the operator, its argument and the axis."""
    function = value.place.scope[-1] if value.place.scope else None
    if not isinstance(function, FunctionName) or value.op is None:
        return None
    if function == "softmax()" and value.op.name == "div":  # e / where(s = 0, 1, s) with e = exp(x − m) and s = Σ e
        exponential, total = value.args[0], value.args[1].args[2]
        return "Softmax", exponential.args[0].args[0], total.attrs["axis"]
    if (
        function == "log_softmax()" and value.op.name == "sub" and value.args[1].op.name == "log"
    ):  # (x − m) − ln where(s = 0, 1, s)
        shifted, total = value.args[0], value.args[1].args[0].args[2]
        return "LogSoftmax", shifted.args[0], total.attrs["axis"]
    return None
