"""Losses: digits that must not be lost, masks that keep NaN out, dtypes, errors, the stand-in for CuPy."""

import math

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

REDUCTIONS = ["mean", "sum", "none"]


# -- regression ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [nn.mse, nn.mae, nn.huber])
def test_gradient_reaches_the_target(loss):
    x, target = (tr.tensor(np.array(a), requires_grad=True) for a in ([1.0, 2.0], [3.0, 2.5]))
    a, b = tr.grad(loss(x, target), (x, target))
    np.testing.assert_array_equal(a.numpy(), -b.numpy())


def test_huber_is_half_a_square_at_error_zero_to_second_order():
    x = tr.tensor(np.zeros(1), requires_grad=True)
    g = tr.grad(nn.huber(x, np.zeros(1)), x, create_graph=True)
    assert tr.grad(g.sum(), x).item() == 1.0


# -- binary cross entropy ------------------------------------------------------------------------------------------


def test_binary_cross_entropy_keeps_small_losses():
    loss = nn.binary_cross_entropy(np.array([40.0, -40.0]), np.array([1.0, 0.0]), reduction="none")
    np.testing.assert_allclose(loss.numpy(), math.exp(-40), rtol=1e-12)


# -- cross entropy -------------------------------------------------------------------------------------------------


def test_mask_and_ignored_index_together():
    x = tr.tensor(np.random.default_rng(5).normal(size=(4, 3)))
    both_ways = nn.cross_entropy(x, [0, 9, 2, 1], ignore_index=9, mask=[True, True, False, True])
    assert both_ways.item() == pytest.approx(nn.cross_entropy(x[[0, 3]], [0, 1]).item(), abs=1e-15)


def test_one_hot_probabilities_are_classes():
    x = tr.tensor(np.random.default_rng(6).normal(size=(4, 3)))
    assert nn.cross_entropy(x, tr.one_hot([0, 2, 1, 1], 3)).item() == pytest.approx(
        nn.cross_entropy(x, [0, 2, 1, 1]).item(), 1e-15
    )


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64"])
def test_labels_of_any_integer_type(dtype):
    x, labels = np.random.default_rng(7).normal(size=(3, 200)), np.array([0, 199, 5], dtype)
    expected = np.log(np.exp(x).sum(1)).mean() - x[[0, 1, 2], [0, 199, 5]].mean()
    assert nn.cross_entropy(x, labels, ignore_index=-1).item() == pytest.approx(expected, abs=1e-12)


def test_one_place():
    assert nn.cross_entropy(tr.zeros(4), 2).item() == pytest.approx(math.log(4))


def test_large_scores_keep_their_digits():
    logits = np.array([[10000.0, 9999.0]], dtype="float32")
    assert nn.cross_entropy(logits, [0]).item() == pytest.approx(math.log1p(math.exp(-1)), rel=1e-6)


def test_infinite_score_of_another_class():
    x = tr.tensor(np.array([[0.0, -np.inf, 0.0]]), requires_grad=True)
    loss = nn.cross_entropy(x, [0])
    assert loss.item() == pytest.approx(math.log(2))
    np.testing.assert_allclose(tr.grad(loss, x).numpy(), [[-0.5, 0.0, 0.5]])


# -- masks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", [nn.mse, nn.mae, nn.huber, nn.binary_cross_entropy], ids=lambda f: f.__name__)
def test_masked_nan_reaches_nothing(loss, weighted, reduction):
    rng = np.random.default_rng(8)
    mask = np.array([True, False, True, True, False])
    clean, target, weights = rng.normal(size=5), rng.random(5), rng.random(5)
    bad, bad_target, bad_weights = (np.where(mask, a, np.nan) for a in (clean, target, weights))
    x = tr.tensor(bad, requires_grad=True)
    t = tr.tensor(bad_target, requires_grad=True)
    value = loss(x, t, mask=mask, weights=bad_weights if weighted else None, reduction=reduction)
    kept = loss(clean[mask], target[mask], weights=weights[mask] if weighted else None, reduction=reduction)
    if reduction == "none":
        np.testing.assert_array_equal(value.numpy()[~mask], 0.0)
        np.testing.assert_allclose(value.numpy()[mask], kept.numpy(), rtol=1e-14)
    else:
        assert value.item() == pytest.approx(kept.item(), rel=1e-14)
    first = tr.grad(value.sum(), (x, t), create_graph=True)
    for g in first:
        np.testing.assert_array_equal(g.numpy()[~mask], 0.0)
        assert np.isfinite(g.numpy()).all()
    if loss is not nn.mae:
        assert np.isfinite(tr.grad((first[0] * first[0]).sum(), x).numpy()).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("probabilities", [False, True])
