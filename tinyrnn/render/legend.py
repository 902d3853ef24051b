"""The legend: what occurs in a drawing, and nothing else."""

from __future__ import annotations

from typing import NamedTuple

from . import curve, cuts
from .drawing import Arrow, Box, Drawing, Text
from .style import ARROWS, DOT, ROLES, Stroke, text_width

SIZE, SAMPLE, LINE, GAP = 8.0, 22.0, 17.0, 16.0  # of the text, of a sample, from row to row, between two entries


_LINES = {
    ARROWS["recurrent"]: "to another step",
    ARROWS["recurrent"]._replace(dash="dashed"): "over the steps left out",
    ARROWS["plain"]._replace(dash="dash-dotted"): "at some steps only",
    ARROWS["severed"]: "history cut: no gradient flows on",
    ARROWS["detached"]: "detached: no gradient",
}


class Sample(NamedTuple):
    """An entry: a text behind a small mark, behind a small arrow, or alone as a title."""

    text: str
    role: str | None = None
    stroke: Stroke | None = None

    @property
    def width(self) -> float:
        return text_width(self.text, SIZE) + (SAMPLE + 5.0 if self.role or self.stroke else 0.0)


def roles(drawing: Drawing) -> list[Sample]:
    """The kinds of marks that occur, and of arrows that need a word."""
    found = {box.role for box in drawing.boxes}
    samples = [Sample(look.legend, role=role) for role, look in ROLES.items() if role in found]
    strokes = {arrow.stroke for arrow in drawing.arrows}
    strokes |= {ARROWS["plain"]._replace(dash=stroke.dash) for stroke in strokes if stroke.dash == "dash-dotted"}
    samples += [Sample(text, stroke=stroke) for stroke, text in _LINES.items() if stroke in strokes]
    normed = any(row.startswith("‖·‖") for box in drawing.boxes for row in box.rows)
    return samples + [Sample("‖·‖  norm of many numbers")] * normed


def draw(drawing: Drawing, *groups: list[Sample]) -> None:
    """Write the entries below a drawing, each group in lines of its own, none wider than the drawing."""
    left, y, right, _ = drawing.bounds()
    right = max(right, left + 250.0)
    y -= 4.0
    for group in groups:
        x = left
        for sample in group:
            if x == left or x + sample.width > right:
                x, y = left, y - LINE
            _entry(drawing, sample, x, y)
            x += sample.width + GAP


def _entry(drawing: Drawing, sample: Sample, x: float, y: float) -> None:
    if sample.role:
        wide, high = {"circle": (11.0, 11.0), "dot": (DOT, DOT)}.get(ROLES[sample.role].shape, (SAMPLE - 2.0, 11.0))
        drawing.boxes.append(Box(x + SAMPLE / 2, y, wide, high, sample.role, name=f"legend{len(drawing.boxes)}"))
    elif sample.stroke:
        line = curve.rounded([(x, y), (x + SAMPLE, y)] if sample.stroke in _LINES else [(x + SAMPLE, y), (x, y)])
        drawing.arrows.append(Arrow(line, sample.stroke))
        if sample.stroke == ARROWS["severed"]:
            drawing.arrows += cuts.strokes(line)
    drawing.texts.append(Text(x + (SAMPLE + 5.0 if sample.role or sample.stroke else 0.0), y, sample.text, "start", SIZE))
