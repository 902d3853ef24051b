"""Which recorded operations are drawn, and what is behind those that are not.

calls       a call of a composed function is one mark (see `calls`)
movers      an operation that only moves numbers (slice, reshape, split, broadcast, cast) is an arrow, not a mark
constants   go into the label of their operation, 1− , ×2 ; adding 0 is nothing
conditions  bools decide, they do not compute: they are not drawn; `where` that keeps a special case out is nothing
means       Σ and ÷n is one "mean"
stretched   an array without a name or a gradient, stretched to fit, is a constant
indices     of the arrays in an index the last one is drawn: those before it count the rows
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from ...tape import Constant, Node
from .. import notation
from .calls import find_calls

MOVERS = {
    *("getitem", "put", "reshape", "broadcast_to", "sum_to", "transpose", "cast", "move", "detach"),
    *("split", "unstack", "part"),
}
_NEUTRAL = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0}
Argument = Node | Constant


class Looks:
    """The answers for one graph."""

    def __init__(self, nodes: list[Node]) -> None:
        self.readers: dict[Node, list[Node]] = defaultdict(list)
        for node in nodes:
            for i in node.inputs:
                if isinstance(i, Node):
                    self.readers[i].append(node)
        self.means = {node: inner for node in nodes if (inner := self._summed(node)) is not None}
        self.inner = set(self.means.values())
        self.calls = find_calls(nodes, self.readers)
        self._origins: dict[Node, tuple[Node, int | None, bool]] = {}

    def shows(self, node: Node) -> bool:
        """Is it a mark?"""
        if node.op is None:
            return False
        if node in self.calls:
            return True
        if self.moves(node):
            return bool(node.name or node.carried) and node.shape is not None
        if node.op == "stack":  # stack(h₁, h₂, …)[t] is hₜ: then nobody needs the stack
            readers = self.readers[node]
            return not readers or not all(_picks_one(reader) or reader.op == "unstack" for reader in readers)
        return not (self._is_neutral(node) or _is_guard(node) or node in self.inner or _kind(node) == "b")

    def moves(self, node: Node) -> bool:
        """Does it only move numbers?  A lookup by an array of indices (an embedding) does more."""
        return node.op in MOVERS and node not in self.calls and not (node.op == "getitem" and len(node.inputs) > 1)

    def symbol(self, node: Node) -> str:
        """What is written into its mark."""
        if node in self.calls:
            return self.calls[node].name
        if node.op == "getitem" and isinstance(node.inputs[0], Node) and node.inputs[0].trainable:
            return "lookup"
        return "mean" if node in self.means else notation.operation(node)

    def is_function(self, node: Node) -> bool:
        """Does its name go into its own label, as in σ_i?"""
        return node in self.calls or (node.op not in notation.ARITHMETIC and node.op != "getitem")

    def arguments(self, node: Node) -> list[tuple[Argument, Node]]:
        """What is drawn of its arguments, each with the recorded operation that reads it."""
        if node not in self.calls:
            return self._arguments(node)
        inside = self.calls[node].operations
        constants = {i for operation in inside for i in operation.inputs if _is_stretched(i, operation)}
        found = [pair for operation in inside for pair in self._arguments(operation)]
        return [(i, via) for i, via in found if isinstance(i, Node) and i not in inside and i not in constants]

    def _arguments(self, node: Node) -> list[tuple[Argument, Node]]:
        if node in self.means:
            return self._arguments(self.means[node])
        if node.op == "where":
            return [(i, node) for i in node.inputs[1:]]
        if node.op == "getitem" and len(node.inputs) > 2:
            return [(node.inputs[0], node), (node.inputs[-1], node)]
        return [(i, node) for i in node.inputs if not (isinstance(i, Node) and _kind(i) == "b") and not _is_stretched(i, node)]

    def origin(self, node: Node) -> tuple[Node, int | None, bool]:
        """Look through all that is not drawn: what really is the argument, which element of it, and is it detached?"""
        trail, pick, detached = [], None, False
        while node not in self._origins and node.op is not None and not self.shows(node):
            trail.append(node)
            detached = detached or node.op == "detach"
            behind = self._behind(node)
            index = _index(node, behind)
            if index is not None:
                pick = index
                if behind.op == "stack" and not behind.attrs.get("axis"):
                    behind, pick = behind.inputs[index], None  # type: ignore[assignment]
            node = behind
        if node in self._origins:
            source, earlier, stopped = self._origins[node]
            answer = source, earlier if earlier is not None else pick, stopped or detached
        else:
            answer = node, pick, detached
        if trail:
            self._origins[trail[0]] = answer
        return answer

    def _behind(self, node: Node) -> Node:
        """The argument that an operation that is not drawn hands on."""
        if node.op == "part":
            (bundle,) = node.inputs
            return bundle.inputs[0]  # type: ignore[union-attr, return-value]
        if node.op == "where":
            return next(i for i in node.inputs[1:] if isinstance(i, Node))
        return next(i for i in node.inputs if isinstance(i, Node))

    def _summed(self, node: Node) -> Node | None:
        """If this division makes a sum a mean: that sum."""
        if node.op != "div" or not isinstance(node.inputs[0], Node) or not isinstance(node.inputs[1], Constant):
            return None
        inner = node.inputs[0]
        if inner.op != "sum" or inner.name or len(self.readers[inner]) > 1 or not isinstance(inner.inputs[0], Node):
            return None
        count = math.prod(inner.inputs[0].shape or ()) // max(1, math.prod(inner.shape or ()))
        return inner if float(node.inputs[1].value) == count else None

    def _is_neutral(self, node: Node) -> bool:
        """Adding 0, multiplying by 1: nothing, unless it has a name."""
        if node.name or node.carried or node.op not in _NEUTRAL or len(node.inputs) != 2:
            return False
        left, right = node.inputs
        neutral = _NEUTRAL[node.op]
        if isinstance(right, Constant):
            return isinstance(left, Node) and float(right.value) == neutral
        return isinstance(left, Constant) and float(left.value) == neutral and node.op in ("add", "mul")


def _is_guard(node: Node) -> bool:
    """where(x = special, constant, x): a special case kept out."""
    return node.op == "where" and isinstance(node.inputs[1], Constant) and isinstance(node.inputs[2], Node) and not node.name


def _is_stretched(i: Argument, node: Node) -> bool:
    """An array that is no parameter, no input with a name, and smaller than the result."""
    if not isinstance(i, Node) or i.op is not None or i.name or i.trainable or i.carried or i.shape == () or i.shape is None:
        return False
    return node.op in ("add", "sub", "mul", "div") and math.prod(i.shape) < math.prod(node.shape or ())


def _index(node: Node, behind: Node) -> int | None:
    """Which element of `behind` it picks, if it picks one."""
    if node.op == "part":
        bundle = node.inputs[0]
        return node.attrs["index"] if bundle.op == "unstack" else None  # type: ignore[union-attr]
    if not _picks_one(node):
        return None
    index = node.attrs["index"]
    return index if index >= 0 else index + (behind.shape or (0,))[0]


def _picks_one(node: Node) -> bool:
    return node.op == "getitem" and isinstance(node.attrs["index"], int)


def _kind(node: Node) -> Any:
    return getattr(node.dtype, "kind", None)
