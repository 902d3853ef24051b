"""One batch on its way through a model: moved to where that is, predicted from, and the predictions joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from .. import backend
from ..data import Batch
from ..graph import Value
from ..nn import Module
from ..nn.layers import takes_lengths
from ..tensor import Tensor, as_tensor


def moved(batch: Batch, like: Tensor) -> Batch:
    """The batch as Tensors on the device of a parameter, floats in its dtype.  (Layers want lengths on the host.)"""

    def move(part: Any) -> Any:
        if part is None:
            return None
        if isinstance(part, tuple):
            return tuple(map(move, part))
        data = part.data if isinstance(part, Value) else part if hasattr(part, "dtype") else numpy.asarray(part)
        return as_tensor(backend.asarray(data, like.dtype if data.dtype.kind == "f" else None, like.device))

    return Batch(move(batch.x), move(batch.y), batch.lengths, move(batch.mask))


def prediction_of(model: Module, batch: Batch) -> Tensor:
    """What a model makes of a batch.

    Raises
    ------
    TypeError
        If the batch has lengths and the model takes none, or the model returns something else than one Tensor.
    """
    kind = type(model).__name__
    options = {} if batch.lengths is None else {"lengths": batch.lengths}
    if options and not takes_lengths(model):
        raise TypeError(
            f"the data have lengths, but {kind} takes none: write forward(self, x, lengths=None), and hand them on to the "
            "recurrent layers"
        )
    prediction = model(*batch.x, **options) if isinstance(batch.x, tuple) else model(batch.x, **options)
    if not isinstance(prediction, Tensor):
        raise TypeError(
            f"{kind} returned a {type(prediction).__name__}, expected one Tensor, the prediction"
            + (
                ": a recurrent layer returns (y, state); make it with return_state=False, or return y alone"
                if isinstance(prediction, tuple)
                else ""
            )
        )
    return prediction


def loss_of(loss: Callable[..., Any], prediction: Tensor, batch: Batch) -> Tensor:
    """How wrong a prediction is, as one number.

    Raises
    ------
    ValueError
        If there is no y, or the loss is something else than one number.
    """
    if batch.y is None:
        raise ValueError("there is no y: a loss needs to know what is right; give y, or batches (x, y)")
    number = loss(prediction, batch.y, **mask_of(batch))
    if not isinstance(number, Tensor) or number.size != 1:
        what = f"shape {tuple(number.shape)}" if isinstance(number, Tensor) else f"a {type(number).__name__}"
        raise ValueError(f"the loss must be one number, a Tensor of shape (), not {what}: take its mean")
    return number if not number.ndim else number.reshape(())


def mask_of(batch: Batch) -> dict[str, Any]:
    """The mask, as losses and metrics are given it: not at all if there is none."""
    return {} if batch.mask is None else {"mask": batch.mask}


def places(batch: Batch) -> float:
    """How many places of a batch count: the weight of its means."""
    y = batch.y[0] if isinstance(batch.y, tuple) else batch.y
    if batch.mask is None or not batch.mask.size:
        return float(y.size)
    return float(backend.to_host(batch.mask.data).sum()) * y.size / batch.mask.size


def samples_of(batch: Batch, batch_axis: int) -> int:
    """How many samples a batch has."""
    shape = (batch.x[0] if isinstance(batch.x, tuple) else batch.x).shape
    return shape[min(batch_axis, len(shape) - 1)]


def joined(parts: Sequence[numpy.ndarray], counts: Sequence[int], batch_axis: int, steps: int) -> numpy.ndarray:
    """The predictions of some batches beside each other, along the axis that has one entry for each sample.

    Raises
    ------
    ValueError
        If they have no such axis, or differ along another one; or if it may be either of two, because the sequences have as
        many steps as the batches samples.
    """
    axes = [
        axis
        for axis in dict.fromkeys((batch_axis, 0))
        if all(part.ndim > axis and part.shape[axis] == count for part, count in zip(parts, counts))
    ]
    if len(axes) == 2 and len(parts) > 1 and all(part.shape == (steps, steps) for part in parts):
        raise ValueError(
            f"the predictions of the batches have shape {parts[0].shape}: is that a row for each sample, or for each step? "
            f"Give another batch_size than {steps}"
        )
    # (N, C) of as many classes as samples: a row for each sample, as one that is no sequence has
    axis = 0 if len(axes) == 2 and parts[0].ndim == 2 else axes[0] if axes else None
    if axis is None or len({part.shape[:axis] + part.shape[axis + 1 :] for part in parts}) > 1:
        raise ValueError(
            f"the predictions of the batches, of shapes {sorted({part.shape for part in parts})}, do not fit beside each other: "
            "predict batch by batch"
        )
    return numpy.concatenate(parts, axis=axis)
