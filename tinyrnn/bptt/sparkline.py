"""A row of numbers as a row of blocks, for the terminal."""

from __future__ import annotations

import numpy

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 40


def sparkline(numbers: numpy.ndarray) -> str:
    """Positive numbers on a logarithmic scale from the smallest to the largest; at most 40 blocks, each the median of its steps.

    "0" stands for exactly 0, "—" for what is missing, "∞" for what is not finite.

    Examples
    --------
    >>> sparkline(numpy.array([1.0, 10.0, 100.0, 0.0, numpy.nan]))
    '▁▅█0—'
    """
    bins = numpy.array_split(numpy.asarray(numbers, dtype=float), min(WIDTH, len(numbers))) if len(numbers) else []
    levels = numpy.array([_median(part) for part in bins])
    with numpy.errstate(divide="ignore", invalid="ignore"):
        logs = numpy.log(levels)
    drawn = logs[numpy.isfinite(logs)]
    low, high = (drawn.min(), drawn.max()) if drawn.size else (0.0, 0.0)
    span = max(high - low, 1e-6)  # rounding is no difference
    return "".join(_mark(level, (log - low) / span if high - low > 1e-6 else 0.5) for level, log in zip(levels, logs))


def _median(part: numpy.ndarray) -> float:
    known = part[~numpy.isnan(part)]
    return float(numpy.median(known)) if known.size else float("nan")


def _mark(level: float, height: float) -> str:
    if numpy.isnan(level):
        return "—"
    if level == 0:
        return "0"
    return BLOCKS[round(height * (len(BLOCKS) - 1))] if numpy.isfinite(level) else "∞"
