"""A series cut into windows, each with what comes after it: supervised learning out of one long sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.lib.stride_tricks import sliding_window_view

from .arrays import as_array


def windows(
    series: Any, length: int, horizon: int = 1, stride: int = 1, *, targets: int | Sequence[int] | None = None
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Every window of a series, and what follows it.

    Window i are the steps from ``i · stride``, `length` of them; its target are the next `horizon` steps, none of which is
    in the window.

    Parameters
    ----------
    series : array, (T,) or (T, F)
        F numbers at each step; one if it has a single axis.
    length : int
        How many steps a window has.
    horizon : int
        How many steps are to be foretold.
    stride : int
        From the beginning of a window to that of the next.
    targets : int or sequence of int, optional
        The columns of `series` that are to be foretold, if not all.

    Returns
    -------
    x : array, (n, length, F)
        A view of the series, which cannot be written to.
    y : array, (n, horizon, F)
        A view, too, unless `targets` picks columns.

    Raises
    ------
    ValueError
        If the series is too short for a single window, or has more than two axes.
    IndexError
        If it has no such column.

    Examples
    --------
    >>> import numpy as np
    >>> from tinyrnn import data
    >>> x, y = data.windows(np.arange(6.0), length=3, horizon=2)
    >>> x[..., 0]
    array([[0., 1., 2.],
           [1., 2., 3.]])
    >>> y[..., 0]
    array([[3., 4.],
           [4., 5.]])
    """
    array = as_array("windows: series", series)
    for name, value in (("length", length), ("horizon", horizon), ("stride", stride)):
        if not isinstance(value, (int, numpy.integer)) or value < 1:
            raise ValueError(f"windows: {name}={value!r}: expected a whole number from 1")
    if array.ndim not in (1, 2):
        raise ValueError(f"windows: series has shape {array.shape}, expected (T,) or (T, F): T steps of F numbers")
    if len(array) < length + horizon:
        raise ValueError(
            f"windows: a series of {len(array)} steps has no window of {length} with {horizon} to come: "
            f"that takes {length + horizon}"
        )
    array = array[:, None] if array.ndim == 1 else array
    future = array if targets is None else array[:, _columns(targets, array)]
    x = sliding_window_view(array[:-horizon], length, axis=0)[::stride]
    y = sliding_window_view(future[length:], horizon, axis=0)[::stride]
    return x.swapaxes(1, 2), y.swapaxes(1, 2)


def _columns(targets: int | Sequence[int], array: numpy.ndarray) -> list[int]:
    columns = [targets] if isinstance(targets, (int, numpy.integer)) else list(targets)
    for column in columns:
        if not -array.shape[1] <= column < array.shape[1]:
            raise IndexError(f"windows: targets={targets!r}, but the series has {array.shape[1]} columns, numbered from 0")
    return columns
