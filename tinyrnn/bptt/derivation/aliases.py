"""Bare arrays that a cell was called with are recorded anew at each use: which are the same numbers, or the transpose of them."""

from __future__ import annotations

from typing import Any

from ...tape import Fold, Operation


def aliases(fold: Fold) -> dict[Operation, tuple[Operation, bool]]:
    """The leaves that read the memory of another one, which comes first; and whether they are its transpose.

    So a product x @ W of a bare array x has the gradient xᵀ δa, though this xᵀ is a view that NumPy made.
    """
    found: dict[Operation, tuple[Operation, bool]] = {}
    known: dict[Any, tuple[Operation, int | None]] = {}
    for o in fold.operations:
        if o.op is None and not (o.backward or o.trainable or o.carried or o.name):
            places = {step: _memory(node.value) for step, node in o.nodes.items()}
            for transposed in (False, True):
                turned = {step: _turned(place) if transposed else place for step, place in places.items()}
                original, _ = known.get(next(iter(turned.values())), (None, None))
                if original and all(known.get(place) == (original, step) for step, place in turned.items()):
                    found[o] = original, transposed
                    break
            else:
                known.update({place: (o, step) for step, place in places.items() if place is not None})
    return found


def _memory(array: Any) -> Any:
    """Where the numbers of an array are, and how they lie there; None for a single number, which has no lasting place."""
    if array.ndim == 0:
        return None
    interface = getattr(array, "__cuda_array_interface__", None) or getattr(array, "__array_interface__", None)
    return interface and (interface["data"][0], array.dtype, array.shape, array.strides)


def _turned(place: Any) -> Any:
    """The memory of the transpose."""
    return place and (*place[:2], place[2][::-1], place[3][::-1])
