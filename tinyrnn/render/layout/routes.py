"""The ways of arrows: as few bends as there is room for, and never behind a node.

On its way up an arrow is a function x(y) through a few knots: a monotone cubic between any two of them (Fritsch & Carlson,
SIAM J. Numer. Anal. 17, 1980), hence it never swings out, and each piece is a Bézier curve.  A straight line is tried first;
then one that goes through its vertical part in one rank, in two; at last one that keeps to it all the way, for which the
places have left room.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from ..curve import Chain, Point
from .layers import Joint, Layers
from .outline import Outline

NODE, CORNER, ARROW = 4.0, 2.5, 6.0  # how near an arrow may come to the side of a node, to its corner, and to another arrow
MOST, LARGE = 24, 20_000  # an arrow through more ranks keeps to its upright part; with more pairs in the ranks, all do


@dataclass
class Way:
    """A monotone function x(y) through knots (x, y); at its lower and its upper end it may be upright."""

    knots: list[Point]
    upright: tuple[bool, bool] = (False, False)
    slopes: list[float] = field(init=False)
    heights: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.heights = [y for _, y in self.knots]
        steps = [y1 - y0 for y0, y1 in pairwise(self.heights)]
        rises = [(x1 - x0) / step for ((x0, _), (x1, _)), step in zip(pairwise(self.knots), steps)]
        inner = [_between(*rise, *step) for rise, step in zip(pairwise(rises), pairwise(steps))]
        first, last = (0.0 if end else None for end in self.upright)
        if not inner and first is last is None:
            self.slopes = rises * 2
            return
        if first is None:  # no curvature at the end
            first = 1.5 * rises[0] - (inner[0] if inner else 0.0) / 2
        if last is None:
            last = 1.5 * rises[-1] - (inner[-1] if inner else 0.0) / 2
        self.slopes = [first, *inner, last]

    def at(self, y: float) -> float:
        """Where it is at a height."""
        i = min(max(bisect_right(self.heights, y) - 1, 0), len(self.knots) - 2)
        (x0, y0), (x1, y1) = self.knots[i], self.knots[i + 1]
        high = y1 - y0
        t = (y - y0) / high
        s = 1.0 - t
        c1, c2 = x0 + self.slopes[i] * high / 3, x1 - self.slopes[i + 1] * high / 3
        return s * s * s * x0 + 3 * s * s * t * c1 + 3 * s * t * t * c2 + t * t * t * x1

    def slant(self) -> float:
        """How far from upright it is, where it is farthest from it."""
        return max(map(abs, self.slopes))

    def chain(self) -> Chain:
        chain = [self.knots[0]]
        for (x0, y0), (x1, y1), m0, m1 in zip(self.knots, self.knots[1:], self.slopes, self.slopes[1:]):
            third = (y1 - y0) / 3
            chain += [(x0 + m0 * third, y0 + third), (x1 - m1 * third, y1 - third), (x1, y1)]
        return chain


def _between(before: float, after: float, low: float, high: float) -> float:
    """The slope at a knot between two rises: their weighted harmonic mean, and upright where it turns round."""
    if before * after <= 0:
        return 0.0
    return 3 * (low + high) / ((2 * high + low) / before + (high + 2 * low) / after)


class Errand(NamedTuple):
    """An arrow that needs a way: the nodes below and above, the block between them, and how and where it begins and ends."""

    lower: int
    upper: int
    block: int | None
    start: Point
    end: Point
    upright: tuple[bool, bool]


class Router:
    """Finds a way for each arrow.

    Parameters
    ----------
    layers : Layers
    rows : sequence of list of int
        The blocks of each rank, from left to right.
    x : sequence of float
        The centres of the blocks.
    y, heights : sequence of float
        The middle and the height of each rank.
    outlines : sequence of Outline
        Of the nodes.
    joints : sequence of (float or None, float or None)
        Those of a task.
    """

    def __init__(
        self,
        layers: Layers,
        rows: Sequence[list[int]],
        x: Sequence[float],
        y: Sequence[float],
        heights: Sequence[float],
        outlines: Sequence[Outline],
        joints: Sequence[Joint] = (),
    ) -> None:
        self.joints = joints
        self.layers, self.rows, self.x, self.y, self.heights, self.outlines = layers, rows, x, y, heights, outlines
        self.ways: dict[int, Way] = {}  # of blocks that have one already
        self.large = sum(len(row) ** 2 for row in rows) > LARGE
        self.position = [{block: i for i, block in enumerate(row)} for row in rows]

    def centre(self, node: int) -> Point:
        return self.x[node], self.y[self.layers.low[node]]

    def route(self, number: int, tail: int, head: int) -> Chain:
        """The curve of edge `number`, from outline to outline."""
        low, at = self.layers.low, self.joints[number] if self.joints else (None, None)
        if low[tail] == low[head]:
            at = (None, None)
            chain = _loop(self.centre(tail), self.centre(head), self.outlines[tail])
        else:
            upwards = low[tail] < low[head]
            lower, upper = (tail, head) if upwards else (head, tail)
            out, into = at if upwards else at[::-1]
            ends = self.end(lower, out, +1), self.end(upper, into, -1)
            errand = Errand(lower, upper, self.layers.part.get(number), *ends, (out is not None, into is not None))
            way = next(way for way in self.candidates(errand) if way is not None)
            if errand.block is not None:
                self.ways[errand.block] = way
            chain = way.chain() if upwards else way.chain()[::-1]
        if at[1] is None:
            chain = self.outlines[head].clipped(chain, self.centre(head))
        if at[0] is None:
            chain = self.outlines[tail].clipped(chain[::-1], self.centre(tail))[::-1]
        return chain

    def end(self, node: int, shift: float | None, side: int) -> Point:
        """Where an arrow ends: in the middle of a node, to be clipped, or where it is fastened to its upper or lower edge."""
        x, y = self.centre(node)
        return (x, y) if shift is None else (x + shift, y + side * self.outlines[node].height / 2)

    def candidates(self, errand: Errand) -> Iterator[Way | None]:
        """Ways that meet nothing, the simplest first; at last the one that always does."""
        lower, upper, block, start, end, upright = errand
        a, b = self.layers.low[lower], self.layers.low[upper]
        if b - a > 1 and block is None:  # no place was kept for it
            yield Way([start, end], upright)
        top, bottom = self.upper(a), self.lower(b)
        middle = [] if block is None else [(self.x[block], self.lower(a + 1)), (self.x[block], self.upper(b - 1))]
        if not self.large:
            yield self.checked([start, end], errand)
            if block is not None:
                yield from self.bows(errand)
            out = self.gate(lower, top, start, [*middle, end][0])
            into = self.gate(upper, bottom, end, [start, *middle][-1])
            for before, after in (([], []), ([out], []), ([], [into]), ([out], [into])):
                yield self.checked([start, *before, *middle, *after, end], errand)
        yield Way([start, (start[0], top), *middle, (end[0], bottom), end])

    def bows(self, errand: Errand) -> Iterator[Way | None]:
        """Ways that touch the upright part of a long arrow in one rank, in two next to each other, in three, and so on."""
        _, _, block, start, end, _ = errand
        assert block is not None
        x, ranks = self.x[block], range(self.layers.low[block], self.layers.high[block] + 1)
        for apart in range(len(ranks) if len(ranks) <= MOST else 0):
            pairs = [((x, self.y[i]), (x, self.y[i + apart])) for i in ranks if i + apart in ranks]
            ways = [self.checked([start, *dict.fromkeys(pair), end], errand) for pair in pairs]
            yield min((way for way in ways if way is not None), key=Way.slant, default=None)

    def lower(self, rank: int) -> float:
        """The height below which nothing of a rank is near."""
        return self.y[rank] - self.heights[rank] / 2 - CORNER

    def upper(self, rank: int) -> float:
        """The height above which nothing of a rank is near."""
        return self.y[rank] + self.heights[rank] / 2 + CORNER

    def gate(self, node: int, y: float, here: Point, there: Point) -> Point:
        """Where an arrow goes through the upper or lower limit of its end's rank: straight on, if nothing stands there."""
        rank = self.layers.low[node]
        row, where = self.rows[rank], self.position[rank][node]
        x = here[0] + (there[0] - here[0]) * (y - here[1]) / (there[1] - here[1])
        left, right = row[:where][-1:], row[where + 1 :][:1]
        for other in left:
            x = max(x, self.x[other] + self.half(other) + NODE)
        for other in right:
            x = min(x, self.x[other] - self.half(other) - NODE)
        return x, y

    def half(self, block: int) -> float:
        """Half of its width."""
        return self.outlines[block].width / 2 if block < self.layers.count else 0.0

    def checked(self, knots: list[Point], errand: Errand) -> Way | None:
        """The way through these knots, if it meets nothing."""
        lower, upper, block, *_, upright = errand
        way = Way(knots, upright)
        ranks = range(self.layers.low[lower], self.layers.low[upper] + 1)
        for rank in ranks:
            own = lower if rank == ranks[0] else upper if rank == ranks[-1] else block
            if own is not None and not self.clear(way, rank, own):
                return None
        return way

    def clear(self, way: Way, rank: int, own: int) -> bool:
        """Does it pass through a rank between what stands left and right of its own block?"""
        row, y = self.rows[rank], self.y[rank]
        where = self.position[rank][own]
        for i, other in enumerate(row):
            side = 1 if i < where else -1  # on which side of the other it has to pass
            if other == own:
                continue
            if other < self.layers.count:
                edge, half = self.x[other] + side * (self.half(other) + NODE), self.outlines[other].height / 2 + CORNER
                met = [(height, edge) for height in (y - half, y + half) if way.heights[0] < height < way.heights[-1]]
            elif own >= self.layers.count:
                heights = self.lower(rank), y, self.upper(rank)
                beside = self.ways.get(other)
                met = [(h, (beside.at(h) if beside else self.x[other]) + side * ARROW) for h in heights]
            else:
                continue
            if any((way.at(height) - limit) * side < 0 for height, limit in met):
                return False
        return True


def _loop(start: Point, end: Point, outline: Outline) -> Chain:
    """Between two nodes of one rank, or from a node back to itself."""
    (x0, y), (x1, _) = start, end
    if start != end:
        third = (x1 - x0) / 3
        return [start, (x0 + third, y), (x1 - third, y), end]
    wide, high = outline.width, outline.height
    return [start, (x0 + wide * 1.5, y + high), (x0 + wide * 1.5, y - high), end]
