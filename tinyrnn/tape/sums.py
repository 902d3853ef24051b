"""The sums of shares in a recorded backward pass: which of them add anything up, and what is a whole gradient."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Value
from .keys import Keys


def summed(v: Value) -> Value | None:
    """The value y if v is all of ∂L/∂y, added up where its shares arrive."""
    pull = v.place.pull
    return pull.of if pull is not None and pull.into is None and v.op is not None and v.op.name == "total" else None


def whole_gradients(values: Sequence[Value], keys: Keys) -> tuple[dict[Value, Value], dict[Value, Value]]:
    """See through the sums that add nothing up.

    The engine records a sum for every value, even for a single share, so that all values are alike.  Where the sum has one
    term at every step, no paths meet, and the term itself is the gradient.

    Returns
    -------
    same : dict
        For each such sum, the share that it is.
    adjoint : dict
        For each whole gradient, the value whose gradient it is; if it is that of several, the one it first arrives at.
    """
    sums = [(v, y) for v in values if (y := summed(v)) is not None]
    meetings = {keys.key(v) for v, _ in sums if len(v.args) > 1}
    adjoint: dict[Value, Value] = {}
    for v in values:
        if v.op is None and v.place.pull is not None and v.place.pull.into is None:
            adjoint[v] = v.place.pull.of  # the seed, ∂L/∂L = 1
    same: dict[Value, Value] = {}
    for v, y in sums:
        if len(v.args) == 1 and keys.key(v) not in meetings:
            same[v] = same.get(v.args[0], v.args[0])
            adjoint.setdefault(same[v], y)
        else:
            adjoint[v] = y
    return same, adjoint
