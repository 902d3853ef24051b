"""First values of parameters: arrays drawn from the default device's generator."""

from __future__ import annotations

import math
from typing import Any

from .. import backend


def _random() -> tuple[Any, Any]:
    device = backend.default_device()
    return backend.generator(device), backend.active(device)


def uniform(*shape: int, bound: float = 1.0) -> Any:
    """Uniform between −bound and bound, float32."""
    generator, active = _random()
    with active:
        return (generator.random(shape, dtype="float32") * 2 - 1) * float(bound)


def normal(*shape: int, std: float = 1.0) -> Any:
    """Normal with mean 0 and standard deviation `std`, float32."""
    generator, active = _random()
    with active:
        return generator.standard_normal(shape, dtype="float32") * float(std)


def glorot(inputs: int, outputs: int) -> Any:
    """Uniform within ±√(6 / (inputs + outputs)): keeps variances through layers of tanh (Glorot & Bengio 2010)."""
    return uniform(inputs, outputs, bound=math.sqrt(6 / max(1, inputs + outputs)))


def he(inputs: int, outputs: int) -> Any:
    """Normal with standard deviation √(2 / inputs): keeps variances through layers of relu (He et al. 2015)."""
    return normal(inputs, outputs, std=math.sqrt(2 / max(1, inputs)))


def orthogonal(rows: int, columns: int, gain: float = 1.0) -> Any:
    """A random matrix with orthonormal columns (or rows, if there are fewer): keeps norms over time (Saxe et al. 2014).

    Examples
    --------
    >>> import numpy as np
    >>> q = orthogonal(4, 4)
    >>> bool(np.allclose(q.T @ q, np.eye(4), atol=1e-5))
    True
    """
    device = backend.default_device()
    with backend.active(device):
        xp = backend.library(device)
        q, r = xp.linalg.qr(normal(max(rows, columns), min(rows, columns)))
        q = q * xp.sign(xp.diagonal(r))  # without this the matrix would not be uniformly distributed (Mezzadri 2007)
        return xp.ascontiguousarray(q if rows >= columns else q.T) * float(gain)


def identity(size: int, gain: float = 1.0) -> Any:
    """`gain` on the diagonal, 0 elsewhere, float32: a state stays as it is (Le, Jaitly & Hinton 2015)."""
    device = backend.default_device()
    with backend.active(device):
        return backend.library(device).eye(size, dtype="float32") * float(gain)


def zeros(*shape: int) -> Any:
    """Zeros, float32."""
    device = backend.default_device()
    with backend.active(device):
        return backend.library(device).zeros(shape, dtype="float32")


def ones(*shape: int) -> Any:
    """Ones, float32."""
    device = backend.default_device()
    with backend.active(device):
        return backend.library(device).ones(shape, dtype="float32")


def gates(make: Any, inputs: int, hidden: int, count: int) -> Any:
    """A matrix (inputs, count · hidden) whose blocks, one per gate, are each made by ``make(inputs, hidden)``."""
    device = backend.default_device()
    with backend.active(device):
        return backend.library(device).concatenate([make(inputs, hidden) for _ in range(count)], axis=1)


def forget_bias(hidden: int, value: float = 1.0) -> Any:
    """The bias of an LSTM, (4 · hidden,): `value` on the forget gate, so that it remembers until taught to forget (Gers 2000)."""
    bias = zeros(4 * hidden)
    with backend.active(backend.device_of(bias)):
        bias[hidden : 2 * hidden] = value
    return bias


def chrono(hidden: int, longest: int) -> Any:
    """The bias of an LSTM, (4 · hidden,), that remembers over 1 to `longest` steps (Tallec & Ollivier 2018).

    A forget gate that stays at f keeps a memory for about 1 / (1 − f) steps.  Each unit has a time of its own to begin with:

        u ~ U(1, longest − 1),  bᶠ = ln u,  bⁱ = −bᶠ         f = u / (1 + u), i = 1 − f

    Examples
    --------
    >>> from tinyrnn import nn
    >>> layer = nn.LSTM(2, 32)
    >>> _ = layer.layer0.b.assign(nn.init.chrono(32, longest=100))
    """
    if longest < 2:
        raise ValueError(f"init.chrono: longest is the number of steps to remember over, from 2, not {longest!r}")
    bias = zeros(4 * hidden)
    generator, active = _random()
    with active:
        times = backend.library(backend.default_device()).log(generator.random(hidden, dtype="float32") * (longest - 2) + 1)
        bias[:hidden], bias[hidden : 2 * hidden] = -times, times
    return bias
