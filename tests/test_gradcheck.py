"""gradcheck itself: it finds wrong derivatives, and says where."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn.gradcheck import GradientError
from tinyrnn.primitive import REGISTRY, primitive


def make(name, *pullbacks):
    """A primitive y = x³ with these vjps, taken out of the registry again."""

    def cube(xp, x):
        return x**3

    cube.__name__ = name
    op = primitive(cube)
    op.vjps(*pullbacks)
    del REGISTRY[name]
    return op


def test_right_derivatives_pass_to_any_order():
    cube = make("cube", lambda g, y, x: 3 * g * x * x)
    for order in (1, 2, 3):
        assert tr.gradcheck(cube, np.array([0.5, -1.0]), order=order, rtol=1e-4, atol=1e-5) is True


def test_a_wrong_derivative_is_named():
    wrong = make("wrong", lambda g, y, x: 2 * g * x * x)
    with pytest.raises(GradientError, match=r"∂f/∂input\[1\] at index \(0, 1\): expected .* but autodiff gives"):
        tr.gradcheck(lambda a, b: a.sum() + wrong(b).sum(), [np.ones(2), np.array([[0.0, 1.0]])])


def test_expected_and_actual_numbers():
    wrong = make("wrong", lambda g, y, x: 2 * g * x * x)
    with pytest.raises(AssertionError, match=r"expected 12 by central differences, but autodiff gives 8"):
        tr.gradcheck(wrong, 2.0)


def test_a_derivative_that_is_wrong_at_order_2_only():
    def pullback(g, y, x):
        return 3 * g * x * tr.detach(x) if isinstance(x, tr.Tensor) else 3 * g * x * x

    half = make("half", pullback)
    assert tr.gradcheck(half, 2.0)
    with pytest.raises(GradientError, match=r"∂∇f/∂input\[0\] at index \(\): expected 12 .* gives 6"):
        tr.gradcheck(half, 2.0, order=2)


def test_a_gradient_that_does_not_arrive_counts_as_0():
    with pytest.raises(GradientError, match="autodiff gives 0"):
        tr.gradcheck(lambda x: tr.detach(x), 2.0)
    assert tr.gradcheck(lambda x, y: x * 2, [1.0, 3.0], order=2)
    assert tr.gradcheck(lambda x: tr.sign(x), 2.0)


def test_a_nan_fails():
    bad = make("bad", lambda g, y, x: g * float("nan"))
    with pytest.raises(GradientError, match="gives nan"):
        tr.gradcheck(bad, 2.0)


def test_results_of_any_shape_and_number():
    assert tr.gradcheck(lambda x: tr.split(x, 2), np.ones((2, 4)), order=2)
    assert tr.gradcheck(lambda x: [x * x, x.sum(), x[:0]], np.ones((2, 4)), order=2)
    assert tr.gradcheck(lambda x: x * 1.0, np.ones((0, 2)), order=2)


def test_inputs_come_in_any_form_and_are_left_alone():
    w = tr.Parameter([1.0, 2.0])
    assert tr.gradcheck(lambda a, b, i: a[i] * b, [w, 3.0, np.array([0, 1, 0])])
    assert w.grad is None and w.dtype == np.float32


def test_float32_inputs_are_checked_in_float64():
    seen = set()
    assert tr.gradcheck(lambda x: seen.add(x.dtype.name) or tr.tanh(x), np.array([0.3], "float32"))
    assert seen == {"float64"}


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(TypeError, match="f returned float32 for float64 inputs"):
        tr.gradcheck(lambda x: x.astype("float32"), 1.0)
    with pytest.raises(TypeError, match="none of the inputs holds floats"):
        tr.gradcheck(lambda i: i, np.array([1, 2]))
    with pytest.raises(TypeError, match="f must return a Tensor"):
        tr.gradcheck(lambda x: 1.0, 1.0)
    with pytest.raises(ValueError, match="order 0"):
        tr.gradcheck(lambda x: x, 1.0, order=0)
