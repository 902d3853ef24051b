"""Layers over time: any cell, unrolled; and RNN, LSTM and GRU with several layers and both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from .. import backend
from ..graph import Value, at, here, step
from ..ops import concatenate, less, reshape, stack, transpose, unstack, where
from ..tensor import Tensor, as_tensor
from .cell import Cell, begin, initial_state, like, parts, state_sizes
from .cells import GRUCell, LSTMCell, RNNCell
from .layers import Dropout
from .module import Module, as_input, check_sizes


def _carry(state: Any, names: Sequence[str | None]) -> Any:
    """Mark each part of a state as what time carries; a part without a name gets the one given."""
    for value, name in zip(parts(state), names):
        value.carried = True
        if value.name is None:
            value.name = name
    return state


def _own(given: Any) -> Any:
    """A Tensor that may be named and marked: the caller's own if gradients flow into it or through it, else a copy."""
    if not isinstance(given, Value):
        return as_tensor(given)
    if given.op is not None or given.requires_grad:
        return given
    own = as_tensor(backend.copy(given.data))
    own.name = given.name
    return own


def _check_batch(cell: Any, x: Any, state: Any) -> None:
    """The state has one row for each sequence of the batch; nothing else would notice one too many."""
    for part in parts(state) if getattr(x, "ndim", 0) > 1 else ():
        if part.ndim and part.shape[0] != x.shape[0]:
            raise ValueError(
                f"{type(cell).__name__}: the initial state has shape {tuple(part.shape)}, but x has {x.shape[0]} sequences "
                f"at each step, (N, …) = {tuple(x.shape)}: the first axis of both is N"
            )


def _where(valid: Any, new: Any, old: Any) -> Any:
    """`new` for the sequences of the batch, the first axis, that go on; `old` for those that have ended."""
    if new.ndim != valid.ndim:
        valid = reshape(valid, shape=(-1, *(1,) * (new.ndim - 1)))
    return where(valid, new, old)


def _kept(valid: Any, new: Any, old: Any) -> Any:
    """The new state where a sequence goes on, the old one where it has ended."""
    kept = [_where(valid, n, o) for n, o in zip(parts(new), parts(old))]
    for value, n in zip(kept, parts(new)):
        value.name, n.name = n.name, None
    return like(new, kept)


def _check_state(cell: Any, before: Any, after: Any) -> None:
    """A cell returns the state in the form in which it takes it."""
    kind = type(cell).__name__
    if len(parts(before)) != len(parts(after)) or not all(isinstance(p, Value) for p in parts(after)):
        raise TypeError(
            f"{kind}.forward(x, state) must return the next state as it got the last one, {len(parts(before))} Tensor(s); "
            f"it returned {', '.join(type(p).__name__ for p in parts(after))}"
        )
    for old, new in zip(parts(before), parts(after)):
        if old.shape != new.shape:
            raise ValueError(f"{kind}: the state before has shape {tuple(old.shape)}, the state after it {tuple(new.shape)}")


def unroll(cell: Callable, xs: Sequence, state: Any, *, reverse: bool = False, valid: Sequence | None = None) -> tuple[list, Any]:
    """Apply a cell to each step of a sequence, the same weights every time.

    Parameters
    ----------
    cell : callable
        (x, state) -> state; the output of a step is the first part of its state.  See also `begin`.
    xs : sequence of Tensor
        The input of each step, (N, I).
    state : Tensor or tuple of Tensor
        Before the first step; the first axis of each is the batch, N, as of each x.
    reverse : bool
        Run from the last step to the first.
    valid : sequence of Tensor, optional
        For each step bools (N, 1): which sequences of the batch have not ended.  Where one has, its output is 0, its
        state stays, and its input is not looked at.

    Returns
    -------
    ys : list of Tensor
        The output of each step, in the order of the inputs.
    state
        After the last step.
    """
    fields = getattr(state, "_fields", ("h", *(f"s{i}" for i in range(1, len(parts(state))))))
    first = state = like(state, [_own(part) for part in parts(state)])
    _check_batch(cell, xs[0] if len(xs) else None, state)
    ys: list = [None] * len(xs)
    run = begin(cell, xs[-1 if reverse else 0], state) if len(xs) else cell
    with at(here().place):  # a time loop of its own, even if it goes on at the step where another one ended
        for t in reversed(range(len(xs))) if reverse else range(len(xs)):
            with step(t):
                if valid is None:
                    new = run(xs[t], state)
                    ys[t] = parts(new)[0]
                else:
                    new = run(_where(valid[t], xs[t], 0), state)
                    ys[t] = _where(valid[t], parts(new)[0], 0)
                    new = _kept(valid[t], new, state)
            if state is first:
                _check_state(cell, first, new)
                _carry(first, [part.name or field for part, field in zip(parts(new), fields)])  # h₀ is called like h₁
            state = _carry(new, fields)
    return ys, state


