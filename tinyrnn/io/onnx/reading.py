"""A model out of an ONNX file: checked as a whole first, then a module that computes node by node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from inspect import Parameter as Kind
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from ... import backend
from ...nn import Module
from ...tensor import Parameter, as_tensor
from .operators import OPERATORS
from .package import onnx_package
from .recurrent import PER_DIRECTION, check_options

OLDEST = 13  # the operators' set of 2020, since when axes are inputs and a softmax is that of one axis


class Node(NamedTuple):
    """One operation of a model: what it computes, of which values, and what its results are called."""

    op: str
    compute: Callable
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


class Model(Module):
    """A model from an ONNX file, called with the inputs of its graph in their order.

    Attributes
    ----------
    inputs, outputs : tuple of str
        What the graph calls them.
    weights : dict of str to Parameter
        The floats that the file holds, but for single numbers, by their names in the file (with ``.`` for ``/``): training
        changes them.

    Examples
    --------
    See `load`.
    """

    def __init__(self, inputs: Any, outputs: Any, nodes: Any, arrays: dict[str, numpy.ndarray]) -> None:
        self.inputs, self.outputs, self.nodes = tuple(inputs), tuple(outputs), tuple(nodes)
        trained = {name for name, array in arrays.items() if array.dtype.kind == "f" and array.ndim}
        self.constants = {name: array for name, array in arrays.items() if name not in trained}
        self.weights = {name.replace("/", "."): Parameter(backend.asarray(arrays[name])) for name in arrays if name in trained}
        self._named = {name: name.replace("/", ".") for name in trained}

    def forward(self, *inputs: Any) -> Any:
        """The outputs of the graph: one Tensor, or a tuple of them.

        Raises
        ------
        TypeError
            If there are more or fewer inputs than the graph has.
        """
        if len(inputs) != len(self.inputs):
            raise TypeError(f"the model takes {len(self.inputs)} input(s), {', '.join(self.inputs)}, but got {len(inputs)}")
        values: dict[str, Any] = {"": None, **self.constants, **dict(zip(self.inputs, map(as_tensor, inputs)))}
        values |= {name: self.weights[key] for name, key in self._named.items()}
        for node in self.nodes:
            try:
                results = node.compute(*(values[name] for name in node.inputs), **node.attributes)
            except (ValueError, TypeError, IndexError) as error:
                raise type(error)(f"{node.op} that makes {node.outputs[0]!r}: {error}") from error
            named = zip(node.outputs, results if isinstance(results, tuple) else (results,))
            values.update((name, result) for name, result in named if name)  # "" stands for an output that is not wanted
        results = tuple(as_tensor(values[name]) for name in self.outputs)
        return results if len(results) > 1 else results[0]


def load(path: str | os.PathLike) -> Model:
    """A module that computes, and learns, what the model in an ONNX file computes.

    Parameters
    ----------
    path : path
        A model of the operators RNN, GRU and LSTM and of those that surround them in an exported recurrent network:
        embeddings, matrix products, activations, softmax, and what changes shapes.  Operator sets from 13 on.

    Returns
    -------
    Model
        Called with the graph's inputs in order; its parameters are on the default device.  Dropout is left out, as in
        inference.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no ONNX model, is damaged, keeps its weights in other files, or has an operator, or an option of one, that is
        not known here; the message names the first.
    ImportError
        If the package onnx is not installed.

    Notes
    -----
    ONNX (opset 13 to 25) is described at https://onnx.ai/onnx/operators.  Nothing in a file is ever run or unpickled.
    """
    onnx = onnx_package("io.onnx.load")
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    try:
        return _model(onnx, _parsed(onnx, Path(path).read_bytes()))
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from None


def _parsed(onnx: Any, content: bytes) -> Any:
    """The model that these bytes describe, known to be valid."""
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_model_from_string(content)
    except (DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is no ONNX model, or it is cut off ({error})") from None
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(onnx, proto)):
        raise ValueError(
            "its weights are in other files: put everything into one, "
            "onnx.save(onnx.load('model.onnx'), 'one.onnx', save_as_external_data=False)"
        )
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, RuntimeError, ValueError, TypeError) as error:
        raise ValueError(f"is no valid ONNX model ({str(error).strip().splitlines()[0] if str(error) else error!r})") from None
    return proto


def _tensors(onnx: Any, proto: Any) -> Iterator[Any]:
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            yield attribute.t


def _model(onnx: Any, proto: Any) -> Model:
    """Our module for a valid model."""
    (version,) = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")] or [0]
    if version < OLDEST:
        raise ValueError(
            f"has operators of set {version}, here they are known from {OLDEST} on: convert it with "
            f"onnx.version_converter.convert_version(onnx.load('model.onnx'), {OLDEST})"
        )
    graph = proto.graph
    arrays = {tensor.name: _array(onnx, tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            arrays_of_node = _constant(onnx, node)
            nodes.append(Node("Constant", lambda value=arrays_of_node: value, (), tuple(node.output), {}))
        else:
            nodes.append(_node(onnx, node))
    inputs = [value.name for value in graph.input if value.name not in arrays]
    return Model(inputs, [value.name for value in graph.output], nodes, arrays)


def _node(onnx: Any, node: Any) -> Node:
    """One node, whose operator and attributes are known here."""
    op = node.op_type
    if node.domain not in ("", "ai.onnx") or op not in OPERATORS:
        name = op if node.domain in ("", "ai.onnx") else f"{node.domain}.{op}"
        raise ValueError(f"has the operator {name}, which is not known here; known are {', '.join(sorted(OPERATORS))}")
    attributes = {attribute.name: _attribute(onnx, attribute) for attribute in node.attribute}
    accepted = signature(OPERATORS[op]).parameters
    if not any(parameter.kind is Kind.VAR_KEYWORD for parameter in accepted.values()):
        for name in attributes:
            if name not in accepted:
                raise ValueError(f"{op} has the attribute {name}, which is not known here")
    if op in PER_DIRECTION:
        check_options(op, **attributes)
    if op == "Cast":
        attributes["to"] = numpy.dtype(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))
    if "outputs" in accepted:
        attributes["outputs"] = len(node.output)
    return Node(op, OPERATORS[op], tuple(node.input), tuple(node.output), attributes)


def _attribute(onnx: Any, attribute: Any) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return _array(onnx, value)
    if isinstance(value, bytes):
        return value.decode()
    return [item.decode() if isinstance(item, bytes) else item for item in value] if hasattr(value, "__iter__") else value


def _constant(onnx: Any, node: Any) -> numpy.ndarray:
    """The array of a Constant, whichever of its attributes holds it."""
    (attribute,) = node.attribute
    value = _attribute(onnx, attribute)
    if attribute.name.startswith(("value_float", "value_int")):
        return numpy.array(value, numpy.float32 if "float" in attribute.name else numpy.int64)
    if attribute.name != "value":
        raise ValueError(f"Constant has the attribute {attribute.name}, which is not known here")
    return value


def _array(onnx: Any, tensor: Any) -> numpy.ndarray:
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # whatever a damaged file makes of it
        raise ValueError(f"the numbers of {tensor.name!r} cannot be read ({error})") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{tensor.name!r} has dtype {array.dtype}, expected numbers or bools")
    return array
