"""Layers that ONNX knows as one operation: RNN, GRU and LSTM, what is made of them, and the normalisation of a layer.

Each function has the form of `nn.Layer.over_time`, but for whole sequences: it takes and returns names of values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

from ... import backend, nn
from .graph import GraphWriter
from .tracing import Call, leaves, mapped

LAYERS = nn.RNN, nn.GRU, nn.LSTM


class Output(NamedTuple):
    """Names: the output of each step (T, N, H), the one after each sequence's own last step (N, H), and the state."""

    y: str
    last: str
    state: Any


def is_known(module: Any) -> bool:
    """Is this a layer that is exported as a whole?"""
    return type(module) is nn.LayerNorm or _runs(module, False)


def _runs(layer: Any, reverse: bool) -> bool:
    """Can the layer be exported, run in or against its own direction?"""
    kind = type(layer)
    if kind is nn.Recurrent:
        return _is_operator(layer.cell)
    if kind is nn.Bidirectional:
        return _runs(layer.forward_layer, reverse) and _runs(layer.backward_layer, not reverse)
    if kind is nn.Stack:
        return all(_runs(inner, reverse) for inner in layer.layers())
    known = kind in LAYERS and all(_is_operator(cell) for cells in layer.cells() for cell in cells)
    return known and not (reverse and layer.bidirectional)


def _is_operator(cell: Any) -> bool:
    """Has ONNX an operator for this cell?  Not for one with a projection."""
    return type(cell) in CELLS and not getattr(cell, "proj_size", 0)


def write(graph: GraphWriter, call: Call) -> list[str]:
    """Write a call of a layer; the names of its results in order."""
    if type(call.layer) is nn.LayerNorm:
        return [_layer_norm(graph, call)]
    layer = call.layer
    names = mapped(lambda value: graph.names[value], {key: call.arguments.get(key) for key in ("x", "state", "lengths")})
    x = graph.add("Transpose", names["x"], perm=[1, 0, 2]) if layer.batch_first else names["x"]
    lengths = names["lengths"] and graph.cast(names["lengths"], numpy.int32)
    output = _over_time(graph, layer, call.path, x, names["state"], lengths, False)
    y = output.last
    if layer.return_sequences:
        y = graph.add("Transpose", output.y, perm=[1, 0, 2]) if layer.batch_first else output.y
    return [y, *(leaves(output.state) if layer.return_state else ())]


def _over_time(graph: GraphWriter, layer: Any, path: str, x: str, state: Any, lengths: str | None, reverse: bool) -> Output:
    if isinstance(layer, nn.Recurrent):
        return _recurrent(graph, layer, path, x, state, lengths, layer.reverse != reverse)
    if isinstance(layer, nn.Bidirectional):
        return _bidirectional(graph, layer, path, x, state or (None, None), lengths, reverse)
    if isinstance(layer, nn.Stack):
        return _stack(graph, layer, path, x, state or (None,) * layer.num_layers, lengths, reverse)
    return _layers(graph, layer, path, x, state, lengths, reverse)


def _recurrent(graph: GraphWriter, layer: Any, path: str, x: str, state: Any, lengths: str | None, reverse: bool) -> Output:
    """One cell in one direction; its state has no axis for the direction."""
    first = graph.integers(0)
    initial = [graph.add("Unsqueeze", part, first) for part in leaves(state)]
    y, *final = operator(graph, [layer.cell], f"{path}.cell".strip("."), x, lengths, initial, "reverse" if reverse else "forward")
    final = [graph.add("Squeeze", part, first) for part in final]
    return Output(graph.add("Squeeze", y, graph.integers(1)), final[0], final)


def _bidirectional(graph: GraphWriter, layer: Any, path: str, x: str, state: Any, lengths: str | None, reverse: bool) -> Output:
    names = [f"{path}.{part}".strip(".") for part in ("forward_layer", "backward_layer")]
    there = _over_time(graph, layer.forward_layer, names[0], x, state[0], lengths, reverse)
    back = _over_time(graph, layer.backward_layer, names[1], x, state[1], lengths, not reverse)
    y, last = (_merged(graph, layer.merge_mode, *both) for both in ((there.y, back.y), (there.last, back.last)))
    return Output(y, last, (there.state, back.state))


def _merged(graph: GraphWriter, mode: str, there: str, back: str) -> str:
    if mode == "concat":
        return graph.add("Concat", there, back, axis=-1)
    return graph.add({"sum": "Sum", "mul": "Mul", "ave": "Mean"}[mode], there, back)


def _stack(graph: GraphWriter, layer: Any, path: str, x: str, state: Any, lengths: str | None, reverse: bool) -> Output:
    states = []
    for number, (inner, of_inner) in enumerate(zip(layer.layers(), state)):
        output = _over_time(graph, inner, f"{path}.layer{number}".strip("."), x, of_inner, lengths, reverse)
        x = output.y
        states.append(output.state)
    return output._replace(state=states)


