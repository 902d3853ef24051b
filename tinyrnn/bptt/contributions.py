"""The gradient of a shared weight, taken apart again into what each time step gave to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy

from .. import backend
from ..autodiff import differentiate, identify, seed_of, shares
from ..graph import Value, dependents, history


class Use(NamedTuple):
    """What came back to a weight from its uses at one time step of one time loop.

    Attributes
    ----------
    step, loop : int or None
        None: from a use outside any time step.
    scope : tuple of str
        The module that used it.
    gradient : array
        The part of ∂L/∂weight, in the shape of the weight, on its device.
    """

    step: int | None
    loop: int | None
    scope: tuple[str, ...]
    gradient: Any


def contributions(loss: Value, parameter: Value, *, loop: int | None = None) -> Any:
    """What each time step gave to the gradient of a parameter: ∂L/∂W = Σₜ contributions[t] (Werbos 1990).

    A step's contribution comes back from what was computed at that step.  Between the weight and the steps there may be
    operations outside any step, like ``W.T`` or ``x @ W_x`` for the whole sequence: what comes back from each step is
    pulled through them by itself.

    Parameters
    ----------
    loss : Tensor
        A scalar.
    parameter : Tensor
        A weight, or any other Tensor that the loss depends on.
    loop : int, optional
        If several time loops use the parameter and number their steps alike (an encoder and a decoder that share it, two
        sequences through one layer): which of them, counted from 0 in the order in which they ran.

    Returns
    -------
    array, (T, *parameter.shape)
        One row for each step of the loop in the history of the loss, in the order of time, also if the loop runs
        backwards; the first row belongs to the first step, whichever number that has.  On the parameter's device.  The sum
        over T is the gradient (with `loop`, the part of it that comes from that loop).

    Raises
    ------
    TypeError
        If one of both is no Tensor.
    ValueError
        If the loss does not depend on the parameter; if part of the gradient belongs to no step, because the parameter is
        used behind the loop or without one; if several loops use it and `loop` does not say which is meant.
    ArithmeticError
        If the contributions do not add up to the gradient that a plain backward pass gives.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt
    >>> w, h = tr.Parameter(0.5), tr.tensor(1.0)
    >>> for t in range(3):
    ...     with tr.step(t):
    ...         h = tr.tanh(w * h)
    >>> loss = h * h
    >>> parts = bptt.contributions(loss, w)
    >>> parts.round(4)
    array([0.0416, 0.0489, 0.0507], dtype=float32)
    >>> loss.backward()
    >>> bool(abs(parts.sum() - w.grad.item()) < 1e-7)
    True
    """
    record = Record([loss], parameter)
    found = record.uses(loss, seed_of(loss))
    check_sum(parameter, [use.gradient for use in found], gradient_of(loss, parameter))
    loops = record.choose(found, loop)
    return rows(parameter, [use for use in found if use.loop in loops], record.steps_of(loops))


def uses(loss: Value, parameter: Value) -> list[Use]:
    """Every part of the gradient of a parameter with its place: nothing added up but what one step of one loop gave.

    Parameters
    ----------
    loss : Tensor
        A scalar.
    parameter : Tensor

    Returns
    -------
    list of Use
        In the order in which the steps ran; last, with ``step`` None, what belongs to no step, if there is any.

    Raises
    ------
    ValueError, ArithmeticError
        As for `contributions`.

    Examples
    --------
    The weight scales the state at every step, and once more the result:

    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt
    >>> w, h = tr.Parameter(2.0), tr.tensor(1.0)
    >>> for t in range(2):
    ...     with tr.step(t):
    ...         h = w * h
    >>> [(use.step, use.gradient.item()) for use in bptt.uses(h * w, w)]
    [(0, 4.0), (1, 4.0), (None, 4.0)]
    """
    found = Record([loss], parameter).uses(loss, seed_of(loss))
    check_sum(parameter, [use.gradient for use in found], gradient_of(loss, parameter))
    return found


class Record:
    """The history of some losses, as far as it depends on one parameter."""

    def __init__(self, losses: Sequence[Value], parameter: Value) -> None:
        for given in (*losses, parameter):
            if not isinstance(given, Value):
                raise TypeError(f"expected a loss and a parameter, both Tensors, not {type(given).__name__}")
        self.parameter = parameter
        self.recorded = history(*losses)
        if not parameter.requires_grad or parameter not in set(self.recorded):
            raise ValueError(
                f"the loss does not depend on {identify(parameter)}"
                if parameter.requires_grad
                else f"{identify(parameter)} requires no gradient: make it with requires_grad=True, or as a Parameter"
            )
        self.dependents = dependents(self.recorded, [parameter])
        # made from the parameter before and behind the loops, without passing through a step: W.T, x @ W for all steps
        self.outside = {parameter}
        for value in self.recorded:
            if value.place.step is None and value in self.dependents and not self.outside.isdisjoint(value.parents):
                self.outside.add(value)

    def uses(self, loss: Value, seed: Any) -> list[Use]:
        """The parts of ∂loss/∂parameter, step by step."""
        arrived: dict[Any, dict[Value, Any]] = {}  # (loop, step) -> what came back from there into values outside
        scopes: dict[Any, tuple[str, ...]] = {}
        for into, through, share in shares(loss, seed, among=self.dependents):
            if into in self.outside and through not in self.outside:
                when = through.place.loop, through.place.step
                here = arrived.setdefault(when, {})
                here[into] = here[into] + share if into in here else share
                scopes[when] = through.place.scope
        found = [
            Use(step, loop, scopes[loop, step], self._to_parameter(parts)) for (loop, step), parts in reversed(arrived.items())
        ]
        if loss in self.outside:
            found.append(Use(None, None, loss.place.scope, self._to_parameter({loss: seed})))
        return [use for use in found if use.gradient is not None]

    def _to_parameter(self, gradients: dict[Value, Any]) -> Any:
        """Pull gradients of values outside the steps back to the parameter, on the ways that lead through no step.

        None if there is no such way on which gradients flow.
        """
        parts = []
        for value, gradient in gradients.items():
            if value is self.parameter:
                parts.append(gradient)
                continue
            totals: dict[Value, Any] = {self.parameter: None}
            for _ in shares(value, gradient, totals=totals, only_totals=True, among=self.outside):
                pass
            if totals[self.parameter] is not None:
                parts.append(totals[self.parameter])
        if not parts:
            return None
        with backend.active(backend.device_of(self.parameter.data)):
            return sum(parts[1:], start=parts[0])

    def choose(self, found: Sequence[Use], loop: int | None) -> list[int]:
        """The loops that are meant; ValueError if part of the gradient would be lost, or times would be mixed up."""
        loops = sorted({use.loop for use in found if use.loop is not None})
        if loop is None:
            self._refuse_outside(found)
            self._refuse_ambiguous(found, loops)
            return loops
        if not 0 <= loop < len(loops):
            raise ValueError(f"loop={loop}: {identify(self.parameter)} is used in {len(loops)} time loop(s), numbered from 0")
        return [loops[loop]]

    def _refuse_outside(self, found: Iterable[Use]) -> None:
        """Raise if part of the gradient belongs to no time step."""
        if any(use.step is None for use in found):
            readers = (value for value in self.recorded if value in self.outside and any(a is self.parameter for a in value.args))
            names = ", ".join(f"{value.op.name} ({value.place})" for value in readers)
            raise ValueError(
                f"{identify(self.parameter)} is used outside any time step, {f'by {names}' if names else 'as the loss itself'}: "
                "this part of its gradient belongs to no step. Use it at each step, under tr.step(t); or see all parts with "
                "bptt.uses"
            )

    def _refuse_ambiguous(self, found: Iterable[Use], loops: Sequence[int]) -> None:
        """Raise if several loops number their steps alike."""
        steps: dict[int, set[int]] = {loop: set() for loop in loops}
        modules: dict[int, str] = {}
        for use in found:
            if use.loop is not None and use.step is not None:
                steps[use.loop].add(use.step)
                modules[use.loop] = ".".join(use.scope) or "no module"
        shared = sorted(step for step, times in Counter(chain(*steps.values())).items() if times > 1)
        if shared:
            listed = [f"{n}: {modules[loop]}, steps {min(s)} to {max(s)}" for n, (loop, s) in enumerate(steps.items())]
            listed = [*listed[:4], "…"] if len(listed) > 5 else listed
            raise ValueError(
                f"{identify(self.parameter)} is used in {len(loops)} time loops ({'; '.join(listed)}), and step {shared[0]} of "
                "one is not that of another: say which with loop=0, loop=1, …; or see all parts with bptt.uses"
            )

    def steps_of(self, loops: Sequence[int]) -> list[int]:
        """The time steps of these loops, in the order of time."""
        places = {(value.place.loop, value.place.step) for value in self.recorded if value.op is not None}
        return sorted({step for loop, step in places if loop in loops and step is not None})


def rows(parameter: Value, found: Iterable[Use], steps: Sequence[int]) -> Any:
    """The uses as one array, a row for each step; 0 where the weight is not used."""
    row: dict[int | None, int] = {step: number for number, step in enumerate(steps)}
    with backend.active(backend.device_of(parameter.data)):
        xp = backend.namespace((parameter.data,))
        array = xp.zeros((len(steps), *parameter.shape), dtype=parameter.dtype)
        for use in found:
            array[row[use.step]] += use.gradient
    return array


def gradient_of(loss: Value, parameter: Value) -> Any:
    """The whole gradient, as a plain backward pass computes it."""
    return differentiate(loss, wanted=(parameter,)).get(parameter)


def check_sum(parameter: Value, parts: Iterable[Any], whole: Any) -> None:
    """Raise unless the parts add up to the whole gradient, to rounding.

    Sums in another order differ by a few units in the last place of the largest term; a part that is missing, or counted
    twice, differs by a term.  The bound lies between the two.  Where the gradient overflows there is nothing to compare.
    """
    added = numpy.zeros(parameter.shape)
    size = numpy.zeros(parameter.shape)
    with numpy.errstate(invalid="ignore", over="ignore"):
        for part in parts:
            host = backend.to_host(part)
            added, size = added + host, size + abs(host)
        expected = added * 0 if whole is None else backend.to_host(whole)
        difference = abs(added - expected)
    known = numpy.isfinite(difference)
    bound = 1e3 * float(numpy.finfo(parameter.dtype).eps) * float(size[known].max(initial=0.0))
    worst = float(difference[known].max(initial=0.0))
    if worst > bound:
        raise ArithmeticError(
            f"the contributions to {identify(parameter)} do not add up to its gradient: they differ by {worst:.3g}, "
            f"and rounding explains {bound:.1g}; this is a fault of tinyrnn, please report it"
        )
