"""Each variant of a cell against its paper, written in plain NumPy over a whole sequence; and how it begins."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

STEPS, N, D, H, P = 5, 3, 4, 6, 2


def sigma(a):
    return 1 / (1 + np.exp(-a))


def normalised(a, w, name, eps=1e-5):
    a = (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + eps)
    return a * w[f"{name}.gain"] + w[f"{name}.bias"]


def peephole(w, x, h, c):
    """Gers & Schmidhuber 2000."""
    i, f, g, o = np.split(x @ w["W_x"] + h @ w["W_h"] + w["b"], 4, axis=1)
    c, before = sigma(f + w["p_f"] * c) * c, c
    c = c + sigma(i + w["p_i"] * before) * np.tanh(g)
    return sigma(o + w["p_o"] * c) * np.tanh(c), c


def projected(w, x, h, c):
    """Sak, Senior & Beaufays 2014, without their peepholes."""
    i, f, g, o = np.split(x @ w["W_x"] + h @ w["W_h"] + w["b"], 4, axis=1)
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    return (sigma(o) * np.tanh(c)) @ w["W_p"], c


def normalised_lstm(w, x, h, c):
    """Ba, Kiros & Hinton 2016, equations 20 to 22."""
    i, f, g, o = np.split(normalised(x @ w["W_x"], w, "norm_x") + normalised(h @ w["W_h"], w, "norm_h"), 4, axis=1)
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    return sigma(o) * np.tanh(normalised(c, w, "norm_c")), c


def normalised_gru(w, x, h):
    """Ba, Kiros & Hinton 2016, equations 23 to 25, where z is the share of the candidate: here that of the state."""
    x, u = x @ w["W_x"], h @ w["W_h"]
    r, z = np.split(normalised(x[:, : 2 * H], w, "norm_x") + normalised(u[:, : 2 * H], w, "norm_h"), 2, axis=1)
    n = np.tanh(normalised(x[:, 2 * H :], w, "norm_xn") + sigma(r) * normalised(u[:, 2 * H :], w, "norm_hn"))
    return ((1 - sigma(z)) * n + sigma(z) * h,)


def minimal_gated(w, x, h):
    """Zhou, Wu, Zhang & Zhou 2016."""
    x_f, x_n = np.split(x @ w["W_x"] + w["b"], 2, axis=1)
    f = sigma(x_f + h @ w["W_h"])
    return ((1 - f) * h + f * np.tanh(x_n + (f * h) @ w["W_n"]),)


def rectified(w, x, h):
    """Le, Jaitly & Hinton 2015."""
    return (np.maximum(0, x @ w["W_x"] + h @ w["W_h"] + w["b"]),)


CELLS = {
    "peephole LSTM": (lambda: nn.PeepholeLSTMCell(D, H), peephole),
    "LSTM with projection": (lambda: nn.LSTMCell(D, H, proj_size=P), projected),
    "layer-normalised LSTM": (lambda: nn.LayerNormLSTMCell(D, H), normalised_lstm),
    "layer-normalised GRU": (lambda: nn.LayerNormGRUCell(D, H), normalised_gru),
    "MGU": (lambda: nn.MGUCell(D, H), minimal_gated),
    "IRNN": (lambda: nn.IRNNCell(D, H), rectified),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_as_the_paper_has_it(name):
    make, paper = CELLS[name]
    cell, rng = make().to(dtype="float64"), np.random.default_rng(0)
    cell.load_state_dict({key: rng.normal(size=p.shape) for key, p in cell.named_parameters()})
    x, w = rng.normal(size=(STEPS, N, D)), cell.state_dict()
    state = [rng.normal(size=part.shape) for part in nn.cell.parts(cell.initial_state(N))]
    y, last = nn.Recurrent(cell)(x, tuple(map(tr.tensor, state)) if len(state) > 1 else state[0])
    for t in range(STEPS):
        state = paper(w, x[t], *state)
        np.testing.assert_allclose(y.numpy()[t], state[0], rtol=1e-11, atol=1e-12)
    for part, expected in zip(nn.cell.parts(last), state):
        np.testing.assert_allclose(part.numpy(), expected, rtol=1e-11, atol=1e-12)


# -- how they begin ------------------------------------------------------------------------------------------------


def test_peepholes_begin_closed():
    tr.manual_seed(0)
    with_peepholes, x = nn.PeepholeLSTMCell(D, H), tr.randn(STEPS, N, D)
    lstm = nn.LSTMCell(D, H)
    lstm.load_state_dict({name: a for name, a in with_peepholes.state_dict().items() if not name.startswith("p_")})
    np.testing.assert_array_equal(nn.Recurrent(with_peepholes)(x)[0].numpy(), nn.Recurrent(lstm)(x)[0].numpy())


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_an_irnn_begins_by_keeping_its_state(scale):
    cell, h = nn.IRNNCell(D, H, scale=scale), np.abs(np.random.default_rng(0).normal(size=(N, H))).astype("float32")
    np.testing.assert_allclose(cell(tr.zeros(N, D), h).numpy(), scale * h)
    assert 0 < np.abs(nn.IRNNCell(100, 100).W_x.numpy()).max() < 0.006


@pytest.mark.parametrize(("name", "where"), [("peephole LSTM", "b"), ("layer-normalised LSTM", "norm_x.bias")])
def test_what_is_remembered_at_first_is_what_is_not_taught_otherwise(name, where):
    bias = CELLS[name][0]().state_dict()[where]
    assert bias.tolist() == [0.0] * H + [1.0] * H + [0.0] * 2 * H


def test_a_layer_of_lstms_with_projections_has_states_of_two_widths():
    layer = nn.LSTM(D, H, 2, bidirectional=True, proj_size=P)
    y, (h, c) = layer(tr.ones(STEPS, N, D))
    assert (y.shape, h.shape, c.shape) == ((STEPS, N, 2 * P), (4, N, P), (4, N, H))
    layer(tr.ones(STEPS, N, D), (h, c))
    message = r"the state's h has shape \(4, 3, 6\), expected \(4, 3, 2\): .* proj_size P"
    with pytest.raises(ValueError, match=message):
        layer(tr.ones(STEPS, N, D), (c, c))
    with pytest.raises(ValueError, match=r"LSTMCell: state must be \(h, c\) of shapes \[\(3, 2\), \(3, 6\)\], but is"):
        nn.LSTMCell(D, H, proj_size=P)(tr.ones(N, D), (c[0], c[0]))


@pytest.mark.parametrize("proj_size", [-1, H, H + 1, 2.5])
def test_a_projection_makes_smaller(proj_size):
    with pytest.raises(ValueError, match="LSTMCell: proj_size"):
        nn.LSTMCell(D, H, proj_size=proj_size)
