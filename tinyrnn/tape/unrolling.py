"""The way back: a fold, unrolled, is exactly the graph that was folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from .collector import collector_paused
from .folding import Fold
from .nodes import Constant
from .rules import counts, evaluate, same
from .snapshot import Graph
from .wires import At, Delayed, Every, Fixed, Operation, Past, Table, Wire

Instance = tuple[Operation, int | None]  # an operation at one step, or one that runs once


class Call(NamedTuple):
    """What one node of the unrolled graph does."""

    op: str | None
    attrs: dict[str, Any]
    shape: tuple[int, ...] | None
    dtype: Any
    inputs: list[Instance | Constant]


def unroll(fold: Fold) -> dict[Instance, Call]:
    """The unrolled graph that a fold stands for: for each operation and step, what it does and reads.

    Raises
    ------
    KeyError
        If the fold is wrong: something is read at a step at which it does not run, and has no `initial` there.
    """
    unrolled = {}
    with collector_paused():
        for o in fold.operations:
            changes, grows = counts(o.attrs), counts(o.shape)
            for t in o.steps or (None,):
                inputs = [instance for wire in o.wires for instance in instances(wire, t, o.summed)]
                attrs = evaluate(o.attrs, t) if changes else o.attrs
                unrolled[o, t] = Call(o.op, attrs, evaluate(o.shape, t) if grows else o.shape, o.dtype, inputs)
    return unrolled


def instances(wire: Wire, t: int | None, summed: bool = False) -> Iterator[Instance | Constant]:
    """What a wire leads to at step t: one operation at one step, or several, or, for a term that is absent from a sum, none."""
    while isinstance(wire, Delayed):
        u = t - wire.delay  # type: ignore[operator]  # a delay is read in a loop
        if u in wire.source.nodes:
            yield wire.source, u
            return
        if summed:
            return
        wire, t = wire.source.initial[u], None
    if isinstance(wire, Table):
        if t in wire.at or not summed:
            yield from instances(wire.at[t], None, summed)  # type: ignore[index]
    elif isinstance(wire, Every):
        yield from [(wire.source, u) for u in wire.steps]
    elif isinstance(wire, Past):
        yield from [(wire.source, u) for u in wire.steps(t)]  # type: ignore[arg-type]
    elif isinstance(wire, At):
        yield wire.source, wire.step
    else:
        yield (wire.source, None) if isinstance(wire, Fixed) else wire


def faithful(fold: Fold, graph: Graph) -> bool:
    """Does the fold, unrolled, give exactly this graph: operations, attributes, shapes, dtypes, inputs and outputs?

    The terms of a sum of shares may come in another order.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> from tinyrnn.tape import faithful
    >>> y, h = nn.RNN(2, 3)(tr.ones(100, 1, 2))
    >>> graph = tr.tape(tr.sum(y), backward=True)
    >>> faithful(graph.fold(), graph)
    True
    """
    homes = fold.homes
    try:
        unrolled = unroll(fold)
        outputs = [instance for wire in fold.outputs for instance in instances(wire, None)]
    except KeyError:
        return False
    if len(unrolled) != len(graph.nodes) or outputs != [homes.get(node) for node in graph.outputs]:
        return False
    for node in graph.nodes:
        home = homes.get(node)
        call = unrolled.pop(home, None)  # type: ignore[arg-type]  # each node has one of its own
        if call is None or home is None or call.op != node.op or call.shape != node.shape or call.dtype != node.dtype:
            return False
        if call.attrs is not node.attrs and not same(call.attrs, node.attrs):
            return False
        recorded = [a if isinstance(a, Constant) else homes[a] for a in node.inputs]
        if recorded != call.inputs and not _alike(recorded, call.inputs, home[0].summed):
            return False
    return True


def _alike(recorded: list, unrolled: list, summed: bool) -> bool:
    if summed:
        return Counter(recorded) == Counter(unrolled)
    return len(recorded) == len(unrolled) and all(
        same(a.value, b.value) if isinstance(a, Constant) and isinstance(b, Constant) else a == b
        for a, b in zip(recorded, unrolled)
    )
