"""Numbers that are not finite: where the first one arose."""

from __future__ import annotations

import math
from typing import Any

import numpy

from .. import backend
from ..graph import Value, detect_anomaly, history
from ..nn import Module
from ..optim import Optimizer
from ..primitive import check_finite


def check_loss(loss: Any, model: Module, where: str) -> None:
    """Stop if the loss is not finite: walk its record from the oldest value on, and name the first that is not.

    Raises
    ------
    FloatingPointError
        With the step, the batch, and the module or the parameter.
    """
    if math.isfinite(loss.item()):
        return
    names = {parameter: name for name, parameter in model.named_parameters()}
    try:
        for value in history(loss):
            if value.op is not None:
                check_finite(value.data, value.op, value.args, value.place)
            else:
                _check_leaf(value, names)
    except FloatingPointError as error:
        found = str(error)
    raise FloatingPointError(f"the loss is {loss.item()} in {where}: {found}") from None


def check_gradients(loss: Any, norm: float, optimizer: Optimizer, where: str) -> None:
    """Stop if the norm of the gradients is not finite: go back once more, and name the first gradient that is not.

    Raises
    ------
    FloatingPointError
        With the step, the batch, and the module.
    """
    if math.isfinite(norm):
        return
    optimizer.zero_grad()
    found = "the square of its norm is too large a number"
    try:
        with detect_anomaly():
            loss.backward()
    except FloatingPointError as error:
        found = str(error)
    raise FloatingPointError(f"the norm of the gradients is {norm} in {where}: {found}") from None


def _check_leaf(value: Value, names: dict) -> None:
    """Data, or a parameter, that were not finite before anything was computed."""
    host = backend.to_host(value.data)
    if host.dtype.kind == "f" and not numpy.isfinite(host).all():
        bad = host[~numpy.isfinite(host)].flat[0]
        what = f"the parameter {names[value]!r}" if value in names else f"{value.name or 'an input'} {tuple(value.shape)}"
        raise FloatingPointError(f"{what} holds {bad}")
