"""ONNX's operators RNN, GRU and LSTM, as functions of their inputs and attributes.

Their matrices are ours, transposed, and have a leading axis for the direction, D.  The gates are in another order: i, o, f, c
in an LSTM, z, r, h in a GRU.  The two halves of a bias, which act at x W and at h R, lie side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from ... import backend, nn
from ...graph import Value, named, scope
from ...ops import (
    abs,
    clip,
    exp,
    less,
    minimum,
    relu,
    sigmoid,
    softplus,
    split,
    stack,
    tanh,
    transpose,
    unstack,
    where,
)
from ...tensor import as_tensor, zeros

PER_DIRECTION = {"RNN": 1, "GRU": 2, "LSTM": 3}  # activations
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}

# Each activation is a function of x and of those of the numbers α and β that it has; beside it, their defaults.
ACTIVATIONS: dict[str, tuple[Callable, dict[str, float]]] = {
    "relu": (relu, {}),
    "tanh": (tanh, {}),
    "sigmoid": (sigmoid, {}),
    "softsign": (lambda x: x / (1 + abs(x)), {}),
    "softplus": (softplus, {}),
    "affine": (lambda x, alpha, beta: alpha * x + beta, {"alpha": 1.0, "beta": 0.0}),
    "leakyrelu": (lambda x, alpha: where(less(x, 0), alpha * x, x), {"alpha": 0.01}),
    "thresholdedrelu": (lambda x, alpha: where(less(alpha, x), x, 0), {"alpha": 1.0}),
    "scaledtanh": (lambda x, alpha, beta: alpha * tanh(beta * x), {"alpha": 1.0, "beta": 1.0}),
    "hardsigmoid": (lambda x, alpha, beta: clip(alpha * x + beta, 0, 1), {"alpha": 0.2, "beta": 0.5}),
    "elu": (lambda x, alpha: where(less(x, 0), alpha * (exp(minimum(x, 0)) - 1), x), {"alpha": 1.0}),
}


def check_options(kind: str, *, direction: str = "forward", activations: Collection[str] = (), **_: Any) -> None:
    """Are these attributes known, and as many as they must be?

    Raises
    ------
    ValueError
        If not; the message names the first.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"{kind} has the direction {direction!r}, expected {', '.join(DIRECTIONS)}")
    for name in activations:
        if name.lower() not in ACTIVATIONS:
            raise ValueError(f"{kind} has the activation {name!r}, which is not known here; known are {', '.join(ACTIVATIONS)}")
    expected = PER_DIRECTION[kind] * len(DIRECTIONS[direction])
    if activations and len(activations) != expected:
        raise ValueError(f"{kind} has {len(activations)} activations, expected {expected} of one that runs {direction}")


def rnn(
    X: Any,
    W: Any,
    R: Any,
    B: Any = None,
    sequence_lens: Any = None,
    initial_h: Any = None,
    *,
    activations: Iterable[str] = (),
    **options: Any,
) -> tuple:
    """hₜ = f(xₜ Wᵀ + Wb + hₜ₋₁ Rᵀ + Rb): y (T, D, N, H) and the last h (D, N, H)."""

    def step(f: Callable, w: Any, r: Any, w_b: Any, r_b: Any, _: Any) -> Callable:
        return lambda x, h: named(h=f(x @ w + w_b + h @ r + r_b))[0]

    functions = list(activations) or ["Tanh"] * len(W)
    return _over_time("RNN", step, functions, (X, W, R, B, None), sequence_lens, [initial_h], **options)


def gru(
    X: Any,
    W: Any,
    R: Any,
    B: Any = None,
    sequence_lens: Any = None,
    initial_h: Any = None,
    *,
    activations: Iterable[str] = (),
    linear_before_reset: int = 0,
    **options: Any,
) -> tuple:
    """As `nn.GRUCell`, with g for the candidate's tanh: y (T, D, N, H) and the last h (D, N, H)."""

    def step(f: Callable, g: Callable, w: Any, r: Any, w_b: Any, r_b: Any, _: Any) -> Callable:
        hidden = r.shape[0]
        r_gates, r_candidate = split(r, (2 * hidden, hidden))
        b_gates, b_candidate = (0, 0) if B is None else split(r_b, (2 * hidden, hidden))

        def cell(x: Any, h: Any) -> Any:
            x_z, x_r, x_n = split(x @ w + w_b, 3)
            h_z, h_r = split(h @ r_gates + b_gates, 2)
            z, r = named(z=f(x_z + h_z), r=f(x_r + h_r))
            if linear_before_reset:
                (n,) = named(n=g(x_n + r * (h @ r_candidate + b_candidate)))
            else:
                (n,) = named(n=g(x_n + (r * h) @ r_candidate + b_candidate))
            return named(h=(1 - z) * n + z * h)[0]

        return cell

    functions = list(activations) or ["Sigmoid", "Tanh"] * len(W)
    return _over_time("GRU", step, functions, (X, W, R, B, None), sequence_lens, [initial_h], **options)


