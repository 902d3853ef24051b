"""What the layout of a step is made of: a block of slots and arrows to be arranged, and the cell that comes out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from .. import layout, style
from ..curve import Chain, Point, moved
from ..layout import Joint, Outline, Task
from ..picture import Link, Mark, Scope, Slot

LEVEL = 3.5  # how far above a row an arrow turns to the side: nearer than those that come into the next row from under it
Size = tuple[float, float]
Edge = tuple[Slot, Slot]


@dataclass
class Cell:
    """Centres and curves, with (0, 0) at the lower left.  A row is the set of slots at one height."""

    width: float
    height: float
    centre: dict[Slot, Point]
    size: dict[Slot, Size]
    curves: dict[Edge, Chain] = field(default_factory=dict)
    frames: dict[Scope, tuple[float, float, float, float]] = field(default_factory=dict)  # of modules
    shafts: dict[Slot, float] = field(default_factory=dict)  # where the gradient of a parameter leaves the step (see `shafts`)

    def row(self, slot: Slot) -> list[Slot]:
        y = self.centre[slot][1]
        return [s for s, (_, other) in self.centre.items() if abs(other - y) < 8.0]

    def clear(self, slot: Slot, side: int) -> bool:
        """Does nothing stand between this slot and the left (−1) or right (+1) edge of the step?"""
        x = self.centre[slot][0]
        return not any((self.centre[s][0] - x) * side > 0 for s in self.row(slot))

    def channel(self, slot: Slot, side: int) -> float:
        """The height just above (+1) or below (−1) all that stands in this slot's row."""
        edges = [self.centre[s][1] + side * self.size[s][1] / 2 for s in self.row(slot)]
        return max(edges) if side > 0 else min(edges)

    def room(self, slot: Slot, side: int) -> float:
        """From there to what stands next above (+1) or below (−1); infinite if nothing does."""
        edge = self.channel(slot, side)
        walls = ((y - side * self.size[s][1] / 2 - edge) * side for s, (_, y) in self.centre.items())
        return min((wall for wall in walls if wall > 0), default=inf)

    def widen(self, width: float) -> None:
        """Give it equal margins at both sides, until it is so wide."""
        shift = max(0.0, (width - self.width) / 2)
        self.width += 2 * shift
        self.centre = {slot: (x + shift, y) for slot, (x, y) in self.centre.items()}
        self.curves = {edge: moved(chain, shift) for edge, chain in self.curves.items()}
        self.frames = {scope: (x0 + shift, y0, x1 + shift, y1) for scope, (x0, y0, x1, y1) in self.frames.items()}

    def way_up(self, slot: Slot) -> list[Point]:
        """From a slot to a place from which one can go straight up without meeting a mark."""
        x, y = self.centre[slot]
        top = y + self.size[slot][1] / 2
        above = [(cx, self.size[s][0] / 2 + 6.0) for s, (cx, cy) in self.centre.items() if cy > y + 8.0]
        places = [x + side * 2.0 * i for i in range(int(self.width)) for side in (1, -1)]
        free = next(p for p in places if all(abs(p - wall) >= half for wall, half in above))
        if free == x:
            return [(x, top)]
        level = self.channel(slot, +1) + LEVEL
        return [(x, top), (x, level), (free, level)]


@dataclass
class Block:
    """What is to be arranged: slots with sizes, arrows with weights, and pairs whose left-to-right order is given.

    `left` and `right` are the slots at which arrows from and to the neighbouring steps come in and go out.  `joints` say of
    arrows that do not point to the middle where they begin and end: see `layout.Task`.
    """

    size: dict[Slot, Size]
    edges: dict[Edge, int]
    left: set[Slot] = field(default_factory=set)
    right: set[Slot] = field(default_factory=set)
    order: list[Edge] = field(default_factory=list)
    joints: dict[Edge, Joint] = field(default_factory=dict)

    def lay_out(self) -> Cell:
        """Arrange it: see `layout`."""
        number = {slot: i for i, slot in enumerate(self.size)}
        task = Task(
            tuple(_outline(slot, *size) for slot, size in self.size.items()),
            tuple((number[tail], number[head], weight) for (tail, head), weight in self.edges.items()),
            tuple(number[slot] for slot in self.size if slot in self.left),
            tuple(number[slot] for slot in self.size if slot in self.right and slot not in self.left),
            tuple((number[a], number[b]) for a, b in self.order),
            tuple(self.joints.get(edge, (None, None)) for edge in self.edges) if self.joints else (),
        )
        width, height, centres, curves = layout.lay_out(task)
        return Cell(width, height, dict(zip(self.size, centres)), self.size, dict(zip(self.edges, curves)))


def _outline(slot: Slot, wide: float, high: float) -> Outline:
    shape = "ellipse" if slot[0] == PORT else style.ROLES[slot[1]].shape
    return Outline(wide, high, {"square": 0.0, "round": 5.0, "circle": high / 2, "dot": high / 2, "ellipse": None}[shape])


PORT = "port"  # (PORT, a slot elsewhere) stands in a block for what comes into it from there


def sizes_of(marks: Iterable[Mark]) -> dict[Slot, Size]:
    """The room each slot needs: that of its largest mark at any step, so that every step looks the same."""
    sizes: dict[Slot, Size] = {}
    for mark in marks:
        wide, high = style.size(mark)
        old = sizes.get(mark.slot, (0.0, 0.0))
        sizes[mark.slot] = max(wide, old[0]), max(high, old[1])
    return sizes


def weight(link: Link) -> int:
    """How dear it is that an arrow is long or bent: a result stands over its operation."""
    return 2 if link.uses else 8
