"""Samples first or time first: do the data and the recurrent layers agree?"""

from __future__ import annotations

from typing import Any

from ..data import Batch
from ..graph import Value, history


def check_axes(loss: Value, batch: Batch, batch_axis: int) -> None:
    """Stop if the states of all time loops have as many rows as the sequences have steps, in place of one for each sample.

    Nothing else would notice: the layers would read from sample to sample.

    Raises
    ------
    ValueError
        With what to do.
    """
    x: Any = batch.x[0] if isinstance(batch.x, tuple) else batch.x
    if x.ndim < 2:
        return
    samples, steps = x.shape[batch_axis], x.shape[1 - batch_axis]
    seen = {value.shape[0] for value in history(loss) if value.carried and value.shape}
    if seen == {steps} and steps != samples:
        raise ValueError(
            f"the batch has {samples} samples of {steps} steps, but the recurrent layers see {steps} sequences of {samples}: "
            + (
                "they read time first; make them with batch_first=True, or give time-first arrays and Trainer batch_axis=1"
                if batch_axis == 0
                else "they read samples first, batch_axis=1 means time first; leave out batch_first=True, or batch_axis"
            )
        )
