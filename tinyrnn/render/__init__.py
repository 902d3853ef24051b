"""Draw a recorded computation, unrolled over time.

    tape.Graph ──read──► Picture ──lay_out──► Cell ──Unrolled──► Drawing ──► SVG, DOT
                     (marks, links)        (one step)    (every step, with coordinates)

One step is laid out (`layout`) and repeated, so that all steps look the same and no sequence can make it hang.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..tape import Graph
from . import engine, legend
from .drawing import Drawing
from .options import Options
from .pipeline import compose
from .write_dot import write_dot
from .write_svg import write_svg

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
