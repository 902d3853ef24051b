"""Draw a recorded computation, unrolled over time.

    tape.Graph ──read──► Picture ──lay_out──► Cell ──Unrolled──► Drawing ──► SVG, DOT
                     (marks, links)        (one step)    (every step, with coordinates)

Graphviz arranges one step; everything else is ours, so that all steps look the same and no sequence can make it hang.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy

from .. import backend
from ..tape import Graph
from . import engine, flow, legend, notation, unrolled
from .drawing import Drawing
from .picture import Mark, Picture
from .reading import read
from .write_dot import write_dot
from .write_svg import write_svg

if TYPE_CHECKING:
    import graphviz

__all__ = ["dot", "render", "svg"]

MOST_STEPS = 16
_NAMED = ("state", "parameter", "input", "value", "loss")


def render(
    graph: Graph,
    path: str | Path,
    *,
    gradients: bool = False,
    shapes: bool = False,
    values: bool = False,
    background: str | None = "white",
) -> str:
    """Draw a graph into a file.

    Parameters
    ----------
    graph : Graph
    path : str or Path
        Its suffix says what is written: svg, pdf or png.
    gradients : bool
        Whether to draw beside every arrow the gradient that flows back along it, as wide as the logarithm of its norm.
    shapes : bool
        Whether to write the shape under every name.
    values : bool
        Whether to write under every name the number, or the norm of the array; with `gradients` also that of its gradient
        (of a parameter, the share that arrives through this step).
    background : str or None
        A colour; None: transparent.

    Returns
    -------
    str
        The path.

    Raises
    ------
    ValueError
        If the suffix is another one, if there are too many steps, or if gradients are asked for and the output is no scalar.
    RuntimeError
        If gradients are asked for and nothing requires any; if Graphviz is missing, or fails.
    """
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in ("svg", "pdf", "png"):
        raise ValueError(
            f"{str(path)!r}: the suffix says what to write, .svg, .pdf or .png; not {'.' + suffix if suffix else 'none'!r}"
        )
    drawing = draw(graph, gradients=gradients, shapes=shapes, values=values)
    if suffix == "svg":
        Path(path).write_text(write_svg(drawing, background), encoding="utf-8")
    else:
        Path(path).write_bytes(engine.paint(write_dot(drawing, background), suffix))
    return str(path)


def svg(
    graph: Graph, *, gradients: bool = False, shapes: bool = False, values: bool = False, background: str | None = "white"
) -> str:
    """The drawing as SVG text.  Parameters, errors: see `render`."""
    return write_svg(draw(graph, gradients=gradients, shapes=shapes, values=values), background)


def dot(
    graph: Graph, *, gradients: bool = False, shapes: bool = False, values: bool = False, background: str | None = "white"
) -> graphviz.Source:
    """The drawing as a `graphviz.Source`, to go on with Graphviz.  Parameters, errors: see `render`.

    Every position is pinned, so the engine that paints it is neato with the option -n2.
    """
    import graphviz

    text = write_dot(draw(graph, gradients=gradients, shapes=shapes, values=values), background)
    return graphviz.Source(text, engine="neato")


def draw(graph: Graph, *, gradients: bool = False, shapes: bool = False, values: bool = False) -> Drawing:
    """The drawing itself, for any writer.  Parameters, errors: see `render`."""
    _check_length(graph)
    if gradients:
        graph = graph.with_gradients()
    elif values:
        graph = graph.with_values()
    picture = read(graph)
    _annotate(picture, graph, shapes, values)
    drawing = Drawing()
    places = unrolled.Unrolled(picture, flow.LANE if gradients else unrolled.LANE)
    unrolled.draw(drawing, places)
    scale = flow.draw(drawing, places, graph.flow or {}) if gradients else None
    legend.draw(drawing, legend.roles(drawing), scale.legend() if scale else [])
    return drawing


def _check_length(graph: Graph) -> None:
    steps = {node.step for node in graph.nodes if node.step is not None and not node.backward}
    if len(steps) > MOST_STEPS:
        raise ValueError(
            f"the graph has {len(steps)} time steps, a picture has room for {MOST_STEPS}: "
            f"record a shorter sequence for it, such as the first steps, model(x[:{MOST_STEPS // 2}])"
        )


def _annotate(picture: Picture, graph: Graph, shapes: bool, values: bool) -> None:
    """Write lines under the names: the shape, the value and its gradient."""
    for mark in picture.marks:
        if mark.role in _NAMED:
            shape = notation.shape(mark.node) if shapes else ""
            value = _size(mark.node.value) if values and mark.node.value is not None and mark.node.dtype.kind == "f" else ""
            if value and graph.flow is not None:
                value += f" | {_size_of_gradient(mark, picture, graph)}"
            mark.rows = tuple(row for row in (shape, value) if row)


def _size(array: object) -> str:
    """A number, or the norm of an array; — where there is none."""
    host = None if array is None else backend.to_host(array)
    return notation.number(numpy.linalg.norm(host) if host is not None and host.ndim else host)


def _size_of_gradient(mark: Mark, picture: Picture, graph: Graph) -> str:
    if mark.role != "parameter":
        return _size(mark.node.gradient)
    shares = [size for link in picture.links if link.tail is mark and (size := flow.norm(link, graph.flow or {})) is not None]
    return notation.number(numpy.linalg.norm(shares) if shares else None)
