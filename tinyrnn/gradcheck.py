"""Checked derivatives: what autodiff returns, against what small changes of the inputs do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from . import autodiff, backend
from .graph import Value
from .tensor import Tensor


class GradientError(AssertionError):
    """A derivative that is not what the function does."""


def gradcheck(
    f: Callable[..., Any],
    inputs: Any,
    order: int = 1,
    *,
    eps: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
) -> bool:
    """Compare the derivatives of a function with central differences, (f(x + ε) − f(x − ε)) / 2ε, one number after the other.

    A result that is no scalar is reduced to one by fixed random weights.  Order 2 repeats the check with the gradients of
    that scalar in place of f; order n checks all derivatives up to the nth.

    Parameters
    ----------
    f : callable
        Takes as many Tensors as there are inputs; returns a Tensor of any shape, or a tuple or list of them.  It must return
        the same for the same inputs: no fresh random numbers.
    inputs : Tensor, array or number, or a sequence of them
        Where to differentiate.  Those that hold floats are checked, in float64 whatever they come in, since differences
        of float32 numbers say little; those that hold integers or bools are handed on as they are.
    order : int
        Up to which derivative.
    eps : float
        How far each number is moved.
    rtol, atol : float
        The difference may be up to ``atol + rtol · |expected|``.

    Returns
    -------
    bool
        True.

    Raises
    ------
    GradientError
        At the first derivative that is wrong, an AssertionError: which input, which index, what was expected and what came.
    TypeError
        If f does not compute in float64 when its inputs do, or no input holds floats.
    ValueError
        If the order is below 1.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.gradcheck(lambda x, W: tr.tanh(x @ W), [tr.randn(2, 3), tr.randn(3, 4)], order=2)
    True
    >>> wrong = lambda x: x * x.detach()  # half of the derivative is cut off
    >>> tr.gradcheck(wrong, 3.0)
    Traceback (most recent call last):
    tinyrnn.gradcheck.GradientError: ∂f/∂input[0] at index (): expected 6 by central differences, but autodiff gives 3
    """
    if order < 1:
        raise ValueError(f"gradcheck: order {order}, expected 1 or more")
    points = [_point(x) for x in (inputs if isinstance(inputs, (list, tuple)) else (inputs,))]
    moving = [k for k, x in enumerate(points) if x.requires_grad]
    if not moving:
        raise TypeError("gradcheck: none of the inputs holds floats, so there is nothing to differentiate by")
    derivative = "f"
    for _ in range(order):
        _compare(f, points, moving, derivative, eps, rtol, atol)
        f, derivative = _gradients(f, moving), f"∇{derivative}"
    return True


def _point(x: Any) -> Tensor:
    """An input of f: floats as a float64 leaf that requires a gradient."""
    data = backend.asarray(x.data if isinstance(x, Value) else x)
    floats = data.dtype.kind == "f"
    return Tensor(data, dtype="float64" if floats else None, requires_grad=floats)


def _outputs(f: Callable, points: Sequence[Tensor]) -> list:
    """The results of f as a list, known to be float64."""
    y = f(*points)
    results = list(y) if isinstance(y, (list, tuple)) else [y]
    for result in results:
        if not isinstance(result, Value):
            raise TypeError(f"gradcheck: f must return a Tensor, or a tuple or list of Tensors, not {type(result).__name__}")
        if result.dtype != numpy.float64:
            raise TypeError(
                f"gradcheck: f returned {result.dtype} for float64 inputs, too coarse for differences; "
                "does it cast, or use other arrays than its inputs?"
            )
    return results


def _projection(f: Callable, points: Sequence[Tensor]) -> Any:
    """f(x), if it is a scalar, else Σ w ⊙ f(x), with random weights w that are the same at every call."""
    results = _outputs(f, points)
    if len(results) == 1 and results[0].shape == ():
        return results[0]
    numbers = numpy.random.default_rng(0)
    terms = [(y * backend.to_device(numbers.uniform(0.5, 1.5, y.shape), y.device)).sum() for y in results]
    return sum(terms[1:], start=terms[0])


def _gradients(f: Callable, moving: Sequence[int]) -> Callable:
    """The function that returns the gradients of the projection of f, as Tensors with a history."""

    def gradients(*points: Tensor) -> list:
        at = [points[k] for k in moving]
        scalar = _projection(f, points)
        found = autodiff.grad(scalar, at, create_graph=True) if scalar.requires_grad else [None] * len(at)
        return [x * 0.0 if g is None else g for g, x in zip(found, at)]

    return gradients


def _compare(
    f: Callable, points: list[Tensor], moving: Sequence[int], derivative: str, eps: float, rtol: float, atol: float
) -> None:
    """Each number of each gradient against its central difference."""
    scalar = _projection(f, points)
    found = autodiff.grad(scalar, [points[k] for k in moving]) if scalar.requires_grad else [None] * len(moving)
    for k, gradient in zip(moving, found):
        host = numpy.array(backend.to_host(points[k].data))
        if gradient is not None and gradient.shape != host.shape:
            raise GradientError(f"∂{derivative}/∂input[{k}] has shape {tuple(gradient.shape)}, but the input has {host.shape}")
        actual = numpy.zeros_like(host) if gradient is None else backend.to_host(gradient.data)
        for index in numpy.ndindex(host.shape):

            def moved(by: float, k: int = k, host: numpy.ndarray = host, index: tuple = index) -> float:
                there = host.copy()
                there[index] += by
                point = Tensor(there, device=points[k].device, requires_grad=True)
                return float(_projection(f, [*points[:k], point, *points[k + 1 :]]).item())

            expected = (moved(eps) - moved(-eps)) / (2 * eps)
            if not abs(actual[index] - expected) <= atol + rtol * abs(expected):  # so that a NaN fails
                raise GradientError(
                    f"∂{derivative}/∂input[{k}] at index {index}: expected {expected:.6g} by central differences, "
                    f"but autodiff gives {actual[index]:.6g}"
                )
