"""Network simplex: the cheapest positions on a line, where some must keep a distance and some like to be at the same place.

Ranks and horizontal places are both found by it, as in Gansner, Koutsofios, North & Vo, "A technique for drawing directed
graphs", IEEE Trans. Software Eng. 19 (1993).  There a wish |x_b − x_a| needs a node of its own; here it is a kink in the
cost, and a step of the method goes on over kinks until the cost stops falling.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

EFFORT = 4_000_000  # pivots times size: about two seconds, after which the best positions so far must do


class Gap(NamedTuple):
    """x_b − x_a is at least `least`, and costs `weight` for each unit."""

    a: int
    b: int
    least: int
    weight: int = 0


class Tie(NamedTuple):
    """|x_b − x_a − shift| costs `weight` for each unit."""

    a: int
    b: int
    weight: int
    shift: int = 0


@dataclass
class Line:
    """Positions x of nodes on a line, which keep all gaps.

    The basis is a spanning tree whose gaps are exactly closed and whose ties cost nothing.  Cutting a link of it leaves two
    parts; if moving them apart makes the drawing cheaper, they are moved until the cost stops falling, and the gap or tie
    that stops them joins the tree.

    Parameters
    ----------
    x : list of int
        Positions to start from, which keep all gaps.
    gaps : list of Gap
    ties : list of Tie
    """

    x: list[int]
    gaps: list[Gap]
    ties: list[Tie]
    sign: list[int] = field(init=False)  # of x_b − x_a − shift, for each tie outside the tree
    slope: list[int] = field(init=False)  # how fast the cost grows with each x, the ties in the tree left out
    tree: set[int] = field(init=False)  # numbers of gaps, then of ties, then of the props that hold the tree together at first

    def __post_init__(self) -> None:
        self.sign = [1 if self.x[b] - self.x[a] >= shift else -1 for a, b, _, shift in self.ties]
        self.slope = [0] * len(self.x)
        for a, b, _, weight in self.gaps:
            self._pull(a, b, weight)
        for (a, b, weight, _), sign in zip(self.ties, self.sign):
            self._pull(a, b, sign * weight)
        self.links: list[tuple[int, int]] = [(a, b) for a, b, *_ in [*self.gaps, *self.ties]]
        self._plant()

    def _pull(self, a: int, b: int, force: int) -> None:
        self.slope[b] += force
        self.slope[a] -= force

    def _plant(self) -> None:
        """A first tree: of gaps that are closed, held together by props, which give way to any force."""
        group = list(range(len(self.x)))

        def leader(v: int) -> int:
            while group[v] != v:
                group[v] = v = group[group[v]]
            return v

        self.tree = set()
        for number, (a, b, least, _) in enumerate(self.gaps):
            if self.x[b] - self.x[a] == least and leader(a) != leader(b):
                group[leader(a)] = leader(b)
                self.tree.add(number)
        root = leader(0)
        for v in range(len(self.x)):
            if leader(v) != root:
                group[leader(v)] = root
                self.tree.add(len(self.links))
                self.links.append((root, v))
        self.stiffness = [0] * len(self.gaps) + [tie.weight for tie in self.ties] + [0] * len(self.x)
        self.beside: list[list[int]] = [[] for _ in self.x]
        for number in sorted(self.tree):
            for v in self.links[number]:
                self.beside[v].append(number)

    def solve(self) -> Line:
        """Move to the cheapest positions, or as far as the effort allows."""
        for _ in range(max(1, EFFORT // (len(self.x) + len(self.links)))):
            if not self._pivot():
                break
        return self

    def _pivot(self) -> bool:
        """Cut the link of the tree at which that gains most; False if it nowhere does."""
        self._walk()
        leaving, gain, way = -1, 0, 0
        for v in self.preorder[1:]:
            number, force = self.parent[v], self.force[v]
            if number >= len(self.gaps):
                better, direction = abs(force) - self.stiffness[number], -1 if force > 0 else 1
            else:  # a gap can only grow
                better, direction = (-force, 1) if self.links[number][1] == v else (force, -1)
            if better > gain:
                leaving, gain, way = v, better, direction
        if leaving < 0:
            return False
        stop = self._slide(leaving, way, -gain)
        if stop is None:
            return False
        self._exchange(leaving, way, *stop)
        return True

    def _walk(self) -> None:
        """Number the tree from its root, and sum up the slopes of each subtree."""
        links, beside = self.links, self.beside
        self.parent, self.preorder = [-1] * len(self.x), []
        above = [0] * len(self.x)
        stack = [0]
        while stack:
            v = stack.pop()
            self.preorder.append(v)
            for number in beside[v]:
                if number != self.parent[v]:
                    a, b = links[number]
                    other = b if a == v else a
                    self.parent[other], above[other] = number, v
                    stack.append(other)
        self.force, self.count = self.slope.copy(), [1] * len(self.x)
        for v in reversed(self.preorder[1:]):
            self.force[above[v]] += self.force[v]
            self.count[above[v]] += self.count[v]

    def _slide(self, top: int, way: int, slope: int) -> tuple[int, int] | None:
        """How far the subtree may move until the cost stops falling, and which gap or tie stops it."""
        x, start = self.x, self.preorder.index(top)
        self.moving = set(self.preorder[start : start + self.count[top]])
        moving, events = self.moving, []
        for number, (a, b, least, _) in enumerate(self.gaps):
            if (a in moving) != (b in moving) and (a in moving) == (way > 0) and number not in self.tree:
                events.append((x[b] - x[a] - least, number))
        for number, (a, b, _, shift) in enumerate(self.ties):
            if (a in moving) != (b in moving) and number + len(self.gaps) not in self.tree:
                closing = self.sign[number] * (way if a in moving else -way)
                if closing > 0:
                    events.append((abs(x[b] - x[a] - shift), number + len(self.gaps)))
        for distance, number in sorted(events):
            if number < len(self.gaps):
                return distance, number
            tie = number - len(self.gaps)
            a, b, weight, _ = self.ties[tie]
            slope += 2 * weight
            if slope >= 0:
                return distance, number
            self._pull(a, b, -2 * self.sign[tie] * weight)
            self.sign[tie] *= -1
        return None

    def _exchange(self, top: int, way: int, distance: int, entering: int) -> None:
        """Move a subtree and put one link into the tree for another."""
        leaving = self.parent[top]
        for v in self.moving:
            self.x[v] += way * distance
        for number, change in ((leaving, 1), (entering, -1)):
            tie = number - len(self.gaps)
            if 0 <= tie < len(self.ties):
                a, b, weight, _ = self.ties[tie]
                if change > 0:
                    self.sign[tie] = way if b in self.moving else -way
                self._pull(a, b, change * self.sign[tie] * weight)
        for v in self.links[leaving]:
            self.beside[v].remove(leaving)
        for v in self.links[entering]:
            self.beside[v].append(entering)
        self.tree.remove(leaving)
        self.tree.add(entering)

    # -- all that is as cheap ------------------------------------------------------------------------------------

    def extreme(self, way: int, fixed: int = 0) -> list[int]:
        """Of all cheapest positions those farthest to the left (−1) or right (+1), one node staying where it is.

        By complementary slackness they are the positions at which each gap that carries a force is closed, each tie that
        carries less than its weight costs nothing, and each other tie does not change its sign.
        """
        bounds: list[list[tuple[int, int]]] = [[] for _ in self.x]  # for each node: others that must be on its far side
        for a, b, least in self._conditions():
            if way < 0:
                bounds[a].append((b, least))
            else:
                bounds[b].append((a, -least))
        found: list[int | None] = [None] * len(self.x)
        found[fixed] = self.x[fixed]
        waiting = deque([fixed])
        while waiting:
            v = waiting.popleft()
            for other, least in bounds[v]:
                place = found[v] + least  # type: ignore[operator]
                best = found[other]
                if best is None or (place - best) * way < 0:
                    found[other] = place
                    waiting.append(other)
        return [here if place is None else place for place, here in zip(found, self.x)]

    def _conditions(self) -> list[tuple[int, int, int]]:
        """(a, b, least): x_b − x_a is at least that, at all cheapest positions."""
        self._walk()
        force = {self.parent[v]: self.force[v] * (1 if self.links[self.parent[v]][1] == v else -1) for v in self.preorder[1:]}
        conditions = []
        for number, (a, b, least, _) in enumerate(self.gaps):
            conditions.append((a, b, least))
            if force.get(number, 0):
                conditions.append((b, a, -least))
        for number, (a, b, weight, shift) in enumerate(self.ties):
            pull = force.get(number + len(self.gaps), -self.sign[number] * weight)
            if pull > -weight:
                conditions.append((b, a, -shift))
            if pull < weight:
                conditions.append((a, b, shift))
        return conditions
