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
from typing import NamedTuple

from ..tape import Constant, Graph, Node
from . import notation
from .beginnings import set_beginnings
from .looks import Looks
from .picture import AFTER, BEFORE, Column, Label, Link, Mark, Picture, Use

_LETTERS = {"input": "xyzuv", "index": "kjlmn", "parameter": "WUVAB"}  # for what has no name


class Term(NamedTuple):
    """An argument, seen through the noise: where it comes from, which element of it is read, and the recorded use."""

    source: Node
    pick: int | None
    detached: bool
    use: Use


def read(graph: Graph) -> Picture:
    """The picture of the forward part of a graph.

    Raises
    ------
    ValueError
        If the graph has no forward part: all its outputs are gradients.
    """
    outputs = [node for node in graph.outputs if not node.backward]
    if not outputs:
        raise ValueError("the graph's outputs are gradients: give tape the loss first, as in tr.tape(loss, *gradients)")
    return _Reader([n for n in graph.nodes if not n.backward], outputs).picture()


class _Reader:
    def __init__(self, nodes: list[Node], outputs: list[Node]) -> None:
        self.looks = Looks(nodes)
        self.nodes = nodes
        self.outputs = {self.looks.origin(node)[0] for node in outputs}
        self.terms: dict[Node, list[Term]] = {}
        self.read_at: dict[Node, set[int | None]] = defaultdict(set)  # the steps that read it
        self.drawn: dict[Node, Mark] = {}
        self.leaves: dict[tuple, Mark] = {}
        self.letters: dict[tuple, str] = {}
        self.marks: list[Mark] = []
        self.links: list[Link] = []

    def picture(self) -> Picture:
        shown = self.needed()
        for node in shown:
            for term in self.terms[node]:
                self.read_at[term.source].add(node.step)
        self.states = {_kin(node) for node in shown if self.crosses(node)}
        self.taken = {node.name for node in self.nodes}
        for node in shown:
            self.draw(node)
        for node in self.outputs:
            if node.op is None:
                self.leaf(node, None, None, ())
        self.place_outsiders()
        number_slots(self.marks)
        set_beginnings(self.marks, self.links)
        self.tell_apart()
        for number, mark in enumerate(self.marks):
            mark.number = number
        return Picture(self.marks, self.links)

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
                Term(*self.looks.origin(i), use=(i, via)) for i, via in self.looks.arguments(node) if not isinstance(i, Constant)
            ]
            todo += [term.source for term in self.terms[node] if term.source.op]
        return self.merge_sums([node for node in self.nodes if node in found])

    def merge_sums(self, shown: list[Node]) -> list[Node]:
        """a + b + c: the inner sum, if nobody else reads it, joins the outer one."""
        readers = Counter(source for node in shown for source in {term.source for term in self.terms[node]})
        for node in shown:
            if node.op == "add":
                flat: list[Term] = []
                for term in self.terms[node]:
                    inner = term.source
                    joins = inner.op == "add" and not inner.name and readers[inner] == 1 and inner not in self.outputs
                    if joins and (inner.scope, inner.step) == (node.scope, node.step) and inner.shape != ():
                        flat += self.terms.pop(inner)
                    else:
                        flat.append(term)
                self.terms[node] = flat
        return [node for node in shown if node in self.terms]

    def crosses(self, node: Node) -> bool:
        """Does another step read it?"""
        others = self.read_at[node] - {None, node.step}
        return node.carried or (node.step is not None and bool(others))

    def is_state(self, node: Node) -> bool:
        """Also at the last step, where nobody reads it, a state is one."""
        return node.carried or (node.step is not None and _kin(node) in self.states and node.shape != ())

    # -- marks ---------------------------------------------------------------------------------------------------

    def mark(self, role: str, label: Label, node: Node, step: int | None) -> Mark:
        mark = Mark(role, label, AFTER if step is None else step, node, node.scope, None if step is None else step + 1)
        self.marks.append(mark)
        return mark

    def draw(self, node: Node) -> None:
        """Its operation, or the box of its result, or both."""
        marks = []
        if not self.looks.moves(node):
            marks.append(self.mark(self.role(node), self.label(node), node, node.step))
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
        role = "state" if self.is_state(node) else "loss" if node in self.outputs and node.shape == () else "value"
        timed = node.step is not None and (role != "loss" or bool(node.name))
        return self.mark(
            role, notation.name(node.name or {"state": "s", "loss": "L", "value": "y"}[role], timed), node, node.step
        )

    def has_box(self, node: Node, role: str) -> bool:
        """Does the operation's result get a mark of its own?"""
        if role == "loss":
            return node in self.outputs and not node.name
        return node in self.outputs or self.is_state(node) or (bool(node.name) and not self.is_function(node))

    def bring_home(self, node: Node, marks: list[Mark]) -> None:
        """What a layer does to the state that its cell has made is drawn with the cell."""
        sources = [term.source for term in self.terms[node] if term.source.step == node.step]
        inner = [s.scope for s in sources if s.op and len(s.scope) > len(node.scope) and s.scope[: len(node.scope)] == node.scope]
        for mark in marks:
            mark.scope = max(inner, key=len, default=node.scope)

    def role(self, node: Node) -> str:
        if (
            node.shape == ()
            and node.step is not None
            and all(t.source.shape != () for t in self.terms[node])
            and self.terms[node]
        ):
            return "loss"
        return "arithmetic" if node.op in notation.ARITHMETIC else "activation"

    @staticmethod
    def is_function(node: Node) -> bool:
        """Does its name go into its own label, as in σ_i?"""
        return node.op not in notation.ARITHMETIC and node.op != "getitem"

    def label(self, node: Node) -> Label:
        if self.role(node) == "loss":
            return notation.name(node.name or "ℓ", timed=True)
        symbol = self.looks.symbol(node)
        named = node.name and self.is_function(node) and not self.is_state(node) and node not in self.outputs
        return Label(symbol, notation.printable(node.name)[:6] if named and node.name else "")

    def source(self, term: Term, reader: Node) -> Mark:
        """The mark that an arrow starts from."""
        if term.source.op is None:
            return self.leaf(term.source, term.pick, reader.step, reader.scope)
        return self.drawn[term.source]

    def leaf(self, node: Node, pick: int | None, step: int | None, scope: tuple[str, ...]) -> Mark:
        """A parameter, once for each step and module; an input, once for each step."""
        use = (node, step, scope) if node.trainable else (node, step, pick)
        if use not in self.leaves:
            role = "parameter" if node.trainable else "state" if _is_earlier(node, step) else "input"
            timed = not node.trainable and (pick is not None or (step is not None and len(self.read_at[node]) == 1))
            timed = timed or (node.cut and node.step is not None)
            label = notation.name(
                node.name or ("s" if role == "state" else self.letter(role, node, step)), timed=timed or node.carried
            )
            mark = self.leaves[use] = self.mark(role, label, node, step)
            mark.scope = scope
            if pick is not None:
                mark.time = pick + 1
            elif node.cut and node.step is not None:
                mark.time = node.step + 1
        return self.leaves[use]

    def letter(self, role: str, node: Node, step: int | None) -> str:
        """A name for what has none: the first such input of each step is x, the first such parameter W, if those are free."""
        thing = (node,) if role == "parameter" or len(self.read_at[node]) > 1 else (node, step)
        if thing not in self.letters:
            peers = [key for key in self.letters if key[1:] == thing[1:] and key[0].trainable == node.trainable]
            letters = _LETTERS["index" if getattr(node.dtype, "kind", "f") in "iu" else role]
            free = [letter for letter in letters if letter not in self.taken | {self.letters[key] for key in peers}]
            self.letters[thing] = free[0] if free else f"{letters[0]}_{len(peers)}"
        return self.letters[thing]

    def link(self, tail: Mark, head: Mark, term: Term) -> None:
        for link in reversed(self.links):  # those of this operation are the latest
            if link.head is not head:
                break
            if link.tail is tail and link.detached == term.detached:
                if term.use not in link.uses:
                    link.uses.append(term.use)
                return
        self.links.append(Link(tail, head, [term.use], term.detached))

    def place_outsiders(self) -> None:
        """What ran outside every step ran before the loop if a step needs it, and else after it."""
        needed: set[Mark] = set()
        for link in reversed(self.links):  # an arrow's head is younger than its tail
            if link.tail.column == AFTER and (link.head.column != AFTER or link.head in needed):
                needed.add(link.tail)
        for mark in needed:
            mark.column = BEFORE

    def tell_apart(self) -> None:
        """Parameters that share a name get that of their module as a subscript, unless a frame around the module says it."""
        framed = {mark.scope for mark in self.marks if mark.role == "state"}
        loose = [mark for mark in self.marks if mark.role == "parameter" and mark.scope and mark.scope not in framed]
        owners = defaultdict(set)
        for mark in loose:
            owners[mark.column, mark.label].add(mark.scope)
        for mark in [m for m in loose if len(owners[m.column, m.label]) > 1]:
            below = notation.cut(mark.scope[-1])
            mark.label = mark.label._replace(sub=f"{mark.label.sub} {below}".strip())


