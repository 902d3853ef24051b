"""The house style: Okabe and Ito's colours, a shape to double every colour, and the size of labels."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from . import notation
from .picture import Label, Mark


class Look(NamedTuple):
    """A shape (round, square, ellipse, circle, dot), its line and its fill, and what the legend calls it."""

    shape: str
    line: str
    fill: str
    legend: str


ROLES = {
    "input": Look("ellipse", "#000000", "#FFFFFF", "input"),
    "parameter": Look("square", "#009E73", "#DFF2EA", "parameter"),
    "arithmetic": Look("circle", "#4D4D4D", "#F2F2F2", "arithmetic"),
    "activation": Look("round", "#E69F00", "#FBE9C6", "function"),
    "gate": Look("square", "#E69F00", "#FBE9C6", "gate"),
    "module": Look("round", "#4D4D4D", "#FFFFFF", "module"),
    "value": Look("round", "#4D4D4D", "#F2F2F2", "value"),
    "state": Look("round", "#0072B2", "#D6E8F5", "state"),
    "loss": Look("ellipse", "#D55E00", "#F9DCCB", "loss"),
    "copy": Look("dot", "#4D4D4D", "#4D4D4D", "copies"),
    "gradient": Look("round", "#CC79A7", "#F7E6EF", "gradient δ· = ∂L/∂·"),
    "sum": Look("circle", "#CC79A7", "#F7E6EF", "gradients added up"),
    "copy of gradient": Look("dot", "#CC79A7", "#CC79A7", "gradient copied"),
    "share": Look("square", "#CC79A7", "#F7E6EF", "share Δ· of one step"),
    "gradient of parameter": Look("square", "#CC79A7", "#FFFFFF", "∂L/∂· of a parameter"),
    "bend": Look("dot", "#4D4D4D", "#4D4D4D", ""),  # a line passes: it is not drawn
    "delay": Look("square", "#0072B2", "#FFFFFF", "delay by a step"),
}
INK, PALE, FRAME, PAPER, CAPTION = "#4D4D4D", "#A6A6A6", "#BBBBBB", "#FAFAFA", "#666666"
GRADIENT, ALARM = "#CC79A7", "#D55E00"


class Stroke(NamedTuple):
    """The colour, the width and the dashes (a key of `DASHES`) of an arrow."""

    color: str
    width: float
    dash: str = ""


DASHES = {"": (), "dashed": (4.0, 2.5), "dotted": (1.0, 2.5), "dash-dotted": (6.0, 2.0, 1.0, 2.0)}  # strokes and gaps in turns

ARROWS = {
    "plain": Stroke(INK, 0.9),
    "parameter": Stroke("#009E73", 0.9),
    "recurrent": Stroke("#0072B2", 1.5),
    "total": Stroke("#D55E00", 0.9),
    "detached": Stroke(PALE, 0.9, "dotted"),
    "severed": Stroke("#0072B2", 1.5, "dotted"),
}

FONT, FONT_SIZE, SUB_SIZE, ROW_SIZE = "Helvetica, Arial, 'Liberation Sans', sans-serif", 10.0, 7.5, 7.0
HEIGHT, CIRCLE, DOT, ROW = 19.0, 16.0, 4.5, 9.0  # of a box, of a circle, of a dot, and of each further line in a box
ARROW_LENGTH, ARROW_WIDTH = 5.5, 4.0

_WIDTHS = {"ijl.,:;|!'ℓ′": 0.29, "frt()[]/- ": 0.33, "mMW@⋯": 0.89, "w…": 0.75, "+−×÷=": 0.58}  # of Helvetica, in em
_FIRST_EMOJI = "\U0001f000"
_WIDTH = {char: width for chars, width in _WIDTHS.items() for char in chars}


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """How wide Helvetica sets a text; close enough to centre a label without asking a font."""
    return size * sum(map(_char_width, text))


@lru_cache(maxsize=4096)
def _char_width(char: str) -> float:
    """In em."""
    if char in _WIDTH:
        return _WIDTH[char]
    columns = notation.columns(char)
    if columns == 1:
        return 0.69 if char.isupper() else 0.56
    return columns * (0.65 if char >= _FIRST_EMOJI else 0.5)


def label_width(label: Label, time: int | None) -> float:
    """The width of a label with its subscript."""
    return text_width(label.text) + text_width(label.subscript(time), SUB_SIZE)


def head_width(line: float) -> float:
    """The width of an arrow head, for the width of its line."""
    return ARROW_WIDTH + 0.8 * max(0.0, line - 1.0)


def size(mark: Mark) -> tuple[float, float]:
    """The width and the height of a mark, in points; it has room for what meets it on the way back."""
    wide, high = _own_size(mark)
    if mark.back is None:
        return wide, high
    back_wide, back_high = _own_size(mark.back)
    return max(wide, back_wide), max(high, back_high)


def _own_size(mark: Mark) -> tuple[float, float]:
    shape, wide = ROLES[mark.role].shape, label_width(mark.label, mark.time)
    if shape in ("circle", "dot"):  # a dot is small, but it meets a circle
        return max(CIRCLE, wide + (4.0 if len(mark.label.text) < 2 else 9.0)), CIRCLE
    if mark.role == "module":
        return max(60.0, wide + 24.0), 34.0
    wide = max(27.0, wide + (14.0 if shape == "ellipse" else 11.0))
    rows = max((text_width(row, ROW_SIZE) + 9.0 for row in mark.rows), default=0.0)
    if shape == "ellipse" and mark.rows:  # the corners of an ellipse are cut off
        return max(wide, 1.4 * rows), HEIGHT + (ROW + 3.0) * len(mark.rows)
    return max(wide, rows), HEIGHT + ROW * len(mark.rows)
