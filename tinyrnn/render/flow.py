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
from .views.routes import leaves
from .views.unrolled import Unrolled

NARROW, WIDE = 0.5, 3.2  # the width of the smallest and of the largest gradient
GAPS, LANE = (3.0, -3.0, 2.0, -2.0), 13.0  # from an arrow to the way back beside it, the best first; in a gutter there is room
NEAR, PACE = 12.0, 4.0  # so close to a mark its arrows may meet; from one point of a line to the next
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
    gaps = _Gaps(unrolled, list(flows))
    for link, size in sorted(flows.items(), key=lambda f: f[1]):  # the largest ones on top
        stroke = scale.stroke(size)
        ends = f"m{link.head.number}", f"m{link.tail.number}"
        what = f"∂L/∂{link.carries}" + (f" through {link.head.title}" if link.uses else "")
        chain = back(unrolled.chain(link), gaps.of(link), stroke.width)
        drawing.arrows.append(Arrow(chain, stroke, f"‖{what}‖ = {size:.3g}", ends, from_tip=unrolled.bus(link) != AFTER))
    return scale


class _Gaps:
    """How far from each arrow, to its left (or, negative, to its right), its way back has room: the same at every step.

    There it meets no mark, and runs along no other arrow if that can be avoided.  One after the other chooses, twice, since
    the first ones did not know where the last ones would be.
    """

    def __init__(self, unrolled: Unrolled, links: list[Link]) -> None:
        self.unrolled = unrolled
        self.chosen: dict[tuple[int, Edge], float] = {}  # by cell and arrow
        cells: dict[int, Cell] = {}
        for link in links:
            if not leaves(link):
                cell = unrolled.places[link.tail.where].cell
                cells[id(cell)] = cell
                self.chosen.setdefault((id(cell), (link.tail.slot, link.head.slot)), GAPS[0])
        for number, cell in cells.items():
            self._choose(cell, [edge for at, edge in self.chosen if at == number])

    def of(self, link: Link) -> float:
        if leaves(link):
            return GAPS[0]
        return self.chosen[id(self.unrolled.places[link.tail.where].cell), (link.tail.slot, link.head.slot)]

    def _choose(self, cell: Cell, edges: list[Edge]) -> None:
        there = {(edge, 0.0): _Line(chain) for edge, chain in cell.curves.items()}
        ways = {(edge, gap): _Line(back(cell.curves[edge], gap, WIDE)) for edge in edges for gap in GAPS}
        for edge in edges * 2:
            here = (edge, self.chosen[id(cell), edge])
            others = [line for (other, _), line in there.items() if other != edge]
            best = min(GAPS, key=lambda gap: (_meets_mark(cell, edge, ways[edge, gap].points), ways[edge, gap].crowded(others)))
            there.pop(here, None)
            there[edge, best] = ways[edge, best]
            self.chosen[id(cell), edge] = best


class _Line:
    """An arrow as points at equal distances, and as the straight pieces between some of them."""

    def __init__(self, chain: Chain) -> None:
        corners = [chain[0]]
        for i in range(0, len(chain) - 3, 3):
            piece = chain[i : i + 4]
            corners += [piece[-1]] if curve.is_straight(piece) else curve.sampled(piece, 8)[1:]
        self.corners = numpy.array(corners)
        lengths = numpy.hypot(*numpy.diff(self.corners, axis=0).T)
        way = numpy.concatenate([[0.0], lengths.cumsum()])
        at = numpy.linspace(0.0, way[-1], max(2, int(way[-1] / PACE)))
        self.points = numpy.stack([numpy.interp(at, way, self.corners[:, i]) for i in (0, 1)], 1)
        from_start, from_end = (numpy.hypot(*(self.points - end).T) for end in (self.points[0], self.points[-1]))
        self.inner = self.points[numpy.minimum(from_start, from_end) > NEAR]  # where it begins and ends it may meet others
        self.low, self.high = self.corners.min(0), self.corners.max(0)

    def crowded(self, others: list[_Line]) -> int:
        """How many of its points lie on others."""
        near = [line for line in others if (line.low < self.high + WIDE).all() and (line.high > self.low - WIDE).all()]
        if not near or not len(self.inner):
            return 0
        starts, ends = (numpy.concatenate([line.corners[part] for line in near]) for part in (slice(-1), slice(1, None)))
        ways = ends - starts
        from_start = self.inner[:, None] - starts
        share = (from_start * ways).sum(-1) / numpy.maximum((ways * ways).sum(-1), 1e-9)
        apart = numpy.hypot(*(from_start - share.clip(0.0, 1.0)[..., None] * ways).transpose(2, 0, 1)).min(1)
        return int((apart < WIDE).sum())


def _meets_mark(cell: Cell, edge: Edge, points: numpy.ndarray) -> bool:
    """Does a line lead over a mark that it does not join?"""
    others = [slot for slot in cell.centre if slot not in edge]
    centres = numpy.array([cell.centre[slot] for slot in others]).reshape(-1, 2)
    sizes = numpy.array([cell.size[slot] for slot in others]).reshape(-1, 2)
    return bool((abs(points[:, None] - centres) < sizes / 2).all(-1).any())


def back(chain: Chain, distance: float, width: float) -> Chain:
    """The way back beside an arrow; it starts a point late, so that its first dash does not touch the mark."""
    return curve.beside(curve.shortened(chain, 1.0)[::-1], distance + copysign(width / 2, distance))
