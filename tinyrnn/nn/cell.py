"""What a cell is to the time loop: a state to begin with, one callable for all steps of a sequence, and the next state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..graph import enter, here, leave, scope
from ..tensor import Parameter, as_tensor, zeros
from . import init
from .module import Module, check_sizes


def parts(state: Any) -> tuple:
    """The parts of a state: (h, c) of an LSTM, (h,) of a cell whose state is one Tensor."""
    return tuple(state) if isinstance(state, (tuple, list)) else (state,)


def like(state: Any, new: Sequence) -> Any:
    """These parts in the form of `state`: a Tensor, a tuple or a named tuple."""
    if not isinstance(state, (tuple, list)):
        return new[0]
    return type(state)(*new) if hasattr(state, "_fields") else tuple(new)


def state_sizes(cell: Any) -> Any:
    """How wide the state is, in its form: what the cell says in `state_sizes`, else in `hidden_size`, else None."""
    return getattr(cell, "state_sizes", getattr(cell, "hidden_size", None))


def initial_state(cell: Any, batch: int, dtype: Any = "float32", device: Any = None) -> Any:
    """The state before the first step: what the cell says in `initial_state`, else zeros as wide as `state_sizes` says."""
    if hasattr(cell, "initial_state"):
        return cell.initial_state(batch, dtype, device)
    return _zeros(cell, batch, dtype, device)


def _zeros(cell: Any, batch: int, dtype: Any, device: Any) -> Any:
    sizes = state_sizes(cell)
    if sizes is None:
        raise TypeError(
            f"{type(cell).__name__} does not say how it begins: give the layer a state, or the cell an attribute hidden_size, "
            "or state_sizes, a tuple, if its state has several parts (it begins with zeros), or a method "
            "initial_state(self, batch, dtype, device)"
        )
    return like(sizes, [zeros(batch, size, dtype=dtype, device=device) for size in parts(sizes)])


def check_input(cell: Any, x: Any) -> None:
    """The input of a step is as wide as the cell says, if it says so."""
    size, shape = getattr(cell, "input_size", None), x.shape
    if size is not None and (len(shape) != 2 or shape[1] != size):
        raise ValueError(f"{type(cell).__name__}: x must be (N, input_size) = (N, {size}), but has shape {tuple(shape)}")


def check_state(cell: Any, state: Any, batch: int) -> tuple:
    """The parts of a state as Tensors, of the form that the cell says.

    Nothing else would notice: a state of another shape broadcasts, and the rows of one Tensor unpack as h and c.
    """
    sizes = state_sizes(cell)
    several = isinstance(sizes, (tuple, list))
    given = tuple(map(as_tensor, parts(state) if several else (state,)))
    expected = [(batch, size) for size in parts(sizes)]
    if [part.shape for part in given] != expected:
        fields = getattr(sizes, "_fields", None)
        names = f"({', '.join(fields)})" if fields else f"a tuple of {len(expected)}" if several else "h"
        form = f"{names} of shapes {expected}"
        if len(set(expected)) == 1:
            form = f"{names}{', each' if several else ''} (N, hidden_size) = {expected[0]}"
        raise ValueError(f"{type(cell).__name__}: state must be {form}, but is {_described(state)}")
    return given


def begin(cell: Callable, x: Any, state: Any) -> Callable:
    """The callable (x, state) -> state for all steps of one sequence: the cell itself or, if it has one, what its `begin` gives.

    The time loop calls this once before the first step: a cell's `begin` draws masks and prepares weights there, which are the
    same at every step.  A loop of one's own does likewise.

    Parameters
    ----------
    cell : callable
        (x, state) -> state; it may have a method ``begin(self, x, state)`` that returns such a callable.
    x : Tensor, (N, I)
        The input of the first step.
    state : Tensor or tuple of Tensor
        Before the first step.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> class Weighed(nn.RNNCell):
    ...     def begin(self, x, h):
    ...         U = tr.tanh(self.W_h)  # once, not at every step
    ...         return lambda x, h: tr.tanh(x @ self.W_x + h @ U)
    >>> y, h = nn.Recurrent(Weighed(3, 4))(tr.ones(5, 2, 3))
    >>> sum(value.op is tr.tanh for value in tr.graph.history(h))
    6
    """
    if not hasattr(cell, "begin"):
        return cell
    name = getattr(cell, "name", None) or type(cell).__name__
    with scope(name):
        run = cell.begin(x, state)

    def step(x: Any, state: Any) -> Any:
        token = enter(here().inner(name))
        try:
            return run(x, state)
        finally:
            leave(token)

    return step


class Cell(Module):
    """What the library's cells have in common: sizes, and a state of zeros to begin with.

    A cell of one's own need not be one: any Module with ``forward(self, x, state)`` will do, and may have these attributes, too.

    Attributes
    ----------
    input_size, hidden_size : int
        I and H: x is (N, I), the state (N, H).
    state_sizes : tuple of int, optional
        Of a state with several parts, the width of each: the state has this form.  A named tuple makes it one.
    recurrent_weights : tuple of str
        The names of the parameters that multiply the state: `WeightDrop` and `VariationalDropout` ask for them.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> class Momentum(nn.Cell):
    ...     def __init__(self, size):
    ...         self.input_size, self.hidden_size, self.state_sizes = size, size, nn.LSTMState(h=size, c=size)
    ...     def forward(self, x, state):
    ...         h, c = state
    ...         c = 0.9 * c + 0.1 * x
    ...         return nn.LSTMState(tr.tanh(h + c), c)
    >>> y, state = nn.Recurrent(Momentum(3))(tr.ones(5, 2, 3))
    >>> state.c.shape
    (2, 3)
    """

    input_size: int
    hidden_size: int
    recurrent_weights: tuple[str, ...] = ("W_h",)
    b: Any

    def initial_state(self, batch: int, dtype: Any = "float32", device: Any = None) -> Any:
        """The state before the first step: zeros, (batch, hidden_size), in each of its parts."""
        return _zeros(self, batch, dtype, device)

    @property
    def output_size(self) -> int:
        """How wide the output, the first part of the state, is."""
        return parts(state_sizes(self))[0]

    def _checked(self, x: Any, state: Any) -> tuple:
        """x and the parts of the state as Tensors, known to fit; the state None is the initial one."""
        x = as_tensor(x)
        check_input(self, x)
        if state is None:
            state = self.initial_state(x.shape[0], self.W_x.dtype, self.W_x.device)
        return x, *check_state(self, state, x.shape[0])

    def _make_weights(self, gates: int, bias: bool) -> None:
        """W_x, W_h and b for this many gates, side by side."""
        check_sizes(self, input_size=self.input_size, hidden_size=self.hidden_size)
        self.W_x = Parameter(init.gates(init.glorot, self.input_size, self.hidden_size, gates))
        self.W_h = Parameter(init.gates(init.orthogonal, self.output_size, self.hidden_size, gates))
        self.b = Parameter(init.zeros(gates * self.hidden_size)) if bias else 0.0


def _described(state: Any) -> str:
    if isinstance(state, (tuple, list)):
        return f"a {type(state).__name__} of {', '.join(map(_described, state)) or 'nothing'}"
    shape = getattr(state, "shape", None)
    return f"a {type(state).__name__}" + ("" if shape is None else f" of shape {tuple(shape)}")
