"""A layered layout of a small graph whose arrows lead upwards, without Graphviz.

    ranks ──► layers ──► sifting ──► places ──► routes
    (height)  (cut at     (order in   (x)        (curves)
               ranks)      ranks)

After Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical system structures", IEEE Trans. SMC 11
(1981), with the exact methods of Gansner et al. (1993) for the heights and the places.  It is deterministic.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ..curve import Chain, Point
from . import layers, places, ranks, sifting
from .layers import Joint
from .outline import Outline
from .routes import Router
from .sifting import Sifting

__all__ = ["Joint", "Layout", "Outline", "Task", "lay_out"]

RANKS, MOST_APART, SLOPE = 21.0, 45.0, 0.25  # the least and the largest distance between two ranks, and what arrows should rise
MARGIN = 10.0
TRIES = 3  # orders whose places are compared
CROSSING = 80.0  # how far arrows go to the side to avoid one


class Task(NamedTuple):
    """What is to be laid out; nodes are numbers.

    Attributes
    ----------
    outlines : tuple of Outline
        Of each node.
    edges : tuple of (int, int, int)
        Tail, head, and weight: how dear it is that the edge is long or not upright.
    left, right : tuple of int
        Nodes at which arrows come in from the left, and go out to the right: in their ranks they stand at that side.
    order : tuple of (int, int)
        Nodes that share a rank and stand in this order.
    joints : tuple of (float or None, float or None)
        How far right of the middle each edge is fastened to the upper edge of its tail, and to the lower one of its head;
        None: it points to the middle; empty: all do.
    """

    outlines: tuple[Outline, ...]
    edges: tuple[tuple[int, int, int], ...]
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    order: tuple[tuple[int, int], ...] = ()
    joints: tuple[Joint, ...] = ()


class Layout(NamedTuple):
    """The answer: the centre of each node and the curve of each edge, (0, 0) being the lower left corner."""

    width: float
    height: float
    centres: tuple[Point, ...]
    curves: tuple[Chain, ...]


@lru_cache(maxsize=128)
def lay_out(task: Task) -> Layout:
    """Lay a graph out.  Tasks that are alike, such as the layers of a stack, cost nothing a second time."""
    count = len(task.outlines)
    if not count:
        return Layout(0.0, 0.0, (), ())
    edges = [edge for edge in task.edges if edge[0] != edge[1]]
    cut = layers.cut(ranks.assign(count, edges, task.order), task.edges, task.joints)
    order, x = _arranged(cut, task)
    rows = cut.rows(order)
    heights = [max((task.outlines[node].height for node in row if node < count), default=0.0) for row in rows]
    y, top = [], 0.0
    for high, gap in zip(heights, _distances(cut, x)):
        y.append(top + high / 2)
        top += high + gap
    left = min(*(x[node] - task.outlines[node].width / 2 for node in range(count)), *x)
    right = max(*(x[node] + task.outlines[node].width / 2 for node in range(count)), *x)
    x = [place - left + MARGIN for place in x]
    y = [height + MARGIN for height in y]
    router = Router(cut, rows, x, y, heights, task.outlines, task.joints)
    curves = tuple(router.route(number, tail, head) for number, (tail, head, _) in enumerate(task.edges))
    return Layout(
        right - left + 2 * MARGIN, y[-1] + heights[-1] / 2 + MARGIN, tuple(router.centre(node) for node in range(count)), curves
    )


def _arranged(cut: layers.Layers, task: Task) -> tuple[list[int], list[float]]:
    """The order of the blocks, and their places: what has few crossings and short arrows."""
    found = Sifting(cut, task.left, task.right, task.order).best()
    widths = [outline.width for outline in task.outlines]
    tries = []
    for cost, order in found[:TRIES]:
        x = places.assign(cut, order, widths)
        tries.append((CROSSING * cost / sifting.CROSSING + places.strain(cut, x), order, x))
    _, order, x = min(tries, key=lambda t: t[0])
    return order, x


def _distances(cut: layers.Layers, x: list[float]) -> list[float]:
    """The room above each rank: more where arrows go far to the side."""
    room = [RANKS] * (max(cut.high) + 1)
    for lower, upper, _, shift in cut.joints:
        rank = cut.high[lower]
        room[rank] = max(room[rank], min(SLOPE * abs(x[upper] - x[lower] - shift), MOST_APART))
    return room
