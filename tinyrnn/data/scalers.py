"""Scalers: features brought to one size before training, forecasts brought back to their own; names as scikit-learn's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy

from .arrays import as_array


class Scaler:
    """What the scalers have in common: each feature, along the last axis, goes to ``(x - offset) · factor`` by its own numbers.

    Arrays have any number of axes before the last one; an array with one axis is a series of a single feature.
    float32 stays float32, other numbers become float64; the arithmetic is done in float64.
    """

    _learnt: tuple[str, ...]  # the attributes that `fit` sets

    def fit(self, x: Any) -> Self:
        """Learn the scale of each feature: from what is trained on, and nothing else.

        Raises
        ------
        ValueError
            If `x` is empty, or holds NaN or infinity.
        """
        numbers = _rows(self._given(x))
        if not numbers.size:
            raise ValueError(f"{type(self).__name__}.fit: x has shape {numpy.shape(x)}: there is nothing to learn from")
        self._fit(numbers.astype(float))
        return self

    def transform(self, x: Any) -> numpy.ndarray:
        """Scaled, in the shape it had.

        Raises
        ------
        RuntimeError
            If `fit` has not been called.
        ValueError
            If `x` has another number of features, or holds NaN or infinity.
        """
        offset, factor = self._line()
        return self._apply(self._given(x), lambda rows: (rows - offset) * factor)

    def fit_transform(self, x: Any) -> numpy.ndarray:
        """`fit`, then `transform`."""
        return self.fit(x).transform(x)

    def inverse_transform(self, x: Any) -> numpy.ndarray:
        """In the units it came in; `RuntimeError` and `ValueError` as of `transform`, but NaN is let through."""
        offset, factor = self._line()
        return self._apply(as_array(f"{type(self).__name__}: x", x), lambda rows: rows / factor + offset)

    def state_dict(self) -> dict[str, numpy.ndarray]:
        """What was learnt, for a checkpoint: ``io.save(path, {"model": model, "scaler": scaler})``."""
        return {name: getattr(self, name + "_").copy() for name in self._learnt if hasattr(self, name + "_")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what another scaler of this kind learnt.

        Raises
        ------
        ValueError
            If the state is not one of this kind of scaler.
        """
        kind = type(self).__name__
        if not isinstance(state, Mapping) or set(state) not in (set(self._learnt), set()):
            expected = ", ".join(self._learnt)
            raise ValueError(f"{kind}.load_state_dict: expected {expected}, as state_dict() gives them, not {state!r:.80}")
        arrays = {name: as_array(f"{kind}.load_state_dict: {name}", state[name]).astype(float) for name in state}
        if len({array.shape for array in arrays.values()}) > 1 or any(array.ndim != 1 for array in arrays.values()):
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise ValueError(f"{kind}.load_state_dict: expected one number for each feature, not {shapes}")
        for name in self._learnt:
            if name in arrays:
                setattr(self, name + "_", arrays[name])
            else:
                vars(self).pop(name + "_", None)

    def _fit(self, rows: numpy.ndarray) -> None:
        """Learn from rows, (n, F)."""
        raise NotImplementedError

    def _line(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The offset and the factor of each feature."""
        raise NotImplementedError

    def _check_fitted(self) -> None:
        if not hasattr(self, self._learnt[0] + "_"):
            kind = type(self).__name__
            raise RuntimeError(f"{kind}: fit has not been called: {kind}().fit(x) with what the model is trained on")

    def _given(self, x: Any) -> numpy.ndarray:
        """The numbers, once it is known that none of them is missing."""
        array = as_array(f"{type(self).__name__}: x", x)
        wrong = ~numpy.isfinite(_rows(array))
        if wrong.any():
            columns = ", ".join(f"{number} in feature {column}" for column, number in enumerate(wrong.sum(axis=0)) if number)
            raise ValueError(
                f"{type(self).__name__}: x has shape {array.shape} and holds NaN or infinity, {columns}: "
                "fill them in, or leave their steps out, first"
            )
        return array

    def _apply(self, array: numpy.ndarray, scale: Any) -> numpy.ndarray:
        rows = _rows(array)
        features = len(getattr(self, self._learnt[0] + "_"))
        if rows.shape[1] != features:
            raise ValueError(
                f"{type(self).__name__}: x has shape {array.shape}, {rows.shape[1]} features along its last axis, "
                f"but fit had seen {features}"
            )
        kept = array.dtype if array.dtype.kind == "f" else float
        return scale(rows.astype(float)).reshape(array.shape).astype(kept, copy=False)


class MinMaxScaler(Scaler):
    """Each feature to a range, by its least and its greatest value.

    Parameters
    ----------
    feature_range : pair of numbers

    Attributes
    ----------
    data_min_, data_max_ : array, (F,)
        What `fit` saw.  A feature that never changes goes to the lower end of the range.

    Examples
    --------
    >>> import numpy as np
    >>> from tinyrnn import data
    >>> scaler = data.MinMaxScaler(feature_range=(-1, 1))
    >>> scaled = scaler.fit_transform(np.array([[10.0, 5.0], [20.0, 5.0], [30.0, 5.0]]))
    >>> scaled
    array([[-1., -1.],
           [ 0., -1.],
           [ 1., -1.]])
    >>> scaler.inverse_transform(scaled)[0]
    array([10.,  5.])
    """

    _learnt = ("data_min", "data_max")

    def __init__(self, feature_range: tuple[float, float] = (0.0, 1.0)) -> None:
        low, high = feature_range
        if not -numpy.inf < low < high < numpy.inf:
            raise ValueError(f"MinMaxScaler: feature_range={feature_range!r}: expected two numbers, the first below the second")
        self.feature_range = (low, high)

    def state_dict(self) -> dict[str, numpy.ndarray]:
        return {**super().state_dict(), "feature_range": numpy.array(self.feature_range, float)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        learnt = {name: state[name] for name in state if name != "feature_range"}
        if len(learnt) == len(state) or numpy.shape(state["feature_range"]) != (2,):
            raise ValueError(f"MinMaxScaler.load_state_dict: expected two numbers as feature_range, not {state!r:.80}")
        super().load_state_dict(learnt)
        low, high = map(float, state["feature_range"])
        self.feature_range = (low, high)

    def _fit(self, rows: numpy.ndarray) -> None:
        self.data_min_, self.data_max_ = rows.min(axis=0), rows.max(axis=0)

    def _line(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        self._check_fitted()
        low, high = self.feature_range
        factor = (high - low) / _nonzero(self.data_max_ - self.data_min_)
        return self.data_min_ - low / factor, factor


class StandardScaler(Scaler):
    """Each feature to mean 0 and standard deviation 1.

    Attributes
    ----------
    mean_, scale_ : array, (F,)
        What `fit` saw: the mean and the standard deviation, 1 where a feature never changes.

    Examples
    --------
    >>> import numpy as np
    >>> from tinyrnn import data
    >>> scaler = data.StandardScaler().fit(np.array([1.0, 3.0]))
    >>> scaler.transform(np.array([1.0, 2.0, 5.0]))
    array([-1.,  0.,  3.])
    """

    _learnt = ("mean", "scale")

    def _fit(self, rows: numpy.ndarray) -> None:
        self.mean_ = rows.mean(axis=0)
        constant = rows.max(axis=0) == rows.min(axis=0)  # their deviation may be a rounding error above 0
        self.scale_ = _nonzero(numpy.where(constant, 0.0, rows.std(axis=0)))

    def _line(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        self._check_fitted()
        return self.mean_, 1 / self.scale_


def _rows(array: numpy.ndarray) -> numpy.ndarray:
    """As a table (n, F)."""
    features = array.shape[-1] if array.ndim > 1 else 1
    return array.reshape(array.size // features if features else 0, features)


def _nonzero(spread: numpy.ndarray) -> numpy.ndarray:
    """1 in place of 0, or of what has no inverse: a feature that never changes is only moved."""
    return numpy.where(spread < numpy.finfo(float).tiny, 1.0, spread)