def _valid_steps(lengths: Any, steps: int, batch: int, device: Any) -> Sequence | None:
    """For each step bools (N, 1): has the sequence not ended?"""
    if lengths is None:
        return None
    lengths = lengths.data if isinstance(lengths, Value) else lengths
    host = backend.to_host(lengths) if hasattr(lengths, "dtype") else numpy.asarray(lengths)
    if host.shape != (batch,):
        raise ValueError(f"lengths must be {batch} integers, one per sequence, e.g. {[steps] * batch}, not of shape {host.shape}")
    if batch and host.dtype.kind not in "iu":
        raise ValueError(f"lengths must be {batch} integers, one per sequence, not {host.dtype}: make them with dtype=int")
    if batch and (host.min() < 0 or host.max() > steps):
        raise ValueError(f"lengths run from {host.min()} to {host.max()}, but the sequences have {steps} steps")
    with backend.active(device):
        clock = as_tensor(backend.library(device).arange(steps).reshape(steps, 1, 1))
        return unstack(less(clock, as_tensor(backend.to_device(host[:, None], device))))


def _check_input(layer: Module, given: Any, input_size: int | None, batch_first: bool) -> Tensor:
    """The sequence as a Tensor, time first, once its shape and dtype are known to fit."""
    xs = as_input(layer, given)
    kind = type(layer).__name__
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


class Recurrent(Module):
    """Any cell, applied to each step of a sequence.

    Parameters
    ----------
    cell : Module
        Its ``forward(x, state)`` returns the next state: a Tensor, or a tuple whose first part is the output.
    reverse : bool
        Run from the last step to the first.
    batch_first : bool
        Sequences are (N, T, I) instead of (T, N, I).

    Examples
    --------
    A cell of one's own:

    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> class Leaky(nn.Module):
    ...     def __init__(self, inputs, hidden):
    ...         self.W = tr.Parameter(nn.init.glorot(inputs, hidden))
    ...         self.U = tr.Parameter(nn.init.orthogonal(hidden, hidden))
    ...     def forward(self, x, h):
    ...         return 0.9 * h + 0.1 * tr.tanh(x @ self.W + h @ self.U)
    >>> y, h = nn.Recurrent(Leaky(3, 4))(tr.ones(5, 2, 3), tr.zeros(2, 4))
    >>> y.shape, h.shape
    ((5, 2, 4), (2, 4))
    """

    def __init__(self, cell: Module, *, reverse: bool = False, batch_first: bool = False) -> None:
        self.cell, self.reverse, self.batch_first = cell, reverse, batch_first

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """Run over a sequence.

        Parameters
        ----------
        x : Tensor or array, (T, N, I)
        state : Tensor or tuple of Tensor, optional
            Before the first step, as the cell takes it; by default ``cell.initial_state(N, dtype, device)`` if there is
            such a method, else zeros, (N, hidden_size), or as many and as wide as the cell's `state_sizes` say.
        lengths : N integers, optional
            How many steps of each sequence count.  After them outputs are 0 and the state stays.

        Returns
        -------
        y : Tensor, (T, N, H)
            The first part of the state at each step.
        state
            After each sequence's own last step.
        """
        xs = _check_input(self, x, getattr(self.cell, "input_size", None), self.batch_first)
        if state is None:
            state = initial_state(self.cell, xs.shape[1], xs.dtype, xs.device)
        valid = _valid_steps(lengths, xs.shape[0], xs.shape[1], xs.device)
        ys, state = unroll(self.cell, unstack(xs), state, reverse=self.reverse, valid=valid)
        return stack(ys, axis=1 if self.batch_first else 0), state


