"""A long sequence of symbols read in parallel streams, window by window, for truncated backpropagation through time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from .arrays import as_array
from .epochs import Batch, Epochs


class Streams(Epochs):
    """Iterate over a text: stream n of each batch goes on where stream n of the batch before has ended.

    The text is cut into `streams` stretches of equal length, which are read side by side.  So a model may carry its state
    from batch to batch; it begins anew with each epoch.  `y` is the symbol after each of `x`.

    Parameters
    ----------
    codes : (T,) integers
        An array, or a file mapped into memory (`map_text`, `map_bytes`), of which each batch reads its own steps only.
    streams : int
        N, how many are read side by side.
    window : int
        How many steps a batch has.
    drop_last : bool
        Leave out the last window if it is shorter than the others.
    batch_first : bool
        Batches are (N, window) instead of (window, N).

    Raises
    ------
    ValueError
        If the text is too short to give each stream a step and the symbol after it.

    Notes
    -----
    Streams of equal length leave over up to ``streams - 1`` symbols at the end of the text, which are not read.

    Examples
    --------
    >>> import numpy as np
    >>> from tinyrnn import data
    >>> for batch in data.Streams(np.arange(11), streams=2, window=3):
    ...     print(batch.x.T.tolist(), batch.y.T.tolist())
    [[0, 1, 2], [5, 6, 7]] [[1, 2, 3], [6, 7, 8]]
    [[3, 4], [8, 9]] [[4, 5], [9, 10]]
    """

    def __init__(
        self, codes: Any, *, streams: int = 32, window: int = 64, drop_last: bool = False, batch_first: bool = False
    ) -> None:
        for name, value in (("streams", streams), ("window", window)):
            if not isinstance(value, (int, numpy.integer)) or value < 1:
                raise ValueError(f"Streams: {name}={value!r}: expected a whole number from 1")
        self._codes = as_array("Streams: codes", codes)
        if self._codes.ndim != 1 or self._codes.dtype.kind not in "iu":
            raise ValueError(
                f"Streams: expected the codes of one text, (T,) integers, not {self._codes.dtype} {self._codes.shape}; "
                "the windows of a series of numbers are given to the Trainer as a list of (x, y)"
            )
        self.steps = (len(self._codes) - 1) // streams  # of each stream
        if self.steps < (window if drop_last else 1):
            raise ValueError(
                f"Streams: a text of {len(self._codes)} symbols is too short for {streams} streams"
                + (f" of a window of {window}" if drop_last else "")
                + f": that takes {streams * (window if drop_last else 1) + 1}"
            )
        self.streams, self.window, self.batch_first = streams, window, batch_first
        super().__init__(self.steps // window if drop_last else -(-self.steps // window), shuffle=False, seed=0)

    def _parts(self, generator: numpy.random.Generator | None) -> Sequence[int]:
        return range(0, len(self) * self.window, self.window)

    def _batch(self, part: int) -> Batch:
        end = min(part + self.window, self.steps) + 1  # the symbol after the window, too
        rows = numpy.stack([self._codes[start + part : start + end] for start in self.steps * numpy.arange(self.streams)])
        rows = rows.astype(numpy.int64)
        x, y = rows[:, :-1], rows[:, 1:]
        return Batch(x, y) if self.batch_first else Batch(x.T, y.T)
