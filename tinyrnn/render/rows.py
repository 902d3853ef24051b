"""The lines under a name: its shape, and its numbers, value | gradient.

Of a few numbers each has a line of its own; of many there is the norm, marked as such.  Where there is none: —.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy

from .. import backend
from ..tape import Graph, Node
from . import notation
from .backward.copies import trail
from .options import Options
from .picture import Mark, Picture, Use

FEW = 4  # so many numbers are written one by one
_NAMED = ("state", "parameter", "input", "value", "loss")


def annotate(picture: Picture, graph: Graph, options: Options) -> None:
    """Write the lines under the names of a picture; where the backward pass is drawn, the gradients under its own."""
    shown = [mark for mark in picture.marks if mark.role in _NAMED]
    read = _arguments(picture)
    shares = _shares(picture, graph) if options.values and graph.flow is not None else {}
    for mark in shown:
        shape = [notation.shape(mark.node)] if options.shapes and mark.node.shape else []
        mark.rows = tuple(shape)
        node = read.get(mark, mark.node)
        if not options.values or not _has_numbers(node):
            continue
        gradient = shares.get(mark) if mark.role == "parameter" else node.gradient
        if mark.back is not None:
            mark.rows += numbers(node.value)
            mark.back.rows = (*shape, *numbers(gradient)) if gradient is not None else ()
        elif options.gradients:
            mark.rows += numbers(node.value, gradient)
        else:
            mark.rows += numbers(node.value)


def _has_numbers(node: Node) -> bool:
    """Are there numbers to be written?  Of many indices there is nothing to say."""
    return node.value is not None and (node.dtype.kind == "f" or (node.dtype.kind in "iu" and node.value.size <= FEW))


def numbers(*arrays: Any) -> tuple[str, ...]:
    """Lines of numbers side by side, a | b: those of small arrays, or the norms of large ones."""
    hosts = [None if array is None else numpy.asarray(backend.to_host(array)) for array in arrays]
    size = max(host.size for host in hosts if host is not None)
    if size > FEW:
        norms = [None if host is None else backend.norm(host) for host in hosts]
        return ("‖·‖ " + " | ".join(map(notation.number, norms)),)
    columns = [[None] * size if host is None else list(host.ravel()) for host in hosts]
    return tuple(" | ".join(map(notation.number, line)) for line in zip(*columns))


def _arguments(picture: Picture) -> dict[Mark, Node]:
    """Of inputs what is read of them: of a sequence, the element."""
    read: dict[Mark, Node] = {}
    for link in picture.links:
        mark = link.tail.copy_of or link.tail
        if link.uses and mark.node.op is None and mark.role != "parameter":
            read.setdefault(mark, link.uses[0][0])
    return read


def _shares(picture: Picture, graph: Graph) -> dict[Mark, Any]:
    """Of each parameter, at each of its marks, the part of its gradient that arrives there."""
    marks = _first_readers(picture)
    shares: dict[Mark, Any] = {}
    for into, through, share in graph.shares():
        for mark in marks.get((into, through), ()):
            shares[mark] = shares[mark] + share if mark in shares else share
    return shares


def _first_readers(picture: Picture) -> dict[Use, Iterable[Mark]]:
    """For each use of a parameter, the marks at which it is drawn."""
    drawn = {mark.node for mark in picture.marks if mark.copy_of is None}
    found: dict[Use, dict[Mark, None]] = defaultdict(dict)
    for link in picture.links:
        mark = link.tail.copy_of or link.tail
        if mark.role == "parameter" and not link.over:
            for argument, result in link.uses:
                reader = (*trail(mark.node, argument, drawn)[1:], result)[0]
                found[mark.node, reader][mark] = None
    return dict(found)
