"""Numbers from wherever they are, as NumPy arrays: what every part of this package takes in."""

from __future__ import annotations

from typing import Any

import numpy

from .. import backend
from ..graph import Value


def as_array(what: str, numbers: Any) -> numpy.ndarray:
    """The NumPy array itself, the numbers of a Tensor or of a GPU's array, or of lists of one length.

    Raises
    ------
    TypeError
        If they are no numbers; the message calls them `what`.
    ValueError
        If some of them are masked (`numpy.ma`): what lies under the mask would be taken for a number.
    """
    if numpy.ma.is_masked(numbers):
        raise ValueError(f"{what}: {numpy.ma.count_masked(numbers)} numbers are masked: fill them in, or leave them out, first")
    numbers = numbers.data if isinstance(numbers, Value) else numbers
    try:
        array = backend.to_host(numbers) if backend.is_array(numbers) else numpy.asarray(numbers)
    except ValueError:  # lists of several lengths
        array = numpy.empty((), object)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: expected numbers, as an array or lists of one length, not {numbers!r:.60}")
    return array
