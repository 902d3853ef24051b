"""A drawing as SVG, straight from its coordinates: no Graphviz, no font files."""

from __future__ import annotations

from html import escape

from . import style
from .curve import Point, shortened
from .drawing import Arrow, Box, Drawing, Frame, Text
from .notation import printable

_DASHES = {"": "", "dashed": ' stroke-dasharray="4 2.5"', "dotted": ' stroke-dasharray="1 2.5"'}
PAD = 8.0


def write_svg(drawing: Drawing) -> str:
    """The SVG text of a drawing."""
    x0, y0, x1, y1 = drawing.bounds(PAD)
    paper = _Paper(x0, y1)
    size = f'width="{x1 - x0:.0f}pt" height="{y1 - y0:.0f}pt" viewBox="0 0 {x1 - x0:.1f} {y1 - y0:.1f}"'
    font = f'font-family="{style.FONT}" font-size="{style.FONT_SIZE:g}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>']
    if drawing.background is not None:
        parts.append(f'<rect width="100%" height="100%" fill="{escape(drawing.background)}"/>')
    parts += [paper.frame(f) for f in drawing.frames]
    parts += [paper.arrow(a) for a in drawing.arrows]
    parts += [paper.box(b) for b in drawing.boxes]
    parts += [paper.text(t) for t in drawing.texts]
    return "\n".join([*parts, "</svg>\n"])


class _Paper:
    """Writes shapes onto a page whose y points down, as SVG's does, while ours points up."""

    def __init__(self, left: float, top: float) -> None:
        self.left, self.top = left, top

    def at(self, point: Point) -> str:
        return f"{point[0] - self.left:.1f},{self.top - point[1]:.1f}"

    def xy(self, x: float, y: float, prefix: str = "") -> str:
        return f'{prefix}x="{x - self.left:.1f}" {prefix}y="{self.top - y:.1f}"'

    def frame(self, f: Frame) -> str:
        size = f'width="{f.x1 - f.x0:.1f}" height="{f.y1 - f.y0:.1f}"'
        return f'<rect {self.xy(f.x0, f.y1)} {size} rx="8" fill="{f.fill}" stroke="{style.FRAME}" stroke-width="0.9"/>'

    def arrow(self, a: Arrow) -> str:
        body = shortened(a.chain, style.ARROW_LENGTH)
        head = self.head(a.chain[-1], body[-1], a)
        line = body[::-1] if a.from_tip else body
        path = f"M{self.at(line[0])}C" + " ".join(map(self.at, line[1:]))
        look = f'stroke="{a.stroke.color}" stroke-width="{a.stroke.width:.2f}"{_DASHES[a.stroke.dash]}'
        drawn = f'<path d="{path}" fill="none" {look}/>{head}'
        return f"<g>{_tip(a.tip)}{drawn}</g>" if a.tip else drawn

    def head(self, tip: Point, neck: Point, a: Arrow) -> str:
        (x1, y1), (x0, y0) = tip, neck
        wide = (style.ARROW_WIDTH + 0.8 * max(0.0, a.stroke.width - 1.0)) / 2 / style.ARROW_LENGTH
        dx, dy = (x1 - x0) * wide, (y1 - y0) * wide
        corners = [(x1, y1), (x0 - dy, y0 + dx), (x0 + dy, y0 - dx)]
        return f'<polygon points="{" ".join(map(self.at, corners))}" fill="{a.stroke.color}"/>'

    def box(self, b: Box) -> str:
        look = style.ROLES[b.role]
        paint = f'fill="{look.fill}" stroke="{look.line}" stroke-width="0.8"'
        if look.shape == "ellipse":
            body = f'<ellipse {self.xy(b.x, b.y, "c")} rx="{b.width / 2:.1f}" ry="{b.height / 2:.1f}" {paint}/>'
        else:
            radius = {"round": 5.0, "square": 0.0, "circle": b.height / 2}[look.shape]
            size = f'width="{b.width:.1f}" height="{b.height:.1f}" rx="{radius:g}"'
            body = f"<rect {self.xy(b.x - b.width / 2, b.y + b.height / 2)} {size} {paint}/>"
        return f"<g>{_tip(b.tip)}{body}{self.label(b)}{self.rows(b)}</g>"

    def label(self, b: Box) -> str:
        if not b.label.text:
            return ""
        below = b.label.subscript(b.time)
        sub = f'<tspan dy="2.5" font-size="{style.SUB_SIZE:g}">{_text(below)}</tspan>' if below else ""
        return f'<text {self.xy(b.x, self.baseline(b))} text-anchor="middle">{_text(b.label.text)}{sub}</text>'

    @staticmethod
    def baseline(b: Box) -> float:
        """Where its label stands, so that label and rows together are in the middle."""
        return b.y - 3.4 + style.ROW / 2 * len(b.rows)

    def rows(self, b: Box) -> str:
        heights = [self.baseline(b) - style.ROW * (i + 1) - 0.6 for i in range(len(b.rows))]
        size = f'text-anchor="middle" font-size="{style.ROW_SIZE:g}"'
        return "".join(f"<text {self.xy(b.x, y)} {size}>{_text(row)}</text>" for y, row in zip(heights, b.rows))

    def text(self, t: Text) -> str:
        look = f'text-anchor="{t.anchor}" font-size="{t.size:g}" fill="{t.color}"'
        return f"<text {self.xy(t.x, t.y - t.size * 0.34)} {look}>{_text(t.text)}</text>"


def _text(text: str) -> str:
    return escape(printable(text))


def _tip(text: str) -> str:
    return f"<title>{_text(text)}</title>" if text else ""
