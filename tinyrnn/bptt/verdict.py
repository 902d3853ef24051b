"""Does a gradient vanish or explode on its way back?  A robust fit to its norms, and the answer in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

MANY = 200  # norms that are compared with each other; of more, so many are taken, evenly


@dataclass(frozen=True)
class Verdict:
    """How the norm of an error changes on its way back through time.

    Attributes
    ----------
    kind : str
        "vanishing" or "exploding", if it changes by more than a factor of 2 on its whole way; else "steady".  "cut", if
        nothing of it passes the first step; "not finite", if it is none from the start; "one step", if there is no way.
    rate : float
        The change of log ‖error‖ with each step back, the median of the slopes between all pairs of points (Theil 1950,
        Sen 1968), which a few odd steps do not move.  NaN where there is nothing to fit.
    steps : int
        How many steps back the error was followed until it was 0 or not finite, or the sequence began.
    change : float
        The norm there over the norm where it started.
    lost : str
        What is wrong beyond: "", "0" or "not finite".
    """

    kind: str
    rate: float
    steps: int
    change: float
    lost: str = ""

    @property
    def steps_per_factor_2(self) -> float:
        """After how many steps it is half as large, or twice."""
        return float("inf") if self.rate == 0 else float(numpy.log(2) / abs(self.rate))

    def __str__(self) -> str:
        if self.kind == "one step":
            return "one step only: nothing flows through time"
        beyond = {"": "", "0": "; further back it is exactly 0", "not finite": "; further back it is not finite"}[self.lost]
        if self.kind == "cut":
            return "cut: no gradient flows back through time"
        if numpy.isnan(self.rate):
            where = "where it starts" if self.kind == "not finite" else "one step back already"
            return f"{self.kind}: the gradient is NaN or infinite {where}"
        verb = {"vanishing": "halves", "exploding": "doubles"}.get(self.kind)
        steps = f"{self.steps_per_factor_2:.3g}"
        when = "at every step" if steps == "1" else f"every {steps} steps"
        what = f"the gradient {verb} {when}" if verb else "the gradient keeps its size"
        return f"{self.kind}: {what} (× {self.change:.2g} over {self.steps} step{'s' * (self.steps != 1)}){beyond}"


def judge(norms: Sequence[float]) -> Verdict:
    """The verdict on the norms of an error: at the step where it enters, one step back, two steps back, ….

    Examples
    --------
    >>> print(judge([1.0, 0.8, 0.64, 0.512, 0.4096]))
    vanishing: the gradient halves every 3.11 steps (× 0.41 over 4 steps)
    """
    sizes = numpy.asarray(norms, dtype=float)
    if len(sizes) < 2:
        return Verdict("one step", float("nan"), 0, 1.0)
    usable = numpy.isfinite(sizes) & (sizes > 0)
    end = len(sizes) if usable.all() else int(usable.argmin())
    lost = "" if end == len(sizes) else "0" if sizes[end] == 0 else "not finite"
    if end < 2:
        kind = "cut" if lost == "0" else "exploding" if end else "not finite"
        return Verdict(kind, float("nan"), 0, float("nan"), lost)
    rate = _slope(numpy.log(sizes[:end]))
    change = float(numpy.exp(numpy.log(sizes[end - 1]) - numpy.log(sizes[0])))
    if lost == "not finite":
        kind = "exploding"
    elif abs(rate) * (end - 1) > numpy.log(2) or lost == "0":
        kind = "vanishing" if rate < 0 or lost == "0" else "exploding"
    else:
        kind = "steady"
    return Verdict(kind, rate, end - 1, change, lost)


def _slope(logs: numpy.ndarray) -> float:
    """The median slope between all pairs of points."""
    at = numpy.unique(numpy.linspace(0, len(logs) - 1, MANY).astype(int)) if len(logs) > MANY else numpy.arange(len(logs))
    i, j = numpy.triu_indices(len(at), 1)
    return float(numpy.median((logs[at[j]] - logs[at[i]]) / (at[j] - at[i])))
