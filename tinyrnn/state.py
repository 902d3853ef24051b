"""Saved states: arrays by name, which fit the arrays that are there all together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from . import backend
from .graph import Value


def fitting(what: str, state: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of `state`, in the dtypes and on the devices of those that are there; nothing is changed.

    Parameters
    ----------
    what : str
        Whose state it is, for the message.
    state : mapping of str to array, Tensor or number
        PyTorch's tensors will do as well.
    own : mapping of str to array
        The names that are expected, and arrays of the right shapes.

    Raises
    ------
    ValueError
        If names are missing or unexpected, shapes differ, or something holds no numbers; the message lists every one.
    TypeError
        If `state` is no mapping.

    Examples
    --------
    >>> fitting("Linear", {"W": [1, 2], "c": 3.0}, {"W": numpy.zeros(3), "b": numpy.zeros(2)})
    Traceback (most recent call last):
    ValueError: state does not fit Linear:
      missing: b (2,)
      unexpected: c ()
      misshapen: W is (2,), expected (3,)
    """
    if not isinstance(state, Mapping):
        raise TypeError(
            f"{what}.load_state_dict: expected a mapping of names to arrays, as state_dict() makes it, "
            f"not a {type(state).__name__}"
        )
    complaints = [f"missing: {name} {tuple(own[name].shape)}" for name in own if name not in state]
    complaints += [f"unexpected: {name} {shape_of(state[name])}" for name in state if name not in own]
    arrays = {}
    for name in own:
        if name not in state:
            continue
        try:
            if (found := shape_of(state[name])) != tuple(own[name].shape):
                complaints.append(f"misshapen: {name} is {found}, expected {tuple(own[name].shape)}")
            arrays[name] = _like(own[name], state[name])
        except (TypeError, ValueError, RuntimeError) as error:
            complaints.append(f"unreadable: {name}: {error}")
    if complaints:
        raise ValueError(f"state does not fit {what}:\n  " + "\n  ".join(complaints))
    return arrays


def _like(own: Any, data: Any) -> Any:
    """An array of numbers in the dtype of another, where that is."""
    data = data.detach() if hasattr(data, "detach") else data
    return backend.asarray(data.data if isinstance(data, Value) else data, own.dtype, backend.device_of(own))


def shape_of(array: Any) -> tuple[int, ...]:
    """The shape of an array of any library, a Tensor, a number or nested lists."""
    return tuple(array.shape) if hasattr(array, "shape") else numpy.shape(array)
