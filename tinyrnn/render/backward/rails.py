"""The gradient of a shared weight, on paper: ∂L/∂W = ΔW₁ + ΔW₂ + …, one share from each step.

A rail for each weight runs through time as the backward pass does and collects the shares, one "+" at each step.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from ... import backend
from .. import curve, style
from ..curve import Point
from ..drawing import Arrow, Box, Drawing, Text
from ..picture import Label, Mark
from ..step.shafts import CLEAR, way_out
from ..views.unrolled import CAPTION
from .mirror import BETWEEN, Mirror
from .reflection import whole

SPACING, MARGIN = 21.0, 26.0  # from rail to rail, and from the first step to the end of one
HALF = style.CIRCLE / 2


class Rails:
    """The rails of a backward pass that has been drawn."""

    def __init__(self, mirror: Mirror, drawing: Drawing) -> None:
        self.mirror, self.drawing, self.places = mirror, drawing, mirror.unrolled.places
        self.out = 1 if mirror.over else -1  # the way from the loss to the weights: up, or down
        self._crossing: dict[float, list[float]] = {}
        self.youngest: dict[Mark, int] = {}  # the latest use of each share
        for link in mirror.norms:
            mark = link.tail.copy_of or link.tail
            self.youngest[mark] = max(self.youngest.get(mark, -1), *(result.index for _, result in link.uses), -1)

    def draw(self) -> None:
        shares: dict[object, list[Mark]] = defaultdict(list)
        for mark in self.mirror.marks.values():
            if mark.role == "parameter" and mark.back and mark.back.role == "share":
                shares[mark.node].append(mark)
        rails = sorted((self.in_order(marks) for marks in shares.values()), key=self.rank)
        if not self.mirror.over:
            risers = [self.x(mark) for marks in rails for mark in marks]
            self.drawing.texts = [text if text.y > 0 else self.aside(text, risers) for text in self.drawing.texts]
        _, bottom, _, top = self.drawing.bounds()
        edge = top if self.mirror.over else min(bottom, self.mirror.forward.bounds()[1])
        names = Counter(whole(marks[0]) for marks in rails)
        for number, marks in enumerate(rails):
            label = whole(marks[0])
            if names[label] > 1 and marks[0].scope:
                label = label._replace(sub=f"{label.sub} {'.'.join(marks[0].scope[-2:])}".strip())
            self.rail(marks, edge + self.out * SPACING * (number + 0.8), label)

    def x(self, mark: Mark) -> float:
        """Where a share leaves its step."""
        place = self.places[mark.where]
        return place.x + place.cell.shafts[mark.slot]

    def in_order(self, marks: list[Mark]) -> list[Mark]:
        """As the backward pass meets them, the youngest use first; a rail runs straight on in time, or back."""
        ends = max(marks, key=self.youngest.__getitem__), min(marks, key=self.youngest.__getitem__)
        return sorted(marks, key=self.x, reverse=self.x(ends[0]) > self.x(ends[1]))

    def rank(self, marks: list[Mark]) -> float:
        """Rails that begin far behind lie inside: so no share that begins one crosses another."""
        first, last = self.x(marks[0]), self.x(marks[-1])
        return first if first > last else -first

    def aside(self, text: Text, risers: list[float]) -> Text:
        """A caption, out of the way of the shares and of what else runs below its step; the name of an axis moves farther."""
        place = next((p for p in self.places.values() if p.x < text.x < p.right), None)
        if place is None:
            return text
        lines = sorted([*risers, *self.crossing(text.y)])
        room = text.width / 2 + CLEAR
        reach = place.cell.width / 2 if text.y > -CAPTION else text.x + text.width
        steps = (side * 2.0 * i for i in range(int(reach / 2)) for side in (1, -1))
        free = (text.x + dx for dx in steps if bisect(lines, text.x + dx - room) == bisect(lines, text.x + dx + room))
        return text._replace(x=next(free, text.x))

    def crossing(self, y: float) -> list[float]:
        """Where arrows of the drawing run across a line of text below the steps."""
        if y not in self._crossing:
            low = [a.chain for a in self.drawing.arrows if min(py for _, py in a.chain) < y + CLEAR]
            self._crossing[y] = [px for chain in low for px, py in curve.sampled(chain) if abs(py - y) < CLEAR]
        return self._crossing[y]

    def riser(self, mark: Mark) -> list[Point]:
        """From a share out toward its rail."""
        place = self.places[mark.where]
        return [(place.x + x, self.mirror.y(place.y + y)) for x, y in way_out(place.cell, mark.slot)]

    def rail(self, marks: list[Mark], y: float, label: Label) -> None:
        """From the first share that arrives to the whole gradient."""
        way = 1 if self.x(marks[0]) < self.x(marks[-1]) else -1
        total = self.mirror.adjoints.share(marks[0])
        latest, corners = f"b{marks[0].number}", [*self.riser(marks[0]), (self.x(marks[0]), y)]
        for before, mark in pairwise(marks):
            if (gap := self.gap(before, mark)) is not None:  # the shares of the steps left out
                more = self.mirror.adjoints.hidden_share(marks)
                latest, corners, total = self.add(Label("+ ⋯ +"), gap, y, way, (latest, corners, total), more)
            share, x = self.mirror.adjoints.share(mark), self.x(mark)
            self.arrow([*self.riser(mark), (x, y - self.out * HALF)], (f"b{mark.number}", f"sum{len(self.drawing.boxes)}"), share)
            latest, corners, total = self.add(Label("+"), x, y, way, (latest, corners, total), share)
        steps = [p for (_, column), p in self.places.items() if isinstance(column, int)] or list(self.places.values())
        edges = [p.right if way > 0 else p.x for p in steps] + [self.x(marks[-1]) + way * HALF]
        end = (max if way > 0 else min)(edges) + way * MARGIN
        wide = style.label_width(label, None) + 11.0
        gradient = f"gradient{marks[0].number}"
        self.arrow([*corners, (end, y)], (latest, gradient), total)
        tip = f"{label.title(None)}: the sum of {self.mirror.adjoints.terms(marks[0].node)} shares{_size(total)}"
        place = end + way * wide / 2, y, wide, style.HEIGHT
        self.drawing.boxes.append(Box(*place, "gradient of parameter", label, tip=tip, name=gradient))

    def add(self, label: Label, x: float, y: float, way: int, so_far: tuple[str, list[Point], Any], share: Any) -> tuple:
        """A "+" on a rail: what comes from there, and all that has been added up with it."""
        latest, corners, total = so_far
        total = None if total is None or share is None else total + share
        plus, half = f"sum{len(self.drawing.boxes)}", max(HALF, style.label_width(label, None) / 2 + 5.0)
        self.arrow([*corners, (x - way * half, y)], (latest, plus), so_far[2])
        tip = "the shares so far, added up" + _size(total)
        self.drawing.boxes.append(Box(x, y, 2 * half, style.CIRCLE, "sum", label, tip=tip, name=plus))
        return plus, [(x + way * half, y)], total

    def gap(self, before: Mark, after: Mark) -> float | None:
        """The middle of the gap between two marks, if there are steps left out between them."""
        if before.axis != after.axis or before.axis not in self.mirror.unrolled.gaps:
            return None
        x = sum(self.mirror.unrolled.gaps[before.axis]) / 2
        return x if (self.x(before) < x) != (self.x(after) < x) else None

    def arrow(self, corners: list[Point], ends: tuple[str, str], gradient: Any) -> None:
        stroke = BETWEEN if gradient is None else self.mirror.stroke(backend.norm(gradient), between=True)
        self.drawing.arrows.append(Arrow(curve.rounded(corners), stroke, _size(gradient), ends))


def _size(gradient: Any) -> str:
    return "" if gradient is None else f"  ·  ‖·‖ = {backend.norm(gradient):.3g}"
