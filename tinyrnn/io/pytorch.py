"""Layers from PyTorch and back, with the same weights.

PyTorch's matrices are ours, transposed; the order of the gates is the same.  It has two biases, b_ih and b_hh, of which an RNN
and an LSTM see only the sum, here b; in a GRU they act at different places, here b and b_h.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from .. import backend, nn
from ..tensor import Parameter


def from_torch(module: Any) -> nn.Module:
    """Our layer that computes what a PyTorch module computes.

    Parameters
    ----------
    module : torch.nn.RNN, LSTM, GRU, Linear or Embedding
        On any device, of float32 or float64.

    Returns
    -------
    Module
        On the default device, in the module's dtype and mode (training or not).

    Raises
    ------
    TypeError
        If there is no such layer here, or the module is neither of float32 nor of float64.
    ValueError
        If it has an option that has no counterpart: an embedding's `padding_idx` or `max_norm`.
    ImportError
        If PyTorch is not installed.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> io.from_torch(torch.nn.LSTM(3, 4)).layer0.W_x.shape  # doctest: +SKIP
    (3, 16)
    """
    torch = _torch("io.from_torch")
    if isinstance(module, (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU)):
        layer, weights = _recurrent_from(torch, module)
    elif isinstance(module, torch.nn.Linear):
        layer = nn.Linear(module.in_features, module.out_features, bias=module.bias is not None)
        weights = {"W": _array(module.weight).T}
        if module.bias is not None:
            weights["b"] = _array(module.bias)
    elif isinstance(module, torch.nn.Embedding):
        _refuse(module, padding_idx=None, max_norm=None)
        layer = nn.Embedding(module.num_embeddings, module.embedding_dim)
        weights = {"W": _array(module.weight)}
    else:
        raise TypeError(f"io.from_torch: expected torch.nn.RNN, LSTM, GRU, Linear or Embedding, not {type(module).__name__}")
    layer.to(dtype=next(iter(weights.values())).dtype)
    layer.load_state_dict(weights)
    return layer.train(module.training)


def to_torch(layer: nn.Module) -> Any:
    """The PyTorch module that computes what one of our layers computes.

    Parameters
    ----------
    layer : nn.RNN, nn.LSTM, nn.GRU, nn.Linear or nn.Embedding

    Returns
    -------
    torch.nn.Module
        On the CPU, in the layer's dtype and mode.  Of an RNN and an LSTM, b becomes b_ih, and b_hh is 0.

    Raises
    ------
    TypeError
        If it is another module.
    ValueError
        If it is a GRU with ``reset_after=False``, a layer with a `merge_mode`, or one that does not return all
        of (y, state): PyTorch does not have these.
    ImportError
        If PyTorch is not installed.

    Examples
    --------
    >>> io.to_torch(nn.Linear(3, 2))  # doctest: +SKIP
    Linear(in_features=3, out_features=2, bias=True)
    """
    torch = _torch("io.to_torch")
    if isinstance(layer, (nn.RNN, nn.LSTM, nn.GRU)):
        module, weights = _recurrent_to(torch, layer)
    elif isinstance(layer, nn.Linear):
        module = torch.nn.Linear(layer.in_features, layer.out_features, bias=isinstance(layer.b, Parameter))
        weights = {"weight": _array(layer.W).T}
        if isinstance(layer.b, Parameter):
            weights["bias"] = _array(layer.b)
    elif isinstance(layer, nn.Embedding):
        module = torch.nn.Embedding(layer.num_embeddings, layer.embedding_dim)
        weights = {"weight": _array(layer.W)}
    else:
        raise TypeError(f"io.to_torch: expected nn.RNN, LSTM, GRU, Linear or Embedding, not {type(layer).__name__}")
    state = {name: torch.from_numpy(numpy.array(array, order="C")) for name, array in weights.items()}
    module.to(next(iter(state.values())).dtype)
    module.load_state_dict(state)
    return module.train(layer.training)


def _recurrent_from(torch: Any, module: Any) -> tuple[nn.Module, dict[str, numpy.ndarray]]:
    """A layer like this one of PyTorch, and its weights by our names."""
    options = {name: getattr(module, name) for name in ("bias", "bidirectional", "dropout", "batch_first")}
    if isinstance(module, torch.nn.RNN):
        options["nonlinearity"] = module.nonlinearity
    if isinstance(module, torch.nn.LSTM):
        options["proj_size"] = module.proj_size
    make = {torch.nn.RNN: nn.RNN, torch.nn.LSTM: nn.LSTM, torch.nn.GRU: nn.GRU}
    kind = next(ours for theirs, ours in make.items() if isinstance(module, theirs))
    layer = kind(module.input_size, module.hidden_size, module.num_layers, **options)

    weights: dict[str, numpy.ndarray] = {}
    for ours, theirs in _cells(layer):
        w_x, w_h = (_array(getattr(module, f"weight_{part}_{theirs}")).T for part in ("ih", "hh"))
        weights |= {f"{ours}.W_x": w_x, f"{ours}.W_h": w_h}
        if module.proj_size:
            weights[f"{ours}.W_p"] = _array(getattr(module, f"weight_hr_{theirs}")).T
        if module.bias:
            b_x, b_h = (_array(getattr(module, f"bias_{part}_{theirs}")) for part in ("ih", "hh"))
            weights |= {f"{ours}.b": b_x, f"{ours}.b_h": b_h} if kind is nn.GRU else {f"{ours}.b": b_x + b_h}
    return layer, weights


def _recurrent_to(torch: Any, layer: Any) -> tuple[Any, dict[str, numpy.ndarray]]:
    """A module of PyTorch like this layer, and its weights by PyTorch's names."""
    for option in ("return_sequences", "return_state"):
        if not getattr(layer, option):
            raise ValueError(
                f"io.to_torch: {type(layer).__name__} has {option}=False, but PyTorch always returns both: set it to True, "
                "and pick out of the result what you need"
            )
    options = {name: getattr(layer, name) for name in ("bias", "bidirectional", "batch_first")}
    options["dropout"] = layer.between.rate
    kind = next(kind for kind in ("RNN", "LSTM", "GRU") if isinstance(layer, getattr(nn, kind)))
    if kind == "RNN":
        options["nonlinearity"] = layer.layer0.nonlinearity
    if kind == "LSTM":
        options["proj_size"] = layer.layer0.proj_size
    if kind == "GRU" and not layer.layer0.reset_after:
        raise ValueError("io.to_torch: PyTorch's GRU resets after the product only, this one has reset_after=False")
    if layer.bidirectional and layer.merge_mode != "concat":
        raise ValueError(f"io.to_torch: PyTorch concatenates both directions, this layer has merge_mode={layer.merge_mode!r}")
    module = getattr(torch.nn, kind)(layer.input_size, layer.hidden_size, layer.num_layers, **options)

    weights: dict[str, numpy.ndarray] = {}
    for ours, theirs in _cells(layer):
        cell = getattr(layer, ours)
        weights |= {f"weight_ih_{theirs}": _array(cell.W_x).T, f"weight_hh_{theirs}": _array(cell.W_h).T}
        if options.get("proj_size"):
            weights[f"weight_hr_{theirs}"] = _array(cell.W_p).T
        if layer.bias:
            b_h = _array(cell.b_h) if kind == "GRU" else numpy.zeros_like(_array(cell.b))
            weights |= {f"bias_ih_{theirs}": _array(cell.b), f"bias_hh_{theirs}": b_h}
    return module, weights


def _cells(layer: Any) -> Iterator[tuple[str, str]]:
    """What each cell of a layer is called here, and how its weights end in PyTorch."""
    for number in range(layer.num_layers):
        for direction in ("", "_reverse") if layer.bidirectional else ("",):
            yield f"layer{number}{direction}", f"l{number}{direction}"


def _array(weight: Any) -> numpy.ndarray:
    """The numbers of a parameter, ours or PyTorch's, on the CPU."""
    if isinstance(weight, Parameter):
        return backend.to_host(weight.data)
    if str(weight.dtype) not in ("torch.float32", "torch.float64"):
        raise TypeError(f"io.from_torch: a weight has dtype {weight.dtype}, expected float32 or float64: use module.float()")
    return weight.detach().cpu().numpy()


def _refuse(module: Any, **neutral: Any) -> None:
    """Options that have no counterpart here must be left alone."""
    for option, value in neutral.items():
        if (found := getattr(module, option, value)) != value:
            raise ValueError(f"io.from_torch: {type(module).__name__} has {option}={found!r}, which has no counterpart here")


def _torch(what: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(f"{what} needs PyTorch: pip install torch") from None
    return torch
