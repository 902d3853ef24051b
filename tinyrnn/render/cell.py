"""Where everything in one step goes.  Graphviz arranges it once; `unrolled` repeats it over time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import engine, style
from .curve import Chain, Point
from .picture import Link, Mark, Slot

MARGIN = 10.0
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
    frames: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)  # of modules, by name

    def row(self, slot: Slot) -> list[Slot]:
        y = self.centre[slot][1]
        return [s for s, (_, other) in self.centre.items() if abs(other - y) < 8.0]

    def clear(self, slot: Slot, side: int) -> bool:
        """Does nothing stand between this slot and the left (−1) or right (+1) edge of the step?"""
        x = self.centre[slot][0]
        return not any((self.centre[s][0] - x) * side > 0 for s in self.row(slot))

    def covers(self, slot: Slot, x: float, y: float) -> bool:
        """Is the point on this slot?"""
        (cx, cy), (wide, high) = self.centre[slot], self.size[slot]
        return abs(x - cx) < wide / 2 and abs(y - cy) < high / 2

    def channel(self, slot: Slot, side: int) -> float:
        """The height just above (+1) or below (−1) all that stands in this slot's row."""
        edges = [self.centre[s][1] + side * self.size[s][1] / 2 for s in self.row(slot)]
        return max(edges) if side > 0 else min(edges)

    def way_up(self, slot: Slot) -> list[Point]:
        """From a slot to a place from which one can go straight up without meeting a mark."""
        x, y = self.centre[slot]
        top = y + self.size[slot][1] / 2
        above = [(cx, self.size[s][0] / 2 + 6.0) for s, (cx, cy) in self.centre.items() if cy > y + 8.0]
        places = [x + side * 2.0 * i for i in range(int(self.width)) for side in (1, -1)]
        free = next(p for p in places if all(abs(p - wall) >= half for wall, half in above))
        if free == x:
            return [(x, top)]
        level = self.channel(slot, +1) + 7.0
        return [(x, top), (x, level), (free, level)]


@dataclass
class Block:
    """What Graphviz is asked to arrange: slots with sizes, arrows with weights, and pairs whose left-to-right order is given.

    `left` and `right` are the slots at which arrows from and to the neighbouring steps come in and go out.
    """

    size: dict[Slot, Size]
    edges: dict[Edge, int]
    left: set[Slot] = field(default_factory=set)
    right: set[Slot] = field(default_factory=set)
    order: list[Edge] = field(default_factory=list)

    def lay_out(self) -> Cell:
        """Ask Graphviz at least twice.

        The first answer says which slots share a row; the next one keeps, in each row, what reads the past on the left and
        states on the right, so that recurrent arrows come in and go out without crossing the step.  That may move slots to
        other rows, hence the loop; where it gives up, the arrows take the channel between two rows.
        """
        order = set(self.order)
        cell = self._ask(self.order)
        for _ in range(4):
            wanted = set(self._order(cell))
            if not any(cell.centre[a][0] > cell.centre[b][0] for a, b in wanted):
                break
            order |= wanted
            numbers = {slot: i for i, slot in enumerate(self.size)}
            cell = self._ask(sorted(order, key=lambda pair: (numbers[pair[0]], numbers[pair[1]])))
        return cell

    def _order(self, cell: Cell) -> Iterable[Edge]:
        """Pairs (left, right) of slots in one row whose order is to be kept."""
        seen = set()
        for slot in cell.centre:
            row = sorted(cell.row(slot), key=lambda s: cell.centre[s][0])
            if row[0] in seen:
                continue
            seen.add(row[0])
            left = [s for s in row if s in self.left]
            right = [s for s in row if s in self.right and s not in self.left]
            middle = [s for s in row if s not in left and s not in right]
            yield from ((a, b) for a in left for b in middle + right)
            yield from ((a, b) for a in middle for b in right)

    def _ask(self, ordered: list[Edge]) -> Cell:
        """The layout that Graphviz makes, with some slots side by side in a given order."""
        name = {slot: f"n{i}" for i, slot in enumerate(self.size)}
        lines = [
            "digraph {",
            "graph [rankdir=BT, nodesep=0.2, ranksep=0.3]",
            'node [fixedsize=true, label=""]',
            "edge [arrowhead=none]",
            *(f"{name[s]} [{_node(s, wide, high)}]" for s, (wide, high) in self.size.items()),
            *(f"{name[tail]} -> {name[head]} [weight={weight}]" for (tail, head), weight in self.edges.items()),
            *(f"{{rank=same; {name[a]} -> {name[b]} [style=invis]}}" for a, b in ordered),
            "}",
        ]
        return self._understand(json.loads(engine.lay_out("\n".join(lines))), {v: k for k, v in name.items()})

    def _understand(self, answer: dict, slot_of: dict[str, Slot]) -> Cell:
        x0, y0, x1, y1 = _numbers(answer["bb"])
        objects = {o["_gvid"]: o for o in answer.get("objects", [])}
        edges = [e for e in answer.get("edges", []) if e.get("style") != "invis"]

        def place(text: str) -> Point:
            x, y = _numbers(text)
            return x - x0 + MARGIN, y - y0 + MARGIN

        cell = Cell(x1 - x0 + 2 * MARGIN, y1 - y0 + 2 * MARGIN, {}, self.size)
        for o in objects.values():
            if o["name"] in slot_of:
                cell.centre[slot_of[o["name"]]] = place(o["pos"])
        for e in edges:
            tail, head = (slot_of[objects[e[end]]["name"]] for end in ("tail", "head"))
            cell.curves[tail, head] = [place(p) for p in e["pos"].split()]
        return cell


def _node(slot: Slot, wide: float, high: float) -> str:
    shape = "ellipse" if slot[0] == PORT or style.ROLES[slot[1]].shape in ("circle", "ellipse") else "box"
    return f"width={wide / 72:.3f}, height={high / 72:.3f}, shape={shape}"


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(x) for x in text.split(","))


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
    """How much Graphviz tries to keep an arrow straight: a result stands over its operation."""
    return 2 if link.uses else 8
