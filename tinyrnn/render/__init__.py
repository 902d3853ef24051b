"""Draw a recorded computation as the network that a textbook shows: unrolled over time, rolled up, forward, backward.

    tape.Graph ──reading, levels──► Picture ──step──► Cell ──views──► Drawing ──writers──► SVG, DOT, pdf, png
                                (marks, links)    (one step)   (every step, with coordinates)

One step is laid out and repeated, so that all steps look the same and no sequence can make it hang.

Where to find what, in the order in which one would read it:

    options     what can be chosen about a drawing
    pipeline    the whole way from a graph to a drawing, in one function
    picture     what is drawn: marks, and links between them, without coordinates
    reading/    from the record to the picture: which operations are drawn (looks), functions as one mark (calls), which
                loops share a time axis (axes), what the first step starts from (beginnings)
    notation    how operations and names are written;  style: colours, shapes, sizes;  rows: the numbers under a name
    levels/     less of each step: gates as one record (gates), a cell as one box (cells), frames around modules (frames)
    step/       where everything in one step stands: the cell itself (cell), modules one above the other (storeys) and one
                inside the other (nested), records of gates (records), ways out for the gradients of weights (shafts)
    layout/     the layered layout of any small graph, which `step` uses: ranks, layers, sifting, places, routes
    views/      the steps side by side (columns, unrolled), or one for all of them (rolled); the arrows in between (routes, lanes)
    backward/   BPTT as a network of its own: what meets what (copies, reflection), what the record says of it (adjoints),
                its drawing (mirror), the sums over time for shared weights (rails)
    flow        gradients beside the forward arrows;  cuts: where a history was cut;  legend: what occurs
    drawing     shapes with coordinates, for any writer;  curve: the lines among them
    writers/    a drawing as SVG and as DOT, which Graphviz paints as pdf and png
    explorer/   a page in which a network can be explored
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..tape import Graph
from . import legend
from .drawing import Drawing
from .options import Options
from .pipeline import compose
from .writers import engine
from .writers.dot import write_dot
from .writers.svg import write_svg

if TYPE_CHECKING:
    import graphviz

__all__ = ["Options", "Rolled", "dot", "draw", "render", "svg"]


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
        If the suffix is another one, if options do not go together, or if gradients are asked for and the output is no scalar.
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
