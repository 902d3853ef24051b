"""Batches of arrays: some of the sequences at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from .arrays import as_array
from .epochs import Batch, Epochs


def check_batch_size(kind: str, batch_size: int) -> None:
    """A batch has at least one sequence."""
    if not isinstance(batch_size, (int, numpy.integer)) or batch_size < 1:
        raise ValueError(f"{kind}: batch_size={batch_size!r}: expected a whole number from 1")


def chunks(numbers: numpy.ndarray, size: int, drop_last: bool) -> list[numpy.ndarray]:
    """The numbers in order, so many at a time; the last ones, if they are fewer, only without `drop_last`."""
    end = len(numbers) // size * size if drop_last else len(numbers)
    return [numbers[start : start + size] for start in range(0, end, size)]


class Batches(Epochs):
    """Iterate over arrays in batches, in a new order each epoch.

    Parameters
    ----------
    x : array, or tuple of arrays
        Its first axis are the sequences, or what else there is one of for each target; see `batch_axis`.
    y : array, optional
        The targets.
    lengths : (N,) integers, optional
    mask : array of bools, optional
        Which targets count; its sequences lie along the axis of those of `y`.
    batch_size : int
    shuffle : bool
        In another order each epoch; the seed and the number of the epoch decide.
    seed : int
    drop_last : bool
        Leave out a last batch that would be smaller than the others.
    batch_axis : int
        Along which axis of `x` and `y` the sequences lie: 1 of time-first arrays (T, N, …).
    target_axis : int, optional
        The same of `y` and `mask`, where it is another one: 0 of one label (N,), or one row (N, F), for each sequence
        of a time-first `x`.  By default that of `x`, and 0 if `y` has one axis only.

    Raises
    ------
    ValueError
        If the arrays differ in the number of sequences, or have none.
    TypeError
        If something is no array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from tinyrnn import data
    >>> batches = data.Batches(np.zeros((10, 5, 3)), np.arange(10), batch_size=4, shuffle=True, seed=1)
    >>> len(batches), [batch.x.shape for batch in batches]
    (3, [(4, 5, 3), (4, 5, 3), (2, 5, 3)])

    A reader that stopped after one batch goes on elsewhere:

    >>> first, *rest = [batch.y for batch in batches]
    >>> reader = iter(batches)
    >>> batch = next(reader)
    >>> elsewhere = data.Batches(np.zeros((10, 5, 3)), np.arange(10), batch_size=4, shuffle=True, seed=1)
    >>> elsewhere.load_state_dict(batches.state_dict())
    >>> [(mine.y == other.y).all().item() for mine, other in zip(reader, elsewhere)]
    [True, True]
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        batch_axis: int = 0,
        target_axis: int | None = None,
    ) -> None:
        check_batch_size("Batches", batch_size)
        self.batch_size, self.drop_last, self.batch_axis = batch_size, drop_last, batch_axis
        self._several = isinstance(x, tuple)
        self._x = [as_array("Batches: x", part) for part in (x if isinstance(x, tuple) else (x,))]
        self._y = None if y is None else as_array("Batches: y", y)
        self._lengths = None if lengths is None else as_array("Batches: lengths", lengths)
        self._mask = None if mask is None else as_array("Batches: mask", mask)
        if target_axis is None:
            target_axis = 0 if self._y is not None and self._y.ndim == 1 else batch_axis
        self.target_axis = target_axis
        self._sequences = self._count_sequences()
        super().__init__(len(self._parts(None)), shuffle=shuffle, seed=seed)

    def _count_sequences(self) -> int:
        """How many sequences there are; every array says the same."""
        arrays = [("x", part, self.batch_axis) for part in self._x]
        given = (("y", self._y, self.target_axis), ("lengths", self._lengths, 0), ("mask", self._mask, self.target_axis))
        arrays += [(name, array, axis) for name, array, axis in given if array is not None]
        for name, array, axis in arrays:
            if not 0 <= axis < array.ndim:
                raise ValueError(f"Batches: {name} has shape {array.shape}, and so no axis {axis} for the sequences to lie along")
        found = [array.shape[axis] for _, array, axis in arrays]
        if len(set(found)) != 1:
            said = ", ".join(f"{name} {array.shape} has {array.shape[axis]} along axis {axis}" for name, array, axis in arrays)
            raise ValueError(
                f"Batches: the arrays hold different numbers of sequences: {said}; "
                "batch_axis=1 is for time-first arrays (T, N, …), target_axis=0 for one target for each sequence of them"
            )
        if not found[0]:
            raise ValueError(f"Batches: x has shape {self._x[0].shape}: there is nothing to make batches of")
        return found[0]

    def _parts(self, generator: numpy.random.Generator | None) -> Sequence[numpy.ndarray]:
        order = numpy.arange(self._sequences) if generator is None else generator.permutation(self._sequences)
        return chunks(order, self.batch_size, self.drop_last)

    def _batch(self, part: numpy.ndarray) -> Batch:
        x = tuple(_take(array, part, self.batch_axis) for array in self._x)
        return Batch(
            x if self._several else x[0],
            _take(self._y, part, self.target_axis),
            _take(self._lengths, part, 0),
            _take(self._mask, part, self.target_axis),
        )


def _take(array: numpy.ndarray | None, numbers: numpy.ndarray, axis: int) -> numpy.ndarray | None:
    """These sequences alone, copied; of a view of a file no more than that is read."""
    index: Any = (*(slice(None),) * axis, numbers)
    return None if array is None else array[index]
