"""RNN, LSTM and GRU: cells of one kind in several layers and both directions, with one state for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..ops import stack, unstack
from ..tensor import as_tensor
from .cell import Cell, like, parts, state_sizes
from .cells import GRUCell, LSTMCell, RNNCell
from .combine import Runner, both_ways, check_merge_mode, one_after_the_other
from .layer import Layer, Run
from .layers import Dropout
from .module import check_sizes
from .recurrent import run_cell


class _Layers(Layer):
    """What RNN, LSTM and GRU have in common.

    The state is h, for an LSTM (h, c), each (L · D, N, H): layer by layer, forward before reverse.
    """

    make_cell: Callable[..., Cell]
    batch_axis = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        bidirectional: bool = False,
        merge_mode: str = "concat",
        dropout: float = 0.0,
        batch_first: bool = False,
        return_sequences: bool = True,
        return_state: bool = True,
        **cell_options: Any,
    ) -> None:
        super().__init__(batch_first=batch_first, return_sequences=return_sequences, return_state=return_state)
        check_sizes(self, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.bidirectional, self.merge_mode = bias, bidirectional, check_merge_mode(self, merge_mode)
        directions = ("", "_reverse") if bidirectional else ("",)
        inputs = input_size
        for layer in range(num_layers):
            made = [type(self).make_cell(inputs, hidden_size, bias=bias, **cell_options) for _ in directions]
            for direction, cell in zip(directions, made):
                setattr(self, f"layer{layer}{direction}", cell)
            inputs = made[0].output_size * (len(made) if merge_mode == "concat" else 1)
        self.between = Dropout(dropout)

    @property
    def direction(self) -> int | None:  # type: ignore[override]
        return None if self.bidirectional else 1

    def cells(self) -> list[tuple[Cell, ...]]:
        """For each layer its cell, or the pair of its forward and its reverse cell."""
        names = ("layer{}", "layer{}_reverse") if self.bidirectional else ("layer{}",)
        return [tuple(getattr(self, name.format(layer)) for name in names) for layer in range(self.num_layers)]

    def over_time(self, xs: Sequence, state: Any, valid: Sequence | None, reverse: bool) -> Run:
        states = self._states(state, xs[0].shape[0])
        runners: list[Runner] = []
        for cells in self.cells():
            forward, *backward = [partial(run_cell, cell) for cell in cells]
            runners.append(partial(both_ways, self.merge_mode, forward, backward[0]) if backward else forward)
        run = one_after_the_other(runners, self.between, xs, states, valid, reverse)
        final = [of_cell for of_layer in run.state for of_cell in (of_layer if self.bidirectional else (of_layer,))]
        return run._replace(state=_stacked(final))

    def initial_state(self, batch: int, dtype: Any = "float32", device: Any = None) -> Any:
        return _stacked([cell.initial_state(batch, dtype, device) for cells in self.cells() for cell in cells])

    def _states(self, state: Any, batch: int) -> list:
        """For each layer the state of its cell, or the pair of those of its cells, out of the one for all."""
        directions = 1 + self.bidirectional
        count = self.num_layers * directions
        of_cells = [None] * count if state is None else self._of_cells(state, count, batch)
        return [of_cells[i : i + 2] for i in range(0, count, 2)] if self.bidirectional else of_cells

    def _of_cells(self, state: Any, count: int, batch: int) -> list:
        sizes = state_sizes(self.cells()[0][0])
        given = [as_tensor(part) for part in parts(state)]
        names = getattr(sizes, "_fields", ("h",))
        if len(given) != len(names):
            raise ValueError(f"{type(self).__name__}: the state has {len(given)} parts, expected {', '.join(names)}")
        for name, part, size in zip(names, given, parts(sizes)):
            if tuple(part.shape) != (expected := (count, batch, size)):
                raise ValueError(
                    f"{type(self).__name__}: the state's {name} has shape {tuple(part.shape)}, expected {expected}: "
                    f"layers · directions, sequences N, {'hidden_size H' if size == self.hidden_size else 'proj_size P'}"
                )
        return [like(sizes, of_cell) for of_cell in zip(*(unstack(part) for part in given))]


def _stacked(states: Sequence) -> Any:
    """One state out of those of all cells."""
    return like(states[0], [stack(same) for same in zip(*map(parts, states))])


class RNN(_Layers):
    """A simple recurrent network (Elman 1990), in one or more layers and one or both directions.

    The state is h (L · D, N, H): of L layers and D directions, layer by layer, forward before reverse.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        Each layer reads the outputs of the one below.
    bias : bool
    bidirectional : bool
        A second cell per layer runs from the last step to the first (Schuster & Paliwal 1997).
    merge_mode : {"concat", "sum", "mul", "ave"}
        What becomes of the outputs of both: side by side, D · H = 2H numbers, or their sum, product or mean, H numbers.
    dropout : float
        The rate of the dropout between layers, in training.
    batch_first : bool
        Sequences are (N, T, I) instead of (T, N, I); states are (L · D, N, H) all the same.
    return_sequences, return_state : bool
        See `Layer`: False, False leaves the last layer's output after each sequence's own last step, (N, D · H).
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

    Parameters, but for `nonlinearity`: see `RNN`; `proj_size`: see `LSTMCell`.  The state is a pair (h, c), each (L · D, N, H);
    with a projection h is (L · D, N, P), and y (T, N, D · P).

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
