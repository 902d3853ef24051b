"""What is drawn: marks and the links between them.  Neither tensors nor coordinates live here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ..tape import Node

BEFORE, AFTER = "before", "after"  # the columns of what runs before the time loop, and of what runs after it

Column = int | str
Slot = tuple
Use = tuple[Node, Node]  # an argument, and the result that was computed from it


class Label(NamedTuple):
    """A text with a subscript; a timed label gets its time as (a second) subscript: hₜ."""

    text: str
    sub: str = ""
    timed: bool = False

    def subscript(self, time: int | None) -> str:
        clock = str(time) if self.timed and time is not None else ""
        return ",".join(part for part in (self.sub, clock) if part)


@dataclass(eq=False)
class Mark:
    """One thing on paper.

    Attributes
    ----------
    role : str
        What it is, and so how it looks: a key of `style.ROLES`.
    label : Label
    column : int or str
        The time step that it belongs to, counted from 0, or BEFORE or AFTER the loop.
    node : Node
        What it shows.
    scope : tuple of str
        The module that it is drawn in.
    time : int or None
        The subscript.  Steps count from 0 in the record and from 1 on paper, so that h₀ is what was there before.
    slot : tuple
        Marks with equal slots are the same thing at different steps, drawn at the same spot of each.
    initial : bool
        Is it a state from before the first step?
    rows : tuple of str
        Lines under the name: its shape, its value.
    number : int
        Its position in the picture.
    """

    role: str
    label: Label
    column: Column
    node: Node
    scope: tuple[str, ...] = ()
    time: int | None = None
    slot: Slot = ()
    initial: bool = False
    rows: tuple[str, ...] = ()
    number: int = 0

    @property
    def title(self) -> str:
        """Its label in one line: W_h, h_2."""
        below = self.label.subscript(self.time)
        return self.label.text + (f"_{below}" if below else "")

    @property
    def tip(self) -> str:
        """What a reader who points at it is told."""
        node = self.node
        what = [self.title]
        if node.op and node.op not in what:
            what.append(node.op)
        if node.shape is not None:
            what.append(f"{node.shape} {node.dtype}")
        if self.scope:
            what.append(".".join(self.scope))
        if isinstance(self.column, int) and not self.initial:
            what.append(f"t = {self.column + 1}")
        return "  ·  ".join(what)


@dataclass(eq=False)
class Link:
    """An arrow between marks, and the recorded uses that it stands for; from an operation to its name it has none."""

    tail: Mark
    head: Mark
    uses: list[Use] = field(default_factory=list)
    detached: bool = False  # does the gradient stop on the way?

    @property
    def recurrent(self) -> bool:
        """Does it lead from one step to another?"""
        columns = self.tail.column, self.head.column
        return columns[0] != columns[1] and all(isinstance(column, int) for column in columns)

    @property
    def kind(self) -> str:
        """What decides how the arrow looks: a key of `style.ARROWS`."""
        if self.detached:
            return "detached"
        if self.recurrent:
            return "total" if self.tail.node.shape == () and self.tail.role not in ("state", "parameter") else "recurrent"
        return "parameter" if self.tail.role == "parameter" else "plain"


class Picture(NamedTuple):
    """What a graph looks like, before anything has a place on paper."""

    marks: list[Mark]
    links: list[Link]
