"""The order of things: the forward pass as it was recorded, the backward pass as autograd walks it, and what it adds up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy

from ... import backend
from ...tape import Graph, Node
from .numbers import Json, heat_map, number


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
                self.arrivals[into.index].append((through.index, _norm(share)))
        for node in self.piles:
            if node in drawn:
                self.events.append(node.index)

    def weights(self) -> list[Json]:
        """The weights that get a gradient, each with its shares in the order of their arrival."""
        return [pile.json() for pile in self.piles.values() if pile.shares]


class _Pile:
    """The shares that have arrived at a weight so far, and their sum."""

    def __init__(self, node: Node) -> None:
        self.node, self.sum = node, None
        self.shares: list[Json] = []

    def add(self, through: Node, share: Any, cells: int) -> None:
        self.sum = share if self.sum is None else self.sum + share
        entry: Json = {"through": through.index, "step": through.step}
        entry |= {"norm": _norm(share), "sum_norm": _norm(self.sum)}
        if cells:
            entry |= {"share": heat_map(share, cells), "sum": heat_map(self.sum, cells)}
        self.shares.append(entry)

    def json(self) -> Json:
        return {"node": self.node.index, "shares": self.shares, "norm": _norm(self.sum)}


def _norm(array: Any) -> float | str:
    return number(numpy.linalg.norm(backend.to_host(array)))


def forward(shown: Iterable[Node]) -> list[int]:
    """The drawn operations, in the order in which they ran."""
    return [node.index for node in shown if node.op]
