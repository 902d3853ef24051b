"""Attention: a query looks at a sequence, and gets the mean of what is there, weighted by how well it fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..graph import named, scope
from ..ops import expand_dims, softmax, squeeze, stack, tanh, transpose, where
from ..tensor import Parameter, Tensor
from . import init
from .module import Module, as_input, check_sizes
from .padding import valid_steps

MASKED = -1e30  # the score of a padded key: finite, so that a search for infinities finds others; its exponential is exactly 0


class Memory(NamedTuple):
    """A batch of sequences as attention looks at them, prepared once for all queries (see `Attention.memory`)."""

    keys: Any  # projected, (N, S, ·)
    values: Any  # (N, S, E), 0 where padded
    valid: Any  # bools (N, 1, S), or None if nothing is padded


class Attention(Module):
    """What attentions have in common: all but the score.

        eₜⱼ = score(qₜ, kⱼ)              how well the key of place j fits the query at step t
        αₜⱼ = exp(eₜⱼ) / Σᵢ exp(eₜᵢ)     how much the query looks there
        contextₜ = Σⱼ αₜⱼ vⱼ             what it gets

    Of a padded place α is exactly 0, and neither its key nor its value is looked at, be it NaN.  A sequence of length 0 gives
    weights and a context of 0.
    """

    query_size: int
    key_size: int

    def memory(self, values: Any, keys: Any = None, *, lengths: Any = None) -> Memory:
        """Prepare sequences to be looked at: what does not depend on the query is computed here, once.

        Parameters
        ----------
        values : Tensor or array, (S, N, E)
            For instance the outputs of an encoder.
        keys : Tensor or array, (S, N, K), optional
            What queries are compared with; by default the values.
        lengths : N integers, optional
            How many places of each sequence count.

        Returns
        -------
        Memory

        Raises
        ------
        ValueError
            If shapes or lengths do not fit.
        """
        values = as_input(self, values)
        keys = values if keys is None else as_input(self, keys)
        kind = type(self).__name__
        if values.ndim != 3:
            raise ValueError(f"{kind}: values have shape {tuple(values.shape)}, expected (S, N, E): places, sequences, features")
        if tuple(keys.shape) != (*values.shape[:2], self.key_size):
            raise ValueError(
                f"{kind}: keys have shape {tuple(keys.shape)}, expected (S, N, key_size) = {(*values.shape[:2], self.key_size)}"
            )
        with scope(self.name or kind):
            of_steps = valid_steps(lengths, values.shape[0], values.shape[1], values.device)
            valid = None
            if of_steps is not None:
                counts = stack(of_steps)
                values, keys = _each(lambda x: where(counts, x, 0), values, keys)
                valid = transpose(counts, axes=(1, 2, 0))
            values, keys = _each(lambda x: transpose(x, axes=(1, 0, 2)), values, keys)
            keys = self.project(keys)
        return Memory(keys, values, valid)

    def project(self, keys: Any) -> Any:
        """What the score needs of the keys (N, S, K)."""
        return keys

    def score(self, queries: Any, keys: Any) -> Any:
        """How well queries (N, T, Q) fit projected keys: (N, T, S)."""
        raise NotImplementedError(f"{type(self).__name__} has no score(self, queries, keys): write one")

    def forward(self, query: Any, memory: Memory) -> tuple[Tensor, Tensor]:
        """Look at a memory.

        Parameters
        ----------
        query : Tensor or array, (N, Q) or (T, N, Q)
            One query for each sequence, or T of them.
        memory : Memory
            As `memory` makes it.

        Returns
        -------
        context : Tensor, (N, E) or (T, N, E)
        weights : Tensor, (N, S) or (T, N, S)

        Raises
        ------
        ValueError
            If the shape of the query does not fit.
        """
        query = as_input(self, query)
        if query.ndim not in (2, 3) or query.shape[-2:] != (memory.values.shape[0], self.query_size):
            raise ValueError(
                f"{type(self).__name__}: the query has shape {tuple(query.shape)}, expected (N, query_size) = "
                f"{(memory.values.shape[0], self.query_size)}, or (T, N, query_size)"
            )
        alone = query.ndim == 2
        (e,) = named(e=self.score(expand_dims(query, 1) if alone else transpose(query, axes=(1, 0, 2)), memory.keys))
        valid = memory.valid  # asked again after the softmax, for sequences of length 0
        weights = softmax(e) if valid is None else where(valid, softmax(where(valid, e, MASKED)), 0)
        weights, context = named(α=weights, context=weights @ memory.values)
        if alone:
            return squeeze(context, 1), squeeze(weights, 1)
        return transpose(context, axes=(1, 0, 2)), transpose(weights, axes=(1, 0, 2))


class AdditiveAttention(Attention):
    """The score is that of a small network (Bahdanau, Cho & Bengio 2015).

        score(q, k) = tanh(q W_q + k W_k) v

    With W_q = W_k = 1 this is ``keras.layers.AdditiveAttention``, where v is called scale.

    Parameters
    ----------
    query_size, key_size : int
        Q and K: queries are (N, Q), keys (S, N, K).
    hidden_size : int
        A: W_q is (Q, A), W_k (K, A), v (A, 1).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> attention = nn.AdditiveAttention(query_size=4, key_size=6, hidden_size=5)
    >>> memory = attention.memory(tr.randn(7, 2, 6), lengths=[7, 3])
    >>> context, weights = attention(tr.randn(2, 4), memory)
    >>> context.shape, weights.shape, weights[1, 3:].tolist()
    ((2, 6), (2, 7), [0.0, 0.0, 0.0, 0.0])
    """

    def __init__(self, query_size: int, key_size: int, hidden_size: int) -> None:
        check_sizes(self, query_size=query_size, key_size=key_size, hidden_size=hidden_size)
        self.query_size, self.key_size, self.hidden_size = query_size, key_size, hidden_size
        self.W_q = Parameter(init.glorot(query_size, hidden_size))
        self.W_k = Parameter(init.glorot(key_size, hidden_size))
        self.v = Parameter(init.glorot(hidden_size, 1))

    def project(self, keys: Any) -> Any:
        return (keys @ self.W_k)[:, None]  # (N, 1, S, A)

    def score(self, queries: Any, keys: Any) -> Any:
        return (tanh(expand_dims(queries @ self.W_q, 2) + keys) @ self.v)[..., 0]


class DotAttention(Attention):
    """The score is a product of query and key (Luong, Pham & Manning 2015).

        score(q, k) = q · k             "dot", ``keras.layers.Attention``
        score(q, k) = q · (k W)         "general"

    Parameters
    ----------
    query_size : int
        Q: queries are (N, Q).
    key_size : int, optional
        K: keys are (S, N, K).  By default Q, which it must be for "dot".
    score_mode : {"dot", "general"}
        "general" learns W (K, Q).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> attention = nn.DotAttention(4, 6, score_mode="general")
    >>> memory = attention.memory(tr.randn(7, 2, 6), lengths=[7, 3])
    >>> context, weights = attention(tr.randn(5, 2, 4), memory)  # of five queries at once
    >>> context.shape, weights.shape
    ((5, 2, 6), (5, 2, 7))
    """

    def __init__(self, query_size: int, key_size: int | None = None, *, score_mode: str = "dot") -> None:
        key_size = query_size if key_size is None else key_size
        check_sizes(self, query_size=query_size, key_size=key_size)
        if score_mode not in ("dot", "general"):
            raise ValueError(f"DotAttention: score_mode {score_mode!r}: expected 'dot' or 'general'")
        if score_mode == "dot" and key_size != query_size:
            raise ValueError(
                f"DotAttention: keys of size {key_size} cannot be multiplied with queries of size {query_size}: "
                "make them equal, or use score_mode='general'"
            )
        self.query_size, self.key_size, self.score_mode = query_size, key_size, score_mode
        if score_mode == "general":
            self.W = Parameter(init.glorot(key_size, query_size))

    def project(self, keys: Any) -> Any:
        return transpose(keys @ self.W if self.score_mode == "general" else keys, axes=(0, 2, 1))  # (N, Q, S)

    def score(self, queries: Any, keys: Any) -> Any:
        return queries @ keys


def _each(function: Callable, values: Any, keys: Any) -> tuple[Any, Any]:
    """The same of values and keys, once if they are one."""
    new = function(values)
    return new, new if keys is values else function(keys)