def _is_earlier(leaf: Node, step: int | None) -> bool:
    """Is it a state from before the step that reads it?"""
    if leaf.cut and leaf.step is not None:
        return step not in (None, leaf.step)
    return leaf.carried


def _kin(node: Node) -> tuple:
    """What an operation has in common with its like at other steps."""
    return node.scope, node.loop, node.ordinal, node.op, node.name


def number_slots(marks: list[Mark]) -> None:
    """Give the n-th mark of its looks in a module at a step the same slot at every step.

    Where some steps have more marks of these looks than others, the record's own numbers tell which is which.
    """
    alike: dict[tuple, dict[Column, list[Mark]]] = defaultdict(lambda: defaultdict(list))
    for mark in marks:
        late = mark.time - mark.column if mark.label.timed and mark.time is not None and isinstance(mark.column, int) else 0
        alike[mark.scope, mark.role, mark.label, late, mark.node.op is None][mark.column].append(mark)
    for looks, steps in alike.items():
        places = sorted({_place(mark) for peers in steps.values() for mark in peers})
        same = len({len(peers) for peers in steps.values()}) == 1
        for peers in steps.values():
            for n, mark in enumerate(peers):
                mark.slot = (*looks, n if same or mark.node.op is None else places.index(_place(mark)))


def _place(mark: Mark) -> tuple[int, int]:
    return mark.node.loop or 0, mark.node.ordinal
