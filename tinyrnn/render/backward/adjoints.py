"""Which recorded operations of the backward pass each mark and each arrow of its picture stands for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Set
from typing import Any

from ... import backend
from ...tape import Graph, Node
from ..picture import Link, Mark, Picture
from .copies import trail

Owner = Mark | Link


class Adjoints:
    """The recorded backward pass, by what shows it.

    Parameters
    ----------
    graph : Graph
        With its backward pass.
    picture : Picture
        With copies.

    Attributes
    ----------
    owner : dict of Node to Mark or Link
        What shows each backward operation: the mark that is met by the operation, the copy that is met by the sum; or the
        arrow, if it only moves numbers.  A sum of shares belongs to the first mark of the weight.
    shown : dict of Mark or Link to list of Node
        The same, the other way.
    """

    def __init__(self, graph: Graph, picture: Picture) -> None:
        self.operations: dict[Node, Owner] = {}  # what is met by an operation: that of its pullbacks
        self.results: dict[Node, Owner] = {}  # what is met by a value: that of the sum of its gradients
        self.uses: dict[Mark, list[Node]] = defaultdict(list)  # of a parameter: what reads it there
        self._place(picture)
        self._place_end(graph.outputs[0])
        self.owner: dict[Node, Owner] = {}
        self.shown: dict[Owner, list[Node]] = defaultdict(list)
        self.sums: dict[Node, Node] = {}  # of each value, the sum of its gradients, if one was recorded
        for node in graph.nodes:
            if node.of is None or node.of.backward:
                continue
            by = self.operations if node.into is not None else self.results
            if node.into is None and node.op:
                self.sums[node.of] = node
            if node.of in by:
                owner = self.owner[node] = by[node.of]
                self.shown[owner].append(node)

    def _place(self, picture: Picture) -> None:
        drawn = {mark.node for mark in picture.marks if mark.copy_of is None}
        read: dict[Mark, set[Node]] = defaultdict(set)  # where what a mark stands for begins
        for mark in picture.marks:
            if mark.copy_of is None:
                self.operations.setdefault(mark.node, mark)
                self.results[mark.node] = mark  # a box stands after its operation
        for mark in picture.marks:
            if mark.copy_of is not None:
                if mark.node not in drawn:
                    self.operations[mark.node] = mark
                if mark.role == "copy":
                    self.results[mark.node] = mark
        for link in picture.links:
            source = link.tail.copy_of or link.tail
            for argument, result in link.uses:
                way = () if link.over or link.detached else trail(source.node, argument, drawn)[1:]
                if source.role == "parameter":
                    self.uses[source].append((*way, result)[0])
                read[link.head].add(argument)
                for node in way:
                    self.operations.setdefault(node, link)
                    self.results.setdefault(node, link)
        for mark in picture.marks:
            self._place_inside(mark, read[mark])

    def _place_inside(self, mark: Mark, ends: Set[Node]) -> None:
        """What else a mark stands for: the operations behind the drawn one, up to what they read."""
        todo = [mark.node]
        while todo:
            for node in todo.pop().inputs:
                inside = isinstance(node, Node) and node.op and node.differentiable and node not in ends
                if inside and node not in self.operations:
                    self.operations[node] = self.results[node] = mark  # type: ignore[index]
                    todo.append(node)  # type: ignore[arg-type]

    def _place_end(self, output: Node) -> None:
        """What only passes on the loss, as a sum with one term does, is not drawn: the loss stands for it."""
        passed = []
        while output not in self.operations:
            passed.append(output)
            output = next(i for i in output.inputs if isinstance(i, Node) and i.differentiable)
        for node in passed:
            self.operations[node] = self.results[node] = self.results[output]

    def terms(self, value: Node) -> int:
        """How many shares of its gradient were added up."""
        return len(self.sums[value].inputs) if value in self.sums else 1

    def size(self, mark: Mark) -> float | None:
        """The norm of the gradient that arrives at a mark; of a parameter, of the share that arrives there."""
        gradient = self.share(mark) if mark.back and mark.back.role == "share" else mark.node.gradient
        return None if gradient is None else backend.norm(gradient)

    def share(self, mark: Mark) -> Any:
        """The part of a parameter's gradient that arrives at one of its marks; None if its terms cannot be told apart."""
        return self._sum_of(mark.node, lambda term: term.of in self.uses[mark])

    def hidden_share(self, marks: list[Mark]) -> Any:
        """What arrives at a parameter at none of its marks: at steps that are not drawn."""
        drawn = {reader for mark in marks for reader in self.uses[mark]}
        return self._sum_of(marks[0].node, lambda term: term.of not in drawn)

    def _sum_of(self, parameter: Node, wanted: Callable[[Node], bool]) -> Any:
        """The sum of some of the shares that were added up for a parameter."""
        total = self.sums.get(parameter)
        terms = [i.value for i in total.inputs if isinstance(i, Node) and wanted(i)] if total else []
        return sum(terms[1:], terms[0]) if terms else None
