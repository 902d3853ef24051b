"""Layers over time: any cell, both directions, lengths and what padding must not do, initial states, errors."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

LAYERS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


def parts(state):
    return tuple(state) if isinstance(state, tuple) else (state,)


def random(*shape):
    return np.random.default_rng(0).normal(size=shape)


class Leaky(nn.Module):
    """A user's cell: nothing but its equation."""

    def __init__(self, inputs, hidden):
        self.W = tr.Parameter(nn.init.glorot(inputs, hidden).astype("float64"))
        self.U = tr.Parameter(nn.init.orthogonal(hidden, hidden).astype("float64"))

    def forward(self, x, h):
        return 0.9 * h + 0.1 * tr.tanh(x @ self.W + h @ self.U)


class Counting(nn.Module):
    """A user's cell with a plain tuple of three as its state."""

    def forward(self, x, state):
        h, total, steps = state
        return tr.tanh(h + x), total + x, steps + 1.0


# -- any cell ------------------------------------------------------------------------------------------------------


def test_a_cell_of_ones_own():
    cell, x, h0 = Leaky(3, 4), random(5, 2, 3), random(2, 4)
    y, last = nn.Recurrent(cell)(x, h0)
    h = h0
    for t in range(5):
        h = 0.9 * h + 0.1 * np.tanh(x[t] @ cell.W.numpy() + h @ cell.U.numpy())
        np.testing.assert_allclose(y.numpy()[t], h, rtol=1e-13)
    np.testing.assert_array_equal(last.numpy(), y.numpy()[-1])


def test_a_state_of_three_parts():
    x = random(4, 2, 3)
    y, (h, total, steps) = nn.Recurrent(Counting())(x, (np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 1))))
    np.testing.assert_array_equal(y.numpy()[-1], h.numpy())
    np.testing.assert_allclose(total.numpy(), x.sum(0))
    np.testing.assert_array_equal(steps.numpy(), 4.0)


def test_reverse_is_forward_on_the_reversed_sequence():
    cell, x, h0 = Leaky(3, 4), random(5, 2, 3), random(2, 4)
    forward, last = nn.Recurrent(cell)(x[::-1].copy(), h0)
    reverse, first = nn.Recurrent(cell, reverse=True)(x, h0)
    np.testing.assert_array_equal(reverse.numpy(), forward.numpy()[::-1])
    np.testing.assert_array_equal(first.numpy(), last.numpy())


def test_the_first_state_comes_from_the_cell():
    cell = nn.LSTMCell(3, 4)
    y, (h, c) = nn.Recurrent(cell)(random(5, 2, 3).astype("float32"))
    again, _ = nn.Recurrent(cell)(random(5, 2, 3).astype("float32"), cell.initial_state(2))
    assert h.shape == c.shape == (2, 4)
    np.testing.assert_array_equal(y.numpy(), again.numpy())


def test_a_cell_that_does_not_say_how_it_begins():
    with pytest.raises(TypeError, match="Leaky does not say how it begins: give the layer a state"):
        nn.Recurrent(Leaky(3, 4))(random(5, 2, 3))


def test_a_plain_function_unrolls():
    ys, h = nn.unroll(lambda x, h: h + x, tr.unstack(tr.ones(3, 2)), tr.zeros(2))
    assert [y.tolist() for y in ys] == [[1, 1], [2, 2], [3, 3]] and h.tolist() == [3, 3]


def test_every_operation_knows_its_step():
    y, _ = nn.LSTM(3, 4)(tr.ones(5, 2, 3))
    cell = [v for v in tr.graph.history(y) if v.place.scope == ("LSTM", "layer0")]
    steps = {}
    for value in cell:
        steps.setdefault(value.place.step, []).append((value.ordinal, value.op.name))
    assert sorted(steps) == [0, 1, 2, 3, 4]
    assert all(operations == steps[0] for operations in steps.values())


