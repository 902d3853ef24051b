"""Training, validation and test, one after the other in time."""

from __future__ import annotations

from typing import NamedTuple

import numpy


class Split(NamedTuple):
    """Which steps are for what; each part is a slice."""

    train: slice
    validation: slice
    test: slice


def time_split(steps: int, *, validation: float = 0.0, test: float = 0.0, gap: int = 0) -> Split:
    """Divide a series in time: what is learnt from comes first, then what is chosen by, last what is judged by.

    Parameters
    ----------
    steps : int
        How many there are: of a series, or of its windows.
    validation, test : int, or float below 1
        How many of them, or which fraction of all.  What is left is for training.
    gap : int
        How many to leave out before the validation and before the test.  Windows that are divided overlap the border by
        ``length + horizon - 1`` of their steps, so leave out as many, divided by their stride and rounded up.

    Returns
    -------
    Split
        Slices `train`, `validation` and `test`.

    Raises
    ------
    ValueError
        If nothing is left for training, or a fraction of the series is less than one step.

    Examples
    --------
    >>> import numpy as np
    >>> from tinyrnn import data
    >>> series = np.arange(20)
    >>> part = data.time_split(len(series), validation=4, test=0.25, gap=1)
    >>> series[part.train], series[part.validation], series[part.test]
    (array([0, 1, 2, 3, 4, 5, 6, 7, 8]), array([10, 11, 12, 13]), array([15, 16, 17, 18, 19]))
    """
    if not isinstance(steps, (int, numpy.integer)) or steps < 1:
        raise ValueError(f"time_split: steps={steps!r:.60}: expected how many there are, len(series)")
    if not isinstance(gap, (int, numpy.integer)) or gap < 0:
        raise ValueError(f"time_split: gap={gap!r}: expected a whole number from 0")
    for_test, for_validation = _count("test", test, steps), _count("validation", validation, steps)
    test_begins = steps - for_test
    validation_ends = test_begins - (gap if for_test else 0)
    validation_begins = validation_ends - for_validation
    train_ends = validation_begins - (gap if for_validation else 0)
    if train_ends < 1:
        raise ValueError(
            f"time_split: of {steps} steps nothing is left for training: {for_validation} are for validation, "
            f"{for_test} for the test, and gaps of {gap} lie between"
        )
    return Split(slice(0, train_ends), slice(validation_begins, validation_ends), slice(test_begins, steps))


def _count(name: str, part: float, steps: int) -> int:
    """How many steps a part has."""
    if isinstance(part, (int, numpy.integer)) and part >= 0:
        return int(part)
    if not isinstance(part, (float, numpy.floating)) or not 0 <= part < 1:
        raise ValueError(f"time_split: {name}={part!r}: expected a number of steps, or a fraction of them from 0.0 and below 1.0")
    count = round(part * steps)
    if part and not count:
        raise ValueError(f"time_split: {name}={part!r} of {steps} steps is less than one")
    return count
