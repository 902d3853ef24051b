"""Initialisers: the variances, bounds and shapes their papers ask for, dtypes, devices and seeds."""

import math

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn
from tinyrnn.nn import init


@pytest.fixture(autouse=True)
def seed():
    tr.manual_seed(0)


def test_glorot():
    w = init.glorot(300, 500)
    bound = math.sqrt(6 / 800)
    assert np.abs(w).max() <= bound and np.abs(w).max() > 0.99 * bound
    assert w.var() == pytest.approx(2 / 800, rel=0.02) and abs(w.mean()) < 1e-3


def test_he():
    w = init.he(300, 500)
    assert w.var() == pytest.approx(2 / 300, rel=0.02) and abs(w.mean()) < 1e-3


def test_uniform_and_normal():
    assert init.uniform(100, 100, bound=0.5).var() == pytest.approx(0.5**2 / 3, rel=0.05)
    assert init.normal(100, 100, std=0.5).var() == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (1, 5), (5, 1)])
def test_orthogonal(shape):
    q = init.orthogonal(*shape, gain=2.0)
    assert q.shape == shape
    gram = q.T @ q if shape[0] >= shape[1] else q @ q.T
    np.testing.assert_allclose(gram, 4 * np.eye(min(shape)), atol=1e-5)


def test_orthogonal_matrices_are_uniformly_distributed():
    """Without the signs of R the first diagonal entries would all be negative (Mezzadri 2007)."""
    traces = [np.trace(init.orthogonal(3, 3)) for _ in range(2000)]
    assert abs(np.mean(traces)) < 0.1


def test_identity():
    np.testing.assert_array_equal(init.identity(3, gain=0.5), 0.5 * np.eye(3))


def test_gates_are_blocks_of_their_own():
    w = init.gates(init.orthogonal, 5, 5, 4)
    assert w.shape == (5, 20)
    for block in np.split(w, 4, axis=1):
        np.testing.assert_allclose(block.T @ block, np.eye(5), atol=1e-5)


def test_forget_bias():
    np.testing.assert_array_equal(init.forget_bias(2), [0, 0, 1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(nn.LSTMCell(3, 2).b.numpy(), init.forget_bias(2))


def test_chrono():
    """A gate that stays at f keeps a memory for 1 / (1 − f) steps: here 2 to 100, evenly, and the input gate is shut as far."""
    i, f, g, o = init.chrono(20_000, longest=100).reshape(4, -1)
    times = 1 + np.exp(f)
    assert times.min() >= 2 and times.max() <= 100.001
    np.testing.assert_allclose(np.histogram(times, 7, range=(2, 100))[0], 20_000 / 7, rtol=0.06)
    np.testing.assert_array_equal(i, -f)
    assert not g.any() and not o.any()
    np.testing.assert_array_equal(init.chrono(3, longest=2), np.zeros(12))
    with pytest.raises(ValueError, match="from 2, not 1"):
        init.chrono(3, longest=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: init.uniform(3, 4),
        lambda: init.normal(3, 4),
        lambda: init.glorot(3, 4),
        lambda: init.he(3, 4),
        lambda: init.orthogonal(3, 4),
        lambda: init.zeros(3, 4),
        lambda: init.uniform(3, 4, bound=np.float64(0.5)),
        lambda: init.normal(3, 4, std=np.sqrt(2.0)),
        lambda: init.orthogonal(3, 4, gain=np.float64(2.0)),
        lambda: init.gates(init.glorot, 3, 2, 2),
        lambda: init.chrono(3, longest=9).reshape(3, 4),
    ],
)
def test_float32_and_seeded(make):
    tr.manual_seed(5)
    first = make()
    tr.manual_seed(5)
    assert first.dtype == np.float32 and first.shape == (3, 4)
    np.testing.assert_array_equal(first, make())


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_layers_begin_with_glorot_inputs_orthogonal_recurrence_and_float32(layer):
    cell = layer(30, 20).layer0
    assert {p.dtype for p in cell.parameters()} == {np.dtype("float32")}
    assert np.abs(cell.W_x.numpy()).max() <= math.sqrt(6 / 50)
    block = cell.W_h.numpy()[:, :20]
    np.testing.assert_allclose(block.T @ block, np.eye(20), atol=1e-5)


def test_on_the_default_device(fake_cupy):
    with tr.use("cuda:1"):
        made = [init.uniform(2), init.normal(2), init.glorot(2, 3), init.he(2, 3), init.orthogonal(2, 3), init.zeros(2)]
        made += [init.gates(init.orthogonal, 2, 2, 3), init.forget_bias(2), init.chrono(2, 9)]
        made += [init.identity(3, gain=0.5)]
        cells = [nn.RNNCell(2, 3), nn.LSTMCell(2, 3, proj_size=2), nn.GRUCell(2, 3), nn.GRUCell(2, 3, reset_after=False)]
        cells += [nn.IRNNCell(2, 3), nn.MGUCell(2, 3), nn.PeepholeLSTMCell(2, 3), nn.LayerNormLSTMCell(2, 3)]
        cells += [nn.LayerNormGRUCell(2, 3)]
    made += [p.data for cell in cells for p in cell.parameters()]
    assert {(type(a), a.device.id, a.dtype) for a in made} == {(fake_cupy.ndarray, 1, np.dtype("float32"))}
