"""Layers made of layers: one after the other (Stack), and in both directions (Bidirectional)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..graph import step
from ..ops import concatenate
from .layer import Layer, Run
from .layers import Dropout
from .module import Module
from .recurrent import Recurrent, as_layer

MERGES: dict[str, Callable] = {
    "concat": lambda forward, backward: concatenate(forward, backward, axis=-1),
    "sum": lambda forward, backward: forward + backward,
    "mul": lambda forward, backward: forward * backward,
    "ave": lambda forward, backward: (forward + backward) * 0.5,
}
Runner = Callable[[Sequence, Any, Sequence | None, bool], Run]  # (xs, state, valid, reverse), as `Layer.over_time`


def check_merge_mode(layer: Module, merge_mode: str) -> str:
    """One of Keras's names."""
    if merge_mode not in MERGES:
        raise ValueError(f"{type(layer).__name__}: merge_mode {merge_mode!r}: expected {', '.join(map(repr, MERGES))}")
    return merge_mode


def merged(mode: str, forward: Any, backward: Any) -> Any:
    """The outputs of both directions as one."""
    if mode != "concat" and forward.shape != backward.shape:
        raise ValueError(
            f"merge_mode {mode!r} needs outputs of one size, but forwards they are {tuple(forward.shape)}, "
            f"backwards {tuple(backward.shape)}: use 'concat', or cells of the same hidden_size"
        )
    return MERGES[mode](forward, backward)


def both_ways(
    mode: str, forward: Runner, backward: Runner, xs: Sequence, states: Sequence, valid: Sequence | None, reverse: bool
) -> Run:
    """Run once in each direction, and merge the outputs step by step."""
    there, back = forward(xs, states[0], valid, reverse), backward(xs, states[1], valid, not reverse)
    ys = []
    for t, outputs in enumerate(zip(there.ys, back.ys)):
        with step(t):
            ys.append(merged(mode, *outputs))
    return Run(ys, lambda: merged(mode, there.last(), back.last()), (there.state, back.state))


def one_after_the_other(
    runners: Sequence[Runner], between: Callable, xs: Sequence, states: Sequence, valid: Sequence | None, reverse: bool
) -> Run:
    """Run each on the outputs of the one before, which pass through `between`."""
    run = runners[0](xs, states[0], valid, reverse)
    final = [run.state]
    for runner, state in zip(runners[1:], states[1:]):
        inputs = []
        for t, y in enumerate(run.ys):
            with step(t):
                inputs.append(between(y))
        run = runner(inputs, state, valid, reverse)
        final.append(run.state)
    return run._replace(state=tuple(final))


class _Combined(Layer):
    """A layer whose state is that of its parts, a tuple with one for each."""

    def layers(self) -> list[Layer]:
        """The parts, in the order of their states."""
        raise NotImplementedError

    @property
    def input_size(self) -> int | None:  # type: ignore[override]
        return self.layers()[0].input_size

    def initial_state(self, batch: int, dtype: Any = "float32", device: Any = None) -> tuple:
        return tuple(layer.initial_state(batch, dtype, device) for layer in self.layers())

    def map_state(self, function: Callable, *states: Any) -> tuple:
        return tuple(layer.map_state(function, *same) for layer, *same in zip(self.layers(), *states))

    def _states(self, state: Any) -> Sequence:
        """The state of each part, out of the one for all."""
        count = len(self.layers())
        if state is None:
            return [None] * count
        if not isinstance(state, (tuple, list)) or len(state) != count:
            found = f"{len(state)} of them" if isinstance(state, (tuple, list)) else f"a {type(state).__name__}"
            raise ValueError(f"{type(self).__name__}: the state is a tuple of {count}, one for each layer, not {found}")
        return state


class Bidirectional(_Combined):
    """A layer in each direction, and the outputs of both merged at each step (Schuster & Paliwal 1997).

    Parameters
    ----------
    forward, backward : cell or layer
        Two, since each has weights of its own.  Both are given as they run forwards; the second is run from the last step
        to the first.  Their parameters are called ``forward_layer.…`` and ``backward_layer.…``.
    merge_mode : {"concat", "sum", "mul", "ave"}
        What becomes of the two outputs: side by side (N, 2H), or their sum, product or mean (N, H).
    batch_first, return_sequences, return_state : bool
        See `Layer`.  The state is the pair of both.

    Raises
    ------
    ValueError
        If one of them is reversed already, or there is no such `merge_mode`.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> layer = nn.Bidirectional(nn.LSTMCell(3, 4), nn.GRUCell(3, 4), merge_mode="sum")
    >>> y, ((h, c), g) = layer(tr.ones(5, 2, 3))
    >>> y.shape, h.shape, g.shape
    ((5, 2, 4), (2, 4), (2, 4))
    """

    direction = None

    def __init__(self, forward: Module, backward: Module, *, merge_mode: str = "concat", **options: bool) -> None:
        super().__init__(**options)
        for part in (forward, backward):
            if isinstance(part, Recurrent) and part.reverse:
                raise ValueError("Bidirectional runs its second layer backwards itself: leave out reverse=True")
        if forward is backward:
            raise ValueError("Bidirectional: each direction has weights of its own: give it two cells or layers, not one twice")
        self.merge_mode = check_merge_mode(self, merge_mode)
        self.forward_layer, self.backward_layer = as_layer(self, forward), as_layer(self, backward)

    def layers(self) -> list[Layer]:
        return [self.forward_layer, self.backward_layer]

    def over_time(self, xs: Sequence, state: Any, valid: Sequence | None, reverse: bool) -> Run:
        forward, backward = self.forward_layer.inside, self.backward_layer.inside
        return both_ways(self.merge_mode, forward, backward, xs, self._states(state), valid, reverse)


class Stack(_Combined):
    """Layers over time, each on the outputs of the one before (Graves 2013).

    Parameters
    ----------
    *layers : cell or layer
        Of any kind; their parameters are called ``layer0.…``, ``layer1.…``.
    dropout : float
        The rate of the dropout between them, in training.
    batch_first, return_sequences, return_state : bool
        See `Layer`.  The state is a tuple, one for each layer.

    Raises
    ------
    ValueError
        If there are no layers.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> both = nn.Bidirectional(nn.GRUCell(3, 4), nn.GRUCell(3, 4))
    >>> y, ((there, back), (h, c)) = nn.Stack(both, nn.LSTMCell(8, 5), dropout=0.1)(tr.ones(6, 2, 3))
    >>> y.shape, h.shape
    ((6, 2, 5), (2, 5))
    """

    def __init__(self, *layers: Module, dropout: float = 0.0, **options: bool) -> None:
        super().__init__(**options)
        if not layers:
            raise ValueError("Stack: expected cells or layers, one at least")
        self.num_layers = len(layers)
        for number, layer in enumerate(layers):
            setattr(self, f"layer{number}", as_layer(self, layer))
        self.between = Dropout(dropout)

    def layers(self) -> list[Layer]:
        return [getattr(self, f"layer{number}") for number in range(self.num_layers)]

    @property
    def direction(self) -> int | None:  # type: ignore[override]
        return self.layers()[-1].direction

    def over_time(self, xs: Sequence, state: Any, valid: Sequence | None, reverse: bool) -> Run:
        runners = [layer.inside for layer in self.layers()]
        return one_after_the_other(runners, self.between, xs, self._states(state), valid, reverse)
