"""Reverse-mode differentiation: walk the history from young to old, pulling gradients back.

Each use of a value gives one Share of its gradient.  A weight that is used at every time step of an unrolled network
gets one share per step, and their sum is its gradient: that sum over time *is* backpropagation through time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from . import backend
from .graph import RELEASED, Place, Pull, Value, at, modes, recording
from .ops import cast, sum_to, total
from .primitive import PART, Variadic, check_finite, part


class Share(NamedTuple):
    """The part of ∂L/∂into that arrives through one use of it."""

    into: Value
    through: Value
    gradient: Any


def shares(
    output: Value,
    seed: Any,
    *,
    create_graph: bool = False,
    release: bool = False,
    wanted: Collection[Value] = (),
    totals: dict[Value, Any] | None = None,
) -> Iterator[Share]:
    """Yield every Share of the chain rule, the youngest use first.

    Parameters
    ----------
    output : Value
        What is differentiated.
    seed : array or Value
        ∂L/∂output, in the shape of `output`; a Value with `create_graph`.
    create_graph : bool
        Whether the shares are Values with a recorded history of their own, or bare arrays.
    release : bool
        Let go of each value's history as soon as it is passed.
    wanted : set of Value
        Values inside the history whose whole gradient is asked for as well.
    totals : dict, optional
        Receives the whole gradient, the sum of the shares, of every leaf and of the `wanted`.
    """
    see = _value if create_graph else _array
    anomaly = modes().anomaly
    arrived: dict[Value, Any] = {output: [seed] if create_graph else seed}  # what has come of each gradient so far
    frontier = [(-output.serial, output)] if output.op is not None else []
    while frontier:
        y = heappop(frontier)[1]  # the youngest: all that read it have been passed, so its gradient is complete
        op, attrs = y.op, y.attrs
        if op is RELEASED:
            raise RuntimeError(
                f"{identify(y)} has let its history go in backward(release=True): leave that out, or compute it again"
            )
        g = arrived.pop(y)
        if create_graph or op.many:
            g = _gather(y, g, create_graph)
        if totals is not None and y in wanted:
            totals[y] = g
        result, args = see(y), [see(a) for a in y.args]
        together = _pull_all(y, g, result, args, create_graph) if isinstance(op, Variadic) else None
        for i, a in enumerate(y.args):
            if not isinstance(a, Value) or not a.requires_grad:
                continue
            if a.op is None and a.changed > y.serial:
                raise RuntimeError(
                    f"{identify(a)} was changed in place after {identify(y)} had been computed from it: "
                    "call backward before the update, or compute the loss again after it"
                )
            if op is PART:
                share = g
            elif create_graph:
                with at(_place_of_share(y, i)), recording():
                    share = part(together, i) if together is not None else op.pull(i, g, result, args, attrs)
                    share = _fit(share, a, op)
            else:
                share = part(together, i) if together is not None else op.pull(i, g, result, args, attrs)
                share = _fit(share, a, op)
            if anomaly:
                check_finite(_array(share), op, y.args, y.place, f"'s gradient towards argument {i}")
            if a.op is not None or totals is not None:
                if a not in arrived:
                    arrived[a] = _first(share, y, a, create_graph)
                    if a.op is not None:
                        heappush(frontier, (-a.serial, a))
                elif create_graph or op is PART:
                    _collect(arrived[a], share, y)
                else:
                    arrived[a] = arrived[a] + share  # a running sum, so that T shares need no memory for T
            yield Share(a, y, share)
        if release:
            y.op, y.args, y.attrs = RELEASED, (), None
    if totals is not None:
        for leaf, g in arrived.items():
            totals[leaf] = _gather(leaf, g, create_graph) if create_graph else g


def _value(v: Any) -> Any:
    return v


def _array(v: Any) -> Any:
    return v.data if isinstance(v, Value) else v


def _pull_all(y: Value, g: Any, result: Any, args: list, create_graph: bool) -> Any:
    """What a variadic operation hands to all its arguments together."""
    if not create_graph:
        return y.op.pull_all(g, result, args, y.attrs)
    with at(y.place._replace(pull=Pull(y, 0))), recording():
        return y.op.pull_all(g, result, args, y.attrs)


def _fit(share: Any, a: Value, op: Any) -> Any:
    """A share has the shape and the dtype of what it belongs to: undo what broadcasting and promotion did."""
    if op.broadcasts and share.shape != a.data.shape:
        share = sum_to(share, shape=a.data.shape)
    return share if share.dtype == a.data.dtype else cast(share, dtype=a.data.dtype)


def _place_of_share(y: Value, i: int) -> Place:
    """A vjp runs where, and when, its operation ran.

    One that undoes a gathering of steps (`stack`) has no step of its own: it runs at the step it hands its share to.
    """
    when = y.place if y.place.step is not None else y.args[i].place
    return Place(y.place.scope, when.step, when.loop, Pull(y, i))


def _first(share: Any, through: Value, into: Value, create_graph: bool) -> Any:
    """What has arrived at a value with its first share: a sum; a list of terms, to be recorded as one sum; or, of a
    bundle, a list with a place for each part."""
    if through.op is PART:
        parts = [None] * len(into.data)
        parts[through.attrs["index"]] = share
        return parts
    return [share] if create_graph else share


def _collect(terms: list, share: Any, through: Value) -> None:
    """A further share, for one part of a bundle, or for a sum to be recorded."""
    if through.op is PART:
        k = through.attrs["index"]
        terms[k] = share if terms[k] is None else terms[k] + share
    else:
        terms.append(share)


def _gather(y: Value, terms: list, create_graph: bool) -> Any:
    """All of ∂L/∂y: recorded, even if it is one term, as one operation in the place of y, the Σ of BPTT."""
    if y.op is not None and y.op.many:
        return [g if g is not None else _zeros(data, y, create_graph) for g, data in zip(terms, y.data)]
    with at(y.place._replace(pull=Pull(y, None))), recording():
        return total(*terms)


def _zeros(like: Any, y: Value, create_graph: bool) -> Any:
    """The gradient of a part that nobody used."""
    zeros = backend.namespace((like,)).zeros_like(like)
    return y.derive(zeros, None, (), None, False) if create_graph else zeros


def identify(value: Value) -> str:
    """A value as error messages call it."""
    what = value.name or (value.op.name if value.op not in (None, RELEASED) else "a tensor")
    shape = "" if isinstance(value.data, tuple) else f" of shape {tuple(value.shape)}"
    return f"{what!r}{shape} ({value.place})" if value.place.scope or value.place.step is not None else f"{what!r}{shape}"


# -- whole gradients ---------------------------------------------------------------------------------------------


def seed_of(output: Value, gradient: Any = None, create_graph: bool = False) -> Any:
    """∂L/∂output: what the caller gives, or 1 for a scalar."""
    if output.op is RELEASED:
        raise RuntimeError(f"{identify(output)} has let its history go in backward(release=True): compute it again")
    if not output.requires_grad:
        raise RuntimeError(
            f"{identify(output)} depends on nothing that requires a gradient: were its parameters made with "
            "requires_grad=True, and was it computed outside no_grad()?"
        )
    xp = backend.namespace((output.data,))
    with backend.active(backend.device_of(output.data)):
        if gradient is None:
            if output.data.size != 1:
                raise ValueError(
                    f"{identify(output)} is no scalar: reduce it to one number (mean, sum), "
                    f"or give backward a gradient of shape {tuple(output.shape)}"
                )
            seed = xp.ones_like(output.data)
        else:
            seed = backend.asarray(_array(gradient), dtype=output.dtype, device=backend.device_of(output.data))
            if seed.shape != output.shape:
                raise ValueError(f"the gradient has shape {tuple(seed.shape)}, but {identify(output)} has {tuple(output.shape)}")
    if not create_graph:
        return seed
    if isinstance(gradient, Value):
        return gradient
    with at(output.place._replace(pull=Pull(output, None))):
        return output.derive(seed, None, (), None, False)


def differentiate(
    output: Value, gradient: Any = None, *, wanted: Collection[Value] = (), create_graph: bool = False, release: bool = False
) -> dict[Value, Any]:
    """The whole gradients of the leaves of a history, and of the `wanted` values in it: arrays, or Values with `create_graph`."""
    totals: dict[Value, Any] = {}
    seed = seed_of(output, gradient, create_graph)
    for _ in shares(output, seed, create_graph=create_graph, release=release, wanted=wanted, totals=totals):
        pass
    return totals


def backward(output: Any, gradient: Any = None, create_graph: bool = False, release: bool = False) -> None:
    """Add ∂output/∂leaf to the `grad` of every leaf that requires a gradient (see `Tensor.backward`)."""
    if create_graph and release:
        raise ValueError("create_graph keeps the history that release lets go: choose one of them")
    for leaf, g in differentiate(output, gradient, create_graph=create_graph, release=release).items():
        if not create_graph:  # a copy of its own: what arrives may be a view, or the gradient of another leaf as well
            g = leaf.derive(backend.copy(g), None, (), None, False)
        leaf.grad = g if leaf.grad is None else leaf.grad + g  # type: ignore[attr-defined]


def grad(output: Value, inputs: Value | Sequence[Value], *, gradient: Any = None, create_graph: bool = False) -> Any:
    """The gradients of `output` with respect to `inputs`, returned; no `grad` is touched.

    Parameters
    ----------
    output : Tensor
        A scalar, or of any shape if `gradient` is given.
    inputs : Tensor or sequence of Tensor
        Leaves, or values inside the history (a hidden state hₜ, for ∂L/∂hₜ).
    gradient : Tensor or array, optional
        ∂L/∂output, in the shape of `output`.
    create_graph : bool
        Record the backward pass, so that the gradients can be differentiated (or drawn) themselves.

    Returns
    -------
    Tensor or None, or a tuple of them
        One for each input, in its shape; None where `output` does not depend on it.

    Raises
    ------
    ValueError
        If `output` is no scalar and no gradient is given, or one of another shape.
    RuntimeError
        If nothing in the history requires a gradient, or a parameter was changed in place since.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> x = tr.tensor(3.0, requires_grad=True)
    >>> dy = tr.grad(x ** 3, x, create_graph=True)
    >>> dy.item(), tr.grad(dy, x).item()
    (27.0, 18.0)
    """
    one = isinstance(inputs, Value)
    asked = (inputs,) if one else tuple(inputs)
    for x in asked:
        if not isinstance(x, Value):
            raise TypeError(f"grad: inputs must be Tensors, not {type(x).__name__}")
    totals = differentiate(output, gradient, wanted=set(asked), create_graph=create_graph)
    found = [totals.get(x) for x in asked]
    if not create_graph:
        found = [None if g is None else output.derive(backend.copy(g), None, (), None, False) for g in found]
    return found[0] if one else tuple(found)
