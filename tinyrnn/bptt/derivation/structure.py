"""What to see in a fold before anything is derived: blocks of gates, joined directions, and what the record leaves out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from ... import backend
from ...tape import Constant, Delayed, Every, Fixed, Fold, Node, Operation
from .rules import block_of, tile
from .values import Size, loop_of, shape_of, source, step_of


def within_step(wire: Any) -> bool:
    """Does it read a value of the same step, or one that is the same at all steps?"""
    return isinstance(wire, Fixed) or (isinstance(wire, Delayed) and wire.delay == 0)


def is_sequence(o: Any) -> bool:
    """Is it the stack of all steps of a value, H = (h₁, …, h_T)?"""
    return isinstance(o, Operation) and o.op == "stack" and len(o.wires) == 1 and isinstance(o.wires[0], Every)


def joins_directions(o: Operation) -> bool:
    """Does o lay side by side what two loops, which run in opposite directions, say about one step?"""
    sources = [w.source for w in o.wires if isinstance(w, Delayed) and w.delay == 0]
    return o.op == "concatenate" and len(sources) == len(o.wires) == 2 and len({loop_of(s) for s in (o, *sources)}) == 3


def blocks(fold: Fold) -> Iterator[tuple[Operation, list[Operation]]]:
    """The values that are cut along their last axis, as those of all gates together are, and their parts."""
    found: dict[tuple[Operation, str], dict[Any, Operation]] = {}
    for o in fold.operations:
        if o.op not in ("part", "getitem") or o.backward or o.initial or not within_step(o.wires[0]):
            continue
        whole, shape = source(o.wires[0]), shape_of(o)
        if o.op == "part" and whole.op == "split" and whole.attrs["axis"] in (-1, len(shape) - 1):
            if within_step(whole.wires[0]) and not whole.initial:
                start = sum(whole.attrs["sizes"][: o.attrs["index"]])
                found.setdefault((source(whole.wires[0]), o.op), {})[start, start + shape[-1]] = o
        elif o.op == "getitem" and len(o.wires) == 1 and (span := block_of(o.attrs["index"], shape_of(whole))) is not None:
            found.setdefault((whole, o.op), {})[span] = o
    for (owner, _), parts in found.items():
        together = all(part.steps == owner.steps for part in parts.values())
        if owner.op is not None and together and len(parts) > 1 and tile(list(parts), shape_of(owner)[-1]):
            yield owner, [parts[span] for span in sorted(parts)]


# -- numbers that stand for something ----------------------------------------------------------------------------


def size_of(o: Operation) -> Size | None:
    """What o divides by, if it makes a mean out of a sum, or a gradient of that: how many numbers there are."""
    mean = o.of if o.backward else o
    if mean is None or o.op != "div" or mean.op != "div" or not isinstance(o.wires[1], Constant) or o.wires[1] != mean.wires[1]:
        return None
    total = source(mean.wires[0]) if within_step(mean.wires[0]) else None
    if total is None or total.op != "sum" or total.initial or not within_step(total.wires[0]):
        return None
    array, axis = source(total.wires[0]), total.attrs.get("axis")
    shape = shape_of(array)
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    lengths = [shape[a] for a in axes]
    if not all(isinstance(n, int) for n in lengths) or math.prod(lengths) != o.wires[1].value or o.wires[1].value == 1:
        return None
    return Size(array, axis, math.prod(lengths), step_of(mean) is not None)


# -- what no gradient needs is no part of the record -------------------------------------------------------------


def axis_of_maxima(o: Operation) -> int | None:
    """The axis, if o subtracts from an array its maxima along one, which are a mere array in the record."""
    if o.op != "sub" or o.backward:
        return None
    x, m = o.node.inputs
    if not (isinstance(x, Node) and isinstance(m, Node)) or m.op is not None or m.name is not None or x.op is None:
        return None
    whole, reduced = x.shape or (), m.shape or ()
    axes = [k for k in range(-len(whole), 0) if len(reduced) == len(whole) and reduced[k] != whole[k]]
    if len(axes) != 1 or reduced[axes[0]] != 1:
        return None
    largest = numpy.max(backend.to_host(x.value), axis=axes[0], keepdims=True)
    return axes[0] if numpy.array_equal(largest, backend.to_host(m.value)) else None


def guards(fold: Fold) -> Iterator[tuple[Operation, Operation]]:
    """Where what divides is replaced by 1 if it is 0: the mere array that says so, and what divides."""
    for o in fold.operations:
        if o.op != "where" or o.backward:
            continue
        condition, one, x = o.node.inputs
        if not (isinstance(condition, Node) and isinstance(one, Constant) and isinstance(x, Node)):
            continue
        if condition.op is not None or condition.name is not None or one.value != 1:
            continue
        is_zero = numpy.array_equal(backend.to_host(condition.value), backend.to_host(x.value) == 0)
        if is_zero and isinstance(o.wires[0], (Fixed, Delayed)):
            yield source(o.wires[0]), fold.homes[x][0]


def counts_up(leaf: Operation) -> bool:
    """Is it the array 0, 1, 2, …, which picks a number of each row?"""
    node, shape = leaf.node, shape_of(leaf)
    if node.trainable or node.name is not None or node.dtype.kind not in "iu" or len(shape) != 1 or shape[0] < 2:
        return False
    return numpy.array_equal(backend.to_host(node.value), numpy.arange(shape[0]))
