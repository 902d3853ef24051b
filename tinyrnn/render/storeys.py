"""A step of several modules: each one laid out on its own, one above the other, so that layers that are alike look alike.

What comes into a module from elsewhere in the step stands in its layout as a port, in the place where the first layer has
its input; the arrows between the modules are drawn from there through the gaps between them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from . import curve, style
from .cell import PORT, Block, Cell, Edge, Size, sizes_of, weight
from .curve import Point
from .picture import Label, Link, Mark, Slot

LANE, GAP, TITLE = 7.0, 12.0, 12.0  # between two arrows side by side, around a storey, for the name of its module
_INPUT = style.size(Mark("input", Label("x", timed=True), 0, None, time=1))  # type: ignore[arg-type]

_SMALL = 8.0, 2.0  # a port between two modules: only a place to come in

Scope = tuple[str, ...]


def lay_out(marks: list[Mark], links: list[Link], inside: list[Link]) -> Cell:
    """The cell that has room for all these marks: the union of all steps.

    Parameters
    ----------
    marks : list of Mark
        Those of all steps.
    links : list of Link
        Those from one step to another, which say what belongs at the left and at the right.
    inside : list of Link
        Those inside a step.
    """
    sizes = sizes_of(marks, style.size)
    left, right = _sides(links, sizes)
    storeys = _storeys(marks, inside)
    edges: dict[Edge, int] = {}
    for link in inside:
        edges.setdefault((link.tail.slot, link.head.slot), weight(link))
    if storeys is None:
        return Block(_in_reading_order(sizes, edges), edges, left, right).lay_out()
    return _House(sizes, edges, storeys, left, right).build()


def _sides(links: list[Link], sizes: dict[Slot, Size]) -> tuple[set[Slot], set[Slot]]:
    """Which slots meet the step before, which the step after."""
    left, right = set(), set()
    for link in links:
        forward = link.tail.column < link.head.column  # type: ignore[operator]
        (right if forward else left).add(link.tail.slot)
        (left if forward else right).add(link.head.slot)
    return left & set(sizes), right & set(sizes)


def _in_reading_order(sizes: dict[Slot, Size], edges: dict[Edge, int]) -> dict[Slot, Size]:
    """Each operation, then what it reads: Graphviz's answer depends on the order, and layers that are alike have it alike."""
    ordered = dict.fromkeys(slot for tail, head in edges for slot in (head, tail))
    return {slot: sizes[slot] for slot in (*ordered, *(s for s in sizes if s not in ordered))}


# -- which storey a mark stands in -------------------------------------------------------------------------------


@dataclass
class _Storeys:
    """The module of each storey, None between two modules, and the storey of each slot; the lowest is number 0."""

    modules: list[Scope | None]
    of: dict[Slot, int]


