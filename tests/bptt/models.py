"""Networks in float64 that the tests of bptt share."""

import numpy as np

import tinyrnn as tr
from tinyrnn import nn


class Leaky(nn.Module):
    """A cell of a user's own, which names nothing."""

    def __init__(self, inputs, hidden):
        self.input_size = inputs
        self.W = tr.Parameter(nn.init.glorot(inputs, hidden))
        self.U = tr.Parameter(nn.init.orthogonal(hidden, hidden))

    def forward(self, x, h):
        return 0.9 * h + 0.1 * tr.tanh(x @ self.W + h @ self.U)

    def initial_state(self, batch, dtype, device):
        return tr.zeros(batch, self.U.shape[0], dtype=dtype, device=device)


LAYERS = {
    "RNN": lambda: nn.RNN(3, 4),
    "LSTM": lambda: nn.LSTM(3, 4),
    "GRU": lambda: nn.GRU(3, 4),
    "GRU, reset before": lambda: nn.GRU(3, 4, reset_after=False),
    "bidirectional LSTM of two layers": lambda: nn.LSTM(3, 4, 2, bidirectional=True),
    "a user's own": lambda: nn.Recurrent(Leaky(3, 4)),
    "a user's own, reversed": lambda: nn.Recurrent(Leaky(3, 4), reverse=True),
    "layers of layers": lambda: nn.Stack(
        nn.Bidirectional(nn.LSTMCell(3, 4), Leaky(3, 4), merge_mode="mul"),
        nn.Residual(Leaky(4, 4)),
        nn.Highway(nn.GRUCell(4, 4)),
    ),
}


def run(name, steps=5, batch=2, dtype="float64", seed=0, **options):
    """A layer, its outputs (T, N, H) and a loss at every step."""
    tr.manual_seed(seed)
    layer = LAYERS[name]().to(dtype=dtype)
    rng = np.random.default_rng(seed)
    y, _ = layer(rng.normal(size=(steps, batch, 3)).astype(dtype), **options)
    target = rng.normal(size=y.shape).astype(dtype)
    return layer, y, ((y - target) ** 2).mean()
