"""What a tape consists of: a node for each operation that ran and each array that was there before, and constants."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from .keys import Moment


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that an operation was called with.  (A bare array is a leaf: it may differ from step to step.)"""

    value: Any


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One operation that ran, or (op None) a leaf that was there before.

    Attributes
    ----------
    index : int
        Its position on the tape; inputs come first.
    op : str or None
    inputs : tuple of Node and Constant
        In the order of the arguments.
    attrs : dict
        The keyword arguments.
    shape, dtype
        Of the result; None for the bundle of an operation with several results, whose readers are all called "part".
    name : str or None
    scope : tuple of str
        The modules that it ran in, the outermost first.
    step, loop : int or None
        The time step, counted from 0, and which run through time that step belongs to.
    ordinal : int
        Which operation of its module and step it is (of its pullback, if it is a backward one).
    key : int
        What it is, apart from when: alike for one operation at the different steps of a loop.
    moment : Moment or None
        The run through time and the step to which it belongs: its own, or, outside of the steps, those of what it follows
        or serves.  ``(loop, sweep, order)`` is the run: which time loop, which backward pass, how many times differentiated.
    of, into : Node and int, or None
        A backward operation differentiates the node `of` towards its input number `into`; with `into` None it adds up
        the shares that arrive at `of`.
    adjoint : Node or None
        The node whose whole gradient this one is (if it is that of several, the one at which it first arrives).
    sweep : int
        Which recorded backward pass it belongs to, counted from 1; 0 in the forward pass.
    trainable, differentiable, carried : bool
        Is it a leaf that training changes?  Does a gradient flow back into it?  Is it a state that a time loop hands on?
    cut : bool
        Is it a leaf that stands for what was computed elsewhere: outside a subgraph, or in a history that was cut off?
    severed : bool
        Was it cut off from its history by `unchain` or `detach`, so that no gradient flows on?
    value, gradient : array or None
        On request.  A gradient is None where none arrives.
    """

    index: int
    op: str | None
    inputs: tuple[Node | Constant, ...]
    attrs: dict[str, Any]
    shape: tuple[int, ...] | None
    dtype: Any
    name: str | None = None
    scope: tuple[str, ...] = ()
    step: int | None = None
    loop: int | None = None
    ordinal: int = 0
    key: int = -1
    moment: Moment | None = None
    of: Node | None = None
    into: int | None = None
    adjoint: Node | None = None
    sweep: int = 0
    trainable: bool = False
    differentiable: bool = False
    carried: bool = False
    cut: bool = False
    severed: bool = False
    value: Any = None
    gradient: Any = None

    @property
    def backward(self) -> bool:
        """Does it belong to a backward pass?"""
        return self.sweep > 0

    def __repr__(self) -> str:
        when = "" if self.step is None else f" @{self.step}"
        return f"<{self.index} {self.name or self.op or 'leaf'}{'′' if self.backward else ''}{when}>"


class Draft:
    """A node that is being filled in, before it becomes a frozen Node: there may be a million of them, and this is fast."""

    __slots__ = tuple(attribute.name for attribute in fields(Node))
