"""The lanes of a gutter: what runs up and down in it, side by side in the order in which the fewest arrows cross.

Of a gap between two storeys, in which arrows run to the side, too: then "left" is below, and "right" is above.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

Name = TypeVar("Name", bound=tuple)

CLOSE = 3.0  # two arrows at heights that differ by less would lie on each other
BELOW, ABOVE = -1e6, 1e6  # where an arrow goes that leaves the gutter for a bus


@dataclass
class Net:
    """The arrows of a gutter that share a lane: the heights at which they meet its left and its right side, or leave it."""

    left: set[float] = field(default_factory=set)
    right: set[float] = field(default_factory=set)
    ends: set[float] = field(default_factory=set)

    @property
    def reach(self) -> tuple[float, float]:
        """How far down and up it goes."""
        heights = self.left | self.right | self.ends
        return min(heights), max(heights)

    def overlaps(self, other: Net) -> bool:
        """Would they lie on each other on one lane?"""
        (low, high), (bottom, top) = self.reach, other.reach
        return low <= top and bottom <= high


def crossings(one: Net, other: Net) -> float:
    """How often two nets cross if the first one has its lane to the left of the other; lying on each other is worse."""
    (low, high), (bottom, top) = one.reach, other.reach
    count: float = sum(low < y < high for y in other.left) + sum(bottom < y < top for y in one.right)
    return count + sum(3.0 for y in one.right for z in other.left if abs(y - z) < CLOSE)


def arranged(nets: dict[Name, Net]) -> list[Name]:
    """The nets from left to right: as long as it helps, each one is moved to its best place among the others."""
    order = sorted(nets, key=lambda name: -max(nets[name].left, default=ABOVE))
    cost = {(a, b): crossings(nets[a], nets[b]) for a in order for b in order if a != b}
    moved = True
    while moved:
        moved = False
        for name in list(order):
            at = order.index(name)
            others = order[:at] + order[at + 1 :]
            costs = [
                sum(cost[other, name] for other in others[:i]) + sum(cost[name, other] for other in others[i:])
                for i in range(len(order))
            ]
            best = min(range(len(order)), key=lambda i: (costs[i], abs(i - at)))
            if costs[best] < costs[at]:
                order, moved = [*others[:best], name, *others[best:]], True
    return order
