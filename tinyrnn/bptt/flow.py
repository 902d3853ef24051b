"""How gradients fare on their way back through time: norms at every state and gate, saturation, and a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from .. import backend
from ..autodiff import seed_of, shares
from ..graph import Value, dependents, history
from .sparkline import sparkline
from .tracks import Track, activation_of, choose_track, find_tracks, title
from .verdict import Verdict, judge

LOW, HIGH, EDGE = 0.1, 0.9, 0.9  # a σ below or above, a tanh of a larger amount, is saturated: its derivative is below 0.2


@dataclass(frozen=True, eq=False)
class Saturation:
    """The share of a gate's units, over the batch, that hardly respond: one number for each step; NaN where it is missing.

    Attributes
    ----------
    low : numpy array, (T,)
        Of σ: below 0.1, shut.  Of tanh: below −0.9.  Of relu: exactly 0.
    high : numpy array, (T,)
        Of σ: above 0.9, open.  Of tanh: above 0.9.  Of relu: 0, for it does not saturate there.
    """

    low: numpy.ndarray
    high: numpy.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class TrackFlow:
    """The gradients of one cell in one time loop.  Every array has one number for each step, in the order of time.

    Attributes
    ----------
    module : str
        Where the cell is in the model: "LSTM.layer0".
    reverse : bool
        Does it run from the last step to the first?
    steps : tuple of int
    states, gates : dict of str to numpy array (T,)
        ‖∂L/∂hₜ‖, the Frobenius norm over the batch, for every state and every gate by name.  NaN where no gradient arrives.
    saturation : dict of str to Saturation
        Of the gates, and of a state that is an activation.
    error : numpy array, (T,)
        The norm of what is left at each step of the error that enters at the last step alone (the last that the cell runs
        and that the loss looks at): of g ∂sₜₑ/∂sₜ, where s is the whole state, (h, c) of an LSTM.  NaN behind that step.
    verdict : Verdict
        Read off `error`.  ∂L/∂hₜ itself adds up what comes from all later losses: where every step has a loss it does not
        vanish, though nothing may pass from one step to another.
    """

    module: str
    reverse: bool
    steps: tuple[int, ...]
    states: dict[str, numpy.ndarray]
    gates: dict[str, numpy.ndarray]
    saturation: dict[str, Saturation]
    error: numpy.ndarray
    verdict: Verdict

    def __str__(self) -> str:
        lines = [f"{title(self)}{', running backwards' if self.reverse else ''}: norms, on a log scale"]
        rows = {f"∂L/∂{name}": norms for name, norms in (*self.states.items(), *self.gates.items())}
        rows["error at the end"] = self.error
        wide = max(map(len, rows))
        for label, norms in rows.items():
            known = norms[numpy.isfinite(norms)]
            span = f"{known[0]:.1e} … {known[-1]:.1e}" if known.size else "—"
            lines.append(f"  {label:{wide}}  {sparkline(norms)}  {span}{self._saturated(label.removeprefix('∂L/∂'))}")
        return "\n".join([*lines, f"  {self.verdict}"])

    __repr__ = __str__

    def _saturated(self, name: str) -> str:
        if name not in self.saturation:
            return ""
        sides = self.saturation[name].low, self.saturation[name].high
        if numpy.isnan(sides).all():
            return "   saturated —"
        low, high = (float(numpy.nanmean(side)) for side in sides)
        return f"   saturated {low:.0%} low, {high:.0%} high"


@dataclass(frozen=True, eq=False, repr=False)
class Flow:
    """What `flow` found: one TrackFlow for each cell in each time loop, in the order in which they ran.

    ``print(flow)`` draws it; ``flow["layer0"]`` and ``flow[0]`` pick one.
    """

    tracks: tuple[TrackFlow, ...]

    SHOWN = 8

    def __getitem__(self, which: int | str) -> TrackFlow:
        return choose_track(self.tracks, which)

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[TrackFlow]:
        return iter(self.tracks)

    def __str__(self) -> str:
        more = len(self.tracks) - self.SHOWN
        return "\n\n".join([*map(str, self.tracks[: self.SHOWN]), *([f"… and {more} more"] if more > 0 else [])])

    __repr__ = __str__


def flow(loss: Value) -> Flow:
    """How the gradient of a loss fares on its way back through time, at every state and every gate of every cell.

    Parameters
    ----------
    loss : Tensor
        A scalar.

    Returns
    -------
    Flow

    Raises
    ------
    ValueError
        If nothing is carried from one time step to the next.

    Examples
    --------
    A state that keeps 0.8 of itself at each step:

    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt
    >>> w, h = tr.Parameter(0.8), tr.tensor(1.0)
    >>> for t in range(8):
    ...     with tr.step(t):
    ...         h, = tr.named(h=w * h)
    >>> flow = bptt.flow(h)
    >>> flow[0].states["h"].round(2)
    array([0.21, 0.26, 0.33, 0.41, 0.51, 0.64, 0.8 , 1.  ])
    >>> print(flow[0].verdict)
    vanishing: the gradient halves every 3.11 steps (× 0.21 over 7 steps)
    """
    recorded = history(loss)
    tracks = find_tracks(recorded)
    choose_track(tracks, 0)  # there must be one
    entries = [_Entry(track) for track in tracks]
    owner = {value: entry for entry in entries for value in entry.place}
    norms = _Norms.fromkeys(value for track in tracks for row in _rows(track) for value in row if value is not None)
    seed = seed_of(loss)
    for into, through, share in shares(loss, seed, totals=norms, among={value for value in recorded if value.op is not None}):
        if into in owner:
            owner[into].take(into, through, share)
    if loss in owner:
        owner[loss].take(loss, None, seed)
    return Flow(tuple(_track_flow(entry, norms) for entry in entries))


class _Norms(dict):
    """Given the gradients of values, it keeps their norms alone."""

    def __setitem__(self, value: Value, gradient: Any) -> None:
        super().__setitem__(value, backend.norm(gradient))


class _Entry:
    """Where errors enter a track from outside: through outputs and losses, not through the states after."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.place = {value: k for k in range(len(track.steps)) for value in track.at(k).values()}
        ends = track.at(len(track.steps) - 1).values()
        self.inside = dependents(history(*ends), self.place)  # the ways from state to state
        self.last = -1  # the last step that an error enters at
        self.errors: dict[Value, Any] = {}  # what enters there

    def take(self, state: Value, through: Value | None, share: Any) -> None:
        """Keep what enters at the last step; nothing enters with a gradient of zeros."""
        number = self.place[state]
        if through in self.inside or number < self.last or backend.norm(share) == 0:
            return
        if number > self.last:
            self.last, self.errors = number, {}
        self.errors[state] = self.errors[state] + share if state in self.errors else share

    def follow(self) -> numpy.ndarray:
        """The norm of the errors of the last step, at that step and at every step before."""
        left: list[dict[Value, Any]] = [{} for _ in self.track.steps]
        left[self.last] = dict(self.errors)
        for state, error in self.errors.items():
            for into, through, share in shares(state, error, among=self.inside):
                number = self.place.get(into)
                if number is not None and through.place.step != into.place.step:
                    left[number][into] = left[number][into] + share if into in left[number] else share
        return numpy.array([backend.norm(*states.values()) for states in left[: self.last + 1]])


