"""Where everything in one step stands: each module laid out on its own, so that layers that are alike look alike.

What comes into a module from elsewhere in the step stands in its layout as a port, in the place where the first layer has
its input; the arrows between the storeys are drawn from there, through the gaps between them and, past a whole storey,
through a shaft beside it.
"""

from __future__ import annotations

from collections.abc import Collection

from .. import curve, style
from ..curve import Point
from ..lanes import Net, arranged
from ..levels.frames import titles
from ..picture import Link, Mark, Scope, Slot
from . import records
from .cell import PORT, Block, Cell, Edge, Size, sizes_of, weight
from .nested import INSET, TITLE, TITLE_SIZE, Plan, in_reading_order, moved
from .storeys import Ends, Storeys, assign, wings

LANE, GAP = 7.0, 12.0  # between two arrows, and around a module
_INPUT, _SMALL = (27.0, style.HEIGHT), (16.0, 2.0)  # the size of a port: in a module that of an input

Trunk = tuple[Slot, int]  # an arrow, or several from one mark, up to a storey


def lay_out(marks: list[Mark], recurrent: list[Link], inside: list[Link], framed: Collection[Scope] = ()) -> Cell:
    """The cell that has room for all these marks: the union of all steps.

    Parameters
    ----------
    marks : list of Mark
        Those of all steps.
    recurrent : list of Link
        Those from one step to another, which say what belongs at the left and at the right.
    inside : list of Link
        Those inside a step.
    framed : collection of Scope
        The modules that get a frame.
    """
    sizes = sizes_of(marks)
    left, right = _sides(recurrent, sizes)
    edges: dict[Edge, int] = {}
    for link in inside:
        edges.setdefault((link.tail.slot, link.head.slot), weight(link))
    scope, fields = {mark.slot: _scope(mark) for mark in marks}, records.of(marks)
    storeys = assign(marks, edges, [link.tail for link in recurrent])
    if storeys is None:
        return Plan(scope, framed, fields).lay_out(Block(in_reading_order(sizes, edges), edges, left, right))
    wide = wings(storeys, scope, framed)
    plan = Plan(scope, set(framed).difference(wide), fields)
    return _House(sizes, edges, storeys, left, right, plan, {module: ends for module, ends in wide.items() if ends}).build()


def _sides(recurrent: list[Link], sizes: dict[Slot, Size]) -> tuple[set[Slot], set[Slot]]:
    """Which slots meet the step before, which the step after."""
    left: set[Slot] = set()
    right: set[Slot] = set()
    for link in recurrent:
        forward = link.tail.column < link.head.column  # type: ignore[operator]
        (right if forward else left).add(link.tail.slot)
        (left if forward else right).add(link.head.slot)
    return left & set(sizes), right & set(sizes)


def _scope(mark: Mark) -> Scope:
    """The module that it is drawn in; an input comes from outside."""
    role = mark.copy_of.role if mark.copy_of else mark.role
    return () if role == "input" else mark.scope