def lstm(
    X: Any,
    W: Any,
    R: Any,
    B: Any = None,
    sequence_lens: Any = None,
    initial_h: Any = None,
    initial_c: Any = None,
    P: Any = None,
    *,
    activations: Iterable[str] = (),
    input_forget: int = 0,
    **options: Any,
) -> tuple:
    """As `nn.LSTMCell`, with peepholes P and any activations: y (T, D, N, H) and the last h and c (D, N, H)."""

    def step(f: Callable, g: Callable, show: Callable, w: Any, r: Any, w_b: Any, r_b: Any, p: Any) -> Callable:
        p_i, p_o, p_f = (0, 0, 0) if p is None else split(p, 3)

        def cell(x: Any, state: Any) -> nn.LSTMState:
            h, c = state
            i, o, forget, candidate = split(x @ w + w_b + h @ r + r_b, 4)
            if p is not None:
                i, forget = i + p_i * c, forget + p_f * c
            (i,) = named(i=f(i))
            forget, candidate = named(f=1 - i if input_forget else f(forget), g=g(candidate))
            (c,) = named(c=forget * c + i * candidate)
            (o,) = named(o=f(o if p is None else o + p_o * c))
            (h,) = named(h=o * show(c))
            return nn.LSTMState(h, c)

        return cell

    functions = list(activations) or ["Sigmoid", "Tanh", "Tanh"] * len(W)
    return _over_time("LSTM", step, functions, (X, W, R, B, P), sequence_lens, [initial_h, initial_c], **options)


def _over_time(
    kind: str,
    step: Callable,
    functions: list[str],
    weights: tuple,
    lengths: Any,
    initial: list,
    *,
    direction: str = "forward",
    layout: int = 0,
    clip: float | None = None,
    hidden_size: int | None = None,
    activation_alpha: Iterable[float] = (),
    activation_beta: Iterable[float] = (),
) -> tuple:
    """Run the cell of each direction over the sequence, and lay the results of the directions side by side."""
    X, W, R, B, P = weights
    X = _swapped(as_tensor(X)) if layout else as_tensor(X)
    steps, batch = X.shape[:2]
    runs = DIRECTIONS[direction]
    if len(W) != len(runs):
        raise ValueError(f"W has shape {tuple(W.shape)}, of {len(W)} direction(s), but it runs {direction}")
    valid = None if lengths is None else _valid(lengths, steps, X.device)
    numbers = {"alpha": iter(activation_alpha), "beta": iter(activation_beta)}
    per_run = len(functions) // len(runs)
    bounds = [clip, clip, None] * len(runs) if per_run == 3 else [clip] * len(functions)  # c is shown whole, as in onnxruntime
    active = [_activation(name, numbers, bound) for name, bound in zip(functions, bounds)]
    ys, finals = [], []
    with scope(kind):
        for d, reverse in enumerate(runs):
            w, r = transpose(as_tensor(W[d])), transpose(as_tensor(R[d]))
            w_b, r_b = (0, 0) if B is None else split(as_tensor(B[d]), 2)
            cell = step(*active[d * per_run : (d + 1) * per_run], w, r, w_b, r_b, None if P is None else as_tensor(P[d]))
            parts = [_initial(part, d, layout, (batch, r.shape[0]), X) for part in initial]
            state = nn.LSTMState(*parts) if len(parts) == 2 else parts[0]
            y, final = nn.unroll(cell, unstack(X), state, reverse=reverse, valid=valid)
            ys.append(stack(y, axis=1 if layout else 0))
            finals.append(final if len(parts) == 2 else (final,))
        axis = 0 if not layout else 1
        return stack(ys, axis=axis + 1), *(stack(of_all, axis=axis) for of_all in zip(*finals))


def _initial(part: Any, direction: int, layout: int, shape: tuple[int, int], like: Any) -> Any:
    if part is None:
        return zeros(*shape, dtype=like.dtype, device=like.device)
    return as_tensor(part)[(slice(None), direction) if layout else direction]


def _swapped(x: Any) -> Any:
    return transpose(x, axes=(1, 0, *range(2, x.ndim)))


def _valid(lengths: Any, steps: int, device: Any) -> tuple:
    """For each step bools (N, 1): has the sequence not ended?"""
    host = backend.to_host(lengths.data if isinstance(lengths, Value) else lengths)
    with backend.active(device):
        clock = as_tensor(backend.library(device).arange(steps).reshape(steps, 1, 1))
        return unstack(less(clock, as_tensor(backend.to_device(host[:, None], device))))


def _activation(name: str, numbers: dict[str, Any], bound: float | None) -> Callable:
    """The activation of this name, with the next α and β of the lists if it takes them, of x within ±bound."""
    function, defaults = ACTIVATIONS[name.lower()]
    options = {number: next(numbers[number], default) for number, default in defaults.items()}
    if bound is None:
        return lambda x: function(x, **options)
    return lambda x: function(clip(x, -bound, bound), **options)
