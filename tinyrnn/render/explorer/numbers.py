"""Arrays as heat maps: two-dimensional, of a size that a page can hold, and honest about what was left out."""

from __future__ import annotations

import math
from base64 import b64encode
from typing import Any

import numpy

from ... import backend

EXACT = 64  # so many numbers are handed on as they are; of more, each to a 127th of the largest
Json = dict[str, Any]


def heat_map(array: Any, cells: int) -> Json | None:
    """An array as a heat map of at most `cells` cells; None if there is none.

    Returns
    -------
    dict
        shape: that of the array, seen as a matrix (its last axis across); rows, columns: of the map, whose cells are the
        means of equal blocks if they are fewer; norm, low, high: of the array; and either numbers, row by row, or codes
        and unit: code − 128 is the number in units, code 0 is not finite.
    """
    if array is None:
        return None
    matrix = as_matrix(array)
    small = shrunk(matrix, *_grid(matrix.shape, cells))
    numbers = matrix[numpy.isfinite(matrix)]
    low, high = (numbers.min(), numbers.max()) if numbers.size else (math.nan, math.nan)
    drawn: Json = {"shape": matrix.shape, "rows": small.shape[0], "columns": small.shape[1]}
    drawn |= {"norm": number(backend.norm(matrix)), "low": number(low), "high": number(high)}
    return drawn | (quantised(small) if small.size > EXACT else {"numbers": [number(v, 5) for v in small.ravel()]})


def as_matrix(array: Any) -> numpy.ndarray:
    """Any array with its last axis across and all others down, in float64, on the host."""
    host = numpy.asarray(backend.to_host(array), dtype="float64")
    return host.reshape(-1, host.shape[-1] if host.ndim else 1) if host.size else numpy.zeros((0, 0))


def shrunk(matrix: numpy.ndarray, rows: int, columns: int) -> numpy.ndarray:
    """The means of rows × columns blocks, all as large as possible."""
    for axis, wanted in enumerate((rows, columns)):
        length = matrix.shape[axis]
        if wanted < length:
            starts = numpy.arange(wanted) * length // wanted
            counts = numpy.diff(numpy.append(starts, length))
            sums = numpy.add.reduceat(matrix, starts, axis=axis)
            matrix = sums / (counts[:, None] if axis == 0 else counts)
    return matrix


def _grid(shape: tuple[int, ...], cells: int) -> tuple[int, int]:
    """The largest grid of at most so many cells, about as wide for its height as the matrix; a few rows or columns stay."""
    rows, columns = shape
    if rows * columns <= cells:
        return rows, columns
    few = min(8, math.isqrt(cells))
    down = min(rows, max(round(math.sqrt(cells * rows / columns)), min(rows, few)))
    down = min(down, cells // min(columns, few))
    return down, min(columns, cells // down)


def quantised(matrix: numpy.ndarray) -> Json:
    """Numbers as bytes: the largest is 127 units."""
    finite = numpy.isfinite(matrix)
    unit = float(numpy.abs(matrix[finite]).max()) / 127 if finite.any() else 0.0
    steps = numpy.divide(matrix, unit or 1.0, where=finite, out=numpy.zeros(matrix.shape))
    codes = numpy.where(finite, numpy.rint(steps) + 128, 0).astype("uint8")
    return {"codes": b64encode(codes.tobytes()).decode(), "unit": number(unit)}


def norm(array: Any) -> float | str:
    """The square root of the sum of all squares."""
    return number(backend.norm(array))


def number(value: Any, digits: int = 9) -> float | str:
    """For JSON, which has no word for what is not finite: that is a text."""
    value = float(value)
    return float(f"{value:.{digits}g}") if math.isfinite(value) else str(value)
