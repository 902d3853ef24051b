"""The columns of a drawing, from left to right: the steps of each time axis, and what runs, or stands, before and after them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .. import curve
from ..curve import Point
from ..picture import AFTER, BEFORE, Link, Mark, Slot, Where
from ..step.cell import Cell, sizes_of

Passed = tuple[int, int]  # how many arrows an arrow beside a row has between itself and the row, and how many there are
CLEARANCE = 6.0  # between two beginnings, one above the other
ROW = 7.0  # from a row to an arrow over or under it, and from there to the next one


@dataclass
class Place:
    """A cell that has a place on paper: a step, or what runs before or after the loop."""

    x: float
    y: float
    cell: Cell

    @property
    def right(self) -> float:
        return self.x + self.cell.width

    @property
    def top(self) -> float:
        return self.y + self.cell.height

    def centre(self, slot: Slot) -> Point:
        x, y = self.cell.centre[slot]
        return x + self.x, y + self.y

    def end(self, slot: Slot, side: int, passed: Passed, shift: float) -> list[Point]:
        """From a mark out at its left (−1) or right (+1); over its row and others' arrows if something stands in the way."""
        (x, y), (wide, high) = self.centre(slot), self.cell.size[slot]
        if self.cell.clear(slot, side):
            return [(x + side * wide / 2, y + shift)]
        x += side * wide / 4
        return [(x, y + high * 0.43), (x, self.y + self._beside_row(slot, +1, passed))]

    def entrance(self, slot: Slot, side: int, passed: Passed, shift: float) -> list[Point]:
        """Into a mark from its left (−1) or right (+1); from under its row and others' arrows if something is in the way."""
        (x, y), (wide, high) = self.centre(slot), self.cell.size[slot]
        if self.cell.clear(slot, side):
            return [(x + side * wide / 2, y + shift)]
        x += side * wide * 0.33
        return [(x, self.y + self._beside_row(slot, -1, passed)), (x, y - high * 0.38)]

    def _beside_row(self, slot: Slot, side: int, passed: Passed) -> float:
        """The height of an arrow over (+1) or under (−1) a row: all of them keep the same distance to the next row."""
        number, count = passed
        apart = min(ROW, max(self.cell.room(slot, side) - 2 * ROW, ROW) / max(1, count - 1))
        return self.cell.channel(slot, side) + side * (ROW + apart * number)


def in_order(marks: Iterable[Mark]) -> list[Where]:
    """The columns that occur, from left to right."""
    rank = {BEFORE: 0, AFTER: 2}
    found = {mark.where for mark in marks}
    return sorted(found, key=lambda w: (w[0], rank[w[1]], 0) if isinstance(w[1], str) else (w[0], 1, w[1]))


def beginnings(marks: list[Mark], links: list[Link], step: Cell) -> Cell:
    """The states from before the first step, each at the height of those that follow it."""
    sizes = sizes_of(marks)
    states = [mark for mark in marks if mark.copy_of is None]
    readers = {
        link.tail.copy_of or link.tail: link.head for link in reversed(links) if link.tail.initial and not link.head.copy_of
    }
    copies = [link for link in links if link.head.copy_of and link.head.where == marks[0].where]

    def height(mark: Mark) -> float:  # one without a state of its own stands beside its reader
        return step.centre.get(mark.slot, step.centre[readers[mark].slot])[1]

    wide = max(sizes[mark.slot][0] for mark in states)
    centre: dict[Slot, Point] = {}
    ceiling = step.height
    for mark in sorted(states, key=lambda mark: -height(mark)):
        half = sizes[mark.slot][1] / 2
        y = min(height(mark), ceiling - half)
        centre[mark.slot] = wide / 2, y
        ceiling = y - half - CLEARANCE
    cell = Cell(wide, step.height, centre, sizes)
    way = 1 if states[0].column < readers[states[0]].column else -1  # type: ignore[operator]
    for link in copies:
        _put_copy(cell, link, way)
    return cell


def _put_copy(cell: Cell, link: Link, way: int) -> None:
    """A dot where a beginning fans out, between it and the steps."""
    tail, head = link.tail.slot, link.head.slot
    (x, y), wide = cell.centre[tail], cell.size[head][0]
    start = x + way * cell.size[tail][0] / 2
    end = start + way * CLEARANCE
    cell.centre[head] = end + way * wide / 2, y
    cell.curves[tail, head] = curve.rounded([(start, y), (end, y)])
    shift = max(0.0, wide - end) if way < 0 else 0.0
    cell.centre = {slot: (cx + shift, cy) for slot, (cx, cy) in cell.centre.items()}
    cell.curves = {edge: curve.moved(chain, shift) for edge, chain in cell.curves.items()}
    cell.width = max(cell.width + shift, end + shift + wide)
