"""In which rank, counted from the bottom, each node stands: what is read stands below what reads it, as close as can be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .simplex import Gap, Line

Edge = tuple[int, int, int]  # tail, head, weight


def assign(count: int, edges: Sequence[Edge], level: Iterable[tuple[int, int]] = ()) -> list[int]:
    """The ranks for which Σ weight · (rank of head − rank of tail) is least.

    Where that leaves a choice, a node stands beside those that are read, or that read, together with it.

    Parameters
    ----------
    count : int
        Of nodes.
    edges : sequence of (tail, head, weight)
        They lead upwards; in a cycle, one of them leads down.
    level : iterable of (int, int)
        Nodes that share a rank, unless there is a way from one to the other.
    """
    group = _merged(count, edges, level)
    gaps = [Gap(group[tail], group[head], 1, weight) for tail, head, weight in edges if group[tail] != group[head]]
    back = backward(count, [(gap.a, gap.b) for gap in gaps])
    gaps = [Gap(gap.b, gap.a, 1, gap.weight) if i in back else gap for i, gap in enumerate(gaps)]
    start = _stacked(count, gaps)
    gaps = _graded(count, gaps, start)
    floor = [Gap(0, v + 1, 0) for v in range(count)]  # node 0 lies below all others and holds the parts together
    above = [Gap(a + 1, b + 1, least, weight) for a, b, least, weight in gaps]
    ranks = Line([0, *start], [*above, *floor], []).solve().extreme(-1)[1:]
    return [ranks[group[v]] for v in range(count)]


def _graded(count: int, gaps: Sequence[Gap], start: Sequence[int]) -> list[Gap]:
    """Finer weights, so that a node which may go up or down goes where it has more company; if that is equal, up."""
    readers = [0] * count
    arguments = [0] * count
    for a, b, _, _ in gaps:
        readers[a] += 1
        arguments[b] += 1
    height = 1 + max(start, default=0)
    fine = [height * (readers[a] + arguments[b]) + start[a] for a, b, _, _ in gaps]
    return [gap._replace(weight=gap.weight * (1 + sum(fine)) + extra) for gap, extra in zip(gaps, fine)]


def backward(count: int, edges: Sequence[tuple[int, int]]) -> set[int]:
    """The numbers of edges that close a cycle, found by a walk in depth from each node in turn."""
    leaving: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for number, (tail, head) in enumerate(edges):
        leaving[tail].append((number, head))
    found: set[int] = set()
    state = [0] * count  # 1: on the way, 2: done
    for root in range(count):
        stack = [] if state[root] else [(root, iter(leaving[root]))]
        state[root] = state[root] or 1
        while stack:
            v, rest = stack[-1]
            number, head = next(rest, (-1, -1))
            if number < 0:
                state[v] = 2
                stack.pop()
            elif state[head] == 1:
                found.add(number)
            elif state[head] == 0:
                state[head] = 1
                stack.append((head, iter(leaving[head])))
    return found


def _merged(count: int, edges: Sequence[Edge], level: Iterable[tuple[int, int]]) -> list[int]:
    """For each node the one that stands for its rank mates: they are ranked as one node."""
    group = list(range(count))
    for a, b in level:
        a, b = group[a], group[b]
        above: dict[int, list[int]] = {}
        for tail, head, _ in edges:
            above.setdefault(group[tail], []).append(group[head])
        if not _leads(above, a, b) and not _leads(above, b, a):
            group = [a if leader == b else leader for leader in group]
    return group


def _leads(above: dict[int, list[int]], start: int, goal: int) -> bool:
    """Is there a way up from one node to another?"""
    seen, waiting = {start}, [start]
    while waiting:
        for head in above.get(waiting.pop(), ()):
            if head == goal:
                return True
            if head not in seen:
                seen.add(head)
                waiting.append(head)
    return False


def _stacked(count: int, gaps: Sequence[Gap]) -> list[int]:
    """Each node as low as possible, but what reads nothing directly below its lowest reader."""
    missing = [0] * count
    above: list[list[int]] = [[] for _ in range(count)]
    for a, b, _, _ in gaps:
        above[a].append(b)
        missing[b] += 1
    leaves = [v for v in range(count) if not missing[v]]
    rank, waiting = [0] * count, leaves.copy()
    while waiting:
        v = waiting.pop()
        for head in above[v]:
            rank[head] = max(rank[head], rank[v] + 1)
            missing[head] -= 1
            if not missing[head]:
                waiting.append(head)
    for v in leaves:
        rank[v] = min((rank[head] - 1 for head in above[v]), default=0)
    return rank
