"""All that the page shows of a graph, as one object for JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...tape import Graph, Node
from .. import Options, notation, style
from .album import album
from .formulas import Formulas
from .numbers import Json, heat_map
from .scenes import nodes_of
from .timeline import Backward, forward
from .tracks import tracks

CELLS = 400_000  # of all heat maps of values and gradients together, and of all shares; a cell is at most 1.4 bytes
LARGEST_MAP = 512  # cells


def explain(graph: Graph, options: Options) -> Json:
    """The data of the page.

    Without a scalar output, or without anything to train, there is no backward pass: `missing` says why.
    """
    graph, missing = _with_gradients(graph)
    drawn = album(graph, replace(options, gradients=not missing, values=False, shapes=False))
    shown = nodes_of(graph, drawn.pictures)
    cells = max(16, min(LARGEST_MAP, CELLS // max(1, 2 * len(shown))))
    backward = None if missing else Backward(graph, shown, CELLS)
    formulas = Formulas(drawn.pictures)
    return {
        "title": _title(graph),
        "missing": missing,
        "roles": {role: {"shape": look.shape, "legend": look.legend} for role, look in style.ROLES.items()},
        "scenes": drawn.scenes,
        "opens": drawn.opens,
        "nodes": {node.index: _node(node, formulas, backward, cells) for node in shown},
        "others": backward.others() if backward else {},
        "forward": forward(shown),
        "backward": backward.events if backward else [],
        "weights": backward.weights() if backward else [],
        "tracks": tracks(graph),
    }


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
