"""Any cell as a layer over time; and what layers around another one have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

from .cell import check_input, check_state, initial_state, parts
from .layer import Layer, Run
from .module import Module
from .over_time import unroll


class Recurrent(Layer):
    """Any cell, applied to each step of a sequence.

    Parameters
    ----------
    cell : Module
        Its ``forward(x, state)`` returns the next state: a Tensor, or a tuple whose first part is the output.
    reverse : bool
        Run from the last step to the first.
    batch_first, return_sequences, return_state : bool
        See `Layer`.

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

    def __init__(self, cell: Module, *, reverse: bool = False, **options: bool) -> None:
        super().__init__(**options)
        check_module("Recurrent", cell)
        self.cell, self.reverse = cell, reverse

    @property
    def input_size(self) -> int | None:  # type: ignore[override]
        return getattr(self.cell, "input_size", None)

    @property
    def direction(self) -> int | None:  # type: ignore[override]
        return -1 if self.reverse else 1

    def over_time(self, xs: Sequence, state: Any, valid: Sequence | None, reverse: bool) -> Run:
        return run_cell(self.cell, xs, state, valid, self.reverse != reverse)

    def initial_state(self, batch: int, dtype: Any = "float32", device: Any = None) -> Any:
        return initial_state(self.cell, batch, dtype, device)


def run_cell(cell: Any, xs: Sequence, state: Any, valid: Sequence | None, reverse: bool) -> Run:
    """Run a cell over time; its output is the first part of its state, after the last step too."""
    guessed = state is None and not hasattr(cell, "initial_state") and not hasattr(cell, "state_sizes")
    if state is None:
        state = initial_state(cell, xs[0].shape[0], xs[0].dtype, xs[0].device)
    elif getattr(cell, "state_sizes", None) is not None:
        check_state(cell, state, xs[0].shape[0])
    check_input(cell, xs[0])
    try:
        ys, state = unroll(cell, xs, state, reverse=reverse, valid=valid)
    except (TypeError, ValueError) as error:
        if guessed:
            error.add_note(
                f"{type(cell).__name__} began with a state of zeros, (N, hidden_size); "
                "if its state has several parts, let it say how wide they are: self.state_sizes = hidden, hidden"
            )
        raise
    return Run(ys, lambda: parts(state)[0], state)


def check_module(owner: str, part: Any) -> None:
    """The parameters of anything else would be trained by nobody."""
    if isinstance(part, type):
        raise TypeError(f"{owner}: expected cells or layers, not the class {part.__name__}: make one, {part.__name__}(...)")
    if not isinstance(part, Module):
        raise TypeError(f"{owner}: expected cells or layers, not a {type(part).__name__}: derive its class from nn.Module")


def as_layer(owner: Module, part: Any) -> Layer:
    """A part of another layer: a layer as it is, a cell as a layer."""
    kind = type(owner).__name__
    check_module(kind, part)
    if not isinstance(part, Layer):
        _check_cell(kind, part)
        return Recurrent(part)
    if part.batch_first or not (part.return_sequences and part.return_state):
        raise ValueError(
            f"{kind}: batch_first, return_sequences and return_state are for the outermost layer: "
            f"give them to {kind}, not to the {type(part).__name__} in it"
        )
    return part


def _check_cell(owner: str, module: Module) -> None:
    """A module that takes no state is no cell: nothing else would say so before it is called."""
    try:
        signature(module.forward).bind(None, None)
    except TypeError:
        kind = type(module).__name__
        raise TypeError(
            f"{owner}: {kind} is neither a cell, whose forward takes (x, state), nor a layer over time: "
            f"put it behind the layers, in nn.Sequential(…, {kind}(…)), with return_state=False"
        ) from None


class Around(Layer):
    """A layer around another one, whose state is its own.

    Parameters
    ----------
    layer : cell or layer
    """

    def __init__(self, layer: Module, **options: bool) -> None:
        super().__init__(**options)
        self.layer = as_layer(self, layer)

    @property
    def input_size(self) -> int | None:  # type: ignore[override]
        return self.layer.input_size

    @property
    def direction(self) -> int | None:  # type: ignore[override]
        return self.layer.direction

    def initial_state(self, batch: int, dtype: Any = "float32", device: Any = None) -> Any:
        return self.layer.initial_state(batch, dtype, device)

    def map_state(self, function: Callable, *states: Any) -> Any:
        return self.layer.map_state(function, *states)
