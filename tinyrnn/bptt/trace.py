"""What a cell computed at every step, read off the record."""

from __future__ import annotations

import numpy

from .. import backend
from ..graph import Value, history
from .tracks import choose_track, find_tracks


def trace(output: Value, *, track: int | str | None = None) -> dict[str, numpy.ndarray]:
    """The states and the gates of a cell over time, by name, each (T, N, H), in the order of time.

    Parameters
    ----------
    output : Tensor
        A loss, or anything else that was computed from them.
    track : int or str, optional
        Which cell and loop, if several run through time (see `flow`).

    Returns
    -------
    dict of str to numpy array
        NaN at a step that has no value of that name.

    Raises
    ------
    ValueError
        If nothing is carried through time, or `track` does not say which of several is meant.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt, nn
    >>> y, _ = nn.LSTM(3, 4)(tr.randn(5, 2, 3))
    >>> gates = bptt.trace(y)
    >>> list(gates), gates["f"].shape
    (['h', 'c', 'i', 'f', 'g', 'o', 'tanh(c)'], (5, 2, 4))
    """
    chosen = choose_track(find_tracks(history(output)), track)
    forward = slice(None, None, -1 if chosen.reverse else 1)
    found = {}
    for name, values in (*chosen.states.items(), *chosen.gates.items()):
        first = next(value for value in values if value is not None)
        missing = numpy.full(first.shape, numpy.nan, dtype=first.dtype)
        found[name] = numpy.stack([missing if value is None else backend.to_host(value.data) for value in values[forward]])
    return found
