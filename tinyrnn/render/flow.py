"""The gradients, drawn over the forward graph: backpropagation runs every arrow the other way."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor, isfinite, log10

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
LANE = 10.0  # in a gutter two arrows, forward and back, need more room than one
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


def norm(link: Link, flow: Flow) -> float | None:
    """The norm of what flows back along an arrow; None where nothing can."""
    if not link.differentiable:
        return None
    if not link.uses:  # between an operation and the box with its name: all that arrives there
        gradient = link.tail.node.gradient
        return 0.0 if gradient is None else float(numpy.linalg.norm(backend.to_host(gradient)))
    return float(numpy.linalg.norm([flow.get(use, 0.0) for use in link.uses]))


def draw(drawing: Drawing, unrolled: Unrolled, flow: Flow) -> Scale:
    """Beside every forward arrow draw a dashed one that runs back, as wide as the gradient it carries."""
    flows = [(link, size) for link in unrolled.links if (size := norm(link, flow)) is not None]
    scale = Scale([size for _, size in flows])
    for link, size in sorted(flows, key=lambda f: f[1]):  # the largest ones on top
        stroke = scale.stroke(size)
        ends = f"m{link.head.number}", f"m{link.tail.number}"
        what = f"∂L/∂{link.tail.title}" + (f" through {link.head.title}" if link.uses else "")
        chain = back(unrolled.chain(link), 3.0 + stroke.width / 2)
        drawing.arrows.append(Arrow(chain, stroke, f"‖{what}‖ = {size:.3g}", ends, from_tip=unrolled.bus(link) != AFTER))
    return scale


def back(chain: Chain, shift: float) -> Chain:
    """The way back beside an arrow; it starts a point late, so that its first dash does not touch the mark."""
    return curve.beside(curve.shortened(chain, 1.0)[::-1], shift)
