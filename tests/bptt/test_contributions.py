"""Contributions add up to the gradient, for every network and every way of using a weight; nothing is lost silently."""

import copy

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import bptt, nn
from tinyrnn.bptt.contributions import check_sum

from .models import LAYERS, Leaky, run


def own_loop(w, steps, h=1.0):
    for t in steps:
        with tr.step(t):
            h = tr.tanh(w * h)
    return h


def weight(value=0.5):
    return tr.tensor(np.array(value), requires_grad=True, name="w")


# -- the sum over time is the gradient ----------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LAYERS)
def test_the_sum_over_time_is_the_gradient_of_every_parameter(name, dtype):
    layer, _, loss = run(name, dtype=dtype)
    loss.backward()
    for parameter in layer.parameters():
        parts = bptt.contributions(loss, parameter)
        assert parts.shape == (5, *parameter.shape) and parts.dtype == dtype
        rounding = {"float64": 1e-15, "float32": 1e-7}[dtype]
        np.testing.assert_allclose(parts.sum(axis=0), parameter.grad.numpy(), rtol=0, atol=rounding)
        assert sum(np.abs(part).max() > 0 for part in parts) >= 4  # the first step of a loop reads a state of zeros


@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell, Leaky])
def test_contributions_are_the_gradients_of_weights_that_are_not_shared(make):
    """With a copy of the cell for each step, the gradient of each copy is the contribution of its step."""
    cell = make(3, 4).to(dtype="float64")
    x = np.random.default_rng(0).normal(size=(5, 2, 3))

    def loss_of(cells):
        state, losses = cell.initial_state(2, "float64", "cpu"), []
        for t in range(5):
            with tr.step(t):
                state = cells[t](tr.Tensor(x[t]), state)
                h = state[0] if isinstance(state, tuple) else state
                losses.append((h * h).sum())
        return tr.total(*losses)

    copies = [copy.deepcopy(cell) for _ in range(5)]
    loss_of(copies).backward()
    loss = loss_of([cell] * 5)
    for name, parameter in cell.named_parameters():
        apart = [dict(one.named_parameters())[name].grad.numpy() for one in copies]
        np.testing.assert_allclose(bptt.contributions(loss, parameter), apart, rtol=1e-12, atol=1e-13)


