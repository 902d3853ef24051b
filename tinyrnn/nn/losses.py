"""Losses: how wrong a prediction is, as one number, composed from primitives so that their gradients follow.

All of them share three options.

mask
    Bools that broadcast to the places of the loss: which of them count.  Where it is False nothing is looked at, so that
    not even a NaN there reaches the loss or a gradient.
weights
    How much a place (`cross_entropy`: a class) counts.
reduction
    ``"mean"`` over what counts, ``"sum"``, or ``"none"``: the loss of each place.  If nothing counts, because everything is
    masked, the mean is 0 and its gradients are 0, not NaN.

The result has the dtype of the prediction, whatever the dtype of targets and weights.
"""

from __future__ import annotations

from typing import Any

import numpy

from .. import backend, ops
from ..graph import composed
from ..tensor import Tensor, as_tensor


def mse(prediction: Any, target: Any, *, mask: Any = None, weights: Any = None, reduction: str = "mean") -> Tensor:
    """Mean squared error: (prediction − target)².

    Parameters
    ----------
    prediction : Tensor or array of floats, of any shape
    target : Tensor or array of the same shape
    mask : bools that broadcast to that shape, optional
    weights : numbers that broadcast to that shape, optional
        The mean is divided by their sum.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor
        A scalar, or with ``reduction="none"`` of the prediction's shape.

    Raises
    ------
    ValueError
        If a shape does not fit, or the reduction is unknown.
    TypeError
        If the prediction holds no floats, or the mask no bools.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.mse(tr.tensor([1.0, 2.0, 5.0]), tr.tensor([1.0, 0.0, 0.0]), mask=[True, True, False]).item()
    2.0
    """
    prediction, target, valid = _counted_pair("mse", prediction, target, mask)
    error = prediction - target
    return _weighted(error * error, valid, weights, reduction)


def mae(prediction: Any, target: Any, *, mask: Any = None, weights: Any = None, reduction: str = "mean") -> Tensor:
    """Mean absolute error: |prediction − target|, with gradient 0 where they are equal.

    Parameters, errors: see `mse`.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.mae(tr.tensor([1.0, 2.0]), tr.tensor([1.0, 0.0])).item()
    1.0
    """
    prediction, target, valid = _counted_pair("mae", prediction, target, mask)
    return _weighted(ops.abs(prediction - target), valid, weights, reduction)


@composed
def huber(
    prediction: Any, target: Any, *, delta: float = 1.0, mask: Any = None, weights: Any = None, reduction: str = "mean"
) -> Tensor:
    """½ e² where the error e is at most δ, and the straight line δ (|e| − ½ δ) beyond (Huber 1964): outliers pull less.

    Parameters
    ----------
    delta : float
        δ, above 0.
    prediction, target, mask, weights, reduction
        See `mse`.  (PyTorch divides the mean of this one, if it is weighted, by the number of places.)

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.huber(tr.tensor([0.5, 3.0]), tr.tensor([0.0, 0.0]), reduction="none").tolist()
    [0.125, 2.5]
    """
    if not delta > 0:
        raise ValueError(f"huber: delta must be above 0, not {delta!r}")
    prediction, target, valid = _counted_pair("huber", prediction, target, mask)
    error = prediction - target
    bounded = ops.clip(error, -delta, delta)
    return _weighted(bounded * (error - 0.5 * bounded), valid, weights, reduction)


