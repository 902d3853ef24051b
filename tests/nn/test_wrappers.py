"""Wrappers around cells against plain NumPy with the same masks; what they leave alone; how they nest, and how they refuse."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn
from tinyrnn.nn.cell import parts

STEPS, N, D, H = 5, 3, 4, 6

CELLS = {
    "RNN": lambda: nn.RNNCell(D, H),
    "LSTM": lambda: nn.LSTMCell(D, H),
    "GRU": lambda: nn.GRUCell(D, H),
    "GRU, reset before": lambda: nn.GRUCell(D, H, reset_after=False),
    "MGU": lambda: nn.MGUCell(D, H),
    "LSTM with projection": lambda: nn.LSTMCell(D, H, proj_size=2),
    "peephole LSTM": lambda: nn.PeepholeLSTMCell(D, H),
    "layer-normalised GRU": lambda: nn.LayerNormGRUCell(D, H),
}
WRAPPERS = {
    "variational dropout": lambda cell: nn.VariationalDropout(cell, 0.25, 0.4),
    "zoneout": lambda cell: nn.Zoneout(cell, 0.3),
    "weight drop": lambda cell: nn.WeightDrop(cell, 0.4),
    "weight drop in variational dropout": lambda cell: nn.VariationalDropout(nn.WeightDrop(cell, 0.4), 0.2, 0.3),
    "variational dropout in weight drop": lambda cell: nn.WeightDrop(nn.VariationalDropout(cell, 0.2, 0.3), 0.4),
    "all three": lambda cell: nn.Zoneout(nn.VariationalDropout(nn.WeightDrop(cell, 0.4), 0.2, 0.3), 0.1),
    "all three, the other way": lambda cell: nn.WeightDrop(nn.VariationalDropout(nn.Zoneout(cell, 0.1), 0.2, 0.3), 0.4),
}


def sigma(a):
    return 1 / (1 + np.exp(-a))


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def double(module):
    """In float64, with random numbers for its parameters."""
    rng = np.random.default_rng(1)
    module.to(dtype="float64").load_state_dict({name: rng.normal(size=p.shape) * 0.5 for name, p in module.named_parameters()})
    return module


def run(cell, x, seed=0, **options):
    """Outputs and the last state of one sequence, recorded with what no gradient needs."""
    tr.manual_seed(seed)
    with tr.recording():
        return nn.Recurrent(cell, **options)(x)


def values(y, name):
    return [value for value in tr.graph.history(y) if value.name == name]


# -- the equations of the papers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_variational_dropout(name):
    """Gal & Ghahramani 2016: the same units of x and h are missing from all products of a sequence."""
    cell, x = double(CELLS[name]()), random(STEPS, N, D)
    y, _ = run(nn.VariationalDropout(cell, 0.25, 0.4), x)
    (m_x,), (m_h,) = ([mask.numpy() for mask in values(y, name)] for name in ("m_x", "m_h"))
    assert m_x.shape == (N, D) and m_h.shape == (N, H)
    assert set(np.unique(m_x)) == {0, 1 / 0.75} and set(np.unique(m_h)) == {0, 1 / 0.6}
    w, h, c = cell.state_dict(), np.zeros((N, H)), np.zeros((N, H))
    for t in range(STEPS):
        a, u = (x[t] * m_x) @ w["W_x"] + w["b"], (h * m_h) @ w["W_h"]
        if name == "LSTM":
            i, f, g, o = np.split(a + u, 4, axis=1)
            c = sigma(f) * c + sigma(i) * np.tanh(g)
            h = sigma(o) * np.tanh(c)
        else:
            (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(a, 3, axis=1), np.split(u + w["b_h"], 3, axis=1)
            z = sigma(x_z + h_z)
            h = (1 - z) * np.tanh(x_n + sigma(x_r + h_r) * h_n) + z * h  # what is carried on is not masked
        np.testing.assert_allclose(y.numpy()[t], h, rtol=1e-11)


@pytest.mark.parametrize("training", [True, False])
def test_zoneout(training):
    """Krueger et al. 2017: some units of h and others of c stay as they were, at each step others."""
    cell, x, rates = double(nn.LSTMCell(D, H)), random(STEPS, N, D), (0.3, 0.5)
    y, (_, last) = run(nn.Zoneout(cell, rates).train(training), x)
    w, h, c = cell.state_dict(), np.zeros((N, H)), np.zeros((N, H))
    chosen = iter([v.args[0].numpy() for v in tr.graph.history(y, last) if v.op is tr.where])
    for t in range(STEPS):
        i, f, g, o = np.split(x[t] @ w["W_x"] + h @ w["W_h"] + w["b"], 4, axis=1)
        new_c = sigma(f) * c + sigma(i) * np.tanh(g)
        new_h = sigma(o) * np.tanh(new_c)  # of the memory before zoneout
        if training:
            h, c = (np.where(next(chosen), new, old) for new, old in ((new_h, h), (new_c, c)))
        else:
            h, c = ((1 - rate) * new + rate * old for rate, new, old in zip(rates, (new_h, new_c), (h, c)))
        np.testing.assert_allclose(y.numpy()[t], h, rtol=1e-11)
    np.testing.assert_allclose(last.numpy(), c, rtol=1e-11)
    assert next(chosen, None) is None


def test_weight_drop():
    """Merity, Keskar & Socher 2018: the same recurrent weights are missing at all steps, for all sequences."""
    cell, x = double(nn.GRUCell(D, H, reset_after=False)), random(STEPS, N, D)
    y, _ = run(nn.WeightDrop(cell, 0.4), x)
    m_h, m_n = (mask.numpy() for mask in values(y, "m"))
    assert m_h.shape == (H, 2 * H) and m_n.shape == (H, H) and set(np.unique(m_h)) == {0, 1 / 0.6}
    w, h = cell.state_dict(), np.zeros((N, H))
    for t in range(STEPS):
        x_r, x_z, x_n = np.split(x[t] @ w["W_x"] + w["b"], 3, axis=1)
        h_r, h_z = np.split(h @ (w["W_h"] * m_h), 2, axis=1)
        z = sigma(x_z + h_z)
        h = (1 - z) * np.tanh(x_n + (sigma(x_r + h_r) * h) @ (w["W_n"] * m_n)) + z * h
        np.testing.assert_allclose(y.numpy()[t], h, rtol=1e-11)


def test_the_rates_are_met():
    y, _ = run(nn.VariationalDropout(nn.RNNCell(50, 60), 0.2, 0.7), random(1, 100, 50).astype("float32"))
    for name, rate in (("m_x", 0.2), ("m_h", 0.7)):
        (mask,) = values(y, name)
        assert mask.dtype == "float32" and abs((mask.numpy() == 0).mean() - rate) < 0.02
    y, _ = run(nn.WeightDrop(nn.RNNCell(2, 60), 0.3), random(1, 1, 2).astype("float32"))
    assert abs((values(y, "m")[0].numpy() == 0).mean() - 0.3) < 0.03
    y, _ = run(nn.Zoneout(nn.RNNCell(2, 60), 0.1), random(1, 100, 2).astype("float32"))
    assert abs((y.numpy() == 0).mean() - 0.1) < 0.02


def test_what_is_carried_on_does_not_grow():
    """A gate that keeps everything: a mask of 0 and 2 on the state itself would make it 2¹⁰⁰, or 0."""
    cell = nn.GRUCell(D, H)
    cell.b.assign(np.repeat([0.0, 50.0, 0.0], H))  # z = 1
    _, h = nn.Recurrent(nn.VariationalDropout(cell, 0.5, 0.5))(tr.ones(100, N, D), tr.ones(N, H))
    np.testing.assert_array_equal(h.numpy(), 1.0)


# -- any cell, any nesting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("cell", CELLS)
def test_any_cell_in_any_wrapper(cell, wrapper):
    inner = CELLS[cell]()
    before = {name: array.copy() for name, array in inner.state_dict().items()}
    wrapped, x = WRAPPERS[wrapper](inner), random(STEPS, N, D).astype("float32")
    assert (wrapped.input_size, wrapped.hidden_size) == (D, H)
    y, _ = run(wrapped, x)
    y.sum().backward()
    for name, parameter in inner.named_parameters():  # nothing is replaced, hidden or changed
        np.testing.assert_array_equal(parameter.numpy(), before[name])
        assert parameter.grad is not None, name
    path = "cell." * wrapper.count(" in ") + "cell." * (1 + wrapper.count("all three") * 2)
    assert wrapped.state_dict().keys() == {path + name for name in before}
    for seed in (0, 0, 1):
        assert np.array_equal(run(wrapped, x, seed)[0].numpy(), y.numpy()) == (seed == 0)
    if "zoneout" not in wrapper and "all" not in wrapper:
        plain, _ = run(inner, x)
        np.testing.assert_array_equal(run(wrapped.eval(), x)[0].numpy(), plain.numpy())


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("make", [lambda: nn.LSTMCell(2, 2), lambda: nn.GRUCell(2, 2, reset_after=False)], ids=["LSTM", "GRU"])
def test_gradients_are_exact_to_second_order(make, wrapper):
    wrapped, x = double(WRAPPERS[wrapper](make())), random(2, 2, 2)

    def loss(x, *parameters):
        tr.manual_seed(5)  # the same masks each time
        y, _ = nn.Recurrent(wrapped)(x)
        return (y * y).sum()

    assert tr.gradcheck(loss, [tr.tensor(x, requires_grad=True), *wrapped.parameters()], order=2)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_in_every_layer(wrapper):
    """Reversed, stacked, both ways, over lengths: each sequence, and each layer, has masks of its own."""
    make, x = (lambda size: double(WRAPPERS[wrapper](nn.GRUCell(size, H)))), tr.tensor(random(STEPS, N, D))
    layer = nn.Stack(nn.Bidirectional(make(D), make(D)), make(2 * H), dropout=0.1)
    y, _ = layer(x, lengths=[5, 2, 0])
    assert y.shape == (STEPS, N, H) and not y.numpy()[2:, 1].any() and not y.numpy()[:, 2].any()
    forwards, _ = run(wrapped := make(D), x.numpy()[::-1].copy())
    backwards, _ = run(wrapped, x, reverse=True)
    np.testing.assert_allclose(backwards.numpy()[::-1], forwards.numpy(), rtol=1e-12)


def test_masks_belong_to_no_step_and_weights_are_masked_once():
    y, _ = run(nn.VariationalDropout(nn.WeightDrop(nn.LSTMCell(D, H), 0.4), 0.2, 0.3), tr.ones(STEPS, N, D))
    for name in ("m", "m_x", "m_h"):
        (mask,) = values(y, name)
        assert mask.op is None and mask.place.step is None
    (dropped,) = (value for value in values(y, "W_h") if value.op is not None)
    assert dropped.place.scope == ("Recurrent", "cell", "cell") and dropped.place.step is None
    products = [v for v in tr.graph.history(y) if v.op is tr.matmul]
    assert {v.place.scope for v in products} == {("Recurrent", "cell", "cell", "cell")} and len(products) == 2 * STEPS


def test_a_state_that_is_learnt():
    h0 = tr.Parameter(random(N, H))
    nn.Recurrent(double(nn.VariationalDropout(nn.RNNCell(D, H), 0.2, 0.3)))(random(STEPS, N, D), h0)[0].sum().backward()
    assert h0.grad.numpy().any()


def test_a_checkpoint_of_the_cell_alone_loads():
    plain, wrapped = nn.LSTMCell(D, H), nn.Zoneout(nn.WeightDrop(nn.LSTMCell(D, H), 0.4), 0.1)
    wrapped.cell.cell.load_state_dict(plain.state_dict())
    for a, b in zip(plain.parameters(), wrapped.parameters()):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


class Parts(nn.Module):
    """Weights in a list, in a dict, shared with a part, which knows its owner."""

    input_size, hidden_size = D, H

    def __init__(self):
        self.inputs = nn.Linear(D, H)
        self.many = [tr.Parameter(random(H, H)), {"other": tr.Parameter(random(H, H))}]
        self.part = nn.Module()
        self.part.owner, self.part.W = self, self.many[0]

    def forward(self, x, h):
        return tr.tanh(self.inputs(x) + (h @ self.part.owner.many[0] + h @ self.part.W) @ tr.tanh(self.many[1]["other"]))


def test_weights_anywhere_in_a_cell_are_dropped_wherever_they_are_used():
    cell, x = double(Parts()), random(STEPS, N, D)
    y, _ = run(nn.WeightDrop(cell, 0.5, weights=["many.0", "many.1.other"]), x)
    first, second = (mask.numpy() for mask in values(y, "m"))
    h, w = np.zeros((N, H)), cell.state_dict()
    for t in range(STEPS):
        u = 2 * h @ (w["many.0"] * first) @ np.tanh(w["many.1.other"] * second)
        h = np.tanh(x[t] @ w["inputs.W"] + w["inputs.b"] + u)
        np.testing.assert_allclose(y.numpy()[t], h, rtol=1e-11)
    y, _ = run(nn.VariationalDropout(cell, 0.0, 0.5, weights="many.0"), x)
    (m_h,) = (mask.numpy() for mask in values(y, "m_h"))
    h = np.zeros((N, H))
    for t in range(STEPS):
        h = np.tanh(x[t] @ w["inputs.W"] + w["inputs.b"] + 2 * (h * m_h) @ w["many.0"] @ np.tanh(w["many.1.other"]))
        np.testing.assert_allclose(y.numpy()[t], h, rtol=1e-11)


# -- without a layer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_loop_of_ones_own_begins_a_sequence(name):
    wrapped, x = WRAPPERS[name](nn.LSTMCell(D, H)), tr.tensor(random(STEPS, N, D).astype("float32"))
    y, last = run(wrapped, x)
    tr.manual_seed(0)
    state = wrapped.initial_state(N)
    step = nn.begin(wrapped, x[0], state)
    for t in range(STEPS):
        with tr.step(t):
            state = step(x[t], state)
        np.testing.assert_array_equal(state[0].numpy(), y.numpy()[t])
    np.testing.assert_array_equal(state[1].numpy(), last[1].numpy())


@pytest.mark.parametrize("name", WRAPPERS)
def test_one_step_by_hand(name):
    """Zoneout draws at each step; the others must know when a sequence begins, unless there is nothing to draw."""
    wrapped, x = WRAPPERS[name](nn.LSTMCell(D, H)), tr.ones(N, D)
    if name == "zoneout":
        assert wrapped(x).h.shape == wrapped(x.numpy(), wrapped.initial_state(N)).c.shape == (N, H)
    else:
        with pytest.raises(RuntimeError, match=r"draws its masks once for a sequence, .* begins with run = nn.begin\(cell"):
            wrapped(x)
    wrapped.eval()
    np.testing.assert_array_equal(wrapped(x).h.numpy(), nn.Recurrent(wrapped)(x.expand_dims(0))[0][0].numpy())


def test_rates_of_zero_change_nothing():
    cell, x = nn.LSTMCell(D, H), random(STEPS, N, D).astype("float32")
    expected, _ = run(cell, x)
    for wrapped in (nn.VariationalDropout(cell, 0.0, 0.0), nn.WeightDrop(cell, 0.0), nn.Zoneout(cell, (0.0, 0.0))):
        np.testing.assert_array_equal(run(wrapped, x)[0].numpy(), expected.numpy())
        assert wrapped(x[0]).h.shape == (N, H)


# -- errors --------------------------------------------------------------------------------------------------------


class Concatenating(nn.Module):
    input_size, hidden_size = D, H

    def __init__(self):
        self.W = tr.Parameter(random(D + H, H))

    def forward(self, x, h):
        return tr.tanh(tr.concatenate(x, h, axis=1) @ self.W)


class Transposing(nn.Module):
    input_size, hidden_size = D, H

    def __init__(self):
        self.W_h = tr.Parameter(random(H, H))

    def forward(self, x, h):
        return tr.tanh(h @ self.W_h.T)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda c: nn.Zoneout(c, 1.0), ValueError, r"Zoneout: rate 1.0 is not in \[0, 1\)"),
        (lambda c: nn.Zoneout(c, (0.1, -0.1)), ValueError, r"Zoneout: rate -0.1 is not in \[0, 1\)"),
        (lambda c: nn.WeightDrop(c, 2), ValueError, r"WeightDrop: rate 2 is not in \[0, 1\)"),
        (lambda c: nn.VariationalDropout(c, 0.1, 1.5), ValueError, r"recurrent_dropout 1.5 is not in \[0, 1\)"),
        (lambda c: nn.WeightDrop(c, 0.1, weights="U"), ValueError, r"RNNCell has no parameter 'U': .* it has W_x, W_h, b"),
        (lambda c: nn.WeightDrop(Concatenating(), 0.1), ValueError, r"no parameter 'W_h': .* weights=\[...\]; it has W$"),
        (lambda c: nn.VariationalDropout(Concatenating(), 0.1, 0.1), ValueError, "Concatenating has no parameter 'W_h'"),
        (lambda c: nn.Zoneout(nn.LSTM(D, H), 0.1), TypeError, r"Zoneout is for cells, .*nn.Recurrent\(nn.Zoneout\("),
        (lambda c: nn.WeightDrop(lambda x, h: h, 0.1), TypeError, "expected a cell, .* not a function"),
    ],
)
def test_what_cannot_be_wrapped(make, error, message):
    with pytest.raises(error, match=message):
        make(nn.RNNCell(D, H))


@pytest.mark.parametrize(
    ("wrapped", "error", "message"),
    [
        (lambda: nn.Zoneout(nn.GRUCell(D, H), (0.1, 0.2)), ValueError, r"2 rates, but the state of GRUCell has 1 part"),
        (
            lambda: nn.VariationalDropout(Concatenating(), 0, 0.5, weights="W"),
            ValueError,
            r"\(3, 6\), .* \(3, 10\): x and h",
        ),
        (lambda: nn.VariationalDropout(Transposing(), 0, 0.5), TypeError, "something else with W_h"),
    ],
)
def test_what_cannot_be_run(wrapped, error, message):
    with pytest.raises(error, match=message):
        nn.Recurrent(wrapped().to(dtype="float64"))(random(STEPS, N, D))


def test_a_wrapper_says_no_more_than_its_cell():
    class Silent(nn.Module):
        def forward(self, x, h):
            return h

    wrapped = nn.Zoneout(Silent(), 0.1)
    assert not hasattr(wrapped, "input_size") and not hasattr(wrapped, "hidden_size")
    with pytest.raises(TypeError, match="Silent does not say how it begins"):
        nn.Recurrent(wrapped)(random(STEPS, N, D))
    assert parts(nn.Recurrent(wrapped)(random(STEPS, N, D), random(N, H))[1])[0].shape == (N, H)
