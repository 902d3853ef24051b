"""What a folded graph consists of: operations that stand for all steps of a loop, and the wires by which they read each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .nodes import Constant, Node


@dataclass(frozen=True, slots=True)
class Fixed:
    """The value of an operation outside the loops: the same one at every step."""

    source: Operation


@dataclass(frozen=True, slots=True)
class At:
    """The value that an operation of a loop had at one step, such as the last state: read outside of that loop."""

    source: Operation
    step: int


@dataclass(frozen=True, slots=True)
class Delayed:
    """In a loop: the value of `source` `delay` steps ago: 0 within the step, 1 a state, −1 an adjoint from step t+1.

    Where `source` does not run at that step, its `initial` says what stands for it.
    """

    source: Operation
    delay: int


@dataclass(frozen=True, slots=True)
class Table:
    """In a loop: another value from outside at each step."""

    at: Mapping[int, Fixed | At | Every | Constant]


@dataclass(frozen=True, slots=True)
class Past:
    """In a loop: the values of `source` at all steps from `begin` to `delay` steps ago, as attention over the past reads them."""

    source: Operation
    begin: int
    delay: int
    stride: int = 1

    def steps(self, t: int) -> range:
        """The steps whose values are read at step t."""
        return range(self.begin, t - self.delay + self.stride, self.stride)


@dataclass(frozen=True, slots=True)
class Every:
    """Outside a loop: the values of `source` at all these steps, which `stack` lays side by side and Σₜ adds up."""

    source: Operation
    steps: range


Wire = Constant | Fixed | At | Delayed | Table | Past | Every


@dataclass(frozen=True, slots=True)
class Affine:
    """A number in an attribute that counts the steps, as in ``xs[t]``: slope · t + offset."""

    slope: int
    offset: int

    def __call__(self, t: int) -> int:
        return self.slope * t + self.offset


@dataclass(eq=False)
class Operation:
    """An operation of a folded graph: one for all steps of a loop, or one that runs once.

    With `op` None it is a leaf; a leaf in a loop is another array at each step, as the input of a network is.

    Attributes
    ----------
    op, name, scope, dtype
        As of the nodes that it stands for; without a name if theirs differ.
    attrs : dict
        The keyword arguments, in which an `Affine` counts the steps.
    shape : tuple of int or None
        The sizes; an `Affine` where the size grows with the steps.
    loop : hashable or None
        The loop in which it runs, whatever its name; None if it runs once.
    nodes : dict of int to Node
        The nodes that it stands for, by step; the step None if it runs once.
    wires : tuple of Wire
        What it reads, argument by argument.
    initial : dict of int to Wire
        What stands for it at steps at which it does not run but is read: h₋₁ is h₀.
    summed : bool
        Is it a sum of shares?  Then the order of its terms is nobody's concern, and a term whose source does not run is
        absent.
    of, into : Operation and int, or None
        A backward operation differentiates `of` towards its argument number `into`, as a `Node` does.
    adjoint : Operation or None
        Whose whole gradient it is.
    """

    op: str | None
    attrs: dict[str, Any]
    shape: tuple | None
    dtype: Any
    name: str | None
    scope: tuple[str, ...]
    loop: Any
    nodes: Mapping[int | None, Node]
    summed: bool = False
    wires: tuple[Wire, ...] = ()
    initial: dict[int, Wire] = field(default_factory=dict)
    of: Operation | None = None
    into: int | None = None
    adjoint: Operation | None = None

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """When it runs, in ascending order; empty if it runs once."""
        return () if self.loop is None else tuple(sorted(self.nodes))  # type: ignore[arg-type]

    @property
    def node(self) -> Node:
        """One node that it stands for: from the middle of the sequence, where no end is near."""
        return self.nodes[self.steps[len(self.steps) // 2] if self.loop else None]

    @property
    def sweep(self) -> int:
        """Which backward pass it belongs to; 0 in the forward pass."""
        return self.node.sweep

    @property
    def backward(self) -> bool:
        """Does it belong to a backward pass?"""
        return self.node.backward

    @property
    def trainable(self) -> bool:
        """Is it a leaf that training changes?"""
        return self.node.trainable

    @property
    def carried(self) -> bool:
        """Is it a state that a time loop hands on?"""
        return self.node.carried

    def reads(self) -> Iterator[tuple[Operation, int | None]]:
        """(source, delay) of all it reads; the delay is None where time does not matter."""
        for wire in (*self.wires, *self.initial.values()):
            yield from _sources(wire)

    def __repr__(self) -> str:
        return f"<{self.name or self.op or 'leaf'}{'′' if self.backward else ''}{' @t' if self.loop else ''}>"


def _sources(wire: Wire) -> Iterator[tuple[Operation, int | None]]:
    if isinstance(wire, Table):
        yield from dict.fromkeys((w.source, None) for w in wire.at.values() if not isinstance(w, Constant))
    elif isinstance(wire, Delayed):
        yield wire.source, wire.delay
    elif isinstance(wire, Past):
        yield wire.source, wire.delay
        yield wire.source, wire.delay + wire.stride
    elif not isinstance(wire, Constant):
        yield wire.source, None


@dataclass(frozen=True, eq=False)
class Loop:
    """A run through time.

    Attributes
    ----------
    body : tuple of Operation
        In an order in which one step can run.
    steps : range
        In the order in which they run: counting down where time runs backwards.
    """

    body: tuple[Operation, ...]
    steps: range


@dataclass(frozen=True, eq=False)
class Straight:
    """What runs once, between the loops.

    Attributes
    ----------
    body : tuple of Operation
        In an order in which it can run.
    """

    body: tuple[Operation, ...]
