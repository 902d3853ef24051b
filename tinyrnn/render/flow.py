"""The gradients, drawn over the forward graph: backpropagation runs every arrow the other way."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, copysign, floor, inf, isfinite, log10

import numpy

from .. import backend
from . import curve, notation, style
from .curve import Chain
from .drawing import Arrow, Drawing
from .legend import Sample
from .picture import AFTER, Link, Use
from .step.cell import Cell, Edge
from .style import Stroke
from .views.unrolled import Unrolled

NARROW, WIDE = 0.5, 3.2  # the width of the smallest and of the largest gradient
GAPS, LANE = (3.0, -3.0, 2.0, -2.0), 13.0  # from an arrow to the way back beside it, the best first; in a gutter there is room
NEAR = 12.0  # so close to a mark its arrows may meet
DEAD, EXPLODING = Stroke(style.GRADIENT, 0.9, "dotted"), Stroke(style.ALARM, WIDE)  # exactly 0, and above the bound
NOT_FINITE = Stroke("#000000", WIDE, "dotted")

Flow = Mapping[Use, float]


class Scale:
    """The look of a gradient's arrow: its width is linear in log₁₀ of the norm, the same in a whole drawing.

    Parameters
    ----------
    norms : list of float
        All that occur.
    bound : float
        Above it a gradient explodes.
    """

    def __init__(self, norms: list[float], bound: float) -> None:
        self.norms, self.bound = norms, bound
        logs = [log10(norm) for norm in norms if self.flows(norm)] or [0.0]
        self.low, self.high = floor(min(logs)), max(ceil(max(logs)), floor(min(logs)) + 1)

    def flows(self, norm: float) -> bool:
        """Is it neither dead, nor exploding, nor NaN?"""
        return 0.0 < norm <= self.bound

    def stroke(self, norm: float) -> Stroke:
        if not isfinite(norm):
            return NOT_FINITE
        if norm == 0.0:
            return DEAD
        if norm > self.bound:
            return EXPLODING
        return Stroke(style.GRADIENT, NARROW + (WIDE - NARROW) * (log10(norm) - self.low) / (self.high - self.low), "dashed")

    def legend(self) -> list[Sample]:
        """Three widths, and a sample of what is exactly 0, explodes or is no number, if that occurs."""
        samples = [Sample("gradient ‖∂L/∂·‖")]
        if any(map(self.flows, self.norms)):
            for power in dict.fromkeys((self.low, (self.low + self.high) // 2, self.high)):
                samples.append(Sample("10" + notation.superscript(power), stroke=self.stroke(10.0**power)))
        samples += [Sample("dead: exactly 0", stroke=DEAD)] * (0.0 in self.norms)
        if any(self.bound < norm < inf for norm in self.norms):
            samples.append(Sample(f"exploding: above {self.bound:g}", stroke=EXPLODING))
        samples += [Sample("NaN or infinite", stroke=NOT_FINITE)] * (not all(map(isfinite, self.norms)))
        return samples


def norm(link: Link, flow: Flow) -> float | None:
    """The norm of what flows back along an arrow; None where nothing does, which is not the same as 0."""
    if link.detached:
        return None
    if not link.uses:  # between an operation and the box with its name: all that arrives there
        gradient = (link.tail if link.head.copy_of else link.head).node.gradient
        return None if gradient is None else backend.norm(gradient)
    shares = [flow[use] for use in link.uses if use in flow]
    return backend.norm(numpy.array(shares)) if shares else None


def norms(links: list[Link], flow: Flow) -> dict[Link, float]:
    """The norms of all arrows along which something flows back."""
    return {link: size for link in links if (size := norm(link, flow)) is not None}


def draw(drawing: Drawing, unrolled: Unrolled, flow: Flow, bound: float) -> Scale:
    """Beside every forward arrow draw a dashed one that runs back, as wide as the gradient it carries."""
    flows = norms(unrolled.links, flow)
    scale = Scale(list(flows.values()), bound)
    gaps = _Gaps(unrolled)
    for link, size in sorted(flows.items(), key=lambda f: f[1]):  # the largest ones on top
        stroke = scale.stroke(size)
        ends = f"m{link.head.number}", f"m{link.tail.number}"
        what = f"∂L/∂{link.carries}" + (f" through {link.head.title}" if link.uses else "")
        chain = back(unrolled.chain(link), gaps.of(link), stroke.width)
        drawing.arrows.append(Arrow(chain, stroke, f"‖{what}‖ = {size:.3g}", ends, from_tip=unrolled.bus(link) != AFTER))
    return scale


class _Gaps:
    """How far from each arrow, to its left (or, negative, to its right), its way back has room: the same at every step."""

    def __init__(self, unrolled: Unrolled) -> None:
        self.unrolled = unrolled
        self.chosen: dict[tuple, float] = {}
        self.taken: dict[int, dict[tuple, numpy.ndarray]] = {}  # in each cell, the lines that are there already

    def of(self, link: Link) -> float:
        if link.tail.where != link.head.where:
            return GAPS[0]
        cell, edge = self.unrolled.places[link.tail.where].cell, (link.tail.slot, link.head.slot)
        key = id(cell), *edge
        if key not in self.chosen:
            self.chosen[key] = self._choose(cell, edge)
        return self.chosen[key]

    def _choose(self, cell: Cell, edge: Edge) -> float:
        """Where it meets no mark, and runs along no other arrow if that can be avoided."""
        lines = self.taken.setdefault(id(cell), {e: numpy.array(curve.sampled(c)) for e, c in cell.curves.items()})
        others = numpy.concatenate([points for e, points in lines.items() if e != edge] or [numpy.empty((0, 2))])
        ways = {gap: numpy.array(curve.sampled(back(cell.curves[edge], gap, WIDE))) for gap in GAPS}
        best = min(GAPS, key=lambda gap: (_meets_mark(cell, edge, ways[gap]), _crowded(ways[gap], others)))
        lines[(*edge, "back")] = ways[best]
        return best


def _meets_mark(cell: Cell, edge: Edge, points: numpy.ndarray) -> bool:
    """Does a line lead over a mark that it does not join?"""
    others = [slot for slot in cell.centre if slot not in edge]
    centres = numpy.array([cell.centre[slot] for slot in others]).reshape(-1, 2)
    sizes = numpy.array([cell.size[slot] for slot in others]).reshape(-1, 2)
    return bool((abs(points[:, None] - centres) < sizes / 2).all(-1).any())


def _crowded(points: numpy.ndarray, others: numpy.ndarray) -> int:
    """How many points of a line lie on others; where it begins and ends they may meet."""
    from_start, from_end = (numpy.hypot(*(points - end).T) for end in (points[0], points[-1]))
    inner = points[numpy.minimum(from_start, from_end) > NEAR]
    apart = numpy.hypot(*(inner[:, None] - others).transpose(2, 0, 1)).min(1, initial=numpy.inf)
    return int((apart < WIDE).sum())


def back(chain: Chain, distance: float, width: float) -> Chain:
    """The way back beside an arrow; it starts a point late, so that its first dash does not touch the mark."""
    return curve.beside(curve.shortened(chain, 1.0)[::-1], distance + copysign(width / 2, distance))
