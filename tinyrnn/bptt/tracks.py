"""What a history carries through time: for each cell and time loop its states, and the gates between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..graph import Value, history

ACTIVATIONS = ("sigmoid", "tanh", "relu")
VIEWS = ("part", "split", "unstack", "getitem", "index", "reshape", "transpose")  # show numbers, change none


@dataclass(frozen=True, eq=False)
class Track:
    """One cell in one time loop.

    Attributes
    ----------
    module : str
        Where the cell is in the model: "LSTM.layer0".
    loop : int
    steps : tuple of int
        In the order in which they ran.
    states, gates : dict of str to tuple of (Value or None)
        By name, in the order of the steps: what the next step reads; and what else has a name, or is an activation.
    """

    module: str
    loop: int
    steps: tuple[int, ...]
    states: dict[str, tuple[Value | None, ...]]
    gates: dict[str, tuple[Value | None, ...]]

    @property
    def reverse(self) -> bool:
        """Does it run from the last step to the first?"""
        return self.steps[0] > self.steps[-1]

    def at(self, number: int) -> dict[str, Value]:
        """The states after step `number` of the run, by name."""
        return {name: values[number] for name, values in self.states.items() if values[number] is not None}  # type: ignore[misc]


def title(track: Any) -> str:
    """The module of a track and its steps, counted from 1."""
    first, last = track.steps[0] + 1, track.steps[-1] + 1
    return f"{track.module or 'outside any module'}, t = {first}" + (f" … {last}" if first != last else "")


def find_tracks(recorded: Sequence[Value]) -> list[Track]:
    """The tracks of a history, in the order in which they ran.

    A state is what a time loop has marked as carried; and, in a loop of the user's own, what one step makes and another
    step of the same loop reads.
    """
    made = [v for v in recorded if v.op is not None and v.requires_grad and v.place.step is not None and not v.place.backward]
    carried = {v for v in made if v.carried}
    for value in made:
        for parent in value.parents:
            here, there = value.place, parent.place
            if parent.op is not None and parent.requires_grad and here.loop == there.loop and here.step != there.step:
                carried.add(parent)
    alike = {_kind(value) for value in carried}
    carried |= {value for value in made if _kind(value) in alike}  # the last step's, which no step reads

    by_track: dict[tuple[int | None, tuple[str, ...]], list[Value]] = {}
    for value in recorded:
        if value in carried:
            by_track.setdefault((value.place.loop, _module(value)), []).append(value)
    of_loop: dict[int | None, list[Value]] = {}
    for value in made:
        of_loop.setdefault(value.place.loop, []).append(value)
    tracks = []
    for (loop, module), states in by_track.items():
        steps = tuple(dict.fromkeys(value.place.step for value in states))
        feeds = set(history(*states))
        shown = {_origin(value) for value in of_loop[loop] if value.name is not None}  # through a part that has a name
        inner = [m for other, m in by_track if other == loop and m != module and m[: len(module)] == module]
        gates = [
            value
            for value in of_loop[loop]
            if value in feeds
            and value not in carried
            and value.place.scope[: len(module)] == module
            and not any(value.place.scope[: len(m)] == m for m in inner)
            and _gate_name(value)
            and (value.name is not None or value not in shown)
        ]
        tracks.append(
            Track(
                module=".".join(module),
                loop=loop,  # type: ignore[arg-type]
                steps=steps,  # type: ignore[arg-type]
                states=_output_first(_in_rows(states, steps, [value.name or "state" for value in states])),
                gates=_in_rows(gates, steps, [_gate_name(value) for value in gates]),
            )
        )
    return tracks


def choose_track(tracks: Sequence[Any], which: int | str | None) -> Any:
    """The track that is meant: by number, by the end of the module's name, or the only one; ValueError if none, or several."""
    listed = "; ".join(f"{n}: {title(track)}" for n, track in enumerate(tracks[:8])) + ("; …" if len(tracks) > 8 else "")
    if not tracks:
        raise ValueError(
            "nothing is carried from one time step to the next: use a layer, or a loop with tr.step(t), and let gradients flow"
        )
    if isinstance(which, int):
        found = list(tracks[which : which + 1]) if which >= 0 else []
    else:
        found = [t for t in tracks if which is None or f".{t.module}".endswith(f".{which}")]
    if len(found) != 1:
        what = f"{len(found) or 'none'} of them is {which!r}" if which is not None else "several cells run through time"
        raise ValueError(f"{what} ({listed}): say which by its number, or by a name that only one has")
    return found[0]


def activation_of(value: Value) -> str | None:
    """The activation function that a value comes from, though it may have been cut or reshaped since."""
    origin = _origin(value)
    return origin.op.name if origin.op is not None and origin.op.name in ACTIVATIONS else None


def _origin(value: Value) -> Value:
    """The value that this one shows, or is part of."""
    while value.op is not None and value.op.name in VIEWS:
        value = value.args[0]
    return value


def _kind(value: Value) -> tuple:
    """Equal for what is the same thing at different steps of one loop."""
    return value.place.loop, value.place.scope, value.ordinal, value.name, value.op


def _module(value: Value) -> tuple[str, ...]:
    """The module of a state; a mask, which keeps the old state where a sequence has ended, is outside of it."""
    if value.op is not None and value.op.name == "where" and isinstance(value.args[1], Value):
        inner = value.args[1].place.scope
        return inner if inner[: len(value.place.scope)] == value.place.scope else value.place.scope
    return value.place.scope


def _gate_name(value: Value) -> str:
    """The name of a gate; "tanh(c)" of an activation without one; "" of anything else."""
    if value.name is not None or value.op.name not in ACTIVATIONS:
        return value.name or ""
    inner = value.args[0]
    function = "σ" if value.op.name == "sigmoid" else value.op.name
    return f"{function}({inner.name})" if isinstance(inner, Value) and inner.name else function


def _in_rows(values: Iterable[Value], steps: Sequence[int | None], names: Iterable[str]) -> dict[str, tuple[Value | None, ...]]:
    """The values by name, in the order of the steps; the second of a name at one step is called "name 2"."""
    found: dict[tuple[str, int | None], Value] = {}
    for value, name in zip(values, names):
        free = next(candidate for candidate in _numbered(name) if (candidate, value.place.step) not in found)
        found[free, value.place.step] = value
    return {name: tuple(found.get((name, step)) for step in steps) for name in dict.fromkeys(name for name, _ in found)}


def _output_first(states: dict) -> dict:
    """h, which the rest of the network sees, before c, of which it is made."""
    return dict(sorted(states.items(), key=lambda item: item[0] != "h"))


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name} {number}"
        number += 1
