"""One candidate of the speed comparison: a training step, in a process of its own, timed whenever a line arrives.

    python candidate.py NAME CELL N T I H THREADS

NAME is tinyrnn, torch (the same cell, written with PyTorch's operations) or fused (PyTorch's own layer).  The step is the
forward pass over T steps from a zero state, loss = mean(y²), and the gradients of all weights, in float32.  The first line
of the output is the loss, the same for all; then, for each number k that is read, the seconds of one step, the mean of k.
"""

import os
import sys
from collections.abc import Callable
from time import perf_counter

name, cell = sys.argv[1:3]
N, T, I, H, threads = map(int, sys.argv[3:])  # noqa: E741
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = str(threads)

import numpy as np  # noqa: E402 (it reads the number of threads when it is imported)

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}[cell]
random = np.random.default_rng(0)
x = random.standard_normal((T, N, I), dtype="float32")
W_x, W_h, b, b_h = (
    random.uniform(-(H**-0.5), H**-0.5, shape).astype("float32")
    for shape in ((I, GATES * H), (H, GATES * H), (GATES * H,), (GATES * H,))
)


def tinyrnn_step() -> Callable[[], float]:
    """The layer of tinyrnn."""
    import tinyrnn as tr
    from tinyrnn import nn

    layer = getattr(nn, cell)(I, H)
    weights = {"layer0.W_x": W_x, "layer0.W_h": W_h, "layer0.b": b, **({"layer0.b_h": b_h} if cell == "GRU" else {})}
    layer.load_state_dict(weights)
    inputs = tr.tensor(x)

    def step() -> float:
        layer.zero_grad()
        y, _ = layer(inputs)
        loss = tr.mean(y * y)
        loss.backward()
        return loss.item()

    return step


def torch_step() -> Callable[[], float]:
    """The same equations, step by step, with PyTorch's operations."""
    import torch

    torch.set_num_threads(threads)
    weights = [torch.tensor(array, requires_grad=True) for array in (W_x, W_h, b, *([b_h] if cell == "GRU" else []))]
    inputs = torch.tensor(x)

    def rnn(x, state, W_x, W_h, b):
        (h,) = state
        return (torch.tanh(x @ W_x + h @ W_h + b),)

    def lstm(x, state, W_x, W_h, b):
        h, c = state
        i, f, g, o = (x @ W_x + h @ W_h + b).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def gru(x, state, W_x, W_h, b, b_h):
        (h,) = state
        x_r, x_z, x_n = (x @ W_x + b).chunk(3, dim=1)
        h_r, h_z, h_n = (h @ W_h + b_h).chunk(3, dim=1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        return ((1 - z) * n + z * h,)

    equations = {"RNN": rnn, "LSTM": lstm, "GRU": gru}[cell]

    def step() -> float:
        for weight in weights:
            weight.grad = None
        state = (torch.zeros(N, H),) * (2 if cell == "LSTM" else 1)
        ys = []
        for x_t in inputs.unbind():
            state = equations(x_t, state, *weights)
            ys.append(state[0])
        loss = torch.stack(ys).square().mean()
        loss.backward()
        return loss.item()

    return step


def fused_step() -> Callable[[], float]:
    """PyTorch's own layer, which runs over time in C++."""
    import torch

    torch.set_num_threads(threads)
    layer = getattr(torch.nn, cell)(I, H)
    with torch.no_grad():
        for weight, array in zip(layer.parameters(), (W_x.T, W_h.T, b, b_h if cell == "GRU" else 0 * b), strict=True):
            weight.copy_(torch.tensor(array))
    inputs = torch.tensor(x)

    def step() -> float:
        layer.zero_grad()
        y, _ = layer(inputs)
        loss = y.square().mean()
        loss.backward()
        return loss.item()

    return step


if __name__ == "__main__":
    step = {"tinyrnn": tinyrnn_step, "torch": torch_step, "fused": fused_step}[name]()
    print(step(), flush=True)
    for line in sys.stdin:
        repeats = int(line)
        start = perf_counter()
        for _ in range(repeats):
            step()
        print((perf_counter() - start) / repeats, flush=True)
