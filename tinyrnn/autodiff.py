"""Reverse-mode differentiation: walk the history from young to old, pulling gradients back.

Each use of a value gives one Share of its gradient.  A weight that is used at every time step of an unrolled network
gets one share per step, and their sum is its gradient: that sum over time *is* backpropagation through time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from heapq import heappop, heappush
from typing import Any, NamedTuple

from . import backend
from .graph import RELEASED, Place, Pull, Value, at, modes, recording
from .ops import cast, move, sum_to, total
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
    totals: dict[Value, Any] | None = None,
    release: bool = False,
    only_totals: bool = False,
    among: AbstractSet[Value] | None = None,
) -> Iterator[Share]:
    """Yield every Share of the chain rule, as bare arrays, the youngest use first.

    Parameters
    ----------
    output : Value
        What is differentiated.
    seed : array
        ∂L/∂output, in the shape of `output`.
    totals : dict, optional
        Receives the whole gradient, the sum of the shares, of every leaf, and of the values that it has as keys.
    release : bool
        Let go of each value's history as soon as it is passed.
    only_totals : bool
        Yield nothing, and compute the shares of a weight together, many uses at once.
    among : set of Value, optional
        Go back through these values only; by default through all that need a gradient.
    """
    anomaly = modes().anomaly
    joint = _JointUses() if only_totals and not anomaly else None
    arrived: dict[Value, Any] = {output: seed}  # the sum of the shares so far: T shares need no memory for T
    frontier = [(-output.serial, output)] if output.op is not None else []
    with backend.following() as gpus:
        while frontier:
            y = heappop(frontier)[1]  # the youngest: all that read it have been passed, so its gradient is complete
            op, g = y.op, arrived.pop(y)
            if op is RELEASED:
                raise _released(y)
            if gpus.in_use:
                gpus.follow(y.args[0].data if op is move else y.data)
            if op.many:
                g = [_zeros_like(data) if part is None else part for part, data in zip(g, y.data)]
            elif totals and y in totals:
                totals[y] = g
            args = [a.data if isinstance(a, Value) else a for a in y.args]
            each = op.pull_all(g, y.data, args, y.attrs) if isinstance(op, Variadic) else None
            for i, a in enumerate(y.args):
                if not isinstance(a, Value):
                    continue
                if a.op is None and a.changed > y.serial:
                    raise _changed(a, y)
                if not a.requires_grad or (among is not None and a not in among):
                    continue
                if joint is not None and a.op is None and joint.takes(a, op, i, g, args, arrived):
                    continue
                share = _share(op, i, g, y.data, args, y.attrs, each)
                if share is None:
                    continue
                if anomaly:
                    check_finite(share, op, y.args, y.place, f"'s gradient towards argument {i}")
                if op is PART:
                    _to_bundle(a, y, share, arrived, frontier)
                elif a in arrived:
                    arrived[a] = arrived[a] + share
                elif a.op is not None:
                    arrived[a] = share
                    heappush(frontier, (-a.serial, a))
                elif totals is not None:
                    arrived[a] = share
                if not only_totals:
                    yield Share(a, y, share)
            if release:
                y.op, y.args, y.attrs = RELEASED, (), None
        if joint is not None:
            joint.finish(arrived)
    if totals is not None:
        totals.update(arrived)  # only leaves are left


def recorded_shares(
    output: Value, seed: Value, *, totals: dict[Value, Any] | None = None, among: AbstractSet[Value] | None = None
) -> Iterator[Share]:
    """Yield every Share of the chain rule as a Value whose own history is recorded: the same walk, the same vjps.

    Each backward operation is recorded in the place of the forward operation that it differentiates.  The shares that
    arrive at a value are added up by one recorded operation in the place of that value, even if there is only one:
    the Σ of BPTT.  Parameters: see `shares`.
    """
    anomaly = modes().anomaly
    arrived: dict[Value, list] = {output: [seed]}  # the terms of each sum
    frontier = [(-output.serial, output)] if output.op is not None else []
    while frontier:
        y = heappop(frontier)[1]
        op, terms = y.op, arrived.pop(y)
        if op is RELEASED:
            raise _released(y)
        if op.many:
            g: Any = [_constant(_zeros_like(data), y) if part is None else part for part, data in zip(terms, y.data)]
        else:
            g = _sum_at(y, terms)
            if totals and y in totals:
                totals[y] = g
        each = None
        if isinstance(op, Variadic):
            with at(y.place._replace(pull=Pull(y, 0))), recording():
                each = op.pull_all(g, y, y.args, y.attrs)
        for i, a in enumerate(y.args):
            if not isinstance(a, Value):
                continue
            if a.op is None and a.changed > y.serial:
                raise _changed(a, y)
            if not a.requires_grad or (among is not None and a not in among):
                continue
            with at(_place_of_share(y, i)), recording(), backend.active(backend.device_of(y.data)):
                share = _share(op, i, g, y, y.args, y.attrs, each)
            if share is None:
                continue
            if anomaly:
                check_finite(share.data, op, y.args, y.place, f"'s gradient towards argument {i}")
            if op is PART:
                _to_bundle(a, y, share, arrived, frontier)
            elif a in arrived:
                arrived[a].append(share)
            elif a.op is not None:
                arrived[a] = [share]
                heappush(frontier, (-a.serial, a))
            elif totals is not None:
                arrived[a] = [share]
            yield Share(a, y, share)
    if totals is not None:
        for leaf, terms in arrived.items():
            totals[leaf] = _sum_at(leaf, terms)


def _share(op: Any, i: int, g: Any, y: Any, args: Sequence, attrs: dict[str, Any], each: Any) -> Any:
    """The vjp of `op` towards its argument number i, in the shape and the dtype of that argument; None if it has none."""
    if op is PART:
        return g
    if each is not None:
        share = part(each, i)
    elif (pullback := op.pullbacks[i]) is not None:
        share = pullback(g, y, *args, **attrs)
    else:
        return None
    if op.broadcasts and share.shape != args[i].shape:
        share = sum_to(share, shape=args[i].shape)  # what broadcasting repeated is added up
    return share if share.dtype == args[i].dtype else cast(share, dtype=args[i].dtype)


class _JointUses:
    """The uses of weights whose shares need not be known one by one: their vjps are computed together, in blocks."""

    BLOCK = 32

    def __init__(self) -> None:
        self._uses: dict[tuple[Value, Any], list] = {}

    def takes(self, weight: Value, op: Any, i: int, g: Any, args: list, arrived: dict[Value, Any]) -> bool:
        """Can this use wait until there is a block of them?  Then it is kept until then."""
        if op.joint_vjp is None or i != 1 or args[1].ndim != 2:
            return False
        uses = self._uses.setdefault((weight, op), [])
        uses.append((g, args[0]))
        if len(uses) == self.BLOCK:
            self._add(weight, op, uses, arrived)
        return True

    def finish(self, arrived: dict[Value, Any]) -> None:
        """Add the shares of all the uses that are still waiting to what has arrived at their weights."""
        for (weight, op), uses in self._uses.items():
            if uses:
                self._add(weight, op, uses, arrived)

    def _add(self, weight: Value, op: Any, uses: list, arrived: dict[Value, Any]) -> None:
        with backend.active(backend.device_of(weight.data)):
            share = op.joint_vjp(uses)
            share = share if share.dtype == weight.dtype else cast(share, dtype=weight.dtype)
            arrived[weight] = arrived[weight] + share if weight in arrived else share
        uses.clear()


def _to_bundle(bundle: Value, y: Value, share: Any, arrived: dict[Value, Any], frontier: list) -> None:
    """Lay the gradient of a part at its place among the gradients of the bundle that it is part of."""
    if bundle not in arrived:
        arrived[bundle] = [None] * len(bundle.data)
        heappush(frontier, (-bundle.serial, bundle))
    parts, k = arrived[bundle], y.attrs["index"]
    parts[k] = share if parts[k] is None else parts[k] + share


def _place_of_share(y: Value, i: int) -> Place:
    """A vjp runs where, and when, its operation ran.

    One that undoes a gathering of steps (`stack`) has no step of its own: it runs at the step it hands its share to.
    """
    when = y.place if y.place.step is not None else y.args[i].place
    return Place(y.place.scope, when.step, when.loop, Pull(y, i))


def _sum_at(y: Value, terms: list) -> Value:
    """All of ∂L/∂y, added up in the place of y."""
    with at(y.place._replace(pull=Pull(y, None))), recording():
        return total(*terms)


def _zeros_like(array: Any) -> Any:
    """The gradient of a part that nobody used."""
    with backend.active(backend.device_of(array)):
        return backend.namespace((array,)).zeros_like(array)


def _constant(array: Any, like: Value) -> Value:
    return like.derive(array, None, (), None, False)


def _changed(leaf: Value, y: Value) -> RuntimeError:
    return RuntimeError(
        f"{identify(leaf)} was changed in place after {identify(y)} had been computed from it: "
        "call backward before the update, or compute the loss again after it"
    )


def _released(y: Value) -> RuntimeError:
    return RuntimeError(f"{identify(y)} has let its history go in backward(release=True): leave that out, or compute it again")


def identify(value: Value) -> str:
    """A value as error messages call it."""
    what = value.name or (value.op.name if value.op not in (None, RELEASED) else "a tensor")
    shape = "" if isinstance(value.data, tuple) else f" of shape {tuple(value.shape)}"
    return f"{what!r}{shape} ({value.place})" if value.place.scope or value.place.step is not None else f"{what!r}{shape}"


# -- whole gradients ---------------------------------------------------------------------------------------------


def seed_of(output: Value, gradient: Any = None, create_graph: bool = False) -> Any:
    """∂L/∂output: what the caller gives, or 1 for a scalar."""
    if output.op is RELEASED:
        raise _released(output)
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
            seed = backend.asarray(
                gradient.data if isinstance(gradient, Value) else gradient,
                dtype=output.dtype,
                device=backend.device_of(output.data),
            )
            if seed.shape != output.shape:
                raise ValueError(f"the gradient has shape {tuple(seed.shape)}, but {identify(output)} has {tuple(output.shape)}")
    if not create_graph:
        return seed
    if isinstance(gradient, Value):
        return gradient
    with at(output.place._replace(pull=Pull(output, None))):
        return _constant(seed, output)


def differentiate(
    output: Value, gradient: Any = None, *, wanted: Collection[Value] = (), create_graph: bool = False, release: bool = False
) -> dict[Value, Any]:
    """The whole gradients of the leaves of a history, and of the `wanted` values in it: arrays, or Values with `create_graph`."""
    totals: dict[Value, Any] = dict.fromkeys(wanted)
    seed = seed_of(output, gradient, create_graph)
    if create_graph:
        walk = recorded_shares(output, seed, totals=totals)
    else:
        walk = shares(output, seed, totals=totals, release=release, only_totals=True)
    for _ in walk:
        pass
    return {value: g for value, g in totals.items() if g is not None}


def backward(output: Any, gradient: Any = None, create_graph: bool = False, release: bool = False) -> None:
    """Add ∂output/∂leaf to the `grad` of every leaf that requires a gradient (see `Tensor.backward`)."""
    if create_graph and release:
        raise ValueError("create_graph keeps the history that release lets go: choose one of them")
    for leaf, g in differentiate(output, gradient, create_graph=create_graph, release=release).items():
        if leaf.dtype.kind != "f":
            raise TypeError(f"{identify(leaf)} has dtype {leaf.dtype}: only floats have gradients; make it with dtype='float32'")
        if not create_graph:  # a copy of its own: what arrives may be a view, or the gradient of another leaf as well
            g = _constant(backend.copy(g), leaf)
        leaf.grad = g if leaf.grad is None else leaf.grad + g


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
    asked = (inputs,) if isinstance(inputs, Value) else tuple(inputs)
    for x in asked:
        if not isinstance(x, Value):
            raise TypeError(f"grad: inputs must be Tensors, not {type(x).__name__}")
    totals = differentiate(output, gradient, wanted=set(asked), create_graph=create_graph)
    found = [totals.get(x) for x in asked]
    if not create_graph:
        found = [None if g is None else _constant(backend.copy(g), output) for g in found]
    return found[0] if isinstance(inputs, Value) else tuple(found)
