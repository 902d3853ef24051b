"""The outlines of nodes, at which arrows begin and end."""

from __future__ import annotations

from typing import NamedTuple

from ..curve import Chain, Point, first_part, point


class Outline(NamedTuple):
    """A box with rounded corners, or (radius None) an ellipse."""

    width: float
    height: float
    radius: float | None = 0.0

    def holds(self, x: float, y: float) -> bool:
        """Is a point, seen from the centre, inside?"""
        wide, high = self.width / 2, self.height / 2
        if self.radius is None:
            return (x / wide) ** 2 + (y / high) ** 2 < 1.0
        dx, dy = abs(x) - wide, abs(y) - high
        if dx >= 0 or dy >= 0:
            return False
        dx, dy = dx + self.radius, dy + self.radius
        return dx <= 0 or dy <= 0 or dx * dx + dy * dy < self.radius * self.radius

    def clipped(self, chain: Chain, centre: Point) -> Chain:
        """A chain that ends in the centre, up to where it meets the outline."""
        last, low, high = chain[-4:], 0.0, 1.0
        for _ in range(20):
            middle = (low + high) / 2
            x, y = point(last, middle)
            if self.holds(x - centre[0], y - centre[1]):
                high = middle
            else:
                low = middle
        return chain[:-4] + first_part(last, low)
