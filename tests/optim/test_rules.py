"""The update rules against their own equations, in place, on every device; PyTorch is met in tests/nn/test_against_torch.py."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, optim

EVERY = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "SGD, momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "SGD, Nesterov, decay": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "RMSprop": lambda p: optim.RMSprop(p),
    "RMSprop, all": lambda p: optim.RMSprop(p, centered=True, momentum=0.9, weight_decay=0.1),
    "Adagrad": lambda p: optim.Adagrad(p, weight_decay=0.1),
    "Adam": lambda p: optim.Adam(p),
    "Adam, decay": lambda p: optim.Adam(p, weight_decay=0.1),
    "AdamW": lambda p: optim.AdamW(p),
}
rng = np.random.default_rng(0)
W, GRADIENTS = rng.normal(size=(3, 2)), rng.normal(size=(20, 3, 2))


def run(optimiser, w, gradients=GRADIENTS):
    """The values of a parameter over steps with given gradients."""
    for g in gradients:
        w.grad = tr.tensor(g, dtype=w.dtype, device=w.device)
        optimiser.step()
        yield w.data.copy()


# -- the equations, in plain NumPy ---------------------------------------------------------------------------------


def sgd(w, g, s, t):
    s["v"] = 0.9 * s.get("v", 0) + (g + 0.1 * w)
    return w - 0.1 * (g + 0.1 * w + 0.9 * s["v"])


def rmsprop(w, g, s, t):
    g = g + 0.1 * w
    s["s"], s["m"] = 0.99 * s.get("s", 0) + 0.01 * g**2, 0.99 * s.get("m", 0) + 0.01 * g
    s["v"] = 0.9 * s.get("v", 0) + g / (np.sqrt(s["s"] - s["m"] ** 2) + 1e-8)
    return w - 0.01 * s["v"]


def adagrad(w, g, s, t):
    g = g + 0.1 * w
    s["s"] = s.get("s", 0) + g**2
    return w - 0.01 * g / (np.sqrt(s["s"]) + 1e-10)


def adam(w, g, s, t, decay=0.1):
    g = g + decay * w
    s["m"], s["v"] = 0.9 * s.get("m", 0) + 0.1 * g, 0.999 * s.get("v", 0) + 0.001 * g**2
    return w - 0.001 * (s["m"] / (1 - 0.9**t)) / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


def adamw(w, g, s, t):
    return adam(w - 0.001 * 0.01 * w, g, s, t, decay=0.0)


EQUATIONS = {
    "SGD, Nesterov, decay": sgd,
    "RMSprop, all": rmsprop,
    "Adagrad": adagrad,
    "Adam, decay": adam,
    "AdamW": adamw,
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_the_rule_is_its_equation(name):
    w = tr.Parameter(W)
    expected, state = W, {}
    for t, found in enumerate(run(EVERY[name]([w]), w), 1):
        expected = EQUATIONS[name](expected, GRADIENTS[t - 1], state, t)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_valley_is_found():
    for name, make in EVERY.items():
        w = tr.Parameter(np.array([1.0, -1.0]))
        optimiser = make([w])
        optimiser.lr = 0.02
        for _ in range(300):
            optimiser.zero_grad()
            (w * w * np.array([1.0, 3.0])).sum().backward()
            optimiser.step()
        assert np.abs(w.numpy()).max() < 0.75, name


# -- in place ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_in_place_in_its_dtype_and_without_touching_the_gradient(name):
    for dtype in ("float32", "float64"):
        w = tr.Parameter(W.astype(dtype))
        array, optimiser = w.data, EVERY[name]([w])
        w.grad = tr.tensor(GRADIENTS[0].astype(dtype))
        before = w.numpy().copy()
        optimiser.step()
        assert w.data is array and w.dtype == dtype and (w.numpy() != before).all()
        assert all(kept.dtype == dtype for kept in optimiser.state[0].values())
        np.testing.assert_array_equal(w.grad.numpy(), GRADIENTS[0].astype(dtype))
        with pytest.raises(ValueError, match="read-only"):
            w.data[0] = 0.0


@pytest.mark.parametrize("name", EVERY)
def test_parameters_of_all_shapes_share_the_scratch(name):
    shapes = [(), (3,), (4, 5), (0,), (2, 1, 3), (5, 4)]
    together = [tr.Parameter(rng.normal(size=shape)) for shape in shapes]
    alone = [tr.Parameter(p) for p in together]
    one, many = EVERY[name](together), [EVERY[name]([p]) for p in alone]
    for _ in range(3):
        for p, q in zip(together, alone):
            p.grad = q.grad = tr.tensor(rng.normal(size=p.shape))
        one.step()
        for optimiser in many:
            optimiser.step()
    for p, q in zip(together, alone):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_mixed_dtypes():
    a, b = tr.Parameter(np.ones(3, "float32")), tr.Parameter(np.ones(3))
    optimiser = optim.Adam([a, b])
    (a.sum() + b.sum()).backward()
    optimiser.step()
    assert (a.dtype, b.dtype) == ("float32", "float64")


def test_a_step_between_forward_and_backward_is_noticed():
    w = tr.Parameter(W)
    loss = (w * w).sum()
    loss.backward()
    optim.SGD([w], 0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_what_has_no_gradient_is_left_alone():
    a, b = tr.Parameter(W), tr.Parameter(W)
    optimiser = optim.AdamW([a, b], weight_decay=0.5)
    a.grad = tr.tensor(GRADIENTS[0])
    optimiser.step()
    np.testing.assert_array_equal(b.numpy(), W)
    assert optimiser.steps == [1, 0]
    optimiser.zero_grad()
    assert a.grad is None


def test_the_learning_rate_may_change():
    w = tr.Parameter([1.0])
    optimiser = optim.SGD([w], 1.0)
    w.grad = tr.tensor([1.0])
    optimiser.step()
    optimiser.lr = 0.25
    optimiser.step()
    assert w.item() == -0.25


def test_an_exhausted_generator_and_a_fresh_one():
    model = nn.LSTM(3, 4)
    parameters = model.parameters()
    assert optim.SGD(parameters, 0.1).params == list(model.parameters())
    with pytest.raises(ValueError, match=r"SGD: no parameters: was model.parameters\(\) used up"):
        optim.SGD(parameters, 0.1)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: optim.Adam([]), ValueError, "Adam: no parameters"),
        (lambda: optim.Adam(nn.Linear(2, 2)), TypeError, r"expected parameters, not a Linear: give it model.parameters\(\)"),
        (lambda: optim.Adam(nn.Sequential(nn.Linear(2, 2))), TypeError, "expected Parameters, but one is a Linear"),
        (lambda: optim.Adam([tr.tensor(1.0)]), TypeError, "expected Parameters, but one is a Tensor"),
        (lambda: optim.Adam(2 * [tr.Parameter(1.0)]), ValueError, "a parameter comes twice"),
        (lambda: optim.Adam([tr.Parameter(1.0)], lr=-1), ValueError, "Adam: the learning rate lr must not be negative, not -1"),
        (
            lambda: optim.AdamW([tr.Parameter(1.0)], betas=(0.9, 1.0)),
            ValueError,
            "AdamW: β₂ must be at least 0 and below 1, not 1.0",
        ),
        (lambda: optim.SGD([tr.Parameter(1.0)], "0.1"), TypeError, "SGD: the learning rate lr must be a number, not '0.1'"),
        (lambda: optim.Adam([tr.Parameter(1.0)], tr.tensor(0.1)), TypeError, "learning rate lr must be a number, not Tensor"),
        (lambda: optim.Adam([tr.Parameter(1.0)], betas=0.9), TypeError, "betas must be a pair of numbers, .* not 0.9"),
        (lambda: optim.Adam([tr.Parameter(1.0)], betas=(0.9,)), TypeError, r"betas must be a pair of numbers, .* not \(0.9,\)"),
        (lambda: optim.Adam([tr.Parameter(1.0)], betas=("a", 0.9)), TypeError, "Adam: β₁ must be a number, not 'a'"),
        (lambda: optim.RMSprop([tr.Parameter(1.0)], eps="1e-8"), TypeError, "RMSprop: eps must be a number, not '1e-8'"),
        (lambda: optim.SGD([tr.Parameter(1.0)], 0.1, nesterov=True), ValueError, "nesterov needs a momentum"),
        (lambda: optim.SGD([tr.Parameter(1.0)], 0.1, momentum=1.0), ValueError, "momentum must be at least 0 and below 1"),
        (lambda: optim.RMSprop([tr.Parameter(1.0)], weight_decay=-1), ValueError, "weight_decay must not be negative, not -1"),
        (lambda: optim.Optimizer([tr.Parameter(1.0)], 0.1).update(*6 * [None]), NotImplementedError, "Optimizer has no update"),
    ],
)
def test_errors(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_centred_rmsprop_of_constant_gradients_stays_finite(dtype):
    g = np.random.default_rng(0).normal(size=200).astype(dtype)
    w = tr.Parameter(np.zeros(200, dtype))
    optimiser = optim.RMSprop([w], lr=1e-3, alpha=0.8, centered=True)
    for found in run(optimiser, w, [g] * 300):
        assert np.isfinite(found).all()
    kept = optimiser.state[0]
    assert (kept["square"] < kept["mean"] ** 2).any()  # rounding did what the rule must bear


def test_a_gradient_that_does_not_fit():
    w = tr.Parameter(W, name="w")
    optimiser = optim.SGD([w], 0.1)
    w.grad = GRADIENTS[0]
    with pytest.raises(TypeError, match="SGD: the gradient of 'w' is a ndarray"):
        optimiser.step()
    w.grad = tr.ones(2)  # would broadcast
    with pytest.raises(ValueError, match=r"SGD: the gradient of 'w' has shape \(2,\), the parameter \(3, 2\)"):
        optimiser.step()
    np.testing.assert_array_equal(w.numpy(), W)


def test_a_module_converted_after_its_optimiser_was_made():
    model = nn.Linear(2, 2)
    optimiser = optim.SGD(model.parameters(), 0.1)
    model.to(dtype="float64")(tr.ones(1, 2)).sum().backward()
    with pytest.raises(RuntimeError, match=r"parameter 'W' is now float64 on cpu, but was float32 on cpu.*after model.to"):
        optimiser.step()


# -- state ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_going_on_from_a_saved_state_is_going_on(name):
    w = tr.Parameter(W)
    optimiser = EVERY[name]([w])
    *_, middle = run(optimiser, w, GRADIENTS[:7])
    state = optimiser.state_dict()
    *_, end = run(optimiser, w, GRADIENTS[7:])
    other = tr.Parameter(middle)
    again = EVERY[name]([other])
    again.load_state_dict(state)
    *_, found = run(again, other, GRADIENTS[7:])
    np.testing.assert_array_equal(found, end)


def test_the_learning_rate_is_state():
    w = tr.Parameter(W)
    optimiser = optim.Adam([w], lr=0.5)
    other = optim.Adam([w])
    other.load_state_dict(optimiser.state_dict())
    assert other.lr == 0.5


def test_a_state_that_does_not_fit_changes_nothing():
    a, b = tr.Parameter(W), tr.Parameter(W[0])
    optimiser = optim.Adam([a, b])
    for p in (a, b):
        p.grad = tr.tensor(np.ones(p.shape))
    optimiser.step()
    before = optimiser.state_dict()
    state = {**before, "lr": 7.0, "square.1": np.zeros(5), "velocity.0": np.zeros(3)}
    del state["mean.0"]
    with pytest.raises(ValueError) as error:
        optimiser.load_state_dict(state)
    assert str(error.value).splitlines() == [
        "state does not fit Adam:",
        "  missing: mean.0 (3, 2)",
        "  unexpected: velocity.0 (3,)",
        "  misshapen: square.1 is (5,), expected (2,)",
    ]
    after = optimiser.state_dict()
    assert after.keys() == before.keys()
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"square.0": np.full((3, 2), "x")}, "unreadable: square.0: "),
        ({"lr": "fast"}, "unreadable: lr: "),
        ({"lr": -1.0}, "lr must not be negative"),
        ({"steps": np.array(["a"])}, "unreadable: steps: "),
    ],
)
def test_a_state_that_holds_no_numbers_changes_nothing(change, message):
    w = tr.Parameter(W)
    optimiser = optim.Adam([w])
    state = {**optimiser.state_dict(), "mean.0": np.ones((3, 2)), "steps": np.array([7]), **change}
    with pytest.raises(ValueError, match=message):
        optimiser.load_state_dict(state)
    assert optimiser.steps == [0] and optimiser.lr == 1e-3 and not optimiser.state[0]["mean"].any()


@pytest.mark.parametrize("wrong", [None, [1, 2]])
def test_a_state_is_a_mapping(wrong):
    with pytest.raises(TypeError, match=r"Adam.load_state_dict: expected a mapping .*state_dict\(\)"):
        optim.Adam([tr.Parameter(W)]).load_state_dict(wrong)


# -- CuPy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_on_cupy(fake_cupy, name):
    here, there = tr.Parameter(W), tr.Parameter(tr.tensor(W, device="cuda:1"))
    optimiser = EVERY[name]([there])
    for expected, found in zip(run(EVERY[name]([here]), here), run(optimiser, there)):
        np.testing.assert_allclose(found.get(), expected, rtol=1e-12)
    assert str(there.device) == "cuda:1"
    fresh = EVERY[name]([tr.Parameter(W)])
    fresh.load_state_dict(optimiser.state_dict())  # from the GPU to the CPU, and back
    optimiser.load_state_dict(fresh.state_dict())
