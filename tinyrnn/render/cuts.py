"""Truncated backpropagation: where a history was cut, the arrow from step to step is drawn severed, two strokes across it.

The state itself is carried on; what stops there is its gradient.
"""

from __future__ import annotations

from . import style
from .curve import Chain, Point, distance
from .drawing import Arrow, Drawing
from .style import Stroke

STROKE = Stroke(style.ALARM, 1.3)
HALF, APART, ROOM = 5.0, 4.0, 14.0  # half the length of a stroke, from one to the other, and the line that they need


def draw(drawing: Drawing) -> None:
    """Draw a cut across every severed arrow."""
    for arrow in [arrow for arrow in drawing.arrows if arrow.stroke == style.ARROWS["severed"]]:
        drawing.arrows += strokes(arrow.chain)


def strokes(chain: Chain) -> list[Arrow]:
    """Two strokes across a line: its longest upright piece, which lies between the steps, or else its longest piece."""
    ends = [(chain[i], chain[i + 3]) for i in range(0, len(chain) - 3, 3)]
    upright = [(a, b) for a, b in ends if abs(a[0] - b[0]) < 0.5 and distance(a, b) > ROOM]
    (x0, y0), (x1, y1) = max(upright or ends, key=lambda piece: distance(*piece))
    length = distance((x0, y0), (x1, y1)) or 1.0
    along = (x1 - x0) / length, (y1 - y0) / length
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    return [_stroke(middle, along, side * APART / 2) for side in (-1, 1)]


def _stroke(middle: Point, along: Point, shift: float) -> Arrow:
    (x, y), (dx, dy) = middle, along
    x, y = x + shift * dx, y + shift * dy
    lean_x, lean_y = 0.4 * dx - 0.9 * dy, 0.4 * dy + 0.9 * dx  # steeply across
    low, high = (x - HALF * lean_x, y - HALF * lean_y), (x + HALF * lean_x, y + HALF * lean_y)
    return Arrow([low, low, high, high], STROKE, "the history is cut here: no gradient flows on", head=False)
