"""One step of each cell: shapes, states, biases, gradients to second order, names, errors."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

CELLS = {
    "RNN": lambda i=3, h=4, **o: nn.RNNCell(i, h, **o),
    "RNN relu": lambda i=3, h=4, **o: nn.RNNCell(i, h, nonlinearity="relu", **o),
    "LSTM": lambda i=3, h=4, **o: nn.LSTMCell(i, h, **o),
    "GRU": lambda i=3, h=4, **o: nn.GRUCell(i, h, **o),
    "GRU, reset before": lambda i=3, h=4, **o: nn.GRUCell(i, h, reset_after=False, **o),
    "IRNN": lambda i=3, h=4, **o: nn.IRNNCell(i, h, **o),
    "MGU": lambda i=3, h=4, **o: nn.MGUCell(i, h, **o),
    "peephole LSTM": lambda i=3, h=4, **o: nn.PeepholeLSTMCell(i, h, **o),
    "LSTM with projection": lambda i=3, h=4, **o: nn.LSTMCell(i, h, proj_size=2, **o),
    "layer-normalised LSTM": lambda i=3, h=4, **o: nn.LayerNormLSTMCell(i, h, **o),
    "layer-normalised GRU": lambda i=3, h=4, **o: nn.LayerNormGRUCell(i, h, **o),
}


def parts(state):
    return tuple(state) if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_to_second_order(name, bias):
    cell = CELLS[name](2, 3, bias=bias).to(dtype="float64")
    rng = np.random.default_rng(3)
    cell.load_state_dict({key: rng.normal(size=p.shape) for key, p in cell.named_parameters()})
    x = tr.tensor(rng.normal(size=(2, 2)), requires_grad=True)
    state = [tr.tensor(rng.normal(size=p.shape), requires_grad=True) for p in parts(cell.initial_state(2))]

    def out(x, *rest):
        new = parts(cell(x, tuple(rest[: len(state)]) if len(state) > 1 else rest[0]))
        return sum((h * h).sum() for h in new)

    assert tr.gradcheck(out, [x, *state, *cell.parameters()], order=2)


@pytest.mark.parametrize("name", CELLS)
def test_without_a_bias_there_is_none(name):
    cell = CELLS[name](bias=False)
    assert not [key for key, _ in cell.named_parameters() if key.rpartition(".")[2].startswith("b")]
    still = parts(cell(tr.zeros(2, 3), cell.initial_state(2)))[0]
    np.testing.assert_array_equal(still.numpy(), 0.0)


@pytest.mark.parametrize("name", CELLS)
def test_initial_state(name):
    cell = CELLS[name]()
    for part, size in zip(parts(cell.initial_state(5, dtype="float64")), (cell.output_size, 4)):
        assert part.shape == (5, size) and part.dtype == "float64" and not part.numpy().any()


def test_shapes_of_the_weights():
    shapes = {name: {key: p.shape for key, p in make().named_parameters()} for name, make in CELLS.items()}
    assert shapes == {
        "RNN": {"W_x": (3, 4), "W_h": (4, 4), "b": (4,)},
        "RNN relu": {"W_x": (3, 4), "W_h": (4, 4), "b": (4,)},
        "LSTM": {"W_x": (3, 16), "W_h": (4, 16), "b": (16,)},
        "GRU": {"W_x": (3, 12), "W_h": (4, 12), "b": (12,), "b_h": (12,)},
        "GRU, reset before": {"W_x": (3, 12), "W_h": (4, 8), "b": (12,), "W_n": (4, 4)},
        "IRNN": {"W_x": (3, 4), "W_h": (4, 4), "b": (4,)},
        "MGU": {"W_x": (3, 8), "W_h": (4, 4), "b": (8,), "W_n": (4, 4)},
        "peephole LSTM": {"W_x": (3, 16), "W_h": (4, 16), "b": (16,), "p_i": (4,), "p_f": (4,), "p_o": (4,)},
        "LSTM with projection": {"W_x": (3, 16), "W_h": (2, 16), "b": (16,), "W_p": (4, 2)},
        "layer-normalised LSTM": {
            **{"W_x": (3, 16), "W_h": (4, 16), "norm_x.gain": (16,), "norm_x.bias": (16,)},
            **{"norm_h.gain": (16,), "norm_h.bias": (16,), "norm_c.gain": (4,), "norm_c.bias": (4,)},
        },
        "layer-normalised GRU": {
            **{"W_x": (3, 12), "W_h": (4, 12), "norm_x.gain": (8,), "norm_x.bias": (8,), "norm_h.gain": (8,)},
            **{"norm_h.bias": (8,), "norm_xn.gain": (4,), "norm_xn.bias": (4,), "norm_hn.gain": (4,), "norm_hn.bias": (4,)},
        },
    }


def test_results_are_called_as_in_the_equations():
    cell = nn.LSTMCell(3, 4)
    h, c = cell(tr.ones(2, 3), cell.initial_state(2))
    names = {value.name for value in tr.graph.history(h, c)}
    assert (h.name, c.name) == ("h", "c") and {"i", "f", "g", "o", "W_x", "W_h", "b"} <= names


def test_large_numbers_do_not_overflow():
    for make in CELLS.values():
        cell = make()
        x = tr.tensor(np.full((1, 3), 1e4, "float32"), requires_grad=True)
        h = parts(cell(x, cell.initial_state(1)))[0]
        h.sum().backward()
        assert np.isfinite(h.numpy()).all() and np.isfinite(x.grad.numpy()).all()


def test_errors():
    with pytest.raises(ValueError, match="nonlinearity 'sin': expected 'tanh' or 'relu'"):
        nn.RNNCell(3, 4, nonlinearity="sin")
    for sizes in ((0, 4), (3, -1), (3.0, 4)):
        for make in (nn.RNNCell, nn.LSTMCell, nn.GRUCell):
            with pytest.raises(ValueError, match=rf"{make.__name__}: (input|hidden)_size must be a whole number from 1"):
                make(*sizes)
    for shape in ((2, 5), (3,), (1, 2, 3)):
        with pytest.raises(ValueError, match=r"RNNCell: x must be \(N, input_size\) = \(N, 3\), but has shape"):
            nn.RNNCell(3, 4)(tr.ones(*shape), tr.zeros(2, 4))


@pytest.mark.parametrize("name", CELLS)
def test_a_state_that_would_broadcast_is_an_error(name):
    cell = CELLS[name]()
    for shape in ((1, 4), (4,), (3, 4), (2, 1), (), (2, 4, 1)):
        state = tr.zeros(*shape)
        with pytest.raises(ValueError, match=r"state must be .*\(2, 4\).*, but is a .*Tensor of shape"):
            cell(tr.ones(2, 3), (state, state) if "LSTM" in name else state)


def test_the_form_of_the_state():
    h = tr.zeros(2, 4)
    with pytest.raises(
        ValueError, match=r"LSTMCell: state must be \(h, c\), each \(N, hidden_size\) = \(2, 4\), but is a Tensor"
    ):
        nn.LSTMCell(3, 4)(tr.ones(2, 3), h)
    with pytest.raises(ValueError, match=r"LSTMCell: state must be \(h, c\), .* a tuple of a Tensor of shape \(2, 4\)$"):
        nn.LSTMCell(3, 4)(tr.ones(2, 3), (h,))
    for cell in (nn.GRUCell(3, 4), nn.RNNCell(3, 4)):
        with pytest.raises(ValueError, match=r"state must be h \(N, hidden_size\) = \(2, 4\), but is a tuple of a Tensor"):
            cell(tr.ones(2, 3), (h,))
        with pytest.raises(ValueError, match="but is a LSTMState of"):
            cell(tr.ones(2, 3), nn.LSTMState(h, h))


@pytest.mark.parametrize("name", CELLS)
def test_no_state_is_the_initial_one_and_lists_become_tensors(name):
    cell = CELLS[name]()
    zeros = [[0.0] * 4]
    state = [[[0.0] * cell.output_size], zeros] if "LSTM" in name else zeros
    expected = parts(cell(tr.ones(1, 3), cell.initial_state(1)))
    for found in (cell([[1.0] * 3]), cell([[1.0] * 3], state)):
        for a, b in zip(expected, parts(found)):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
