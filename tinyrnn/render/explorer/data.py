"""All that the page shows of a graph, as one object for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...tape import Graph, Node
from .. import MOST_MARKS, Options, compose, notation, style, unfolded
from ..axes import ENDS
from ..options import LEVELS
from ..picture import Picture
from .formulas import Formulas
from .numbers import Json, heat_map
from .scenes import nodes_of, scene
from .timeline import Backward, forward
from .tracks import tracks

CELLS = 400_000  # of all heat maps of values and gradients together, and of all shares; a cell is at most 1.4 bytes
LARGEST_MAP = 512  # cells
BOTH = "both"
MOST_MARKS_SHOWN = 2_500  # more are not moved smoothly


def explain(graph: Graph, options: Options) -> Json:
    """The data of the page.

    Without a scalar output, or without anything to train, there is no backward pass: `missing` says why.
    """
    graph, missing = _with_gradients(graph)
    pictures, scenes, opens = _scenes(graph, replace(options, gradients=not missing, values=False, shapes=False, view="unrolled"))
    shown = nodes_of(graph, pictures)
    cells = max(16, min(LARGEST_MAP, CELLS // max(1, 2 * len(shown))))
    backward = None if missing else Backward(graph, shown, CELLS)
    formulas = Formulas(pictures)
    return {
        "title": _title(graph),
        "missing": missing,
        "roles": {role: {"shape": look.shape, "legend": look.legend} for role, look in style.ROLES.items()},
        "scenes": scenes,
        "opens": opens,
        "nodes": {node.index: _node(node, formulas, backward, cells) for node in shown},
        "others": backward.others() if backward else {},
        "forward": forward(shown),
        "backward": backward.events if backward else [],
        "weights": backward.weights() if backward else [],
        "tracks": tracks(graph),
    }


def _scenes(graph: Graph, options: Options) -> tuple[list[Picture], list[Json], int]:
    """The pictures of every level, folded and not, each with its scene; and which of them the page opens with."""
    pictures, scenes, opens, seen = [], [], 0, set()
    for level, chosen in _levels(options):
        folded, drawing, _ = compose(graph, replace(chosen, fold=options.fold or 2 * ENDS))
        if len(folded.marks) in seen:
            continue  # this level shows what another one shows
        seen.add(len(folded.marks))
        hidden, marks = sum(axis.hidden for axis in folded.axes), unfolded(folded) * (2 if level == BOTH else 1)
        note = f"{hidden} steps in the middle are left out here; the panels show them." if hidden else ""
        if marks > MOST_MARKS_SHOWN:
            note += f" With all steps the drawing would have about {marks:,} nodes, too many for a page."
        pictures.append(folded)
        scenes.append(scene(folded, drawing, level=level, folded=bool(hidden), note=note))
        asked = level == (options.level if options.passes == "forward" else BOTH)
        opens = len(scenes) - 1 if asked else opens
        if hidden and marks <= MOST_MARKS_SHOWN:
            whole, drawing, _ = compose(graph, replace(chosen, fold=max(len(axis.steps) for axis in folded.axes)))
            pictures.append(whole)
            scenes.append(scene(whole, drawing, level=level, folded=False, note=""))
            opens += asked and marks <= MOST_MARKS and options.fold is None
    return pictures, scenes, opens


def _levels(options: Options) -> Iterator[tuple[str, Options]]:
    """The levels of detail of the forward pass; and, if there are gradients, both passes as one network."""
    for level in LEVELS:
        yield level, replace(options, level=level, passes="forward")
    if options.gradients:
        yield BOTH, replace(options, level=LEVELS[0], passes=BOTH, gradients=False)


def _with_gradients(graph: Graph) -> tuple[Graph, str | None]:
    """The graph with all its numbers, and why there are no gradients among them, if there are none."""
    try:
        return graph.with_gradients(), None
    except (RuntimeError, ValueError):
        output = graph.outputs[0]
        if output.differentiable:
            why = f"the output has shape {tuple(output.shape or ())}: only a single number can be differentiated"
        else:
            why = "nothing that the output depends on requires a gradient"
        return graph.with_values(), why


def _title(graph: Graph) -> Json:
    ahead = [node for node in graph.nodes if not node.backward]
    modules = dict.fromkeys(node.scope[0] for node in ahead if node.scope and node.op and not node.scope[0].endswith("()"))
    steps = {node.step for node in ahead if node.step is not None}
    return {
        "name": ", ".join(map(notation.printable, modules)) or "recorded graph",
        "steps": len(steps),
        "operations": sum(1 for node in ahead if node.op),
    }


def _node(node: Node, formulas: Formulas, backward: Backward | None, cells: int) -> Json:
    facts: dict[str, Any] = {
        "name": notation.printable(node.name or ""),
        "op": node.op,
        "symbol": formulas.name(node) or None,
        "sign": notation.operation(node) if node.op else None,
        "formula": formulas.of(node) if node.op else None,
        "shape": node.shape,
        "dtype": None if node.dtype is None else str(node.dtype),
        "scope": ".".join(node.scope),
        "step": node.step,
        "trainable": node.trainable,
        "value": None if node.shape is None else heat_map(node.value, cells),
        "gradient": heat_map(node.gradient, cells),
        "arrivals": backward.arrivals.get(node.index) if backward else None,
    }
    return {key: fact for key, fact in facts.items() if fact is not None and fact is not False and fact != ""}
