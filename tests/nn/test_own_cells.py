"""Cells that the library does not know, written with nothing but `__init__` and `forward`: all that its own cells do, they do."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import bptt, io, nn, optim
from tinyrnn.nn.cell import parts
from tinyrnn.tape import faithful

from ..render.blemishes import blemishes

STEPS, N, D, H = 5, 3, 4, 6


class Coupled(nn.Module):
    """An LSTM's memory with one gate: what is written is what is forgotten (Greff et al. 2017)."""

    def __init__(self, inputs, hidden):
        self.hidden_size = hidden
        self.W, self.U = (tr.Parameter(nn.init.gates(nn.init.glorot, n, hidden, 2)) for n in (inputs, hidden))

    def forward(self, x, h):
        i, g = tr.split(x @ self.W + h @ self.U, 2)
        i, g = tr.named(i=tr.sigmoid(i), g=tr.tanh(g))
        return (1 - i) * h + i * g


class Recalling(nn.Module):
    """A leaky cell that attends to its own past: a sum of all its states so far, weighed, and the sum of the weights."""

    def __init__(self, inputs, hidden):
        self.hidden_size, self.state_sizes = hidden, (hidden, hidden, 1)
        self.W, self.U, self.w = (
            tr.Parameter(nn.init.glorot(*shape)) for shape in ((inputs, hidden), (hidden, hidden), (hidden, 1))
        )

    def forward(self, x, state):
        h, total, weights = state
        h = 0.8 * h + 0.2 * tr.tanh(x @ self.W + h @ self.U + total / (1 + weights))
        e = tr.exp(tr.tanh(h @ self.w))
        return h, total + e * h, weights + e


class Gated(nn.Cell):
    """A cell made of modules, which inherits what the library's cells have in common."""

    def __init__(self, inputs, hidden):
        self.input_size, self.hidden_size = inputs, hidden
        self.reads, self.recalls = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden, bias=False)
        self.recurrent_weights = ("recalls.W",)

    def forward(self, x, h):
        return tr.tanh(self.reads(x) + self.recalls(h)) * 0.5 + h * 0.5


CELLS = {"coupled": Coupled, "recalling": Recalling, "gated": Gated}
WEIGHTS = {"coupled": "U", "recalling": "U", "gated": None}  # what a wrapper has to be told
WRAPPERS = {
    "variational dropout": lambda cell, weights: nn.VariationalDropout(cell, 0.2, 0.3, weights=weights),
    "zoneout": lambda cell, weights: nn.Zoneout(cell, 0.2),
    "weight drop": lambda cell, weights: nn.WeightDrop(cell, 0.3, weights=weights),
    "all": lambda cell, weights: nn.Zoneout(nn.VariationalDropout(nn.WeightDrop(cell, 0.3, weights=weights), 0.2, 0.3), 0.2),
}


