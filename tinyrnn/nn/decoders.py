"""Decoders: cells that write a sequence, symbol by symbol, with attention or without."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import backend
from ..graph import named
from ..ops import argmax, concatenate, stack, tanh, unstack, where
from ..tensor import Tensor, as_tensor, zeros
from .attention import Attention, Memory
from .cell import parts
from .layers import Embedding, Linear
from .module import Module
from .over_time import unroll


class DecoderState(NamedTuple):
    """Where a decoder stands: the state of its cell, and what it put out last (None before the first step)."""

    cell: Any
    output: Any = None


class Decoder(Module):
    """Writes from a state alone (Sutskever, Vinyals & Le 2014).

        sₜ = cell(E yₜ₋₁, sₜ₋₁)
        oₜ = hₜ                             the first part of sₜ
        logitsₜ = oₜ W + b                  how much speaks for each symbol as yₜ

    Parameters
    ----------
    embedding : Embedding
        E: a vector (D,) for each symbol.
    cell : Module
        Any cell, of inputs (N, D).
    scores : Linear
        W and b: from the output to the symbols.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> decoder = nn.Decoder(nn.Embedding(10, 3), nn.GRUCell(3, 4), nn.Linear(4, 10))
    >>> logits, state, _ = decoder([[1, 1], [5, 2], [7, 2]], nn.DecoderState(tr.zeros(2, 4)))
    >>> logits.shape
    (3, 2, 10)
    """

    attention: Any = None  # of those decoders that look back

    def __init__(self, embedding: Embedding, cell: Module, scores: Linear) -> None:
        self.embedding, self.cell, self.scores = embedding, cell, scores

    def forward(
        self, symbols: Any, state: DecoderState, memory: Memory | None = None, *, sampling: float = 0.0
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """Read symbols, and say after each of them how much speaks for every symbol as the next.

        Parameters
        ----------
        symbols : integers, (T, N)
            Teacher forcing: what should have been written before each step.
        state : DecoderState
            Before the first step.
        memory : Memory, optional
            What attention looks at.
        sampling : float
            Scheduled sampling: the probability that, after the first step, the symbol that the decoder itself finds best is
            read in place of the given one, drawn for each sequence and step.

        Returns
        -------
        logits : Tensor, (T, N, V)
        state : DecoderState
            After the last step.
        weights : Tensor, (T, N, S), or None
            Of attention, if there is one.
        """
        xs = unstack(self.embedding(symbols))
        outputs: list = [] if state.output is None else [state.output]
        weights: list = []
        own = _coins(sampling, len(xs), xs[0])

        def one_step(x: Any, cell_state: Any) -> Any:
            if own and weights:
                x = where(own[len(weights)], self.embedding(argmax(self.scores(outputs[-1]), axis=-1)), x)
            output, cell_state, looked_at = self.step(x, cell_state, outputs[-1] if outputs else None, memory)
            outputs.append(output)
            weights.append(looked_at)
            return cell_state

        _, cell_state = unroll(one_step, xs, state.cell)
        logits = self.scores(stack(outputs[-len(xs) :]))
        return logits, DecoderState(cell_state, outputs[-1]), None if self.attention is None else stack(weights)

    def step(self, x: Any, state: Any, output: Any, memory: Any) -> tuple[Any, Any, Any]:
        """One step, from the vector of a symbol, the cell's state and the last output to output, state and weights."""
        state = self.cell(x, state)
        return parts(state)[0], state, None


