"""Sampling: from the scores of a model to symbols, one step or a whole sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from .. import backend
from ..graph import no_grad
from ..tensor import Tensor, as_tensor


def sample(logits: Any, *, temperature: Any = 1.0, top_k: int | None = None, top_p: float | None = None) -> Tensor:
    """Draw a symbol at each place, with the probabilities softmax(logits / temperature), from what top-k and top-p leave.

    The largest of logits + Gumbel noise is such a draw (Gumbel 1954).  The noise comes from the generator of the device
    (see `tinyrnn.manual_seed`).

    Parameters
    ----------
    logits : Tensor or array of floats, (..., V)
        A score for each of V symbols; −∞ is never drawn.
    temperature : float, or numbers that broadcast to (...)
        Below 1 what is probable becomes more so; 0 takes the best.
    top_k : int, optional
        Draw from the k best symbols only (Fan, Lewis & Dauphin 2018).
    top_p : float, optional
        Draw from the nucleus only: the best symbols, as many as it takes until their probabilities, after temperature and
        top-k, add up to p (Holtzman et al. 2020).

    Returns
    -------
    Tensor of int64, (...)

    Raises
    ------
    ValueError
        If an option is out of range, or no symbol can be drawn because scores are NaN or +∞, or all are −∞ (on the CPU
        only: a GPU would have to be waited for).
    TypeError
        If the logits hold no floats.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> tr.manual_seed(0)
    >>> logits = tr.tensor([[2.0, 1.0, 0.5, -1.0]] * 8)
    >>> nn.sample(logits, temperature=0.0).tolist()
    [0, 0, 0, 0, 0, 0, 0, 0]
    >>> sorted(set(nn.sample(logits, top_k=2).tolist()))
    [0, 1]
    """
    logits = as_tensor(logits)
    with backend.active(logits.device):
        xp = backend.library(logits.device)
        scores, cold = tempered(xp, logits, temperature)
        scores = xp.where(kept(xp, scores, top_k, top_p), scores, -numpy.inf)
        u = xp.maximum(backend.generator(logits.device).random(scores.shape), numpy.finfo(float).tiny)  # from 0 up to 1
        noise = -xp.log(-xp.log(u))  # Gumbel's distribution
        return as_tensor(xp.argmax(xp.where(cold[..., None], scores, scores + noise), axis=-1))


def tempered(xp: Any, logits: Tensor, temperature: Any) -> tuple[Any, Any]:
    """The scores (..., V), the best 0, in float64 after the temperature, and where (...) it is 0."""
    if logits.dtype.kind != "f" or not logits.ndim or not logits.shape[-1]:
        raise TypeError(f"the logits must be floats (..., V), a score for each symbol, not {logits.dtype} {tuple(logits.shape)}")
    scores = logits.data.astype(float)
    best = scores.max(axis=-1, keepdims=True)
    if logits.device.kind == "cpu" and not numpy.isfinite(best).all():
        raise ValueError("no symbol can be drawn: at some place the logits are NaN or +∞, or all of them are −∞")
    heat = numpy.asarray(backend.to_host(temperature.data) if isinstance(temperature, Tensor) else temperature, dtype=float)
    if not (heat >= 0).all() or not numpy.isfinite(heat).all():
        raise ValueError(f"temperature {temperature!r}: expected numbers from 0")
    try:
        heat = numpy.broadcast_to(heat, scores.shape[:-1])
    except ValueError:
        raise ValueError(f"temperature has shape {heat.shape}, which does not broadcast to {scores.shape[:-1]}") from None
    heat = backend.to_device(heat, logits.device)
    cold = heat == 0
    with numpy.errstate(over="ignore"):  # far below the best, a score is −∞ when it is very cold
        return (scores - best) / xp.where(cold, 1.0, heat)[..., None], cold


def kept(xp: Any, scores: Any, top_k: int | None, top_p: float | None) -> Any:
    """Which symbols (..., V) are left by top-k and then, of the probabilities of those, top-p."""
    if top_k is not None and (not isinstance(top_k, (int, numpy.integer)) or top_k < 1):
        raise ValueError(f"top_k must be a whole number from 1, not {top_k!r}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, not {top_p!r}")
    if top_k is None and top_p is None:
        return xp.ones(scores.shape, dtype=bool)
    order = xp.argsort(-scores, axis=-1, kind="stable")  # the best first; of equal ones the first
    ranked = xp.take_along_axis(scores, order, axis=-1)
    left = xp.arange(scores.shape[-1]) < (scores.shape[-1] if top_k is None else top_k)
    if top_p is not None:
        p = xp.where(left, xp.exp(ranked - ranked[..., :1]), 0.0)
        p = p / p.sum(axis=-1, keepdims=True)
        left = left & (xp.cumsum(p, axis=-1) - p < top_p)  # those before it do not add up to p yet
    return xp.take_along_axis(xp.broadcast_to(left, scores.shape), xp.argsort(order, axis=-1), axis=-1)


def generate(
    model: Callable,
    prompt: Any,
    steps: int,
    *,
    state: Any = None,
    end: int | None = None,
    temperature: Any = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """Let a model write on: each symbol that is drawn from its scores is what it reads next.

    Parameters
    ----------
    model : callable
        ``model(codes, state)`` takes symbols (T, N) and a state, or None, and returns logits (T, N, V), of the symbol after
        each, and the next state.
    prompt : integers, (P,) or (P, N)
        What it reads first, P at least 1; (P,) is one sequence.
    steps : int
        How many symbols each sequence gets at most.
    state : optional
        What the model begins with.
    end : int, optional
        The symbol that ends a sequence: after it only this symbol follows, and when all sequences have ended, nothing.
    temperature, top_k, top_p
        See `sample`; a temperature of 0 is greedy decoding, one for each sequence may be given.

    Returns
    -------
    Tensor of int64, (T,) or (T, N)
        What was written, without the prompt; T is `steps`, or less if all sequences have ended.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> def alphabet(codes, state):  # after each letter comes the next one
    ...     return 100.0 * tr.one_hot((codes + 1).numpy() % 26, 26), state
    >>> "".join(chr(97 + code) for code in nn.generate(alphabet, [23, 24], 5).tolist())
    'zabcd'
    """
    read = as_codes(prompt)
    alone = read.ndim == 1
    if read.ndim not in (1, 2) or not read.shape[0]:
        raise ValueError(f"the prompt has shape {tuple(read.shape)}, expected (P, N), or (P,) for one sequence, with P from 1")
    if not isinstance(steps, (int, numpy.integer)) or steps < 0:
        raise ValueError(f"steps must be a whole number from 0, not {steps!r}")
    read = read.reshape(-1, 1) if alone else read
    written: list = []
    ended: Any = None
    with no_grad(), backend.active(read.device):
        xp = backend.library(read.device)
        for _ in range(steps):
            logits, state = model(read, state)
            new = sample(logits[-1], temperature=temperature, top_k=top_k, top_p=top_p).data
            if end is not None:
                new = new if ended is None else xp.where(ended, end, new)
                ended = new == end
            written.append(new)
            if end is not None and bool(ended.all()):
                break
            read = as_tensor(new[None])
        whole = as_tensor(xp.stack(written) if written else xp.zeros((0, read.shape[1]), dtype="int64"))
    return whole[:, 0] if alone else whole


def as_codes(codes: Any) -> Tensor:
    """Symbols as a Tensor; lists of them go to the default device."""
    if not hasattr(codes, "dtype"):
        codes = backend.asarray(numpy.asarray(codes), device=backend.default_device())
    if codes.dtype.kind not in "iu":
        raise TypeError(f"symbols must be integers, not {codes.dtype}: make them with dtype=int")
    return as_tensor(codes)
