"""Find the states from before the first step, and put them beside it.

A state is named by what reads it: where one step reads the h of the step before, the first step reads h₀.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ..picture import Axis, Label, Link, Mark
from .axes import stand_in


def set_beginnings(marks: list[Mark], links: list[Link], axes: Iterable[Axis]) -> None:
    """Mark what the first step of a loop reads in place of a state as that state's initial value."""
    hidden = {axis.number: (axis, set(axis.steps).difference(axis.drawn)) for axis in axes}
    read = {position(link): link for link in links if link.recurrent and link.uses and link.tail.role == "state"}
    steps: dict[int, set[int]] = defaultdict(set)
    for mark in marks:
        if isinstance(mark.column, int):
            steps[mark.axis].add(mark.column)
    ends = {axis: (min(columns) - 1, max(columns) + 1) for axis, columns in steps.items()}
    made = {(mark.slot, mark.axis, mark.column): mark for mark in marks if mark.node.op}
    found: dict[tuple, Mark] = {}
    for link in links:
        tail, head = link.tail, link.head
        link.detached = link.detached or tail.node.severed
        if tail.initial or not link.uses or not isinstance(head.column, int) or not _may_begin(tail):
            continue
        model = read.get(position(link))
        state: Mark | None
        if model is not None:
            state, way = model.tail, model.delay
            step = head.column - way
            axis, left_out = hidden[head.axis]
            at = stand_in(axis, step, head.column) if step in left_out else step
            drawn = made.get((state.slot, head.axis, at)) if tail.node.severed and at is not None else None
            if drawn is not None:  # the same numbers, without their history
                link.tail, link.over = drawn, step - drawn.column  # type: ignore[operator]
                if tail in marks and not any(other.tail is tail for other in links):
                    marks.remove(tail)
                continue
        elif tail.node.cut and tail.node.step is not None:
            if tail.node.step == head.column:
                continue  # what another module computed at the same step
            state, way = _like(tail, head, marks), head.column - tail.node.step
        elif tail.node.carried:
            state, way = _like(tail, head, marks), 1
        else:
            continue
        tail.axis = head.axis
        _begin(tail, state, head.column, way, ends[head.axis][0 if way > 0 else 1])
        same = found.setdefault((tail.node, state and state.slot, tail.time), tail)
        if same is not tail:  # two steps look back beyond the first one
            marks.remove(tail)
            for other in links:
                other.tail = same if other.tail is tail else other.tail


def _may_begin(mark: Mark) -> bool:
    """A leaf, or what a time loop was handed: nothing that a step has computed."""
    return (mark.node.carried and mark.node.step is None) or mark.node.op is None


def position(link: Link) -> tuple:
    """Which argument of which operation, at any step."""
    argument, result = link.uses[0]
    return link.head.slot, result.op, result.inputs.index(argument)


def _like(tail: Mark, head: Mark, marks: list[Mark]) -> Mark | None:
    """The state of the same name that the same run through time makes, if there is only one step."""
    states = [m for m in marks if m.role == "state" and m.node.op and m.scope == head.scope and m.node.loop == head.node.loop]
    return next((m for m in states if m is not tail and m.node.name == tail.node.name), None)


def _begin(mark: Mark, state: Mark | None, reader: int, way: int, first: int) -> None:
    mark.initial, mark.column, mark.time = True, first, reader - way + 1
    if mark.role == "input":
        mark.role = "state"
    if state is not None:
        mark.scope = state.scope
        mark.slot = state.slot if mark.time == first + 1 else (*state.slot, mark.time)
        if mark.node.name is None:
            mark.label = state.label
    mark.label = Label(mark.label.text, mark.label.sub, timed=mark.node.name is None or mark.node.carried or mark.node.cut)
