"""Layers from Keras: each option is converted, or left behind because it does not change what is computed, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import numpy

from ... import nn
from .common import ACTIVATIONS, RETURNS, Activation, z_and_r_swapped

# How to begin and how to compute, not what; and what stands on padded steps, where ours always puts 0.
LEFT_BEHIND = ("name", "dtype", "seed", "unroll", "implementation", "unit_forget_bias", "zero_output_for_mask")


def from_keras(layer: Any) -> nn.Module:
    """Our layer that computes what a Keras layer, or a `keras.Sequential` of such layers, computes.

    Parameters
    ----------
    layer : keras.layers.SimpleRNN, LSTM, GRU, Bidirectional, Dense, Embedding, Dropout, LayerNormalization, Activation, ReLU, \
Softmax, TimeDistributed or Sequential
        Built, so that it has weights; of float32 or float64, and of any of Keras's backends.

    Returns
    -------
    Module
        On the default device, batch-first as in Keras, with its `return_sequences` and `return_state`.  A mask becomes
        `lengths`; on padded steps our outputs are 0, where Keras repeats the last one.

    Raises
    ------
    TypeError
        If there is no such layer here; subclasses of your own are not looked into.
    ValueError
        If the layer is not built, or has an option that has no counterpart, such as another activation of the gates,
        `recurrent_dropout`, `stateful`, `go_backwards` or `mask_zero`; the message names the layer and the option.

    Examples
    --------
    >>> import keras  # doctest: +SKIP
    >>> layer = keras.layers.LSTM(4)  # doctest: +SKIP
    >>> layer.build((None, None, 3))  # doctest: +SKIP
    >>> io.from_keras(layer).layer0.W_x.shape  # doctest: +SKIP
    (3, 16)
    """
    kind = type(layer).__name__
    if kind == "Sequential" and _is_of_keras(layer):
        return nn.Sequential(*(from_keras(inner) for inner in layer.layers if type(inner).__name__ != "InputLayer"))
    if kind not in FROM or not _is_of_keras(layer):
        file = ": read the file with Keras, io.from_keras(keras.saving.load_model(path))"
        raise TypeError(
            f"io.from_keras: expected a layer of Keras, {', '.join(FROM)} or Sequential, not {type(layer)}"
            f"{file if isinstance(layer, (str, PathLike)) else ''}"
        )
    if not layer.built:
        raise ValueError(f"io.from_keras: {_title(layer)} is not built: call it once, or build it with the shape of its input")
    options = _Options(layer)
    ours, weights = FROM[kind](layer, options)
    options.refuse_the_rest()
    if weights:
        ours.to(dtype=_dtype(layer, weights))
        ours.load_state_dict(weights)
    return ours


def _is_of_keras(layer: Any) -> bool:
    return type(layer).__module__.partition(".")[0] in ("keras", "tf_keras")


def _title(layer: Any) -> str:
    return f"{type(layer).__name__} {layer.name!r}"


def _dtype(layer: Any, weights: Mapping[str, numpy.ndarray]) -> Any:
    dtype = next(iter(weights.values())).dtype
    if dtype.name not in ("float32", "float64"):
        raise ValueError(f"io.from_keras: {_title(layer)} has weights of dtype {dtype}, expected float32 or float64")
    return dtype


class _Options:
    """The options of a Keras layer; those that were not asked for must be left alone, that is 0, None or False."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.config = layer, dict(layer.get_config())

    def take(self, name: str) -> Any:
        return self.config.pop(name)

    def must_be(self, **options: Any) -> None:
        """Options whose neutral value is another one."""
        for name, value in options.items():
            if name in self.config and (found := self.take(name)) != value:
                self.refuse(name, found)

    def refuse(self, name: str, value: Any) -> None:
        raise ValueError(
            f"io.from_keras: {_title(self.layer)} has {name}={value!r}, which has no counterpart here{HINTS.get(name, '')}"
        )

    def refuse_the_rest(self) -> None:
        self.must_be(trainable=True)
        for name, value in self.config.items():
            if value and name not in LEFT_BEHIND and not name.endswith("_initializer"):
                self.refuse(name, value)


HINTS = {
    "mask_zero": ": set it to False, and give the layers over time lengths=",
    "stateful": ": set it to False, and put nn.Stateful around the layer",
    "go_backwards": ": set it to False, and make nn.Recurrent(cell, reverse=True) with its weights",
    "dropout": ": set it to 0, and put nn.Dropout before the layer, or a wrapper around its cell",
    "recurrent_dropout": ": set it to 0, and put a wrapper around the cell",
    "trainable": ": set it to True, and leave its parameters out of the optimiser",
}


Converted = tuple[nn.Module, dict[str, numpy.ndarray]]  # our layer, and its weights by our names


def _recurrent(layer: Any, options: _Options) -> Converted:
    return _over_time(layer, options, {"batch_first": True, **{name: options.take(name) for name in RETURNS}})


