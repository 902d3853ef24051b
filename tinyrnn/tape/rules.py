"""Attributes and shapes over time: what is the same at every step, and what counts the steps, as the index in ``xs[t]`` does."""

from __future__ import annotations

from typing import Any

from .wires import Affine


def rule(a: Any, b: Any, t: int, u: int) -> Any:
    """What gives `a` at step t and `b` at step u: `a` itself if they agree, else, where they are integers, a count of steps."""
    if type(a) is int and type(b) is int and a != b and (a - b) % (t - u) == 0:
        slope = (a - b) // (t - u)
        return Affine(slope, a - slope * t)
    if type(a) is tuple and type(b) is tuple and len(a) == len(b):
        return tuple([rule(x, y, t, u) for x, y in zip(a, b)])
    if type(a) is dict and type(b) is dict and a.keys() == b.keys():
        return {k: rule(a[k], b[k], t, u) for k in a}
    if type(a) is slice and type(b) is slice:
        return slice(rule(a.start, b.start, t, u), rule(a.stop, b.stop, t, u), rule(a.step, b.step, t, u))
    return a


def counts(a: Any) -> bool:
    """Is there a count of steps in it?"""
    if isinstance(a, slice):
        a = (a.start, a.stop, a.step)
    return isinstance(a, Affine) or (
        any(map(counts, a)) if isinstance(a, tuple) else any(map(counts, a.values())) if isinstance(a, dict) else False
    )


def evaluate(a: Any, t: int | None) -> Any:
    """What a rule gives at step t."""
    if isinstance(a, Affine) and t is not None:
        return a(t)
    if isinstance(a, tuple):
        return tuple([evaluate(x, t) for x in a])
    if isinstance(a, dict):
        return {k: evaluate(x, t) for k, x in a.items()}
    if isinstance(a, slice):
        return slice(evaluate(a.start, t), evaluate(a.stop, t), evaluate(a.step, t))
    return a


def same(a: Any, b: Any) -> bool:
    """Are they the same numbers, of the same types?"""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, slice):
        return same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if hasattr(a, "shape"):
        return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())
    return bool(a == b) or (a != a and b != b)
