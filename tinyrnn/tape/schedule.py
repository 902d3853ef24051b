"""An order in which a folded graph can run: loops, and what is between them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import TypeVar

from .wires import Loop, Operation, Straight

Item = TypeVar("Item", bound=Hashable)


def sorted_by_need(needs: Mapping[Item, Iterable[Item]]) -> tuple[list[Item], list[Item]]:
    """A topological order that otherwise keeps the given one, and those that are on a cycle, or behind one."""
    items = list(needs)
    rank = {item: r for r, item in enumerate(items)}
    missing = dict.fromkeys(items, 0)
    behind: dict[Item, list[Item]] = {}
    for item, before in needs.items():
        for b in set(before):
            behind.setdefault(b, []).append(item)
            missing[item] += 1
    ready = [rank[item] for item in items if not missing[item]]  # ascending, so already a heap
    order = []
    while ready:
        item = items[heappop(ready)]
        order.append(item)
        for other in behind.get(item, ()):
            missing[other] -= 1
            if not missing[other]:
                heappush(ready, rank[other])
    return order, [item for item in items if missing[item]]


def components(needs: Mapping[Item, Iterable[Item]]) -> list[list[Item]]:
    """The strongly connected components, each after those that it needs (Tarjan 1972), without recursion."""
    number: dict[Item, int] = {}
    lowest: dict[Item, int] = {}
    path: list[Item] = []
    on_path: set[Item] = set()
    found: list[list[Item]] = []
    for root in needs:
        if root in number:
            continue
        work = [(root, iter(needs[root]))]
        number[root] = lowest[root] = len(number)
        path.append(root)
        on_path.add(root)
        while work:
            item, before = work[-1]
            for b in before:
                if b not in needs:
                    continue
                if b not in number:
                    number[b] = lowest[b] = len(number)
                    path.append(b)
                    on_path.add(b)
                    work.append((b, iter(needs[b])))
                    break
                if b in on_path:
                    lowest[item] = min(lowest[item], number[b])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[item])
                if lowest[item] == number[item]:
                    component: list[Item] = []
                    while not component or component[-1] != item:
                        component.append(path.pop())
                        on_path.discard(component[-1])
                    found.append(component[::-1])
    return found


def schedule(operations: Sequence[Operation]) -> tuple[tuple[Loop | Straight, ...], list[Operation]]:
    """Loops and what is between them, each after what it reads; and the operations that have no such order.

    All operations of one run are one loop.
    """
    members: dict[Hashable, list[Operation]] = {}
    for o in operations:
        members.setdefault(o if o.loop is None else o.loop, []).append(o)
    needs = {
        section: {source if source.loop is None else source.loop for o in body for source, _ in o.reads()} - {section}
        for section, body in members.items()
    }
    order, knotted = sorted_by_need(needs)
    if knotted:
        return (), [o for section in knotted for o in members[section]]
    sections: list[Loop | Straight] = []
    straight: list[Operation] = []
    for section in order:
        if isinstance(section, Operation):
            straight.append(section)
            continue
        loop = _loop(members[section])
        if loop is None:
            return (), members[section]
        if straight:
            sections.append(Straight(tuple(straight)))
            straight = []
        sections.append(loop)
    if straight:
        sections.append(Straight(tuple(straight)))
    return tuple(sections), []


def _loop(body: Sequence[Operation]) -> Loop | None:
    """One loop; its direction follows from its delays: a state comes from step t−1, an adjoint from step t+1."""
    inner = [(o, source, delay) for o in body for source, delay in o.reads() if source.loop == o.loop and delay is not None]
    directions = {delay > 0 for _, _, delay in inner if delay}
    needs: dict[Operation, list[Operation]] = {o: [] for o in body}
    for o, source, delay in inner:
        if delay == 0:
            needs[o].append(source)
    order, knotted = sorted_by_need(needs)
    if len(directions) > 1 or knotted:
        return None
    steps = range(min(o.steps[0] for o in body), max(o.steps[-1] for o in body) + 1)
    return Loop(tuple(order), steps[::-1] if directions == {False} else steps)
