"""Modules inside a block: each is laid out by itself, and stands in the block as one slot.

So modules that are alike look alike, whatever stands around them.  What a module reads from outside has a port in its layout;
arrows are led from outside to the port, and from what others read up through the top of the module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import copysign

from .. import curve, style
from ..curve import Chain, Point
from ..layout import Joint
from ..levels.frames import titles
from ..picture import Scope, Slot
from . import records
from .cell import PORT, Block, Cell, Edge, Size
from .records import Record

TITLE, TITLE_SIZE, INSET = 12.0, 8.0, 6.0  # the height for a name, its size, and its distance from the frame
_PORT = (10.0, 2.0)
_TURN = 14.0  # between a module and what stands next above or below it there is more room


@dataclass
class Plan:
    """What the layout of any block in a column needs to know of the marks.

    Attributes
    ----------
    scope : dict
        The module that each slot belongs to.
    framed : set of Scope
        The modules that get a frame.
    fields : list of Record
    """

    scope: Mapping[Slot, Scope]
    framed: Collection[Scope]
    fields: list[Record]

    def __post_init__(self) -> None:
        here = {scope[:depth] for scope in self.scope.values() for depth in range(1, len(scope) + 1)}
        self.titles = titles(scope for scope in self.framed if scope in here)

    def lay_out(self, block: Block, base: Scope = ()) -> Cell:
        """The layout of a block that lies in the module `base`."""
        home = {slot: module for slot in block.size if (module := self._child(slot, base))}
        if not home:
            return records.lay_out(block, self.fields)
        modules = {scope: _Module(scope, block, home, self) for scope in dict.fromkeys(home.values())}
        cell = records.lay_out(_contracted(block, home, modules), self.fields)
        return _expanded(block, home, modules, cell)

    def _child(self, slot: Slot, base: Scope) -> Scope | None:
        """The outermost framed module inside `base` that a slot belongs to."""
        scope = self.scope.get(slot, ())
        if scope[: len(base)] != base:
            return None
        return next((scope[:depth] for depth in range(len(base) + 1, len(scope) + 1) if scope[:depth] in self.framed), None)


class _Module:
    """A module with its own layout, in which it begins at (0, 0)."""

    def __init__(self, scope: Scope, block: Block, home: Mapping[Slot, Scope], plan: Plan) -> None:
        self.scope, self.slot = scope, ("framed", "module", scope)
        sizes = {slot: size for slot, size in block.size.items() if home.get(slot) == scope}
        edges = {
            (tail if home.get(tail) == scope else (PORT, tail), head): weight
            for (tail, head), weight in block.edges.items()
            if home.get(head) == scope
        }
        sizes |= {tail: _PORT for tail, _ in edges if tail[0] == PORT}
        inner = Block(in_reading_order(sizes, edges), edges, block.left & set(sizes), block.right & set(sizes))
        self.cell = with_ports_below(plan.lay_out(inner, scope), inner, lambda block: plan.lay_out(block, scope))
        leaving = [tail for tail, head in block.edges if home.get(tail) == scope and home.get(head) != scope]
        self.exits = {slot: self.cell.way_up(slot) for slot in leaving}
        self.shift = self._room_for_title(plan.titles[scope])
        self.size = self.cell.width + self.shift, self.cell.height + TITLE

    def joint(self, slot: Slot) -> float:
        """How far right of its middle an arrow to a port comes in, or one from another slot goes out."""
        x = self.cell.centre[slot][0] if slot[0] == PORT else self.exits[slot][-1][0]
        return x + self.shift - self.size[0] / 2

    def _room_for_title(self, title: str) -> float:
        """How far everything moves to the right, so that no arrow that leaves the module runs through its name."""
        wide = 3.5 * INSET + 1.1 * style.text_width(title, TITLE_SIZE)
        places = [way[-1][0] for way in self.exits.values()]
        fits = all(x + wide < self.cell.width for x in places)  # at the right
        least = wide - min(places, default=self.cell.width)
        return 0.0 if fits else max(0.0, least, wide - self.cell.width)


def with_ports_below(cell: Cell, block: Block, lay_out: Callable[[Block], Cell]) -> Cell:
    """The layout, or another one if something stands below a port: then the ports are set side by side."""
    ports = sorted((slot for slot in cell.centre if slot[0] == PORT), key=lambda slot: cell.centre[slot])
    if all(_is_free(cell, slot) for slot in ports):
        return cell
    return lay_out(replace(block, order=[*block.order, *pairwise(ports)]))


def _is_free(cell: Cell, port: Slot) -> bool:
    """Does nothing stand below it?"""
    x, y = cell.centre[port]
    below = [slot for slot, (_, height) in cell.centre.items() if height < y - 8.0]
    return all(abs(cell.centre[slot][0] - x) > cell.size[slot][0] / 2 + 5.0 for slot in below)


def in_reading_order(sizes: Mapping[Slot, Size], edges: Mapping[Edge, int]) -> dict[Slot, Size]:
    """Each operation, then what it reads: the layout depends on the order, and modules that are alike have it alike."""
    ordered = dict.fromkeys(slot for tail, head in edges for slot in (head, tail))
    return {slot: sizes[slot] for slot in (*ordered, *(s for s in sizes if s not in ordered))}


def _contracted(block: Block, home: Mapping[Slot, Scope], modules: Mapping[Scope, _Module]) -> Block:
    """The block with one slot in place of each module."""

    def at(slot: Slot) -> Slot:
        return modules[home[slot]].slot if slot in home else slot

    sizes = {at(slot): modules[home[slot]].size if slot in home else size for slot, size in block.size.items()}
    edges: dict[Edge, int] = {}
    for (tail, head), weight in block.edges.items():
        if at(tail) != at(head):
            edges[at(tail), at(head)] = max(weight, edges.get((at(tail), at(head)), 0))
    joints: dict[Edge, Joint] = {}
    for tail, head in block.edges:
        start, goal = (modules[home[slot]] if slot in home else None for slot in (tail, head))
        if start is not goal:
            joint = None if start is None else start.joint(tail), None if goal is None else goal.joint((PORT, tail))
            joints.setdefault((at(tail), at(head)), joint)
    order = [(at(a), at(b)) for a, b in block.order if at(a) != at(b)]
    sides = set(map(at, block.left)), set(map(at, block.right))
    return replace(block, size=sizes, edges=edges, left=sides[0], right=sides[1], order=order, joints=joints)


def _expanded(block: Block, home: Mapping[Slot, Scope], modules: Mapping[Scope, _Module], cell: Cell) -> Cell:
    """The layout with what is inside the modules."""
    whole = replace(cell, centre={}, size=dict(block.size), curves={}, frames=dict(cell.frames))
    corner: dict[Scope, Point] = {}
    for scope, module in modules.items():
        (x, y), (wide, high) = cell.centre[module.slot], module.size
        left, low = x - wide / 2, y - high / 2
        corner[scope] = left + module.shift, low
        whole.frames[scope] = left, low, left + wide, low + high
        whole.frames |= {inner: moved(frame, *corner[scope]) for inner, frame in module.cell.frames.items()}
        for slot, (cx, cy) in module.cell.centre.items():
            if slot[0] != PORT:
                whole.centre[slot] = cx + corner[scope][0], cy + corner[scope][1]
    whole.centre |= {slot: place for slot, place in cell.centre.items() if slot in block.size}
    for tail, head in block.edges:
        whole.curves[tail, head] = _way((tail, head), home, modules, corner, cell)
    return whole


def _way(
    edge: Edge, home: Mapping[Slot, Scope], modules: Mapping[Scope, _Module], corner: Mapping[Scope, Point], cell: Cell
) -> Chain:
    """An arrow, put together from the part outside all modules and those inside."""
    tail, head = edge
    start, goal = home.get(tail), home.get(head)
    if start is not None and start == goal:
        return curve.moved(modules[start].cell.curves[tail, head], *corner[start])
    outer = cell.curves[modules[start].slot if start else tail, modules[goal].slot if goal else head]
    if start is not None:
        way = curve.moved(modules[start].exits[tail], *corner[start])
        top = corner[start][1] + modules[start].size[1]
        outer = _led_from((way[-1][0], top), outer)
        outer = [*curve.rounded([*way, (way[-1][0], top)]), *outer[1:]]
    if goal is not None:
        inner = curve.moved(modules[goal].cell.curves[(PORT, tail), head], *corner[goal])
        x, y = modules[goal].cell.centre[PORT, tail]
        x, y, low = x + corner[goal][0], y + corner[goal][1], corner[goal][1]
        outer = _led_from((x, low), outer[::-1])[::-1]
        outer = curve.led_on([*outer, *curve.rounded([(x, low), (x, y - _PORT[1] / 2)])[1:]], inner)
    return outer


def _led_from(start: Point, chain: Chain) -> Chain:
    """The chain from another point of the same edge of a module: in the gap beside that edge it turns into its old way."""
    if curve.distance(start, chain[0]) < 0.1:
        return chain
    (x, y), (_, end) = start, chain[3]
    if abs(end - y) < 2 * _TURN:
        return records.led_from(start, chain)
    rest = curve.beyond(chain, y + copysign(_TURN, end - y))
    (x1, y1), (x2, y2) = rest[0], rest[1]
    slope = (x2 - x1) / (y2 - y1) if abs(y2 - y1) > 0.1 else 0.0
    return [start, (x, y + 0.6 * (y1 - y)), (x1 - 0.4 * (y1 - y) * slope, y + 0.6 * (y1 - y)), *rest]


def moved(frame: tuple[float, float, float, float], dx: float, dy: float) -> tuple[float, float, float, float]:
    """The frame somewhere else."""
    x0, y0, x1, y1 = frame
    return x0 + dx, y0 + dy, x1 + dx, y1 + dy
