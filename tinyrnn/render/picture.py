"""What is drawn: marks and the links between them.  Neither tensors nor coordinates live here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from ..tape import Node

BEFORE, AFTER = "before", "after"  # the columns of what runs before the time loop, and of what runs after it

Column = int | str
Where = tuple[int, Column]  # a time axis and a column of it
Part = tuple[int, str | None]  # what is laid out together: all steps of a time axis (None), or what runs before or after them
Slot = tuple
Scope = tuple[str, ...]  # a module, by the names on the way to it
Use = tuple[Node, Node]  # an argument, and the result that was computed from it


class Label(NamedTuple):
    """A text with a subscript; a timed label gets its time as (a second) subscript: hₜ."""

    text: str
    sub: str = ""
    timed: bool = False

    def subscript(self, time: int | None) -> str:
        return self.at("" if time is None else str(time))

    def at(self, clock: str) -> str:
        """The subscript at a time, which may be t itself."""
        return ",".join(part for part in (self.sub, clock if self.timed else "") if part)

    def title(self, time: int | None) -> str:
        """The label in one line: W_h, h_2."""
        below = self.subscript(time)
        return self.text + (f"_{below}" if below else "")


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
    axis : int
        The time axis of that step; of what is BEFORE a loop, that of the loop.
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
    inside : tuple of Mark
        The marks that it stands for, where a picture shows less than all.
    record : tuple of Slot
        The slots of the fields of the record that it is one of.
    number : int
        Its position in the picture.
    copy_of : Mark or None
        Of a dot where a value fans out: the mark of that value.
    back : Mark or None
        What meets it in the backward pass.
    """

    role: str
    label: Label
    column: Column
    node: Node
    scope: tuple[str, ...] = ()
    time: int | None = None
    slot: Slot = ()
    axis: int = 0
    initial: bool = False
    rows: tuple[str, ...] = ()
    inside: tuple[Mark, ...] = ()
    record: tuple[Slot, ...] = ()
    number: int = 0
    copy_of: Mark | None = None
    back: Mark | None = None

    @property
    def where(self) -> Where:
        """The column that it stands in."""
        return self.axis, self.column

    @property
    def part(self) -> Part:
        """What it is laid out with."""
        return self.axis, self.column if isinstance(self.column, str) else None

    @property
    def title(self) -> str:
        """Its label in one line: W_h, h_2."""
        return self.label.title(self.time)

    @property
    def tip(self) -> str:
        """What a reader who points at it is told."""
        node = self.node
        what = [self.title]
        if "…" in self.title and node.name:
            what.append(node.name)
        if self.inside:
            what.append(f"{sum(mark.node.op is not None for mark in self.inside)} operations")
            what += dict.fromkeys(mark.title for mark in self.inside if mark.role == "parameter")
        elif node.op and node.op not in what:
            what.append(node.op)
        if node.shape is not None:
            what.append(f"{node.shape} {node.dtype}")
        if self.scope:
            what.append(".".join(self.scope))
        if isinstance(self.column, int) and not self.initial:
            what.append(f"t = {self.column + 1}")
        return " · ".join(what)


@dataclass(eq=False)
class Link:
    """An arrow between marks, and the recorded uses that it stands for; from an operation to its name it has none.

    Where the step that it comes from is not drawn, its tail stands in for the mark that is `over` steps later.
    """

    tail: Mark
    head: Mark
    uses: list[Use] = field(default_factory=list)
    detached: bool = False  # does the gradient stop on the way?
    over: int = 0
    partial: bool = False  # in a rolled picture: does it run at some of the steps only?

    @property
    def recurrent(self) -> bool:
        """Does it lead from one step to another?"""
        timed = isinstance(self.tail.column, int) and isinstance(self.head.column, int)
        return timed and (self.tail.where != self.head.where or self.over != 0)

    @property
    def delay(self) -> int:
        """How many steps ago was computed what it carries?"""
        return self.head.column - self.tail.column - self.over  # type: ignore[operator]

    @property
    def carries(self) -> str:
        """The title of what it carries."""
        return self.tail.title if not self.over else self.tail.label.title((self.tail.time or 0) + self.over)

    @property
    def kind(self) -> str:
        """What decides how the arrow looks: a key of `style.ARROWS`."""
        if self.detached:
            return "severed" if self.recurrent else "detached"
        tail = self.tail.copy_of or self.tail
        if self.recurrent:
            return "total" if tail.node.shape == () and tail.role not in ("state", "parameter") else "recurrent"
        return "parameter" if tail.role == "parameter" else "plain"


class Axis(NamedTuple):
    """A run of columns: the steps of one time loop, or of several that go through time together; and those drawn of them."""

    number: int
    steps: tuple[int, ...]
    drawn: tuple[int, ...] = ()
    name: str = ""

    @property
    def hidden(self) -> int:
        """How many steps are left out?"""
        return len(self.steps) - len(self.drawn)


class Picture(NamedTuple):
    """What a graph looks like, before anything has a place on paper."""

    marks: list[Mark]
    links: list[Link]
    axes: tuple[Axis, ...] = ()
    framed: Mapping[Part, Collection[Scope]] = MappingProxyType({})  # the modules of each part that get a frame
