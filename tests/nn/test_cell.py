"""What a cell is to the time loop: what `begin` is called with, and where; the state with which a cell begins."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn


class Prepared(nn.Module):
    """A cell that makes a weight for each sequence."""

    hidden_size = 3

    def __init__(self):
        self.W_h, self.begun = tr.Parameter(np.eye(3) * 0.5), []

    def begin(self, x, state):
        self.begun.append((x, state))
        (W,) = tr.named(W=tr.tanh(self.W_h))
        return lambda x, h: tr.tanh(x + h @ W)

    def forward(self, x, h):
        return tr.tanh(x + h @ tr.tanh(self.W_h))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [4, 2]])
def test_begin_is_called_once_for_a_sequence(reverse, lengths):
    cell, x = Prepared(), tr.tensor(np.random.default_rng(0).normal(size=(4, 2, 3)))
    layer = nn.Recurrent(cell, reverse=reverse)
    y, _ = layer(x, lengths=lengths)
    ((first, state),) = cell.begun
    np.testing.assert_array_equal(first.numpy(), x[-1 if reverse else 0].numpy())
    assert state.shape == (2, 3) and not state.numpy().any()

    class Plain(Prepared):
        begin = property()  # no begin: `forward` at every step

    plain = Plain()
    expected, _ = nn.Recurrent(plain, reverse=reverse)(x, lengths=lengths)
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    np.testing.assert_allclose(tr.grad(y.sum(), cell.W_h).numpy(), tr.grad(expected.sum(), plain.W_h).numpy(), rtol=1e-12)


def test_what_begins_belongs_to_the_cell_but_to_no_step():
    _, h = nn.Recurrent(Prepared())(tr.ones(4, 2, 3, dtype="float64"))
    mine = [v for v in tr.graph.history(h) if v.op is not None and v.place.scope == ("Recurrent", "cell")]
    assert [v.op.name for v in mine if v.place.step is None] == ["tanh"]
    for t in range(4):
        assert [(v.op.name, v.ordinal) for v in mine if v.place.step == t] == [("matmul", 0), ("add", 1), ("tanh", 2)]


def test_in_a_loop_of_ones_own():
    cell, x, h = Prepared(), tr.ones(3, 2, 3, dtype="float64"), tr.zeros(2, 3, dtype="float64")
    run = nn.begin(cell, x[0], h)
    for t in range(3):
        with tr.step(t):
            h = run(x[t], h)
    assert len(cell.begun) == 1 and h.place.scope == ("Prepared",)
    np.testing.assert_array_equal(h.numpy(), nn.Recurrent(cell)(x)[1].numpy())
    assert nn.begin(nn.RNNCell(3, 4), x[0], h).forward  # a cell without `begin` is its own step


def test_without_steps_nothing_begins():
    cell = Prepared()
    assert nn.unroll(cell, [], tr.ones(2, 3))[0] == [] and not cell.begun


# -- the first state -----------------------------------------------------------------------------------------------


class Sum(nn.Module):
    def forward(self, x, h):
        return h + x


class Sums(nn.Module):
    def forward(self, x, state):
        h, total, steps = state
        return tr.tanh(h + x), total + x, steps + 1.0


def test_a_cell_that_knows_its_size_begins_with_zeros():
    cell = Sum()
    cell.hidden_size = 3
    _, h = nn.Recurrent(cell)(tr.ones(4, 2, 3, dtype="float64"))
    assert h.tolist() == [[4.0] * 3] * 2 and h.dtype == "float64"


def test_a_cell_with_a_state_of_several_parts_begins_with_zeros():
    cell = Sums()
    cell.hidden_size, cell.state_sizes = 3, (3, 3, 1)
    _, (_, total, steps) = nn.Recurrent(cell)(tr.ones(4, 2, 3), lengths=[4, 1])
    assert total.tolist() == [[4.0] * 3, [1.0] * 3] and steps.tolist() == [[4.0], [1.0]]


def test_a_cell_made_from_nn_cell_begins_with_zeros():
    class Own(nn.Cell):
        def __init__(self, inputs, hidden):
            self.input_size, self.hidden_size = inputs, hidden

        def forward(self, x, h):
            return h + x

    assert nn.Recurrent(Own(3, 3))(tr.ones(4, 2, 3))[1].tolist() == [[4.0] * 3] * 2


@pytest.mark.parametrize("cell", [Sum, nn.Cell])
def test_a_cell_that_does_not_say_how_it_begins(cell):
    with pytest.raises(TypeError, match=f"{cell.__name__} does not say how it begins: give the layer a state, .* hidden_size"):
        nn.Recurrent(cell())(tr.ones(4, 2, 3))
