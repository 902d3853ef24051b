"""What a history carries through time: for each cell and time loop its states, and the gates between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..graph import Value, history

ACTIVATIONS = ("sigmoid", "tanh", "relu")
SUMS = ("add", "sub", "total", "concatenate")
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
    step of the same loop reads.  A running sum that nothing else reads, like that of a loss, is none.
    """
    made: dict[int, list[Value]] = {}  # in each loop
    for value in recorded:
        loop, step, pull = value.place.loop, value.place.step, value.place.pull
        if value.op is not None and value.requires_grad and loop is not None and step is not None and pull is None:
            made.setdefault(loop, []).append(value)
    tracks = []
    for loop, values in made.items():
        of_module: dict[tuple[str, ...], list[Value]] = {}
        for value in _states(values):
            of_module.setdefault(_module(value), []).append(value)
        carried = {value for states in of_module.values() for value in states}
        for module, states in of_module.items():
            inner = [other for other in of_module if other != module and other[: len(module)] == module]
            inside = [value for value in values if _within(value, module) and not any(_within(value, m) for m in inner)]
            steps = tuple(dict.fromkeys(value.place.step for value in states if value.place.step is not None))
            gates = _gates(inside, carried, set(history(*states)))
            tracks.append(
                Track(
                    module=".".join(module),
                    loop=loop,
                    steps=steps,
                    states=_output_first(_in_rows(states, steps, [value.name or "state" for value in states])),
                    gates=_in_rows(gates, steps, [_gate_name(value) for value in gates]),
                )
            )
    return sorted(tracks, key=lambda track: track.loop)


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


def _states(made: Sequence[Value]) -> list[Value]:
    """What the steps of one loop hand on, out of all that they make."""
    readers: dict[Value, list[Value]] = {value: [] for value in made}
    for value in made:
        for parent in value.parents:
            if parent in readers:
                readers[parent].append(value)
    sums: set[Value] = set()  # that nothing reads but further sums
    for value in reversed(made):
        if value.op.name in SUMS and sums.issuperset(readers[value]):
            sums.add(value)
    later = {value: [r for r in read_by if r.place.step != value.place.step] for value, read_by in readers.items()}
    found = {value for value in made if value.carried or not sums.issuperset(later[value])}
    found = found or {value for value in made if later[value]}  # a network that does nothing but add up
    alike = {_kind(value) for value in found}
    return [value for value in made if value in found or _kind(value) in alike]  # the last step's, too, which no step reads


def _kind(value: Value) -> tuple:
    """Equal for what is the same thing at different steps of one loop."""
    return value.place.scope, value.ordinal, value.name, value.op


def _within(value: Value, module: tuple[str, ...]) -> bool:
    return value.place.scope[: len(module)] == module


def _gates(inside: Sequence[Value], carried: set[Value], feeds: set[Value]) -> list[Value]:
    """What has a name, or is an activation (that shows under no other name), among the values that states are made of."""
    shown = {_origin(value) for value in inside if value.name is not None}
    return [
        value
        for value in inside
        if value in feeds and value not in carried and _gate_name(value) and (value.name is not None or value not in shown)
    ]


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
