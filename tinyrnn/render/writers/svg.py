"""A drawing as SVG, straight from its coordinates: no Graphviz, no font files.

What looks alike stands in a group that says how, and arrows of one shape are worked out once: so the text stays small, and
needs no classes and no ids, which could clash with those of another picture on the same page.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from itertools import groupby, pairwise

from .. import style
from ..curve import Chain, Point, is_straight, shortened
from ..drawing import Arrow, Box, Drawing, Frame, Text
from ..notation import printable

_DASHES = {
    name: f' stroke-dasharray="{" ".join(f"{length:g}" for length in lengths)}"' if lengths else ""
    for name, lengths in style.DASHES.items()
}
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
    for (color, width, dash), arrows in groupby(drawing.arrows, lambda a: a.stroke):
        parts.append(f'<g stroke="{color}" fill="{color}" stroke-width="{_number(width, 2)}"{_DASHES[dash]}>')
        parts += [*map(paper.arrow, arrows), "</g>"]
    for role, boxes in groupby(sorted(drawing.boxes, key=lambda b: b.role), lambda b: b.role):
        look = style.ROLES[role]
        parts.append(f'<g fill="{look.fill}" stroke="{look.line}" stroke-width="0.8" text-anchor="middle">')
        parts += [*map(paper.box, boxes), "</g>"]
    parts += [paper.text(t) for t in drawing.texts]
    return "\n".join([*parts, "</svg>\n"])


class _Paper:
    """Writes shapes onto a page whose y points down, as SVG's does, while ours points up."""

    def __init__(self, left: float, top: float) -> None:
        self.left, self.top = left, top

    def at(self, x: float, y: float) -> str:
        return f"{_number(x - self.left)},{_number(self.top - y)}"

    def xy(self, x: float, y: float, prefix: str = "") -> str:
        return f'{prefix}x="{_number(x - self.left)}" {prefix}y="{_number(self.top - y)}"'

    def frame(self, f: Frame) -> str:
        size = f'width="{_number(f.x1 - f.x0)}" height="{_number(f.y1 - f.y0)}"'
        return f'<rect {self.xy(f.x0, f.y1)} {size} rx="8" fill="{f.fill}" stroke="{style.FRAME}" stroke-width="0.9"/>'

    def arrow(self, a: Arrow) -> str:
        x, y = a.chain[0]
        shape = tuple((round(px - x, 1), round(py - y, 1)) for px, py in a.chain)
        (dx, dy), line, (tx, ty), head = _shape(shape, a.stroke.width, a.from_tip, a.head)
        drawn = f'<path d="M{self.at(x + dx, y + dy)}{line}" fill="none"/>'
        if a.head:
            drawn += f'<path d="M{self.at(x + tx, y + ty)}{head}" stroke="none"/>'
        return f"<g>{_tip(a.tip)}{drawn}</g>" if a.tip else drawn

    def box(self, b: Box) -> str:
        shape = style.ROLES[b.role].shape
        if shape == "ellipse":
            body = f'<ellipse {self.xy(b.x, b.y, "c")} rx="{_number(b.width / 2)}" ry="{_number(b.height / 2)}"/>'
        else:
            radius = {"round": ' rx="5"', "square": ""}.get(shape, f' rx="{_number(b.height / 2)}"')
            size = f'width="{_number(b.width)}" height="{_number(b.height)}"{radius}'
            body = f"<rect {self.xy(b.x - b.width / 2, b.y + b.height / 2)} {size}/>"
        return f"<g>{_tip(b.tip)}{body}{self.label(b)}{self.rows(b)}</g>"

    def label(self, b: Box) -> str:
        if not b.label.text:
            return ""
        sub = _sub(b.label.subscript(b.time), style.SUB_SIZE)
        return f'<text {self.xy(b.x, self.baseline(b))} fill="#000" stroke="none">{_text(b.label.text)}{sub}</text>'

    @staticmethod
    def baseline(b: Box) -> float:
        """Where its label stands, so that label and rows together are in the middle."""
        return b.y - 3.4 + style.ROW / 2 * len(b.rows)

    def rows(self, b: Box) -> str:
        heights = [self.baseline(b) - style.ROW * (i + 1) - 0.6 for i in range(len(b.rows))]
        look = f'fill="#000" stroke="none" font-size="{style.ROW_SIZE:g}"'
        return "".join(f"<text {self.xy(b.x, y)} {look}>{_text(row)}</text>" for y, row in zip(heights, b.rows))

    def text(self, t: Text) -> str:
        look = f'text-anchor="{t.anchor}" font-size="{t.size:g}" fill="{t.color}"'
        body = f"{_tip(t.tip)}{_text(t.text)}{_sub(t.sub, 0.75 * t.size)}"
        return f"<text {self.xy(t.x, t.y - t.size * 0.34)} {look}>{body}</text>"


@lru_cache(maxsize=4096)
def _shape(chain: tuple[Point, ...], width: float, from_tip: bool, headed: bool) -> tuple[Point, str, Point, str]:
    """The line of an arrow and its head: where each begins, and how it goes on from there."""
    body = shortened(list(chain), style.ARROW_LENGTH) if headed else list(chain)
    (x1, y1), (x0, y0) = chain[-1], body[-1]
    wide = style.head_width(width) / 2 / style.ARROW_LENGTH
    dx, dy = (x1 - x0) * wide, (y1 - y0) * wide
    corners = [(x1, y1), (x0 - dy, y0 + dx), (x0 + dy, y0 - dx)]
    head = [_offset(a, b) for a, b in pairwise(corners)]
    line = body[::-1] if from_tip else body
    return line[0], _curve(line), chain[-1], f"l{' '.join(head)}z"


def _curve(chain: Chain) -> str:
    """A chain as the commands of a path, from where it begins."""
    steps, commands, latest = chain[:1], [], ""
    for i in range(0, len(chain) - 3, 3):
        piece = chain[i : i + 4]
        command, points = ("l", piece[3:]) if is_straight(piece) else ("c", piece[1:])
        offsets = [_offset(steps[-1], p) for p in points]
        commands.append((command if command != latest else " ") + " ".join(offsets))
        steps.append(piece[3])
        latest = command
    return "".join(commands)


def _offset(a: Point, b: Point) -> str:
    """From a to b on the page; both are rounded before, so that errors do not add up."""
    return f"{_number(round(b[0], 1) - round(a[0], 1))},{_number(round(a[1], 1) - round(b[1], 1))}"


def _number(value: float, digits: int = 1) -> str:
    """A number without the zeros that it does not need."""
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if text != "-0.0" else "0"


def _sub(text: str, size: float) -> str:
    """A subscript."""
    return f'<tspan dy="2.5" font-size="{size:g}">{_text(text)}</tspan>' if text else ""


def _text(text: str) -> str:
    return escape(printable(text))


def _tip(text: str) -> str:
    return f"<title>{_text(text)}</title>" if text else ""
