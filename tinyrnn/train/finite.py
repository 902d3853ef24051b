"""Numbers that are not finite: where the first one arose."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import Any

import numpy

from .. import backend
from ..graph import Value, detect_anomaly
from ..nn import Module
from ..optim import Optimizer
from ..primitive import check_finite


def check_loss(loss: Any, model: Module, where: str) -> None:
    """Stop if the loss is not finite: walk back through its record, and name the oldest value that made it so.

    Raises
    ------
    FloatingPointError
        With the step, the batch, and the module or the parameter.
    """
    if math.isfinite(loss.item()):
        return
    origin = _origin(loss)
    try:
        if origin.op is not None:
            check_finite(origin.data, origin.op, origin.args, origin.place)
        names: dict[Value, str] = {parameter: f"the parameter {name!r}" for name, parameter in model.named_parameters()}
        found = f"{names.get(origin, origin.name or 'an input')} {tuple(origin.shape)} has numbers that are not finite"
    except FloatingPointError as error:
        found = str(error)
    raise FloatingPointError(f"the loss is {loss.item()} in {where}: {found}")


def _origin(loss: Value) -> Value:
    """The oldest value that is not finite and from which that came into the loss: not one that a mask has kept out."""
    seen, waiting = {loss}, [loss]
    while waiting:
        for parent in waiting.pop().parents:
            if parent not in seen and not _finite(parent.data):
                seen.add(parent)
                waiting.append(parent)
    return min(seen, key=attrgetter("serial"))


def _finite(data: Any) -> bool:
    return all(part.dtype.kind != "f" or bool(numpy.isfinite(backend.to_host(part)).all()) for part in _several(data))


def _several(data: Any) -> tuple:
    """The arrays of an operation with several results, or the one of any other."""
    return data if isinstance(data, tuple) else (data,)


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
