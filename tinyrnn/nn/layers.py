"""Layers without memory: Linear, Embedding, Dropout, LayerNorm, RepeatVector, Sequential."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import Any

import numpy

from .. import backend, ops
from ..graph import Value, composed
from ..tensor import Parameter, Tensor
from . import init
from .module import Module, as_input, check_sizes


class Linear(Module):
    """y = x W + b, on the last axis.

    Parameters
    ----------
    in_features, out_features : int
        I and O: x is (..., I), y (..., O), W (I, O), b (O,).
    bias : bool

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.Linear(3, 2)(tr.ones(5, 4, 3)).shape
    (5, 4, 2)
    """

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True) -> None:
        check_sizes(self, in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.W = Parameter(init.glorot(in_features, out_features))
        self.b = Parameter(init.zeros(out_features)) if bias else 0.0

    def forward(self, x: Any) -> Tensor:
        x = as_input(self, x)
        if x.shape[-1:] != (self.in_features,):
            raise ValueError(f"Linear: x has shape {tuple(x.shape)}, expected (..., in_features = {self.in_features})")
        return x @ self.W + self.b


class Embedding(Module):
    """A vector for each symbol: y = W[indices].

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        V and D: indices are integers below V, of any shape; W is (V, D); y has one more axis, of length D.

    Raises
    ------
    TypeError
        If the indices are no integers.
    IndexError
        If one is not below V.

    Examples
    --------
    >>> from tinyrnn import nn
    >>> nn.Embedding(10, 3)([[1, 2], [3, 4]]).shape
    (2, 2, 3)
    """

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        check_sizes(self, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.W = Parameter(init.normal(num_embeddings, embedding_dim))

    def forward(self, indices: Any) -> Tensor:
        if not isinstance(indices, Value) and not backend.is_array(indices):
            try:
                numbers = numpy.asarray(indices)
            except ValueError:
                raise TypeError(
                    f"Embedding: indices must be integers, in lists of one length, not {indices!r:.60}: nn.pad_sequence pads them"
                ) from None
            indices = backend.asarray(numbers if numbers.size else numbers.astype(int), device=self.W.device)
        if indices.dtype.kind not in "iu":
            raise TypeError(f"Embedding: indices must be integers, not {indices.dtype}: make them with dtype=int")
        data = indices.data if isinstance(indices, Value) else indices
        if backend.device_of(data).kind == "cpu" and data.size:  # a GPU would have to be waited for
            low, high = data.min(), data.max()
            if low < 0 or high >= self.num_embeddings:
                raise IndexError(f"Embedding: indices from {low} to {high} do not fit num_embeddings = {self.num_embeddings}")
        return self.W[indices]


class Dropout(Module):
    """In training, set each number to 0 with probability `rate`, and scale the others by 1 / (1 − rate) (Srivastava et al. 2014).

    Parameters
    ----------
    rate : float
        From 0 up to, but not including, 1.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.Dropout(0.5).eval()(tr.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, rate: float = 0.5) -> None:
        check_rate(self, rate=rate)
        self.rate = rate

    def forward(self, x: Any) -> Any:
        x = as_input(self, x)
        if not self.training or self.rate == 0.0:
            return x
        return ops.dropout(x, keep(x, self.rate), self.rate)


def check_rate(module: Module, **rates: Any) -> None:
    """Can these be shares of what is dropped?"""
    for name, rate in rates.items():
        if not isinstance(rate, (int, float, numpy.floating)) or not 0.0 <= rate < 1.0:
            raise ValueError(f"{type(module).__name__}: {name} {rate!r} is not in [0, 1)")


def keep(x: Tensor, rate: float) -> Any:
    """An array of bools of x's shape, where x is, each False with probability `rate`: drawn by the generator of its device."""
    with backend.active(x.device):
        return backend.generator(x.device).random(x.shape, dtype="float32") >= rate


class LayerNorm(Module):
    """y = (x − mean) / √(var + ε) ⊙ gain + bias, over the last axis (Ba, Kiros & Hinton 2016).

    Parameters
    ----------
    size : int
        The length of the last axis.
    eps : float
        ε, which keeps the root away from 0.
    bias : bool

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> y = nn.LayerNorm(4)(tr.tensor([[1.0, 2.0, 3.0, 4.0]]))
    >>> round(y.mean().item(), 6), round(y.var().item(), 3)
    (0.0, 1.0)
    """

    bias: Any

    def __init__(self, size: int, eps: float = 1e-5, *, bias: bool = True) -> None:
        check_sizes(self, size=size)
        self.size, self.eps = size, eps
        self.gain = Parameter(init.ones(size))
        self.bias = Parameter(init.zeros(size)) if bias else 0.0

    def forward(self, x: Any) -> Tensor:
        x = as_input(self, x)
        if x.shape[-1:] != (self.size,):
            raise ValueError(f"LayerNorm: x has shape {tuple(x.shape)}, expected (..., size = {self.size})")
        return standardise(x, eps=self.eps) * self.gain + self.bias


@composed
def standardise(x: Any, eps: float) -> Any:
    """(x − mean) / √(var + ε) over the last axis."""
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    return centred / ops.sqrt(ops.mean(centred * centred, axis=-1, keepdims=True) + eps)


class RepeatVector(Module):
    """The same vector at every step: a sequence for a layer over time to read (Keras's name).

    Parameters
    ----------
    steps : int
        T: x is (N, I), y (T, N, I).
    batch_first : bool
        y is (N, T, I).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> decoder = nn.Sequential(nn.RepeatVector(5), nn.GRU(3, 4, return_state=False), nn.Linear(4, 2))
    >>> decoder(tr.ones(6, 3)).shape
    (5, 6, 2)
    """

    def __init__(self, steps: int, *, batch_first: bool = False) -> None:
        check_sizes(self, steps=steps)
        self.steps, self.batch_first = steps, batch_first

    def forward(self, x: Any) -> Tensor:
        x = as_input(self, x)
        if x.ndim != 2:
            raise ValueError(f"RepeatVector: x has shape {tuple(x.shape)}, expected (N, I)")
        return ops.stack([x] * self.steps, axis=1 if self.batch_first else 0)


class Sequential(Module):
    """Modules one after the other: each gets what the one before returned.

    Called with `lengths`, it hands them to each module that takes them, the recurrent layers.

    Parameters
    ----------
    *modules : Module
        Their names are their numbers.

    Raises
    ------
    TypeError
        If something else than modules is given; when it is called, if there are lengths and no module takes them.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.1), nn.Linear(8, 2))
    >>> model(tr.ones(5, 3)).shape
    (5, 2)
    """

    def __init__(self, *modules: Module) -> None:
        for number, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: expected modules, not {type(module).__name__}")
            setattr(self, str(number), module)

    def forward(self, x: Any, lengths: Any = None) -> Any:
        if lengths is not None and not takes_lengths(self):
            raise TypeError(f"Sequential: none of {', '.join(type(m).__name__ for m in self)} takes lengths")
        for module in self:
            x = module(x, lengths=lengths) if lengths is not None and takes_lengths(module) else module(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self._children())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, number: int) -> Module:
        return list(self)[number]


def takes_lengths(module: Module) -> bool:
    """Can the module be told how many steps of each sequence count?"""
    if isinstance(module, Sequential):
        return any(map(takes_lengths, module))
    parameters = signature(module.forward).parameters.values()
    return any(p.name == "lengths" or p.kind is p.VAR_KEYWORD for p in parameters)
