"""What happens over time: states, gates and gradients of one sequence of the batch, as heat maps and curves."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy

from ... import backend
from ...tape import Graph, Node
from .numbers import Json, norm, quantised, shrunk

UNITS, STEPS = 64, 600  # more are averaged
_GATES = {"sigmoid": "σ", "tanh": "tanh", "relu": "relu"}


def tracks(graph: Graph) -> Json:
    """Every state and every gate that runs through time, unit by unit; for states also the norm of the gradient."""
    others = _read_elsewhere(graph)
    lines: dict[tuple, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        empty = node.shape is not None and 0 in node.shape
        if node.op and node.step is not None and not node.backward and not empty and (node.shape or node.name):
            state = node.carried or node in others
            if state or node.op in _GATES:
                lines[state, node.scope, node.loop, node.name, node.op, node.ordinal].append(node)
    steps = max((len(nodes) for nodes in lines.values()), default=0)
    found = [_track(kin[0], nodes) for kin, nodes in lines.items() if len(nodes) > 1 or steps == 1]
    gates = [track for track in found if not track["state"]]
    named = {track["scope"] for track in gates if track["named"]}
    return {
        "states": [track for track in found if track["state"]],
        "gates": [track for track in gates if track["named"] or track["scope"] not in named],
    }


def _read_elsewhere(graph: Graph) -> set[Node]:
    """What another step reads."""
    return {
        i
        for node in graph.nodes
        if node.step is not None and not node.backward
        for i in node.inputs
        if isinstance(i, Node) and i.op and i.step is not None and i.step != node.step
    }


def _track(state: bool, nodes: list[Node]) -> Json:
    nodes = sorted(nodes, key=lambda node: node.step or 0)
    node = nodes[0]
    matrix = numpy.array([_first_row(n.value) for n in nodes]).T  # units × steps
    small = shrunk(matrix, min(UNITS, matrix.shape[0]), min(STEPS, matrix.shape[1]))
    track: Json = {
        "state": state,
        "name": node.name or _GATES.get(node.op or "", "s" if state else node.op),
        "named": bool(node.name),
        "scope": ".".join(node.scope),
        "steps": [n.step for n in nodes],
        "nodes": [n.index for n in nodes],
        "shape": matrix.shape,
        "rows": small.shape[0],
        "columns": small.shape[1],
        "batch": nodes[0].shape[0] if nodes[0].shape and len(nodes[0].shape) > 1 else 1,
        **quantised(small),
    }
    if state:
        track["gradient_norms"] = [None if n.gradient is None else norm(n.gradient) for n in nodes]
    return track


def _first_row(array: Any) -> numpy.ndarray:
    """Of a batch the first sequence, flat."""
    host = numpy.asarray(backend.to_host(array), dtype="float64")
    return host[0].ravel() if host.ndim > 1 else host.ravel()