def test_masked_nan_reaches_nothing_in_cross_entropy(probabilities, smoothing, reduction):
    rng = np.random.default_rng(9)
    mask = np.array([True, False, True, False])
    clean = rng.normal(size=(4, 3))
    labels = rng.dirichlet(np.ones(3), 4) if probabilities else np.array([0, 1, 2, 1])
    bad_labels = np.where(mask[:, None], labels, np.nan) if probabilities else np.where(mask, labels, 77)
    x = tr.tensor(np.where(mask[:, None], clean, np.nan), requires_grad=True)
    options = {"label_smoothing": smoothing, "reduction": reduction, "weights": [1.0, 2.0, 3.0]}
    value = nn.cross_entropy(x, bad_labels, mask=mask, **options)
    kept = nn.cross_entropy(clean[mask], labels[mask], **options)
    np.testing.assert_allclose(value.numpy()[mask] if reduction == "none" else value.numpy(), kept.numpy(), rtol=1e-14)
    g = tr.grad(value.sum(), x, create_graph=True)
    np.testing.assert_array_equal(g.numpy()[~mask], 0.0)
    assert np.isfinite(g.numpy()).all()
    assert np.isfinite(tr.grad((g * g).sum(), x).numpy()).all()


@pytest.mark.parametrize(
    "value",
    [
        lambda x: nn.mse(x, np.zeros((2, 3)), mask=np.zeros((2, 3), bool)),
        lambda x: nn.huber(x, np.zeros((2, 3)), weights=np.zeros((2, 3))),
        lambda x: nn.binary_cross_entropy(x, np.zeros((2, 3)), mask=np.zeros(3, bool)),
        lambda x: nn.cross_entropy(x, [5, 5], ignore_index=5),
        lambda x: nn.cross_entropy(x, [0, 1], mask=[False, False], weights=[1.0, 2.0, 3.0], label_smoothing=0.1),
    ],
)
def test_nothing_counts(value):
    x = tr.tensor(np.ones((2, 3)), requires_grad=True)
    loss = value(x)
    assert loss.item() == 0.0
    np.testing.assert_array_equal(tr.grad(loss, x).numpy(), 0.0)


def test_a_mask_broadcasts_and_the_mean_counts_what_it_covers():
    x = np.arange(12.0).reshape(4, 3)
    mask = np.array([[True], [False], [True], [False]])
    assert nn.mse(x, np.zeros((4, 3)), mask=mask).item() == pytest.approx((x[[0, 2]] ** 2).mean())
    assert nn.mse(x, np.zeros((4, 3)), weights=[1.0, 0.0, 1.0]).item() == pytest.approx((x[:, [0, 2]] ** 2).mean())


# -- dtypes --------------------------------------------------------------------------------------------------------

