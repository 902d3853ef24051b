"""Draw a recorded computation, unrolled over time.

    tape.Graph ──read──► Picture ──lay_out──► Cell ──Unrolled──► Drawing ──► SVG, DOT
                     (marks, links)        (one step)    (every step, with coordinates)

One step is laid out (`layout`) and repeated, so that all steps look the same and no sequence can make it hang.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from .. import backend
from ..tape import Graph
from . import backward, cuts, engine, flow, legend, rolled, rows, unrolled
from .axes import ENDS
from .detail import at_level
from .drawing import Drawing
from .options import Options
from .picture import Mark, Picture
from .reading import read
from .write_dot import write_dot
from .write_svg import write_svg

if TYPE_CHECKING:
    import graphviz

__all__ = ["Options", "Rolled", "dot", "draw", "render", "svg"]

MOST_MARKS = 300  # of a drawing that shows every step
_NAMED = ("state", "parameter", "input", "value", "loss")


def render(graph: Graph, path: str | Path, **options: Any) -> str:
    """Draw a graph into a file.

    Parameters
    ----------
    graph : Graph
    path : str or Path
        Its suffix says what is written: svg, pdf or png; or html, a page to explore it in, with all values and gradients.
    **options
        What to draw, and how: see `tinyrnn.render.Options`.

    Returns
    -------
    str
        The path.

    Raises
    ------
    ValueError
        If the suffix is another one, if there are too many steps, or if gradients are asked for and the output is no scalar.
    TypeError
        If there is no such option.
    RuntimeError
        If gradients are asked for and nothing requires any; if Graphviz, which pdf and png need, is missing, or fails.
    """
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in ("svg", "pdf", "png", "html"):
        raise ValueError(
            f"{str(path)!r}: the suffix says what to write, .svg, .pdf, .png or .html; not {'.' + suffix if suffix else 'none'!r}"
        )
    if suffix == "html":
        from . import explorer

        Path(path).write_text(explorer.html(graph, Options.of(options)), encoding="utf-8")
        return str(path)
    drawing = draw(graph, **options)
    if suffix == "svg":
        Path(path).write_text(write_svg(drawing), encoding="utf-8")
    else:
        Path(path).write_bytes(engine.paint(write_dot(drawing), suffix))
    return str(path)


def svg(graph: Graph, **options: Any) -> str:
    """The drawing as SVG text.  Options, errors: see `render`."""
    return write_svg(draw(graph, **options))


def dot(graph: Graph, **options: Any) -> graphviz.Source:
    """The drawing as a `graphviz.Source`, to go on with Graphviz.  Options, errors: see `render`.

    Every position is pinned, so the engine that paints it is neato with the option -n2.
    """
    import graphviz

    return graphviz.Source(write_dot(draw(graph, **options)), engine="neato")


class Rolled:
    """The rolled drawing of a graph, with options that are chosen already."""

    def __init__(self, graph: Graph, **options: Any) -> None:
        self.graph, self.options = graph, {**options, "view": "rolled"}
        Options.of(self.options)

    def render(self, path: str | Path) -> str:
        """Draw it into a file; the suffix picks svg, pdf or png (see `render`)."""
        return render(self.graph, path, **self.options)

    def dot(self) -> graphviz.Source:
        """The drawing as a `graphviz.Source`, every position pinned (see `dot`)."""
        return dot(self.graph, **self.options)

    def _repr_svg_(self) -> str:
        return svg(self.graph, **self.options)


def draw(graph: Graph, **options: Any) -> Drawing:
    """The drawing itself, for any writer.  Options, errors: see `render`."""
    _, drawing, samples = compose(graph, Options.of(options))
    legend.draw(drawing, legend.roles(drawing), samples)
    return drawing


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
    cuts.draw(drawing, picture)
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