def test_contributions_are_those_of_bptt_by_hand():
    """∂L/∂W = Σₜ hₜ₋₁ᵀ δₜ with δₜ = (∂L/∂yₜ + δₜ₊₁ Wᵀ) ⊙ (1 − hₜ²) (Werbos 1990)."""
    rng = np.random.default_rng(0)
    x, W_x, W_h = rng.normal(size=(6, 2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    layer = nn.RNN(3, 4).to(dtype="float64")
    layer.layer0.W_x.assign(W_x)
    layer.layer0.W_h.assign(W_h)
    y, _ = layer(x)
    h = [np.zeros((2, 4)), *y.numpy()]
    by_hand, delta = {"W_x": [], "W_h": [], "b": []}, np.zeros((2, 4))
    for t in range(6, 0, -1):
        delta = (2 * h[t] + delta @ W_h.T) * (1 - h[t] ** 2)
        for name, part in (("W_x", x[t - 1].T @ delta), ("W_h", h[t - 1].T @ delta), ("b", delta.sum(axis=0))):
            by_hand[name].insert(0, part)
    for name, parts in by_hand.items():
        found = bptt.contributions((y * y).sum(), getattr(layer.layer0, name))
        np.testing.assert_allclose(found, np.array(parts), rtol=1e-12, atol=1e-12)


def test_contributions_are_those_of_lstm_bptt_by_hand():
    """The backward pass of the LSTM with forget gates, unrolled in full (Gers, Schmidhuber & Cummins 2000)."""
    rng = np.random.default_rng(0)
    x, W_x, W_h, b = rng.normal(size=(6, 2, 3)), rng.normal(size=(3, 16)), rng.normal(size=(4, 16)), rng.normal(size=16)
    layer = nn.LSTM(3, 4).to(dtype="float64")
    for name, numbers in {"W_x": W_x, "W_h": W_h, "b": b}.items():
        getattr(layer.layer0, name).assign(numbers)

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    h, c, gates = [np.zeros((2, 4))], [np.zeros((2, 4))], []
    for t in range(6):
        a = np.split(x[t] @ W_x + h[-1] @ W_h + b, 4, axis=1)
        gates.append((sigmoid(a[0]), sigmoid(a[1]), np.tanh(a[2]), sigmoid(a[3])))
        i, f, g, o = gates[-1]
        c.append(f * c[-1] + i * g)
        h.append(o * np.tanh(c[-1]))
    by_hand, from_a, from_c = {"W_x": [], "W_h": [], "b": []}, np.zeros((2, 16)), np.zeros((2, 4))
    for t in range(6, 0, -1):
        i, f, g, o = gates[t - 1]
        dh = 2 * h[t] + from_a @ W_h.T  # of the loss at this step, and of the next step's gates
        dc = dh * o * (1 - np.tanh(c[t]) ** 2) + from_c
        da = (dc * g * i * (1 - i), dc * c[t - 1] * f * (1 - f), dc * i * (1 - g**2), dh * np.tanh(c[t]) * o * (1 - o))
        from_a, from_c = np.concatenate(da, axis=1), dc * f
        for name, part in (("W_x", x[t - 1].T @ from_a), ("W_h", h[t - 1].T @ from_a), ("b", from_a.sum(axis=0))):
            by_hand[name].insert(0, part)
    y, _ = layer(x)
    for name, parts in by_hand.items():
        found = bptt.contributions((y * y).sum(), getattr(layer.layer0, name))
        np.testing.assert_allclose(found, np.array(parts), rtol=1e-10, atol=1e-12)


def test_masked_steps_give_nothing():
    layer, _, loss = run("LSTM", lengths=[3, 2])
    parts = bptt.contributions(loss, layer.layer0.W_h)
    norms = np.linalg.norm(parts, axis=(1, 2))
    assert (norms[1:3] > 0).all() and (norms[3:] == 0).all()


# -- ways of using a weight ----------------------------------------


def test_several_uses_at_one_step_are_one_row():
    w, h = weight(), 1.0
    for t in range(3):
        with tr.step(t):
            h = w * tr.tanh(w * h)
    parts = bptt.contributions(h, w)
    h.backward()
    assert parts.shape == (3,)
    assert parts.sum() == pytest.approx(w.grad.item(), abs=1e-15)


def test_rows_are_in_the_order_of_time_also_if_the_loop_runs_backwards():
    forwards, backwards = weight(), weight()
    there, back = own_loop(forwards, range(4)), own_loop(backwards, range(3, -1, -1))
    np.testing.assert_array_equal(bptt.contributions(there, forwards), bptt.contributions(back, backwards)[::-1])


def test_the_first_row_is_the_first_step_whatever_its_number():
    w, v = weight(), weight()
    np.testing.assert_array_equal(bptt.contributions(own_loop(w, range(7, 10)), w), bptt.contributions(own_loop(v, range(3)), v))
    assert [use.step for use in bptt.uses(own_loop(w, range(7, 10)), w)] == [7, 8, 9]


def test_steps_that_do_not_follow_each_other_are_rows_one_after_the_other():
    w = weight()
    assert bptt.contributions(own_loop(w, (0, 2, 4)), w).shape == (3,)


def test_a_step_that_does_not_use_the_weight_has_a_row_of_zeros():
    w, v, h = weight(), weight(), 1.0
    for t in range(4):
        with tr.step(t):
            h = (w if t % 2 else v) * h
    assert bptt.contributions(h, w).tolist() == [0.0, 0.125, 0.0, 0.125]


def test_steps_behind_a_cut_have_no_rows():
    w = weight()
    h = own_loop(w, range(5))
    tr.unchain(h, before=3)
    assert [use.step for use in bptt.uses(h, w)] == [3, 4]
    assert bptt.contributions(h, w).shape == (2,)


def test_what_is_made_of_the_weight_before_the_loop_is_pulled_back_step_by_step():
    rng = np.random.default_rng(0)
    x, W, U = rng.normal(size=(4, 2, 3)), rng.normal(size=(3, 5)), rng.normal(size=(5, 5))

    def network(before):
        w, u, h = tr.Parameter(W), tr.Parameter(U), np.zeros((2, 5))
        projected, transposed = tr.unstack(x @ w + 1.0), tr.tanh(u.T) * 2.0
        for t in range(4):
            with tr.step(t):
                h = tr.tanh(projected[t] + h @ transposed if before else x[t] @ w + 1.0 + h @ (tr.tanh(u.T) * 2.0))
        return (h * h).sum(), w, u

    there, here = network(before=True), network(before=False)
    for number in (1, 2):
        np.testing.assert_allclose(
            bptt.contributions(there[0], there[number]), bptt.contributions(here[0], here[number]), rtol=1e-12, atol=1e-15
        )


def test_an_embedding_of_the_whole_sequence():
    layer, table = nn.RNN(3, 4).to(dtype="float64"), nn.Embedding(5, 3).to(dtype="float64")
    codes = np.array([[0], [2], [2], [4]])
    y, _ = layer(table(codes))
    parts = bptt.contributions((y * y).sum(), table.W)
    used = np.abs(parts).sum(axis=2) > 0
    np.testing.assert_array_equal(used, np.eye(5, dtype=bool)[codes[:, 0]])


def test_the_gradient_of_an_input_comes_from_its_own_step():
    x = tr.tensor(np.random.default_rng(0).normal(size=(3, 2, 3)), requires_grad=True)
    y, _ = nn.GRU(3, 4).to(dtype="float64")(x)
    parts = bptt.contributions((y * y).sum(), x)
    assert [(s, t) for s in range(3) for t in range(3) if np.abs(parts[s, t]).max() > 0] == [(0, 0), (1, 1), (2, 2)]


def test_a_hidden_state_gets_contributions_from_the_step_that_reads_it():
    loss = run("RNN")[2]
    states = [value for value in tr.graph.history(loss) if value.carried and value.place.step is not None]
    parts = bptt.contributions(loss, states[2], loop=0)
    assert parts.shape == (5, 2, 4) and [bool(np.abs(part).max() > 0) for part in parts] == [False, False, False, True, False]


# -- what is refused ----------------------------------------


def test_a_use_behind_the_loop_is_refused_with_the_remedy_and_kept_by_uses():
    w = weight()
    loss = own_loop(w, range(3)) * w
    with pytest.raises(ValueError, match=r"'w'.*outside any time step, by mul \(outside any module\).*tr\.step\(t\).*bptt\.uses"):
        bptt.contributions(loss, w)
    found = bptt.uses(loss, w)
    loss.backward()
    assert [use.step for use in found] == [0, 1, 2, None]
    assert sum(use.gradient for use in found) == pytest.approx(w.grad.item(), abs=1e-15)


def test_a_parameter_that_is_the_loss():
    w = weight()
    assert [(use.step, float(use.gradient)) for use in bptt.uses(w, w)] == [(None, 1.0)]
    with pytest.raises(ValueError, match="as the loss itself"):
        bptt.contributions(w, w)


def test_what_no_gradient_flows_through_is_no_use():
    w, h = weight(), 1.0
    rows = tr.stack([w, w])
    for t in range(3):
        with tr.step(t):
            h = tr.tanh(w * h) * tr.where(rows > 0, 1.0, 2.0).sum() * tr.detach(rows).sum()
    parts = bptt.contributions(h, w)
    h.backward()
    assert parts.shape == (3,) and parts.sum() == pytest.approx(w.grad.item(), rel=1e-12)


def test_a_projection_of_all_outputs_at_once_belongs_to_no_step():
    layer, scores = nn.RNN(3, 4), nn.Linear(4, 2)
    loss = (scores(layer(np.ones((3, 1, 3), "float32"))[0]) ** 2).sum()
    with pytest.raises(ValueError, match=r"'W'.*by matmul \(in module 'Linear'\)"):
        bptt.contributions(loss, scores.W)
    assert bptt.contributions(loss, layer.layer0.W_h).shape == (3, 4, 4)


def test_two_loops_that_count_alike_are_refused_until_one_is_chosen():
    tr.manual_seed(0)
    cell, x = nn.GRUCell(4, 4).to(dtype="float64"), tr.Tensor(np.random.default_rng(0).normal(size=(5, 2, 4)))
    _, h = nn.unroll(cell, x.unstack(), tr.zeros(2, 4, dtype="float64"))
    _, h = nn.unroll(cell, x.unstack()[:3], h, reverse=True)
    loss = (h * h).sum()
    with pytest.raises(
        ValueError, match=r"2 time loops \(0: GRUCell, steps 0 to 4; 1: GRUCell, steps 0 to 2\).*loop=0.*bptt\.uses"
    ):
        bptt.contributions(loss, cell.W_h)
    encoder, decoder = (bptt.contributions(loss, cell.W_h, loop=n) for n in (0, 1))
    loss.backward()
    assert len(encoder) == 5 and len(decoder) == 3
    np.testing.assert_allclose(encoder.sum(0) + decoder.sum(0), cell.W_h.grad.numpy(), rtol=1e-12, atol=1e-15)
    with pytest.raises(ValueError, match=r"loop=2: 'W_h'.*2 time loop"):
        bptt.contributions(loss, cell.W_h, loop=2)


def test_loops_whose_steps_differ_need_no_choice():
    """Two windows of one sequence."""
    w = weight()
    assert bptt.contributions(own_loop(w, range(3, 6), own_loop(w, range(3))), w).shape == (6,)


def test_a_parameter_without_a_part_in_the_loss_is_refused():
    w, other, fixed = weight(), weight(), tr.tensor(1.0, name="fixed")
    loss = own_loop(w, range(2)) * fixed
    with pytest.raises(ValueError, match="does not depend on 'w'"):
        bptt.contributions(loss, other)
    with pytest.raises(ValueError, match=r"'fixed'.*requires no gradient"):
        bptt.contributions(loss, fixed)
    with pytest.raises(TypeError, match="both Tensors, not float"):
        bptt.contributions(loss, 0.5)
    with pytest.raises(ValueError, match="no scalar"):
        bptt.contributions(tr.stack([loss, loss]), w)


def test_a_part_that_is_missing_or_counted_twice_is_an_error():
    parts = list(np.random.default_rng(0).normal(size=(50, 3, 4)).astype("float32"))
    w = tr.Parameter(np.zeros((3, 4), "float32"), name="w")
    check_sum(w, parts, np.sum(parts, axis=0))
    check_sum(w, parts, np.sum(parts[::-1], axis=0))
    for wrong in (parts[1:], [*parts, parts[0] * 1e-2]):
        with pytest.raises(ArithmeticError, match=r"contributions to 'w'.*do not add up"):
            check_sum(w, wrong, np.sum(parts, axis=0))


def test_a_gradient_that_overflows_is_shown_not_refused():
    w, h = tr.Parameter(np.float32(10.0)), tr.tensor(1.0)
    with np.errstate(over="ignore"):
        for t in range(60):
            with tr.step(t):
                h = h * w
        parts = bptt.contributions(h, w)
    assert parts.shape == (60,) and not np.isfinite(parts).all()


# -- loss step × use step ----------------------------------------


def test_the_matrix_is_causal_and_adds_up():
    layer, y, _ = run("LSTM")
    losses = (y * y).sum(axis=(1, 2))
    matrix = bptt.contribution_matrix(losses, layer.layer0.W_h, arrays=True)
    total = tr.grad(losses.sum(), layer.layer0.W_h).numpy()
    assert matrix.arrays.shape == (5, 5, 4, 16) and matrix.steps == matrix.loss_steps == (0, 1, 2, 3, 4)
    np.testing.assert_allclose(matrix.arrays.sum(axis=(0, 1)), total, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(np.triu(matrix.norms, 1), 0)
    assert (matrix.norms[:, 1:][np.tril_indices(5, -1, 4)] > 0).all()  # the first step reads a state of zeros
    np.testing.assert_allclose(matrix.norms, np.linalg.norm(matrix.arrays, axis=(2, 3)), rtol=1e-12)
    assert matrix.fractions.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(matrix.arrays.sum(axis=0), bptt.contributions(losses.sum(), layer.layer0.W_h), rtol=0, atol=1e-14)


def test_the_losses_may_be_a_list_of_scalars_each_from_its_own_step():
    w, h, losses = weight(), 1.0, []
    for t in range(3, 6):
        with tr.step(t):
            h = tr.tanh(w * h)
            losses.append(h * h)
    matrix = bptt.contribution_matrix(losses, w, arrays=True)
    assert matrix.steps == matrix.loss_steps == (3, 4, 5)
    for row, loss in zip(matrix.arrays, losses):
        parts = bptt.contributions(loss, w)
        np.testing.assert_allclose(row[: len(parts)], parts, rtol=1e-12)
    assert bptt.contribution_matrix(losses, w).arrays is None
    assert repr(matrix) == "<ContributionMatrix of 3 losses × 3 steps, weight ()>"


def test_the_matrix_of_a_reversed_loop_is_the_mirror_image():
    layer, y, _ = run("a user's own, reversed")
    norms = bptt.contribution_matrix((y * y).sum(axis=(1, 2)), layer.cell.U).norms
    np.testing.assert_array_equal(np.tril(norms, -1), 0)
    assert (np.triu(norms)[:, :-1] > 0)[np.triu_indices(5, m=4)].all()


def test_what_is_no_list_of_losses_is_refused():
    layer, y, loss = run("RNN")
    with pytest.raises(ValueError, match=r"shape \(5, 2, 4\), expected \(S,\)"):
        bptt.contribution_matrix(y, layer.layer0.W_h)
    with pytest.raises(ValueError, match="no scalar"):
        bptt.contribution_matrix([y, y], layer.layer0.W_h)
    for wrong in ([], [1.0]):
        with pytest.raises(TypeError, match="one scalar Tensor for each"):
            bptt.contribution_matrix(wrong, layer.layer0.W_h)
    with pytest.raises(ValueError, match="does not depend on"):
        bptt.contribution_matrix([loss], weight())


def test_fractions_of_a_gradient_of_zero_are_missing():
    w, h, losses = weight(), 0.0, []
    for t in range(2):
        with tr.step(t):
            h = w * h
            losses.append(h * h)
    assert np.isnan(bptt.contribution_matrix(losses, w).fractions).all()


# -- on a GPU ----------------------------------------


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1"])
def test_contributions_stay_on_the_device(fake_cupy, device):
    def parts(where):
        tr.manual_seed(0)
        layer = nn.LSTM(3, 4).to(where)
        y, _ = layer(tr.Tensor(np.random.default_rng(0).normal(size=(4, 2, 3)).astype("float32"), device=where))
        losses = (y * y).sum(axis=(1, 2))
        W = layer.layer0.W_h
        return bptt.contributions(losses.sum(), W), bptt.contribution_matrix(losses, W, arrays=True)

    (there, matrix), (here, expected) = parts(device), parts("cpu")
    assert tr.backend.device_of(there) == tr.backend.device_of(matrix.arrays) == tr.Device.parse(device)
    np.testing.assert_allclose(there.get(), here, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(matrix.arrays.get(), expected.arrays, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(matrix.norms, expected.norms, rtol=1e-5, atol=1e-7)
