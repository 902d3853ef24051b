"""What the ways from and to Keras have in common: activations as modules, and the order of a GRU's gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from ... import nn, ops

ACTIVATIONS: dict[str, Callable] = {
    name: getattr(ops, name) for name in ("relu", "tanh", "sigmoid", "softmax", "log_softmax", "softplus")
}
RETURNS = "return_sequences", "return_state"


class Activation(nn.Module):
    """y = f(x): Keras's activations that have no parameters, as a module.

    Parameters
    ----------
    activation : {"relu", "tanh", "sigmoid", "softmax", "log_softmax", "softplus"}

    Examples
    --------
    >>> import tinyrnn as tr
    >>> Activation("relu")(tr.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, activation: str) -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(f"Activation: {activation!r} is not known here; known are {', '.join(ACTIVATIONS)}")
        self.activation = activation

    def forward(self, x: Any) -> Any:
        return ACTIVATIONS[self.activation](x)


def z_and_r_swapped(array: numpy.ndarray) -> numpy.ndarray:
    """From z, r, n to r, z, n, and the other way round."""
    z, r, n = numpy.split(array, 3, axis=-1)
    return numpy.concatenate([r, z, n], axis=-1)
