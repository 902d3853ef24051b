"""Models that read sequences, and how all of them are trained: Adam, clipped gradients, one cycle of the learning rate."""

import numpy as np

import tinyrnn as tr
from tinyrnn import data, nn, optim


class Reader(nn.Module):
    """A recurrent layer, and a linear one on its outputs (T, N, H); with `codes`, x holds numbers of symbols."""

    def __init__(self, cell, inputs, hidden, outputs, codes=False):
        self.layer, self.scores = getattr(nn, cell)(inputs, hidden), nn.Linear(hidden, outputs)
        self.codes = inputs if codes else 0

    def forward(self, x):
        y, _ = self.layer(tr.one_hot(x, self.codes) if self.codes else x)
        return self.scores(y)


def encoder_decoder(symbols, hidden):
    """A bidirectional GRU reads, a GRU with Luong's attention writes (general form, with input feeding)."""
    return nn.Seq2Seq(
        nn.Encoder(nn.Embedding(symbols, hidden), nn.GRU(hidden, hidden, bidirectional=True)),
        nn.LuongDecoder(
            nn.Embedding(symbols, hidden),
            nn.GRUCell(2 * hidden, hidden),
            nn.Linear(hidden, symbols),
            nn.DotAttention(hidden, 2 * hidden, score_mode="general"),
            nn.Linear(3 * hidden, hidden),
        ),
        nn.Bridge(2 * hidden, hidden),
    )


def train(model, loss, draw, budget):
    """Learn from batches that ``draw(progress)`` makes, (x, y) or (x, y, lengths); progress runs from 0 to 1."""
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, budget.lr, budget.steps, pct_start=0.05)
    batches = (data.Batch(*draw(step / budget.steps)) for step in range(budget.steps))
    tr.Trainer(model, loss, optimizer, clip_norm=1.0, schedule=schedule).fit(batches, verbose=False)


def predict(model, x):
    """What a trained model says, in NumPy."""
    with tr.no_grad():
        return np.asarray(model(x).numpy())
