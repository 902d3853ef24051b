"""Clipping: what it leaves alone, what it shortens, in place and without a word to the host."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import optim


def parameters(*gradients, dtype="float32", device="cpu"):
    made = [tr.Parameter(tr.tensor(np.zeros(np.shape(g), dtype), device=device)) for g in gradients]
    for p, g in zip(made, gradients):
        p.grad = tr.tensor(np.array(g, dtype), device=device)
    return made


def test_a_long_gradient_is_shortened_as_one_vector():
    a, b, c = parameters([3.0, 0.0], [[4.0]], 12.0)
    norm = optim.clip_grad_norm(iter([a, b, c]), 1.3)
    assert norm.item() == 13.0 and norm.shape == () and norm.dtype == "float32"
    np.testing.assert_allclose([*a.grad.tolist(), b.grad.item(), c.grad.item()], [0.3, 0.0, 0.4, 1.2], rtol=1e-6)


def test_a_short_gradient_stays_bit_for_bit():
    (p,) = parameters(np.random.default_rng(0).normal(size=5))
    before = p.grad.numpy().copy()
    optim.clip_grad_norm([p], 100.0)
    np.testing.assert_array_equal(p.grad.numpy(), before)


def test_a_gradient_of_zero_stays_zero():
    (p,) = parameters([0.0, 0.0])
    assert optim.clip_grad_norm([p], 1.0).item() == 0.0
    assert p.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_place_and_in_its_dtype(dtype):
    (p,) = parameters([3.0, 4.0], dtype=dtype)
    array = p.grad.data
    assert optim.clip_grad_norm([p], 1.0).dtype == dtype
    optim.clip_grad_value([p], 0.7)
    assert p.grad.data is array and array.dtype == dtype
    np.testing.assert_allclose(array, [0.6, 0.7], rtol=1e-5)


def test_without_gradients():
    p = tr.Parameter([1.0])
    assert optim.clip_grad_norm([p], 1.0).item() == 0.0
    optim.clip_grad_value([p], 1.0)
    assert p.grad is None


def test_a_number_whose_gradient_was_accumulated():
    w = tr.Parameter(1.0)
    for _ in range(2):
        (3.0 * w).backward()
    optim.clip_grad_norm([w], 3.0)
    assert w.grad.item() == pytest.approx(3.0, rel=1e-6)
    w.grad = None
    for _ in range(2):
        (3.0 * w).backward()
    optim.clip_grad_value([w], 2.0)
    assert w.grad.item() == 2.0


@pytest.mark.parametrize("clip", [optim.clip_grad_norm, optim.clip_grad_value])
def test_a_gradient_with_a_history_is_replaced_and_keeps_its_own_numbers(clip):
    w = tr.Parameter([3.0, 4.0])
    (0.5 * w * w).sum().backward(create_graph=True)
    recorded = w.grad
    clip([w], 1.0)
    assert recorded.tolist() == [3.0, 4.0] and recorded.op is not None and w.grad.op is None
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.8] if clip is optim.clip_grad_norm else [1.0, 1.0], rtol=1e-5)


@pytest.mark.parametrize("clip", [optim.clip_grad_norm, optim.clip_grad_value])
def test_a_gradient_that_does_not_fit_changes_none(clip):
    a, b = tr.Parameter([1.0, 2.0], name="a"), tr.Parameter([1.0, 2.0], name="b")
    a.grad = tr.tensor([3.0, 4.0])
    for wrong, error, message in (
        (np.ones(2), TypeError, "the gradient of 'b' is a ndarray: set grad to a Tensor"),
        (tr.ones(3), ValueError, r"the gradient of 'b' has shape \(3,\), the parameter \(2,\)"),
    ):
        b.grad = wrong
        with pytest.raises(error, match=message):
            clip([a, b], 1.0)
        assert a.grad.tolist() == [3.0, 4.0]


def test_errors():
    for clip in (optim.clip_grad_norm, optim.clip_grad_value):
        with pytest.raises(ValueError, match="must not be negative"):
            clip([tr.Parameter(1.0)], -1.0)
        with pytest.raises(TypeError, match="must be a number, not '1'"):
            clip([tr.Parameter(1.0)], "1")
        with pytest.raises(TypeError, match="expected Parameters, but one is a Tensor"):
            clip([tr.tensor(1.0)], 1.0)


def test_on_cupy_without_looking_at_the_numbers(fake_cupy, monkeypatch):
    (a,) = parameters([3.0, 0.0], device="cuda:1")
    (b,) = parameters([4.0], device="cuda:0")
    with monkeypatch.context() as patch:
        for way in ("get", "item", "tolist", "__bool__", "__float__"):
            patch.setattr(fake_cupy.ndarray, way, lambda *_: pytest.fail("the host looked at a number"))
        norm = optim.clip_grad_norm([a, b], 1.0)
        optim.clip_grad_value([a, b], 0.7)
    assert str(norm.device) == "cuda:1" and norm.item() == 5.0
    np.testing.assert_allclose(a.grad.data.get(), [0.6, 0.0], rtol=1e-5)
    np.testing.assert_allclose(b.grad.data.get(), [0.7], rtol=1e-5)
