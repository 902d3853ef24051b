"""Where everything stands from left to right: the order is given, arrows are to be short and straight.

First the cheapest places, by network simplex (Gansner et al. 1993); of all those the middle between the leftmost and the
rightmost ones, so that a node stands in the middle of what it may stand over (compare Brandes & Köpf, "Fast and simple
horizontal coordinate assignment", Graph Drawing 2001, who take the middle of four).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import TypeVar

from .layers import Layers
from .simplex import Gap, Line, Tie

UNIT = 10  # positions are whole numbers of tenths of a point, and distances even ones, so that there is a middle
NODES, ARROW, ARROWS = 14.4, 9.0, 10.0  # between two nodes, between a node and an arrow, between two arrows
SHORT, LONG = 4, 9  # what a bend costs in an arrow to the next rank, and at either end of a longer one
ALONE = 2  # how much dearer it is in the only arrow there
FAR, FLAT = 40.0, 1.5  # from how far to the side on each point of an arrow's way is dearer, and how many times dearer
LEAN = 8.0  # what leans less is made upright
SWEEPS = 6

Link = TypeVar("Link", Gap, Tie)


def assign(layers: Layers, order: Sequence[int], widths: Sequence[float]) -> list[float]:
    """The centre of each block; that of the leftmost node is anywhere."""
    if not order:
        return []
    gaps, ties = _gaps(layers, order, widths), _ties(layers)
    ties += _bonds(gaps, ties, len(order))
    line = Line(_relaxed(gaps, ties, order), gaps, ties).solve()
    if flat := _flat(ties, line.x):
        line = Line(line.x, gaps, [*ties, *flat]).solve()
    hub = max(order, key=lambda block: (len(layers.below[block]) + len(layers.above[block]), -block))
    middle = [(a + b) // 2 for a, b in zip(line.extreme(-1, hub), line.extreme(+1, hub))]
    return [place / UNIT for place in _upright(middle, gaps, ties, line.ties)]


def _gaps(layers: Layers, order: Sequence[int], widths: Sequence[float]) -> list[Gap]:
    """What stands side by side keeps a distance."""
    least: dict[tuple[int, int], int] = {}
    for row in layers.rows(order):
        for a, b in pairwise(row):
            if (a, b) not in least:
                least[a, b] = 2 * ceil(UNIT / 2 * _distance(a, b, widths))
    return [Gap(a, b, distance) for (a, b), distance in least.items()]


def _distance(a: int, b: int, widths: Sequence[float]) -> float:
    nodes = [block for block in (a, b) if block < len(widths)]
    between = (ARROWS, ARROW, NODES)[len(nodes)]
    return between + sum(widths[block] for block in nodes) / 2


def _ties(layers: Layers) -> list[Tie]:
    """What is joined wants to stand one above the other."""
    ties = []
    for lower, upper, weight, shift in layers.joints:
        weight *= SHORT if lower < layers.count and upper < layers.count else LONG
        for end, joined in ((lower, layers.above[lower]), (upper, layers.below[upper])):
            if end < layers.count and len(joined) == 1:
                weight *= ALONE
        ties.append(Tie(lower, upper, weight, 2 * round(UNIT / 2 * shift)))
    return ties


def _flat(ties: list[Tie], x: Sequence[int]) -> list[Tie]:
    """More ties around arrows that go far to the side: |d − far| + |d + far| grows with |d| only beyond `far`."""
    far = round(FAR * UNIT)
    ends = {end for tie in ties if abs(_lean(tie, x)) > far for end in (tie.a, tie.b)}
    near = [tie for tie in ties if tie.a in ends or tie.b in ends]
    return [Tie(a, b, round(weight * (FLAT - 1) / 2), shift + side) for a, b, weight, shift in near for side in (-far, far)]


def _upright(x: list[int], gaps: Sequence[Gap], ties: Sequence[Tie], costs: Sequence[Tie]) -> list[int]:
    """Straighten what leans only a little, together with all that stands upright on it, where that costs nothing."""
    x, gaps_at, ties_at, costs_at = x.copy(), _by_end(gaps, len(x)), _by_end(ties, len(x)), _by_end(costs, len(x))
    for tie in sorted(ties, key=lambda tie: -tie.weight):
        lean = _lean(tie, x)
        if not 0 < abs(lean) <= LEAN * UNIT:
            continue
        for start, shift in ((tie.a, lean), (tie.b, -lean)):
            column = _column(start, x, ties_at)
            after = {block: x[block] + shift for block in column}
            near = {tie for block in column for tie in costs_at[block]}
            dearer = sum(_cost(tie, after.get(tie.a, x[tie.a]), after.get(tie.b, x[tie.b])) for tie in near) > sum(
                _cost(tie, x[tie.a], x[tie.b]) for tie in near
            )
            tight = (g for block in column for g in gaps_at[block] if after.get(g.b, x[g.b]) - after.get(g.a, x[g.a]) < g.least)
            if not dearer and not any(tight):
                for block, place in after.items():
                    x[block] = place
                break
    return x


def _column(start: int, x: Sequence[int], ties_at: Sequence[list[Tie]]) -> set[int]:
    """All that is joined to a block by upright arrows."""
    column, waiting = {start}, [start]
    while waiting:
        for tie in ties_at[waiting.pop()]:
            if not _lean(tie, x) and not column >= {tie.a, tie.b}:
                waiting += {tie.a, tie.b} - column
                column |= {tie.a, tie.b}
    return column


def _lean(tie: Tie, x: Sequence[int]) -> int:
    return x[tie.b] - x[tie.a] - tie.shift


def _cost(tie: Tie, a: int, b: int) -> int:
    return tie.weight * abs(b - a - tie.shift)


def strain(layers: Layers, x: Sequence[float]) -> float:
    """How far arrows go to the side, all together; flat ones count more."""
    sides = [abs(x[upper] - x[lower] - shift) for lower, upper, _, shift in layers.joints]
    return sum(side + (FLAT - 1) * max(0.0, side - FAR) for side in sides)


def _bonds(gaps: list[Gap], ties: list[Tie], count: int) -> list[Tie]:
    """Ties that keep parts of the graph together which nothing joins."""
    group = list(range(count))

    def leader(v: int) -> int:
        while group[v] != v:
            group[v] = v = group[group[v]]
        return v

    for a, b, _, _ in ties:
        group[leader(a)] = leader(b)
    bonds = []
    for a, b, _, _ in gaps:
        if leader(a) != leader(b):
            group[leader(a)] = leader(b)
            bonds.append(Tie(a, b, 1))
    return bonds


def _relaxed(gaps: list[Gap], ties: list[Tie], order: Sequence[int]) -> list[int]:
    """Places to start from: as far left as can be, then each block in turn over the middle of its neighbours."""
    gaps_at, ties_at, x = _by_end(gaps, len(order)), _by_end(ties, len(order)), [0] * len(order)
    for block in order:
        x[block] = max((x[gap.a] + gap.least for gap in gaps_at[block] if gap.b == block), default=0)
    for sweep in range(SWEEPS):
        for block in order if sweep % 2 else reversed(order):
            wishes = [(x[t.a] + t.shift if t.b == block else x[t.b] - t.shift, t.weight) for t in ties_at[block]]
            wish = _median(wishes, x[block])
            low = max((x[gap.a] + gap.least for gap in gaps_at[block] if gap.b == block), default=wish)
            high = min((x[gap.b] - gap.least for gap in gaps_at[block] if gap.a == block), default=wish)
            x[block] = max(low, min(wish, high))
    return x


def _median(places: list[tuple[int, int]], default: int) -> int:
    """The weighted median."""
    half = sum(weight for _, weight in places) / 2
    for place, weight in sorted(places):
        half -= weight
        if half <= 0:
            return place
    return default


def _by_end(links: Sequence[Link], count: int) -> list[list[Link]]:
    """For each block the gaps, or the ties, that begin or end there."""
    found: list[list[Link]] = [[] for _ in range(count)]
    for link in links:
        found[link.a].append(link)
        found[link.b].append(link)
    return found
