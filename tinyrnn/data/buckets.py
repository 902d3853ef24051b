"""Batches of sequences of similar length, so that little of them is padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from .arrays import as_array
from .batches import check_batch_size, chunks
from .epochs import Batch, Epochs
from .padding import length_mask, pad


class BucketBatches(Epochs):
    """Iterate over sequences of several lengths; those of a batch come from one bucket, sequences of similar length.

    Each sequence comes once in an epoch.  A bucket whose size is no multiple of `batch_size` has a smaller last batch.

    Parameters
    ----------
    x : list of arrays, (T_i,) or (T_i, …), or tuple of such lists
        The sequences; a tuple where the model takes several, such as the sentences of two languages.  The first list
        decides on the buckets.
    y : array (n, …), or list of arrays (T_i, …), optional
        One target for each sequence; or, as a list, a sequence of targets for each, of any lengths.
    batch_size : int
    boundaries : sequence of int, optional
        The greatest length in each bucket but the last; by default those that make eight buckets of about one size.
    padding : number, or tuple of them
        What fills up the shorter sequences of `x`; `y` is filled up with 0, which its mask leaves out.
    shuffle : bool
        Other batches in another order each epoch; the seed and the number of the epoch decide.
    seed : int
    drop_last : bool
        Leave out the smaller last batch of each bucket.
    batch_first : bool
        Batches are (N, T, …) instead of (T, N, …).

    Raises
    ------
    ValueError
        If the numbers of sequences differ, there are none, or they differ in more than their length.

    Notes
    -----
    Of each batch, `lengths` are those of `x`, or of the first of several; `mask` says which steps of `y` count, and is there
    only if `y` has steps.  It has the axes of `y`: (T, N) of labels, (T, N, 1) of features.

    Examples
    --------
    >>> from tinyrnn import data
    >>> batches = data.BucketBatches([[1, 2], [3, 4, 5, 6], [7], [8, 9, 10]], [0, 1, 0, 1], batch_size=2, boundaries=[2])
    >>> for batch in batches:
    ...     print(batch.x.T.tolist(), batch.y, batch.lengths)
    [[1, 2], [7, 0]] [0 0] [2 1]
    [[3, 4, 5, 6], [8, 9, 10, 0]] [1 1] [4 3]
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int = 32,
        boundaries: Sequence[int] | None = None,
        padding: float | tuple[float, ...] = 0,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        batch_first: bool = False,
    ) -> None:
        check_batch_size("BucketBatches", batch_size)
        self.batch_size, self.drop_last, self.batch_first = batch_size, drop_last, batch_first
        self._several = isinstance(x, tuple)
        self._x = [_sequences("x", part) for part in (x if isinstance(x, tuple) else (x,))]
        self._padding = padding if isinstance(padding, tuple) else (padding,) * len(self._x)
        if len(self._padding) != len(self._x):
            raise ValueError(f"BucketBatches: padding has {len(self._padding)} numbers for {len(self._x)} lists of sequences")
        self._y = None if y is None else _targets(y)
        sizes = [len(part) for part in (*self._x, *(() if self._y is None else (self._y,)))]
        if len(set(sizes)) != 1 or not sizes[0]:
            raise ValueError(
                f"BucketBatches: expected as many sequences in each list of x as targets in y, and at least one, not {sizes}; "
                "several lists of sequences are given as a tuple, the sequences of one as a list"
            )
        self.boundaries, self._buckets = _buckets(numpy.array([len(sequence) for sequence in self._x[0]]), boundaries)
        super().__init__(len(self._parts(None)), shuffle=shuffle, seed=seed)

    def _parts(self, generator: numpy.random.Generator | None) -> Sequence[numpy.ndarray]:
        orders = self._buckets if generator is None else [generator.permutation(bucket) for bucket in self._buckets]
        parts = [part for order in orders for part in chunks(order, self.batch_size, self.drop_last)]
        return parts if generator is None else [parts[number] for number in generator.permutation(len(parts))]

    def _batch(self, part: numpy.ndarray) -> Batch:
        padded = [
            pad([sequences[number] for number in part], padding=padding, batch_first=self.batch_first)
            for sequences, padding in zip(self._x, self._padding)
        ]
        x = tuple(array for array, _ in padded)
        y, mask = self._targets_of(part)
        return Batch(x if self._several else x[0], y, padded[0][1], mask)

    def _targets_of(self, part: numpy.ndarray) -> tuple[Any, Any]:
        """The targets of a batch, and which of their steps count."""
        if not isinstance(self._y, list):
            return (None if self._y is None else self._y[part]), None
        y, lengths = pad([self._y[number] for number in part], batch_first=self.batch_first)
        mask = length_mask(lengths, batch_first=self.batch_first)
        return y, mask.reshape(*mask.shape, *(1,) * (y.ndim - 2))


def _sequences(name: str, given: Any) -> list[numpy.ndarray]:
    """A list of sequences as arrays, each with an axis of steps."""
    arrays = [as_array(f"BucketBatches: {name}[{number}]", sequence) for number, sequence in enumerate(given)]
    if flat := [number for number, array in enumerate(arrays) if not array.ndim]:
        raise ValueError(f"BucketBatches: {name}[{flat[0]}] is a single number, expected a sequence (T,) or (T, …)")
    shapes = {array.shape[1:] for array in arrays if array.size}
    if len(shapes) > 1:
        raise ValueError(f"BucketBatches: the sequences of {name} differ in more than their length: (T, …) with … in {shapes}")
    return arrays


def _targets(y: Any) -> Any:
    """One target for each sequence as one array, or a list of sequences of targets."""
    if isinstance(y, (list, tuple)) and any(numpy.ndim(target) for target in y):
        return _sequences("y", y)
    array = as_array("BucketBatches: y", y)
    if not array.ndim:
        raise ValueError(f"BucketBatches: y is a single number, {y!r:.60}, expected one target for each sequence, (n, …)")
    return array


def _buckets(lengths: numpy.ndarray, boundaries: Sequence[int] | None) -> tuple[list[int], list[numpy.ndarray]]:
    """The greatest length in each bucket but the last, and which sequences are in each bucket that is not empty."""
    if boundaries is None:
        boundaries = numpy.unique(numpy.quantile(lengths, numpy.arange(1, 8) / 8, method="inverted_cdf")).tolist()
    found = [int(boundary) for boundary in boundaries]
    if found != sorted(set(found)):
        raise ValueError(f"BucketBatches: boundaries={boundaries!r}: expected lengths in ascending order, each once")
    bucket_of = numpy.searchsorted(found, lengths)  # the first whose greatest length is not below
    return found, [numpy.flatnonzero(bucket_of == bucket) for bucket in numpy.unique(bucket_of)]
