"""A drawing as DOT with every position pinned: `neato -n2` only has to paint it."""

from __future__ import annotations

from html import escape

from .. import style
from ..curve import Point, dashes, shortened
from ..drawing import Arrow, Box, Drawing, Frame, Text
from ..notation import printable

_SHAPES = {
    "round": 'shape=box, style="rounded,filled"',
    "square": "shape=box, style=filled",
    "ellipse": "shape=ellipse, style=filled",
    "circle": "shape=circle, style=filled",
    "dot": "shape=circle, style=filled",
}
_FONT = '"' + style.FONT.replace("'", "") + '"'  # a list: the name Helvetica alone is taken for that of a PostScript font
_DASH_DOTTED = "dash-dotted"  # which Graphviz does not know: it gets each stroke as a curve of its own


def write_dot(drawing: Drawing) -> str:
    """The DOT text of a drawing; what neato needs not be told, it is not."""
    paper = f"bgcolor={_quoted(drawing.background or 'transparent')}"
    lines = [
        "digraph {",
        f"graph [outputorder=edgesfirst, pad=0.1, splines=true, {paper}]",
        f"node [fixedsize=true, fontname={_FONT}, fontsize={style.FONT_SIZE:g}, penwidth=0.8, margin=0]",
    ]
    lines += [_frame(i, f) for i, f in enumerate(drawing.frames)]
    lines += [_box(b) for b in drawing.boxes]
    lines += [_text(f"t{i}", t) for i, t in enumerate(drawing.texts)]
    for i, arrow in enumerate(drawing.arrows):
        lines += _arrow(i, arrow)
    return "\n".join([*lines, "}\n"])


def _frame(i: int, f: Frame) -> str:
    box = f'bb="{f.x0:.1f},{f.y0:.1f},{f.x1:.1f},{f.y1:.1f}", style="rounded,filled"'
    middle = _at(((f.x0 + f.x1) / 2, (f.y0 + f.y1) / 2))
    look = f'color="{style.FRAME}", fillcolor="{f.fill}", penwidth=0.9'
    return f'subgraph cluster_{i} {{ graph [{box}, {look}] anchor{i} [style=invis, shape=point, pos="{middle}"] }}'


def _box(b: Box) -> str:
    look = style.ROLES[b.role]
    place = f'pos="{_at((b.x, b.y))}", width={b.width / 72:.3f}, height={b.height / 72:.3f}'
    shape = "round" if look.shape == "circle" and b.width > b.height else look.shape
    paint = f'{_SHAPES[shape]}, color="{look.line}", fillcolor="{look.fill}"'
    return f"{b.name} [{place}, {paint}, label={_label(b)}, tooltip={_quoted(b.tip or ' ')}]"


def _label(b: Box) -> str:
    """The label with its subscript, over the rows in smaller print."""
    if not b.label.text:
        return '""'
    below = b.label.subscript(b.time)
    label = _html(b.label.text) + _sub(below, style.SUB_SIZE)
    if not b.rows:
        return f"<{label}>"
    cells = f'<TR><TD HEIGHT="16">{label}</TD></TR>'  # Graphviz sets subscripts low
    cells += "".join(f"<TR><TD>{_sized(row, style.ROW_SIZE)}</TD></TR>" for row in b.rows)
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{cells}</TABLE>>'


def _text(name: str, t: Text) -> str:
    place = f'pos="{_at((t.left + t.width / 2, t.y))}", width={t.width / 72:.3f}, height={t.size / 72:.3f}'
    look = f'fontsize={t.size:g}, fontcolor="{t.color}", tooltip={_quoted(t.tip or " ")}'
    return f"{name} [{place}, shape=none, label=<{_html(t.text)}{_sub(t.sub, 0.75 * t.size)}>, {look}]"


def _arrow(i: int, a: Arrow) -> list[str]:
    ends, lines = a.ends, []
    if ends is None:  # it joins no marks, but Graphviz knows no line without ends
        ends = f"u{i}", f"v{i}"
        lines = [f'{end} [shape=point, style=invis, pos="{_at(p)}"]' for end, p in zip(ends, (a.chain[0], a.chain[-1]))]
    size = _head_size(a.stroke.width)
    line = shortened(a.chain, 10.0 * size) if a.head else a.chain
    broken = a.stroke.dash == _DASH_DOTTED
    curves = [" ".join(map(_at, part)) for part in (dashes(line, style.DASHES[_DASH_DOTTED]) if broken else [line])]
    if a.head:
        curves[-1] = f"e,{_at(a.chain[-1])} {curves[-1]}"
    body = ";".join(curves)
    look = f'color="{a.stroke.color}", penwidth={a.stroke.width:.2f}'
    look += f", style={a.stroke.dash}" if a.stroke.dash and not broken else ""
    look += f", arrowsize={size:.2f}" if a.head else ", arrowhead=none"
    tip = f", tooltip={_quoted(a.tip)}" if a.tip else ""
    return [*lines, f'{ends[0]} -> {ends[1]} [pos="{body}", {look}{tip}]']


def _head_size(line: float) -> float:
    """The size for a head as wide as in SVG: of size 1 it is 10 points long and 7 wide, and outlined as thickly as its line.

    The outline adds √2 times its width, nearly: (1/cos φ + tan φ), where tan φ = 0.35 is the slope of the sides.
    """
    return max(0.1, (style.head_width(line) - 1.41 * line) / 7.0)


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _html(text: str) -> str:
    """A text inside an HTML-like label."""
    return escape(printable(text), quote=False)


def _sized(text: str, size: float) -> str:
    return f'<FONT POINT-SIZE="{size:g}">{_html(text)}</FONT>'


def _sub(text: str, size: float) -> str:
    """A subscript."""
    return f"<SUB>{_sized(text, size)}</SUB>" if text else ""


def _quoted(text: str) -> str:
    """A DOT string: Graphviz reads backslashes, and HTML entities, even inside quotes, and no string of more than 16 kB."""
    return '"' + printable(text)[:2000].replace("\\", "\\\\").replace("&", "&amp;").replace('"', '\\"') + '"'
