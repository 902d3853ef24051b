"""Backpropagation through time as books derive it, written in plain NumPy: what autograd must give without being told."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

STEPS, BATCH, INPUTS, HIDDEN = 7, 3, 4, 5


def sigma(a):
    return 1 / (1 + np.exp(-a))


def network(layer):
    """A layer in float64 with random weights, a sequence, an initial state, and ∂L/∂hₜ for each step."""
    rng = np.random.default_rng(1)
    layer = layer(INPUTS, HIDDEN).to(dtype="float64")
    layer.load_state_dict({name: rng.normal(size=p.shape) for name, p in layer.named_parameters()})
    return (
        layer,
        rng.normal(size=(STEPS, BATCH, INPUTS)),
        rng.normal(size=(2, 1, BATCH, HIDDEN)),
        rng.normal(size=(STEPS, BATCH, HIDDEN)),
    )


def check(expected, found):
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-11, atol=1e-12, err_msg=name)


def test_simple_recurrent_network():
    """Werbos 1990: δₜ = (∂L/∂hₜ + δₜ₊₁ Whᵀ) ⊙ (1 − hₜ²), and each weight's gradient is a sum over time."""
    layer, x, (h0, _), k = network(nn.RNN)
    W_x, W_h, b = (p.numpy() for p in layer.parameters())

    h = [h0[0]]
    for t in range(STEPS):
        h.append(np.tanh(x[t] @ W_x + h[t] @ W_h + b))  # h[t + 1] is the state after step t
    expected = {"x": np.empty_like(x), "W_x": 0, "W_h": 0, "b": 0}
    from_later = np.zeros((BATCH, HIDDEN))
    for t in reversed(range(STEPS)):
        delta = (k[t] + from_later) * (1 - h[t + 1] ** 2)
        expected["W_x"] += x[t].T @ delta
        expected["W_h"] += h[t].T @ delta
        expected["b"] += delta.sum(0)
        expected["x"][t] = delta @ W_x.T
        from_later = delta @ W_h.T
    expected["h0"] = from_later[None]

    x_, h0_ = tr.tensor(x, requires_grad=True), tr.tensor(h0, requires_grad=True)
    y, _ = layer(x_, h0_)
    np.testing.assert_allclose(y.numpy(), np.stack(h[1:]), rtol=1e-12)
    (y * k).sum().backward()
    weights = {name.removeprefix("layer0."): p.grad.numpy() for name, p in layer.named_parameters()}
    check(expected, {**weights, "x": x_.grad.numpy(), "h0": h0_.grad.numpy()})


def test_long_short_term_memory():
    """Gers, Schmidhuber & Cummins 2000, with the whole gradient instead of their truncated one."""
    layer, x, (h0, c0), k = network(nn.LSTM)
    W_x, W_h, b = (p.numpy() for p in layer.parameters())

    h, c, gates = [h0[0]], [c0[0]], []
    for t in range(STEPS):
        a = np.split(x[t] @ W_x + h[t] @ W_h + b, 4, axis=1)
        i, f, g, o = sigma(a[0]), sigma(a[1]), np.tanh(a[2]), sigma(a[3])
        gates.append((i, f, g, o))
        c.append(f * c[t] + i * g)
        h.append(o * np.tanh(c[t + 1]))
    expected = {"x": np.empty_like(x), "W_x": 0, "W_h": 0, "b": 0}
    from_later, carousel = np.zeros((BATCH, HIDDEN)), np.zeros((BATCH, HIDDEN))
    for t in reversed(range(STEPS)):
        i, f, g, o = gates[t]
        dh = k[t] + from_later
        dc = dh * o * (1 - np.tanh(c[t + 1]) ** 2) + carousel
        delta = [dc * g * i * (1 - i), dc * c[t] * f * (1 - f), dc * i * (1 - g**2), dh * np.tanh(c[t + 1]) * o * (1 - o)]
        delta = np.concatenate(delta, axis=1)
        carousel = dc * f  # the constant error carousel
        expected["W_x"] += x[t].T @ delta
        expected["W_h"] += h[t].T @ delta
        expected["b"] += delta.sum(0)
        expected["x"][t] = delta @ W_x.T
        from_later = delta @ W_h.T
    expected |= {"h0": from_later[None], "c0": carousel[None]}

    x_, h0_, c0_ = (tr.tensor(a, requires_grad=True) for a in (x, h0, c0))
    y, (_, last) = layer(x_, (h0_, c0_))
    np.testing.assert_allclose(y.numpy(), np.stack(h[1:]), rtol=1e-12)
    np.testing.assert_allclose(last.numpy()[0], c[-1], rtol=1e-12)
    (y * k).sum().backward()
    weights = {name.removeprefix("layer0."): p.grad.numpy() for name, p in layer.named_parameters()}
    check(expected, {**weights, "x": x_.grad.numpy(), "h0": h0_.grad.numpy(), "c0": c0_.grad.numpy()})


@pytest.mark.parametrize("reset_after", [True, False])
def test_gated_recurrent_unit_runs_forward_as_in_its_papers(reset_after):
    """Cho et al. 2014, and the form with the reset gate after the product, over one step."""
    rng = np.random.default_rng(2)
    cell = nn.GRUCell(INPUTS, HIDDEN, reset_after=reset_after).to(dtype="float64")
    cell.load_state_dict({name: rng.normal(size=p.shape) for name, p in cell.named_parameters()})
    x, h = rng.normal(size=(BATCH, INPUTS)), rng.normal(size=(BATCH, HIDDEN))
    w = cell.state_dict()
    x_r, x_z, x_n = np.split(x @ w["W_x"] + w["b"], 3, axis=1)
    if reset_after:
        h_r, h_z, h_n = np.split(h @ w["W_h"] + w["b_h"], 3, axis=1)
        n = np.tanh(x_n + sigma(x_r + h_r) * h_n)
    else:
        h_r, h_z = np.split(h @ w["W_h"], 2, axis=1)
        n = np.tanh(x_n + (sigma(x_r + h_r) * h) @ w["W_n"])
    z = sigma(x_z + h_z)
    np.testing.assert_allclose(cell(x, h).numpy(), (1 - z) * n + z * h, rtol=1e-12)