class _Layers(Module):
    """What RNN, LSTM and GRU have in common: cells in layers and directions, and one state for all of them."""

    make_cell: Callable[..., Cell]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        batch_first: bool = False,
        **cell_options: Any,
    ) -> None:
        check_sizes(self, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.bidirectional, self.batch_first = bias, bidirectional, batch_first
        directions = ("", "_reverse") if bidirectional else ("",)
        inputs = input_size
        for layer in range(num_layers):
            made = [type(self).make_cell(inputs, hidden_size, bias=bias, **cell_options) for _ in directions]
            for direction, cell in zip(directions, made):
                setattr(self, f"layer{layer}{direction}", cell)
            inputs = sum(cell.output_size for cell in made)
        self.between = Dropout(dropout)

    def cells(self) -> list[tuple[Cell, ...]]:
        """For each layer its cell, or the pair of its forward and its reverse cell."""
        names = ("layer{}", "layer{}_reverse") if self.bidirectional else ("layer{}",)
        return [tuple(getattr(self, name.format(layer)) for name in names) for layer in range(self.num_layers)]

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """Run over a batch of sequences.

        Parameters
        ----------
        x : Tensor or array, (T, N, I)
            (N, T, I) with `batch_first`.
        state : Tensor or tuple of Tensor, optional
            Before the first step: h, for an LSTM (h, c), each (L · D, N, H), layer by layer, forward before reverse; by
            default zeros.
        lengths : N integers, optional
            How many steps of each sequence count.  On the others y is 0; the final state is each sequence's own.

        Returns
        -------
        y : Tensor, (T, N, D · H)
            The last layer's h at each step; (N, T, D · H) with `batch_first`.
        state : Tensor or tuple of Tensor
            In the form of the argument.

        Raises
        ------
        ValueError, TypeError
            If x, the state or the lengths do not fit; the message says what each axis means.
        """
        xs = _check_input(self, x, self.input_size, self.batch_first)
        steps, batch = xs.shape[:2]
        valid = _valid_steps(lengths, steps, batch, xs.device)
        cells = self.cells()
        states = iter(self._initial_states(state, xs, batch))
        sequence: Sequence = unstack(xs)
        final = []
        for number, layer in enumerate(cells):
            if number > 0:
                sequence = [self._between(t, y) for t, y in enumerate(sequence)]
            runs = [
                unroll(cell, sequence, next(states), reverse=direction == 1, valid=valid) for direction, cell in enumerate(layer)
            ]
            final += [last for _, last in runs]
            sequence = [self._joined(t, *outputs) for t, outputs in enumerate(zip(*(ys for ys, _ in runs)))]
        y = stack(sequence, axis=1 if self.batch_first else 0)
        return y, like(final[0], [stack(of_all) for of_all in zip(*map(parts, final))])

    def _between(self, t: int, y: Any) -> Any:
        with step(t):
            return self.between(y)

    def _joined(self, t: int, *directions: Any) -> Any:
        if len(directions) == 1:
            return directions[0]
        with step(t):
            return concatenate(*directions, axis=-1)

    def _initial_states(self, state: Any, xs: Tensor, batch: int) -> list:
        """The state of each cell, out of the one for all."""
        cells = [cell for layer in self.cells() for cell in layer]
        if state is None:
            return [cell.initial_state(batch, xs.dtype, xs.device) for cell in cells]
        sizes = state_sizes(cells[0])
        given = [as_tensor(part) for part in parts(state)]
        names = getattr(sizes, "_fields", ("h",))
        if len(given) != len(names):
            raise ValueError(f"{type(self).__name__}: the state has {len(given)} parts, expected {', '.join(names)}")
        for name, part, size in zip(names, given, parts(sizes)):
            if tuple(part.shape) != (expected := (len(cells), batch, size)):
                raise ValueError(
                    f"{type(self).__name__}: the state's {name} has shape {tuple(part.shape)}, expected {expected}: "
                    f"layers · directions, sequences N, {'hidden_size H' if size == self.hidden_size else 'proj_size P'}"
                )
        return [like(sizes, of_cell) for of_cell in zip(*(unstack(part) for part in given))]


class RNN(_Layers):
    """A simple recurrent network (Elman 1990), in one or more layers and one or both directions.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        Each layer reads the outputs of the one below.
    bias : bool
    bidirectional : bool
        A second cell per layer runs from the last step to the first; the outputs of both are concatenated
        (Schuster & Paliwal 1997).
    dropout : float
        The rate of the dropout between layers, in training.
    batch_first : bool
        Sequences are (N, T, I) instead of (T, N, I); states are (L · D, N, H) all the same.
    nonlinearity : {"tanh", "relu"}

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> y, h = nn.RNN(3, 4, num_layers=2, bidirectional=True)(tr.ones(5, 2, 3))
    >>> y.shape, h.shape
    ((5, 2, 8), (4, 2, 4))
    """

    make_cell = RNNCell


class LSTM(_Layers):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), in one or more layers and one or both directions.

    Parameters, but for `nonlinearity`: see `RNN`.  The state is a pair (h, c).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> y, (h, c) = nn.LSTM(3, 4)(tr.ones(5, 2, 3), lengths=[5, 3])
    >>> y.shape, h.shape, c.shape
    ((5, 2, 4), (1, 2, 4), (1, 2, 4))
    """

    make_cell = LSTMCell


class GRU(_Layers):
    """Gated recurrent units (Cho et al. 2014), in one or more layers and one or both directions.

    Parameters, but for `nonlinearity`: see `RNN`; `reset_after`: see `GRUCell`.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> y, h = nn.GRU(3, 4, batch_first=True)(tr.ones(2, 5, 3))
    >>> y.shape, h.shape
    ((2, 5, 4), (1, 2, 4))
    """

    make_cell = GRUCell
