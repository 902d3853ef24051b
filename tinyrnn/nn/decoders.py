"""Decoders: cells that write a sequence, symbol by symbol, with attention or without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import backend
from ..graph import named
from ..ops import argmax, concatenate, stack, tanh, unstack, where
from ..tensor import Tensor, as_tensor, zeros
from .attention import Attention, Memory
from .cell import begin, check_input, check_state, like, parts
from .layers import Embedding, Linear
from .module import Module
from .over_time import unroll


class DecoderState(NamedTuple):
    """Where a decoder stands: the state of its cell and, of one that reads it again, what it put out last."""

    cell: Any
    output: Any = None


class Decoder(Module):
    """Writes from a state alone (Sutskever, Vinyals & Le 2014).

        sₜ = cell(E yₜ₋₁, sₜ₋₁)
        outputₜ = hₜ                        the first part of sₜ
        logitsₜ = outputₜ W + b             how much speaks for each symbol as yₜ

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

        Raises
        ------
        ValueError
            If there are no symbols, or nothing to look at, or the probability is none.
        """
        embedded = self.embedding(symbols)
        if embedded.ndim != 3 or not len(embedded):
            raise ValueError(
                f"{type(self).__name__}: the symbols have shape {tuple(embedded.shape[:-1])}, expected (T, N), steps and "
                "sequences, with T from 1"
            )
        if self.attention is not None and memory is None:
            raise ValueError(f"{type(self).__name__}: there is no memory to look at: make one with attention.memory(y, …)")
        xs = unstack(embedded)
        if getattr(self.cell, "state_sizes", None) is not None:
            check_state(self.cell, state.cell, xs[0].shape[0])
        state, cell = self.complete(state, xs[0]), _BegunAtFirst(self.cell)
        own = _coins(sampling, len(xs), xs[0])
        outputs: list = []
        weights: list = []

        def one_step(x: Any, carried: Any) -> Any:
            if own and outputs:
                x = where(own[len(outputs)], self.embedding(argmax(self.scores(outputs[-1]), axis=-1)), x)
            output, new, looked_at = self.step(cell, x, _unpacked(state, carried), memory)
            outputs.append(output)
            weights.append(looked_at)
            return _packed(new)

        _, carried = unroll(one_step, xs, _packed(state))
        logits = self.scores(stack(outputs))
        return logits, _unpacked(state, carried), None if self.attention is None else stack(weights)

    def complete(self, state: DecoderState, x: Any) -> DecoderState:
        """A state of which the cell's part may be all there is, as `step` takes it."""
        return state

    def step(self, cell: Callable, x: Any, state: DecoderState, memory: Any) -> tuple[Any, DecoderState, Any]:
        """One step, from the vector of a symbol and the state before it: what is put out, the state, and the weights.

        `cell` is the decoder's own, as it has begun this sequence.
        """
        new = cell(x, state.cell)
        return parts(new)[0], DecoderState(new), None


class BahdanauDecoder(Decoder):
    """Looks at the source before each step (Bahdanau, Cho & Bengio 2015).

        contextₜ, αₜ = attention(hₜ₋₁, memory)
        sₜ = cell([E yₜ₋₁, contextₜ], sₜ₋₁)
        outputₜ = [hₜ, E yₜ₋₁, contextₜ]
        logitsₜ = outputₜ W + b

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

    def step(self, cell: Callable, x: Any, state: DecoderState, memory: Any) -> tuple[Any, DecoderState, Any]:
        context, weights = self.attention(parts(state.cell)[0], memory)
        seen = concatenate(x, context, axis=-1)
        new = cell(seen, state.cell)
        return concatenate(parts(new)[0], seen, axis=-1), DecoderState(new), weights


class LuongDecoder(Decoder):
    """Looks at the source after each step, and remembers what it saw (Luong, Pham & Manning 2015, with input feeding).

        sₜ = cell([E yₜ₋₁, outputₜ₋₁], sₜ₋₁)
        contextₜ, αₜ = attention(hₜ, memory)
        outputₜ = tanh([hₜ, contextₜ] W_c + b_c)
        logitsₜ = outputₜ W + b

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

    def complete(self, state: DecoderState, x: Any) -> DecoderState:
        if state.output is not None:
            return state
        return DecoderState(state.cell, zeros(x.shape[0], self.combine.out_features, dtype=x.dtype, device=x.device))

    def step(self, cell: Callable, x: Any, state: DecoderState, memory: Any) -> tuple[Any, DecoderState, Any]:
        new = cell(concatenate(x, state.output, axis=-1), state.cell)
        h = parts(new)[0]
        context, weights = self.attention(h, memory)
        (output,) = named(output=tanh(self.combine(concatenate(h, context, axis=-1))))
        return output, DecoderState(new, output), weights


class _BegunAtFirst:
    """A cell that begins its sequence when its first input is known (see `begin`)."""

    def __init__(self, cell: Module) -> None:
        self._cell = cell
        self._run: Callable | None = None

    def __call__(self, x: Any, state: Any) -> Any:
        if self._run is None:
            check_input(self._cell, x)
            self._run = begin(self._cell, x, state)
        return self._run(x, state)


def _packed(state: DecoderState) -> tuple:
    """The state as the time loop carries it: its Tensors, side by side."""
    return parts(state.cell) if state.output is None else (*parts(state.cell), state.output)


def _unpacked(form: DecoderState, carried: tuple) -> DecoderState:
    """What the time loop carries, in the form of a state."""
    count = len(parts(form.cell))
    return DecoderState(like(form.cell, carried[:count]), *carried[count:])


def _coins(probability: float, steps: int, like: Any) -> Any:
    """For each step bools (N, 1), each True with this probability; nothing if it is 0."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"scheduled sampling: {probability!r} is not a probability from 0 to 1")
    if probability == 0.0:
        return ()
    with backend.active(like.device):
        return unstack(as_tensor(backend.generator(like.device).random((steps, like.shape[0], 1)) < probability))
