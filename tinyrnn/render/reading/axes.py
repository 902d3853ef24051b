"""Time axes: which runs through time share their columns, and which of their steps are drawn.

The layers of a network, and both directions of one, go through the same sequence: step t of one reads step t of the other.
An encoder and its decoder do not: each has a time of its own, one after the other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations, takewhile

from ...tape import Constant, Node
from .. import notation
from ..picture import Axis, Mark
from .looks import Looks

Scope = tuple[str, ...]
ENDS = 2  # the most steps drawn at each end of a long sequence


def find_axes(nodes: list[Node]) -> dict[int, Axis]:
    """For each loop the axis that it runs along; an axis is numbered by when it was recorded."""
    loops: dict[int, _Run] = {}
    for position, node in enumerate(nodes):
        if node.loop is not None and node.op is not None:
            run = loops.get(node.loop)
            if run is None:
                run = loops[node.loop] = _Run(position)
            run.steps.add(node.step)  # type: ignore[arg-type]
            run.last = position
    groups = _joined(list(loops), _bonds(nodes, loops)) if len(loops) > 1 else [list(loops)] * bool(loops)
    axes: dict[int, Axis] = {}
    for number, group in enumerate(groups):
        axis = Axis(number, tuple(sorted(set().union(*(loops[loop].steps for loop in group)))))
        axes |= dict.fromkeys(group, axis)
    return axes


def name_axes(axes: Iterable[Axis], marks: list[Mark]) -> tuple[Axis, ...]:
    """The axes in their order; where there are several, named after the modules that hold their states."""
    ordered = sorted(set(axes))
    if len(ordered) < 2:
        return tuple(ordered)
    scopes: dict[int, list[Scope]] = defaultdict(list)
    for mark in marks:
        if mark.role == "state" and mark.node.op:
            scopes[mark.axis].append(mark.scope)
    inner = [shared(scopes[axis.number]) for axis in ordered]
    names = [".".join(scope[len(shared(inner)) :] or scope) for scope in inner]
    if len(set(names)) < len(names) or "" in names:
        names = [f"{name} run {number}".strip() for number, name in enumerate(names, 1)]
    return tuple(axis._replace(name=notation.cut(name, notation.LONGEST_TITLE)) for axis, name in zip(ordered, names))


def shared(scopes: list[Scope]) -> Scope:
    """What all scopes begin with."""
    return tuple(names[0] for names in takewhile(lambda names: len(set(names)) == 1, zip(*scopes)))


def drawn_steps(axis: Axis, most: int | None) -> tuple[int, ...]:
    """All steps of an axis, or of more than `most` the first and the last ones."""
    if most is None:
        return axis.steps
    ends = min(most, 2 * ENDS)
    if len(axis.steps) <= max(most, ends):
        return axis.steps
    return axis.steps[: (ends + 1) // 2] + axis.steps[len(axis.steps) - ends // 2 :]


def stand_in(axis: Axis, hidden: int, reader: int) -> int | None:
    """The step that is drawn in place of a hidden one that another step reads: its like beyond the gap, if there is one."""
    there = bisect_left(axis.steps, hidden) + (axis.hidden if reader < hidden else -axis.hidden)
    return axis.steps[there] if 0 <= there < len(axis.steps) else None


class _Run:
    """A loop: its steps, and where its first and its last operation stand on the tape."""

    def __init__(self, first: int) -> None:
        self.steps: set[int] = set()
        self.first = self.last = first


def _joined(loops: list[int], bonds: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The loops in groups that are bound together, in the order in which they were recorded."""
    group = {loop: [loop] for loop in loops}
    for a, b in bonds:
        if group[a] is not group[b]:
            group[a] += group[b]
            for loop in group[b]:
                group[loop] = group[a]
    return list({id(members): members for members in group.values()}.values())


def _bonds(nodes: list[Node], loops: dict[int, _Run]) -> set[tuple[int, int]]:
    """Pairs of loops of one time axis: a look at the first and at the middle step of each tells."""
    first = {loop: min(run.steps) for loop, run in loops.items()}
    middle = {loop: sorted(run.steps)[len(run.steps) // 2] for loop, run in loops.items()}
    some = [node for node in nodes if node.loop is None or node.step in (first[node.loop], middle[node.loop])]
    looks = Looks(some)
    bonds: set[tuple[int, int]] = set()
    inputs: dict[tuple[int, int], set[tuple[Node, int | None]]] = defaultdict(set)  # at a step: leaf, part
    for node in some:
        if node.loop is None or not looks.shows(node):
            continue
        for argument, _ in looks.arguments(node):
            if isinstance(argument, Constant):
                continue
            source, pick, _ = looks.origin(argument)
            if source.op is None and not source.trainable and not source.carried:
                inputs[node.loop, node.step].add((source, pick))  # type: ignore[index]
            elif source.loop is not None and source.loop != node.loop and source.step == node.step == middle[node.loop]:
                bonds.add((source.loop, node.loop))
    own = {}  # what a loop reads at its middle step only: its sequence
    for loop in loops:
        always = inputs[loop, first[loop]] if first[loop] != middle[loop] else set()
        own[loop] = inputs[loop, middle[loop]] - always
    for a, b in combinations(sorted(loops), 2):  # they are numbered as they begin
        inside = loops[b].first < loops[a].last
        if inside or (own[a] & own[b] and not _depends(nodes, loops, a, b)):
            bonds.add((a, b))
    return bonds


def _depends(nodes: list[Node], loops: dict[int, _Run], first: int, second: int) -> bool:
    """Does the second loop read, by whatever way, what the first one computed?"""
    reached: set[Node] = set()
    for node in nodes[loops[first].first :]:
        if node.loop == first or any(i in reached for i in node.inputs):
            if node.loop == second:
                return True
            reached.add(node)
    return False
