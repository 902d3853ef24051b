"""The graph cut into ranks: its nodes, and for each arrow that passes a rank a straight piece that stands there, too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

Joint = tuple[float | None, float | None]  # where an arrow is fastened to its tail and to its head: see `Task`
MOST = 200_000  # places that arrows take in the ranks they pass; beyond, the longest ones go straight


@dataclass
class Layers:
    """Blocks: the nodes, then for each long edge its part between the ranks of its ends, which will be a vertical line.

    Attributes
    ----------
    count : int
        How many of the blocks are nodes.
    low, high : list of int
        The first and the last rank of each block.
    below, above : list of list of int
        The blocks to which each one is joined at its lower and at its upper end.
    joints : list of (int, int, int, float)
        All (lower block, upper block, weight, how far right of the lower block the upper one stands best).
    part : dict
        The block of a long edge, by the number of the edge.
    doors : dict
        For the lower (−1) and the upper (+1) end of a block: where what is joined to it there is fastened, if not to the middle.
    """

    count: int
    low: list[int]
    high: list[int]
    below: list[list[int]]
    above: list[list[int]]
    joints: list[tuple[int, int, int, float]]
    part: dict[int, int]
    doors: dict[tuple[int, int], list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))

    def shared(self, a: int, b: int) -> bool:
        """Do two blocks meet in a rank?"""
        return self.low[a] <= self.high[b] and self.low[b] <= self.high[a]

    def rows(self, order: Sequence[int]) -> list[list[int]]:
        """What stands in each rank, from left to right, when all blocks stand in an order."""
        rows: list[list[int]] = [[] for _ in range(max(self.high) + 1)]
        for block in order:
            for rank in range(self.low[block], self.high[block] + 1):
                rows[rank].append(block)
        return rows


def cut(
    ranks: Sequence[int], edges: Sequence[tuple[int, int, int]], fastened: Sequence[tuple[float | None, float | None]] = ()
) -> Layers:
    """Cut edges, given as (tail, head, weight), at the ranks that they pass; `fastened` are the `joints` of a task."""
    count = len(ranks)
    layers = Layers(count, list(ranks), list(ranks), [[] for _ in ranks], [[] for _ in ranks], [], {})
    room = MOST
    spans = sorted((abs(ranks[head] - ranks[tail]), number) for number, (tail, head, _) in enumerate(edges))
    for span, number in spans:
        room -= span
        if span > 1 and room >= 0:
            layers.part[number] = -1
    for number, (tail, head, weight) in enumerate(edges):
        at = fastened[number] if fastened else (None, None)
        (lower, out), (upper, into) = sorted([(tail, at[0]), (head, at[1])], key=lambda end: ranks[end[0]])
        if number not in layers.part:
            if ranks[upper] - ranks[lower] == 1:
                _join(layers, (lower, out), (upper, into), weight)
            continue
        layers.part[number] = block = len(layers.low)
        layers.low.append(ranks[lower] + 1)
        layers.high.append(ranks[upper] - 1)
        layers.below.append([])
        layers.above.append([])
        _join(layers, (lower, out), (block, None), weight)
        _join(layers, (block, None), (upper, into), weight)
    return layers


def _join(layers: Layers, start: tuple[int, float | None], end: tuple[int, float | None], weight: int) -> None:
    (lower, out), (upper, into) = start, end
    layers.above[lower].append(upper)
    layers.below[upper].append(lower)
    layers.joints.append((lower, upper, weight, (out or 0.0) - (into or 0.0)))
    if out is not None:
        layers.doors[lower, +1].append((out, upper))
    if into is not None:
        layers.doors[upper, -1].append((into, lower))
