"""Functions composed of primitives, such as softmax: each call is drawn as one mark.

The operations of a call ran in a scope that is called like the function (see `graph.composed`).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import NamedTuple

from ...graph import FunctionName
from ...tape import Node


class Call(NamedTuple):
    """A call: the function's name, and its operations, of which the last one is the result."""

    name: str
    operations: tuple[Node, ...]


def modules(scope: tuple[str, ...]) -> tuple[str, ...]:
    """The modules among the names of a scope, without the functions that they call."""
    return tuple(takewhile(lambda name: not isinstance(name, FunctionName), scope))


def find_calls(nodes: list[Node], readers: Mapping[Node, list[Node]]) -> dict[Node, Call]:
    """The calls, by their results; a call that has several is drawn operation by operation.

    Calls of one function at one place are told apart by not being connected.
    """
    found: dict[Node, list[Node]] = {}
    for node in nodes:
        if _place(node) is None:
            continue
        before = [found[i] for i in node.inputs if isinstance(i, Node) and _place(i) == _place(node) and i in found]
        members = [*dict.fromkeys(member for part in before for member in part), node]
        found |= dict.fromkeys(members, members)
    calls = {}
    for members in {id(members): members for members in found.values()}.values():
        inside = set(members)
        results = [node for node in members if not readers[node] or any(reader not in inside for reader in readers[node])]
        if len(results) == 1 and len(members) > 1:
            calls[results[0]] = Call(_name(members[0]), tuple(members))
    return calls


def _place(node: Node) -> tuple | None:
    """The outermost function that an operation ran in, and when; None if there is none."""
    depth = len(modules(node.scope)) + 1
    return None if node.op is None or depth > len(node.scope) else (node.scope[:depth], node.loop, node.step)


def _name(node: Node) -> str:
    return node.scope[len(modules(node.scope))].removesuffix("()").replace("_", " ")
