"""Sequence to sequence: an encoder reads, a decoder writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import backend
from ..graph import no_grad
from ..ops import concatenate, log_softmax, reshape, split, tanh, transpose
from ..tensor import Tensor, as_tensor
from .attention import Memory
from .beam import beam_search, repeated
from .cell import like, parts
from .decoders import Decoder, DecoderState
from .layer import flat
from .layers import Embedding, Linear
from .module import Module, check_sizes
from .sampling import generate


class Encoder(Module):
    """Symbols in, for each of them a vector out, and the state at the end.

    Parameters
    ----------
    embedding : Embedding
    layer : Module
        Any layer over time: ``layer(x, lengths=lengths)`` returns y and the state.

    Examples
    --------
    >>> from tinyrnn import nn
    >>> y, h = nn.Encoder(nn.Embedding(10, 3), nn.GRU(3, 4, bidirectional=True))([[1, 2], [3, 4], [5, 6]])
    >>> y.shape, h.shape
    ((3, 2, 8), (2, 2, 4))
    """

    def __init__(self, embedding: Embedding, layer: Module) -> None:
        self.embedding, self.layer = embedding, layer

    def forward(self, symbols: Any, lengths: Any = None) -> tuple[Tensor, Any]:
        return self.layer(self.embedding(symbols), lengths=lengths)


class Bridge(Module):
    """The decoder's first state, out of the encoder's last: tanh(e W + b), where e is all of that, side by side.

    Parameters
    ----------
    in_features : int
        Of e: layers · directions · parts · H of the encoder.
    *sizes : int
        The size of each part of the decoder's state: one for a GRU, two for the h and c of an LSTM.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> _, state = nn.LSTM(3, 4, bidirectional=True)(tr.randn(7, 2, 3))
    >>> h, c = nn.Bridge(2 * 2 * 4, 5, 5)(state)
    >>> h.shape, c.shape
    ((2, 5), (2, 5))
    """

    def __init__(self, in_features: int, *sizes: int) -> None:
        for size in sizes:
            check_sizes(self, size=size)
        self.sizes = sizes
        self.linear = Linear(in_features, sum(sizes))

    def forward(self, state: Any) -> Any:
        made = tanh(self.linear(concatenate(*map(_rows, flat(state)), axis=-1)))
        return made if len(self.sizes) == 1 else split(made, self.sizes)


class Decoded(NamedTuple):
    """What a decoder wrote."""

    sequences: Tensor  # integers (T, N), without the start; after its end symbol a sequence is filled with it
    lengths: Tensor  # integers (N,): how many symbols of each come before its end symbol
    scores: Tensor  # (N,): the logarithm of each one's probability; divided by the length penalty if found by a beam
    attention_scores: Tensor | None  # (T, N, S): where the decoder looked while it wrote each symbol


class Seq2Seq(Module):
    """An encoder reads a sequence, a decoder writes another one, of any length.

    Parameters
    ----------
    encoder : Module
        ``encoder(source, lengths=lengths)`` returns y (S, N, E), and a state: see `Encoder`.
    decoder : Decoder
        `Decoder`, `BahdanauDecoder`, `LuongDecoder`, or one of your own.
    bridge : Module, optional
        ``bridge(state)`` makes the first state of the decoder's cell out of the encoder's last: see `Bridge`.  By default the
        state is handed over as it is, a layer's (1, N, H) as a cell's (N, H).

    Attributes
    ----------
    sampling : float
        Scheduled sampling (Bengio et al. 2015): in training, the probability that the decoder reads the symbol that it would
        have written in place of the right one.  0 at first, which is teacher forcing; raise it as the model learns.

    Examples
    --------
    >>> import numpy as np
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> model = nn.Seq2Seq(
    ...     nn.Encoder(nn.Embedding(12, 8), nn.GRU(8, 16, bidirectional=True)),
    ...     nn.BahdanauDecoder(
    ...         nn.Embedding(10, 8), nn.GRUCell(8 + 32, 16), nn.Linear(16 + 8 + 32, 10), nn.AdditiveAttention(16, 32, 16)
    ...     ),
    ...     nn.Bridge(32, 16),
    ... )
    >>> source, target = np.ones((7, 2), int), np.ones((5, 2), int)
    >>> model(source, target, lengths=[7, 3]).shape
    (5, 2, 10)
    >>> model.generate(source, start=1, end=2, max_length=20, lengths=[7, 3]).attention_scores.shape[1:]
    (2, 7)
    """

    def __init__(self, encoder: Module, decoder: Decoder, bridge: Module | None = None) -> None:
        self.encoder, self.decoder, self.bridge = encoder, decoder, bridge
        self.sampling = 0.0

    def forward(
        self, source: Any, target: Any, lengths: Any = None, *, return_attention_scores: bool = False
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        """Scores of each symbol of the target, from the source and the right symbols before it.

        Parameters
        ----------
        source : integers, (S, N)
        target : integers, (T, N)
            What is right, one step late: the start symbol, then all but the last symbol.
        lengths : N integers, optional
            How many symbols of each source count.
        return_attention_scores : bool

        Returns
        -------
        logits : Tensor, (T, N, V)
        attention_scores : Tensor, (T, N, S), or None
            Where the decoder looked at each step; only if asked for.
        """
        state, memory = self.encode(source, lengths)
        logits, _, weights = self.decoder(target, state, memory, sampling=self.sampling if self.training else 0.0)
        return (logits, weights) if return_attention_scores else logits

    def encode(self, source: Any, lengths: Any = None) -> tuple[DecoderState, Memory | None]:
        """What the decoder begins with, and what it looks at."""
        read = self.encoder(source, lengths=lengths)
        if not isinstance(read, tuple):
            raise TypeError("Seq2Seq: the encoder must return (y, state): make its layer with return_state=True")
        y, state = read
        attention = self.decoder.attention
        memory = None if attention is None else attention.memory(y, lengths=lengths)
        if self.bridge is not None:
            return DecoderState(self.bridge(state)), memory
        return DecoderState(_of_a_cell(state)), memory

    def generate(
        self,
        source: Any,
        *,
        start: int,
        end: int,
        max_length: int,
        lengths: Any = None,
        temperature: Any = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> Decoded:
        """Write, at each step, the best symbol (greedy decoding), or one that is drawn.

        Parameters
        ----------
        source : integers, (S, N)
        start, end : int
            The symbols that begin and end a target.
        max_length : int
            A sequence has at most so many symbols, its end symbol among them.
        lengths : N integers, optional
            How many symbols of each source count.
        temperature, top_k, top_p
            See `sample`; a temperature of 0 takes the best.

        Returns
        -------
        Decoded
        """
        options = {"end": end, "temperature": temperature, "top_k": top_k, "top_p": top_p}
        with no_grad():
            state, memory = self.encode(source, lengths)
            first = _starts(start, state)
            sequences = generate(self._writer(memory), first, max_length, state=state, **options)
            return self._decoded(first, sequences, end, state, memory)

    def beam_search(
        self,
        source: Any,
        *,
        start: int,
        end: int,
        max_length: int,
        lengths: Any = None,
        width: int = 5,
        alpha: float = 0.6,
    ) -> Decoded:
        """Look for the target that scores best.

        Parameters
        ----------
        source, start, end, max_length, lengths
            See `generate`.
        width, alpha
            Of the beam, and of the length penalty: see `beam_search`.

        Returns
        -------
        Decoded
        """
        with no_grad():
            state, memory = self.encode(source, lengths)
            first = _starts(start, state)
            write = self._writer(repeated(memory, width))
            sequences, scores = beam_search(write, first, max_length, state=state, end=end, width=width, alpha=alpha)
            return self._decoded(first, sequences, end, state, memory)._replace(scores=scores)

    def _writer(self, memory: Memory | None) -> Callable:
        return lambda codes, state: self.decoder(codes, state, memory)[:2]

    def _decoded(self, first: Tensor, sequences: Tensor, end: int, state: DecoderState, memory: Memory | None) -> Decoded:
        """What was written, read again, all of it at once."""
        logits, _, weights = self.decoder(concatenate(first, sequences[:-1]), state, memory)
        return Decoded(sequences, *_lengths_and_scores(log_softmax(logits), sequences, end), weights)


def _rows(state: Any) -> Any:
    """A part of a state, (N, H) or (L · D, N, H), with one row for each sequence."""
    if state.ndim == 2:
        return state
    return reshape(transpose(state, axes=(1, 0, 2)), shape=(state.shape[1], -1))


def _of_a_cell(state: Any) -> Any:
    """A layer's state as a cell takes it."""
    if any(isinstance(part, (tuple, list)) for part in parts(state)):
        return state
    return like(state, [_rows(part) for part in parts(state)])


def _lengths_and_scores(log_p: Tensor, sequences: Tensor, end: int) -> tuple[Tensor, Tensor]:
    """How many symbols come before each end symbol, and ln P of all up to it, from ln P of every symbol (T, N, V)."""
    with backend.active(sequences.device):
        xp = backend.library(sequences.device)
        ends = sequences.data == end
        before = xp.cumsum(ends, axis=0) - ends == 0  # the first end symbol counts, those after it do not
        chosen = xp.take_along_axis(log_p.data, sequences.data[..., None], axis=-1)[..., 0]
        return as_tensor((before & ~ends).sum(axis=0)), as_tensor(xp.where(before, chosen, 0).sum(axis=0))


def _starts(symbol: int, state: DecoderState) -> Tensor:
    """The start symbol of every sequence, (1, N)."""
    h = parts(state.cell)[0]
    with backend.active(h.device):
        return as_tensor(backend.library(h.device).full((1, h.shape[0]), symbol, dtype="int64"))
