"""Recurrent cells: one time step each, (x, state) -> state, in the lines of the textbook."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..graph import named
from ..ops import relu, sigmoid, split, tanh
from ..tensor import Parameter, Tensor
from . import init
from .cell import Cell
from .module import check_sizes


class RNNCell(Cell):
    """One step of a simple recurrent network (Elman 1990).

        aₜ = xₜ Wx + hₜ₋₁ Wh + b
        hₜ = tanh(aₜ)

    Parameters
    ----------
    input_size, hidden_size : int
        I and H: x is (N, I), h is (N, H), W_x (I, H), W_h (H, H), b (H,).
    bias : bool
    nonlinearity : {"tanh", "relu"}

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.RNNCell(3, 4)(tr.ones(2, 3), tr.zeros(2, 4)).shape
    (2, 4)
    """

    nonlinearities = {"tanh": tanh, "relu": relu}

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True, nonlinearity: str = "tanh") -> None:
        if nonlinearity not in self.nonlinearities:
            raise ValueError(f"nonlinearity {nonlinearity!r}: expected 'tanh' or 'relu'")
        self.input_size, self.hidden_size, self.nonlinearity = input_size, hidden_size, nonlinearity
        self._make_weights(1, bias)

    def forward(self, x: Any, h: Any = None) -> Tensor:
        x, h = self._checked(x, h)
        a = x @ self.W_x + h @ self.W_h + self.b
        (h,) = named(h=self.nonlinearities[self.nonlinearity](a))
        return h


class LSTMState(NamedTuple):
    """The state of an LSTM: what it shows, and what it remembers, each (N, H); with a projection h is (N, P)."""

    h: Any
    c: Any


class LSTMCell(Cell):
    """One step of long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

        aₜ = xₜ Wx + hₜ₋₁ Wh + b         pre-activations, four blocks wide
        iₜ = σ(aⁱₜ)                      input gate: how much to write
        fₜ = σ(aᶠₜ)                      forget gate: how much to keep
        gₜ = tanh(aᵍₜ)                   candidate: what to write
        oₜ = σ(aᵒₜ)                      output gate: how much to show
        cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ         ∂cₜ/∂cₜ₋₁ = diag(fₜ) + …: the road gradients survive on
        hₜ = oₜ ⊙ tanh(cₜ)               with a projection (Sak, Senior & Beaufays 2014): hₜ = (oₜ ⊙ tanh(cₜ)) Wp

    Parameters
    ----------
    input_size, hidden_size : int
        I and H: x is (N, I), h and c are (N, H), W_x (I, 4H), W_h (H, 4H), b (4H,), gates in the order i, f, g, o.
    bias : bool
    proj_size : int
        P, from 1 to H − 1: h is (N, P), W_p (H, P) and W_h (P, 4H), so that a large memory needs no large matrices.  0: none.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> cell = nn.LSTMCell(3, 4)
    >>> h, c = cell(tr.ones(2, 3), cell.initial_state(2))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True, proj_size: int = 0) -> None:
        if proj_size:
            check_sizes(self, hidden_size=hidden_size, proj_size=proj_size)
            if proj_size >= hidden_size:
                raise ValueError(f"LSTMCell: proj_size {proj_size} must be less than hidden_size {hidden_size}")
        self.input_size, self.hidden_size, self.proj_size = input_size, hidden_size, proj_size
        self.state_sizes = LSTMState(proj_size or hidden_size, hidden_size)
        self._make_weights(4, bias)
        if bias:
            self.b.assign(init.forget_bias(hidden_size))
        if proj_size:
            self.W_p = Parameter(init.orthogonal(hidden_size, proj_size))

    def forward(self, x: Any, state: Any = None) -> LSTMState:
        x, h, c = self._checked(x, state)
        i, f, g, o = split(x @ self.W_x + h @ self.W_h + self.b, 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        (c,) = named(c=f * c + i * g)
        h = o * tanh(c)
        (h,) = named(h=h @ self.W_p if self.proj_size else h)
        return LSTMState(h, c)


class GRUCell(Cell):
    """One step of a gated recurrent unit (Cho et al. 2014).

        rₜ = σ(xₜ Wxʳ + hₜ₋₁ Whʳ + …)                        reset gate: how much of the past the candidate sees
        zₜ = σ(xₜ Wxᶻ + hₜ₋₁ Whᶻ + …)                        update gate: how much to keep
        nₜ = tanh(xₜ Wxⁿ + bⁿ + rₜ ⊙ (hₜ₋₁ Whⁿ + bhⁿ))       candidate, reset after the product (cuDNN, PyTorch), or
        nₜ = tanh(xₜ Wxⁿ + bⁿ + (rₜ ⊙ hₜ₋₁) Whⁿ)             before it (the paper's)
        hₜ = (1 − zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁

    Parameters
    ----------
    input_size, hidden_size : int
        I and H: x is (N, I), h is (N, H), W_x (I, 3H), b (3H,), gates in the order r, z, n.
    bias : bool
    reset_after : bool
        True: W_h is (H, 3H), with a bias b_h (3H,) of its own, as in PyTorch and Keras.
        False: W_h is (H, 2H) for r and z, and W_n (H, H).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.GRUCell(3, 4)(tr.ones(2, 3), tr.zeros(2, 4)).shape
    (2, 4)
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True, reset_after: bool = True) -> None:
        self.input_size, self.hidden_size, self.reset_after = input_size, hidden_size, reset_after
        self._make_weights(3, bias)
        if reset_after:
            self.b_h = Parameter(init.zeros(3 * hidden_size)) if bias else 0.0
        else:
            self.recurrent_weights = "W_h", "W_n"
            self.W_h = Parameter(init.gates(init.orthogonal, hidden_size, hidden_size, 2))
            self.W_n = Parameter(init.orthogonal(hidden_size, hidden_size))

    def forward(self, x: Any, h: Any = None) -> Tensor:
        x, h = self._checked(x, h)
        x_r, x_z, x_n = split(x @ self.W_x + self.b, 3)
        if self.reset_after:
            h_r, h_z, h_n = split(h @ self.W_h + self.b_h, 3)
        else:
            h_r, h_z = split(h @ self.W_h, 2)
        r, z = named(r=sigmoid(x_r + h_r), z=sigmoid(x_z + h_z))
        (n,) = named(n=tanh(x_n + (r * h_n if self.reset_after else (r * h) @ self.W_n)))
        (h,) = named(h=(1 - z) * n + z * h)
        return h
