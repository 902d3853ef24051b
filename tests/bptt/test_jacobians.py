"""Jacobians agree with the formulas of the literature, with finite differences, with gradients and with contributions."""

import sys

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import bptt, nn

from .models import LAYERS, run
from .networks import IRREGULAR


def states_of(loss, *names):
    """The states in the order in which they ran, by name, of a network of one cell."""
    recorded = [v for v in tr.graph.history(loss) if v.carried and v.op is not None and v.place.step is not None]
    return [[v for v in recorded if v.name == name] for name in names]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# -- against formulas ----------------------------------------


def test_the_tanh_rnn():
    """∂hₜ/∂hₜ₋₁ = diag(1 − hₜ²) Wᵀ (Pascanu, Mikolov & Bengio 2013; in row vectors dhₜ = dhₜ₋₁ W diag(1 − hₜ²))."""
    layer, y, loss = run("RNN")
    J = bptt.jacobians(loss, sequence=1)
    W, h = layer.layer0.W_h.numpy(), y.numpy()[:, 1]
    assert J.steps == (1, 2, 3, 4) and J.names == ("h",) and J.sizes == (4,)
    np.testing.assert_allclose(J.matrices, (1 - h[1:, :, None] ** 2) * W.T, rtol=1e-12, atol=1e-15)
    assert (J.within == 0).all()
    assert repr(J) == "<Jacobians over 4 steps of a state (h: 4)>"


def test_the_lstm():
    """The four blocks of ∂(hₜ, cₜ)/∂(hₜ₋₁, cₜ₋₁) (Gers, Schmidhuber & Cummins 2000)."""
    layer, _, loss = run("LSTM")
    J = bptt.jacobians(loss)
    W = np.split(layer.layer0.W_h.numpy(), 4, axis=1)
    gates = {v.name: v for v in tr.graph.history(loss) if v.name in list("ifgo") and v.place.step == 3}
    i, f, g, o = (gates[name].numpy()[0] for name in "ifgo")
    c_before, c = (state.numpy()[0] for state in states_of(loss, "c")[0][2:4])

    through_h = np.diag(c_before * f * (1 - f)) @ W[1].T + np.diag(g * i * (1 - i)) @ W[0].T + np.diag(i * (1 - g * g)) @ W[2].T
    show = np.diag(o * (1 - np.tanh(c) ** 2))  # ∂hₜ/∂cₜ
    close = {"rtol": 1e-12, "atol": 1e-15}
    np.testing.assert_allclose(J.block("c", "c")[2], np.diag(f), **close)
    np.testing.assert_allclose(J.block("c", "h")[2], through_h, **close)
    np.testing.assert_allclose(J.block("h", "c")[2], show @ np.diag(f), **close)
    output_gate = np.diag(np.tanh(c) * o * (1 - o)) @ W[3].T
    np.testing.assert_allclose(J.block("h", "h")[2], output_gate + show @ through_h, **close)
    np.testing.assert_allclose(J.within[3][:4, 4:], show, **close)
    assert (J.within[:, 4:] == 0).all() and (J.within[:, :4, :4] == 0).all()


def test_the_c_path_of_an_lstm_is_the_product_of_its_forget_gates():
    _, _, loss = run("LSTM")
    forget = [v.numpy()[0] for v in tr.graph.history(loss) if v.name == "f"]
    path = bptt.jacobians(loss).path("c")
    np.testing.assert_allclose(path.products()[0], np.diag(np.prod(forget[1:], axis=0)), rtol=1e-12)
    assert path.growth() == pytest.approx(np.log(np.prod(forget[1:], axis=0).max()) / 4, rel=1e-12)


def test_the_path_and_the_detour_are_the_whole_derivative():
    """∂cₜ/∂cₜ₋₁, through hₜ₋₁ as well: what `grad` gives."""
    _, _, loss = run("LSTM")
    J, (c,) = bptt.jacobians(loss), states_of(loss, "c")
    for t in range(1, 5):
        rows = []
        for unit in range(4):
            seed = np.zeros((2, 4))
            seed[0, unit] = 1.0
            rows.append(tr.autodiff.grad(c[t], c[t - 1], gradient=seed).numpy()[0])
        found = J.block("c", "c")[t - 1] + J.detour("c", "h")[t - 1]
        np.testing.assert_allclose(found, rows, rtol=1e-12, atol=1e-15)


