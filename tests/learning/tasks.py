"""Small tasks on which recurrent networks are compared: batches drawn from a generator, sequences time-first."""

import numpy as np


def adding(rng, batch, steps=100):
    """The sum of the two numbers out of `steps`, each uniform in [0, 1), that are marked (Hochreiter & Schmidhuber 1997).

    In the form of Le, Jaitly & Hinton (2015): x (steps, batch, 2) holds numbers and marks, y (batch, 1) the sums.  Who always
    answers 1 has a mean squared error of 1/6.
    """
    numbers = rng.random((steps, batch))
    marks = rng.permuted(np.arange(steps)[:, None].repeat(batch, axis=1), axis=0) < 2
    return np.stack([numbers, marks], axis=2).astype("float32"), (numbers * marks).sum(axis=0)[:, None].astype("float32")


BLANK, GO = 8, 9


def copying(rng, batch, delay=50, symbols=10):
    """So many of 8 symbols, to be said again after a delay (Hochreiter & Schmidhuber 1997; Arjovsky, Shah & Bengio 2016).

    Both x and y are codes (delay + 2 symbols, batch): x the symbols and blanks, the last of them but `symbols` the signal to
    begin; y blanks, and then the symbols.  Who remembers nothing has a cross-entropy of symbols · ln 8 / (delay + 2 symbols).
    """
    message = rng.integers(8, size=(symbols, batch))
    x = np.full((delay + 2 * symbols, batch), BLANK)
    y = x.copy()
    x[:symbols] = y[-symbols:] = message
    x[-symbols - 1] = GO
    return x, y


def parity(rng, batch, steps=40):
    """Is the number of ones so far odd?  Bits x (steps, batch, 1), and 0 or 1 at every step, y (steps, batch)."""
    bits = rng.integers(2, size=(steps, batch))
    return bits[:, :, None].astype("float32"), bits.cumsum(axis=0) % 2


def sine(rng, batch, steps=40, horizon=10):
    """The next `horizon` values y (batch, horizon) of a sine, of which x (steps, batch, 1) has been seen.

    Periods from 10 to 40 steps, any phase.  Who always answers 0 has a mean squared error of 1/2.
    """
    period, phase = rng.uniform(10, 40, batch), rng.uniform(0, 2 * np.pi, batch)
    values = np.sin(2 * np.pi * np.arange(steps + horizon)[:, None] / period + phase).astype("float32")
    return values[:steps, :, None], values[steps:].T


PAD, START, END, LETTERS = 0, 1, 2, 20


def reversal(rng, batch, longest=12):
    """Words of 6 to `longest` letters out of 20, to be written backwards.

    Codes: source (longest, batch) with its lengths (batch,), and target (longest + 1, batch), each word's end after it.
    """
    lengths = rng.integers(6, longest + 1, batch)
    source = np.full((longest, batch), PAD)
    target = np.full((longest + 1, batch), PAD)
    for n, length in enumerate(lengths):
        source[:length, n] = rng.integers(END + 1, END + 1 + LETTERS, length)
        target[: length + 1, n] = [*source[:length, n][::-1], END]
    return source, lengths, target
