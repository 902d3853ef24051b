"""A drawing as the page wants it: marks and links with whole numbers for coordinates, y downwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from ...tape import Node
from .. import style
from ..curve import Point, shortened
from ..drawing import Arrow, Drawing
from ..picture import Picture

UNIT = 10  # whole numbers are tenths of a point
_BACKWARD = {style.GRADIENT: "gradient", style.PALE: "zero", style.ALARM: "alarm"}

Json = dict[str, Any]


def scene(picture: Picture, drawing: Drawing, **kind: Any) -> Json:
    """All that is drawn, and which recorded operations it shows.

    Parameters
    ----------
    picture, drawing
        Boxes are called after the marks that they show.
    **kind
        What tells this scene from others: its level, whether it is folded.
    """
    x0, y0, x1, y1 = drawing.bounds(pad=10.0)
    paper = _Paper(x0, y1)
    boxes = {box.name: box for box in drawing.boxes}
    kin: dict[tuple, int] = {}
    marks = []
    for mark in picture.marks:
        box = boxes[f"m{mark.number}"]
        size = paper.lengths(box.width, box.height)
        alike = kin.setdefault(mark.slot, len(kin))
        label = mark.label.text, mark.label.subscript(mark.time)
        inside = sorted({part.node.index for part in mark.inside if part.node.op})
        marks.append([mark.node.index, *paper.at((box.x, box.y)), *size, mark.role, *label, alike, inside])
    return {
        **kind,
        "size": paper.lengths(x1 - x0, y1 - y0),
        "marks": marks,
        "links": _links(picture, drawing, paper),
        "frames": [
            [*paper.at((f.x0, f.y1)), *paper.lengths(f.x1 - f.x0, f.y1 - f.y0), f.fill != style.PAPER] for f in drawing.frames
        ],
        "texts": [[*paper.at((t.x, t.y)), t.text, t.anchor, t.size] for t in drawing.texts],
    }


def _links(picture: Picture, drawing: Drawing, paper: _Paper) -> list[Json]:
    """Each link with its way forward and, if a gradient flows, its way back."""
    ways: dict[tuple[str, str], list[Arrow]] = defaultdict(list)
    for arrow in drawing.arrows:
        if arrow.ends:
            ways[arrow.ends].append(arrow)
    links = []
    for link in picture.links:
        tail, head = f"m{link.tail.number}", f"m{link.head.number}"
        drawn: Json = {"from": link.tail.number, "to": link.head.number, "kind": link.kind}
        drawn["path"] = paper.path(ways[tail, head].pop(0))
        drawn["uses"] = [[argument.index, reader.index] for argument, reader in link.uses]
        if not link.detached and ways[head, tail]:
            back = ways[head, tail].pop(0)
            width = round(back.stroke.width, 2)
            drawn |= {"back": paper.path(back), "flow": _BACKWARD[back.stroke.color], "width": width}
        links.append(drawn)
    return links


def nodes_of(pictures: Iterable[Picture]) -> list[Node]:
    """The recorded operations and leaves that are drawn, oldest first."""
    return sorted({mark.node for picture in pictures for mark in picture.marks}, key=lambda node: node.index)


class _Paper:
    """Whole coordinates from the upper left corner."""

    def __init__(self, left: float, top: float) -> None:
        self.left, self.top = left, top

    def at(self, point: Point) -> tuple[int, int]:
        return round((point[0] - self.left) * UNIT), round((self.top - point[1]) * UNIT)

    def lengths(self, *lengths: float) -> list[int]:
        return [round(length * UNIT) for length in lengths]

    def path(self, arrow: Arrow) -> list[int]:
        """Its points, each as the way from the one before; the last one is the tip, that before it the neck."""
        flat: list[int] = []
        x0, y0 = 0, 0
        for point in [*shortened(arrow.chain, style.ARROW_LENGTH), arrow.chain[-1]]:
            x, y = self.at(point)
            flat += x - x0, y - y0
            x0, y0 = x, y
        return flat