# -- against finite differences ----------------------------------------


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "GRU, reset before", "a user's own", "a user's own, reversed"])
def test_finite_differences(name):
    layer, _, loss = run(name)
    J = bptt.jacobians(loss)
    cell = layer.layer0 if hasattr(layer, "layer0") else layer.cell
    x = np.random.default_rng(0).normal(size=(5, 2, 3))
    columns = states_of(loss, *J.names)
    states = [np.concatenate([part.numpy()[0] for part in parts]) for parts in zip(*columns)]

    def step(state, t):
        parts = [tr.Tensor(part[None]) for part in np.split(state, len(J.names))]
        after = cell(tr.Tensor(x[t][:1]), tuple(parts) if len(parts) > 1 else parts[0])
        return np.concatenate([part.numpy()[0] for part in (after if isinstance(after, tuple) else (after,))])

    for k, t in enumerate(J.steps):
        unit = 1e-6 * np.eye(len(states[k]))
        columns = [(step(states[k] + e, t) - step(states[k] - e, t)) / 2e-6 for e in unit]
        np.testing.assert_allclose(J.matrices[k], np.array(columns).T, rtol=0, atol=1e-8)


# -- Jacobians, gradients, flow and contributions agree ----------------------------------------


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "a user's own"])
def test_gradients_are_sums_of_products_of_jacobians(name):
    """∂L/∂sₜ = Σₖ ∂Lₖ/∂sₖ Jₖ ⋯ Jₜ₊₁ over all losses k ≥ t."""
    _, y, loss = run(name)
    J, states = bptt.jacobians(loss, sequence=1), states_of(loss, *bptt.jacobians(loss).names)
    size = J.matrices.shape[1]
    direct = np.zeros((5, size))
    direct[:, :4] = tr.grad(loss, y).numpy()[:, 1]  # the losses see h alone
    for t in range(5):
        expected, product = direct[t].copy(), np.eye(size)
        for k in range(t + 1, 5):
            product = J.matrices[k - 1] @ product
            expected += direct[k] @ product
        expected += expected @ J.within[t]  # what reaches cₜ through hₜ as well
        found = np.concatenate([tr.grad(loss, part[t]).numpy()[1] for part in states])
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU, reset before"])
def test_flow_follows_the_last_error_through_the_products(name):
    _, y, loss = run(name, batch=1)
    products = bptt.jacobians(loss).products()
    error = np.zeros(products.shape[1])
    error[:4] = tr.grad(loss, y).numpy()[-1, 0]
    expected = [*np.linalg.norm(error @ products, axis=1), np.linalg.norm(error)]
    np.testing.assert_allclose(bptt.flow(loss)[0].error, expected, rtol=1e-10)


def test_contributions_follow_from_jacobians():
    """∂L/∂W at step t is hₜ₋₁ᵀ (∂L/∂hₜ ⊙ (1 − hₜ²)), ∂L/∂hₜ from the products."""
    layer, y, loss = run("RNN", batch=1)
    products = np.concatenate([bptt.jacobians(loss).products(), np.eye(4)[None]])
    h = y.numpy()[:, 0]
    last = (tr.grad(loss, y).numpy()[-1, 0] @ products) * (1 - h**2)  # of the last error alone
    matrix = bptt.contribution_matrix((y[-1] * 1.0).sum(axis=0), layer.layer0.W_h, arrays=True)
    scale = tr.grad(loss, y).numpy()[-1, 0]
    found = np.tensordot(scale, matrix.arrays, axes=(0, 0))
    np.testing.assert_allclose(found[1:], h[:-1, :, None] * last[1:, None, :], rtol=1e-10, atol=1e-16)


# -- products, rates, exponents ----------------------------------------


def linear(matrix, steps):
    """h W over and over: every Jacobian is Wᵀ."""
    W = tr.Parameter(matrix)
    h = tr.Tensor(np.ones((1, len(matrix))))
    for t in range(steps):
        with tr.step(t):
            h = h @ W
    return h.sum()


def test_exponents_of_a_linear_network_are_the_logs_of_its_eigenvalues():
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(4, 4))
    matrix = basis @ np.diag([1.1, 0.7, 0.3, 0.01]) @ np.linalg.inv(basis)
    J = bptt.jacobians(linear(matrix, 400))
    np.testing.assert_allclose(J.exponents(), np.log([1.1, 0.7, 0.3, 0.01]), rtol=0, atol=0.02)
    assert J.growth() == pytest.approx(np.log(np.linalg.norm(np.linalg.matrix_power(matrix, 399), 2)) / 399, rel=1e-9)


