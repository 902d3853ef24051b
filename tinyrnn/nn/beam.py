"""Beam search: the most probable sequence, looked for among several hypotheses at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from .. import backend
from ..graph import no_grad
from ..ops import log_softmax
from ..tensor import Tensor, as_tensor
from .cell import like
from .sampling import as_codes


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^α (Wu et al. 2016): what the logarithm of a probability is divided by."""
    return ((5 + length) / 6) ** alpha


def beam_search(
    model: Callable,
    prompt: Any,
    steps: int,
    *,
    end: int,
    state: Any = None,
    width: int = 5,
    alpha: float = 0.6,
    state_axis: int = 0,
) -> tuple[Tensor, Tensor]:
    """Look for the sequence that scores best: ln P(sequence) / ((5 + length) / 6)^α (Wu et al. 2016).

    At each step the hypotheses of a beam are continued by every symbol, and the `width` most probable of all continuations
    are kept.  One that has ended leaves the beam; the search is over when none in the beam can overtake the best that left.

    Parameters
    ----------
    model : callable
        ``model(codes, state)`` takes symbols (T, N) and a state, or None, and returns logits (T, N, V), of the symbol after
        each, and the next state.  It is called with ``width`` times as many sequences as the prompt has.
    prompt : integers, (P, N)
        What it reads first, P at least 1.
    steps : int
        A sequence has at most so many symbols, its end symbol among them.
    end : int
        The symbol that ends a sequence.
    state : optional
        What the model begins with: a Tensor, or tuples of them.
    width : int
        How many hypotheses are kept for each sequence; 1 is greedy decoding.
    alpha : float
        α, from 0: how much longer sequences are favoured over what their probability says.
    state_axis : int
        Which axis of each part of the state is the batch: 0 for cells, 1 for layers such as `LSTM`.

    Returns
    -------
    sequences : Tensor of int64, (T, N)
        The best for each, without the prompt; after its end symbol filled with it.  One without an end symbol was cut off.
    scores : Tensor, (N,)

    Raises
    ------
    ValueError
        If an option is out of range, or the model returns logits that hold NaN or +∞.

    Examples
    --------
    After "a" comes "b" more often than "c"; but then anything may come, while after "c" the end is certain.

    >>> import numpy as np
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> P = np.array([[0.0, 0.6, 0.4, 0.0], [0.3, 0.3, 0.0, 0.4], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    >>> def model(codes, state):
    ...     return tr.tensor(np.log(P[codes.numpy()] + 1e-9)), state
    >>> sequences, scores = nn.beam_search(model, [[0]], 10, end=3, width=2)
    >>> sequences[:, 0].tolist(), round(scores.item(), 3)  # ln 0.4 / (7 / 6)^0.6
    ([2, 3], -0.835)
    >>> nn.beam_search(model, [[0]], 10, end=3, width=1)[0][:, 0].tolist()  # greedy: 0.6 · 0.4
    [1, 3]
    """
    read = as_codes(prompt)
    if read.ndim != 2 or not read.shape[0]:
        raise ValueError(f"the prompt has shape {tuple(read.shape)}, expected (P, N) with P from 1")
    for name, count in (("steps", steps), ("width", width)):
        if not isinstance(count, (int, numpy.integer)) or count < 1:
            raise ValueError(f"beam_search: {name} must be a whole number from 1, not {count!r}")
    if not alpha >= 0:
        raise ValueError(f"beam_search: alpha must be from 0, not {alpha!r}")

    batch, device = read.shape[1], read.device
    first_rows = numpy.arange(batch)[:, None] * width  # of each beam, among all hypotheses side by side
    read, state = repeated(read, width, 1), repeated(state, width, state_axis)
    log_p = numpy.full((batch, width), -numpy.inf)  # of the hypotheses in the beams
    log_p[:, 0] = 0.0  # at first they are all the same: one is continued
    beams = numpy.zeros((0, batch, width), int)
    found, scores = numpy.full((steps, batch), end), numpy.full(batch, -numpy.inf)  # the best that have ended
    with no_grad():
        for length in range(1, steps + 1):
            logits, state = model(read, state)
            symbols_there = logits.shape[-1]
            of_next = backend.to_host(log_softmax(logits[-1]).data).astype(float).reshape(batch, width, symbols_there)
            if numpy.isnan(of_next).any():
                raise ValueError(f"beam_search: of symbol {length} the model's logits hold NaN or +∞")
            chosen, log_p = _best((log_p[:, :, None] + of_next).reshape(batch, width * symbols_there), width)
            parents, symbols = chosen // symbols_there, chosen % symbols_there
            beams = numpy.concatenate([numpy.take_along_axis(beams, parents[None], axis=2), symbols[None]])
            ended = symbols == end
            _keep_best(found, scores, beams, numpy.where(ended, log_p / length_penalty(length, alpha), -numpy.inf))
            log_p = numpy.where(ended, -numpy.inf, log_p)
            if (log_p.max(axis=1) / length_penalty(steps, alpha) <= scores).all():  # ln P only falls
                break
            state = _rows(state, (first_rows + parents).ravel(), state_axis)
            read = as_tensor(_on(symbols.reshape(1, -1), device))
        cut_off = numpy.isneginf(scores)[:, None]
        _keep_best(found, scores, beams, numpy.where(cut_off, log_p / length_penalty(steps, alpha), -numpy.inf))
    longest = int((found != end).sum(axis=0).max(initial=0)) + 1
    return as_tensor(_on(found[:longest], device)), as_tensor(_on(scores, device))


def _best(scores: numpy.ndarray, count: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """In each row the places of so many largest numbers, the largest first, of equal ones the first; and these numbers."""
    some = numpy.sort(numpy.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    order = numpy.argsort(-numpy.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    places = numpy.take_along_axis(some, order, axis=1)
    return places, numpy.take_along_axis(scores, places, axis=1)


def _keep_best(found: numpy.ndarray, scores: numpy.ndarray, beams: numpy.ndarray, of_beams: numpy.ndarray) -> None:
    """Note, for each sequence, the best hypothesis of its beam, if it is better than the one found before."""
    best = of_beams.argmax(axis=1)
    for n in numpy.flatnonzero(of_beams.max(axis=1) > scores):
        scores[n] = of_beams[n, best[n]]
        found[: len(beams), n] = beams[:, n, best[n]]


def repeated(state: Any, times: int, axis: int = 0) -> Any:
    """Each sequence of a state so many times, one beside the other."""
    if state is None:
        return None
    if isinstance(state, (tuple, list)):
        return like(state, [repeated(part, times, axis) for part in state])
    return _rows(state, numpy.repeat(numpy.arange(state.shape[axis]), times), axis)


def _rows(state: Any, rows: numpy.ndarray, axis: int) -> Any:
    """These sequences of a state, however it is nested."""
    if state is None:
        return None
    if isinstance(state, (tuple, list)):
        return like(state, [_rows(part, rows, axis) for part in state])
    return state[(*(slice(None),) * axis, _on(rows, state.device))]


def _on(array: numpy.ndarray, device: Any) -> Any:
    return backend.to_device(array, device)
