"""From the recorded graph to the picture in a textbook: leave out the noise, name the rest.

A recorded step of an LSTM has 30 operations, its picture in a book 18 marks.  The rules between the two (`looks` holds
those about single operations):

  sequences   xs[t] of an input is the input xₜ; stack(h₁, h₂, …)[t] is hₜ
  leaves      parameters and inputs are repeated at every step: one mark per use in time, never a hub
  sums        a + b + c is one "+", not two
  names       a named function is labelled σ with its name as subscript; a named result of arithmetic, and whatever another
              step reads under a name, gets a box of its own
  losses      a step's first scalar is its loss term ℓₜ; the output is L
  states      what another step reads is a state; one without a name is called s
  beginnings  what stands, at one step, where other steps read a state, is that state's initial value: h₀ (see `beginnings`)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from typing import NamedTuple

from ...tape import Constant, Graph, Node
from .. import notation
from ..picture import AFTER, BEFORE, Axis, Label, Link, Mark, Picture, Use, Where
from .axes import drawn_steps, find_axes, name_axes, stand_in
from .beginnings import set_beginnings
from .calls import modules
from .looks import Looks

_LETTERS = {"input": "xyzuv", "index": "kjlmn", "parameter": "WUVAB"}  # for what has no name


class Term(NamedTuple):
    """An argument, seen through the noise: where it comes from, which element of it is read, and the recorded use.

    If the step that it comes from is not drawn, the source is its like `over` steps earlier or (negative) later.
    """

    source: Node
    pick: int | None
    detached: bool
    use: Use
    over: int = 0


def read(graph: Graph, most: int | None = None) -> Picture:
    """The picture of the forward part of a graph.

    Parameters
    ----------
    graph : Graph
    most : int, optional
        The most steps that are read of a time axis: of a longer one, only its ends.

    Raises
    ------
    ValueError
        If the graph has no forward part: all its outputs are gradients.
    """
    outputs = [node for node in graph.outputs if not node.backward]
    if not outputs:
        raise ValueError("the graph's outputs are gradients: give tape the loss first, as in tr.tape(loss, *gradients)")
    nodes = [node for node in graph.nodes if not node.backward]
    axes = {loop: axis._replace(drawn=drawn_steps(axis, most)) for loop, axis in find_axes(nodes).items()}
    return _Reader(nodes, outputs, axes).picture()


class _Reader:
    def __init__(self, nodes: list[Node], outputs: list[Node], axes: dict[int, Axis]) -> None:
        self.axes = axes
        self.hidden = {loop: set(axis.steps).difference(axis.drawn) for loop, axis in axes.items()}
        self.nodes = [node for node in nodes if not self.is_hidden(node)]
        self.looks = Looks(self.nodes)
        self.outputs = {end for node in outputs if not self.is_hidden(end := self.looks.origin(node)[0])}
        self.terms: dict[Node, list[Term]] = {}
        self.read_at: dict[Node, set[int | None]] = defaultdict(set)  # the steps that read it
        self.drawn: dict[Node, Mark] = {}
        self.leaves: dict[tuple, Mark] = {}
        self.letters: dict[tuple, dict[Node, str]] = defaultdict(dict)
        self.marks: list[Mark] = []
        self.links: list[Link] = []
        self.joined: dict[tuple[Mark, Mark, bool], Link] = {}

    def picture(self) -> Picture:
        shown = self.needed()
        for node in shown:
            for term in self.terms[node]:
                self.read_at[term.source].add(node.step)
        self.states = {node.key for node in shown if self.crosses(node)}
        self.taken = {node.name for node in self.nodes}
        for node in shown:
            self.draw(node)
        for node in self.outputs:
            if node.op is None:
                self.leaf(node, None, (0, AFTER), ())
        self.place_outsiders()
        number_slots(self.marks)
        set_beginnings(self.marks, self.links, self.axes.values())
        for number, mark in enumerate(self.marks):
            mark.number = number
        return Picture(self.marks, self.links, name_axes(self.axes.values(), self.marks))

    # -- which steps are drawn -----------------------------------------------------------------------------------

    def is_hidden(self, node: Node) -> bool:
        """Does it belong to a step that is not drawn?"""
        return node.loop is not None and node.step in self.hidden.get(node.loop, ())

    @cached_property
    def at_step(self) -> dict[tuple, Node]:
        """Each operation at each of the steps that are drawn."""
        return {(node.key, node.step): node for node in self.nodes if node.op is not None and node.step is not None}

    def stand_in(self, term: Term, reader: Node) -> Term | None:
        """What is drawn in place of an argument from a step that is not: its like beyond the gap, if there is one."""
        source = term.source
        if not self.is_hidden(source):
            return term
        axis = self.axes[source.loop]  # type: ignore[index]
        if reader.loop is None or self.axes[reader.loop].number != axis.number:
            return None
        step = stand_in(axis, source.step, reader.step)  # type: ignore[arg-type]
        other = self.at_step.get((source.key, step))
        if other is None or other.index > reader.index:  # in a loop within a loop, one step after the other is no way back
            return None
        return term._replace(source=other, over=source.step - other.step)  # type: ignore[operator]

    def where(self, node: Node) -> Where:
        """The column in which an operation is drawn; what ran outside every step has its place later."""
        return (0, AFTER) if node.loop is None else (self.axes[node.loop].number, node.step)  # type: ignore[return-value]

    # -- which operations are drawn ------------------------------------------------------------------------------

    def needed(self) -> list[Node]:
        """The operations that the outputs depend on, as far as they are drawn, oldest first."""
        todo, found = [node for node in self.outputs if node.op], set()
        while todo:
            node = todo.pop()
            if node in found:
                continue
            found.add(node)
            self.terms[node] = [
                shown
                for i, via in self.looks.arguments(node)
                if not isinstance(i, Constant)
                and (shown := self.stand_in(Term(*self.looks.origin(i), use=(i, via)), node)) is not None
            ]
            todo += [term.source for term in self.terms[node] if term.source.op]
        return self.merge_sums([node for node in self.nodes if node in found])

    def merge_sums(self, shown: list[Node]) -> list[Node]:
        """a + b + c: the inner sum, if nobody else reads it, joins the outer one."""
        readers = Counter(source for node in shown for source in {term.source for term in self.terms[node]})
        for node in shown:
            if node.op == "add" and node not in self.looks.calls:
                flat: list[Term] = []
                for term in self.terms[node]:
                    inner = term.source
                    if readers[inner] == 1 and self.joins(inner, node):
                        flat += self.terms.pop(inner)
                    else:
                        flat.append(term)
                self.terms[node] = flat
        return [node for node in shown if node in self.terms]

    def joins(self, inner: Node, outer: Node) -> bool:
        """May a sum be part of the one that reads it?"""
        apart = inner.op != "add" or inner in self.looks.calls or inner.name or inner in self.outputs or inner.shape == ()
        return not apart and (inner.scope, inner.step) == (outer.scope, outer.step)

    def crosses(self, node: Node) -> bool:
        """Does another step read it?"""
        others = self.read_at[node] - {None, node.step}
        return node.carried or (node.step is not None and bool(others))

    def is_state(self, node: Node) -> bool:
        """Also at the last step, where nobody reads it, a state is one."""
        return node.carried or (node.step is not None and node.key in self.states and node.shape != ())

    # -- marks ---------------------------------------------------------------------------------------------------

    def mark(self, role: str, label: Label, node: Node, where: Where) -> Mark:
        axis, column = where
        time = column + 1 if isinstance(column, int) else None
        mark = Mark(role, label, column, node, modules(node.scope), time, axis=axis)
        self.marks.append(mark)
        return mark

    def draw(self, node: Node) -> None:
        """Its operation, or the box of its result, or both."""
        marks = []
        if not self.looks.moves(node):
            marks.append(self.mark(self.role(node), self.label(node), node, self.where(node)))
        if not marks or self.has_box(node, marks[0].role):
            marks.append(self.box(node))
        for term in self.terms[node]:
            self.link(self.source(term, node), marks[0], term)
        if len(marks) == 2:
            self.links.append(Link(marks[0], marks[1]))
        if self.is_state(node):
            self.bring_home(node, marks)
        self.drawn[node] = marks[-1]

    def box(self, node: Node) -> Mark:
        """The mark of a result."""
        whole = node in self.outputs and node.shape == ()
        role = "state" if self.is_state(node) else "loss" if whole or self.is_term(node) else "value"
        timed = node.step is not None and (not whole or bool(node.name))
        name = node.name or {"state": "s", "loss": "L" if whole else "ℓ", "value": "y"}[role]
        return self.mark(role, notation.name(name, timed), node, self.where(node))

    def has_box(self, node: Node, role: str) -> bool:
        """Does the operation's result get a mark of its own?"""
        if role == "loss":
            return node in self.outputs and not node.name
        counts = node in self.outputs or self.is_state(node) or self.is_term(node)
        return counts or (bool(node.name) and not self.looks.is_function(node))

    def bring_home(self, node: Node, marks: list[Mark]) -> None:
        """What a layer does to the state that its cell has made is drawn with the cell."""
        sources = [term.source for term in self.terms[node] if term.source.step == node.step]
        scopes = [modules(source.scope) for source in sources if source.op]
        inner = [scope for scope in scopes if len(scope) > len(node.scope) and scope[: len(node.scope)] == node.scope]
        for mark in marks:
            mark.scope = max(inner, key=len, default=node.scope)

    def is_term(self, node: Node) -> bool:
        """Is it the first scalar of a step?"""
        terms = self.terms[node]
        return node.shape == () and node.step is not None and bool(terms) and all(term.source.shape != () for term in terms)

    def role(self, node: Node) -> str:
        if node in self.looks.calls:
            return "activation"
        if self.is_term(node):
            return "loss"
        return "arithmetic" if node.op in notation.ARITHMETIC else "activation"

    def label(self, node: Node) -> Label:
        if self.role(node) == "loss":
            return notation.name(node.name or "ℓ", timed=True)
        symbol = self.looks.symbol(node)
        named = node.name and self.looks.is_function(node) and not self.is_state(node) and node not in self.outputs
        return Label(symbol, notation.cut(node.name, 6) if named and node.name else "")

    def source(self, term: Term, reader: Node) -> Mark:
        """The mark that an arrow starts from."""
        if term.source.op is None:
            return self.leaf(term.source, term.pick, self.where(reader), modules(reader.scope))
        return self.drawn[term.source]

    def leaf(self, node: Node, pick: int | None, where: Where, scope: tuple[str, ...]) -> Mark:
        """A parameter, once for each step and module; an input, once for each step."""
        step = where[1] if isinstance(where[1], int) else None
        use = (node, where, scope) if node.trainable else (node, where, pick)
        if use not in self.leaves:
            role = "parameter" if node.trainable else "state" if _is_earlier(node, step) else "input"
            timed = not node.trainable and (pick is not None or (step is not None and len(self.read_at[node]) == 1))
            timed = timed or (node.cut and node.step is not None)
            label = notation.name(
                node.name or ("s" if role == "state" else self.letter(role, node, where)), timed=timed or node.carried
            )
            mark = self.leaves[use] = self.mark(role, label, node, where)
            mark.scope = scope
            if pick is not None:
                mark.time = pick + 1
            elif node.cut and node.step is not None:
                mark.time = node.step + 1
        return self.leaves[use]

    def letter(self, role: str, node: Node, where: Where) -> str:
        """A name for what has none: the first such input of each step is x, the first such parameter W, if those are free."""
        everywhere = role == "parameter" or len(self.read_at[node]) > 1
        peers = self.letters[None if everywhere else where, node.trainable]
        if node not in peers:
            letters = _LETTERS["index" if getattr(node.dtype, "kind", "f") in "iu" else role]
            free = [letter for letter in letters if letter not in self.taken and letter not in peers.values()]
            peers[node] = free[0] if free else f"{letters[0]}_{len(peers)}"
        return peers[node]

    def link(self, tail: Mark, head: Mark, term: Term) -> None:
        key = tail, head, term.detached
        link = self.joined.get(key)
        if link is None:
            link = self.joined[key] = Link(tail, head, [], term.detached, term.over)
            self.links.append(link)
        if term.use not in link.uses:
            link.uses.append(term.use)

    def place_outsiders(self) -> None:
        """What ran outside every step ran before the first loop that needs it, and else after all of them."""
        needed: dict[Mark, int] = {}
        for link in reversed(self.links):  # an arrow's head is younger than its tail
            if link.tail.column == AFTER:
                axis = needed.get(link.head) if link.head.column == AFTER else link.head.axis
                if axis is not None:
                    needed[link.tail] = min(axis, needed.get(link.tail, axis))
        last = max((mark.axis for mark in self.marks), default=0)
        for mark in self.marks:
            if mark in needed:
                mark.axis, mark.column = needed[mark], BEFORE
            elif mark.column == AFTER:
                mark.axis = last


