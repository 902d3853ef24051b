"""What a recorded operation is, apart from when it ran: a key that it shares with itself at every other step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from ..graph import Value
from ..primitive import PART, Variadic

Run = tuple[Any, int, int]  # which time loop; which backward pass (0: forward); how many times differentiated


class Moment(NamedTuple):
    """When an operation belongs to a time loop: which run through time, and which step of it."""

    run: Run
    step: int


class Keys:
    """Numbers the operations of a history: equal numbers are one operation at different steps.

    A forward operation within a step is known by its loop, its module, and its ordinal there.  A backward operation is
    known by what it differentiates, towards which argument, and its ordinal within that pullback; hence a term that is
    missing at the first or last step shifts no other.

    What ran outside of the steps is looked at, too.  An operation that reads what a step computed belongs after that step
    (a loss that is added up between two steps), also if it reads it out of a stack of them; and one that reads nothing of
    the kind, or an array that was there before, belongs to the step that reads it first (the input of a step, cut out of
    the sequence beforehand).  Pieces of a sequence that no step reads are a time loop of their own.  All this holds only
    for what has something like it at another step, too.

    Parameters
    ----------
    values : sequence of Value
        A whole history, oldest first.

    Attributes
    ----------
    sweeps : dict
        To which backward pass each backward operation belongs, counted from 1.
    """

    def __init__(self, values: Sequence[Value]) -> None:
        self._fresh = count()
        self._numbers: dict[tuple, int] = {}
        self._keys: dict[Any, int] = {}  # of Values, and of bare arrays by their id
        self._moments: dict[Any, Moment] = {}
        self._gathering: dict[Value, bool] = {}
        forward = [v for v in values if v.place.pull is None]
        backward = [v for v in values if v.place.pull is not None]
        self._place_forward(forward)
        self._place_before(forward)
        self.sweeps = self._find_sweeps(backward)
        for v in backward:
            self._place_backward(v)
        self._place_before(backward, leaves_only=True)

    def key(self, v: Any) -> int:
        """The number of the operation that v is; of its own where it belongs to no loop.  A bare array is given by its id."""
        key = self._keys.get(v)
        if key is None:
            key = self._keys[v] = next(self._fresh)
        return key

    def moment(self, v: Any) -> Moment | None:
        """When v belongs to a time loop."""
        return self._moments.get(v)

    def _set(self, v: Any, description: tuple, moment: Moment) -> int:
        key = self._numbers.get(description)
        if key is None:
            key = self._numbers[description] = next(self._fresh)
        self._keys[v] = key
        self._moments[v] = moment
        return key

    # -- forward -------------------------------------------------------------------------------------------------

    def _place_forward(self, values: Sequence[Value]) -> None:
        """What ran within a step, and what ran after one."""
        met: dict[tuple, int] = {}
        after: dict[Any, int | None] = {}
        served = {a for v in values if v.place.step is not None for a in v.args if isinstance(a, Value)}
        for v in values:
            if v.op is None:
                continue
            if v.place.step is not None:
                self._place_within(v)
            elif (moment := self._after(v) or self._piece(v, served)) is not None:
                names = map(_name, v.args)
                steady = tuple([self._keys.get(a) if self._moments.get(a, moment) == moment else None for a in names])
                what = moment.run, v.place.scope, v.op, steady
                met[what, moment] = nth = met.get((what, moment), 0) + 1
                self._set(v, (*what, nth), moment)
                after[v] = None
        self._keep_fellows(after)

    def _place_within(self, v: Value) -> None:
        scope, step, loop, _ = v.place
        assert step is not None
        self._set(v, (loop, scope, v.op, v.ordinal), Moment((loop, 0, 0), step))

    def _after(self, v: Value) -> Moment | None:
        """The moment of the youngest argument that has one; None for what gathers one value at several steps."""
        found, youngest = None, 0
        seen: dict[int, Moment] = {}
        for a in v.args:
            moment = self._moments.get(a) if isinstance(a, Value) else None
            if moment is not None:
                if seen.setdefault(self._keys[a], moment) != moment:
                    return None
                if a.serial > youngest:
                    found, youngest = moment, a.serial
        return found

    def _piece(self, v: Value, served: Container[Value]) -> Moment | None:
        """The moment of one of the pieces of a sequence: that of what was stacked, or, if no step reads it, a loop of its own."""
        number, sequence = _cut_out(v)
        if sequence is None or v in served:
            return None
        if sequence.op is not None and sequence.op.name == "stack" and (sequence.attrs or {}).get("axis", 0) == 0:
            return self._moments.get(_name(sequence.args[number]))
        return Moment((("pieces", self.key(sequence)), 0, 0), number)

    def _place_before(self, values: Sequence[Value], leaves_only: bool = False) -> None:
        """What belongs to the step that reads it first."""
        first: dict[Any, tuple[Value, int]] = {}
        placed: dict[Any, int | None] = {}
        for v in reversed(values):
            if v in first and v.op is not None:
                reader = first.pop(v)
                if not leaves_only and self._set_before(v, v.op, *reader):
                    placed[v] = self._keys[reader[0]]
            for j, a in enumerate(v.args):
                name = _name(a)
                if name is not None and name not in self._moments:
                    first[name] = v, j
        placed.update({leaf: self._keys[reader[0]] for leaf, reader in first.items() if self._set_before(leaf, None, *reader)})
        self._keep_fellows(placed)

    def _set_before(self, a: Any, op: Any, reader: Value, j: int) -> bool:
        moment = self._moments.get(reader)
        if moment is None or getattr(a, "op", None) is not op:
            return False
        self._set(a, ("before", self._keys[reader], j, op), moment)
        return True

    def _keep_fellows(self, placed: Mapping[Any, int | None]) -> None:
        """Let stand alone what has nothing like it at another step, or at less than half of the steps of its reader."""
        sizes = Counter(self._keys.values())
        for a, reader in placed.items():
            if sizes[self._keys[a]] == 1 or (reader is not None and 2 * sizes[self._keys[a]] < sizes[reader]):
                del self._keys[a], self._moments[a]

    # -- backward ------------------------------------------------------------------------------------------------

    def _find_sweeps(self, values: Sequence[Value]) -> dict[Value, int]:
        """Number the backward passes: each walks from a young value to ever older ones, and ends at the leaves.

        Passes that start from one operation at different steps (a gradient taken at each step) have one number.
        """
        sweeps: dict[Value, int] = {}
        numbers: dict[tuple, int] = {}
        seen: dict[tuple, int] = {}
        current, latest, at_leaves = 0, 0, True
        for v in values:
            of, into = v.place.pull  # type: ignore[misc]  # the values of a backward pass have one
            if of.op is None and into is None:
                at_leaves = True
            else:
                if at_leaves or of.serial > latest:
                    self._place_missing(of)
                    start = self.key(of), self._moments.get(of)
                    seen[start] = nth = seen.get(start, 0) + 1
                    current = numbers.setdefault((start[0], nth), len(numbers) + 1)
                latest, at_leaves = of.serial, False
            sweeps[v] = current
        return sweeps

    def _place_backward(self, v: Value) -> None:
        of, into = v.place.pull  # type: ignore[misc]
        self._place_missing(of)
        moment, towards = self._moments.get(of), into
        shared = isinstance(of.op, Variadic) and v.op is not PART  # what all arguments' shares are taken from
        if moment is None and into is not None and not shared:  # the vjp of `stack`: one argument per step, all alike
            argument = _name(of.args[into])
            moment, towards = self._moments.get(argument), ("each", self.key(argument))
        elif moment is not None and into is not None and not shared and self._gathers(of):
            past = self._moments.get(_name(of.args[into]))
            if past is not None and past.run == moment.run:  # attention over the past: so many steps ago, not the n-th of all
                towards = "ago", self.key(of.args[into]), moment.step - past.step
        if moment is not None and v.op is not None:
            sweep = self.sweeps.get(v, 0)
            (loop, _, order), step = moment
            self._set(v, (sweep, self.key(of), towards, v.op, v.ordinal), Moment((loop, sweep, order + 1), step))

    def _gathers(self, of: Value) -> bool:
        """Does it read one operation at several steps?"""
        if not isinstance(of.op, Variadic):
            return False
        found = self._gathering.get(of)
        if found is None:
            keys = [self._keys.get(name) for name in map(_name, of.args) if name in self._moments]
            found = self._gathering[of] = len(set(keys)) < len(keys)
        return found

    def _place_missing(self, of: Value) -> None:
        """Place what is differentiated, but not itself on a tape of gradients alone."""
        if of not in self._keys and of.op is not None and of.place.step is not None:
            if of.place.pull is None:
                self._place_within(of)
            else:
                self._place_backward(of)


def _cut_out(v: Value) -> tuple[int, Value | None]:
    """Which piece of which sequence v is, if it is one: ``xs[t]``, or part t of ``unstack(xs)``."""
    attrs = v.attrs or {}
    if v.op is PART and v.args[0].op is not None and v.args[0].op.name == "unstack" and v.args[0].attrs.get("axis", 0) == 0:
        return attrs["index"], v.args[0].args[0]
    if v.op is not None and v.op.name == "getitem" and type(attrs["index"]) is int and attrs["index"] >= 0:
        return attrs["index"], v.args[0]
    return 0, None


def _name(a: Any) -> Any:
    """A Value as it is, a bare array by its id; None for a number."""
    return a if isinstance(a, Value) else id(a) if getattr(a, "ndim", 0) else None
