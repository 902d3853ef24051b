"""One cell over time: the loop that unrolls it, with the same weights at every step, and what it does about padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import backend
from ..graph import Value, at, here, step
from ..ops import reshape, where
from ..tensor import as_tensor
from .cell import begin, like, parts


def _carry(state: Any, names: Sequence[str | None]) -> Any:
    """Mark each part of a state as what time carries; a part without a name gets the one given."""
    for value, name in zip(parts(state), names):
        value.carried = True
        if value.name is None:
            value.name = name
    return state


def _own(given: Any) -> Any:
    """A Tensor that may be named and marked: the caller's own if gradients flow into it or through it, else a copy."""
    if not isinstance(given, Value):
        return as_tensor(given)
    if given.op is not None or given.requires_grad:
        return given
    own = as_tensor(backend.copy(given.data))
    own.name = given.name
    return own


def _check_batch(cell: Any, x: Any, state: Any) -> None:
    """The state has one row for each sequence of the batch; nothing else would notice one too many."""
    for part in parts(state) if getattr(x, "ndim", 0) > 1 else ():
        if part.ndim and part.shape[0] != x.shape[0]:
            raise ValueError(
                f"{type(cell).__name__}: the initial state has shape {tuple(part.shape)}, but x has {x.shape[0]} sequences "
                f"at each step, (N, …) = {tuple(x.shape)}: the first axis of both is N"
            )


def where_valid(valid: Any, new: Any, old: Any) -> Any:
    """`new` for the sequences of the batch, the first axis, that go on; `old` for those that have ended."""
    if new.ndim != valid.ndim:
        valid = reshape(valid, shape=(-1, *(1,) * (new.ndim - 1)))
    return where(valid, new, old)


def _kept(valid: Any, new: Any, old: Any) -> Any:
    """The new state where a sequence goes on, the old one where it has ended."""
    kept = [where_valid(valid, n, o) for n, o in zip(parts(new), parts(old))]
    for value, n in zip(kept, parts(new)):
        value.name, n.name = n.name, None
    return like(new, kept)


def _check_state(cell: Any, before: Any, after: Any) -> None:
    """A cell returns the state in the form in which it takes it."""
    kind = type(cell).__name__
    if len(parts(before)) != len(parts(after)) or not all(isinstance(p, Value) for p in parts(after)):
        raise TypeError(
            f"{kind}.forward(x, state) must return the next state as it got the last one, {len(parts(before))} Tensor(s); "
            f"it returned {', '.join(type(p).__name__ for p in parts(after))}"
        )
    for old, new in zip(parts(before), parts(after)):
        if old.shape != new.shape:
            raise ValueError(f"{kind}: the state before has shape {tuple(old.shape)}, the state after it {tuple(new.shape)}")


def unroll(cell: Callable, xs: Sequence, state: Any, *, reverse: bool = False, valid: Sequence | None = None) -> tuple[list, Any]:
    """Apply a cell to each step of a sequence, the same weights every time.

    Parameters
    ----------
    cell : callable
        (x, state) -> state; the output of a step is the first part of its state.  See also `begin`.
    xs : sequence of Tensor
        The input of each step, (N, I).
    state : Tensor or tuple of Tensor
        Before the first step; the first axis of each is the batch, N, as of each x.
    reverse : bool
        Run from the last step to the first.
    valid : sequence of Tensor, optional
        For each step bools (N, 1): which sequences of the batch have not ended.  Where one has, its output is 0, its
        state stays, and its input is not looked at.

    Returns
    -------
    ys : list of Tensor
        The output of each step, in the order of the inputs.
    state
        After the last step.
    """
    fields = getattr(state, "_fields", ("h", *(f"s{i}" for i in range(1, len(parts(state))))))
    first = state = like(state, [_own(part) for part in parts(state)])
    _check_batch(cell, xs[0] if len(xs) else None, state)
    ys: list = [None] * len(xs)
    run = begin(cell, xs[-1 if reverse else 0], state) if len(xs) else cell
    with at(here().place):  # a time loop of its own, even if it goes on at the step where another one ended
        for t in reversed(range(len(xs))) if reverse else range(len(xs)):
            with step(t):
                if valid is None:
                    new = run(xs[t], state)
                    ys[t] = parts(new)[0]
                else:
                    new = run(where_valid(valid[t], xs[t], 0), state)
                    ys[t] = where_valid(valid[t], parts(new)[0], 0)
                    new = _kept(valid[t], new, state)
            if state is first:
                _check_state(cell, first, new)
                _carry(first, [part.name or field for part, field in zip(parts(new), fields)])  # h₀ is called like h₁
            state = _carry(new, fields)
    return ys, state
