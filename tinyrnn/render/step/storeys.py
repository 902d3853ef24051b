"""In which storey of a step a mark stands: modules with a state of their own stand one above the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..picture import Mark, Scope, Slot
from .cell import Edge

Ends = tuple[int, int]  # the first and the last storey of something


@dataclass
class Storeys:
    """For each storey, the lowest first, its module, or None between two modules; and the storey of each slot."""

    modules: list[Scope | None]
    of: dict[Slot, int]


def assign(marks: list[Mark], edges: Iterable[Edge], beginnings: list[Mark]) -> Storeys | None:
    """Put each module with a state into a storey, and everything else below, between or above them.

    `beginnings` are states from before the first step: where there is one step only, there may be no others.
    None if there are less than two of them, or if one cannot stand above the other because they read each other.
    """
    edges = list(edges)
    cells = _cells([*marks, *beginnings])
    if len(cells) < 2:
        return None
    storey: dict[Slot, int] = {}  # odd numbers are modules, even ones what stands between them
    for mark in marks:
        for number, scope in enumerate(cells):
            if mark.scope[: len(scope)] == scope:
                storey[mark.slot] = 2 * number + 1
    leaves = {mark.slot for mark in marks if mark.node.op is None}
    loose = {mark.slot for mark in marks if mark.slot not in storey} - leaves
    storey |= dict.fromkeys(loose, 0)
    _raise(storey, loose, [(tail, head) for tail, head in edges if tail not in leaves])
    _put_leaves(storey, leaves, edges)
    if any(storey[tail] > storey[head] for tail, head in edges):
        return None
    used = sorted(set(storey.values()))
    return Storeys([cells[i // 2] if i % 2 else None for i in used], {slot: used.index(i) for slot, i in storey.items()})


def wings(storeys: Storeys, scope: Mapping[Slot, Scope], framed: Iterable[Scope]) -> dict[Scope, Ends | None]:
    """The framed modules that extend over several storeys, each with the first and the last one.

    None if something that does not belong to it stands between: then no frame can be drawn around it.
    """
    found: dict[Scope, Ends | None] = {}
    for module in framed:
        own = {storeys.of[slot] for slot, inner in scope.items() if inner[: len(module)] == module}
        if len(own) > 1:
            ends = min(own), max(own)
            others = [s for s, inner in scope.items() if inner[: len(module)] != module and ends[0] <= storeys.of[s] <= ends[1]]
            found[module] = None if any(scope[slot] or slot[1] != "input" for slot in others) else ends
    return found


def _cells(marks: list[Mark]) -> list[Scope]:
    """The modules that make states, but not those inside them."""
    scopes = list(dict.fromkeys(mark.scope for mark in marks if mark.role == "state" and mark.scope))
    return [scope for scope in scopes if not any(scope != outer and scope[: len(outer)] == outer for outer in scopes)]


def _raise(storey: dict[Slot, int], loose: set[Slot], edges: list[Edge]) -> None:
    """What reads a module stands above it."""
    risen = True
    while risen:
        risen = False
        for tail, head in edges:
            above = storey[tail] + storey[tail] % 2
            if head in loose and storey[head] < above:
                storey[head], risen = above, True


def _put_leaves(storey: dict[Slot, int], leaves: set[Slot], edges: list[Edge]) -> None:
    """An input that one storey reads belongs to it; one that several read stands below them."""
    readers = defaultdict(set)
    for tail, head in edges:
        readers[tail].add(storey.get(head, 0))
    for slot in leaves:
        lowest = min(readers[slot], default=0)
        storey[slot] = lowest if len(readers[slot]) < 2 else lowest - lowest % 2
