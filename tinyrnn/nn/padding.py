"""Sequences of different lengths in one batch: padded with zeros, with the length of each, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from .. import backend
from ..graph import Value
from ..ops import concatenate, less, move, reshape, stack, transpose, unstack
from ..tensor import Tensor, as_tensor, zeros


def pad_sequence(sequences: Sequence, *, batch_first: bool = False) -> tuple[Tensor, numpy.ndarray]:
    """Sequences of any lengths, in any order, as one batch, and the lengths: what every layer takes.

    Parameters
    ----------
    sequences : sequence of Tensor or array, each (T_i, …)
        Vectors (T_i, I), or symbols (T_i,); a sequence may be empty, T_i = 0.  Gradients flow back into Tensors.
    batch_first : bool
        The batch is (N, T, …) instead of (T, N, …).

    Returns
    -------
    x : Tensor, (T, N, …)
        T is the greatest length; what follows the end of a sequence is 0.
    lengths : integers (N,)

    Raises
    ------
    ValueError
        If there are no sequences, or they differ in more than their length.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> x, lengths = nn.pad_sequence([tr.ones(2, 3), tr.ones(5, 3)])
    >>> x.shape, lengths.tolist()
    ((5, 2, 3), [2, 5])
    >>> y, h = nn.GRU(3, 4)(x, lengths=lengths)
    >>> [y.shape for y in nn.unpad_sequence(y, lengths)]
    [(2, 4), (5, 4)]
    """
    given = [as_tensor(sequence) for sequence in sequences]
    if not given:
        raise ValueError("pad_sequence: there are no sequences: a batch has at least one")
    kinds = {(sequence.shape[1:], sequence.dtype) for sequence in given}
    if len(kinds) > 1 or given[0].ndim == 0:
        found = ", ".join(f"{tuple(sequence.shape)} {sequence.dtype}" for sequence in given[:8])
        raise ValueError(f"pad_sequence: sequences are (T_i, …), alike but for their length; these are {found}")
    lengths = numpy.array([len(sequence) for sequence in given])
    padded = [_padded(sequence, int(lengths.max())) for sequence in given]
    return stack(padded, axis=0 if batch_first else 1), lengths


def _padded(sequence: Tensor, steps: int) -> Tensor:
    missing = steps - len(sequence)
    if missing == 0:
        return sequence
    return concatenate(sequence, zeros(missing, *sequence.shape[1:], dtype=sequence.dtype, device=sequence.device))


def unpad_sequence(y: Any, lengths: Any, *, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a batch, each without its padding: the way back from `pad_sequence`.

    Parameters
    ----------
    y : Tensor or array, (T, N, …)
        (N, T, …) with `batch_first`.
    lengths : N integers

    Returns
    -------
    list of Tensor, each (T_i, …)

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> [y.tolist() for y in nn.unpad_sequence(tr.tensor([[1.0, 2.0], [3.0, 0.0]]), [2, 1])]
    [[1.0, 3.0], [2.0]]
    """
    y = as_tensor(y)
    if y.ndim < 2:
        raise ValueError(f"unpad_sequence: y has shape {tuple(y.shape)}, expected {'(N, T, …)' if batch_first else '(T, N, …)'}")
    if not batch_first:
        y = transpose(y, axes=(1, 0, *range(2, y.ndim)))
    lengths = checked_lengths(lengths, steps=y.shape[1], batch=y.shape[0])
    return [sequence[:length] for sequence, length in zip(y, lengths.tolist())]


def checked_lengths(lengths: Any, *, steps: int, batch: int) -> numpy.ndarray:
    """The lengths as integers (N,) on the CPU, once they are known to fit."""
    lengths = lengths.data if isinstance(lengths, Value) else lengths
    try:
        host = backend.to_host(lengths) if hasattr(lengths, "dtype") else numpy.asarray(lengths)
    except ValueError:  # nested lists of several lengths
        raise ValueError(f"lengths must be {batch} integers, one per sequence, not {lengths!r:.60}") from None
    if host.shape != (batch,):
        mask = "; of a mask whose sequences have no gaps they are the sums over time" if host.ndim == 2 else ""
        raise ValueError(
            f"lengths must be {batch} integers, one per sequence, e.g. {[steps] * batch}, not of shape {host.shape}{mask}"
        )
    if batch and host.dtype.kind not in "iu":
        raise ValueError(f"lengths must be {batch} integers, one per sequence, not {host.dtype}: make them with dtype=int")
    if batch and (host.min() < 0 or host.max() > steps):
        raise ValueError(f"lengths run from {host.min()} to {host.max()}, but the sequences have {steps} steps")
    return host if batch else host.astype(int)


def valid_steps(lengths: Any, steps: int, batch: int, device: Any) -> Sequence | None:
    """For each step bools (N, 1): has the sequence not ended?"""
    if lengths is None:
        return None
    host = checked_lengths(lengths, steps=steps, batch=batch)
    with backend.active(device):
        clock = as_tensor(backend.library(device).arange(steps).reshape(steps, 1, 1))
        if isinstance(lengths, Value):  # a record knows on what the steps depend
            ends = reshape(move(lengths, device=device), shape=(batch, 1))
        else:
            ends = as_tensor(backend.to_device(host[:, None], device))
        return unstack(less(clock, ends))
