"""A model that reads sequences, and the short loop that trains it: Adam, clipped gradients, a rate that ends at 0."""

import math

import numpy as np

import tinyrnn as tr
from tinyrnn import nn, optim

WARM_UP = 50  # steps in which the learning rate rises


class Reader(nn.Module):
    """A recurrent layer, and a linear one on its outputs (T, N, H); with `codes`, x holds numbers of symbols."""

    def __init__(self, cell, inputs, hidden, outputs, codes=False):
        self.layer, self.scores = getattr(nn, cell)(inputs, hidden), nn.Linear(hidden, outputs)
        self.codes = inputs if codes else 0

    def forward(self, x):
        y, _ = self.layer(tr.one_hot(x, self.codes, dtype="float32") if self.codes else x)
        return self.scores(y)


def train(model, loss, draw, budget, clip=1.0):
    """Learn from batches (x, y) that ``draw(progress)`` makes, where progress runs from 0 to 1."""
    optimizer = optim.Adam(model.parameters())
    for step in range(budget.steps):
        progress = step / budget.steps
        optimizer.lr = budget.lr * min(1, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * progress)) / 2
        x, y = draw(progress)
        optimizer.zero_grad()
        loss(model(*x) if isinstance(x, tuple) else model(x), y).backward()
        optim.clip_grad_norm(model.parameters(), clip)
        optimizer.step()


def predict(model, x):
    """What a trained model says, in NumPy."""
    with tr.no_grad():
        return np.asarray(model(x).numpy())
