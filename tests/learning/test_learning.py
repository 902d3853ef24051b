"""Networks learn, from every seed, what their papers say that they learn: `python -m pytest -m slow tests/learning`.

Every batch is drawn anew, and so are the sequences on which the trained network is judged.
"""

from functools import partial

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

from . import tasks
from .budgets import BUDGETS, SEEDS
from .training import Reader, encoder_decoder, predict, train

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("seed", SEEDS)]
UNSEEN = 1000  # sequences to be judged on


def seeded(seed):
    """The generator of all batches; the network's first weights follow from the same seed."""
    tr.manual_seed(seed)
    return np.random.default_rng(seed)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_adding(cell, seed, report):
    rng, budget = seeded(seed), BUDGETS["adding", cell]
    model = Reader(cell, 2, budget.hidden, 1)
    if cell == "LSTM":
        model.layer.layer0.b.assign(nn.init.chrono(budget.hidden, longest=100))
    train(model, lambda y, sums: nn.mse(y[-1], sums), lambda _: tasks.adding(rng, budget.batch), budget)
    x, sums = tasks.adding(rng, UNSEEN)
    mse = np.square(predict(model, x)[-1] - sums).mean()
    report("adding", cell, f"{mse:.4f}")
    assert mse > 0.1 if cell == "RNN" else mse < 0.01


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_parity(cell, seed, report):
    rng, budget = seeded(seed), BUDGETS["parity", cell]
    model = Reader(cell, 1, budget.hidden, 2)
    train(model, nn.cross_entropy, lambda _: tasks.parity(rng, budget.batch), budget)
    bits, odd = tasks.parity(rng, UNSEEN)
    right = (predict(model, bits).argmax(axis=2) == odd).all(axis=0).mean()
    report("parity", cell, f"{right:.1%}")
    assert right >= 0.99


def test_sine(seed, report):
    rng, budget = seeded(seed), BUDGETS["sine", "LSTM"]
    model = Reader("LSTM", 1, budget.hidden, 10)
    train(model, lambda y, future: nn.mse(y[-1], future), lambda _: tasks.sine(rng, budget.batch), budget)
    seen, future = tasks.sine(rng, UNSEEN)
    mse = np.square(predict(model, seen)[-1] - future).mean()
    report("sine", "LSTM", f"{mse:.1e}")
    assert mse < 1e-3


def test_copying(seed, report):
    """The delay grows over training, and is drawn anew for each batch, from 1 to what it has grown to; at last it is 50."""
    rng, budget = seeded(seed), BUDGETS["copying", "LSTM"]
    model = Reader("LSTM", tasks.GO + 1, budget.hidden, tasks.BLANK + 1, codes=True)

    def draw(progress):
        delay = rng.integers(1, 2 + int(50 * progress / 0.7)) if progress < 0.7 else 50
        return tasks.copying(rng, budget.batch, delay)

    train(model, nn.cross_entropy, draw, budget)
    x, y = tasks.copying(rng, UNSEEN)
    scores = predict(model, x)
    right = (scores.argmax(axis=2) == y)[-10:].mean()
    loss = nn.cross_entropy(scores, y).item()
    report("copying", "LSTM", f"{right:.1%} ({loss:.4f} nats)")
    assert right >= 0.99 and loss < 0.03


def test_reversal(seed, report):
    rng, budget = seeded(seed), BUDGETS["reversal", "GRU, attention"]
    model = encoder_decoder(tasks.END + 1 + tasks.LETTERS, budget.hidden)

    def draw(_):
        source, lengths, target = tasks.reversal(rng, budget.batch)
        before = np.concatenate([np.full((1, budget.batch), tasks.START), target[:-1]])
        return (source, before), target, lengths

    train(model, partial(nn.cross_entropy, ignore_index=tasks.PAD), draw, budget)
    source, lengths, target = tasks.reversal(rng, UNSEEN)
    written = model.generate(source, start=tasks.START, end=tasks.END, max_length=len(target), lengths=lengths)
    exact = written.sequences.numpy() == np.where(target == tasks.PAD, tasks.END, target)[: len(written.sequences)]
    right = exact.all(axis=0).mean()
    report("reversal", "GRU, attention", f"{right:.1%}")
    assert right >= 0.99
