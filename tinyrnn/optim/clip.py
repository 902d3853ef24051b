"""Clipping: gradients that explode on their way back through time are shortened before the step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import backend
from ..tensor import Parameter, Tensor, as_tensor
from .optimizer import checked


def clip_grad_norm(parameters: Iterable[Parameter], max_norm: float) -> Tensor:
    """Shorten all gradients, as one long vector, to a length of at most `max_norm` (Pascanu, Mikolov & Bengio 2013).

        |g| = √Σ g²
        g ← g · min(1, max_norm / (|g| + 10⁻⁶))

    Nothing is read back from the device: the factor is computed, and applied, where the gradients are.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those without a gradient are passed over.
    max_norm : float

    Returns
    -------
    Tensor
        |g| before the clipping, a scalar on the device of the first gradient; 0 if there is none.

    Raises
    ------
    TypeError, ValueError
        If something else than Parameters is given, one comes twice, or `max_norm` is negative.

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
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: max_norm must not be negative, not {max_norm!r}")
    gradients = [p.grad for p in checked("clip_grad_norm", parameters) if p.grad is not None]
    if not gradients:
        return as_tensor(0.0)
    device = gradients[0].device
    with backend.active(device):
        xp = backend.library(device)
        squares = xp.stack([backend.to_device(_square(g.data), device) for g in gradients])
        norm = xp.sqrt(squares.sum())
        factor = xp.minimum(max_norm / (norm + 1e-6), 1.0)
    for g in gradients:
        with backend.active(g.device):
            array = g.writable()
            array *= backend.to_device(factor, g.device)
    return as_tensor(norm)


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
        Those without a gradient are passed over.
    limit : float

    Raises
    ------
    TypeError, ValueError
        If something else than Parameters is given, one comes twice, or `limit` is negative.

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
    if not limit >= 0:
        raise ValueError(f"clip_grad_value: limit must not be negative, not {limit!r}")
    for p in checked("clip_grad_value", parameters):
        if p.grad is not None:
            with backend.active(p.grad.device):
                array = p.grad.writable()
                backend.namespace((array,)).clip(array, -limit, limit, out=array)
