"""What an operation does and reads at most of its steps, and the steps at which it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .nodes import Constant, Node
from .rules import evaluate, rule, same

OUTSIDE = -1  # the key of nodes that belong to no team
FAR = 2  # steps between two loops that need more than one example


class Same(NamedTuple):
    """One value from outside, or one number, at every step."""

    what: Node | Constant


class Ago(NamedTuple):
    """What the operation `key` gave `delay` steps ago."""

    key: int
    delay: int


class Since(NamedTuple):
    """All that the operation `key` gave from step `begin` to `delay` steps ago."""

    key: int
    begin: int
    delay: int
    stride: int


class Various(NamedTuple):
    """Another value from outside at each step."""


Read = Same | Ago | Since | Various


@dataclass
class Team:
    """The nodes that are one operation at different steps, and the pattern that they follow."""

    key: int
    run: Any
    nodes: dict[int, Node]
    attrs: Any = None
    shape: Any = None
    reads: tuple[Read, ...] = ()

    @property
    def model(self) -> Node:
        """The node that shows the pattern: one from the middle, where no end of the sequence is near."""
        steps = sorted(self.nodes)
        return self.nodes[steps[len(steps) // 2]]

    def nearest(self, step: int) -> Node:
        """The node at this step, or at the one nearest to it."""
        return self.nodes[min(self.nodes, key=lambda own: (abs(own - step), own))]

    @property
    def summed(self) -> bool:
        return is_sum(self.model)


def is_sum(node: Node) -> bool:
    """Does it add up the shares of a gradient?"""
    return node.op == "total" and node.into is None and node.sweep > 0


class Patterns:
    """Finds, for one team after another, its pattern and its strays: the nodes that do not follow it.

    Parameters
    ----------
    teams : mapping of int to Team
    homes : sequence
        For each index of a node (key, step), or (OUTSIDE, 0) where it belongs to no team.
    """

    def __init__(self, teams: Mapping[int, Team], homes: Sequence[tuple[int, int]]) -> None:
        self.teams, self.homes = teams, homes
        self.readers: dict[int, set[int]] = {}  # who read the team of that key
        self._stand_ins: dict[tuple[int, int], Node | Constant] = {}

    def find(self, team: Team) -> dict[Node, str]:
        """Set the pattern of a team; return its strays, each with the reason.

        An array that turns out to be no input, but to stand for a state, is one of them, without a reason.
        """
        steps = sorted(team.nodes)
        strays = self._find_rules(team, steps)
        regular = [t for t in steps if team.nodes[t] not in strays] if strays else steps
        nodes = [team.nodes[t] for t in regular]
        if not nodes:
            return strays
        if is_sum(nodes[0]):
            team.reads = self._terms(team, regular, nodes, strays)
        else:
            team.reads = self._arguments(team, regular, nodes, strays)
        return strays

    def _find_rules(self, team: Team, steps: list[int]) -> dict[Node, str]:
        """The rules of attributes and shape; who breaks them."""
        strays: dict[Node, str] = {}
        nodes = team.nodes
        middle = len(steps) // 2
        best: dict[Node, str] | None = None
        for first, second in ((middle, middle - 1), (1, 0)):
            t, u = steps[first], steps[second]
            a, b = nodes[t], nodes[u]
            attrs, shape = rule(a.attrs, b.attrs, t, u), rule(a.shape, b.shape, t, u)
            plain = same(a.attrs, attrs) and a.shape == shape
            strays = {}
            for step in steps:
                node = nodes[step]
                if node.op != a.op:
                    strays[node] = f"it is {node.op or 'a leaf'}, the others {a.op or 'a leaf'}"
                elif node.dtype != a.dtype or node.shape != (shape if plain else evaluate(shape, step)):
                    strays[node] = f"its result is {node.shape} {node.dtype}"
                elif node.attrs and not same(node.attrs, attrs if plain else evaluate(attrs, step)):
                    strays[node] = "its attributes are " + ", ".join(f"{k}={v!r}" for k, v in node.attrs.items())
            if best is None or len(strays) < len(best):
                best, team.attrs, team.shape = strays, attrs, shape
            if len(strays) * 2 <= len(steps):
                break
        return best or {}

    # -- arguments -----------------------------------------------------------------------------------------------

    def _arguments(self, team: Team, steps: list[int], nodes: list[Node], strays: dict[Node, str]) -> tuple[Read, ...]:
        arities = Counter([len(node.inputs) for node in nodes])
        if len(arities) > 1:
            growing = self._growing(team, steps, nodes, strays)
            if growing is not None:
                return growing
            arity = max(arities, key=lambda n: arities[n])
            for node in nodes:
                if len(node.inputs) != arity:
                    strays[node] = f"it has {len(node.inputs)} arguments"
            steps, nodes = zip(*[(t, n) for t, n in zip(steps, nodes) if len(n.inputs) == arity])  # type: ignore[assignment]
        return tuple([self._column(team, steps, nodes, column, strays) for column in zip(*[node.inputs for node in nodes])])

    def _column(
        self, team: Team, steps: Sequence[int], nodes: Sequence[Node], column: Sequence[Node | Constant], strays: dict[Node, str]
    ) -> Read:
        """What an argument is at most steps."""
        homes = self.homes
        try:
            found = [(home[0], t - home[1]) for t, home in zip(steps, [homes[a.index] for a in column])]  # type: ignore[union-attr]
        except AttributeError:  # there are constants among them
            return self._mixed_column(team, steps, nodes, column, strays)
        usual = found[len(found) // 2]
        if usual[0] != OUTSIDE and found.count(usual) == len(found) and (len(found) > 1 or abs(usual[1]) <= FAR):
            self._note(team, usual[0])
            return Ago(*usual)
        return self._choose(team, steps, nodes, column, found, strays)

    def _mixed_column(
        self, team: Team, steps: Sequence[int], nodes: Sequence[Node], column: Sequence[Node | Constant], strays: dict[Node, str]
    ) -> Read:
        usual = column[0]
        if isinstance(usual, Constant) and all(_alike(a, usual) for a in column):
            return Same(usual)
        found = [self._found(a, t) for a, t in zip(column, steps)]
        return self._choose(team, steps, nodes, column, found, strays)

    def _found(self, a: Node | Constant, t: int) -> tuple[int, int]:
        if isinstance(a, Constant):
            return OUTSIDE, t
        key, step = self.homes[a.index]
        return key, t - step

    def _choose(
        self,
        team: Team,
        steps: Sequence[int],
        nodes: Sequence[Node],
        column: Sequence[Node | Constant],
        found: Sequence[tuple[int, int]],
        strays: dict[Node, str],
    ) -> Read:
        """The reading that leaves the fewest nodes astray."""
        for key in {key for key, _ in found if key != OUTSIDE}:
            self._note(team, key)
        if self._run_of(column[0]) != team.run and all(a is column[0] for a in column):
            return Same(column[0])
        candidates: list[tuple[int, int, Ago, list[int]]] = []
        votes = Counter([f for f in found if f[0] != OUTSIDE])
        for (key, delay), times in votes.most_common(3):
            rank = 0 if self.teams[key].run == team.run else 2
            if rank and times == 1 and abs(delay) > FAR:
                continue
            misfits = self._misfits(team, steps, column, found, Ago(key, delay))
            if not misfits or times * 2 >= len(column):
                candidates.append((len(misfits), rank, Ago(key, delay), misfits))
        if candidates:
            _, _, usual, misfits = min(candidates, key=lambda c: c[:2])
            wrong = set(misfits)
            for k, (t, a) in enumerate(zip(steps, column)):
                if found[k] != usual and k not in wrong:
                    self._stand_ins.setdefault((usual.key, t - usual.delay), a)
                if found[k] != usual and self._is_stream(a, team.run):
                    strays[a] = ""  # type: ignore[index]  # an array that takes the place of a state is no input
            read: Read = usual
        else:
            read, misfits = Various(), [k for k, a in enumerate(column) if self._run_of(a) == team.run]
        for k in misfits:
            strays[nodes[k]] = f"it reads {_called(column[k])}, the others {self._called(read)}"
        return read

    def _misfits(
        self, team: Team, steps: Sequence[int], column: Sequence[Node | Constant], found: Sequence[tuple], usual: Ago
    ) -> list[int]:
        """Who reads neither the usual, nor, where that does not run, what stands for it: h₋₁ is h₀."""
        key, delay = usual
        runs = self.teams[key].nodes
        misfits = []
        for k, f in enumerate(found):
            if f != usual:
                u, a = steps[k] - delay, column[k]
                own = self._run_of(a) == team.run and not self._is_stream(a, team.run)
                if u in runs or own or not _alike(self._stand_ins.get((key, u), a), a):
                    misfits.append(k)
        return misfits

    def _growing(self, team: Team, steps: list[int], nodes: list[Node], strays: dict[Node, str]) -> tuple[Read, ...] | None:
        """The arguments of an operation that reads ever more of the past: some, then the growing ones, then some again."""
        fullest = max(nodes, key=lambda node: len(node.inputs))
        last = max(steps, key=lambda t: len(team.nodes[t].inputs))
        found = [self._found(a, 0) for a in fullest.inputs]
        start, end = _longest_run(found)
        if end - start < 2:
            return None
        key, begin, stride = found[start][0], -found[start][1], found[start][1] - found[start + 1][1]
        delay = last + found[end - 1][1]
        after = len(fullest.inputs) - end
        since = Since(key, begin, delay, stride)
        fitting = []
        for t, node in zip(steps, nodes):
            grown = range(begin, t - delay + stride, stride)
            middle = node.inputs[start : len(node.inputs) - after]
            if len(middle) == len(grown) and all(self._found(a, 0) == (key, -u) for a, u in zip(middle, grown)):
                fitting.append((t, node))
        if len(fitting) * 2 < len(nodes):
            return None
        kept = {node for _, node in fitting}
        strays.update({node: f"it has {len(node.inputs)} arguments" for node in nodes if node not in kept})
        self._note(team, key)
        ts, ns = zip(*fitting)
        fixed = zip(*[(*node.inputs[:start], *node.inputs[len(node.inputs) - after :]) for node in ns])
        reads = [self._column(team, ts, ns, column, strays) for column in fixed]
        return (*reads[:start], since, *reads[start:])

    # -- sums of shares ------------------------------------------------------------------------------------------

    def _terms(self, team: Team, steps: list[int], nodes: list[Node], strays: dict[Node, str]) -> tuple[Read, ...]:
        """The shares that a sum has from the loops, as far as they exist: none comes back from step T.

        What else it adds up, at this step or that, comes from outside.
        """
        found = [Counter([self._found(a, t) for a in node.inputs]) for t, node in zip(steps, nodes)]
        times = Counter([term for terms in found for term in terms if term[0] != OUTSIDE])
        usual: dict[tuple[int, int], int] = {}
        for (key, delay), n in times.items():
            self._note(team, key)
            own = self.teams[key].run == team.run
            if (own or n > 1) and 2 * n >= self._chances(key, delay, steps, n):
                usual[key, delay] = Counter([terms[key, delay] for terms in found if (key, delay) in terms]).most_common(1)[0][0]
        for t, node, terms in zip(steps, nodes, found):
            for (key, delay), n in usual.items():
                exists = t - delay in self.teams[key].nodes
                if terms.pop((key, delay), 0) != (n if exists else 0):
                    strays[node] = f"the share from {self._called(Ago(key, delay))} is missing, or there are more"
            if any(key != OUTSIDE and self.teams[key].run == team.run for key, _ in terms):
                strays[node] = "it adds up shares from other steps"
        return tuple([Ago(*term) for term in _in_order(usual, nodes, steps, self._found) for _ in range(usual[term])])

    def _chances(self, key: int, delay: int, steps: list[int], n: int) -> int:
        """At how many of these steps does the operation run that many steps ago?"""
        source = self.teams[key].nodes
        first, last = min(source), max(source)
        if len(source) == last - first + 1 and len(steps) == steps[-1] - steps[0] + 1:
            return min(last + delay, steps[-1]) - max(first + delay, steps[0]) + 1
        if 2 * n < min(len(source), len(steps)):
            return len(steps)  # too few anyhow
        return sum(t - delay in source for t in steps)

    # -- who is who ----------------------------------------------------------------------------------------------

    def _note(self, team: Team, key: int) -> None:
        self.readers.setdefault(key, set()).add(team.key)

    def _run_of(self, a: Node | Constant) -> Any:
        """The run of the team that a node is in."""
        if isinstance(a, Constant):
            return None
        key, _ = self.homes[a.index]
        return None if key == OUTSIDE else self.teams[key].run

    def _is_stream(self, a: Node | Constant, run: Any) -> bool:
        """Is it one of the arrays that a run gets from outside, one at each step?"""
        return isinstance(a, Node) and a.op is None and self._run_of(a) == run

    def _called(self, read: Read) -> str:
        """A reading in words."""
        if isinstance(read, Same):
            return _called(read.what)
        if isinstance(read, Ago):
            what = _called(self.teams[read.key].model)
            if read.delay == 0:
                return f"{what} of the same step"
            steps = "one step" if abs(read.delay) == 1 else f"{abs(read.delay)} steps"
            return f"{what} of {steps} {'before' if read.delay > 0 else 'after'}"
        return "something from outside the loop"


def _called(a: Node | Constant) -> str:
    return repr(a.value) if isinstance(a, Constant) else repr(a.name or a.op or "an array")


def _alike(a: Node | Constant, b: Node | Constant) -> bool:
    return a is b or (isinstance(a, Constant) and isinstance(b, Constant) and same(a.value, b.value))


def _in_order(terms: Mapping[tuple, int], nodes: Sequence[Node], steps: Sequence[int], found: Any) -> list[tuple]:
    """Terms in the order in which they arrive."""
    fullest = max(range(len(nodes)), key=lambda k: len(nodes[k].inputs))
    arrival = [found(a, steps[fullest]) for a in nodes[fullest].inputs]
    return [term for term in dict.fromkeys((*arrival, *terms)) if term in terms]


def _longest_run(found: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Where the longest run of one operation at consecutive steps begins and ends."""
    best = 0, 0
    begin = 0
    for k in range(1, len(found) + 1):
        follows = (
            k < len(found)
            and found[k][0] != OUTSIDE
            and found[k][0] == found[k - 1][0]
            and abs(found[k][1] - found[k - 1][1]) == 1
            and (k - begin < 2 or found[k][1] - found[k - 1][1] == found[begin + 1][1] - found[begin][1])
        )
        if not follows:
            if k - begin > best[1] - best[0]:
                best = begin, k
            begin = k
    return best
