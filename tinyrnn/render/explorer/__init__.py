"""The explorer: a recorded graph as one page of HTML, to be stepped through forwards and backwards.

Graph ──explain──► data (an album of scenes, nodes, timeline, tracks) ──page──► one file
"""

from __future__ import annotations

from ...tape import Graph
from ..options import Options
from .data import explain
from .page import page

__all__ = ["html"]


def html(graph: Graph, options: Options) -> str:
    """The text of a page that shows a graph; it needs no network, no server, and no other file.

    Of the options `level`, `passes` and `fold` choose what it opens with; values, shapes and gradients are always there.

    Raises
    ------
    ValueError
        If another view than the unrolled one is asked for.
    """
    if options.view != "unrolled":
        raise ValueError(f"view={options.view!r} is drawn into .svg, .pdf or .png: an .html page shows the network unrolled")
    return page(explain(graph, options))
