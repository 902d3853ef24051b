"""Norms of gradients, and clipping: those that explode on their way back through time are shortened before the step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import backend
from ..tensor import Parameter, Tensor, as_tensor
from .optimizer import check_gradient, checked, not_negative


def grad_norm(parameters: Iterable[Parameter]) -> Tensor:
    """|g| = √Σ g²: the length of all gradients, as one long vector.

    Nothing is read back from the device.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those without a gradient are passed over.

    Returns
    -------
    Tensor
        A scalar on the device of the first gradient; 0 if there is none.

    Raises
    ------
    TypeError, ValueError
        If something else than Parameters is given, one comes twice, or a gradient does not fit.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> w = tr.Parameter([3.0, 4.0])
    >>> (w * w).sum().backward()
    >>> optim.grad_norm([w]).item()
    10.0
    """
    return _norm(_with_gradients("grad_norm", parameters))


def _norm(parameters: list[Parameter]) -> Tensor:
    """The length of their gradients together."""
    if not parameters:
        return as_tensor(0.0)
    device = parameters[0].grad.device
    with backend.active(device):
        xp = backend.library(device)
        squares = xp.stack([backend.to_device(_square(p.grad.data), device) for p in parameters])
        return as_tensor(xp.sqrt(squares.sum()))


def clip_grad_norm(parameters: Iterable[Parameter], max_norm: float) -> Tensor:
    """Shorten all gradients, as one long vector, to a length of at most `max_norm` (Pascanu, Mikolov & Bengio 2013).

        |g| = √Σ g²
        g ← g · min(1, max_norm / (|g| + 10⁻⁶))

    Nothing is read back from the device: the factor is computed, and applied, where the gradients are.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those without a gradient are passed over.  A gradient with a history (``create_graph=True``) is replaced by one without.
    max_norm : float

    Returns
    -------
    Tensor
        |g| before the clipping, a scalar on the device of the first gradient; 0 if there is none.

    Raises
    ------
    TypeError, ValueError
        If something else than Parameters is given, one comes twice, a gradient does not fit, or `max_norm` is negative.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> w = tr.Parameter([3.0, 4.0])
    >>> (w * w).sum().backward()
    >>> optim.clip_grad_norm([w], 5.0).item()
    10.0
    >>> round(tr.norm(w.grad).item(), 3)
    5.0
    """
    max_norm = not_negative("clip_grad_norm: max_norm", max_norm)
    clipped = _with_gradients("clip_grad_norm", parameters)
    norm = _norm(clipped)
    with backend.active(norm.device):
        factor = backend.library(norm.device).minimum(max_norm / (norm.data + 1e-6), 1.0)
    for p in clipped:
        with backend.active(p.grad.device):
            array = _writable(p)
            array *= backend.to_device(factor, p.grad.device)
    return norm


def _with_gradients(what: str, parameters: Iterable[Parameter]) -> list[Parameter]:
    """The parameters that have a gradient, once all of those are known to fit."""
    found = [p for p in checked(what, parameters) if p.grad is not None]
    for p in found:
        check_gradient(what, p)
    return found


def _writable(p: Parameter) -> Any:
    """The array of a gradient, to be changed in place; one with a history is replaced by a copy without it."""
    if p.grad.op is not None:
        p.grad = as_tensor(backend.copy(p.grad.data))
    return p.grad.writable()


def _square(g: Any) -> Any:
    """Σ g², where g is."""
    with backend.active(backend.device_of(g)):
        flat = g.reshape(-1)
        return backend.namespace((g,)).dot(flat, flat)


def clip_grad_value(parameters: Iterable[Parameter], limit: float) -> None:
    """Cut every number of the gradients to the range from −limit to limit.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those without a gradient are passed over.  A gradient with a history (``create_graph=True``) is replaced by one without.
    limit : float

    Raises
    ------
    TypeError, ValueError
        If something else than Parameters is given, one comes twice, a gradient does not fit, or `limit` is negative.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> w = tr.Parameter([3.0, -0.25])
    >>> (w * w).sum().backward()
    >>> optim.clip_grad_value([w], 1.0)
    >>> w.grad
    Tensor([ 1. , -0.5])
    """
    limit = not_negative("clip_grad_value: limit", limit)
    for p in _with_gradients("clip_grad_value", parameters):
        with backend.active(p.grad.device):
            array = _writable(p)
            backend.namespace((array,)).clip(array, -limit, limit, out=array)