def random(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("cell", CELLS)
def test_over_time(cell):
    made, x = CELLS[cell](D, H).to(dtype="float64"), random(STEPS, N, D)
    y, last = nn.Recurrent(made)(x)
    state = nn.cell.initial_state(made, N, "float64")
    assert len(parts(state)) == (3 if cell == "recalling" else 1) and not any(part.numpy().any() for part in parts(state))
    for t in range(STEPS):
        state = made(tr.tensor(x[t]), state)
        np.testing.assert_array_equal(y.numpy()[t], parts(state)[0].numpy())
    for a, b in zip(parts(last), parts(state)):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_to_second_order(cell):
    layer = nn.Recurrent(CELLS[cell](2, 2)).to(dtype="float64")

    def loss(x, *parameters):
        y, last = layer(x)
        return (y * y).sum() + sum((part * part).sum() for part in parts(last))

    assert tr.gradcheck(loss, [tr.tensor(random(2, 2, 2), requires_grad=True), *layer.parameters()], order=2)


@pytest.mark.parametrize("cell", CELLS)
def test_stacked_both_ways_over_lengths(cell):
    make, x, lengths = CELLS[cell], random(STEPS, N, D), [5, 2, 0]
    layer = nn.Stack(nn.Bidirectional(make(D, H), make(D, H)), nn.Residual(make(2 * H, 2 * H)), make(2 * H, H), dropout=0.5)
    layer.to(dtype="float64").eval()
    y, _ = layer(x, lengths=lengths)
    for n, length in enumerate(lengths):
        assert not y.numpy()[length:, n].any()
        if length:
            alone, _ = layer(x[:length, n : n + 1])
            np.testing.assert_allclose(y.numpy()[:length, n], alone.numpy()[:, 0], rtol=1e-10)
    assert nn.Recurrent(make(D, H).to(dtype="float64"), return_sequences=False, return_state=False)(x).shape == (N, H)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("cell", CELLS)
def test_in_every_wrapper_drawn_folded_and_explained(cell, wrapper):
    inner = CELLS[cell](D, H)
    layer = nn.Recurrent(WRAPPERS[wrapper](inner, WEIGHTS[cell])).to(dtype="float64")
    tr.manual_seed(1)
    with tr.recording():
        y, _ = layer(random(4, N, D), lengths=[4, 2, 1])
    loss = tr.mean(y * y)
    graph = tr.tape(loss)
    assert list(blemishes(tr.render.draw(graph))) == []
    assert faithful(graph.fold(), graph) and len(graph.fold().loops) == 1
    value, gradients = bptt.equations(loss).run()
    np.testing.assert_allclose(value, loss.item(), rtol=1e-12)
    loss.backward()
    for found, parameter in zip(gradients.values(), inner.parameters(), strict=True):
        np.testing.assert_allclose(found, parameter.grad.numpy(), rtol=1e-9, atol=1e-12)
    y, _ = layer(random(3, N, D))
    assert list(blemishes(tr.render.draw(tr.tape(tr.mean(y * y))))) == []


@pytest.mark.parametrize("cell", CELLS)
def test_drawn_folded_and_explained(cell):
    y, _ = nn.Recurrent(CELLS[cell](D, H).to(dtype="float64"))(random(4, N, D))
    loss = tr.mean(y * y)
    for level in ("primitives", "gates", "cells"):
        assert list(blemishes(tr.render.draw(tr.tape(loss), level=level))) == []
    equations = bptt.equations(loss)
    np.testing.assert_allclose(equations.run()[0], loss.item(), rtol=1e-12)
    assert "hₜ = (1 − iₜ) ⊙ hₜ₋₁ + iₜ ⊙ gₜ" in str(equations) or cell != "coupled"
    assert np.isfinite(bptt.contributions(loss, next(iter(loss_parameters(loss)))).sum())


def loss_parameters(loss):
    return [v for v in tr.graph.history(loss) if isinstance(v, tr.Parameter)]


@pytest.mark.parametrize("cell", CELLS)
def test_learns_and_is_saved(cell, tmp_path):
    """To add up what it has read: the last output is the sum of the sequence."""
    tr.manual_seed(0)
    x = random(8, 40, 1).astype("float32")
    target = 0.2 * x.sum(0)

    def model():
        recurrent = nn.Recurrent(nn.Zoneout(CELLS[cell](1, 8), 0.0), return_sequences=False, return_state=False)
        return nn.Sequential(recurrent, nn.Linear(8, 1))

    trained = model()
    optimiser, losses = optim.Adam(trained.parameters(), lr=0.02), []
    for _ in range(60):
        loss = nn.mse(trained(x), target)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.2 * losses[0]
    io.save(tmp_path / "model.safetensors", trained)
    again = model()
    io.load(tmp_path / "model.safetensors", into=again)
    np.testing.assert_array_equal(again(x).numpy(), trained(x).numpy())


class Pair(nn.Module):
    """A user's cell with two parts to its state, which says all it can."""

    def __init__(self, inputs, hidden):
        self.input_size, self.state_sizes = inputs, (hidden, hidden)
        self.W, self.U = tr.Parameter(nn.init.glorot(inputs, hidden)), tr.Parameter(nn.init.orthogonal(hidden, hidden))

    def forward(self, x, state):
        h, m = state
        m = 0.9 * m + 0.1 * tr.tanh(x @ self.W + h @ self.U)
        return tr.tanh(m), m


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: nn.Stack(Pair(3, 4), Pair(5, 4))(tr.ones(6, 2, 3)),
            r"Pair: x must be \(N, input_size\) = \(N, 5\), but has shape \(2, 4\)",
        ),
        (
            lambda: nn.Recurrent(Pair(3, 4))(tr.ones(6, 2, 3), tr.zeros(2, 4)),
            r"Pair: state must be a tuple of 2, each \(N, hidden_size\) = \(2, 4\), but is a Tensor of shape \(2, 4\)",
        ),
        (
            lambda: nn.Recurrent(Pair(3, 4))(tr.ones(6, 2, 3), (tr.zeros(2, 4), tr.zeros(2, 5))),
            r"Pair: state must be .* but is a tuple of a Tensor of shape \(2, 4\), a Tensor of shape \(2, 5\)",
        ),
        (
            lambda: nn.Decoder(nn.Embedding(9, 3), Pair(3, 4), nn.Linear(4, 9))([[1, 1]], nn.DecoderState(tr.zeros(2, 4))),
            r"Pair: state must be a tuple of 2",
        ),
        (
            lambda: nn.Decoder(nn.Embedding(9, 5), Pair(3, 4), nn.Linear(4, 9))(
                [[1, 1]], nn.DecoderState((tr.zeros(2, 4), tr.zeros(2, 4)))
            ),
            r"Pair: x must be \(N, input_size\) = \(N, 3\), but has shape \(2, 5\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (Pair, r"Recurrent: expected cells or layers, not the class Pair: make one, Pair\(\.\.\.\)"),
        (tr.tanh, "Recurrent: expected cells or layers, not a .*: derive its class from nn.Module"),
    ],
)
def test_what_is_no_module_is_refused(cell, message):
    with pytest.raises(TypeError, match=message):
        nn.Recurrent(cell)


@pytest.mark.parametrize("sequences", [2, 3])
def test_a_state_of_several_parts_must_be_announced(sequences):
    class Unannounced(nn.Module):
        def __init__(self):
            self.hidden_size = H

        def forward(self, x, state):
            h, c = state
            return h + c, c

    with pytest.raises((TypeError, ValueError)) as raised:  # two rows unpack as h and c, three do not
        nn.Recurrent(Unannounced())(random(STEPS, sequences, D))
    (note,) = raised.value.__notes__
    assert "Unannounced began with a state of zeros, (N, hidden_size)" in note and "state_sizes" in note
