"""What a symbol may stand for besides an operation: an input, a size, the gradient of a leaf; and where operations belong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...tape import Operation
from .algebra import PRESENT, Symbol


@dataclass(eq=False)
class Given:
    """An input that comes from outside, another array at each step."""

    leaves: dict[int, Operation]


@dataclass(eq=False)
class Assembled:
    """A value that is found at another place at each step: its wires, by step."""

    wires: Mapping[int, Any]
    loop: int | None


@dataclass(eq=False)
class Size:
    """How many numbers a mean is taken over: those of an array, or along some axes of it.

    It is `fixed` within a step, where it does not depend on the length of the sequence.
    """

    of: Operation
    axis: Any
    value: int
    fixed: bool


@dataclass(frozen=True)
class Gradient:
    """∂L/∂leaf"""

    leaf: Operation


def source(wire: Any) -> Operation:
    """The operation that a wire comes from."""
    return wire.source


def shape_of(o: Operation) -> tuple[Any, ...]:
    """The sizes of the result of an operation; none, of a bundle."""
    return o.shape or ()


def symbol_of(o: Operation) -> Symbol:
    """The symbol of an operation at the present step."""
    return Symbol(o, PRESENT if o.loop is not None else None, shape_of(o))


def loop_of(o: Operation) -> int | None:
    """The run through time that an operation belongs to, folded or not."""
    moment = o.node.moment
    return None if moment is None else moment.run[0]


def step_of(o: Operation) -> int | None:
    """A step at which an operation runs."""
    moment = o.node.moment
    return None if moment is None else moment.step
