"""The gradients, drawn over the forward graph: backpropagation runs every arrow the other way."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, copysign, floor, isfinite, log10

import numpy

from .. import backend
from . import curve, style
from .curve import Chain
from .drawing import Arrow, Drawing
from .legend import Sample
from .picture import AFTER, Link, Use
from .style import Stroke
from .unrolled import Unrolled

NARROW, WIDE = 0.5, 3.2  # the width of the smallest and of the largest gradient
EXPLODING = 1e3  # a gradient whose norm is above this is drawn as an alarm
GAPS, LANE = (3.0, -3.0, 1.0, -1.0), 10.0  # from an arrow to the way back beside it, the best first; in a gutter there is room
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Flow = Mapping[Use, float]


class Scale:
    """The look of a gradient's arrow: its width is linear in log₁₀ of the norm, the same in a whole drawing."""

    def __init__(self, norms: list[float]) -> None:
        self.norms = norms
        logs = [log10(norm) for norm in norms if 0 < norm <= EXPLODING] or [0.0]
        self.low, self.high = floor(min(logs)), max(ceil(max(logs)), floor(min(logs)) + 1)

    def stroke(self, norm: float) -> Stroke:
        if norm == 0.0:
            return Stroke(style.PALE, 0.8, "dotted")
        if not isfinite(norm) or norm > EXPLODING:
            return Stroke(style.ALARM, WIDE)
        return Stroke(style.GRADIENT, NARROW + (WIDE - NARROW) * (log10(norm) - self.low) / (self.high - self.low), "dashed")

    def legend(self) -> list[Sample]:
        """Three widths, and a sample of what is exactly 0 or explodes, if that occurs."""
        samples = [Sample("gradient ‖∂L/∂·‖")]
        if any(0 < norm <= EXPLODING for norm in self.norms):
            for power in dict.fromkeys((self.low, (self.low + self.high) // 2, self.high)):
                samples.append(Sample("10" + str(power).translate(_SUPERSCRIPT), stroke=self.stroke(10.0**power)))
        if not all(self.norms):
            samples.append(Sample("exactly 0", stroke=self.stroke(0.0)))
        if not all(norm <= EXPLODING for norm in self.norms):
            samples.append(Sample("above 10³, or not finite", stroke=self.stroke(float("inf"))))
        return samples


def length(array: object) -> float:
    """The norm of an array."""
    return float(numpy.linalg.norm(backend.to_host(array)))


def norm(link: Link, flow: Flow) -> float | None:
    """The norm of what flows back along an arrow; None where nothing does, which is not the same as 0."""
    if link.detached:
        return None
    if not link.uses:  # between an operation and the box with its name: all that arrives there
        gradient = (link.tail if link.head.copy_of else link.head).node.gradient
        return None if gradient is None else length(gradient)
    shares = [flow[use] for use in link.uses if use in flow]
    return float(numpy.linalg.norm(shares)) if shares else None


def norms(links: list[Link], flow: Flow) -> dict[Link, float]:
    """The norms of all arrows along which something flows back."""
    return {link: size for link in links if (size := norm(link, flow)) is not None}


def draw(drawing: Drawing, unrolled: Unrolled, flow: Flow) -> Scale:
    """Beside every forward arrow draw a dashed one that runs back, as wide as the gradient it carries."""
    flows = norms(unrolled.links, flow)
    scale = Scale(list(flows.values()))
    gaps: dict[tuple, float] = {}
    for link, size in sorted(flows.items(), key=lambda f: f[1]):  # the largest ones on top
        stroke = scale.stroke(size)
        ends = f"m{link.head.number}", f"m{link.tail.number}"
        what = f"∂L/∂{link.carries}" + (f" through {link.head.title}" if link.uses else "")
        edge = link.tail.column if isinstance(link.tail.column, str) else None, link.tail.slot, link.head.slot
        if edge not in gaps:  # the same at every step
            gaps[edge] = gap(unrolled, link)
        chain = back(unrolled.chain(link), gaps[edge], stroke.width)
        drawing.arrows.append(Arrow(chain, stroke, f"‖{what}‖ = {size:.3g}", ends, from_tip=unrolled.bus(link) != AFTER))
    return scale


def gap(unrolled: Unrolled, link: Link) -> float:
    """How far from an arrow, to its left (or, negative, to its right), the way back meets no mark."""
    if link.tail.where != link.head.where:
        return GAPS[0]
    cell, edge = unrolled.places[link.tail.where].cell, (link.tail.slot, link.head.slot)
    for distance in GAPS:
        points = curve.sampled(back(cell.curves[edge], distance, WIDE))
        if not any(cell.covers(slot, *point) for slot in cell.centre if slot not in edge for point in points):
            return distance
    return GAPS[0]


def back(chain: Chain, distance: float, width: float) -> Chain:
    """The way back beside an arrow; it starts a point late, so that its first dash does not touch the mark."""
    return curve.beside(curve.shortened(chain, 1.0)[::-1], distance + copysign(width / 2, distance))
