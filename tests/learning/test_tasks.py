"""The tasks themselves: what is asked, what is right, and what is reached without learning anything."""

import math

import numpy as np
import pytest

from . import tasks


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_adding(rng):
    x, sums = tasks.adding(rng, 5000, steps=20)
    assert x.shape == (20, 5000, 2) and sums.shape == (5000, 1)
    assert (x[:, :, 1].sum(axis=0) == 2).all() and set(np.unique(x[:, :, 1])) == {0, 1}
    np.testing.assert_allclose(x[:, :, 1].mean(axis=1), 0.1, atol=0.02)  # any step may be marked
    marked = np.sort(np.where(x[:, :, 1] == 1, x[:, :, 0], 0), axis=0)[-2:]
    np.testing.assert_allclose(sums[:, 0], marked.sum(axis=0), rtol=1e-6)
    assert np.square(sums - 1).mean() == pytest.approx(1 / 6, rel=0.05)


def test_copying(rng):
    x, y = tasks.copying(rng, 4, delay=3, symbols=2)
    assert x.shape == y.shape == (7, 4)
    np.testing.assert_array_equal(x[2:], np.array([8, 8, 9, 8, 8])[:, None].repeat(4, axis=1))
    np.testing.assert_array_equal(y[:5], 8)
    np.testing.assert_array_equal(y[5:], x[:2])
    x, _ = tasks.copying(rng, 100)
    assert len(x) == 70 and set(np.unique(x[:10])) == set(range(8))
    # the share of places that must be guessed among 8: who remembers nothing has this cross-entropy
    assert 10 * math.log(8) / len(x) == pytest.approx(0.297, abs=1e-3)


def test_parity(rng):
    bits, odd = tasks.parity(rng, 100)
    assert bits.shape == (40, 100, 1) and odd.shape == (40, 100)
    for t in (0, 1, 39):
        np.testing.assert_array_equal(odd[t], bits[: t + 1, :, 0].sum(axis=0) % 2)
    assert odd.mean() == pytest.approx(0.5, abs=0.05)


def test_sine(rng):
    seen, future = tasks.sine(rng, 1000)
    assert seen.shape == (40, 1000, 1) and future.shape == (1000, 10)
    values = np.concatenate([seen[:, :, 0], future.T])
    # a sine obeys x(t+1) = 2 cos ω · x(t) − x(t−1)
    frequency = np.arccos(np.clip((values[2:] + values[:-2])[20] / (2 * values[1:-1][20]), -1, 1))
    known = np.abs(values[21]) > 0.1
    periods = 2 * np.pi / frequency[known]
    assert 9.9 < periods.min() < 11 and 38 < periods.max() < 40.5
    assert np.square(future).mean() == pytest.approx(0.5, rel=0.1)


def test_reversal(rng):
    source, lengths, target = tasks.reversal(rng, 200)
    assert source.shape == (12, 200) and target.shape == (13, 200)
    assert (lengths.min(), lengths.max()) == (6, 12) and source.max() == 22
    for n, length in enumerate(lengths):
        word = source[:length, n].tolist()
        assert min(word) > tasks.END and not source[length:, n].any()
        assert target[:, n].tolist() == word[::-1] + [tasks.END] + [tasks.PAD] * (12 - length)
