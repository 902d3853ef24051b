"""Shares, gradients, higher derivatives, and the errors of the backward walk."""

import gc
import os
import weakref

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import autodiff, nn


def leaf(data, dtype="float64", name=None):
    return tr.tensor(np.asarray(data, dtype), requires_grad=True, name=name)


def rnn(T, w, u, xs):
    """h_t = tanh(w h_{t−1} + u x_t), written with the engine alone."""
    h = tr.tensor(np.zeros(3))
    for t in range(T):
        with tr.step(t):
            h = tr.tanh(h @ w + xs[t] @ u)
    return (h * h).sum()


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    w, u, xs = leaf(rng.normal(size=(3, 3)) / 2, name="w"), leaf(rng.normal(size=(2, 3)), name="u"), rng.normal(size=(5, 2))
    return w, u, xs


# -- shares ----------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_sum_over_all_uses_is_the_gradient(network, create_graph):
    w, u, xs = network
    loss = rnn(5, w, u, xs)
    shares = autodiff.recorded_shares(loss, tr.tensor(np.array(1.0))) if create_graph else autodiff.shares(loss, np.array(1.0))
    summed = {w: 0.0, u: 0.0}
    for share in shares:
        if share.into in summed:
            summed[share.into] = summed[share.into] + share.gradient
    loss.backward()
    for leaf_ in (w, u):
        np.testing.assert_allclose(np.asarray(summed[leaf_]), leaf_.grad.numpy(), rtol=1e-13)


def test_one_share_per_time_step_the_youngest_first(network):
    w, u, xs = network
    steps = [s.through.place.step for s in autodiff.shares(rnn(5, w, u, xs), np.array(1.0)) if s.into is w]
    assert steps == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_walk_among_some_values_passes_through_no_others(network, create_graph):
    w, u, xs = network
    loss = rnn(3, w, u, xs)
    states = [value for value in tr.graph.history(loss) if value.op is not None and value.op.name == "tanh"]
    among = {value for value in tr.graph.history(loss) if value.op is not None and value.serial > states[1].serial} | {w}
    seed = autodiff.seed_of(loss, create_graph=create_graph)
    walk = (autodiff.recorded_shares if create_graph else autodiff.shares)(loss, seed, among=among)
    found = {share.into for share in walk}
    assert w in found and states[2] in found and u not in found and states[1] not in found
    assert found <= among


def test_a_share_belongs_to_one_use_and_has_the_shape_of_what_it_flows_into():
    a, b = leaf([1.0, 2.0]), leaf(3.0)
    y = a * b
    found = {(s.into, s.through): s.gradient for s in autodiff.shares((y * y).sum(), np.array(1.0))}
    np.testing.assert_allclose(found[a, y], [18.0, 36.0])
    np.testing.assert_allclose(found[b, y], 6 * (1 + 4))
    assert found[b, y].shape == ()


@pytest.mark.parametrize("T", [1, 31, 32, 33, 70])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uses_of_a_weight_that_are_differentiated_together(T, dtype):
    """`backward` may compute the shares of a weight over many steps in one product; the sum is the same."""
    rng = np.random.default_rng(T)
    w, u, xs = (
        leaf(rng.normal(size=(3, 3)) / 3, dtype),
        leaf(rng.normal(size=(2, 3)), dtype),
        rng.normal(size=(T, 4, 2)).astype(dtype),
    )

    def loss():
        h = tr.tensor(np.zeros((4, 3), dtype))
        for t in range(T):
            with tr.step(t):
                h = tr.tanh(h @ w + xs[t] @ u)
        return (h * h).sum() + (w * w).sum()

    plain, recorded = tr.grad(loss(), [w, u]), tr.grad(loss(), [w, u], create_graph=True)
    loss().backward()
    exact = 1e-5 if dtype == "float32" else 1e-12
    for a, b, c in zip(plain, recorded, (w.grad, u.grad), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=exact, atol=exact)
        np.testing.assert_array_equal(a.numpy(), c.numpy())


# -- gradients ----------------------------------------


def test_backward_accumulates_until_the_gradient_is_cleared():
    w = leaf(2.0)
    (w * w).backward()
    (w * w * w).backward()
    assert w.grad.item() == 4 + 12
    w.grad = None
    (w * 1).backward()
    assert w.grad.item() == 1


