"""A model into an ONNX file: traced, written operation by operation, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from ... import backend, files
from ...graph import Value
from ...nn import Module
from ...tensor import Parameter
from .graph import GraphWriter
from .layers import is_known, write
from .package import onnx_package
from .primitives import PRIMITIVES, Operation, composed
from .tracing import Run, Step, traced, where

OPSET = 17  # of 2022: the first with LayerNormalization
IR_VERSION = 8  # the version of the file format that came with it


def save(
    model: Module,
    path: str | os.PathLike,
    *inputs: Any,
    axes: Mapping[str, Sequence[str | None]] | None = None,
    outputs: Sequence[str] | None = None,
    **options: Any,
) -> None:
    """Write what a model computes in inference into an ONNX file, which other programs run.

    Parameters
    ----------
    model : Module
        Of the library's layers, of your own, or of both.  `nn.RNN`, `nn.GRU`, `nn.LSTM`, and their cells in `nn.Recurrent`,
        `nn.Bidirectional` and `nn.Stack`, become ONNX's operators of that name; whatever else it computes is recorded and
        written operation by operation, a loop over time step by step.
    path : path
        By custom it ends in ``.onnx``.
    *inputs, **options
        Examples of what the model is called with, ``model(*inputs, **options)``: arrays, Tensors, lists, and tuples of them
        (a state).  Their shapes and dtypes are those of the exported model; they are called like the parameters of `forward`.
    axes : mapping of str to sequence of str or None
        For each input the names of its axes that are free, such as ``axes={"x": ("T", "N"), "lengths": ("N",)}``; axes of one
        name have one length.  All others are fixed.
    outputs : sequence of str, optional
        What the results are called; by default ``output``, or ``output_0``, ``output_1``, …

    Raises
    ------
    ValueError
        If something in the model cannot be exported; the message names the operation, the module and the step.
    TypeError
        If the examples do not fit `forward`.
    ImportError
        If the package onnx is not installed.

    Notes
    -----
    The file has opset 17 and IR version 8, of 2022.  Only what is recorded can be exported: numbers that Python, NumPy or a
    random generator computed on the way are noticed, because the model runs once more with other numbers and longer axes, and
    refused.  A softmax becomes ONNX's, which gives NaN for a row of −∞, where ours gives 0; and of a sequence of length 0
    onnxruntime gives a final state of 0, where ours is the initial one.

    Examples
    --------
    >>> import os, tempfile
    >>> import tinyrnn as tr
    >>> from tinyrnn import io, nn
    >>> path = os.path.join(tempfile.mkdtemp(), "lstm.onnx")
    >>> io.onnx.save(nn.LSTM(3, 4), path, tr.zeros(5, 2, 3), axes={"x": ("T", "N")}, outputs=("y", "h", "c"))
    >>> y, h, c = io.onnx.load(path)(tr.zeros(7, 1, 3))
    >>> y.shape
    (7, 1, 4)
    """
    onnx = onnx_package("io.onnx.save")
    path = files.target("io.onnx.save", path)
    free = {name: tuple(names) for name, names in (axes or {}).items()}
    runs, steps = traced(model, inputs, options, is_known, free)
    first = runs[0]
    _check_inputs(first)
    graph = GraphWriter(onnx, runs, free)
    parameters = {parameter: name for name, parameter in model.named_parameters()}
    needed = _needed(first)
    for step in steps:
        if step.value in needed and step.value not in graph.names:
            graph.names[step.value] = _written(graph, step, parameters)
    names = _output_names(first, outputs)
    results = [graph.add("Identity", graph.names[value], name=name) for name, value in zip(names, first.outputs)]
    make = onnx.helper
    body = make.make_graph(
        graph.used(results),
        type(model).__name__,
        [_described(onnx, graph, name, [run.inputs[name] for run in runs]) for name in first.inputs],
        [_described(onnx, graph, name, [run.outputs[k] for run in runs]) for k, name in enumerate(results)],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    proto = make.make_model(body, producer_name="tinyrnn", ir_version=IR_VERSION, opset_imports=[make.make_opsetid("", OPSET)])
    onnx.checker.check_model(proto, full_check=True)
    with files.replacing(path) as file:
        file.write(proto.SerializeToString())


def _check_inputs(run: Run) -> None:
    """Every input is used."""
    unused = [name for name, value in run.inputs.items() if value not in set(run.values)]
    if unused:
        raise ValueError(
            f"io.onnx.save: nothing that is recorded depends on the input {unused[0]!r}: it would be frozen as it is in the "
            "example; leave it out, or use it with tinyrnn's operations"
        )


def _needed(run: Run) -> set[Value]:
    """What has to be written: not the parts of a softmax, for which there is one operator."""
    seen, waiting = set(run.outputs), list(run.outputs)
    while waiting:
        value = waiting.pop()
        known = composed(value)
        for source in (known[1],) if known else run.sources(value):
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return seen


def _written(graph: GraphWriter, step: Step, parameters: Mapping[Parameter, str]) -> Any:
    """The name of a value, once what makes it is written."""
    value = step.value
    if step.calls[0]:
        call, _ = step.calls[0]
        graph.names.update(zip(call.results, write(graph, call)))
        return graph.names[value]
    if isinstance(value, Parameter):
        return graph.constant(backend.to_host(value.data), parameters.get(value, value.name or "parameter"))
    if value.op is None:
        return graph.array([backend.to_host(other.data) for other in step.values], value)
    if known := composed(value):
        op, source, axis = known
        return graph.add(op, graph.names[source], axis=axis, name=value.name)
    if value.op.name not in PRIMITIVES:
        raise ValueError(f"io.onnx.save: {where(value)} cannot be exported; known are {', '.join(sorted(PRIMITIVES))}")
    return PRIMITIVES[value.op.name](Operation(graph, step))


def _output_names(run: Run, names: Sequence[str] | None) -> list[str]:
    if names is None:
        return [f"output_{field}" if field else "output" for field in run.fields]
    if isinstance(names, str) or len(names) != len(run.outputs):
        raise ValueError(f"io.onnx.save: outputs must name {len(run.outputs)} results, e.g. {_output_names(run, None)}")
    return list(names)


def _described(onnx: Any, graph: GraphWriter, name: str, values: list[Value]) -> Any:
    """The shape and dtype of an input or output: fixed axes by their length, free ones by their name."""
    dims: list[Any] = []
    for lengths in zip(*(value.shape for value in values)):
        axis = next((axis for axis, known in graph.lengths.items() if list(lengths) == known), None)
        dims.append(lengths[0] if len(set(lengths)) == 1 else axis)
    dtype = onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype(values[0].dtype))
    return onnx.helper.make_tensor_value_info(name, dtype, dims)