EVERY_LOSS = {
    "mse": lambda x, **o: nn.mse(x, np.zeros(x.shape), **o),
    "mae": lambda x, **o: nn.mae(x, np.zeros(x.shape), **o),
    "huber": lambda x, **o: nn.huber(x, np.zeros(x.shape), **o),
    "binary": lambda x, **o: nn.binary_cross_entropy(x, np.zeros(x.shape), **o),
    "binary, positive": lambda x, **o: nn.binary_cross_entropy(x, np.zeros(x.shape), positive_weight=np.float64(2.0), **o),
    "classes": lambda x, **o: nn.cross_entropy(x, np.array([0, 1]), **o),
    "classes, smooth": lambda x, **o: nn.cross_entropy(x, np.array([0, 1]), label_smoothing=0.1, ignore_index=1, **o),
    "probabilities": lambda x, **o: nn.cross_entropy(x, np.full((2, 3), 1 / 3), **o),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", [{}, {"weights": np.ones(3)}, {"mask": np.array([[True]])}], ids=["plain", "weights", "mask"])
@pytest.mark.parametrize("loss", EVERY_LOSS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_of_the_prediction_stays(dtype, loss, options, reduction):
    x = tr.tensor(np.ones((2, 3), dtype), requires_grad=True)
    if "mask" in options and ("classes" in loss or "probabilities" in loss):
        options = {"mask": np.array([True])}
    value = EVERY_LOSS[loss](x, reduction=reduction, **options)
    assert value.dtype == dtype
    assert tr.grad(value.sum(), x).dtype == dtype


# -- errors --------------------------------------------------------------------------------------------------------

X = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: nn.mse(X, np.zeros((2, 1))), ValueError, r"mse: the prediction has shape \(2, 3\), the target \(2, 1\)"),
        (lambda: nn.mse(np.zeros((2, 3), int), X), TypeError, "the prediction has dtype int64, expected floats"),
        (lambda: nn.mse(X, X, mask=np.ones((2, 3))), TypeError, r"the mask has dtype float64, expected bools .*mask > 0"),
        (
            lambda: nn.mse(X, X, mask=[True, False]),
            ValueError,
            r"the mask has shape \(2,\), which does not broadcast to \(2, 3\)",
        ),
        (lambda: nn.mae(X, X, weights=np.ones(2)), ValueError, r"weights has shape \(2,\), which does not broadcast"),
        (lambda: nn.mse(X, X, reduction="average"), ValueError, "reduction 'average': expected 'mean', 'sum' or 'none'"),
        (lambda: nn.huber(X, X, delta=0), ValueError, "delta must be above 0"),
        (lambda: nn.cross_entropy(X, [0, 3]), IndexError, "labels from 0 to 3 do not fit 3 classes; .*ignore_index"),
        (lambda: nn.cross_entropy(X, [-1, 0]), IndexError, "labels from -1 to 0 do not fit 3 classes"),
        (lambda: nn.cross_entropy(X, [0]), ValueError, r"\(1,\) and dtype int64 do not fit .* expected \(2,\) of integers"),
        (
            lambda: nn.cross_entropy(X, np.zeros(2)),
            ValueError,
            r"\(2,\) and dtype float64 do not fit .* expected \(2, 3\) of floats .*labels must be integers: .*dtype=int",
        ),
        (
            lambda: nn.cross_entropy(X, np.zeros((2, 3), int)),
            ValueError,
            r"\(2, 3\) and dtype int64 do not fit .* expected \(2,\) of integers",
        ),
        (lambda: nn.cross_entropy(X, np.zeros(2, bool)), TypeError, "labels have dtype bool"),
        (lambda: nn.cross_entropy(np.zeros(()), 0), ValueError, r"scalar, expected \(..., C\)"),
        (lambda: nn.cross_entropy(X, X, ignore_index=0), ValueError, "ignore_index needs integer labels"),
        (lambda: nn.cross_entropy(X, [0, 1], label_smoothing=1.5), ValueError, "label_smoothing 1.5 is not between 0 and 1"),
        (
            lambda: nn.cross_entropy(X, [0, 1], weights=[1.0, 2.0]),
            ValueError,
            r"weights have shape \(2,\), .*one per class: \(3,\)",
        ),
    ],
)
def test_errors(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()


# -- CuPy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", EVERY_LOSS)
def test_on_cupy(fake_cupy, loss, reduction, device):
    data = np.random.default_rng(10).normal(size=(2, 3))
    x = tr.tensor(data, requires_grad=True)
    here = {  # the losses of EVERY_LOSS, with every operand on the GPU
        "mse": lambda x, o: nn.mse(
            x, o(np.zeros((2, 3))), weights=o(np.ones(3)), mask=o(np.array([[True], [False]])), reduction=reduction
        ),
        "mae": lambda x, o: nn.mae(x, o(np.zeros((2, 3))), reduction=reduction),
        "huber": lambda x, o: nn.huber(x, o(np.zeros((2, 3))), delta=0.5, reduction=reduction),
        "binary": lambda x, o: nn.binary_cross_entropy(
            x, o(np.ones((2, 3))), mask=o(np.array([True, False, True])), reduction=reduction
        ),
        "binary, positive": lambda x, o: nn.binary_cross_entropy(
            x, o(np.ones((2, 3))), positive_weight=o(np.array(2.0)), weights=o(np.ones((2, 1))), reduction=reduction
        ),
        "classes": lambda x, o: nn.cross_entropy(x, o(np.array([0, 1])), weights=o(np.arange(3.0)), reduction=reduction),
        "classes, smooth": lambda x, o: nn.cross_entropy(
            x, o(np.array([0, 9])), label_smoothing=0.1, ignore_index=9, mask=o(np.array([True, True])), reduction=reduction
        ),
        "probabilities": lambda x, o: nn.cross_entropy(
            x, o(np.full((2, 3), 1 / 3)), mask=o(np.array([True, False])), reduction=reduction
        ),
    }[loss]
    gpu = x.detach().to(device).requires_grad_()
    on_gpu = here(gpu, lambda array: tr.tensor(array, device=device))
    on_cpu = here(x, lambda array: array)
    assert str(on_gpu.device) == device
    np.testing.assert_allclose(on_gpu.data.get(), on_cpu.numpy(), rtol=1e-14)
    np.testing.assert_allclose(tr.grad(on_gpu.sum(), gpu).data.get(), tr.grad(on_cpu.sum(), x).numpy(), rtol=1e-13, atol=1e-16)


def test_lists_go_where_the_scores_are(fake_cupy):
    logits = tr.zeros(2, 3, device="cuda")
    assert nn.cross_entropy(logits, [0, 1], mask=[True, False]).item() == pytest.approx(math.log(3))
