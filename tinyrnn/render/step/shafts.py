"""Ways for the gradients of parameters: from each share straight out of its step, toward the rail that collects it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from .. import curve
from ..curve import Point
from ..picture import Mark, Slot
from .cell import Cell

APART, CLEAR = 11.0, 4.0  # from one shaft to the next, and from a shaft to a mark
NEAR = 48.0  # how far beside a share its shaft may be


def dig(cell: Cell, marks: Iterable[Mark]) -> None:
    """Give each share a shaft, if need be in a margin of the cell.

    What stands over another module leaves the step by the margin: its way would lead through that module.
    """
    slots = {mark.slot for mark in marks if mark.back and mark.back.role == "share"}
    inner = sorted(slots, key=lambda s: (cell.centre[s][1], cell.centre[s][0]))
    beside = []
    for slot in inner:
        x = None if _over_module(cell, slot) else _free(cell, slot)
        if x is None:
            beside.append(slot)
        else:
            cell.shafts[slot] = x
    for number, slot in enumerate(beside):
        cell.shafts[slot] = cell.width + APART * (number + 0.3)
    if beside:
        cell.width += APART * len(beside)


def way_out(cell: Cell, slot: Slot) -> list[Point]:
    """From a slot to the beginning of its shaft, below it."""
    (x, y), (wide, high) = cell.centre[slot], cell.size[slot]
    shaft = cell.shafts[slot]
    if abs(shaft - x) < wide / 2 - 2.0:
        return [(shaft, y - high / 2)]
    to_the_right = [s for s in cell.row(slot) if s in cell.shafts and cell.centre[s][0] > x and cell.shafts[s] > shaft]
    level = cell.channel(slot, -1) - 4.0 - 4.0 * len(to_the_right)  # these ways do not cross
    return [(x, y - high / 2), (x, level), (shaft, level)]


def _over_module(cell: Cell, slot: Slot) -> bool:
    return any(top < cell.centre[slot][1] for _, _, _, top in cell.frames.values())


def _free(cell: Cell, slot: Slot) -> float | None:
    """The nearest place from which one can go straight down and meets no mark, runs on no arrow, and crosses few."""
    x, y = cell.centre[slot]
    walls = [(cx, cell.size[s][0] / 2 + CLEAR) for s, (cx, cy) in cell.centre.items() if cy < y - 8.0]
    walls += [(other, APART) for other in cell.shafts.values()]
    lines = [curve.sampled(chain) for chain in cell.curves.values()]
    beside = [px for line in lines for px, py in line if py < y]
    level = cell.channel(slot, -1) - 4.0
    pieces = [piece for line in lines for piece in pairwise(line)]
    across = [px for (px, py), (_, qy) in pieces if (py < level) != (qy < level)]
    below = [(px, qx) for (px, py), (qx, qy) in pieces if py < level and qy < level]
    steps = [side * 2.0 * i for i in range(int(NEAR / 2)) for side in (1, -1)]
    free = [x + dx for dx in steps if CLEAR < x + dx < cell.width - CLEAR and all(abs(x + dx - w) >= h for w, h in walls)]

    def cost(place: float) -> float:
        crossed = sum((px < place) != (qx < place) for px, qx in below)
        crossed += 0 if place == x else sum(min(x, place) < px < max(x, place) for px in across)
        return abs(place - x) + 2.0 * sum(abs(place - px) < 3.0 for px in beside) + 30.0 * crossed

    return min(free, key=cost, default=None)
