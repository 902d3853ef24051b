"""Which drawings a page holds: every level of detail, long sequences folded and not, and both passes as one network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ...tape import Graph
from ..options import LEVELS, Options
from ..picture import Picture
from ..pipeline import MOST_MARKS, compose, unfolded
from ..reading.axes import ENDS
from .numbers import Json
from .scenes import scene

BOTH = "both"
MOST_NODES = 2_500  # of a drawing in a page: more are not moved smoothly
MOST_OPERATIONS = 20_000  # of a graph whose backward pass is recorded for a drawing of it: more take many seconds


@dataclass
class Album:
    """The drawings, as pictures and as scenes; and the number of the scene that the page opens with."""

    pictures: list[Picture] = field(default_factory=list)
    scenes: list[Json] = field(default_factory=list)
    opens: int = 0

    def add(self, graph: Graph, options: Options, level: str, **kind: object) -> Picture:
        """Draw a graph and keep the drawing."""
        picture, drawing, _ = compose(graph, options)
        self.pictures.append(picture)
        self.scenes.append(scene(picture, drawing, level=level, **kind))
        return picture


def album(graph: Graph, options: Options) -> Album:
    """The drawings of a graph, of which the options choose the first one to be seen."""
    drawn = Album()
    for level, chosen in _levels(graph, options):
        picture = drawn.add(graph, replace(chosen, fold=options.fold or 2 * ENDS), level)
        if level in LEVELS[1:] and len(picture.marks) == len(drawn.pictures[0].marks):
            drawn.pictures.pop()  # no more to be seen than every operation
            drawn.scenes.pop()
            continue
        if asked := level == (BOTH if options.passes != "forward" else options.level):
            drawn.opens = len(drawn.scenes) - 1
        hidden, nodes = sum(axis.hidden for axis in picture.axes), unfolded(picture) * (2 if level == BOTH else 1)
        drawn.scenes[-1] |= {"folded": bool(hidden), "note": _note(hidden, nodes)}
        if hidden and nodes <= MOST_NODES:
            every = max(len(axis.steps) for axis in picture.axes)
            drawn.add(graph, replace(chosen, fold=every), level, folded=False, note="")
            if asked and nodes <= MOST_MARKS and options.fold is None:
                drawn.opens += 1
    return drawn


def _levels(graph: Graph, options: Options) -> Iterator[tuple[str, Options]]:
    """The levels of detail of the forward pass; and, if there are gradients, both passes."""
    for level in LEVELS:
        yield level, replace(options, level=level, passes="forward")
    if options.gradients and len(graph.nodes) <= MOST_OPERATIONS:
        yield BOTH, replace(options, level=LEVELS[0], passes=BOTH, gradients=False)


def _note(hidden: int, nodes: int) -> str:
    """What is not drawn."""
    if not hidden:
        return ""
    note = f"{hidden:,} steps in the middle are left out here; the panels show them."
    return note + (
        f" With all steps the drawing would have about {nodes:,} nodes, too many for a page." if nodes > MOST_NODES else ""
    )
