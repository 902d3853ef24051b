"""A drawing as the page wants it: marks and links with whole numbers for coordinates, y downwards."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from ...tape import Graph, Node
from .. import style
from ..curve import Point, shortened
from ..drawing import Arrow, Box, Drawing
from ..flow import DEAD, EXPLODING, NOT_FINITE
from ..picture import Link, Mark, Picture
from .numbers import Json

UNIT = 10  # whole numbers are tenths of a point
_SHOWN = re.compile(r"(m|b|sum|gradient)\d+")
_FLOW = {DEAD: "zero", EXPLODING: "alarm", NOT_FINITE: "lost"}


def scene(picture: Picture, drawing: Drawing, **kind: Any) -> Json:
    """All that is drawn, and which recorded operations it shows.

    Parameters
    ----------
    picture, drawing
        A box is called after the mark that it shows: m7; what meets that mark in the backward pass is called b7, the whole
        gradient of a weight gradient7, and a sum of some of its shares sum and any number.
    **kind
        What tells this scene from others: its level, whether it is folded.
    """
    x0, y0, x1, y1 = drawing.bounds(pad=10.0)
    paper = _Paper(x0, y1)
    boxes = [box for box in drawing.boxes if _SHOWN.fullmatch(box.name)]
    marks = _Marks(picture, drawing, paper)
    return {
        **kind,
        "size": paper.lengths(x1 - x0, y1 - y0),
        "marks": [marks.mark(box) for box in boxes],
        "links": _links(picture, drawing, paper, {box.name: number for number, box in enumerate(boxes)}),
        "cuts": [paper.path(arrow) for arrow in drawing.arrows if not arrow.ends],
        "frames": [
            [*paper.at((f.x0, f.y1)), *paper.lengths(f.x1 - f.x0, f.y1 - f.y0), f.fill != style.PAPER] for f in drawing.frames
        ],
        "texts": [[*paper.at((t.x, t.y)), t.text, t.sub, t.anchor, t.size] for t in drawing.texts],
    }


def nodes_of(graph: Graph, pictures: Iterable[Picture]) -> list[Node]:
    """The nodes of a graph that are drawn, oldest first; in a picture of both passes they have the same numbers."""
    return [graph.nodes[index] for index in sorted({mark.node.index for picture in pictures for mark in picture.marks})]


class _Marks:
    """The boxes of a drawing, each with what it shows and when that is known."""

    def __init__(self, picture: Picture, drawing: Drawing, paper: _Paper) -> None:
        self.marks, self.paper = picture.marks, paper
        self.kin: dict[tuple, int] = {}
        self.readers: dict[Mark, list[int]] = defaultdict(list)
        for link in picture.links:
            self.readers[link.tail.copy_of or link.tail] += [reader.index for _, reader in link.uses]
        self.added: dict[str, list[str]] = defaultdict(list)  # what is added up in a sum
        for arrow in drawing.arrows:
            if arrow.ends and arrow.ends[1].startswith("sum"):
                self.added[arrow.ends[1]].append(arrow.ends[0])

    def mark(self, box: Box) -> list:
        """Node, place, size, role, label, kin (equal numbers are the same thing at different steps), inside, passed.

        Passed is None in the forward pass; in the backward pass it is the operation with which the gradient is known, or −1
        if that is known at the end only.
        """
        mark = self.shown(box.name)
        kind = box.name.rstrip("0123456789")
        alike = self.kin.setdefault((kind, mark.slot), len(self.kin))
        inside = sorted({part.node.index for part in mark.inside if part.node.op})
        place = [*self.paper.at((box.x, box.y)), *self.paper.lengths(box.width, box.height)]
        label = box.label.text, box.label.subscript(box.time)
        return [mark.node.index, *place, box.role, *label, alike, inside, self.passed(box.name)]

    def shown(self, name: str) -> Mark:
        """The mark that a box belongs to; a sum belongs to the share that it adds."""
        while name.startswith("sum"):
            name = self.added[name][-1]
        return self.marks[int(name.lstrip("bgradientm"))]

    def passed(self, name: str) -> int | None:
        if name.startswith("m"):
            return None
        if name.startswith("gradient"):
            return -1
        if name.startswith("sum"):
            parts = [known for part in self.added[name] if (known := self.passed(part)) is not None]
            return min(parts) if len(parts) > 1 else self.before_next(name)
        mark = self.shown(name)
        return min(self.readers[mark], default=-1) if mark.node.op is None else mark.node.index

    def before_next(self, name: str) -> int:
        """Of a sum over steps that are not drawn: it is known before the next share is."""
        others = [part for parts in self.added.values() if name in parts for part in parts if part != name]
        return (self.passed(others[0]) or 0) + 1 if others else -1


def _links(picture: Picture, drawing: Drawing, paper: _Paper, number: dict[str, int]) -> list[Json]:
    """Each arrow with the recorded uses that it stands for and, if a gradient is drawn beside it, the way back."""
    links: dict[tuple[str, str], list[Link]] = defaultdict(list)
    for link in picture.links:
        links[f"m{link.tail.number}", f"m{link.head.number}"].append(link)
    backs: dict[tuple[str, str], list[Arrow]] = defaultdict(list)
    ahead = []
    for arrow in drawing.arrows:
        if arrow.ends and arrow.ends[::-1] in links:
            backs[arrow.ends[::-1]].append(arrow)
        elif arrow.ends:
            ahead.append(arrow)
    drawn = []
    for arrow in ahead:
        tail, head = ends = arrow.ends or ("", "")
        entry: Json = {"from": number[tail], "to": number[head], "path": paper.path(arrow)}
        found = links[ends].pop(0) if links.get(ends) else None
        entry["kind"] = found.kind if found else _kind(arrow)
        entry["uses"] = [[argument.index, reader.index] for argument, reader in found.uses] if found else []
        if not arrow.head:
            entry["headless"] = True
        if found and not found.detached and backs[ends]:
            back = backs[ends].pop(0)
            entry |= {"back": paper.path(back), "flow": _FLOW.get(back.stroke, "gradient"), "width": round(back.stroke.width, 2)}
        drawn.append(entry)
    return drawn


def _kind(arrow: Arrow) -> str:
    """Of an arrow that is no link of the picture: it belongs to the backward pass, or runs on behind a bend."""
    looks = {(stroke.color, stroke.width): kind for kind, stroke in reversed(style.ARROWS.items())}
    return looks.get((arrow.stroke.color, arrow.stroke.width), "backward")


class _Paper:
    """Whole coordinates from the upper left corner."""

    def __init__(self, left: float, top: float) -> None:
        self.left, self.top = left, top

    def at(self, point: Point) -> tuple[int, int]:
        return round((point[0] - self.left) * UNIT), round((self.top - point[1]) * UNIT)

    def lengths(self, *lengths: float) -> list[int]:
        return [round(length * UNIT) for length in lengths]

    def path(self, arrow: Arrow) -> list[int]:
        """Its points, each as the way from the one before; with a head, the last one is the tip, that before it the neck."""
        flat: list[int] = []
        x0, y0 = 0, 0
        for point in [*shortened(arrow.chain, style.ARROW_LENGTH), arrow.chain[-1]] if arrow.head else arrow.chain:
            x, y = self.at(point)
            flat += x - x0, y - y0
            x0, y0 = x, y
        return flat
