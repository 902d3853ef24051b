"""Where everything stands from left to right: the order is given, arrows are to be short and straight.

First the cheapest places, by network simplex (Gansner et al. 1993); of all those the middle between the leftmost and the
rightmost ones, so that a node stands in the middle of what it may stand over (compare Brandes & Köpf, "Fast and simple
horizontal coordinate assignment", Graph Drawing 2001, who take the middle of four).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .layers import Layers
from .simplex import Gap, Line, Tie

UNIT = 10  # positions are whole numbers of tenths of a point
NODES, ARROW, ARROWS = 14.4, 9.0, 10.0  # between two nodes, between a node and an arrow, between two arrows
ALONE = 2  # how much dearer a bend is in the only arrow at its end
SWEEPS = 6


def assign(layers: Layers, order: Sequence[int], widths: Sequence[float]) -> list[float]:
    """The centre of each block; that of the leftmost node is anywhere."""
    if not order:
        return []
    gaps, ties = _gaps(layers, order, widths), _ties(layers)
    ties += _bonds(gaps, ties, len(order))
    root = max(order, key=lambda block: (len(layers.below[block]) + len(layers.above[block]), -block))
    number = {block: i for i, block in enumerate([root, *(block for block in order if block != root)])}
    gaps = [Gap(number[a], number[b], least) for a, b, least, _ in gaps]
    ties = [Tie(number[a], number[b], weight) for a, b, weight in ties]
    line = Line(_relaxed(gaps, ties, [number[block] for block in order]), gaps, ties).solve()
    middle = [(a + b) / 2 for a, b in zip(line.extreme(-1), line.extreme(+1))]
    return [middle[number[block]] / UNIT for block in range(len(order))]


def _gaps(layers: Layers, order: Sequence[int], widths: Sequence[float]) -> list[Gap]:
    """What stands side by side keeps a distance."""
    least: dict[tuple[int, int], int] = {}
    for row in layers.rows(order):
        for a, b in pairwise(row):
            if (a, b) not in least:
                least[a, b] = round(UNIT * _distance(a, b, widths))
    return [Gap(a, b, distance) for (a, b), distance in least.items()]


def _distance(a: int, b: int, widths: Sequence[float]) -> float:
    nodes = [block for block in (a, b) if block < len(widths)]
    between = (ARROWS, ARROW, NODES)[len(nodes)]
    return between + sum(widths[block] for block in nodes) / 2


def _ties(layers: Layers) -> list[Tie]:
    """What is joined wants to stand one above the other."""
    ties = []
    for lower, upper, weight in layers.joints:
        alone = [len(ends) == 1 for ends in (layers.above[lower], layers.below[upper])]
        if lower >= layers.count:
            alone[0] = False
        if upper >= layers.count:
            alone[1] = False
        ties.append(Tie(lower, upper, weight * ALONE ** sum(alone)))
    return ties


def _bonds(gaps: list[Gap], ties: list[Tie], count: int) -> list[Tie]:
    """Ties that keep parts of the graph together which nothing joins."""
    group = list(range(count))

    def leader(v: int) -> int:
        while group[v] != v:
            group[v] = v = group[group[v]]
        return v

    for a, b, _ in ties:
        group[leader(a)] = leader(b)
    bonds = []
    for a, b, _, _ in gaps:
        if leader(a) != leader(b):
            group[leader(a)] = leader(b)
            bonds.append(Tie(a, b, 1))
    return bonds


def _relaxed(gaps: list[Gap], ties: list[Tie], order: Sequence[int]) -> list[int]:
    """Places to start from: as far left as can be, then each block in turn over the middle of its neighbours."""
    before: list[list[tuple[int, int]]] = [[] for _ in order]
    after: list[list[tuple[int, int]]] = [[] for _ in order]
    joined: list[list[tuple[int, int]]] = [[] for _ in order]
    for a, b, least, _ in gaps:
        before[b].append((a, least))
        after[a].append((b, least))
    for a, b, weight in ties:
        joined[a].append((b, weight))
        joined[b].append((a, weight))
    x = [0] * len(order)
    for block in order:
        x[block] = max((x[a] + least for a, least in before[block]), default=0)
    for sweep in range(SWEEPS):
        for block in order if sweep % 2 else reversed(order):
            wish = _median([(x[other], weight) for other, weight in joined[block]], x[block])
            low = max((x[a] + least for a, least in before[block]), default=wish)
            high = min((x[b] - least for b, least in after[block]), default=wish)
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