# -- lengths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_each_sequence_as_if_it_were_alone(reverse):
    layer, x, h0 = nn.Recurrent(Leaky(3, 4), reverse=reverse), random(5, 4, 3), random(4, 4)
    lengths = [5, 1, 3, 0]
    close = {"rtol": 1e-13, "atol": 1e-15}  # one row and four are summed in another order: an ulp of numbers around 1
    y, last = layer(x, h0, lengths=lengths)
    for n, length in enumerate(lengths):
        np.testing.assert_array_equal(y.numpy()[length:, n], 0.0)
        if length:
            alone, end = layer(x[:length, n : n + 1], h0[n : n + 1])
            np.testing.assert_allclose(y.numpy()[:length, n], alone.numpy()[:, 0], **close)
            np.testing.assert_allclose(last.numpy()[n], end.numpy()[0], **close)
        else:
            np.testing.assert_array_equal(last.numpy()[n], h0[n])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_what_stands_in_the_padding_reaches_nothing(name, bidirectional):
    layer = LAYERS[name](3, 4, 2, bidirectional=bidirectional).to(dtype="float64")
    x, lengths = random(5, 4, 3), [5, 1, 3, 0]
    padding = np.arange(5)[:, None] >= np.array(lengths)
    results = []
    for filling in (0.0, np.nan, np.inf):
        layer.zero_grad()
        filled = tr.tensor(np.where(padding[..., None], filling, x), requires_grad=True)
        y, state = layer(filled, lengths=lengths)
        (y.sum() + sum((s * s).sum() for s in parts(state))).backward()
        np.testing.assert_array_equal(filled.grad.numpy()[padding], 0.0)
        np.testing.assert_array_equal(y.numpy()[padding], 0.0)
        results.append([y, *parts(state), filled.grad, *(p.grad for p in layer.parameters())])
    for clean, *dirty in zip(*results):
        assert np.isfinite(clean.numpy()).all()
        for other in dirty:
            np.testing.assert_array_equal(clean.numpy(), other.numpy())


def test_lengths_for_states_of_any_rank():
    class Deep(nn.Module):
        def forward(self, x, state):
            h, steps, outer = state
            return tr.tanh(h + x), steps + 1.0, outer + x.expand_dims(1) * x.expand_dims(2)

    x, lengths = random(4, 2, 3), [4, 2]
    _, (_, steps, outer) = nn.Recurrent(Deep())(x, (np.zeros((2, 3)), np.zeros(2), np.zeros((2, 3, 3))), lengths=lengths)
    assert steps.tolist() == lengths
    for n, length in enumerate(lengths):
        np.testing.assert_allclose(outer.numpy()[n], x[:length, n].T @ x[:length, n], rtol=1e-13)


def test_lengths_of_any_kind():
    layer, x = nn.GRU(3, 4), random(5, 2, 3).astype("float32")
    expected = layer(x, lengths=[5, 2])[0].numpy()
    for lengths in ((5, 2), np.array([5, 2], "int32"), tr.tensor(np.array([5, 2]))):
        np.testing.assert_array_equal(layer(x, lengths=lengths)[0].numpy(), expected)


# -- layers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_shapes(name):
    layer = LAYERS[name](3, 4, num_layers=2, bidirectional=True)
    y, state = layer(random(5, 2, 3).astype("float32"))
    assert y.shape == (5, 2, 8)
    assert [part.shape for part in parts(state)] == [(4, 2, 4)] * (2 if name == "LSTM" else 1)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_final_states_are_those_of_the_last_steps(name, bidirectional):
    y, state = LAYERS[name](3, 4, bidirectional=bidirectional)(random(5, 2, 3))
    h = parts(state)[0].numpy()
    np.testing.assert_array_equal(h[0], y.numpy()[-1, :, :4])
    if bidirectional:
        np.testing.assert_array_equal(h[1], y.numpy()[0, :, 4:])


