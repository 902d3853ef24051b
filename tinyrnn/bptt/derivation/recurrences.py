"""Equations in an order in which they can be run: the sections of the forward pass, of the backward pass, and the gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ...tape import Loop, Operation, Straight
from .algebra import BOUND, PRESENT, Apply, Expression, Index, Span, Symbol, is_op, moved, symbols, walk
from .derive import Derivation
from .naming import Label, Names
from .values import Assembled, Given, Gradient, Size, loop_of, shape_of, step_of, symbol_of


@dataclass(frozen=True)
class Equation:
    """left = right, at all steps of its loop or, if `when` says so, at some.

    `blocks` are the names of the blocks that the left side is cut into.
    """

    left: Symbol
    right: Expression
    when: Span | None = None
    without: tuple[Index, ...] = ()
    blocks: tuple[Symbol, ...] = ()


@dataclass(frozen=True)
class Section:
    """What runs once, or (with a `loop`) at each of its steps, after the equations that begin it."""

    equations: tuple[Equation, ...]
    beginning: tuple[Equation, ...] = ()
    loop: Span | None = None
    backward: bool = False


@dataclass(frozen=True)
class Recurrences:
    """A derived computation.

    Attributes
    ----------
    sections : tuple of Section
    loss : Expression
    gradients : tuple of Equation
        ∂L/∂p of each parameter.
    lengths : dict of str to int
        The length of each sequence in the record.
    names : Names
    """

    sections: tuple[Section, ...]
    loss: Expression
    gradients: tuple[Equation, ...]
    lengths: dict[str, int]
    names: Names

    @property
    def leaves(self) -> list[Operation]:
        """The parameters, in the order of their gradients."""
        return [e.left.of.leaf for e in self.gradients]

    def missing(self, term: Apply) -> list[Symbol]:
        """The gradients that a term reads at the steps at which it is absent, if there are none: they count as 0.

        Empty, if the term is absent at some step for another reason: then it must be said when it is there.
        """
        d, found = self.names.derivation, []
        lags = [
            (s, s.index.offset - term.attrs["index"].offset)
            for s in symbols(term.args[0])
            if isinstance(s.of, Operation) and s.of.backward and s.index is not None and s.index.steps == 1
        ]
        for step in map(d.clock.step, term.attrs["absent"]):
            beyond = [(s, step + lag) for s, lag in lags]
            beyond = [(s, t) for s, t in beyond if not self._has(self.names.label[s.of], t)]
            if not beyond:
                return []
            found += [replace(s, index=d.clock.at(t, loop_of(s.of))) for s, t in beyond]
        return found

    def _has(self, label: Label, step: int) -> bool:
        """Is there a value of this label at a step?"""
        alike = (o for o, other in self.names.label.items() if other._replace(step=None) == label._replace(step=None))
        return any(step in (o.steps or (step_of(o),)) for o in alike if isinstance(o, Operation))


def recurrences(derivation: Derivation) -> Recurrences:
    """All equations of a derivation."""
    return _Writing(derivation).recurrences()


class _Writing:
    def __init__(self, derivation: Derivation) -> None:
        self.derivation, self.names = derivation, Names(derivation)
        self.needed = set(derivation.needed)
        self.assembled: set[Assembled] = set()
        self.runs: dict[Operation, set[int]] = {}
        self.blocks = {part: owner for owner, parts in self.names.blocks.items() for part in parts if owner in self.needed}

    def recurrences(self) -> Recurrences:
        d = self.derivation
        sections = [s for section in d.fold.sections for s in self._sections(section) if s.equations or s.beginning]
        counts = tuple(self._count(size) for size in d.sizes.values() if size in self.names.label)
        first = next((k for k, s in enumerate(sections) if s.backward), len(sections))
        if counts:
            sections.insert(first, Section(counts, backward=True))
        gradients = tuple(
            Equation(Symbol(Gradient(leaf), None, shape_of(leaf)), e) for leaf, e in d.results.items() if leaf is not None
        )
        rest = self._assembled_for([*gradients, Equation(Symbol(None), d.results[None])])
        sections += [Section(tuple(rest), backward=True)] * bool(rest)
        return Recurrences(tuple(sections), d.results[None], gradients, d.clock.lengths, self.names)

    def _sections(self, section: Loop | Straight) -> Iterator[Section]:
        """A section of the fold; forward and backward apart."""
        for backward in (False, True):
            body = [o for o in section.body if o.backward == backward and o in self.needed and o not in self.blocks]
            if body and isinstance(section, Loop):
                yield self._loop(section, body, backward)
            elif body:
                equations = [e for o in body for e in self._equations(o, None, [])]
                yield Section((*self._assembled_for(equations), *equations), backward=backward)

    def _loop(self, section: Loop, body: list[Operation], backward: bool) -> Section:
        beginning = [self._initial(o, step, wire) for o in body for step, wire in o.initial.items()]
        equations = [e for o in body for e in self._equations(o, section, beginning)]
        beginning = [*self._assembled_for(equations), *beginning]
        span = self.derivation.clock.span((section.steps[0], section.steps[-1]), loop_of(body[0]))
        return Section(tuple(self._in_order(equations)), tuple(beginning), span, backward)

    def _equations(self, o: Operation, loop: Loop | None, beginning: list[Equation]) -> list[Equation]:
        left, right = symbol_of(o), self.derivation.definition(o)
        parts = tuple(symbol_of(part) for part in self.names.blocks.get(o, ()) if part in self.names.label)
        if loop is None:
            return [Equation(left, right, blocks=parts)]
        clock, run = self.derivation.clock, loop_of(o)
        steps = sorted(self._steps(o, right, loop), reverse=loop.steps.step < 0)
        start = _start(right, clock.at(steps[0], run))
        if start is not None:  # what holds at the first step, and what at all others
            there = clock.at(steps[0], run)
            beginning.append(Equation(replace(left, index=there), moved(start[0], there)))
            right, steps = start[1], steps[1:]
        if len(steps) == len(loop.steps):
            return [Equation(left, right, blocks=parts)]
        absent = set(range(min(steps), max(steps))) - set(steps)
        return [
            Equation(left, right, clock.span((steps[0], steps[-1]), run), tuple(clock.at(t, run) for t in sorted(absent)), parts)
        ]

    def _steps(self, o: Operation, right: Expression, loop: Loop) -> set[int]:
        """When an equation holds: also at an end of its loop where nobody needs it, if it can, so that all steps are alike."""
        steps = set(o.steps)
        if any(is_op(e, "present", "at", *BOUND) for e in walk(right)):
            return steps
        alike = (other for other, label in self.names.label.items() if label == self.names.label[o] and other is not o)
        others = [other for other in alike if isinstance(other, Operation)]
        taken = {t for other in others for t in (*other.nodes, step_of(other), *other.initial)}
        for t in (loop.steps[0], loop.steps[-1]):
            if t not in taken and t not in o.initial and all(self._exists(s, t) for s in symbols(right)):
                steps.add(t)
        self.runs[o] = steps
        return steps

    def _exists(self, s: Symbol, step: int) -> bool:
        """Has a symbol, read at a step, a value?"""
        if s.index is None or s.index.steps == 0:
            return True
        at = step + s.index.offset
        if isinstance(s.of, Operation):
            return s.index.steps == 1 and (at in s.of.nodes or at in s.of.initial or at in self.runs.get(s.of, ()))
        return s.index.steps == 1 and at in (s.of.leaves if isinstance(s.of, Given) else s.of.wires)

    def _initial(self, o: Operation, step: int, wire: Any) -> Equation:
        index = self.derivation.clock.at(step, loop_of(o))
        return Equation(replace(symbol_of(o), index=index), self.derivation.read(wire, o))

    def _assembled_for(self, equations: Iterable[Equation]) -> list[Equation]:
        """What these equations are the first to read of the values that are found at another place at each step."""
        read = {s.of for e in equations for s in symbols(e.right)}
        found: list[Equation] = []
        for assembled in self.derivation.assembled.values():
            if assembled in read and assembled not in self.assembled:
                self.assembled.add(assembled)
                for t, e in self.derivation.assembly(assembled):
                    index = self.derivation.clock.at(t, assembled.loop)
                    found.append(Equation(Symbol(assembled, index, e.shape), e))
        return [*self._assembled_for(found), *found] if found else []

    def _count(self, size: Size) -> Equation:
        return Equation(Symbol(size), self.derivation.count(size))

    def _in_order(self, equations: list[Equation]) -> list[Equation]:
        """The gradients of blocks stand together, in the order of the blocks, before that of the whole."""
        for o in [e.left.of for e in equations if e.left.of.backward]:
            parts = [self.derivation.gradient_of.get(part) for part in self.names.blocks.get(o.adjoint, ())]
            own = [e for part in parts for e in equations if e.left.of is part]
            if len(own) < 2:
                continue
            rest = [e for e in equations if e not in own]
            at = next(k for k, e in enumerate(rest) if e.left.of is o)
            others = {s.of for e in rest[:at] for s in symbols(e.right) if s.index == PRESENT}
            if not others & {e.left.of for e in own}:
                equations = [*rest[:at], *own, *rest[at:]]
        return equations


def _start(right: Expression, first: Index) -> tuple[Expression, Expression] | None:
    """(a, b), if the equation is a at the first step of its loop and b at all others."""
    terms = [e for e in right.args if is_op(e, "present")] if is_op(right, "add") else []
    if len(terms) != 2:
        return None
    a, b = sorted(terms, key=lambda e: e.attrs["first"] != e.attrs["last"])
    at_first = a.attrs["first"] == a.attrs["last"] == first
    at_others = not b.attrs["gaps"] and first not in (b.attrs["first"], b.attrs["last"])
    return (a.args[0], b.args[0]) if at_first and at_others else None
