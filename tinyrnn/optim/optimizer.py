"""What all optimisers share: the parameters, the arrays kept for each of them, and how both are saved and restored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy

from .. import backend
from ..graph import Value
from ..state import fitting
from ..tensor import Parameter


class Optimizer:
    """Changes parameters in place, by a rule that `update` states.

    A rule of one's own is a subclass with `slots`, the names of the arrays that it keeps for each parameter, and `update`.

    Parameters
    ----------
    params : iterable of Parameter
        ``model.parameters()``; their order is kept.  Made after the model is on its device and has its dtype.
    lr : float
        The learning rate; the attribute `lr` may be changed at any time.

    Raises
    ------
    TypeError
        If something else than Parameters is given, or the learning rate is no number.
    ValueError
        If there are none, one comes twice, or the learning rate is negative.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> class Signed(optim.Optimizer):
    ...     def update(self, xp, w, g, state, step, scratch):
    ...         w -= xp.multiply(xp.sign(g), self.lr, out=scratch[0])
    >>> w = tr.Parameter([1.0, -2.0])
    >>> (w * w).sum().backward()
    >>> Signed([w], lr=0.5).step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    slots: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Parameter], lr: float) -> None:
        self.lr = not_negative(f"{type(self).__name__}: the learning rate lr", lr)
        self.params = checked(type(self).__name__, params)
        if not self.params:
            raise ValueError(f"{type(self).__name__}: no parameters: was model.parameters() used up before?")
        self.steps = [0] * len(self.params)  # how often each parameter was changed
        self.state: list[dict[str, Any]] = [{name: _zeros_like(p.data) for name in self.slots} for p in self.params]
        self._scratch = _scratch(self.params)

    def update(self, xp: Any, w: Any, g: Any, state: dict[str, Any], step: int, scratch: tuple[Any, Any]) -> None:
        """Change the array w of a parameter in place, given its gradient g.

        Parameters
        ----------
        xp : module
            The library of all these arrays, `numpy` or `cupy`.
        w, g : array
            The parameter and its gradient; g must stay as it is.
        state : dict
            The arrays named by `slots`, to be changed in place.
        step : int
            1 for the parameter's first update.
        scratch : two arrays
            In the shape of w, to compute in.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update(self, xp, w, g, state, step, scratch): write one")

    def step(self) -> None:
        """Change every parameter that has a gradient.

        Raises
        ------
        TypeError, ValueError
            If a gradient is no Tensor, or of another shape than its parameter.
        """
        for i, p in enumerate(self.params):
            if p.grad is None:
                continue
            check_gradient(type(self).__name__, p)
            self._check(p, self._scratch[i][0])
            self.steps[i] += 1
            with backend.active(p.device):
                xp = backend.namespace((p.data,))
                self.update(xp, p.writable(), p.grad.data, self.state[i], self.steps[i], self._scratch[i])

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `grad` becomes None."""
        for p in self.params:
            p.grad = None

    def _check(self, p: Parameter, own: Any) -> None:
        """Is the parameter still what it was when this optimiser was made?"""
        if p.dtype != own.dtype or p.device != backend.device_of(own):
            raise RuntimeError(
                f"{type(self).__name__}: parameter {p.name!r} is now {p.dtype} on {p.device}, but was {own.dtype} on "
                f"{backend.device_of(own)} when the optimiser was made: make it after model.to(...)"
            )

    # -- state -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What the next step depends on besides the parameters.

        Returns
        -------
        dict
            ``"lr"``; ``"steps"``, how often each parameter was changed; and a copy of each kept array, called
            ``"slot.number"`` by the number of its parameter.
        """
        kept = {f"{name}.{i}": backend.copy(array) for i, state in enumerate(self.state) for name, array in state.items()}
        return {"lr": self.lr, "steps": numpy.array(self.steps), **kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken; on an error nothing is changed.

        Parameters
        ----------
        state : mapping
            As `state_dict` makes it, on any device.

        Raises
        ------
        ValueError
            If names are missing or unexpected, shapes differ, or something holds no numbers; the message lists every one.
        TypeError
            If `state` is no mapping.
        """
        kind = type(self).__name__
        own = {f"{name}.{i}": array for i, kept in enumerate(self.state) for name, array in kept.items()}
        arrays = fitting(kind, state, {"lr": numpy.zeros(()), "steps": numpy.zeros(len(self.params), int), **own})
        self.lr, self.steps = not_negative(f"{kind}: lr", float(arrays["lr"])), arrays["steps"].tolist()
        for name, array in own.items():
            with backend.active(backend.device_of(array)):
                array[...] = arrays[name]

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v}" for k, v in vars(self).items() if isinstance(v, (int, float, tuple)) and k != "slots")
        return f"{type(self).__name__}({len(self.params)} parameters, {options})"


def checked(what: str, params: Iterable[Parameter]) -> list[Parameter]:
    """The parameters as a list, once all are known to be parameters, each there once."""
    hint = "give it model.parameters(), or a list of Parameters"
    try:
        found = list(params)
    except TypeError:
        raise TypeError(f"{what}: expected parameters, not a {type(params).__name__}: {hint}") from None
    for p in found:
        if not isinstance(p, Parameter):
            raise TypeError(f"{what}: expected Parameters, but one is a {type(p).__name__}: {hint}")
    if len(set(found)) < len(found):
        raise ValueError(f"{what}: a parameter comes twice, and would be changed twice")
    return found


def check_gradient(what: str, p: Parameter) -> None:
    """Is the gradient of a parameter a Tensor of its shape, where it is?"""
    if not isinstance(p.grad, Value):
        raise TypeError(f"{what}: the gradient of {p.name!r} is a {type(p.grad).__name__}: set grad to a Tensor, or None")
    if p.grad.shape != p.shape:
        raise ValueError(f"{what}: the gradient of {p.name!r} has shape {tuple(p.grad.shape)}, the parameter {tuple(p.shape)}")


def number(what: str, value: Any) -> float:
    """An option as a plain number."""
    if not isinstance(value, Real):
        raise TypeError(f"{what} must be a number, not {value!r:.80}")
    return float(value)


def not_negative(what: str, value: Any) -> float:
    """An option as a plain number, from 0."""
    if not number(what, value) >= 0:
        raise ValueError(f"{what} must not be negative, not {value!r}")
    return float(value)


def _zeros_like(array: Any) -> Any:
    with backend.active(backend.device_of(array)):
        return backend.namespace((array,)).zeros_like(array)


def _scratch(params: list[Parameter]) -> list[tuple[Any, Any]]:
    """Two arrays to compute in for each parameter, all in the memory of the largest: only one is updated at a time."""
    pools: dict[Any, tuple[Any, Any]] = {}
    for p in sorted(params, key=lambda p: p.size, reverse=True):
        if (p.device, p.dtype) not in pools:
            with backend.active(p.device):
                empty = backend.library(p.device).empty
                pools[p.device, p.dtype] = empty(p.size, p.dtype), empty(p.size, p.dtype)
    views = [[pool[: p.size].reshape(p.shape) for pool in pools[p.device, p.dtype]] for p in params]
    return [(first, second) for first, second in views]