@pytest.mark.parametrize("name", LAYERS)
def test_batch_first(name):
    time_first = LAYERS[name](3, 4, 2, bidirectional=True)
    batch_first = LAYERS[name](3, 4, 2, bidirectional=True, batch_first=True)
    batch_first.load_state_dict(time_first.state_dict())
    x = random(5, 2, 3)
    y, state = time_first(x, lengths=[3, 5])
    z, other = batch_first(x.transpose(1, 0, 2).copy(), lengths=[3, 5])
    np.testing.assert_array_equal(z.numpy(), y.numpy().transpose(1, 0, 2))
    for a, b in zip(parts(state), parts(other)):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("name", LAYERS)
def test_a_state_carried_from_window_to_window(name):
    layer, x = LAYERS[name](3, 4, 2).to(dtype="float64"), random(6, 2, 3)
    whole, end = layer(x)
    first, state = layer(x[:2])
    second, last = layer(x[2:], state)
    np.testing.assert_allclose(np.concatenate([first.numpy(), second.numpy()]), whole.numpy(), rtol=1e-12)
    for a, b in zip(parts(end), parts(last)):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_a_gradient_flows_through_a_carried_state_until_it_is_cut():
    layer, x = nn.LSTM(3, 4), tr.tensor(random(2, 1, 3), requires_grad=True)
    _, (h, c) = layer(x)
    y, _ = layer(np.ones((1, 1, 3)), (h, c))
    assert tr.grad(y.sum(), x) is not None
    h.unchain(), c.unchain()
    y, _ = layer(np.ones((1, 1, 3)), (h, c))
    assert tr.grad(y.sum(), x) is None


def test_one_step_and_one_sequence():
    for make in LAYERS.values():
        y, _ = make(1, 1)(np.ones((1, 1, 1), "float32"))
        assert y.shape == (1, 1, 1) and y.dtype == "float32"