def test_gradients_of_two_leaves_never_share_memory():
    a, b = leaf([1.0]), leaf([1.0])
    (a + b).sum().backward()
    assert not np.shares_memory(a.grad.data, b.grad.data)
    (a + b).sum().backward()
    assert a.grad.tolist() == b.grad.tolist() == [2.0]


def test_a_leaf_that_is_the_output():
    w = leaf(2.0)
    w.backward()
    assert w.grad.item() == 1.0
    assert tr.grad(w, w).item() == 1.0


def test_backward_with_a_given_gradient():
    x = leaf([1.0, 2.0])
    (x * x).backward(np.array([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 40.0]
    g = tr.grad(x * x, x, gradient=tr.tensor(np.array([1.0, 0.0])))
    assert g.tolist() == [2.0, 0.0]


def test_the_given_gradient_may_itself_be_differentiated():
    x, v = leaf([1.0, 2.0]), leaf([3.0, 5.0])
    g = tr.grad(x**3, x, gradient=v, create_graph=True)
    assert tr.grad(g.sum(), v).tolist() == [3.0, 12.0]


def test_a_given_gradient_of_another_shape():
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\), but .* has \(2,\)"):
        (x * x).backward(np.ones(3))


def test_backward_from_what_is_no_scalar():
    x = leaf([1.0, 2.0])
    with pytest.raises(
        ValueError, match=r"'mul' of shape \(2,\) is no scalar: reduce it .* or give backward a gradient of shape \(2,\)"
    ):
        (x * x).backward()
    x = leaf([[3.0]])
    (x * x).backward()  # one number is a scalar in any shape
    assert x.grad.tolist() == [[6.0]]


def test_backward_from_what_depends_on_nothing():
    with pytest.raises(RuntimeError, match="depends on nothing that requires a gradient"):
        (tr.tensor(1.0) * 2).backward()
    w = leaf(1.0)
    with tr.no_grad():
        y = w * 2
    with pytest.raises(RuntimeError, match="outside no_grad"):
        y.backward()


def test_grad_returns_and_touches_nothing():
    w, v, other = leaf(2.0), leaf(3.0), leaf(4.0)
    y = w * w * v
    assert [g.item() for g in tr.grad(y, (w, v))] == [12.0, 4.0]
    assert tr.grad(y, [other]) == (None,)
    assert tr.grad(y, other) is None
    assert w.grad is None and v.grad is None and other.grad is None


def test_grad_towards_values_inside_the_history():
    w = leaf(2.0)
    h1 = w * 3
    h2 = h1 * h1
    y = h2 * w
    assert [g.item() for g in tr.grad(y, [h2, h1, w])] == [2.0, 24.0, 108.0]
    assert tr.grad(y, y).item() == 1.0
    assert [g.item() for g in tr.grad(y, [h1, y], create_graph=True)] == [24.0, 1.0]


def test_grad_of_something_that_is_no_tensor():
    w = leaf(1.0)
    with pytest.raises(TypeError, match="inputs must be Tensors, not ndarray"):
        tr.grad(w * 2, [np.ones(2)])


def test_detach_stops_the_gradient():
    w = leaf(3.0)
    y = w * w.detach()
    y.backward()
    assert w.grad.item() == 3.0
    assert not w.detach().requires_grad
    assert np.shares_memory(w.detach().data, w.data)  # nothing is copied


def test_only_what_needs_a_gradient_is_differentiated(monkeypatch):
    from tinyrnn.ops import linalg

    def never(*args):
        raise AssertionError("differentiated by an input that asks for no gradient")

    monkeypatch.setattr(tr.matmul, "pullbacks", (never, linalg._right))
    w = leaf(np.ones((2, 2)))
    (tr.tensor(np.ones((1, 2))) @ w).sum().backward()
    assert w.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


# -- higher derivatives ----------------------------------------


def test_derivatives_of_any_order():
    x = leaf(0.7)
    y, t = tr.tanh(x), np.tanh(0.7)
    exact = [1 - t**2, -2 * t * (1 - t**2), (1 - t**2) * (6 * t**2 - 2), 8 * t * (1 - t**2) * (2 - 3 * t**2)]
    for derivative in exact:
        y = tr.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(derivative, rel=1e-12)


def test_order_3_of_a_network(network):
    w, u, xs = network
    tr.gradcheck(lambda w, u: rnn(2, w, u, xs), [w, u], order=3, rtol=1e-4, atol=1e-6)


def test_hessian_of_a_quadratic_form():
    A = np.random.default_rng(1).normal(size=(3, 3))
    x = leaf([1.0, 2.0, 3.0])
    g = tr.grad(x @ A @ x, x, create_graph=True)
    hessian = np.stack([tr.grad(g[i], x).numpy() for i in range(3)])
    np.testing.assert_allclose(hessian, A + A.T, rtol=1e-12)


def test_create_graph_leaves_differentiable_gradients():
    w = leaf(2.0)
    (w**3).backward(create_graph=True)
    assert w.grad.requires_grad
    assert tr.grad(w.grad, w).item() == 12.0


def test_gradient_penalty_step():
    """The gradient of a loss in which a gradient stands, against finite differences."""
    rng = np.random.default_rng(0)

    def penalised(x, W):
        y = tr.tanh(x @ W).sum()
        g = tr.grad(y, x, create_graph=True)
        return y + (g * g).sum()

    tr.gradcheck(penalised, [rng.normal(size=(2, 3)), rng.normal(size=(3, 2))], order=2, rtol=1e-4)


# -- release ----------------------------------------


def test_release_frees_the_history_and_leaves_the_gradients(network):
    w, u, xs = network
    loss = rnn(5, w, u, xs)
    loss.backward()
    expected = w.grad.numpy().copy()
    w.grad = u.grad = None
    number, inner = loss.item(), weakref.ref(loss.args[0])
    loss.backward(release=True)
    np.testing.assert_array_equal(w.grad.numpy(), expected)
    assert inner() is None
    assert loss.item() == number


def test_backward_after_release_is_an_error():
    w = leaf(2.0)
    y = tr.tanh(w)
    loss = y * y
    loss.backward(release=True)
    with pytest.raises(RuntimeError, match=r"has let its history go in backward\(release=True\)"):
        loss.backward()
    with pytest.raises(RuntimeError, match="has let its history go"):
        (y * 2).backward()  # also from another value that leads there
    with pytest.raises(RuntimeError, match="has let its history go"):
        tr.grad(loss, w)
    assert w.grad.item() == pytest.approx(2 * np.tanh(2) * (1 - np.tanh(2) ** 2))


def test_release_and_create_graph_exclude_each_other():
    w = leaf(2.0)
    with pytest.raises(ValueError, match="choose one of them"):
        (w * w).backward(create_graph=True, release=True)


def test_backward_twice_without_release():
    w = leaf(2.0)
    loss = w * w
    loss.backward()
    loss.backward()
    assert w.grad.item() == 8.0


# -- changes in place ----------------------------------------


def test_a_leaf_changed_before_it_is_used_is_fine():
    w = leaf(2.0)
    w.assign(3.0)
    loss = w * w
    loss.backward()
    assert w.grad.item() == 6.0


def test_a_change_matters_only_to_what_was_computed_before():
    w, v = leaf(2.0, name="w"), leaf(5.0)
    y = w * v
    w.assign(3.0)
    z = w * v
    assert tr.grad(z, v).item() == 3.0
    with pytest.raises(RuntimeError, match=r"'w'.*changed in place"):
        tr.grad(y, v)


def test_release_after_a_refused_backward_is_still_possible_anew():
    layer = nn.RNN(2, 3)
    loss = (layer(tr.ones(2, 1, 2))[0] ** 2).sum()
    for parameter in layer.parameters():
        parameter.assign(parameter.numpy() * 0.5)
    with pytest.raises(RuntimeError, match="was changed in place after"):
        loss.backward()
    (layer(tr.ones(2, 1, 2))[0] ** 2).sum().backward()


def test_an_update_after_backward_is_fine_over_and_over():
    w = leaf(1.0)
    for _ in range(3):
        (w * w).backward()
        with tr.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    assert w.item() == pytest.approx(0.8**3)


# -- anomalies ----------------------------------------


def test_anomaly_in_the_forward_pass_names_operation_module_and_step():
    class Cell(nn.Module):
        def forward(self, x, h):
            return tr.log(x - h)

    xs = [tr.tensor([3.0], requires_grad=True), tr.tensor([1.0]), tr.tensor([1.0])]
    h, cell = tr.tensor([0.0]), Cell()
    cell.name = "cell"
    with (
        tr.detect_anomaly(),
        pytest.raises(FloatingPointError, match=r"log gave nan \(in module 'cell', at step 1\).*\[-0.09861"),
    ):
        for t, x in enumerate(xs):
            with tr.step(t), np.errstate(all="ignore"):
                h = cell(x, h)


def test_anomaly_in_the_backward_pass_names_operation_module_and_step():
    x = tr.tensor([0.0, 1.0], requires_grad=True)
    with tr.scope("decoder"), tr.step(3):
        y = tr.sqrt(x)  # fine forward; its derivative at 0 is infinite
    with tr.detect_anomaly(), np.errstate(all="ignore"):
        with pytest.raises(
            FloatingPointError, match=r"sqrt's gradient towards argument 0 gave inf \(in module 'decoder', at step 3\)"
        ):
            y.sum().backward()
        with pytest.raises(FloatingPointError, match=r"gave inf .in module 'decoder', at step 3"):
            tr.grad(y.sum(), x, create_graph=True)


def test_without_the_detector_nothing_is_checked():
    with np.errstate(all="ignore"):
        assert np.isinf(tr.log(tr.tensor(0.0)).item())


# -- memory ----------------------------------------


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads the size of the process from /proc")
def test_1_000_training_steps_with_the_garbage_collector_off_leave_memory_flat():
    tr.manual_seed(0)
    layer, head = nn.LSTM(4, 8), nn.Linear(8, 2)
    parameters = [*layer.parameters(), *head.parameters()]
    x, target = tr.randn(6, 3, 4), tr.randn(6, 3, 2)

    def train(steps):
        for _ in range(steps):
            y, _ = layer(x)
            error = head(y) - target
            loss = (error * error).mean()
            loss.backward()
            for parameter in parameters:
                parameter.assign(parameter.data - 0.01 * parameter.grad.data)
                parameter.grad = None
        return loss.item()

    gc.collect()
    gc.disable()
    try:
        before = train(100)
        objects, size = len(gc.get_objects()), resident()
        after = train(1_000)
        grown = len(gc.get_objects()) - objects
        assert resident() - size < 4 << 20
        assert grown < 50
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        ours = [o for o in gc.garbage if isinstance(o, (tr.Tensor, autodiff.Share)) or type(o).__module__.startswith("tinyrnn")]
        assert not ours
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert after < before


@pytest.mark.parametrize("create_graph", [False, True])
def test_no_reference_cycle_is_left_by_forward_and_backward(network, create_graph):
    w, u, xs = network
    gc.collect()
    gc.disable()
    try:
        loss = rnn(3, w, u, xs)
        watched = [weakref.ref(v) for v in tr.graph.history(loss) if v.op is not None]
        loss.backward(create_graph=create_graph)
        del loss
        w.grad = u.grad = None
        assert [ref for ref in watched if ref() is not None] == []
    finally:
        gc.enable()


def test_any_leaf_changed_in_place_is_noticed():
    x, w = tr.tensor([1.0, 2.0]), leaf(np.ones(2))
    y = (w * x).sum()
    x.assign([30.0, 40.0])
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_changing_a_detached_value_leaves_the_history_alone():
    w = leaf(np.array([2.0]))
    h = w * 1.0
    state = h.detach()
    y = (h * h).sum()
    state.assign([0.0])  # a state is set back between two windows
    y.backward()
    assert w.grad.item() == 4.0 and h.item() == 2.0 and state.item() == 0.0
    w.detach().assign([9.0])
    assert w.item() == 2.0


def test_another_array_in_a_parameter_is_a_change():
    w = tr.Parameter([1.0, 2.0])
    y = (w * w).sum()
    w.data = np.array([30.0, 40.0], "float32")
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    with pytest.raises(ValueError, match="read-only"):
        w.data[0] = 1.0


@pytest.mark.parametrize("dtype", [int, bool])
def test_no_gradient_comes_back_through_integers(dtype):
    x = leaf(np.array([1.7, 2.0]))
    (x.astype(dtype) * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), x.numpy().astype(dtype))


def test_an_integer_leaf_told_to_require_a_gradient():
    x = tr.tensor(np.arange(3))
    x.requires_grad = True
    with pytest.raises(TypeError, match="only floats have gradients"):
        (x * 0.5).sum().backward()


def test_the_gradient_of_relu_where_an_infinity_comes_back():
    x = leaf(np.array([-1.0, 1.0]))
    tr.relu(x).backward(np.array([np.inf, 1.0]))
    assert x.grad.tolist() == [0.0, 1.0]


def test_unchain_takes_the_state_of_a_cell():
    w = leaf(2.0)
    state = (w * 1.0, w * 3.0)
    tr.unchain(state)
    assert not state[0].requires_grad and not state[1].requires_grad