class BahdanauDecoder(Decoder):
    """Looks at the source before each step (Bahdanau, Cho & Bengio 2015).

        cₜ, αₜ = attention(hₜ₋₁, memory)
        sₜ = cell([E yₜ₋₁, cₜ], sₜ₋₁)
        oₜ = [hₜ, E yₜ₋₁, cₜ]
        logitsₜ = oₜ W + b

    (In place of the last line the paper has a layer of maxout units.)

    Parameters
    ----------
    embedding : Embedding
        E: a vector (D,) for each symbol.
    cell : Module
        Any cell, of inputs (N, D + E), where E is the size of the memory's values.
    scores : Linear
        From H + D + E numbers to the symbols.
    attention : Attention
        Of queries of size H.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> attention = nn.AdditiveAttention(query_size=4, key_size=6, hidden_size=4)
    >>> decoder = nn.BahdanauDecoder(nn.Embedding(10, 3), nn.GRUCell(3 + 6, 4), nn.Linear(4 + 3 + 6, 10), attention)
    >>> memory = attention.memory(tr.randn(7, 2, 6))
    >>> logits, state, weights = decoder([[1, 1], [5, 2], [7, 2]], nn.DecoderState(tr.zeros(2, 4)), memory)
    >>> logits.shape, weights.shape
    ((3, 2, 10), (3, 2, 7))
    """

    def __init__(self, embedding: Embedding, cell: Module, scores: Linear, attention: Attention) -> None:
        super().__init__(embedding, cell, scores)
        self.attention = attention

    def step(self, x: Any, state: Any, output: Any, memory: Any) -> tuple[Any, Any, Any]:
        context, weights = self.attention(parts(state)[0], memory)
        seen = concatenate(x, context, axis=-1)
        state = self.cell(seen, state)
        return concatenate(parts(state)[0], seen, axis=-1), state, weights


class LuongDecoder(Decoder):
    """Looks at the source after each step, and remembers what it saw (Luong, Pham & Manning 2015, with input feeding).

        sₜ = cell([E yₜ₋₁, oₜ₋₁], sₜ₋₁)
        cₜ, αₜ = attention(hₜ, memory)
        oₜ = tanh([hₜ, cₜ] W_c + b_c)
        logitsₜ = oₜ W + b

    Parameters
    ----------
    embedding : Embedding
        E: a vector (D,) for each symbol.
    cell : Module
        Any cell, of inputs (N, D + O).
    scores : Linear
        From O numbers to the symbols.
    attention : Attention
        Of queries of size H.
    combine : Linear
        W_c and b_c: from H + E numbers, where E is the size of the memory's values, to O.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> attention, combine = nn.DotAttention(4), nn.Linear(4 + 4, 5)
    >>> decoder = nn.LuongDecoder(nn.Embedding(10, 3), nn.LSTMCell(3 + 5, 4), nn.Linear(5, 10), attention, combine)
    >>> memory, state = attention.memory(tr.randn(7, 2, 4)), nn.DecoderState((tr.zeros(2, 4), tr.zeros(2, 4)))
    >>> logits, state, weights = decoder([[1, 1], [5, 2], [7, 2]], state, memory)
    >>> logits.shape, weights.shape
    ((3, 2, 10), (3, 2, 7))
    """

    def __init__(self, embedding: Embedding, cell: Module, scores: Linear, attention: Attention, combine: Linear) -> None:
        super().__init__(embedding, cell, scores)
        self.attention, self.combine = attention, combine

    def step(self, x: Any, state: Any, output: Any, memory: Any) -> tuple[Any, Any, Any]:
        if output is None:
            output = zeros(x.shape[0], self.combine.out_features, dtype=x.dtype, device=x.device)
        state = self.cell(concatenate(x, output, axis=-1), state)
        h = parts(state)[0]
        context, weights = self.attention(h, memory)
        (o,) = named(o=tanh(self.combine(concatenate(h, context, axis=-1))))
        return o, state, weights


def _coins(probability: float, steps: int, like: Any) -> Any:
    """For each step bools (N, 1), each True with this probability; nothing if it is 0."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"scheduled sampling: {probability!r} is not a probability from 0 to 1")
    if probability == 0.0:
        return ()
    with backend.active(like.device):
        return unstack(as_tensor(backend.generator(like.device).random((steps, like.shape[0], 1)) < probability))
