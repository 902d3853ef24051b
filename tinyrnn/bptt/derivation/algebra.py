"""Expressions: what equations are made of.  Symbols stand for values of the record, not for letters: those come last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeGuard


@dataclass(frozen=True)
class Index:
    """A time step, counted from 1 as on paper: steps · t + length + offset, such as t−1, T or T+1−t."""

    offset: int = 0
    steps: int = 0
    length: str = ""

    def shifted(self, by: int) -> Index:
        return replace(self, offset=self.offset + by)

    def moved(self, to: Index) -> Index:
        """The same index, read by someone for whom `to` is the present."""
        if self.steps == 0:
            return self
        if self.steps != 1 and to.length:
            if self.length == to.length and self.steps == -1 and to.steps == 0:
                return Index(self.offset - to.offset)
            raise ValueError(f"{self} at {to} is no step")
        return Index(self.offset + self.steps * to.offset, self.steps * to.steps, self.length or to.length)


PRESENT = Index(0, 1)


class Span(NamedTuple):
    """Consecutive steps, in the order in which they run."""

    first: Index
    last: Index


@dataclass(frozen=True)
class Number:
    """A number, divided by counts that may depend on the length of the sequence: 2/n."""

    value: Any
    over: tuple[Any, ...] = ()
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Symbol:
    """A named value, at one step or (index None) one that does not change in time."""

    of: Any
    index: Index | None = None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Apply:
    """An operation on expressions.  `origin` is what this expression is the whole value of, if it is one of the record's."""

    op: str
    args: tuple[Expression, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    origin: Any = field(default=None, compare=False)


Expression = Number | Symbol | Apply

SILENT = {  # bookkeeping, not written on paper
    *("broadcast_to", "reshape", "cast", "move", "at", "part", "split", "unstack", "present", "nonzero"),
}
BOUND = {"sequence", "over_time"}  # their argument runs over all steps: t inside is not the t outside


def is_op(e: Expression, *ops: str) -> TypeGuard[Apply]:
    """Is it one of these operations?"""
    return isinstance(e, Apply) and e.op in ops


def is_number(e: Expression, value: Any = None) -> TypeGuard[Number]:
    """Is it a number, or this very one?"""
    return isinstance(e, Number) and (value is None or (e.value == value and not e.over))


def walk(e: Expression) -> Iterator[Expression]:
    """An expression and all in it, the outer before the inner."""
    yield e
    if isinstance(e, Apply):
        for a in (*e.args, *(a for a in e.attrs.values() if isinstance(a, Symbol))):
            yield from walk(a)


def moved(e: Expression, to: Index) -> Expression:
    """Expression e with the present moved: e at t+1, say."""
    if to == PRESENT or isinstance(e, Number):
        return e
    if isinstance(e, Symbol):
        return e if e.index is None else replace(e, index=e.index.moved(to))
    if e.op in BOUND:
        return e
    attrs = {name: _moved_attribute(a, to) for name, a in e.attrs.items()}
    args = e.args if e.op == "past" else tuple(moved(a, to) for a in e.args)
    return replace(e, args=args, attrs=attrs)


def _moved_attribute(a: Any, to: Index) -> Any:
    if isinstance(a, tuple):
        return tuple(_moved_attribute(item, to) for item in a)
    return a.moved(to) if isinstance(a, Index) else moved(a, to) if isinstance(a, Symbol) else a


def replaced(e: Expression, parts: Sequence[tuple[Expression, Expression]]) -> Expression:
    """An expression in which some parts are replaced by others."""
    for part, other in parts:
        if e == part:
            return other
    if not isinstance(e, Apply):
        return e
    args = tuple(replaced(a, parts) for a in e.args)
    return e if all(a is b for a, b in zip(args, e.args)) else replace(e, args=args)


def cost(e: Expression) -> int:
    """How many operations one reads in it."""
    return sum(isinstance(part, Apply) and part.op not in SILENT for part in walk(e))


def symbols(e: Expression) -> Iterator[Symbol]:
    """The symbols in an expression."""
    return (part for part in walk(e) if isinstance(part, Symbol))