def _is_earlier(leaf: Node, step: int | None) -> bool:
    """Is it a state from before the step that reads it?"""
    if leaf.cut and leaf.step is not None:
        return step not in (None, leaf.step)
    return leaf.carried


def number_slots(marks: list[Mark]) -> None:
    """Give the same thing the same slot at every step: what the record, and so the fold, knows by one key.

    A mark that differs from its like in that takes the place of one of its looks that its step lacks.  Leaves are counted.
    """
    alike: dict[tuple, dict[Where, list[Mark]]] = defaultdict(lambda: defaultdict(list))
    for mark in marks:
        late = mark.time - mark.column if mark.label.timed and mark.time is not None and isinstance(mark.column, int) else 0
        alike[mark.axis, mark.role, mark.label, mark.scope, late, mark.node.op is None][mark.where].append(mark)
    for looks, steps in alike.items():
        if looks[-1] or len({len(peers) for peers in steps.values()}) == 1:
            for peers in steps.values():
                for number, mark in enumerate(peers):
                    mark.slot = (*looks, number)
        else:
            _number_by_key(looks, steps)


def _number_by_key(looks: tuple, steps: dict[Where, list[Mark]]) -> None:
    """The slots of marks that are not there at every step."""
    often = Counter(mark.node.key for peers in steps.values() for mark in peers)
    regular = sorted(key for key, times in often.items() if times > 1)
    for peers in steps.values():
        free = [key for key in regular if key not in {mark.node.key for mark in peers}]
        for mark in peers:
            key = mark.node.key
            mark.slot = (*looks, free.pop(0) if key not in regular and free else key)
