"""Metrics: what a prediction is worth, in numbers that people read; means over all the places that count."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import ops
from ..nn import losses
from ..tensor import as_tensor


@dataclass(frozen=True)
class Metric:
    """A mean over the places that count, and how it is read.

    Over several batches the means are averaged first, each weighted by its number of places, and read then: the perplexity of
    a text is not the mean of those of its batches.

    Attributes
    ----------
    name : str
        What a History calls it.
    mean : callable
        ``mean(prediction, y)``, with ``mask=`` where there is one: the mean over the places that count, a Tensor or a number.
    read : callable
        The number that is shown, made of that mean.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> within = tr.train.Metric("within a tenth", lambda prediction, y: (abs(prediction - y) < 0.1).astype("float32").mean())
    >>> within(tr.tensor([1.0, 2.0]), tr.tensor([1.05, 3.0]))
    0.5
    >>> round(tr.train.perplexity(tr.zeros(4, 10), [0, 1, 2, 3]), 3)
    10.0
    """

    name: str
    mean: Callable[..., Any]
    read: Callable[[float], float] = float

    def __call__(self, prediction: Any, y: Any, *, mask: Any = None) -> float:
        """The metric of one batch."""
        return self.read(float(self.mean(prediction, y, **({} if mask is None else {"mask": mask}))))


def _share_of_right(prediction: Any, y: Any, *, mask: Any = None) -> Any:
    """How often the class with the highest score is the right one: the labels are those of `nn.cross_entropy`."""
    prediction, y = as_tensor(prediction), as_tensor(y)
    if y.dtype.kind == "f" and y.shape == prediction.shape:
        y = ops.argmax(y, axis=-1)
    if y.shape != prediction.shape[:-1]:
        raise ValueError(
            f"accuracy: labels of shape {tuple(y.shape)} do not fit scores of shape {tuple(prediction.shape)} = (..., C): "
            "expected a class for each place (...), or probabilities (..., C); for yes or no use binary_accuracy"
        )
    return _mean(ops.equal(ops.argmax(prediction, axis=-1), y), prediction.dtype, mask)


def _share_of_right_answers(prediction: Any, y: Any, *, mask: Any = None) -> Any:
    """How often a score is above 0 where the target is above ½, and only there: as for `nn.binary_cross_entropy`."""
    prediction, y = as_tensor(prediction), as_tensor(y)
    if y.shape != prediction.shape:
        raise ValueError(f"binary_accuracy: scores have shape {tuple(prediction.shape)}, but targets {tuple(y.shape)}")
    return _mean(ops.equal(ops.greater(prediction, 0), ops.greater(y, 0.5)), prediction.dtype, mask)


def _mean(right: Any, dtype: Any, mask: Any) -> Any:
    hits = ops.cast(right, dtype=dtype)
    return losses.mae(hits, 0 * hits, mask=mask)  # the mean of |hits − 0| where the mask is True


accuracy = Metric("accuracy", _share_of_right)
"""How often the class with the highest score is the right one; labels as of `nn.cross_entropy`."""

binary_accuracy = Metric("binary_accuracy", _share_of_right_answers)
"""How often yes or no is right; scores and targets as of `nn.binary_cross_entropy`."""

perplexity = Metric("perplexity", losses.cross_entropy, lambda nats: math.exp(min(nats, 700.0)))
"""e to the cross-entropy, that is, among how many equally likely classes the model is in doubt."""

bits_per_character = Metric("bits_per_character", losses.cross_entropy, lambda nats: nats / math.log(2))
"""The cross-entropy in bits."""

mae = Metric("mae", losses.mae)
"""The mean absolute error."""

mse = Metric("mse", losses.mse)
"""The mean squared error."""

METRICS = {metric.name: metric for metric in (accuracy, binary_accuracy, perplexity, bits_per_character, mae, mse)}


def as_metrics(given: Iterable) -> list[Metric]:
    """Metrics by name, as they are, or as functions of prediction and y that are called by their own name."""
    if isinstance(given, (str, Metric)) or callable(given):
        given = [given]
    found = []
    for metric in given:
        if isinstance(metric, str):
            if metric not in METRICS:
                raise ValueError(f"there is no metric {metric!r}: there are {', '.join(METRICS)}, or give a function")
            found.append(METRICS[metric])
        elif isinstance(metric, Metric):
            found.append(metric)
        elif callable(metric):
            inner = metric.func if isinstance(metric, partial) else metric
            found.append(Metric(getattr(inner, "__name__", type(inner).__name__), metric))
        else:
            raise TypeError(f"a metric is a name, a Metric or a function of prediction and y, not a {type(metric).__name__}")
    names = ["loss", *(metric.name for metric in found)]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two metrics are called {', '.join(sorted(twice))}: name them with Metric(name, function)")
    return found


class Means:
    """Means over batches, each weighted by how many places of it count."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.places = 0.0

    def add(self, means: Mapping[str, float], places: float) -> None:
        """Take a batch in."""
        self.places += places
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + mean * places if places else self.sums.get(name, 0.0)

    def result(self) -> dict[str, float | None]:
        """The means so far; None if nothing counted."""
        return {name: total / self.places if self.places else None for name, total in self.sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        return {"names": list(self.sums), "sums": list(self.sums.values()), "places": self.places}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As `state_dict` was."""
        self.sums, self.places = dict(zip(state["names"], state["sums"])), state["places"]