def test_an_orthogonal_network_neither_grows_nor_shrinks():
    matrix, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    J = bptt.jacobians(linear(matrix, 20))
    np.testing.assert_allclose(J.singular_values(), 1, rtol=1e-12)
    np.testing.assert_allclose(J.exponents(), 0, atol=1e-12)
    assert bptt.flow(linear(matrix, 20))[0].verdict.kind == "steady"


@pytest.mark.filterwarnings("ignore:(overflow|invalid value)")  # of the state itself, which is not the point
def test_rates_neither_overflow_nor_underflow():
    for factor in (1e3, 1e-3):
        loss = linear(factor * np.eye(2), 300)  # 10 to the power of ±900
        J = bptt.jacobians(loss)
        assert J.growth() == pytest.approx(np.log(factor), rel=1e-12)
        np.testing.assert_allclose(J.exponents(), np.log(factor), rtol=1e-12)
        np.testing.assert_allclose(bptt.growth_rates(loss, 2), np.log(factor), rtol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_growth_rates_without_a_jacobian_are_those_of_the_singular_values(name):
    _, _, loss = run(name, steps=8)
    for track in range(len(bptt.flow(loss))):
        singular = bptt.jacobians(loss, track=track).singular_values()[0]
        found = bptt.growth_rates(loss, 3, track=track)
        np.testing.assert_allclose(found, np.log(singular[:3]) / 7, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_growth_rates_of_jacobians_that_are_not_finite_are_missing():
    w, h = tr.Parameter(np.eye(2)), tr.Tensor(np.ones((1, 2)))
    for t in range(4):
        with tr.step(t):
            h = h @ w * (np.inf if t == 2 else 1.0)
    with np.errstate(invalid="ignore"):
        assert np.isnan(bptt.growth_rates(h.sum(), 2)).all() and not np.isfinite(bptt.jacobians(h.sum()).growth())


def test_a_state_that_forgets_everything_shrinks_at_an_infinite_rate():
    w, h = tr.Parameter(np.eye(2)), tr.Tensor(np.ones((1, 2)))
    for t in range(4):
        with tr.step(t):
            h = h @ w * (0.0 if t == 2 else 1.0)
    with np.errstate(all="raise"):
        assert bptt.jacobians(h.sum()).growth() == -np.inf


def test_products_lead_from_the_last_state_back():
    _, _, loss = run("GRU")
    J = bptt.jacobians(loss)
    np.testing.assert_allclose(J.products()[0], np.linalg.multi_dot(J.matrices[::-1]), rtol=1e-12)
    np.testing.assert_allclose(J.products()[-1], J.matrices[-1])


# -- any cell, any loop ----------------------------------------


def test_each_direction_and_each_layer_is_a_track_of_its_own():
    _, _, loss = run("bidirectional LSTM of two layers")
    with pytest.raises(ValueError, match=r"several cells.*0: LSTM\.layer0, t = 1 … 5; 1: LSTM\.layer0_reverse, t = 5 … 1"):
        bptt.jacobians(loss)
    with pytest.raises(ValueError, match="none of them is 'layer7'"):
        bptt.jacobians(loss, track="layer7")
    J = bptt.jacobians(loss, track="layer1_reverse")
    assert J.steps == (3, 2, 1, 0)
    forget = [v.numpy()[0] for v in tr.graph.history(loss) if v.name == "f" and v.place.scope == ("LSTM", "layer1_reverse")]
    np.testing.assert_allclose(np.diagonal(J.block("c", "c"), axis1=1, axis2=2), forget[1:], rtol=1e-12)


def test_the_sequences_of_a_batch_are_told_apart():
    layer, y, loss = run("RNN", batch=3)
    W = layer.layer0.W_h.numpy()
    for n in range(3):
        expected = (1 - y.numpy()[1:, n, :, None] ** 2) * W.T
        np.testing.assert_allclose(bptt.jacobians(loss, sequence=n).matrices, expected, rtol=1e-12, atol=1e-15)
    with pytest.raises(ValueError, match="sequence=3: the batch has 3"):
        bptt.jacobians(loss, sequence=3)


def test_masked_steps_hand_the_state_on_unchanged():
    layer = nn.RNN(3, 4).to(dtype="float64")
    _, h = layer(np.random.default_rng(0).normal(size=(5, 2, 3)), lengths=[5, 2])
    J = bptt.jacobians((h * h).sum(), sequence=1)
    assert (J.matrices[0] != np.eye(4)).any()
    np.testing.assert_array_equal(J.matrices[1:], np.broadcast_to(np.eye(4), (3, 4, 4)))


def test_states_without_a_batch_and_without_an_axis():
    w, u, h, s = tr.Parameter(np.eye(3) * 0.5), tr.Parameter(np.array(0.9)), np.ones(3), tr.Tensor(np.array(1.0))
    for t in range(3):
        with tr.step(t):
            h = tr.tanh(h @ w) * s
            s = u * s
    J = bptt.jacobians(h.sum() + s)
    assert J.names == ("state", "state 2") and sorted(J.sizes) == [1, 3] and J.matrices.shape == (2, 4, 4)


def test_what_one_step_jacobians_cannot_describe_is_refused():
    w = tr.Parameter(np.array(0.5))
    states = [tr.Tensor(np.array(1.0)), tr.Tensor(np.array(1.0))]
    for t in range(5):
        with tr.step(t):
            states.append(tr.tanh(w * states[-1] + states[-2]))
    with pytest.raises(ValueError, match=r"the state of t = 3 depends on that of t = 1 not through the one between alone"):
        bptt.jacobians(states[-1])
    assert bptt.flow(states[-1])[0].error.shape == (5,)

    one, two = nn.RNNCell(2, 2), nn.RNNCell(2, 2)
    one.name, two.name = "one", "two"
    for feedback in (True, False):
        h1, h2 = tr.zeros(1, 2), tr.zeros(1, 2)
        for t in range(4):
            with tr.step(t):
                h1 = one(h2 + 1.0 if feedback else tr.ones(1, 2), h1)
                h2 = two(h1, h2)
        if feedback:
            with pytest.raises(ValueError, match="another cell that feeds back"):
                bptt.jacobians(h2.sum(), track="one")
        else:
            assert bptt.jacobians(h2.sum(), track="one").matrices.shape == (3, 2, 2)


def test_what_has_no_jacobian_is_refused():
    w = tr.Parameter(np.ones((2, 2)))
    with pytest.raises(ValueError, match="nothing is carried"):
        bptt.jacobians((w * w).sum())
    y, _ = nn.RNN(2, 2)(tr.ones(1, 1, 2))
    with pytest.raises(ValueError, match="one step only"):
        bptt.jacobians(y)
    J = bptt.jacobians(nn.RNN(2, 2)(tr.ones(3, 1, 2))[0])
    with pytest.raises(ValueError, match="no part 'c': it has 'h'"):
        J.block("h", "c")
    h = tr.ones(1, 2)
    for t in range(3):
        with tr.step(t):
            h = tr.concatenate(h @ w, h, axis=1)[:, : t + 2]
            w = tr.Parameter(np.ones((t + 2, 2)))
    with pytest.raises(ValueError, match="shapes"):
        bptt.jacobians(h)


def test_too_large_a_state_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(sys.modules["tinyrnn.bptt.jacobians"], "LARGEST", 100)
    with pytest.raises(ValueError, match=r"4 Jacobians of 8 × 8.*bptt\.growth_rates"):
        bptt.jacobians(run("LSTM")[2])


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1"])
def test_on_a_gpu(fake_cupy, device):
    def both(where):
        tr.manual_seed(0)
        layer = nn.LSTM(3, 2).to(dtype="float64").to(where)
        y, _ = layer(tr.Tensor(np.random.default_rng(0).normal(size=(4, 2, 3)), device=where))
        loss = (y * y).sum()
        return bptt.jacobians(loss), bptt.growth_rates(loss, 2), bptt.flow(loss)

    (J, rates, flow), (expected, expected_rates, expected_flow) = both(device), both("cpu")
    np.testing.assert_allclose(J.matrices, expected.matrices, rtol=1e-10)
    np.testing.assert_allclose(rates, expected_rates, rtol=1e-10)
    np.testing.assert_allclose(flow[0].error, expected_flow[0].error, rtol=1e-10)
    np.testing.assert_allclose(flow[0].gates["f"], expected_flow[0].gates["f"], rtol=1e-10)
    assert (flow[0].saturation["o"].low == expected_flow[0].saturation["o"].low).all()


def test_a_part_that_is_not_computed_at_each_step_is_named_as_the_reason():
    with pytest.raises(ValueError, match="what a step does not compute anew, or no loss needs, is no part of it"):
        bptt.jacobians(IRREGULAR["clockwork"](5))
