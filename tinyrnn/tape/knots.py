"""Loops that cannot run one after the other: how to divide them, by steps or by operations, so that they can."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from .keys import Moment
from .nodes import Node
from .schedule import components
from .wires import At, Delayed, Every, Fixed, Operation, Past

Runs = dict[Operation, Mapping[int, Any] | None]


def loosen(knotted: Sequence[Operation], lone: Mapping[Node, Moment]) -> Runs:
    """New runs, step by step, for operations of which no order can run; None: out of all loops.

    What runs between two steps, but is the only one of its kind (`lone`), is part of the loop: what flows from each step to
    the next flows only once in a sequence of two.
    Where something outside runs between two steps, because it differs from what its like do at other steps, the loop is
    cut there.  Where some of its operations wait for others to be through with all steps, as a second pass over the
    sequence does, the loop is divided into two.  Where neither helps, it is dissolved.
    """
    needs = {o: [source for source, _ in o.reads()] for o in knotted}
    divided = components(needs)
    bad = [c for c in divided if (any(o.loop is None for o in c) and len(c) > 1) or len(_directions(c)) > 1 or len(_loops(c)) > 1]
    if not bad:
        return _levels(divided) or dissolved(knotted)
    return (
        _merged(bad, knotted)
        or _absorbed(bad, lone)
        or _cut(bad, knotted)
        or _cut(bad, knotted, around=True)
        or dissolved(chain(*bad))
    )


def dissolved(operations: Iterable[Operation]) -> Runs:
    """No runs any more."""
    return {o: None for o in operations if o.loop is not None}


def _loops(component: Sequence[Operation]) -> set:
    return {o.loop for o in component if o.loop is not None}


def _directions(component: Sequence[Operation]) -> set[bool]:
    """Which ways the delays within it point."""
    inside = set(component)
    return {
        delay > 0
        for o in component
        for source, delay in o.reads()
        if delay and source in inside and source.loop == o.loop and o.loop is not None
    }


def _merged(bad: Sequence[Sequence[Operation]], knotted: Sequence[Operation]) -> Runs:
    """Make one loop of those whose steps need each other, as where each step computes a gradient and goes on with it."""
    into: dict[Any, Any] = {}  # the loop that each becomes part of
    for component in bad:
        loops = _loops(component)
        if len(loops) > 1 and len({o.node.moment.run[0] for o in component if o.loop is not None and o.node.moment}) == 1:
            into.update(dict.fromkeys(loops, min(loops, key=repr)))
    return {o: dict.fromkeys(o.steps, into[o.loop]) for o in knotted if o.loop in into}


def _absorbed(bad: Sequence[Sequence[Operation]], lone: Mapping[Node, Moment]) -> Runs:
    """Take into the loop what belongs to one of its steps, and has no fellow at another one."""
    runs: Runs = {}
    for component in bad:
        outside = [o for o in component if o.loop is None]
        moments = [lone.get(o.node) for o in outside]
        if all(moment and moment.run in _loops(component) for moment in moments):
            runs.update({o: {moment.step: moment.run} for o, moment in zip(outside, moments) if moment})
    return runs


def _cut(bad: Sequence[Sequence[Operation]], knotted: Sequence[Operation], around: bool = False) -> Runs:
    """Cut loops at the steps between which something outside runs, and the loops that read them at the same steps.

    With `around` the steps within which it runs are cut out.
    """
    borders: dict[Any, set[int]] = {}  # of each run: the first steps of its parts, as time counts
    for component in bad:
        directions = _directions(component)
        if len(directions) > 1:
            continue
        first = _borders(component, backwards=directions == {False})
        if around:
            first |= {t + 1 for t in first} | {t - 1 for t in first}
        for run in _loops(component):
            borders.setdefault(run, set()).update(first)
    readers: dict[Any, set] = {}
    for o in knotted:
        for wire in o.wires:
            if isinstance(wire, (Delayed, Past)) and wire.source.loop != o.loop:
                readers.setdefault(wire.source.loop, set()).add(o.loop)
    spread = list(borders)
    while spread:
        run = spread.pop()
        for reader in readers.get(run, ()):
            known = borders.setdefault(reader, set())
            if not borders[run] <= known:
                known |= borders[run]
                spread.append(reader)
    runs: Runs = {}
    progress = False
    for o in knotted:
        if borders.get(o.loop):
            firsts = sorted(borders[o.loop])
            runs[o] = {t: (o.loop, bisect_left(firsts, t + 1)) for t in o.steps}
            progress = progress or len(set(runs[o].values())) > 1  # type: ignore[union-attr]
    return runs if progress else {}


def _borders(component: Sequence[Operation], backwards: bool) -> set[int]:
    """After which steps something outside reads what the loop reads again: as the first step of the part that comes later."""
    inside = set(component)
    latest: dict[Operation, int] = {}
    for o in sorted((o for o in component if o.loop is None), key=lambda o: o.node.index):
        steps: list[int] = []
        for wire in o.wires:
            if isinstance(wire, Fixed) and wire.source in latest:
                steps.append(latest[wire.source])
            elif isinstance(wire, At) and wire.source in inside:
                steps.append(wire.step)
            elif isinstance(wire, Every) and wire.source in inside:
                steps += wire.steps
        if steps:
            latest[o] = min(steps) if backwards else max(steps)
    return {t if backwards else t + 1 for t in latest.values()}


def _levels(divided: Sequence[Sequence[Operation]]) -> Runs:
    """Divide runs into a first loop, what waits for all of its steps, and so on.

    Only what is between runs that wait for each other, its `circle`, can make an operation wait for its own run.
    """
    circle = _circles(divided)
    level: dict[Operation, int] = {}
    behind: dict[Operation, dict[Any, int]] = {}  # for each run, the highest level that it depends on
    ways: dict[tuple, set[bool]] = {}  # which way a loop runs
    for component in divided:
        run = component[0].loop
        inside = set(component)
        depends: dict[Any, int] = {}
        lowest = 0
        for o in component:
            for source, _ in o.reads():
                if source in inside or source not in level or circle[_section(source)] != circle[_section(o)]:
                    continue
                for other, n in behind[source].items():
                    depends[other] = max(depends.get(other, 0), n)
                if run is not None:
                    apart = source.loop != run
                    lowest = max(lowest, behind[source].get(run, -1) + 1 if apart else level[source])
        if run is not None:
            while len(ways.get((run, lowest), set()) | (way := _ways(component, run, lowest, level))) > 1:
                lowest += 1
            ways.setdefault((run, lowest), set()).update(way)
            depends[run] = max(depends.get(run, 0), lowest)
        for o in component:
            level[o], behind[o] = lowest, depends
    if not any(level.values()):
        return {}
    highest: dict[Any, int] = {}
    for o, n in level.items():
        highest[o.loop] = max(highest.get(o.loop, 0), n)
    return {o: dict.fromkeys(o.steps, (o.loop, n)) for o, n in level.items() if o.loop is not None and highest[o.loop] > 0}


def _section(o: Operation) -> Any:
    """The loop that an operation is part of; itself, if it runs once."""
    return o if o.loop is None else o.loop


def _circles(divided: Sequence[Sequence[Operation]]) -> dict[Any, int]:
    """The number of the circle of sections, each of which waits for all others, that a section is in."""
    needs: dict[Any, set] = {_section(o): set() for component in divided for o in component}
    for component in divided:
        for o in component:
            needs[_section(o)].update(_section(source) for source, _ in o.reads())
    return {section: number for number, circle in enumerate(components(needs)) for section in circle}


def _ways(component: Sequence[Operation], run: Any, lowest: int, level: Mapping[Operation, int]) -> set[bool]:
    """Which way the loop of that level must run, so that these operations can read it."""
    inside = set(component)
    return {
        delay > 0
        for o in component
        for source, delay in o.reads()
        if delay and source.loop == run and (source in inside or level.get(source) == lowest)
    }
