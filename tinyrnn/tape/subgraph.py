"""Part of a graph: what feeds some of its nodes, some of its steps, one of its modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, NamedTuple

from ..autodiff import identify
from ..graph import Value
from .nodes import Node
from .snapshot import Graph


@dataclass(frozen=True, eq=False, repr=False)
class Subgraph(Graph):
    """A graph whose other parts were left out; what it read of them is a leaf, `cut` off from its history.

    Attributes
    ----------
    whole : Graph
        The graph that it is a part of.
    """

    whole: Graph = field(default_factory=lambda: Graph((), (), ()), repr=False)
    _kept: Selection = field(default_factory=lambda: Selection(), repr=False)
    _counterparts: Mapping[Node, Node] = field(default_factory=dict, repr=False)  # of the nodes of the whole

    def with_gradients(self) -> Graph:
        """This part, with the gradients that flow back from the first output of the whole."""
        return self._of(self.whole.with_gradients())

    def with_values(self) -> Graph:
        """This part, with the arrays that were computed."""
        return self._of(self.whole.with_values())

    def with_backward(self) -> Graph:
        """This part, with the part of the backward pass that differentiates it."""
        return self if self._kept.backward else _cut(self.whole.with_backward(), self._kept._replace(backward=True))

    def shares(self) -> Iterator[tuple[Node, Node, Any]]:
        """Those shares of the whole that arrive through operations of this part: see `Graph.shares`."""
        for into, through, share in self.whole.shares():
            here = self._counterparts.get(through)
            if here is not None and here.op is not None:
                yield self._counterparts[into], here, share

    def _of(self, whole: Graph) -> Graph:
        """The same part of the same graph, of which more is known."""
        return self if whole is self.whole else _cut(whole, self._kept)


class Selection(NamedTuple):
    """What is kept, in terms that hold for every tape of the same history.

    `ends` are the numbers of the nodes whose history is asked for; `backward` says that operations which differentiate
    what is kept are kept, too.
    """

    ends: tuple[int, ...] | None = None
    steps: range | None = None
    module: str | None = None
    backward: bool = False

    def keeps(self, node: Node) -> bool:
        """Is it an operation at these steps, in this module?"""
        inside = self.module is None or _belongs(node, self.module)
        return node.op is not None and inside and (self.steps is None or node.step in self.steps)


def subgraph(graph: Graph, of: Any = None, steps: Any = None, module: str | None = None) -> Graph:
    """Part of a graph: see `Graph.subgraph`."""
    if of is None and steps is None and module is None:
        raise TypeError("subgraph: say what to keep: of=, steps= or module=")
    selection = Selection(None, _steps(graph, steps), _module(graph, module))
    if of is not None:
        selection = selection._replace(ends=_ends(graph, of, selection))
    return _cut(graph, selection)


# -- what was asked for ------------------------------------------------------------------------------------------


def _steps(graph: Graph, given: Any) -> range | None:
    """The steps as a range; they must be there."""
    if given is None:
        return None
    if isinstance(given, range) and len(given) and abs(given.step) == 1:
        steps = range(min(given), max(given) + 1)
    elif isinstance(given, int) and not isinstance(given, bool):
        steps = range(given, given + 1)
    elif isinstance(given, (tuple, list)) and len(given) == 2 and all(isinstance(t, int) for t in given) and given[0] <= given[1]:
        steps = range(given[0], given[1] + 1)
    else:
        raise TypeError(f"subgraph: steps is {given!r}, expected a step, a pair (first, last) or a range, counted from 0")
    there = sorted({node.step for node in graph.nodes if node.op and node.step is not None})
    if not there:
        raise ValueError("subgraph: the graph has no time steps: they are recorded inside `with tr.step(t)`, as the layers do")
    missing = [t for t in (steps[0], steps[-1]) if t not in there]
    if missing:
        raise ValueError(f"subgraph: there is no step {missing[0]}: steps count from 0, here from {there[0]} to {there[-1]}")
    return steps


def _module(graph: Graph, given: Any) -> str | None:
    """The module's dotted name; something must have run in it."""
    if given is None:
        return None
    if not isinstance(given, str):
        raise TypeError(f"subgraph: module is a {type(given).__name__}, expected its name, such as 'LSTM.layer0'")
    if not any(node.op and _belongs(node, given) for node in graph.nodes):
        known = dict.fromkeys(".".join(node.scope[:i]) for node in graph.nodes if node.op for i in range(1, len(node.scope) + 1))
        raise ValueError(f"subgraph: no operation ran in a module {given!r}: {_there('module', given, known)}")
    return given


def _belongs(node: Node, module: str) -> bool:
    """Did it run in this module, or in one inside it?"""
    return f"{'.'.join(node.scope)}.".startswith(f"{module}.")


def _ends(graph: Graph, of: Any, kept: Selection) -> tuple[int, ...]:
    """The numbers of the nodes whose history is asked for."""
    if not isinstance(of, str):
        named = [_node_of(graph, of)]
    elif not (named := [node for node in graph.nodes if node.name == of and not node.backward]):
        known = dict.fromkeys(node.name for node in graph.nodes if node.name)
        raise ValueError(f"subgraph: nothing is called {of!r}: {_there('name', of, known)}")
    named = [node for node in named if node.op] or named  # c is what the steps compute, not the c before them
    if kept.steps is None and kept.module is None:
        return tuple(node.index for node in named)
    found = [node.index for node in named if kept.keeps(node)]
    if not found:
        places = dict.fromkeys(f"{'.'.join(node.scope) or 'no module'}, {_when(node)}" for node in named if node.op)
        computed = f"not computed there, but in {'; '.join(list(places)[:6])}"
        where = computed if places else "a leaf, which no step and no module computes"
        raise ValueError(f"subgraph: {named[0].name or repr(named[0])!r} is {where}")
    return tuple(found)