@composed
def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    mask: Any = None,
    weights: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """−Σ_c q_c ln p_c, where p = softmax(logits) and q is what is right: one class, or a probability of each.

    Parameters
    ----------
    logits : Tensor or array of floats, (..., C)
        A score for each of C classes, before softmax.
    labels : Tensor or array
        Integers (...): the right class of each place, from 0 to C − 1.  Or floats (..., C): the probability of each class.
    ignore_index : int, optional
        A class that stands for "do not count this place"; for integer labels only.
    label_smoothing : float
        ε, from 0 to 1: q becomes (1 − ε) q + ε / C (Szegedy et al. 2016).
    mask : bools that broadcast to (...), optional
    weights : C numbers, optional
        How much each class counts: a factor w_c in the sum.  With integer labels the mean is divided by the sum of the
        weights of the right classes; with probabilities, as without weights, by the number of places.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor
        A scalar, or with ``reduction="none"`` (...).

    Raises
    ------
    ValueError
        If a shape or an option does not fit.
    TypeError
        If a dtype does not fit.
    IndexError
        If a label is not below C.  Labels on a GPU are not checked, for that would wait for it.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> logits = tr.zeros(2, 3, 10)
    >>> round(nn.cross_entropy(logits, [[1, 2, 3], [4, -1, -1]], ignore_index=-1).item(), 4)  # ln 10
    2.3026
    """
    logits = _floats("cross_entropy", logits)
    labels = _data(labels, logits)
    classes = logits.shape[-1] if logits.ndim else 0
    integer = _are_indices(labels, logits)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing {label_smoothing!r} is not between 0 and 1")
    if ignore_index is not None and not integer:
        raise ValueError("cross_entropy: ignore_index needs integer labels; with probabilities use mask")

    valid = _valid("cross_entropy", mask, logits.shape[:-1], logits)
    weight = None  # of each place
    if integer:
        labels = _in_dtype(labels, "int64")
        if ignore_index is not None:
            kept = ops.not_equal(labels, ignore_index)
            valid = kept if valid is None else ops.where(valid, kept, False)
    if valid is not None:  # at places that do not count, any label and any scores will do
        some = ops.expand_dims(valid, valid.ndim)
        logits, labels = ops.where(some, logits, 0), ops.where(valid if integer else some, labels, 0)

    surprise = -ops.log_softmax(logits)  # −ln p
    if weights is not None:
        weights = _in_dtype(_data(weights, logits), logits.dtype)
        if tuple(weights.shape) != (classes,):
            raise ValueError(f"cross_entropy: weights have shape {tuple(weights.shape)}, expected one per class: ({classes},)")
        surprise = surprise * weights
    if integer:
        _check_range(labels, classes)
        loss = _pick(surprise, labels)
        weight = None if weights is None else weights[labels]
    else:
        loss = ops.sum(surprise * _in_dtype(labels, logits.dtype), axis=-1)
    if label_smoothing:
        loss = (1 - label_smoothing) * loss + label_smoothing * ops.mean(surprise, axis=-1)
    counted = _as_numbers(valid, logits)
    return _reduced(_product(loss, counted), _product(counted, weight), reduction)


