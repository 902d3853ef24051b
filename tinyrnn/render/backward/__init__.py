"""The backward pass on paper: what is added to a picture before it is laid out, and what is drawn then."""

from __future__ import annotations

from ...tape import Graph
from ..drawing import Drawing
from ..flow import Flow, Scale, norms
from ..picture import Picture
from ..views.unrolled import Unrolled
from . import joints
from .adjoints import Adjoints
from .copies import with_copies
from .mirror import Mirror
from .rails import Rails
from .reflection import reflect


def prepare(picture: Picture, flow: Flow) -> Picture:
    """The picture with a mark for every copy, and with what meets each mark on the way back."""
    picture = with_copies(picture, flow)
    reflect(picture, flow)
    return picture


def draw(drawing: Drawing, picture: Picture, places: Unrolled, graph: Graph, over: bool, bound: float | None) -> Scale | None:
    """Draw the backward pass over the forward one, or in its place.

    Parameters
    ----------
    drawing : Drawing
        With the forward pass.
    picture : Picture
        Prepared (see `prepare`).
    places : Unrolled
    graph : Graph
        With its gradients and its backward pass.
    over : bool
        Is it drawn over the forward pass, or in its place?
    bound : float or None
        If the widths of the arrows are to tell the norms of the gradients, the norm above which one explodes.

    Returns
    -------
    Scale or None
        That of the widths, for the legend.
    """
    flow = graph.flow or {}
    scale = None if bound is None else Scale(list(norms(picture.links, flow).values()), bound)
    mirror = Mirror(picture, places, drawing, flow, Adjoints(graph, picture), scale, over)
    back = mirror.draw()
    Rails(mirror, back).draw()
    if not over:
        drawing.clear()
    drawing.add(back)
    joints.join(drawing)
    return scale
