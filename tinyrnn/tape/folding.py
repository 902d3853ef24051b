"""Fold over time: an unrolled graph of T steps becomes a few loops, each with one body, whatever T is.

The places make the record periodic: operation k of step t is operation k of step t+1.  So all that folding must find
out is what each operation reads: the same value at every step (a weight), the value of another operation d steps
ago (d = 0 within the step, 1 the state, −1 the adjoint that comes back from step t+1), or one of a table.
What does not fit stays as it was recorded, outside the loops.  Nothing is guessed: `unroll` gives the graph back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from .collector import collector_paused
from .keys import Moment
from .knots import dissolved, loosen
from .nodes import Constant, Node
from .patterns import OUTSIDE, Ago, Patterns, Read, Same, Since, Team, is_sum
from .report import describe
from .schedule import schedule
from .snapshot import Graph
from .wires import At, Delayed, Every, Fixed, Loop, Operation, Past, Straight, Table, Wire

ROUNDS = 40  # of loosening knots; what has not come loose by then stays unrolled


@dataclass(frozen=True, eq=False, repr=False)
class Fold:
    """A graph folded over time.

    Attributes
    ----------
    sections : tuple of Loop and Straight
        In an order in which they can run: what comes before the loops, the loops and what is between them, what comes after.
    outputs : tuple of Wire
        One for each output of the graph.
    targets : tuple of Operation and None
        For each output, the operation whose gradient it is, if it is one.
    homes : dict of Node to (Operation, int or None)
        What became of each node of the graph: equal operations are the same thing at different steps.
    strays : dict of Node to str
        The nodes within a step that stayed outside the loops because they differ from their like, each with the reason.
    """

    sections: tuple[Loop | Straight, ...]
    outputs: tuple[Wire, ...]
    targets: tuple[Operation | None, ...]
    homes: Mapping[Node, tuple[Operation, int | None]]
    strays: Mapping[Node, str]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All operations, in an order in which they can run."""
        return tuple(o for section in self.sections for o in section.body)

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The sections that are loops."""
        return tuple(section for section in self.sections if isinstance(section, Loop))

    def describe(self) -> str:
        """The sections, what the loops carry from step to step, and what stayed unrolled, and why.

        Examples
        --------
        >>> import tinyrnn as tr
        >>> from tinyrnn import nn
        >>> y, h = nn.RNN(2, 3)(tr.ones(100, 1, 2))
        >>> print(tr.tape(tr.sum(y)).fold())
        606 nodes fold into 12 operations
          once: 4 operations, W_x, W_h, b, h
          t = 0 … 99: 6 operations, in RNN.layer0; from step to step: h
          once: 2 operations, stack, sum
        """
        return describe(self)

    __str__ = __repr__ = describe


def fold(graph: Graph) -> Fold:
    """Fold a graph over time, in time linear in its size (see `Graph.fold`)."""
    with collector_paused():
        folding = _Folding(graph)
        rounds = 0
        while True:
            folding.settle()
            operations = folding.assemble()
            sections, knotted = schedule(list(operations.values()))
            if not knotted:
                return folding.result(sections, operations)
            folding.change(loosen(knotted, folding.lone) if rounds < ROUNDS else dissolved(knotted))
            rounds += 1


class _Folding:
    """The teams of a graph, as they lose the members that do not fit."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.homes: list[tuple[int, int]] = [(OUTSIDE, 0)] * len(graph.nodes)
        self.strays: dict[Node, str] = {}
        self.teams: dict[int, Team] = {}
        for node in graph.nodes:
            if node.moment is not None:
                run, step = node.moment
                team = self.teams.get(node.key)
                if team is None:
                    team = self.teams[node.key] = Team(node.key, run, {})
                if step not in team.nodes:
                    team.nodes[step] = node
                    self.homes[node.index] = node.key, step
        self.patterns = Patterns(self.teams, self.homes)
        self.dirty = set(self.teams)
        self.latest_key = max(self.teams, default=0)
        self.lone: dict[Node, Moment] = {}  # those that have no fellow at another step of their run
        self._set_apart(list(self.teams))

    def settle(self) -> None:
        """Let members go until all that are left follow their patterns."""
        while self.dirty:
            strays: dict[Node, str] = {}
            for key in sorted(self.dirty & self.teams.keys()):
                strays.update(self.patterns.find(self.teams[key]))
            self.dirty = set()
            for node, reason in strays.items():
                self._remove(node)
                if reason:
                    self.strays[node] = reason

    def _remove(self, node: Node) -> None:
        key, step = self.homes[node.index]
        if key == OUTSIDE:
            return
        self.homes[node.index] = OUTSIDE, 0
        del self.teams[key].nodes[step]
        self.dirty |= self.patterns.readers.get(key, set()) | {key}
        self._dissolve_single(key)

    def _dissolve_single(self, key: int) -> None:
        team = self.teams[key]
        if len(team.nodes) < 2:
            for node in team.nodes.values():
                self.homes[node.index] = OUTSIDE, 0
            del self.teams[key]

    def _set_apart(self, keys: Sequence[int]) -> None:
        """Dissolve the teams of one."""
        for key in keys:
            team = self.teams[key]
            if len(team.nodes) == 1:
                self.lone.update({node: Moment(team.run, step) for step, node in team.nodes.items()})
                self._dissolve_single(key)

    def change(self, runs: Mapping[Operation, Mapping[int, Any] | None]) -> None:
        """Move operations to other runs, step by step, into one, or out of all (None)."""
        moved = [node for operation in runs if operation.loop is not None for node in operation.nodes.values()]
        absorbed = {self.lone[operation.node] for operation in runs if operation.loop is None}
        for node, moment in list(self.lone.items()):
            if moment in absorbed and (node.of is None or node.of.moment is not None):
                self._join({moment.step: node}, {moment.step: moment.run})
                moved.append(node)
                del self.lone[node]
        for operation, run_of in runs.items():
            if operation.loop is None:
                continue
            nodes = {step: node for step, node in operation.nodes.items() if step is not None}
            del self.teams[self.homes[operation.node.index][0]]
            for node in nodes.values():
                self.homes[node.index] = OUTSIDE, 0
            if run_of is None:
                self.strays.update(dict.fromkeys(nodes.values(), "what it takes part in does not fold"))
            else:
                self._set_apart(self._join(nodes, run_of))
        self.dirty = self._concerned(set(moved))

    def _concerned(self, moved: AbstractSet[Node]) -> set[int]:
        """The teams of these nodes, and of those that read them."""
        nodes = self.graph.nodes
        readers = (node for node in nodes if any(isinstance(a, Node) and a in moved for a in node.inputs))
        return {self.homes[node.index][0] for node in (*moved, *readers)} - {OUTSIDE}

    def _join(self, nodes: Mapping[int, Node], run_of: Mapping[int, Any]) -> list[int]:
        """Make new teams of the nodes of an operation, one for each run that they join."""
        fresh: dict[Any, int] = {}
        for step, node in nodes.items():
            run = run_of[step]
            if run not in fresh:
                self.latest_key += 1
                fresh[run] = self.latest_key
                self.teams[self.latest_key] = Team(self.latest_key, run, {})
            self.teams[fresh[run]].nodes[step] = node
            self.homes[node.index] = fresh[run], step
        return list(fresh.values())

    # -- from teams to operations --------------------------------------------------------------------------------

    operations: dict[int | Node, Operation]

    def assemble(self) -> dict[int | Node, Operation]:
        """An operation for each team, by its key, and for each node outside; with all their wires."""
        middles = self._middles()
        made: list[tuple[int, int | Node, Operation]] = []
        for key, team in self.teams.items():
            model = team.nearest(middles[team.run])  # of all at one step, so that they stand in the order of that step
            made.append((model.index, key, _operation(model, team.attrs, team.shape, team.run, team.nodes)))
        for node in self.graph.nodes:
            if self.homes[node.index][0] == OUTSIDE:
                made.append((node.index, node, _operation(node, node.attrs, node.shape, None, {None: node})))
        self.operations = {key: operation for _, key, operation in sorted(made, key=lambda m: m[0])}
        for team_or_node, operation in self.operations.items():
            node = operation.node
            operation.of = self._home(node.of)
            operation.adjoint = self._home(node.adjoint)
            if isinstance(team_or_node, Node):
                operation.wires = _runs([self._outside(a) for a in node.inputs], any_order=operation.summed)
            elif operation.summed:
                operation.wires = self._sum_wires(self.teams[team_or_node])
            else:
                operation.wires = self._wires(self.teams[team_or_node])
        return self.operations

    def _middles(self) -> dict[Any, int]:
        """The step in the middle of each run, where no end of the sequence is near."""
        steps: dict[Any, set[int]] = {}
        for team in self.teams.values():
            steps.setdefault(team.run, set()).update(team.nodes)
        return {run: sorted(of_run)[len(of_run) // 2] for run, of_run in steps.items()}

    def _home(self, node: Node | None) -> Operation | None:
        if node is None:
            return None
        key, _ = self.homes[node.index]
        return self.operations[node if key == OUTSIDE else key]

    def _outside(self, a: Node | Constant) -> Constant | Fixed | At:
        """What is read from outside of its loop."""
        if isinstance(a, Constant):
            return a
        key, step = self.homes[a.index]
        return Fixed(self.operations[a]) if key == OUTSIDE else At(self.operations[key], step)

    def _wires(self, team: Team) -> tuple[Wire, ...]:
        arity = len(team.reads)
        growing = next((j for j, read in enumerate(team.reads) if isinstance(read, Since)), arity)
        return tuple([self._wire(team, read, j if j < growing else j - arity) for j, read in enumerate(team.reads)])

    def _wire(self, team: Team, read: Read, j: int) -> Wire:
        if isinstance(read, Same):
            return self._outside(read.what)
        if isinstance(read, Since):
            return Past(self.operations[read.key], read.begin, read.delay, read.stride)
        if isinstance(read, Ago):
            source = self.teams[read.key].nodes
            operation = self.operations[read.key]
            for t, node in team.nodes.items():
                if t - read.delay not in source:
                    operation.initial[t - read.delay] = self._outside(node.inputs[j])
            return Delayed(operation, read.delay)
        return Table({t: self._outside(node.inputs[j]) for t, node in sorted(team.nodes.items())})

    def _sum_wires(self, team: Team) -> tuple[Wire, ...]:
        """What comes from outside, and the shares from the loops."""
        usual = {read for read in team.reads if isinstance(read, Ago)}
        outer: dict[int, tuple[Wire, ...]] = {}
        for t, node in team.nodes.items():
            terms = []
            for a in node.inputs:
                key, step = (OUTSIDE, 0) if isinstance(a, Constant) else self.homes[a.index]
                if key == OUTSIDE or Ago(key, t - step) not in usual:
                    terms.append(self._outside(a))
            if terms:
                outer[t] = _runs(terms, any_order=True)
        wires: list[Wire] = []
        for k in range(max(map(len, outer.values()), default=0)):
            column = {t: terms[k] for t, terms in sorted(outer.items()) if len(terms) > k}
            first = next(iter(column.values()))
            if len(column) == len(team.nodes) and isinstance(first, Fixed) and all(wire == first for wire in column.values()):
                wires.append(first)
            else:
                wires.append(Table(column))  # type: ignore[arg-type]
        return (*wires, *[Delayed(self.operations[read.key], read.delay) for read in team.reads if isinstance(read, Ago)])

    def result(self, sections: tuple[Loop | Straight, ...], operations: Mapping[int | Node, Operation]) -> Fold:
        homes = {}
        for node, (key, step) in zip(self.graph.nodes, self.homes):
            homes[node] = (operations[node], None) if key == OUTSIDE else (operations[key], step)
        strays = {node: reason for node, reason in self.strays.items() if self.homes[node.index][0] == OUTSIDE}
        targets = tuple(self._home(node) for node in self.graph.targets)
        return Fold(sections, tuple(self._outside(node) for node in self.graph.outputs), targets, homes, strays)


def _operation(node: Node, attrs: Any, shape: Any, loop: Any, nodes: Mapping[Any, Node]) -> Operation:
    return Operation(
        op=node.op,
        attrs=attrs,
        shape=shape,
        dtype=node.dtype,
        name=node.name if all(other.name == node.name for other in nodes.values()) else None,
        scope=node.scope,
        loop=loop,
        nodes=nodes,
        summed=is_sum(node),
        into=node.into,
    )


def _runs(wires: Sequence[Wire], any_order: bool) -> tuple[Wire, ...]:
    """Gather consecutive steps of one operation into one `Every`.  A sum does not mind the order, a stack does."""
    if any_order:
        order: dict[Any, int] = {}
        for w in wires:
            order.setdefault(w.source if isinstance(w, At) else w, len(order))
        wires = sorted(wires, key=lambda w: (order[w.source], -w.step) if isinstance(w, At) else (order[w], 0))
    runs: list[Wire] = []
    k = 0
    while k < len(wires):
        w = wires[k]
        end = k + 1
        if isinstance(w, At):
            stride = 0
            while end < len(wires) and isinstance(following := wires[end], At) and following.source is w.source:
                ahead = following.step - wires[end - 1].step  # type: ignore[union-attr]
                if abs(ahead) != 1 or stride not in (0, ahead):
                    break
                stride, end = ahead, end + 1
            if stride:
                w = Every(w.source, range(w.step, w.step + stride * (end - k), stride))
        runs.append(w)
        k = end
    return tuple(runs)
