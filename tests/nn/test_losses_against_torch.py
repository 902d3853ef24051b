"""Every loss with every option is PyTorch's: value, gradient and second derivative."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

torch = pytest.importorskip("torch", reason="this file compares with PyTorch")
F = torch.nn.functional
REDUCTIONS = ["mean", "sum", "none"]


def both(array):
    """The same numbers for both libraries, with gradients."""
    return tr.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)


def assert_same(ours, theirs, x_ours, x_theirs, tolerance=1e-10):
    """The loss, its gradient and its Hessian times a vector agree."""
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)
    rng = np.random.default_rng(7)
    seed, direction = rng.normal(size=ours.shape), rng.normal(size=x_ours.shape)
    g_ours = tr.grad(ours, x_ours, gradient=tr.tensor(seed), create_graph=True)
    (g_theirs,) = torch.autograd.grad(theirs, x_theirs, torch.tensor(seed), create_graph=True)
    np.testing.assert_allclose(g_ours.numpy(), g_theirs.detach().numpy(), rtol=tolerance, atol=tolerance)
    if g_ours.requires_grad:  # the mean absolute error is piecewise linear
        h_ours = tr.grad((g_ours * direction).sum(), x_ours)
        (h_theirs,) = torch.autograd.grad((g_theirs * torch.tensor(direction)).sum(), x_theirs)
        np.testing.assert_allclose(h_ours.numpy(), h_theirs.numpy(), rtol=tolerance, atol=tolerance)


REGRESSION = {
    "mse": (nn.mse, F.mse_loss, {}, {}),
    "mae": (nn.mae, F.l1_loss, {}, {}),
    "huber": (nn.huber, F.huber_loss, {}, {}),
    "huber, delta 0.3": (nn.huber, F.huber_loss, {"delta": 0.3}, {"delta": 0.3}),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", REGRESSION)
def test_regression(case, weighted, reduction):
    loss, reference, options, their_options = REGRESSION[case]
    rng = np.random.default_rng(0)
    x, y = both(rng.normal(size=(4, 3)))
    target = rng.normal(size=(4, 3))
    if weighted:
        weights = rng.random((4, 3))
        options, their_options = {**options, "weights": weights}, {**their_options, "weight": torch.tensor(weights)}
    ours = loss(x, target, reduction=reduction, **options)
    theirs = reference(y, torch.tensor(target), reduction=reduction, **their_options)
    if weighted and reduction == "mean" and loss is nn.huber:  # PyTorch divides by the sum of weights in the other two only
        theirs = theirs * weights.size / weights.sum()
    assert_same(ours, theirs, x, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_binary_cross_entropy(positive, weighted, reduction):
    rng = np.random.default_rng(1)
    x, y = both(3 * rng.normal(size=(4, 3)))
    targets, weights, positive_weight = rng.random((4, 3)), rng.random((4, 3)), 2 * rng.random(3)
    ours = nn.binary_cross_entropy(
        x,
        targets,
        weights=weights if weighted else None,
        positive_weight=positive_weight if positive else None,
        reduction=reduction,
    )
    theirs = F.binary_cross_entropy_with_logits(
        y,
        torch.tensor(targets),
        weight=torch.tensor(weights) if weighted else None,
        pos_weight=torch.tensor(positive_weight) if positive else None,
        reduction=reduction,
    )
    assert_same(ours, theirs, x, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [None, -100, 2])
def test_cross_entropy_of_classes(ignored, weighted, smoothing, reduction):
    rng = np.random.default_rng(2)
    x, y = both(2 * rng.normal(size=(5, 4, 6)))
    labels = rng.integers(0, 6, (5, 4))
    if ignored is not None:
        labels[rng.random((5, 4)) < 0.4] = ignored
    weights = rng.random(6) if weighted else None
    ours = nn.cross_entropy(x, labels, ignore_index=ignored, label_smoothing=smoothing, weights=weights, reduction=reduction)
    theirs = F.cross_entropy(
        y.movedim(-1, 1),
        torch.tensor(labels),
        weight=None if weights is None else torch.tensor(weights),
        ignore_index=-100 if ignored is None else ignored,
        label_smoothing=smoothing,
        reduction=reduction,
    )
    assert_same(ours, theirs, x, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_probabilities(weighted, smoothing, reduction):
    rng = np.random.default_rng(3)
    x, y = both(2 * rng.normal(size=(5, 6)))
    labels = rng.dirichlet(np.ones(6), 5)
    weights = rng.random(6) if weighted else None
    ours = nn.cross_entropy(x, labels, label_smoothing=smoothing, weights=weights, reduction=reduction)
    theirs = F.cross_entropy(
        y,
        torch.tensor(labels),
        weight=None if weights is None else torch.tensor(weights),
        label_smoothing=smoothing,
        reduction=reduction,
    )
    assert_same(ours, theirs, x, y)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_mask_is_an_ignored_index_by_other_means(weighted):
    rng = np.random.default_rng(4)
    x, y = both(rng.normal(size=(7, 3)))
    labels, mask = rng.integers(0, 3, 7), rng.random(7) < 0.6
    weights = rng.random(3) if weighted else None
    theirs = F.cross_entropy(
        y,
        torch.tensor(np.where(mask, labels, -100)),
        weight=None if weights is None else torch.tensor(weights),
        label_smoothing=0.1,
    )
    assert_same(nn.cross_entropy(x, labels, mask=mask, weights=weights, label_smoothing=0.1), theirs, x, y)
