"""In which order everything stands in its rank, so that few arrows cross.

All blocks stand in one order from left to right, which orders each rank, so that the middle parts of long arrows never
cross.  One block after the other is taken out and put where it crosses least: Bachmaier, Brandenburg, Brunner & Hübner,
"Global k-level crossing reduction", J. Graph Algorithms Appl. 15 (2011).  That starts from several orders; the best one wins.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations, permutations
from random import Random

from .layers import Layers

TURN, CROSSING, SIDE, GIVEN = 1, 100, 10**6, 10**9  # what it costs to set arguments in another order than that in which they
# are given, to let two arrows cross, to break the order of sides, and a given one
ROUNDS = 12
SHUFFLED = 4
MOST_BLOCKS, MOST_PAIRS = 400, 100_000  # more blocks: one start; more that meet: each goes to the middle of its neighbours

Pair = tuple[int, list[tuple[list[int], list[int]]], int, int]  # a block that one meets, and what decides how they stand


class Sifting:
    """How blocks stand to each other.

    Parameters
    ----------
    layers : Layers
    left, right : collection of int
        Nodes at which arrows come in from the left and go out to the right; they cross what stands in their way.
    given : sequence of (int, int)
        Nodes of one rank that stand in this order.
    """

    def __init__(
        self, layers: Layers, left: Collection[int], right: Collection[int], given: Sequence[tuple[int, int]] = ()
    ) -> None:
        self.layers, self.left, self.right = layers, set(left), set(right)
        self.given = {(a, b) for a, b in given if layers.low[a] == layers.low[b]}
        self.turned = {(b, a) for ends in (layers.below, layers.above) for joined in ends for a, b in combinations(joined, 2)}
        self.crossed = {(b, a) for doors in layers.doors.values() for (p, a), (q, b) in permutations(doors, 2) if p < q}
        self.side = [self._side(block) for block in range(len(layers.low))]

    def _side(self, block: int) -> int:
        return -1 if block in self.left else 1 if block in self.right else 0

    # -- starts --------------------------------------------------------------------------------------------------

    def starts(self) -> list[list[int]]:
        """Orders in which walks in depth meet the blocks: down from what nobody reads, up from what reads nothing."""
        found = []
        for ends, nexts in ((self.layers.above, self.layers.below), (self.layers.below, self.layers.above)):
            walk = _walk([block for block, joined in enumerate(ends) if not joined], nexts)
            found += [self.kept(walk), self.kept(walk[::-1])]
        random = Random(0)
        for _ in range(SHUFFLED):
            found.append(self.kept(random.sample(found[0], len(found[0]))))
        return found

    def kept(self, order: list[int]) -> list[int]:
        """The order with what belongs at the left and at the right there, and given pairs put right."""
        order = sorted(order, key=lambda block: self.side[block])
        if not self.given:
            return order
        before: dict[int, list[int]] = {}
        for a, b in sorted(self.given):
            before.setdefault(b, []).append(a)
        done: dict[int, None] = {}
        for block in order:
            stack = [block]
            while stack:
                open_ = [a for a in before.get(stack[-1], ()) if a not in done and a not in stack]
                if open_:
                    stack.append(open_[0])
                else:
                    done[stack.pop()] = None
        return list(done)

    # -- crossings -----------------------------------------------------------------------------------------------

    def pairs(self) -> list[list[Pair]]:
        """For each block those that it meets in a rank."""
        layers, pairs = self.layers, [[] for _ in self.side]  # type: ignore[var-annotated]
        rows = layers.rows(range(len(self.side)))
        met = sorted({(a, b) for row in rows for i, a in enumerate(row) for b in row[i + 1 :]})
        for a, b in met:
            meets = self._meets(a, b)
            here, there = self._fixed(a, b), self._fixed(b, a)
            pairs[a].append((b, meets, here, there))
            pairs[b].append((a, [(theirs, ours) for ours, theirs in meets], there, here))
        return pairs

    def _meets(self, a: int, b: int) -> list[tuple[list[int], list[int]]]:
        """Below and above the ranks where they meet: what each of them is joined to there, itself where it goes on."""
        low, high, below, above = self.layers.low, self.layers.high, self.layers.below, self.layers.above
        bottom, top = max(low[a], low[b]), min(high[a], high[b])
        meets = [
            (below[a] if low[a] == bottom else [a], below[b] if low[b] == bottom else [b]),
            (above[a] if high[a] == top else [a], above[b] if high[b] == top else [b]),
        ]
        return [(ours, theirs) for ours, theirs in meets if ours and theirs]

    def _fixed(self, a: int, b: int) -> int:
        """What it costs that a stands left of b, wherever everything else stands."""
        cost = GIVEN * ((b, a) in self.given) + TURN * ((a, b) in self.turned) + CROSSING * ((a, b) in self.crossed)
        if a < self.layers.count and b < self.layers.count:
            return cost + (SIDE if self.side[a] > self.side[b] else 0)
        return cost + CROSSING * ((b in self.left) + (a in self.right))  # one of them is an arrow on its way through

    def cost(self, order: Sequence[int], pairs: list[list[Pair]]) -> int:
        """What an order costs."""
        place, fixed, crossings = _places(order), 0, 0
        for a, met in enumerate(pairs):
            for b, meets, here, _ in met:
                if place[a] < place[b]:
                    fixed += here
                    crossings += _crossings(place, meets)
        return fixed + CROSSING * crossings // 2  # of two arrows that cross, both lower and both upper ends meet

    def sift(self, order: list[int], pairs: list[list[Pair]]) -> list[int]:
        """Take each block out and put it where it crosses least, until that changes nothing."""
        order, place = order.copy(), _places(order)
        for _ in range(ROUNDS):
            moved = False
            for a in range(len(order)):
                best = _best_gap(a, sorted(pairs[a], key=lambda pair: place[pair[0]]), place)
                if best is not None:
                    other, after = best
                    order.remove(a)
                    order.insert(order.index(other) + after, a)
                    place, moved = _places(order), True
            if not moved:
                break
        return order

    def best(self) -> list[tuple[int, list[int]]]:
        """Orders that cannot be made better by moving one block, each with its cost, the best first."""
        rows = self.layers.rows(range(len(self.side)))
        if sum(len(row) ** 2 for row in rows) > 2 * MOST_PAIRS:
            return [(0, self.drift(self.starts()[0]))]
        pairs = self.pairs()
        starts = self.starts() if len(self.side) <= MOST_BLOCKS else self.starts()[:1]
        found = {}
        for start in starts:
            order = self.sift(start, pairs)
            found[str(self.layers.rows(order))] = self.cost(order, pairs), order
        return sorted(found.values())

    def drift(self, order: list[int]) -> list[int]:
        """For large graphs: each block to the middle of its neighbours, above and below in turn (Sugiyama 1981)."""
        for sweep in range(8):
            place = _places(order)
            joined = self.layers.below if sweep % 2 else self.layers.above
            middle = [sum(place[b] for b in joined[a]) / len(joined[a]) if joined[a] else place[a] for a in range(len(order))]
            order = self.kept(sorted(order, key=lambda block: middle[block]))
        return order


def _walk(roots: Sequence[int], nexts: Sequence[Sequence[int]]) -> list[int]:
    """All blocks in the order in which a walk in depth meets them."""
    seen: dict[int, None] = {}
    for root in roots:
        stack = [root]
        while stack:
            block = stack.pop()
            if block not in seen:
                seen[block] = None
                stack += reversed(nexts[block])
    return list(seen)


def _places(order: Sequence[int]) -> list[int]:
    place = [0] * len(order)
    for i, block in enumerate(order):
        place[block] = i
    return place


def _crossings(place: Sequence[int], meets: list[tuple[list[int], list[int]]]) -> int:
    """How many arrows cross of two blocks that meet, if the one whose joints come first stands to the left."""
    return sum(place[x] > place[y] for ours, theirs in meets for x in ours for y in theirs)


def _best_gap(a: int, met: list[Pair], place: list[int]) -> tuple[int, int] | None:
    """Behind (1) or before (0) which block `a` crosses less than where it is, as near as can be; None if nowhere.

    `met` are the blocks that it meets, from left to right.
    """
    here, costs = place[a], [0]
    for b, meets, left, right in met:
        place[a] = place[b]  # it passes b
        for ours, theirs in meets:
            for x in ours:
                for y in theirs:
                    if place[x] > place[y]:
                        left += CROSSING
                    elif place[x] < place[y]:
                        right += CROSSING
        costs.append(costs[-1] + right - left)
    place[a] = here
    now = sum(place[b] < here for b, *_ in met)
    gap = min(range(len(costs)), key=lambda i: (costs[i], abs(i - now)))
    if costs[gap] == costs[now]:
        return None
    return (met[gap - 1][0], 1) if gap else (met[0][0], 0)
