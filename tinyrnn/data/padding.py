"""Sequences of several lengths side by side in one array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy

from .arrays import as_array


def pad(sequences: Iterable[Any], *, padding: float = 0, batch_first: bool = False) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Fill sequences up to the length of the longest.

    Parameters
    ----------
    sequences : iterable of arrays, (T_i,) or (T_i, …)
        The axes after the first are those of all.
    padding : number
        What is put behind the end of a sequence.
    batch_first : bool
        Put the sequences along the first axis instead of the second.

    Returns
    -------
    padded : array, (T, N, …), or (N, T, …) if `batch_first`
        T is the length of the longest, and at least 1: layers need a step.
    lengths : (N,) integers

    Raises
    ------
    ValueError
        If there are no sequences, they differ in more than their length, or their dtype cannot hold the padding.

    Examples
    --------
    >>> from tinyrnn import data
    >>> padded, lengths = data.pad([[1, 2, 3], [4]], batch_first=True)
    >>> padded
    array([[1, 2, 3],
           [4, 0, 0]])
    >>> lengths, data.length_mask(lengths)[:, 1]
    (array([3, 1]), array([ True, False, False]))
    """
    arrays = [as_array(f"pad: sequence {number}", sequence) for number, sequence in enumerate(sequences)]
    filled = [array for array in arrays if array.size] or arrays  # of an empty list nobody knows the dtype
    if not arrays:
        raise ValueError("pad: there are no sequences")
    for number, array in enumerate(arrays):
        if array.ndim == 0 or (array.size and array.shape[1:] != filled[0].shape[1:]):
            raise ValueError(f"pad: sequence {number} has shape {array.shape}, expected (T, …) = (T, {filled[0].shape[1:]})")
    lengths = numpy.array([len(array) for array in arrays])
    dtype = numpy.result_type(*{array.dtype for array in filled})
    _check_padding(padding, dtype)
    padded = numpy.full((len(arrays), max(1, int(lengths.max())), *filled[0].shape[1:]), padding, dtype)
    for row, array in zip(padded, arrays):
        row[: len(array)] = array if array.size else padding
    return (padded if batch_first else padded.swapaxes(0, 1).copy()), lengths


def _check_padding(padding: float, dtype: numpy.dtype) -> None:
    """NumPy would cut 0.5 to the integer 0, and make any integer of NaN."""
    if dtype.kind == "f":
        return
    low, high = (0, 1) if dtype.kind == "b" else (numpy.iinfo(dtype).min, numpy.iinfo(dtype).max)
    if not low <= padding <= high or padding != int(padding):
        raise ValueError(f"pad: padding={padding!r} is no {dtype}, as the sequences are: choose another one, or make them floats")


def length_mask(lengths: Any, steps: int | None = None, *, batch_first: bool = False) -> numpy.ndarray:
    """Which steps of padded sequences count.

    Parameters
    ----------
    lengths : (N,) integers
    steps : int, optional
        How many there are; by default those of the longest, and at least 1.
    batch_first : bool

    Returns
    -------
    bools, (T, N), or (N, T) if `batch_first`
        False behind the end of a sequence.

    Raises
    ------
    ValueError
        If the lengths are no integers from 0 to `steps`.
    """
    numbers = as_array("length_mask: lengths", lengths)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ValueError(f"length_mask: lengths must be integers, one for each sequence, not {numbers.dtype} {numbers.shape}")
    longest = int(numbers.max(initial=0))
    steps = max(1, longest) if steps is None else steps
    if longest > steps or numbers.min(initial=0) < 0:
        raise ValueError(f"length_mask: lengths run from {numbers.min()} to {longest}, but there are {steps} steps")
    mask = numpy.arange(steps) < numbers[:, None]
    return mask if batch_first else mask.T.copy()
