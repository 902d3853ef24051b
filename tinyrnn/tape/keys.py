"""What a recorded operation is, apart from when it ran: a key that it shares with itself at every other step."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Value


class Keys:
    """Numbers the operations of a history: equal numbers are one operation at different steps.

    Forward: the loop, the module, the operation, and its ordinal there.
    Backward: the sweep, the key of what is differentiated, towards which argument, and the ordinal within that pullback;
    hence a term that is missing at the first or last step shifts no other.
    Outside all loops every operation is its own kind.

    Attributes
    ----------
    sweeps : dict of Value to int
        To which backward pass each backward operation belongs, counted from 1.
    """

    def __init__(self, values: Sequence[Value]) -> None:
        self._of: dict[Value, int] = {}
        self._numbers: dict[tuple, int] = {}
        self.sweeps = self._find_sweeps(values)

    def __getitem__(self, v: Value) -> int:
        key = self._of.get(v)
        if key is None:
            description = self._describe(v)
            key = self._of[v] = self._numbers.setdefault(description, len(self._numbers))
        return key

    def _describe(self, v: Value) -> tuple:
        scope, step, loop, pull = v.place
        if pull is None:
            return (v.serial,) if step is None else (loop, scope, v.op, v.ordinal)
        of, into = pull
        towards: int | tuple | None = into
        if into is not None and step is not None and of.place.step is None:
            towards = ("each", self[of.args[into]])  # the vjp of `stack`: one argument per step, all alike
        return self.sweeps.get(v, 0), self[of], towards, v.op, v.ordinal

    def _find_sweeps(self, values: Sequence[Value]) -> dict[Value, int]:
        """Number the backward passes: each walks from a young value to ever older ones, and ends at the leaves.

        Passes that start from one operation at different steps (a gradient taken at each step) have one number.
        """
        sweeps: dict[Value, int] = {}
        numbers: dict[tuple, int] = {}
        seen: dict[tuple, int] = {}
        current, latest, at_leaves = 0, 0, True
        for v in values:
            pull = v.place.pull
            if pull is None:
                continue
            if pull.of.op is None and pull.into is None:
                at_leaves = True
            else:
                if at_leaves or pull.of.serial > latest:
                    start = self[pull.of]
                    seen[start, pull.of.place.step] = nth = seen.get((start, pull.of.place.step), 0) + 1
                    current = numbers.setdefault((start, nth), len(numbers) + 1)
                latest, at_leaves = pull.of.serial, False
            sweeps[v] = current
        return sweeps