def _over_time(layer: Any, options: _Options, returns: Mapping[str, Any]) -> Converted:
    """SimpleRNN, LSTM or GRU."""
    kind = type(layer).__name__
    more: dict[str, Any] = {}
    if kind == "SimpleRNN":
        more["nonlinearity"] = activation = options.take("activation")
        if not isinstance(activation, str) or activation not in nn.RNNCell.nonlinearities:  # a function is a dict here
            options.refuse("activation", activation)
    if kind == "GRU":
        more["reset_after"] = options.take("reset_after")
    options.must_be(activation="tanh", recurrent_activation="sigmoid")
    arrays = _weights_of(layer)
    make = {"SimpleRNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}[kind]
    ours = make(arrays[0].shape[0], options.take("units"), bias=options.take("use_bias"), **returns, **more)
    return ours, {f"layer0.{name}": array for name, array in _cell_weights(kind, arrays, more).items()}


def _cell_weights(kind: str, arrays: list[numpy.ndarray], options: Mapping[str, Any]) -> dict[str, numpy.ndarray]:
    """The weights of a cell by our names, out of Keras's list: kernel, recurrent kernel and, if there is one, bias."""
    if kind != "GRU":
        return dict(zip(("W_x", "W_h", "b"), arrays))
    w_x, w_h, *bias = (z_and_r_swapped(array) for array in arrays)
    if options["reset_after"]:
        biases = {"b": bias[0][0], "b_h": bias[0][1]} if bias else {}
        return {"W_x": w_x, "W_h": w_h, **biases}
    hidden = w_h.shape[0]
    return {"W_x": w_x, "W_h": w_h[:, : 2 * hidden], "W_n": w_h[:, 2 * hidden :], **({"b": bias[0]} if bias else {})}


def _bidirectional(layer: Any, options: _Options) -> Converted:
    mode = options.take("merge_mode")
    if mode is None:
        options.refuse("merge_mode", None)
    both: list[nn.Module] = []
    weights: dict[str, numpy.ndarray] = {}
    for name in ("forward_layer", "backward_layer"):
        inner = getattr(layer, name)
        if type(inner).__name__ not in ("SimpleRNN", "LSTM", "GRU") or not _is_of_keras(inner):
            raise TypeError(f"io.from_keras: {_title(layer)} holds a {type(inner)}, expected SimpleRNN, LSTM or GRU")
        inside = _Options(inner)
        returns = {option: inside.take(option) for option in RETURNS}
        inside.must_be(go_backwards=name == "backward_layer")
        ours, arrays = _over_time(inner, inside, {})
        inside.refuse_the_rest()
        both.append(ours)
        weights |= {f"{name}.{key}": array for key, array in arrays.items()}
        options.config.pop("layer" if name == "forward_layer" else name, None)
    return nn.Bidirectional(*both, merge_mode=mode, batch_first=True, **returns), weights


def _dense(layer: Any, options: _Options) -> Converted:
    weights = dict(zip("Wb", _weights_of(layer)))
    linear = nn.Linear(weights["W"].shape[0], options.take("units"), bias=options.take("use_bias"))
    if (activation := options.take("activation")) == "linear":
        return linear, weights
    return nn.Sequential(linear, _activated(options, activation)), {f"0.{name}": array for name, array in weights.items()}


def _activated(options: _Options, activation: Any) -> Activation:
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        options.refuse("activation", activation)
    return Activation(activation)


def _embedding(layer: Any, options: _Options) -> Converted:
    return nn.Embedding(options.take("input_dim"), options.take("output_dim")), {"W": _weights_of(layer)[0]}


def _dropout(layer: Any, options: _Options) -> Converted:
    return nn.Dropout(options.take("rate")), {}


def _layer_norm(layer: Any, options: _Options) -> Converted:
    options.must_be(center=True, scale=True, rms_scaling=False)
    gain, bias = _weights_of(layer)
    if gain.ndim != 1 or options.take("axis") not in (-1, [-1]):
        options.refuse("axis", layer.axis)
    return nn.LayerNorm(gain.size, options.take("epsilon")), {"gain": gain, "bias": bias}


def _activation(layer: Any, options: _Options) -> Converted:
    return _activated(options, options.take("activation")), {}


def _softmax(layer: Any, options: _Options) -> Converted:
    options.must_be(axis=-1)
    return Activation("softmax"), {}


def _time_distributed(layer: Any, options: _Options) -> Converted:
    """What acts on the last axis does so at every step."""
    if type(layer.layer).__name__ not in ("Dense", "Dropout", "LayerNormalization", "Activation", "ReLU", "Softmax"):
        raise TypeError(
            f"io.from_keras: {_title(layer)} holds a {type(layer.layer)}, expected a Dense or another layer without time"
        )
    options.take("layer")
    return from_keras(layer.layer), {}


def _weights_of(layer: Any) -> list[numpy.ndarray]:
    return [numpy.asarray(array) for array in layer.get_weights()]


FROM: dict[str, Callable[[Any, _Options], Converted]] = {
    **{"SimpleRNN": _recurrent, "LSTM": _recurrent, "GRU": _recurrent, "Bidirectional": _bidirectional, "Dense": _dense},
    **{"Embedding": _embedding, "Dropout": _dropout, "LayerNormalization": _layer_norm, "Activation": _activation},
    **{"ReLU": lambda layer, options: (Activation("relu"), {}), "Softmax": _softmax, "TimeDistributed": _time_distributed},
}
