"""Layers to Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy

from ... import backend, nn
from ...tensor import Parameter
from .common import RETURNS, Activation, z_and_r_swapped


def to_keras(layer: nn.Module) -> Any:
    """The Keras layer that computes what one of our layers computes.

    Parameters
    ----------
    layer : nn.RNN, LSTM, GRU, Bidirectional, Linear, Embedding, Dropout, LayerNorm, Sequential or Activation
        Several layers over time become a `keras.Sequential`.

    Returns
    -------
    keras.layers.Layer
        Built, in the dtype of the layer.  Sequences are (N, T, I), whatever `batch_first` is.

    Raises
    ------
    TypeError
        If it is another module.
    ValueError
        If it has something that Keras does not have: a projection, a state returned from several layers.
    ImportError
        If Keras is not installed.

    Examples
    --------
    >>> io.to_keras(nn.Linear(3, 2))  # doctest: +SKIP
    <Dense name=dense, built=True>
    """
    keras = _keras("io.to_keras")
    if isinstance(layer, nn.Sequential):
        return keras.Sequential([to_keras(inner) for inner in layer])
    kind = next((kind for kind in TO if type(layer) is kind), None)
    if kind is None:
        raise TypeError(
            f"io.to_keras: expected {', '.join(kind.__name__ for kind in TO)} or Sequential, not {type(layer).__name__}"
        )
    made = list(TO[kind](keras, layer))
    for theirs, inputs, weights in made:
        if inputs is not None:
            theirs.build(inputs)
            theirs.set_weights(weights)
    layers = [theirs for theirs, _, _ in made]
    return layers[0] if len(layers) == 1 else keras.Sequential(layers)


Made = Iterator[tuple[Any, Any, list[numpy.ndarray]]]  # a Keras layer, the shape with which it is built, and its weights


def _to_recurrent(keras: Any, layer: Any) -> Made:
    """For each layer of an RNN, LSTM or GRU one of Keras, and the dropout between them."""
    if layer.num_layers > 1 and layer.return_state:
        raise ValueError(
            f"io.to_keras: {type(layer).__name__} returns the state of {layer.num_layers} layers: set return_state=False"
        )
    for number, cells in enumerate(layer.cells()):
        last = number == layer.num_layers - 1
        returns = {"return_sequences": layer.return_sequences or not last, "return_state": layer.return_state}
        theirs = [_of_cell(keras, cell, returns, backward=k == 1) for k, cell in enumerate(cells)]
        yield _joined(keras, theirs, layer.merge_mode, cells)
        if not last and layer.between.rate:
            yield keras.layers.Dropout(layer.between.rate), None, []


def _to_bidirectional(keras: Any, layer: Any) -> Made:
    cells = []
    for inner in layer.layers():
        single = isinstance(inner, (nn.RNN, nn.LSTM, nn.GRU)) and inner.num_layers == 1 and not inner.bidirectional
        if not single and not isinstance(inner, nn.Recurrent):
            raise TypeError(
                f"io.to_keras: a Bidirectional of {type(inner).__name__}, expected one layer of RNN, LSTM or GRU in it"
            )
        cells.append(inner.layer0 if single else inner.cell)
    returns = {name: getattr(layer, name) for name in RETURNS}
    theirs = [_of_cell(keras, cell, returns, backward=k == 1) for k, cell in enumerate(cells)]
    yield _joined(keras, theirs, layer.merge_mode, cells)


def _joined(keras: Any, theirs: list, merge_mode: str, cells: Any) -> tuple[Any, Any, list[numpy.ndarray]]:
    """One layer as it is, two as a Bidirectional; with the weights of both."""
    weights = [array for cell in cells for array in _keras_weights(cell)]
    whole = (
        theirs[0] if len(theirs) == 1 else keras.layers.Bidirectional(theirs[0], merge_mode=merge_mode, backward_layer=theirs[1])
    )
    return whole, (None, None, cells[0].input_size), weights


def _of_cell(keras: Any, cell: Any, returns: Mapping[str, Any], backward: bool) -> Any:
    options = {**returns, "use_bias": isinstance(cell.b, Parameter), "dtype": str(cell.W_x.dtype), "go_backwards": backward}
    if type(cell) is nn.RNNCell:
        return keras.layers.SimpleRNN(cell.hidden_size, activation=cell.nonlinearity, **options)
    if type(cell) is nn.GRUCell:
        return keras.layers.GRU(cell.hidden_size, reset_after=cell.reset_after, **options)
    if type(cell) is nn.LSTMCell and not cell.proj_size:
        return keras.layers.LSTM(cell.hidden_size, **options)
    raise ValueError(f"io.to_keras: Keras has no layer for this {type(cell).__name__}")


def _keras_weights(cell: Any) -> list[numpy.ndarray]:
    """Kernel, recurrent kernel and, if there is one, bias, in Keras's order of the gates."""
    has_bias = isinstance(cell.b, Parameter)
    if not isinstance(cell, nn.GRUCell):
        return [_host(cell.W_x), _host(cell.W_h), *([_host(cell.b)] if has_bias else [])]
    w_h = _host(cell.W_h) if cell.reset_after else numpy.concatenate([_host(cell.W_h), _host(cell.W_n)], axis=1)
    biases = [numpy.stack([_host(cell.b), _host(cell.b_h)]) if cell.reset_after else _host(cell.b)] if has_bias else []
    return [z_and_r_swapped(array) for array in (_host(cell.W_x), w_h, *biases)]


def _to_dense(keras: Any, layer: Any) -> Made:
    has_bias = isinstance(layer.b, Parameter)
    dense = keras.layers.Dense(layer.out_features, use_bias=has_bias, dtype=str(layer.W.dtype))
    yield dense, (None, layer.in_features), [_host(layer.W), *([_host(layer.b)] if has_bias else [])]


def _to_embedding(keras: Any, layer: Any) -> Made:
    embedding = keras.layers.Embedding(layer.num_embeddings, layer.embedding_dim, dtype=str(layer.W.dtype))
    yield embedding, (None, None), [_host(layer.W)]


def _to_layer_norm(keras: Any, layer: Any) -> Made:
    norm = keras.layers.LayerNormalization(epsilon=layer.eps, dtype=str(layer.gain.dtype))
    yield norm, (None, layer.size), [_host(layer.gain), _host(layer.bias)]


def _to_dropout(keras: Any, layer: Any) -> Made:
    yield keras.layers.Dropout(layer.rate), None, []


def _to_activation(keras: Any, layer: Any) -> Made:
    yield keras.layers.Activation(layer.activation), None, []


def _host(parameter: Any) -> numpy.ndarray:
    return backend.to_host(parameter.data)


TO: dict[type, Callable[[Any, Any], Made]] = {
    **{nn.RNN: _to_recurrent, nn.LSTM: _to_recurrent, nn.GRU: _to_recurrent, nn.Bidirectional: _to_bidirectional},
    **{nn.Linear: _to_dense, nn.Embedding: _to_embedding, nn.Dropout: _to_dropout, nn.LayerNorm: _to_layer_norm},
    Activation: _to_activation,
}


def _keras(what: str) -> Any:
    try:
        import keras
    except ImportError as error:
        raise ImportError(
            f"{what} needs Keras and one of its backends ({error}): pip install 'tinyrnn[keras]', "
            "and set the environment variable KERAS_BACKEND to torch, jax or tensorflow, whichever there is"
        ) from None
    return keras
