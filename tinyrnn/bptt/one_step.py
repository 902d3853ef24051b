"""One step of a recurrent network as a linear map: ∂sₜ/∂sₜ₋₁ by rows, and its products with vectors from either side."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from .. import backend
from ..autodiff import recorded_shares, seed_of, shares
from ..graph import Value, dependents
from ..ops import mul, total
from ..ops import sum as sum_of
from .tracks import Track, title


class Steps:
    """The steps of one track, for one sequence of the batch.

    A state is all its parts side by side, D numbers; step number k leads from the state after step k − 1 to that after k.
    """

    def __init__(self, track: Track, recorded: Sequence[Value], sequence: int) -> None:
        self.track, self.sequence = track, sequence
        self.states = [list(track.at(number).values()) for number in range(len(track.steps))]
        self._check(sequence)
        self.sizes = tuple(self._row(part.data).size for part in self.states[0])
        self._recorded, self._serials = recorded, [value.serial for value in recorded]
        self._ways: dict[int, set[Value]] = {}
        self._transposed: dict[int, tuple] = {}
        for number in range(2, len(self.states)):
            self._check_no_other_way(number)

    @property
    def size(self) -> int:
        """D."""
        return sum(self.sizes)

    def rows(self, number: int) -> tuple[numpy.ndarray, numpy.ndarray]:
        """∂sₜ/∂sₜ₋₁ (zeros at the first step), and how the parts of sₜ depend on each other, each (D, D)."""
        found = [self._pull_unit(number, part, unit) for part, size in enumerate(self.sizes) for unit in range(size)]
        return numpy.array([across for across, _ in found]), numpy.array([within for _, within in found])

    def pull(self, number: int, frame: numpy.ndarray) -> numpy.ndarray:
        """Row vectors back through a step: frame (m, D) times ∂sₜ/∂sₜ₋₁."""
        found = []
        for row in frame:
            seeds = self._parts_of(number, row)
            found.append(sum(self._pull(number, part, seed)[0] for part, seed in zip(self.states[number], seeds)))
        return numpy.array(found)

    def push(self, number: int, frame: numpy.ndarray) -> numpy.ndarray:
        """Column vectors forward through a step: ∂sₜ/∂sₜ₋₁ times frame (D, m).

        The backward pass u ↦ u J is linear in u, so its own backward pass towards u is v ↦ J v (Townsend 2017).
        """
        if number not in self._transposed:
            self._transposed[number] = self._record_backward(number)
        directions, gradients, among = self._transposed[number]
        found = []
        for column in frame.T:
            pushed = numpy.zeros(self.size)
            for gradient, seed in zip(gradients, self._parts_of(number - 1, column)):
                if gradient is None:
                    continue
                totals: dict[Value, Any] = dict.fromkeys(directions)
                for _ in shares(gradient, seed, totals=totals, only_totals=True, among=among):
                    pass
                pushed += self._joined([totals[u] for u in directions])
            found.append(pushed)
        return numpy.array(found).T

    # -- inside ----------------------------------------------------------------------------------

    def _pull_unit(self, number: int, part: int, unit: int) -> tuple[numpy.ndarray, numpy.ndarray]:
        row = numpy.zeros(self.size)
        row[sum(self.sizes[:part]) + unit] = 1.0
        return self._pull(number, self.states[number][part], self._parts_of(number, row)[part])

    def _pull(self, number: int, part: Value, seed: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
        """One backward pass from a part of a state: what arrives at the state before, and at the other parts of this one."""
        here, before = self.states[number], self.states[number - 1] if number else []
        across: dict[Value, Any] = dict.fromkeys(before)
        within: dict[Value, Any] = dict.fromkeys(here)
        for into, through, share in shares(part, seed, among=self._between(number)):
            found = across if into in across and through not in across else within if into in within else None
            if found is not None:
                found[into] = share if found[into] is None else found[into] + share
        return self._joined(across.values()) if before else numpy.zeros(self.size), self._joined(within.values())

    def _between(self, number: int) -> set[Value]:
        """The values that lead from the state before to this one."""
        if number not in self._ways:
            self._ways[number] = self._find_between(number)
        return self._ways[number]

    def _find_between(self, number: int) -> set[Value]:
        here = self.states[number]
        end = max(part.serial for part in here)
        if number == 0:
            start = min(part.serial for part in here) - 1
            return set(self._since(start, end))
        before = self.states[number - 1]
        return dependents(self._since(max(part.serial for part in before), end), before)

    def _since(self, start: int, end: int) -> Sequence[Value]:
        """What was recorded after `start`, up to `end`."""
        return self._recorded[bisect_right(self._serials, start) : bisect_right(self._serials, end)]

    def _record_backward(self, number: int) -> tuple:
        """The backward pass of a step as a recorded function of the direction u that it starts with."""
        here, before = self.states[number], self.states[number - 1]
        directions = [part.derive(self._zeros(part), None, (), None, True) for part in here]
        products = [mul(part, u) for part, u in zip(here, directions)]
        sums = [sum_of(product) for product in products]
        root = total(*sums)
        one = root.derive(seed_of(root), None, (), None, False)
        terms: dict[Value, list] = {part: [] for part in before}
        for into, through, share in recorded_shares(root, one, among={*products, *sums, *self._between(number)}):
            if into in terms and through not in terms:
                terms[into].append(share)
        gradients = [total(*of_part) if of_part else None for of_part in terms.values()]
        new: set[Value] = set()
        stack = [gradient for gradient in gradients if gradient is not None]
        while stack:
            value = stack.pop()
            if value.serial >= directions[0].serial and value not in new:
                new.add(value)
                stack += value.parents
        among = dependents(sorted(new, key=lambda value: value.serial), directions)
        return directions, gradients, among

    def _row(self, array: Any) -> numpy.ndarray:
        """The numbers of the one sequence."""
        host = backend.to_host(array)
        return host[self.sequence].ravel() if host.ndim > 1 else host.ravel()

    def _joined(self, parts: Iterable[Any]) -> numpy.ndarray:
        """The parts of a state side by side, zeros for what has not arrived."""
        rows = [numpy.zeros(size) if part is None else self._row(part) for part, size in zip(parts, self.sizes)]
        return numpy.concatenate(rows).astype(float)

    def _parts_of(self, number: int, row: numpy.ndarray) -> list[Any]:
        """A vector of D numbers as arrays like the parts of a state, zeros for the other sequences."""
        found, start = [], 0
        for part, size in zip(self.states[number], self.sizes):
            host = numpy.zeros(part.shape, dtype=part.dtype)
            own = host[self.sequence] if host.ndim > 1 else host
            own[...] = row[start : start + size].reshape(own.shape)
            found.append(backend.to_device(host, backend.device_of(part.data)))
            start += size
        return found

    @staticmethod
    def _zeros(value: Value) -> Any:
        device = backend.device_of(value.data)
        return backend.to_device(numpy.zeros(value.shape, dtype=value.dtype), device)

    def _check(self, sequence: int) -> None:
        """Every state has the same parts, and the batch has this sequence."""
        shapes = [[tuple(part.shape) for part in state] for state in self.states]
        odd = next((number for number, found in enumerate(shapes) if found != shapes[0]), None)
        if odd is not None:
            raise ValueError(
                f"{title(self.track)}: the state has parts of the shapes {shapes[0]} at first, but {shapes[odd]} at "
                f"t = {self.track.steps[odd] + 1}: there is no one Jacobian from step to step"
                + "; what a step does not compute anew, or no loss needs, is no part of it"
                * (len(shapes[odd]) < len(shapes[0]))
            )
        for shape in shapes[0]:
            if len(shape) > 1 and not 0 <= sequence < shape[0]:
                raise ValueError(f"sequence={sequence}: the batch has {shape[0]} sequences, numbered from 0")

    def _check_no_other_way(self, number: int) -> None:
        """From the state two steps ago to this one there is no way but through the one between."""
        before, between, here = map(set, self.states[number - 2 : number + 1])
        start, end = max(part.serial for part in before), max(part.serial for part in here)
        passed = set(before)
        for value in self._since(start, end):
            if value not in between and value.requires_grad and any(parent in passed for parent in value.parents):
                passed.add(value)
        if not passed.isdisjoint(here):
            first, last = self.track.steps[number - 2] + 1, self.track.steps[number] + 1
            raise ValueError(
                f"{title(self.track)}: the state of t = {last} depends on that of t = {first} not through the one between alone "
                "(a longer delay, attention to the past, or another cell that feeds back): products of Jacobians would leave "
                "that out; carry it as a part of the state"
            )
