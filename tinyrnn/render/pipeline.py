"""From a graph to a drawing: which steps are read, what is shown of them, where it stands, what is drawn over it."""

from __future__ import annotations

from collections import Counter

from ..tape import Graph
from . import backward, flow, legend, rows
from .drawing import Drawing
from .levels import at_level
from .options import Options
from .picture import Picture
from .reading import read
from .reading.axes import ENDS
from .views import rolled, unrolled

MOST_MARKS = 300  # of a drawing that shows every step


def compose(graph: Graph, chosen: Options) -> tuple[Picture, Drawing, list[legend.Sample]]:
    """What is drawn, where it is drawn, and what the legend says of gradients: a mark's box has its number as its name."""
    both_ways = chosen.passes != "forward"
    if both_ways:
        graph = graph.with_gradients().with_backward()
    elif chosen.gradients:
        graph = graph.with_gradients()
    elif chosen.values:
        graph = graph.with_values()
    picture = at_level(_read(graph, chosen.fold), chosen.level)
    if both_ways:
        picture = backward.prepare(picture, graph.flow or {})
    rows.annotate(picture, graph, chosen)
    drawing = Drawing(chosen.background)
    places = unrolled.Unrolled(picture, flow.LANE if chosen.gradients else unrolled.LANE)
    if chosen.view == "rolled":
        rolled.draw(drawing, rolled.Rolled(picture, places))
        return picture, drawing, []
    unrolled.draw(drawing, places)
    scale = None
    if both_ways:
        bound = chosen.exploding if chosen.gradients else None
        scale = backward.draw(drawing, picture, places, graph, chosen.passes == "both", bound)
    elif chosen.gradients:
        scale = flow.draw(drawing, places, graph.flow or {}, chosen.exploding)
    samples = scale.legend() if scale else []
    if chosen.view == "pair":
        if chosen.values:  # differ from step to step
            for mark in picture.marks:
                mark.rows = ()
        drawing = rolled.beside(drawing, picture, places)
    return picture, drawing, samples


def _read(graph: Graph, fold: int | None) -> Picture:
    """The picture of a graph, without the steps that are to be left out."""
    if fold is not None:
        return read(graph, fold)
    ends = read(graph, 2 * ENDS)
    if not any(axis.hidden for axis in ends.axes):
        return ends
    return read(graph) if unfolded(ends) <= MOST_MARKS else ends


def unfolded(picture: Picture) -> int:
    """How many marks it would have with all its steps."""
    step = {
        axis.number: Counter(m.column for m in picture.marks if m.axis == axis.number and not m.initial) for axis in picture.axes
    }
    return len(picture.marks) + sum(axis.hidden * max(step[axis.number].values()) for axis in picture.axes)