def _when(node: Node) -> str:
    return "outside all steps" if node.step is None else f"step {node.step}"


def _there(what: str, given: str, known: Iterable[str]) -> str:
    """What there is instead, the likeliest first."""
    known = list(known)
    if not known:
        return f"the graph has no {what}s"
    likely = get_close_matches(given, known, 3, 0.4)
    more = [name for name in known if name not in likely][: 8 - len(likely)]
    return (
        f"there {'is' if len(known) == 1 else 'are'} " + ", ".join(map(repr, likely + more)) + (", …" if len(known) > 8 else "")
    )


def _node_of(graph: Graph, thing: Any) -> Node:
    """The node that shows a Tensor."""
    if isinstance(thing, Node):
        if thing.index < len(graph.nodes) and graph.nodes[thing.index] is thing:
            return thing
        raise ValueError(f"subgraph: {thing!r} is a node of another graph")
    if not isinstance(thing, Value):
        raise TypeError(f"subgraph: of is a {type(thing).__name__}, expected a Tensor, a node or the name of one")
    node = graph._node_of.get(thing)
    if node is None:
        raise ValueError(f"subgraph: {identify(thing)} is not in the graph: nothing there was computed from it")
    return node


# -- the cut -----------------------------------------------------------------------------------------------------


def _cut(whole: Graph, kept: Selection) -> Subgraph:
    """The part of a graph; what it reads of the rest becomes a leaf."""
    inside = _history(whole, kept) if kept.ends is not None else {node for node in whole.nodes if kept.keeps(node)}
    if kept.ends is None and not inside:
        raise ValueError(f"subgraph: nothing in {kept.module!r} ran at the steps asked for, {kept.steps}")
    ends = _ends_of(whole, kept, inside)
    parts = _copies(whole, inside, ends)
    flow = whole.flow and {(parts[a], parts[b]): norm for (a, b), norm in whole.flow.items() if b in inside}
    targets = {node: parts.get(target) for node, target in zip(whole.outputs, whole.targets) if target is not None}
    return Subgraph(
        tuple(parts.values()),
        tuple(parts[node] for node in ends),
        tuple(targets.get(node) for node in ends),
        flow,
        _node_of={value: parts[node] for value, node in whole._node_of.items() if node in parts},
        whole=whole,
        _kept=kept,
        _counterparts=parts,
    )


def _history(whole: Graph, kept: Selection) -> set[Node]:
    """The operations that the ends were computed by, as far as they are kept."""
    inside: set[Node] = set()
    todo = [whole.nodes[i] for i in kept.ends or ()]
    while todo:
        node = todo.pop()
        if node not in inside and kept.keeps(node):
            inside.add(node)
            todo += _arguments(node)
    if kept.backward:
        inside.update([node for node in whole.nodes if node.of in inside and kept.keeps(node)])
    return inside


def _ends_of(whole: Graph, kept: Selection, inside: set[Node]) -> list[Node]:
    """What was asked for, or else, and of a backward pass, the results that the rest reads."""
    asked = [whole.nodes[i] for i in kept.ends or ()]
    read = {i for node in whole.nodes if node not in inside for i in _arguments(node)}.union(whole.outputs)
    exits = [node for node in whole.nodes if node in inside and node in read and (not asked or node.backward)]
    return asked + [node for node in exits if node not in asked]


def _copies(whole: Graph, inside: set[Node], ends: list[Node]) -> dict[Node, Node]:
    """For each node of the whole that occurs in the part, the node there."""
    wanted = inside.union(ends, *(_arguments(node) for node in inside))
    for node in reversed(whole.nodes):
        if node in wanted and node.of is not None:
            wanted.add(node.of)  # what a backward operation differentiates
    parts: dict[Node, Node] = {}
    for node in whole.nodes:
        if node in wanted:
            parts[node] = _copy(node, len(parts), parts, node in inside)
    return parts


def _arguments(node: Node) -> list[Node]:
    return [i for i in node.inputs if isinstance(i, Node)]


def _copy(node: Node, index: int, parts: dict[Node, Node], inside: bool) -> Node:
    """The node in its part; what was computed outside is a leaf, called like what it is an element of."""
    copy = replace(node, index=index, of=parts.get(node.of), adjoint=parts.get(node.adjoint))  # type: ignore[arg-type]
    if inside:
        return replace(copy, inputs=tuple(parts[i] if isinstance(i, Node) else i for i in node.inputs))
    return copy if node.op is None else replace(copy, op=None, inputs=(), attrs={}, name=_name(node), cut=True)


def _name(node: Node) -> str | None:
    """Its own name, or for one element of a sequence that of the sequence."""
    while node.name is None and node.op in ("part", "unstack", "getitem") and isinstance(node.inputs[0], Node):
        node = node.inputs[0]
    return node.name
