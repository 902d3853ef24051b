"""Where lines meet: in the middle of a dot, without a head; and at a bend, which nobody sees, they are one line."""

from __future__ import annotations

from .. import curve, style
from ..drawing import Arrow, Box, Drawing


def join(drawing: Drawing) -> None:
    """Lead the arrows of a drawing into its dots, and through its bends."""
    boxes = {box.name: box for box in drawing.boxes}
    arrows = [_reaching(arrow, boxes) for arrow in drawing.arrows]
    onward = {arrow.ends[0]: arrow for arrow in arrows if arrow.ends and _bends(boxes[arrow.ends[0]])}
    drawing.arrows = [_led_on(arrow, onward, boxes) for arrow in arrows if not arrow.ends or not _bends(boxes[arrow.ends[0]])]
    drawing.boxes = [
        box._replace(width=style.DOT, height=style.DOT) if style.ROLES[box.role].shape == "dot" else box
        for box in drawing.boxes
        if not _bends(box)
    ]


def _bends(box: Box) -> bool:
    return box.role == "bend"


def _reaching(arrow: Arrow, boxes: dict[str, Box]) -> Arrow:
    """The arrow, led on to the middle of the dots at its ends."""
    if not arrow.ends:
        return arrow
    tail, head = (boxes[name] for name in arrow.ends)
    chain = arrow.chain
    if style.ROLES[tail.role].shape == "dot":
        chain = curve.reaching(chain[::-1], (tail.x, tail.y))[::-1]
    if style.ROLES[head.role].shape == "dot":
        return arrow._replace(chain=curve.reaching(chain, (head.x, head.y)), head=False)
    return arrow._replace(chain=chain)


def _led_on(arrow: Arrow, onward: dict[str, Arrow], boxes: dict[str, Box]) -> Arrow:
    """The arrow and what goes on from the bend that it leads to, as one."""
    while arrow.ends and _bends(boxes[arrow.ends[1]]):
        rest = onward[arrow.ends[1]]
        arrow = rest._replace(chain=[*arrow.chain, *rest.chain[1:]], ends=(arrow.ends[0], rest.ends[1]))  # type: ignore[index]
    return arrow
