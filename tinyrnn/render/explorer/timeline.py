"""The order of things: the forward pass as it was recorded, the backward pass as autograd walks it, and what it adds up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from ...tape import Graph, Node
from .. import notation
from .numbers import Json, heat_map, norm


class Backward:
    """One walk of the backward pass: which operation is passed when, and what share each use of a weight gives.

    Parameters
    ----------
    graph : Graph
    shown : list of Node
        What is drawn; nothing else is an event.
    cells : int
        Of the heat maps of all shares and sums together.

    Attributes
    ----------
    events : list
        The indices of the drawn operations, in the order in which the walk passes them; and at the end the weights.
    arrivals : dict
        For each node, what arrives at it: (the reader through which it comes, its norm).
    """

    def __init__(self, graph: Graph, shown: list[Node], cells: int) -> None:
        self.events: list[int] = []
        self.arrivals: dict[int, list[tuple[int, float | str]]] = defaultdict(list)
        self.unseen: set[Node] = set()
        self.piles = {node: _Pile(node) for node in graph.nodes if node.trainable}
        drawn = set(shown)
        readers = {node for node in drawn if node.op}
        heats = sum(1 for node in graph.nodes for i in node.inputs if i in self.piles and node in readers)
        each = min(256, cells // max(1, 2 * heats))
        last = None
        for into, through, share in graph.shares():
            if through is not last:
                last = through
                if through in readers:
                    self.events.append(through.index)
            if into in self.piles:
                self.piles[into].add(through, share, each if through in readers else 0)
            elif into in drawn:
                self.arrivals[into.index].append((through.index, norm(share)))
                if through not in readers:
                    self.unseen.add(through)
        for node in self.piles:
            if node in drawn:
                self.events.append(node.index)

    def others(self) -> dict[int, Json]:
        """What is not drawn, but hands on a share to something that is."""
        return {node.index: {"sign": notation.operation(node), "step": node.step} for node in self.unseen}

    def weights(self) -> list[Json]:
        """The weights that get a gradient, each with its shares in the order of their arrival."""
        return [pile.json() for pile in self.piles.values() if pile.through]


class _Pile:
    """The shares that have arrived at a weight so far, and their sum."""

    def __init__(self, node: Node) -> None:
        self.node, self.sum = node, None
        self.through: list[Node] = []
        self.norms: list[float | str] = []
        self.sum_norms: list[float | str] = []
        self.maps: dict[int, tuple[Json | None, Json | None]] = {}  # of the shares that come through what is drawn

    def add(self, through: Node, share: Any, cells: int) -> None:
        self.sum = share if self.sum is None else self.sum + share
        if cells:
            self.maps[len(self.through)] = heat_map(share, cells), heat_map(self.sum, cells)
        self.through.append(through)
        self.norms.append(norm(share))
        self.sum_norms.append(norm(self.sum))

    def json(self) -> Json:
        modules = dict.fromkeys(".".join(node.scope) for node in self.through)
        return {
            "node": self.node.index,
            "module": ", ".join(map(notation.printable, filter(None, modules))),
            "through": [node.index for node in self.through],
            "steps": [node.step for node in self.through],
            "norms": self.norms,
            "sum_norms": self.sum_norms,
            "norm": None if self.node.gradient is None else norm(self.node.gradient),
            "maps": self.maps,
        }


def forward(shown: Iterable[Node]) -> list[int]:
    """The drawn operations, in the order in which they ran."""
    return [node.index for node in shown if node.op]