def _storeys(marks: list[Mark], inside: list[Link]) -> _Storeys | None:
    """Modules with a state of their own stand one above the other, everything else between them.

    None if there are less than two, or if they cannot be put one above the other because they read each other.
    """
    cells = list(dict.fromkeys(mark.scope for mark in marks if mark.role == "state" and not mark.initial))
    cells = [scope for scope in cells if scope and not any(scope[: len(c)] == c for c in cells if c != scope)]
    if len(cells) < 2:
        return None
    storey: dict[Slot, int] = {}
    for mark in marks:
        home = next((i for i, scope in enumerate(cells) if mark.scope[: len(scope)] == scope), None)
        if home is not None:
            storey[mark.slot] = 2 * home + 1  # odd numbers are modules, even ones what stands between them
    edges = list(dict.fromkeys((link.tail.slot, link.head.slot) for link in inside))
    inputs = {m.slot for m in marks} - {head for _, head in edges}
    readers = defaultdict(set)
    for tail, head in edges:
        readers[tail].add(head)
    loose = [m.slot for m in marks if m.slot not in storey and m.slot not in inputs]
    for _ in range(len(loose) + 1):  # until nothing rises any more
        for tail, head in edges:
            if head in loose and tail not in inputs:
                below = storey.get(tail, 0)
                storey[head] = max(storey.get(head, 0), below + below % 2)
    for slot in inputs:  # an input that one storey reads belongs to it, one that several read stands below them
        found = {storey.get(head, 0) for head in readers[slot]}
        if len(found) == 1 or slot not in storey:
            lowest = min(found, default=0)
            storey[slot] = lowest if len(found) == 1 else lowest - lowest % 2
        elif len(found) > 1 and slot[1] == "input":
            storey[slot] = min(found) - min(found) % 2
    for slot in loose:
        storey.setdefault(slot, 0)
    if any(storey[tail] > storey[head] for tail, head in edges):
        return None
    used = sorted(set(storey.values()))
    return _Storeys([cells[i // 2] if i % 2 else None for i in used], {slot: used.index(i) for slot, i in storey.items()})


# -- one above the other -----------------------------------------------------------------------------------------


class _House:
    def __init__(
        self, sizes: dict[Slot, Size], edges: dict[Edge, int], storeys: _Storeys, left: set[Slot], right: set[Slot]
    ) -> None:
        self.sizes, self.edges, self.storeys = sizes, edges, storeys
        self.left, self.right = left, right
        self.between = [edge for edge in edges if storeys.of[edge[0]] != storeys.of[edge[1]]]

    def build(self) -> Cell:
        self.floors = [self.floor(number) for number in range(len(self.storeys.modules))]
        wide = max(floor.width for floor in self.floors)
        self.trunks = list(dict.fromkeys((tail, self.storeys.of[head]) for tail, head in self.between))
        passing = [trunk for trunk in self.trunks if self.passes(*trunk)]
        self.shafts = {trunk: wide + LANE * (i + 1) for i, trunk in enumerate(passing)}
        self.cell = Cell(wide + (LANE * (len(passing) + 1) if passing else 0.0), 0.0, {}, self.sizes)
        y = 0.0
        for number in range(len(self.floors)):
            y = self.put(number, y, wide)
        self.cell.height = y
        for edge in self.between:
            self.connect(*edge)
        self.cell.centre = {slot: place for slot, place in self.cell.centre.items() if slot[0] != PORT}
        self.cell.curves = {edge: chain for edge, chain in self.cell.curves.items() if edge[0][0] != PORT}
        return self.cell

    def floor(self, number: int) -> Cell:
        """The layout of one storey."""
        of, edges = self.storeys.of, {}
        for (tail, head), weight_ in self.edges.items():
            if of[head] == number:
                edges[tail if of[tail] == number else (PORT, tail), head] = weight_
        here = {slot: size for slot, size in self.sizes.items() if of[slot] == number}
        module = self.storeys.modules[number] is not None
        ports = list(dict.fromkeys(tail for tail, _ in edges if tail[0] == PORT))
        here |= {port: _INPUT if module else _SMALL for port in ports}
        order = [] if module else [(a, b) for a in ports for b in ports if self.passes(b[1], number) and not self.passes(a[1], number)]
        return Block(_in_reading_order(here, edges), edges, self.left, self.right, order).lay_out()

    def passes(self, tail: Slot, number: int) -> bool:
        """Is there a storey between this mark and that storey?"""
        return number - self.storeys.of[tail] > 1

    def put(self, number: int, y: float, wide: float) -> float:
        """Set a storey down at the height y, and say where the next one begins."""
        floor, module = self.floors[number], self.storeys.modules[number]
        entering = [trunk for trunk in self.trunks if trunk[1] == number]
        self.gap = getattr(self, "gap", {})
        self.gap[number] = y + 2.0
        y += (GAP / 2 if module else 0.0) + LANE * max(0, len(entering) - 1) + (4.0 if number else 0.0)
        x = self.beside(floor, entering, wide)
        for slot, (cx, cy) in floor.centre.items():
            self.cell.centre[slot] = cx + x, cy + y
        for edge, chain in floor.curves.items():
            self.cell.curves[edge] = curve.moved(chain, x, y)
        top = y + floor.height + (TITLE if module else 0.0)
        if module:
            self.cell.frames[module] = 6.0, y, wide - 6.0, top
        floor.centre = {slot: self.cell.centre[slot] for slot in floor.centre}
        return top + GAP / 2

    def beside(self, floor: Cell, entering: list, wide: float) -> float:
        """How far to the right: under the middle, or, between two modules, over what it reads."""
        number = entering[0][1] if entering else 0
        if entering and self.storeys.modules[number] is None:
            shifts = [self.cell.centre[tail][0] - floor.centre[PORT, tail][0] for tail, _ in entering]
            return min(max(sum(shifts) / len(shifts), 0.0), wide - floor.width)
        return (wide - floor.width) / 2

    def connect(self, tail: Slot, head: Slot) -> None:
        """From a mark in one storey up to its port in another, and from there on as Graphviz drew it."""
        trunk = tail, self.storeys.of[head]
        port = PORT, tail
        goal = self.bottom(trunk[1], port)
        way = self.up(tail)
        lane = self.gap[trunk[1]] + LANE * [t for t in self.trunks if t[1] == trunk[1]].index(trunk)
        if trunk in self.shafts:
            x, out = self.shafts[trunk], self.cell.channel(tail, +1) + 7.0
            above = self.gap[self.storeys.of[tail] + 1]
            way += [(way[-1][0], above), (x, above)] if len(way) == 1 else [(x, out)]
            way += [(x, lane), (goal[0], lane), goal]
        else:
            way += [(way[-1][0], lane), (goal[0], lane), goal]
        self.cell.curves[tail, head] = curve.led_on(curve.rounded(way), self.cell.curves[port, head])

    def bottom(self, number: int, port: Slot) -> Point:
        floor = self.floors[number]
        x, y = floor.centre[port]
        return x, y - floor.size[port][1] / 2

    def up(self, slot: Slot) -> list[Point]:
        """Out of a storey."""
        floor = self.floors[self.storeys.of[slot]]
        return floor.way_up(slot)