class _House:
    """The storeys, one above the other."""

    def __init__(
        self,
        sizes: dict[Slot, Size],
        edges: dict[Edge, int],
        storeys: Storeys,
        left: set[Slot],
        right: set[Slot],
        plan: Plan,
        wings: dict[Scope, Ends],
    ) -> None:
        self.plan, self.wings = plan, wings
        self.sizes, self.edges, self.left, self.right = sizes, edges, left, right
        self.modules, self.of = storeys.modules, storeys.of
        self.between = [edge for edge in edges if self.of[edge[0]] != self.of[edge[1]]]
        self.trunks: list[Trunk] = list(dict.fromkeys((tail, self.of[head]) for tail, head in self.between))
        self.titles = titles([*plan.titles, *wings])

    def build(self) -> Cell:
        self.floors = [self.floor(number) for number in range(len(self.modules))]
        self.wide = max(self.room(number) for number in range(len(self.modules)))
        self.shafts = self.dug()
        right = max(self.shafts.values(), default=self.wide - LANE)
        self.cell = Cell(right + LANE, 0.0, {}, self.sizes)
        self.bottoms: dict[Scope, float] = {}  # of the frames around several storeys
        self.lanes: dict[tuple[Trunk, int], float] = {}  # at which height a trunk crosses the gap below a storey
        for number in range(len(self.modules)):
            self.put(number)
        for edge in self.between:
            self.connect(*edge)
        self.cell.frames = dict(sorted(self.cell.frames.items(), key=lambda item: len(item[0])))  # the outer ones lie below
        return self.cell

    def inset(self, module: Scope, number: int) -> float:
        """How far the frame of a module in a storey is from the edges of the step: there may be others around it."""
        around = [wing for wing, (first, last) in self.wings.items() if first <= number <= last and len(wing) < len(module)]
        return INSET * (1 + len(around))

    def passes(self, trunk: Trunk) -> bool:
        """Is there a storey between?"""
        return trunk[1] - self.of[trunk[0]] > 1

    def dug(self) -> dict[Trunk, float]:
        """The shafts of what passes a storey; of two that pass the same ones, the outer one begins farther to the right."""
        passing = [trunk for trunk in self.trunks if self.passes(trunk)]
        begins = {trunk: self.floors[self.of[trunk[0]]].way_up(trunk[0])[-1][0] for trunk in passing}
        nets = {t: Net({self.of[t[0]] + 1.0, float(t[1])}) for t in sorted(passing, key=begins.__getitem__)}
        shafts: dict[Trunk, float] = {}
        for trunk in arranged(nets):
            beside = [x for other, x in shafts.items() if nets[other].overlaps(nets[trunk])]
            shafts[trunk] = max(beside, default=self.wide) + LANE
        return shafts

    def upward(self, crossing: list[Trunk], number: int, x: float) -> list[Trunk]:
        """In which order they cross the gap below a storey whose left edge is at x."""
        nets = {}
        for trunk in crossing:
            tail, goal = trunk
            begins = self.of[tail] == number - 1 or trunk not in self.shafts
            below = self.floors[self.of[tail]].way_up(tail)[-1][0] if begins else self.shafts[trunk]
            above = self.floors[number].centre[PORT, tail][0] + x if goal == number else self.shafts[trunk]
            nets[trunk] = Net({below}, {above})
        return arranged(nets)

    def floor(self, number: int) -> Cell:
        """The layout of one storey."""
        edges = {
            (tail if self.of[tail] == number else (PORT, tail), head): heavy
            for (tail, head), heavy in self.edges.items()
            if self.of[head] == number
        }
        ports = list(dict.fromkeys(tail for tail, _ in edges if tail[0] == PORT))
        sizes = {slot: size for slot, size in self.sizes.items() if self.of[slot] == number}
        module = self.modules[number]
        if module:
            sizes |= dict.fromkeys(ports, _INPUT)
            return self.plan.lay_out(Block(in_reading_order(sizes, edges), edges, self.left, self.right), module)
        sizes |= dict.fromkeys(ports, _SMALL)
        shafts = [port for port in ports if self.passes((port[1], number))]  # come in from the right
        order = [(a, b) for a in ports for b in shafts if a not in shafts]
        return self.plan.lay_out(Block(in_reading_order(sizes, edges), edges, self.left, self.right, order))

    def framed(self, number: int) -> bool:
        """Is there a frame around it?"""
        return self.modules[number] in self.titles

    def room(self, number: int) -> float:
        """How wide a storey is, with the name of its module beside the arrows that leave it."""
        floor, module = self.floors[number], self.modules[number]
        names = [self.titles[wing] for wing, (_, last) in self.wings.items() if last == number]
        names += [self.titles[module]] if module and self.framed(number) else []
        wide = floor.width + 2 * (self.inset(module or (), number) - INSET)
        if not names:
            return wide
        exits = [floor.way_up(slot)[-1][0] for slot, _ in self.trunks if self.of[slot] == number]
        name = 2 * INSET + max(style.text_width(name, TITLE_SIZE) for name in names) * 1.1 + 12.0
        least = min((x - name for x in exits), default=0.0)
        return wide if least >= 0 or all(x + name < floor.width for x in exits) else wide - 2 * least

    def put(self, number: int) -> None:
        """Set a storey down on those below, with a gap for the arrows between them."""
        floor, module = self.floors[number], self.modules[number]
        crossing = [trunk for trunk in self.trunks if self.passes(trunk) and self.of[trunk[0]] == number - 1]
        crossing += [trunk for trunk in self.trunks if trunk[1] == number]
        x, y = self.left_edge(number), self.cell.height
        self.lanes |= {(trunk, number): y + 2.0 + LANE * i for i, trunk in enumerate(self.upward(crossing, number, x))}
        y += LANE * max(0, len(crossing) - 1) + (GAP / 2 if module else 0.0) + (4.0 if number else 0.0)
        for wing in sorted((wing for wing, ends in self.wings.items() if ends[0] == number), key=len):
            self.bottoms[wing] = y
            y += GAP / 2
        floor.centre = {slot: (cx + x, cy + y) for slot, (cx, cy) in floor.centre.items()}
        floor.curves = {edge: curve.moved(chain, x, y) for edge, chain in floor.curves.items()}
        self.cell.centre |= {slot: place for slot, place in floor.centre.items() if slot[0] != PORT}
        self.cell.curves |= {edge: chain for edge, chain in floor.curves.items() if edge[0][0] != PORT}
        top = y + floor.height
        if module and self.framed(number):
            top += TITLE
            inset = self.inset(module, number)
            self.cell.frames[module] = inset, y, self.wide - inset, top
        self.cell.frames |= {inner: moved(frame, x, y) for inner, frame in floor.frames.items()}
        for wing in sorted((wing for wing, ends in self.wings.items() if ends[1] == number), key=len, reverse=True):
            top, inset = top + TITLE, self.inset(wing, number)
            self.cell.frames[wing] = inset, self.bottoms[wing], self.wide - inset, top
        self.cell.height = top + GAP / 2

    def left_edge(self, number: int) -> float:
        """Modules stand in the middle, what is between them stands over what it reads."""
        floor = self.floors[number]
        entering = [slot for slot, target in self.trunks if target == number]
        if self.modules[number] or not entering:
            return (self.wide - floor.width) / 2
        shifts = [self.cell.centre[slot][0] - floor.centre[PORT, slot][0] for slot in entering]
        return min(max(sum(shifts) / len(shifts), 0.0), self.wide - floor.width)

    def connect(self, tail: Slot, head: Slot) -> None:
        """From a mark in one storey up to its port in another, and from there on as its storey has it."""
        start, goal = self.of[tail], self.of[head]
        trunk, port, floor = (tail, goal), (PORT, tail), self.floors[goal]
        way: list[Point] = self.floors[start].way_up(tail)
        if trunk in self.shafts:
            out, shaft = self.lanes[trunk, start + 1], self.shafts[trunk]
            way += [(way[-1][0], out), (shaft, out), (shaft, self.lanes[trunk, goal])]
        x, y = floor.centre[port]
        lane = self.lanes[trunk, goal]
        way += [(way[-1][0], lane), (x, lane), (x, y - floor.size[port][1] / 2)]
        self.cell.curves[tail, head] = curve.led_on(curve.rounded(way), floor.curves[port, head])