def _rows(track: Track) -> list[tuple[Value | None, ...]]:
    return [*track.states.values(), *track.gates.values()]


def _track_flow(entry: _Entry, norms: dict[Value, Any]) -> TrackFlow:
    track = entry.track
    forward = slice(None, None, -1 if track.reverse else 1)
    error = numpy.full(len(track.steps), numpy.nan)
    if entry.last >= 0:
        error[: entry.last + 1] = entry.follow()

    def in_time(values: Sequence[Value | None]) -> numpy.ndarray:
        found = [None if value is None else norms[value] for value in values[forward]]
        return numpy.array([numpy.nan if norm is None else norm for norm in found])

    return TrackFlow(
        module=track.module,
        reverse=track.reverse,
        steps=track.steps[forward],
        states={name: in_time(values) for name, values in track.states.items()},
        gates={name: in_time(values) for name, values in track.gates.items()},
        saturation={
            name: _saturation(values[forward])
            for name, values in (*track.states.items(), *track.gates.items())
            if any(value is not None and activation_of(value) for value in values)
        },
        error=error[forward],
        verdict=judge(error[entry.last :: -1].tolist() if entry.last >= 0 else []),
    )


def _saturation(values: Sequence[Value | None]) -> Saturation:
    """The share of units at either end, step by step."""
    low, high = numpy.full((2, len(values)), numpy.nan)
    for number, value in enumerate(values):
        if value is not None:
            kind, units = activation_of(value), backend.to_host(value.data)
            below = units < LOW if kind == "sigmoid" else units < -EDGE if kind == "tanh" else units == 0
            above = units > HIGH if kind != "relu" else numpy.zeros_like(below)
            known = ~numpy.isnan(units)
            if known.any():
                low[number], high[number] = below[known].mean(), above[known].mean()
    return Saturation(low, high)