def test_an_empty_batch():
    y, (h, c) = nn.LSTM(3, 4)(np.ones((5, 0, 3), "float32"), lengths=[])
    assert y.shape == (5, 0, 4) and h.shape == c.shape == (1, 0, 4)


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nn.LSTM(3, 4)(np.ones((5, 3))),
            ValueError,
            r"LSTM: x has shape \(5, 3\), expected \(T, N, I\).*expand_dims\(1\)",
        ),
        (lambda: nn.LSTM(3, 4, batch_first=True)(np.ones((5, 3))), ValueError, r"expected \(N, T, I\).*expand_dims\(0\)"),
        (lambda: nn.GRU(3, 4)(np.ones((5, 2, 7))), ValueError, r"\(T, N, I\) with I = 7, but input_size = 3"),
        (lambda: nn.GRU(3, 4)(np.ones((0, 2, 3))), ValueError, "the sequence has no steps"),
        (lambda: nn.GRU(3, 4)(np.ones((5, 2, 3), int)), TypeError, "dtype int64, expected floats; .*nn.Embedding"),
        (lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), np.ones((2, 4))), ValueError, r"h has shape \(2, 4\), expected \(1, 2, 4\)"),
        (lambda: nn.LSTM(3, 4)(np.ones((5, 2, 3)), np.ones((1, 2, 4))), ValueError, "the state has 1 parts, expected h, c"),
        (
            lambda: nn.LSTM(3, 4)(np.ones((5, 2, 3)), (np.ones((1, 2, 4)), np.ones((1, 2, 5)))),
            ValueError,
            r"c has shape \(1, 2, 5\), expected \(1, 2, 4\)",
        ),
        (
            lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=[5, 6]),
            ValueError,
            "lengths run from 5 to 6, but the sequences have 5 steps",
        ),
        (lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=[5, -1]), ValueError, "lengths run from -1 to 5"),
        (lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=[5]), ValueError, r"lengths must be 2 integers.* shape \(1,\)"),
        (lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=[5.0, 2.5]), ValueError, "2 integers.* not float64: .*dtype=int"),
        (
            lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=tr.tensor([5, 2])),
            ValueError,
            "2 integers.* not float32: .*dtype=int",
        ),
        (lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=5), ValueError, r"2 integers, one per sequence, e.g. \[5, 5\]"),
        (lambda: nn.RNN(0, 4), ValueError, "RNN: input_size must be a whole number from 1, not 0"),
        (lambda: nn.LSTM(3, 4, num_layers=1.5), ValueError, "num_layers must be a whole number from 1, not 1.5"),
        (lambda: nn.LSTM(3, 4, dropout=1.0), ValueError, r"rate 1.0 is not in \[0, 1\)"),
        (lambda: nn.RNN(3, 4, nonlinearity="sin"), ValueError, "expected 'tanh' or 'relu'"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("n", [1, 3])
def test_the_batch_of_the_initial_state_is_that_of_x(n):
    for call in (
        lambda: nn.Recurrent(Leaky(3, 4))(random(5, 2, 3), random(n, 4)),
        lambda: nn.Recurrent(nn.GRUCell(3, 4))(random(5, 2, 3), random(n, 4)),
        lambda: nn.unroll(Leaky(3, 4), tr.unstack(tr.ones(5, 2, 3)), tr.ones(n, 4)),
    ):
        with pytest.raises(ValueError, match=rf"the initial state has shape \({n}, 4\), but x has 2 sequences"):
            call()
    with pytest.raises(ValueError, match="but x has 1 sequences"):  # this one would not even change its shape
        nn.Recurrent(Leaky(3, 4))(random(5, 1, 3), random(2, 4))


def test_the_callers_own_tensors_are_not_renamed():
    x, z = tr.ones(5, 2, 3), tr.zeros(2, 4)
    with tr.recording():
        y, _ = nn.Recurrent(nn.LSTMCell(3, 4))(x, (z, z))
    assert x.name is None and z.name is None and not z.carried
    leaves = {v.name: v for v in tr.graph.history(y) if v.op is None and not v.requires_grad}
    assert {"h", "c"} <= leaves.keys() and leaves["h"].carried
    nn.LSTM(3, 4)(x)
    assert x.name is None


def test_an_initial_state_changed_before_backward():
    layer, x, h = nn.RNN(3, 4), tr.ones(5, 2, 3), tr.ones(1, 2, 4)
    y, _ = layer(x, h)
    loss = y.sum()
    h.assign(h * 0.0)  # the layer has a copy of the state
    expected = tr.grad(layer(x, tr.ones(1, 2, 4))[0].sum(), layer.layer0.W_h)
    np.testing.assert_array_equal(tr.grad(loss, layer.layer0.W_h).numpy(), expected.numpy())


def test_learnt_initial_states_and_recorded_ones_get_their_gradients():
    cell, h0 = Leaky(3, 4), tr.Parameter(random(2, 4))
    nn.Recurrent(cell)(random(5, 2, 3), h0)[0].sum().backward()
    direct, h0.grad = h0.grad.numpy(), None
    nn.Recurrent(cell)(random(5, 2, 3), h0 * 1.0)[0].sum().backward()
    assert direct.any()
    np.testing.assert_allclose(h0.grad.numpy(), direct, rtol=1e-12)


def test_what_a_cell_returns_must_be_its_state():
    class Forgetful(nn.Module):
        def forward(self, x, state):
            return tr.tanh(x)

    class Growing(nn.Module):
        def forward(self, x, h):
            return tr.concatenate(h, h, axis=1)

    with pytest.raises(
        TypeError, match=r"Forgetful.forward\(x, state\) must return the next state as it got the last one, 2 Tensor"
    ):
        nn.Recurrent(Forgetful())(np.ones((5, 2, 3)), (np.ones((2, 3)), np.ones((2, 3))))
    with pytest.raises(ValueError, match=r"Growing: the state before has shape \(2, 3\), the state after it \(2, 6\)"):
        nn.Recurrent(Growing())(np.ones((5, 2, 3)), np.ones((2, 3)))


def test_devices_are_not_mixed(fake_cupy):
    with pytest.raises(tr.DeviceError, match="cuda:0"):
        nn.LSTM(3, 4).to("cuda")(np.ones((5, 2, 3), "float32"))