def _layers(graph: GraphWriter, layer: Any, path: str, x: str, state: Any, lengths: str | None, reverse: bool) -> Output:
    """The cells of an RNN, GRU or LSTM: one operator for each layer, with both directions in it."""
    given, directions = leaves(state), 1 + layer.bidirectional
    direction = "bidirectional" if layer.bidirectional else "reverse" if reverse else "forward"
    finals = []
    for number, cells in enumerate(layer.cells()):
        initial = [_of_layer(graph, part, number, directions, layer.num_layers) for part in given]
        y, *final = operator(graph, cells, f"{path}.layer{number}".strip("."), x, lengths, initial, direction)
        finals.append(final)
        if not layer.bidirectional:
            x, last = (graph.add("Squeeze", part, graph.integers(axis)) for part, axis in ((y, 1), (final[0], 0)))
        elif layer.merge_mode == "concat":
            sides = graph.add("Transpose", y, perm=[0, 2, 1, 3]), graph.add("Transpose", final[0], perm=[1, 0, 2])
            x = graph.add("Reshape", sides[0], graph.integers(0, 0, -1))
            last = graph.add("Reshape", sides[1], graph.integers(0, -1))
        else:
            x, last = (_merged_axis(graph, layer.merge_mode, part, axis) for part, axis in ((y, 1), (final[0], 0)))
    joined = [same[0] if len(same) == 1 else graph.add("Concat", *same, axis=0) for same in zip(*finals)]
    return Output(x, last, joined)


def _merged_axis(graph: GraphWriter, mode: str, part: str, axis: int) -> str:
    """Both directions, along an axis, as one."""
    return _merged(graph, mode, *(graph.add("Gather", part, graph.constant(numpy.int64(k)), axis=axis) for k in (0, 1)))


def _of_layer(graph: GraphWriter, part: str, number: int, directions: int, layers: int) -> str:
    if layers == 1:
        return part
    first = number * directions
    return graph.add("Slice", part, *(graph.integers(k) for k in (first, first + directions, 0)))


def _layer_norm(graph: GraphWriter, call: Call) -> str:
    layer = call.layer
    gain, bias = (
        graph.constant(_host(parameter), f"{call.path}.{key}") for key, parameter in (("gain", layer.gain), ("bias", layer.bias))
    )
    return graph.add("LayerNormalization", graph.names[call.arguments["x"]], gain, bias, axis=-1, epsilon=layer.eps)


# -- cells ---------------------------------------------------------------------------------------------------------


def operator(
    graph: GraphWriter, cells: Any, path: str, x: str, lengths: str | None, initial: list[str], direction: str
) -> list[str]:
    """The cells of one layer, one for each direction: the names of y (T, D, N, H) and of the last state's parts (D, N, H)."""
    cell = cells[0]
    kind, weights_of = CELLS[type(cell)]
    weights = [numpy.stack(same) for same in zip(*(weights_of(of_direction) for of_direction in cells))]
    names = [graph.constant(array, f"{path}.{key}") for key, array in zip("WRBP", weights)]
    states = 2 if kind == "LSTM" else 1
    initial = initial or [""] * states
    inputs = [x, *names[:3], lengths or "", *initial, *names[3:]]
    while inputs[-1] == "":
        inputs.pop()
    options: dict[str, Any] = {"linear_before_reset": int(cell.reset_after)} if kind == "GRU" else {}
    if kind == "RNN":
        options["activations"] = [cell.nonlinearity.capitalize()] * len(cells)
    return graph.add(kind, *inputs, results=1 + states, name=path, hidden_size=cell.hidden_size, direction=direction, **options)


def _rnn(cell: Any) -> list[numpy.ndarray]:
    return _weights(cell, _host(cell.W_h), [0])


def _lstm(cell: Any) -> list[numpy.ndarray]:
    """From i, f, g, o to i, o, f, c."""
    return _weights(cell, _host(cell.W_h), [0, 3, 1, 2])


def _peephole(cell: Any) -> list[numpy.ndarray]:
    """With the peepholes in the order i, o, f."""
    return [*_lstm(cell), numpy.concatenate([_host(part) for part in (cell.p_i, cell.p_o, cell.p_f)])]


def _gru(cell: Any) -> list[numpy.ndarray]:
    """From r, z, n to z, r, h."""
    if cell.reset_after:
        return _weights(cell, _host(cell.W_h), [1, 0, 2], _host(cell.b_h))
    return _weights(cell, numpy.concatenate([_host(cell.W_h), _host(cell.W_n)], axis=1), [1, 0, 2])


def _weights(cell: Any, recurrent: numpy.ndarray, order: list[int], bias: Any = 0.0) -> list[numpy.ndarray]:
    """W (G·H, I), R (G·H, H) and B (2·G·H,) in ONNX's order of the gates."""

    def ordered(columns: numpy.ndarray) -> numpy.ndarray:
        blocks = numpy.split(columns, len(order), axis=-1)
        return numpy.concatenate([blocks[k] for k in order], axis=-1)

    width = recurrent.shape[1]
    biases = [numpy.broadcast_to(_host(b), (width,)).astype(recurrent.dtype) for b in (cell.b, bias)]
    return [ordered(_host(cell.W_x)).T, ordered(recurrent).T, numpy.concatenate([ordered(b) for b in biases])]


def _host(parameter: Any) -> numpy.ndarray:
    return numpy.asarray(backend.to_host(parameter.data)) if hasattr(parameter, "requires_grad") else numpy.asarray(parameter)


CELLS: dict[type, tuple[str, Callable]] = {
    **{nn.RNNCell: ("RNN", _rnn), nn.IRNNCell: ("RNN", _rnn)},
    **{nn.LSTMCell: ("LSTM", _lstm), nn.PeepholeLSTMCell: ("LSTM", _peephole), nn.GRUCell: ("GRU", _gru)},
}
