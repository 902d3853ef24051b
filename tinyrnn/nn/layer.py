"""What all layers over time have in common: how they are called, what they return, and how they run inside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .. import backend
from ..graph import scope
from ..ops import stack, transpose, unstack
from ..tensor import Tensor, as_tensor
from .cell import like, parts
from .module import Module, as_input
from .padding import valid_steps


class Run(NamedTuple):
    """What a layer computed from a sequence."""

    ys: list  # the output of each step, (N, H), in the order of the inputs
    last: Callable[[], Tensor]  # the output after each sequence's own last step
    state: Any


class Layer(Module):
    """A layer over time: it maps sequences to sequences, and begins and ends with a state.

    A layer of one's own writes `over_time`, from the steps of a sequence to a `Run`; everything else is here.

    Parameters
    ----------
    batch_first : bool
        Sequences are (N, T, I) instead of (T, N, I).
    return_sequences : bool
        True: y is the output of every step.  False: the output after each sequence's own last step, (N, H); where a layer
        runs in both directions, each after its own last step; of a sequence of length 0, the initial state's.
    return_state : bool
        True: the layer returns (y, state).  False: y alone, so that it can stand in `Sequential`.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> encoder = nn.LSTM(3, 4, return_sequences=False, return_state=False)
    >>> nn.Sequential(encoder, nn.Linear(4, 2))(tr.ones(5, 6, 3)).shape
    (6, 2)
    """

    input_size: int | None = None
    direction: int | None = 1  # in which it runs through time, 1 or −1; None: in both
    batch_axis = 0  # of each part of the state

    def __init__(self, *, batch_first: bool = False, return_sequences: bool = True, return_state: bool = True) -> None:
        self.batch_first, self.return_sequences, self.return_state = batch_first, return_sequences, return_state

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> Any:
        """Run over a batch of sequences.

        Parameters
        ----------
        x : Tensor or array, (T, N, I)
            (N, T, I) with `batch_first`.
        state : optional
            Before the first step, in the form in which the layer returns it; None: as the layer begins.
        lengths : N integers, optional
            How many steps of each sequence count, from 0 to T, in any order.  On the others y is 0, and the state stays: the
            final state is that of each sequence's own last step.

        Returns
        -------
        y : Tensor, (T, N, H)
            The output of each step; (N, T, H) with `batch_first`, (N, H) without `return_sequences`.
        state
            After the last step; left out without `return_state`.

        Raises
        ------
        ValueError, TypeError
            If x, the state or the lengths do not fit; the message says what each axis means.
        """
        xs = _check_input(self, x, self.input_size, self.batch_first)
        valid = valid_steps(lengths, xs.shape[0], xs.shape[1], xs.device)
        run = self.over_time(unstack(xs), state, valid, False)
        y = stack(run.ys, axis=1 if self.batch_first else 0) if self.return_sequences else run.last()
        return (y, run.state) if self.return_state else y

    def over_time(self, xs: Sequence, state: Any, valid: Sequence | None, reverse: bool) -> Run:
        """Run over the steps of a sequence: what each layer is.

        Parameters
        ----------
        xs : sequence of Tensor
            The input of each step, (N, I).
        state
            Before the first step; None: as the layer begins.
        valid : sequence of Tensor, or None
            For each step bools (N, 1): which sequences of the batch have not ended.
        reverse : bool
            Run against the layer's own direction, as the second half of a `Bidirectional` does.
        """
        raise NotImplementedError(f"{type(self).__name__} has no over_time(self, xs, state, valid, reverse): write one")

    def inside(self, xs: Sequence, state: Any = None, valid: Sequence | None = None, reverse: bool = False) -> Run:
        """`over_time` as part of another layer, in the scope of this one."""
        with scope(self.name or type(self).__name__):
            return self.over_time(xs, state, valid, reverse)

    def initial_state(self, batch: int, dtype: Any = "float32", device: Any = None) -> Any:
        """The state before the first step, for a batch of N sequences."""
        raise NotImplementedError(f"{type(self).__name__} has no initial_state(self, batch, dtype, device): write one")

    def map_state(self, function: Callable, *states: Any) -> Any:
        """A state of the same form: ``function(*parts, axis=…)`` of each part of the states; axis is that of the batch."""
        new = [function(*same, axis=self.batch_axis) for same in zip(*map(parts, states))]
        return like(states[0], new)


def flat(state: Any) -> list:
    """All the Tensors of a state, however it is nested."""
    return [part for item in state for part in flat(item)] if isinstance(state, (tuple, list)) else [state]


def detached(state: Any) -> Any:
    """The same state without its history, in memory of its own, that no change of a parameter reaches."""
    if isinstance(state, (tuple, list)):
        return like(state, [detached(part) for part in state])
    return as_tensor(backend.copy(state.data))


def refuse_backwards(what: str, layer: Module) -> None:
    """A state can be carried on only by what runs forwards in time."""
    for name, module in layer.modules():
        if isinstance(module, Layer) and module.direction != 1:
            raise ValueError(
                f"{what}: {f'{type(module).__name__} {name}'.rstrip()} runs backwards: the state in which it begins comes after "
                "these steps, not before them"
            )


def _check_input(layer: Module, given: Any, input_size: int | None, batch_first: bool) -> Tensor:
    """The sequence as a Tensor, time first, once its shape and dtype are known to fit."""
    kind = type(layer).__name__
    if hasattr(given, "batch_sizes"):  # PyTorch's PackedSequence
        raise TypeError(
            f"{kind}: x is a packed batch, expected a padded one: unpack it, x, lengths = "
            "torch.nn.utils.rnn.pad_packed_sequence(x), and call layer(x.numpy(), lengths=lengths.numpy())"
        )
    xs = as_input(layer, given)
    axes = "(N, T, I)" if batch_first else "(T, N, I)"
    if xs.ndim != 3:
        raise ValueError(
            f"{kind}: x has shape {tuple(xs.shape)}, expected {axes}: steps T, sequences N, features I; "
            "a single sequence (T, I) becomes a batch with x.expand_dims(" + ("0)" if batch_first else "1)")
        )
    if xs.dtype.kind != "f":
        raise TypeError(
            f"{kind}: x has dtype {xs.dtype}, expected floats; symbols become vectors with nn.Embedding or tr.one_hot"
        )
    if input_size is not None and xs.shape[2] != input_size:
        raise ValueError(f"{kind}: x has shape {tuple(xs.shape)}, {axes} with I = {xs.shape[2]}, but input_size = {input_size}")
    if xs is not given:
        xs.name = "x"
    xs = transpose(xs, axes=(1, 0, 2)) if batch_first else xs
    if xs.shape[0] == 0:
        raise ValueError(f"{kind}: the sequence has no steps: x has shape {tuple(xs.shape)}")
    return xs
