"""What each ONNX operator computes: functions of its inputs, with its attributes as keywords."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy

from ... import backend, ops
from ...graph import Value
from ...tensor import as_tensor
from .recurrent import gru, lstm, rnn

FARTHEST = numpy.iinfo(numpy.int32).max  # ends of slices beyond it mean "to the end"


def integers(values: Any) -> tuple[int, ...]:
    """Numbers of an input that says how, not what, to compute: axes, shapes, ends of slices."""
    host = backend.to_host(values.data if isinstance(values, Value) else numpy.asarray(values))
    return tuple(int(value) for value in host.ravel())


def _axes(axes: Any) -> tuple[int, ...] | None:
    return None if axes is None else integers(axes)


# -- shapes --------------------------------------------------------------------------------------------------------


def _shape(x: Any, *, start: int = 0, end: int | None = None) -> numpy.ndarray:
    return numpy.array(x.shape[start:end], numpy.int64)


def _reshape(x: Any, shape: Any, *, allowzero: int = 0) -> Any:
    sizes = integers(shape)
    if not allowzero:
        sizes = tuple(x.shape[i] if size == 0 else size for i, size in enumerate(sizes))
    return ops.reshape(x, shape=sizes)


def _flatten(x: Any, *, axis: int = 1) -> Any:
    rows = int(numpy.prod(x.shape[:axis], dtype=int))
    return ops.reshape(x, shape=(rows, x.size // rows if rows else 0))


def _squeeze(x: Any, axes: Any = None) -> Any:
    return ops.squeeze(x, _axes(axes))


def _unsqueeze(x: Any, axes: Any) -> Any:
    places = integers(axes)
    ndim = x.ndim + len(places)
    for place in sorted(place % ndim for place in places):
        x = ops.expand_dims(x, place)
    return x


def _expand(x: Any, shape: Any) -> Any:
    return ops.broadcast_to(x, shape=numpy.broadcast_shapes(x.shape, integers(shape)))


def _transpose(x: Any, *, perm: Any = None) -> Any:
    return ops.transpose(x, axes=None if perm is None else integers(perm))


def _concat(*xs: Any, axis: int) -> Any:
    return ops.concatenate(*xs, axis=axis)


def _split(x: Any, split: Any = None, *, axis: int = 0, num_outputs: int | None = None, outputs: int) -> tuple:
    if split is None:
        length = x.shape[axis]
        chunk = -(-length // outputs)  # the last one may be shorter
        split = [chunk] * (outputs - 1) + [length - chunk * (outputs - 1)]
    return ops.split(x, integers(split), axis=axis)


def _slice(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    starts, ends = integers(starts), integers(ends)
    axes = range(len(starts)) if axes is None else integers(axes)
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, (1,) * len(starts) if steps is None else integers(steps)):
        index[axis] = slice(start, _end(end, x.shape[axis], step), step)
    return ops.index(x, tuple(index))


def _end(end: int, length: int, step: int) -> int | None:
    """None where a slice runs to the end of its axis; towards the front, −1 would mean the last number."""
    return None if abs(end) >= FARTHEST or (step < 0 and end < -length) else end


def _gather(x: Any, indices: Any, *, axis: int = 0) -> Any:
    if not isinstance(indices, Value) and numpy.ndim(indices) == 0:
        indices = int(indices)
    return ops.index(x, (*(slice(None),) * (axis % x.ndim), indices))


def _constant_of_shape(shape: Any, *, value: Any = None) -> numpy.ndarray:
    if value is None:
        return numpy.zeros(integers(shape), numpy.float32)
    return numpy.full(integers(shape), value.ravel()[0], value.dtype)


def _range(start: Any, limit: Any, delta: Any) -> numpy.ndarray:
    (start,), (limit,), (delta,) = (integers(value) for value in (start, limit, delta))
    return numpy.arange(start, limit, delta, dtype=numpy.int64)


# -- numbers -------------------------------------------------------------------------------------------------------


def _cast(x: Any, *, to: Any, saturate: int = 1) -> Any:
    return ops.cast(x, dtype=to)


def _div(a: Any, b: Any) -> Any:
    if a.dtype.kind in "iu":
        return (numpy.trunc(numpy.true_divide(a, b))).astype(a.dtype)
    return ops.div(a, b)


def _gemm(A: Any, B: Any, C: Any = 0, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0) -> Any:
    product = ops.matmul(ops.transpose(A) if transA else A, ops.transpose(B) if transB else B)
    return (product if alpha == 1 else alpha * product) + (C if beta == 1 else beta * C)


def _many(function: Callable) -> Callable:
    return lambda *xs: reduce(function, xs)


def _mean(*xs: Any) -> Any:
    return reduce(ops.add, xs) / len(xs)


def _clip(x: Any, min: Any = None, max: Any = None) -> Any:
    return ops.clip(x, min, max)


def _reduced(function: Callable) -> Callable:
    def reduction(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        chosen = _axes(axes) or None
        if chosen is None and noop_with_empty_axes:
            return x
        return function(x, axis=chosen, keepdims=bool(keepdims))

    return reduction


def _argmax(x: Any, *, axis: int = 0, keepdims: int = 1) -> Any:
    found = ops.argmax(x, axis=axis)
    return ops.expand_dims(found, axis % x.ndim) if keepdims else found


def _layer_norm(X: Any, Scale: Any, B: Any = 0, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1) -> Any:
    axes = tuple(range(axis % X.ndim, X.ndim))
    centred = X - ops.mean(X, axis=axes, keepdims=True)
    return centred / ops.sqrt(ops.mean(centred * centred, axis=axes, keepdims=True) + epsilon) * Scale + B


def _leaky_relu(x: Any, *, alpha: float = 0.01) -> Any:
    return ops.leaky_relu(x, slope=alpha)


def _softmax(x: Any, *, axis: int = -1) -> Any:
    return ops.softmax(as_tensor(x), axis=axis)


def _log_softmax(x: Any, *, axis: int = -1) -> Any:
    return ops.log_softmax(as_tensor(x), axis=axis)


def _dropout(x: Any, ratio: Any = None, training_mode: Any = None, *, seed: int = 0) -> Any:
    """Of inference: x as it is."""
    return x


def _identity(x: Any) -> Any:
    return x


OPERATORS: dict[str, Callable] = {
    **{"RNN": rnn, "GRU": gru, "LSTM": lstm},
    **{"Shape": _shape, "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze},
    **{"Expand": _expand, "Transpose": _transpose, "Concat": _concat, "Split": _split, "Slice": _slice, "Gather": _gather},
    **{"ConstantOfShape": _constant_of_shape, "Range": _range},
    **{"Add": ops.add, "Sub": ops.sub, "Mul": ops.mul, "Div": _div, "Pow": ops.pow, "Neg": ops.neg, "Abs": ops.abs},
    **{"Exp": ops.exp, "Log": ops.log, "Sqrt": ops.sqrt, "Sign": ops.sign, "Tanh": ops.tanh, "Sigmoid": ops.sigmoid},
    **{"Relu": ops.relu, "LeakyRelu": _leaky_relu, "Softplus": ops.softplus, "Clip": _clip},
    **{"Max": _many(ops.maximum), "Min": _many(ops.minimum), "Sum": _many(ops.add), "Mean": _mean, "Where": ops.where},
    **{"Equal": ops.equal, "Less": ops.less, "LessOrEqual": ops.less_equal, "Greater": ops.greater},
    **{"GreaterOrEqual": ops.greater_equal, "And": ops.logical_and, "Or": ops.logical_or, "Not": ops.logical_not},
    **{"MatMul": ops.matmul, "Gemm": _gemm, "Softmax": _softmax, "LogSoftmax": _log_softmax, "ArgMax": _argmax},
    **{"ReduceSum": _reduced(ops.sum), "ReduceMean": _reduced(ops.mean), "ReduceMax": _reduced(ops.max)},
    **{"ReduceMin": _reduced(ops.min), "LayerNormalization": _layer_norm, "Cast": _cast},
    **{"Dropout": _dropout, "Identity": _identity},
}
