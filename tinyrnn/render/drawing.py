"""A finished drawing: shapes with coordinates (in points, y upwards), ready for any writer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .curve import Chain, moved
from .picture import Label
from .style import CAPTION, Stroke, text_width


class Box(NamedTuple):
    """A mark in its place: centre and size."""

    x: float
    y: float
    width: float
    height: float
    role: str
    label: Label = Label("")
    time: int | None = None
    rows: tuple[str, ...] = ()
    tip: str = ""
    name: str = ""


class Arrow(NamedTuple):
    """A line from the first point of its chain to the tip, which is the last one.

    The dashes of arrows that run together must coincide: they are counted from the end at which these come together.
    """

    chain: Chain
    stroke: Stroke
    tip: str = ""
    ends: tuple[str, str] | None = None  # the names of the boxes that it joins
    from_tip: bool = False  # are its dashes counted from the tip?
    head: bool = True  # does its tip have an arrow head?


class Frame(NamedTuple):
    """A rounded rectangle behind everything else."""

    x0: float
    y0: float
    x1: float
    y1: float
    fill: str


class Text(NamedTuple):
    """A text by the middle of its height, and by its start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "middle"
    size: float = 10.0
    color: str = CAPTION
    sub: str = ""  # a subscript
    tip: str = ""

    @property
    def left(self) -> float:
        return self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * self.width

    @property
    def width(self) -> float:
        """Generously: where there is no Helvetica, another font stands in for it."""
        return 1.1 * (text_width(self.text, self.size) + text_width(self.sub, 0.75 * self.size))


@dataclass
class Drawing:
    """All shapes of a picture, what lies behind first, on a ground of a colour, or (None) a transparent one."""

    background: str | None = "white"
    frames: list[Frame] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def clear(self) -> None:
        """Take all shapes away."""
        self.frames, self.arrows, self.boxes, self.texts = [], [], [], []

    def add(self, other: Drawing) -> None:
        """Lay another drawing over this one."""
        self.frames += other.frames
        self.arrows += other.arrows
        self.boxes += other.boxes
        self.texts += other.texts

    def beside(self, other: Drawing, gap: float) -> Drawing:
        """This drawing, and to the right of it the other one, at its height."""
        shift = self.bounds()[2] + gap - other.bounds()[0]
        return Drawing(
            self.background,
            self.frames + [f._replace(x0=f.x0 + shift, x1=f.x1 + shift) for f in other.frames],
            self.arrows + [a._replace(chain=moved(a.chain, shift)) for a in other.arrows],
            self.boxes + [b._replace(x=b.x + shift) for b in other.boxes],
            self.texts + [t._replace(x=t.x + shift) for t in other.texts],
        )

    def bounds(self, pad: float = 0.0) -> tuple[float, float, float, float]:
        """The rectangle (x0, y0, x1, y1) that holds everything, with `pad` points around it."""
        xs = [x for a in self.arrows for x, _ in a.chain]
        ys = [y for a in self.arrows for _, y in a.chain]
        for f in self.frames:
            xs += f.x0, f.x1
            ys += f.y0, f.y1
        for b in self.boxes:
            xs += b.x - b.width / 2, b.x + b.width / 2
            ys += b.y - b.height / 2, b.y + b.height / 2
        for t in self.texts:
            xs += t.left, t.left + t.width
            ys += t.y - t.size / 2, t.y + t.size / 2
        return min(xs) - pad, min(ys) - pad, max(xs) + pad, max(ys) + pad