@composed
def binary_cross_entropy(
    logits: Any, targets: Any, *, mask: Any = None, weights: Any = None, positive_weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """−(q ln p + (1 − q) ln(1 − p)), where p = σ(logits): the logarithms are taken together with σ, so none is of 0.

    Parameters
    ----------
    logits : Tensor or array of floats, of any shape
        Scores before the sigmoid.
    targets : Tensor or array of the same shape
        q: 0 or 1, or a probability.
    mask : bools that broadcast to that shape, optional
    weights : numbers that broadcast to that shape, optional
        The mean is divided by the number of places all the same, as in PyTorch.
    positive_weight : numbers that broadcast to that shape, optional
        A factor on q ln p alone, for rare positives.
    reduction : {"mean", "sum", "none"}

    Returns, raises: see `mse`.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.binary_cross_entropy(tr.tensor([800.0, -800.0]), tr.tensor([1.0, 0.0])).item()
    0.0
    """
    logits, targets, valid = _counted_pair("binary_cross_entropy", logits, targets, mask)
    positive = targets * ops.softplus(-logits)  # −ln σ(x) = ln(1 + e⁻ˣ)
    if positive_weight is not None:
        positive = positive * _factor("positive_weight", positive_weight, logits, valid)
    loss = positive + (1 - targets) * ops.softplus(logits)  # −ln(1 − σ(x)) = ln(1 + eˣ)
    counts = _as_numbers(valid, logits)
    loss = _product(loss, counts)
    if weights is not None:
        loss = loss * _factor("weights", weights, logits, valid)
    return _reduced(loss, counts, reduction)


# -- what the losses have in common ------------------------------------------------------------------------------


def _data(data: Any, like: Tensor) -> Tensor:
    """A Tensor; nested lists keep their kind of number, and go where `like` is."""
    return as_tensor(data if hasattr(data, "dtype") else backend.asarray(numpy.asarray(data), device=like.device))


def _in_dtype(x: Tensor, dtype: Any) -> Tensor:
    return x if x.dtype == dtype else ops.cast(x, dtype=dtype)


def _floats(loss: str, prediction: Any) -> Tensor:
    prediction = as_tensor(prediction)
    if prediction.dtype.kind != "f":
        raise TypeError(f"{loss}: the prediction has dtype {prediction.dtype}, expected floats")
    return prediction


def _valid(loss: str, mask: Any, places: tuple[int, ...], like: Tensor) -> Tensor | None:
    """Which places count, as bools of their shape; None if all do."""
    if mask is None:
        return None
    mask = _data(mask, like)
    if mask.dtype.kind != "b":
        raise TypeError(f"{loss}: the mask has dtype {mask.dtype}, expected bools (True counts); compare, e.g. mask > 0")
    return _spread(f"{loss}: the mask", mask, places)


def _spread(what: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """x, broadcast to a shape."""
    if tuple(x.shape) == tuple(shape):
        return x
    fits = x.ndim <= len(shape) and all(n in (1, m) for n, m in zip(reversed(x.shape), reversed(shape)))
    if not fits:
        raise ValueError(f"{what} has shape {tuple(x.shape)}, which does not broadcast to {tuple(shape)}")
    return ops.broadcast_to(x, shape=tuple(shape))


def _counted_pair(loss: str, prediction: Any, target: Any, mask: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    """Prediction and target, of one shape and dtype and 0 where masked; and which places count."""
    prediction = _floats(loss, prediction)
    target = _in_dtype(_data(target, prediction), prediction.dtype)
    if tuple(prediction.shape) != tuple(target.shape):
        raise ValueError(
            f"{loss}: the prediction has shape {tuple(prediction.shape)}, the target {tuple(target.shape)}: "
            "they must be equal, nothing is broadcast"
        )
    valid = _valid(loss, mask, prediction.shape, prediction)
    if valid is not None:
        prediction, target = ops.where(valid, prediction, 0), ops.where(valid, target, 0)
    return prediction, target, valid


def _factor(what: str, numbers: Any, like: Tensor, valid: Tensor | None) -> Tensor:
    """Weights in the dtype and the shape of `like`, 0 where masked."""
    factor = _spread(what, _in_dtype(_data(numbers, like), like.dtype), like.shape)
    return factor if valid is None else ops.where(valid, factor, 0)


def _as_numbers(valid: Tensor | None, like: Tensor) -> Tensor | None:
    """1 where a place counts, 0 where it does not."""
    return None if valid is None else ops.cast(valid, dtype=like.dtype)


def _product(a: Any, b: Any) -> Any:
    """a b, where None stands for 1."""
    return a if b is None else b if a is None else a * b


def _weighted(loss: Tensor, valid: Tensor | None, weights: Any, reduction: str) -> Tensor:
    """The loss of each place, 0 where masked, times its weight; a mean is divided by the weights that count."""
    if weights is None:
        return _reduced(loss, _as_numbers(valid, loss), reduction)
    counts = _factor("weights", weights, loss, valid)
    return _reduced(loss * counts, counts, reduction)


def _reduced(loss: Tensor, counts: Tensor | None, reduction: str) -> Tensor:
    """The loss of each place, or their sum, or that divided by what counts (None: every place as 1)."""
    if reduction == "none":
        return loss
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction {reduction!r}: expected 'mean', 'sum' or 'none'")
    total = ops.sum(loss)
    if reduction == "sum":
        return total
    if counts is None:
        return total / max(1, loss.size)
    count = ops.sum(counts)
    return total / ops.where(ops.equal(count, 0), 1, count)


def _are_indices(labels: Tensor, logits: Tensor) -> bool:
    """Are the labels classes, or probabilities?  Anything else is an error."""
    places, found = tuple(logits.shape[:-1]), tuple(labels.shape)
    if logits.ndim == 0:
        raise ValueError("cross_entropy: the logits are a scalar, expected (..., C): a score for each of C classes")
    if labels.dtype.kind in "iu" and found == places:
        return True
    if labels.dtype.kind == "f" and found == tuple(logits.shape):
        return False
    if labels.dtype.kind not in "iuf":
        raise TypeError(
            f"cross_entropy: the labels have dtype {labels.dtype}, expected integers (classes) or floats (probabilities)"
        )
    expected = (
        f"{places} of integers (classes)" if labels.dtype.kind in "iu" else f"{tuple(logits.shape)} of floats (probabilities)"
    )
    if labels.dtype.kind == "f" and found == places:
        expected += "; class labels must be integers: make them with dtype=int"
    raise ValueError(
        f"cross_entropy: labels of shape {found} and dtype {labels.dtype} do not fit logits of shape "
        f"{tuple(logits.shape)} = (..., C): expected {expected}"
    )


def _check_range(labels: Tensor, classes: int) -> None:
    """Is every label below the number of classes?  Asked on the CPU only: a GPU would have to be waited for."""
    if labels.device.kind == "cpu" and labels.size:
        low, high = labels.data.min(), labels.data.max()
        if low < 0 or high >= classes:
            raise IndexError(
                f"cross_entropy: labels from {low} to {high} do not fit {classes} classes; "
                "one that marks places not to be counted is given as ignore_index"
            )


def _pick(x: Tensor, labels: Tensor) -> Tensor:
    """x[..., label] of each place: (..., C) and (...) give (...)."""
    rows = ops.reshape(x, shape=(-1, x.shape[-1]))
    with backend.active(x.device):
        number = backend.library(x.device).arange(rows.shape[0])
    return ops.reshape(rows[number, ops.reshape(labels, shape=(-1,))], shape=tuple(labels.shape))
