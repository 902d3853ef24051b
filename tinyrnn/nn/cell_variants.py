"""Variants of the recurrent cells: IRNN, minimal gated unit, LSTM with peepholes, layer-normalised LSTM and GRU."""

from __future__ import annotations

from typing import Any

from ..graph import named
from ..ops import sigmoid, split, tanh
from ..tensor import Parameter, Tensor
from . import init
from .cell import Cell
from .cells import LSTMState, RNNCell
from .layers import LayerNorm


class IRNNCell(RNNCell):
    """One step of a simple recurrent network of rectified units that begins as an identity (Le, Jaitly & Hinton 2015).

        hₜ = max(0, xₜ Wx + hₜ₋₁ Wh + b)        at first Wh = scale · 1, Wx ~ N(0, 0.001²), b = 0

    With Wh = 1 a state stays as it is, and so does its gradient, until training teaches it otherwise.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H: x is (N, I), h is (N, H), W_x (I, H), W_h (H, H), b (H,).
    bias : bool
    scale : float
        How much of the state is kept at first: less than 1, as 0.01, for tasks that need little memory.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.IRNNCell(3, 2).W_h.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    >>> y, h = nn.Recurrent(nn.IRNNCell(3, 4))(tr.ones(5, 2, 3))
    >>> h.shape
    (2, 4)
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True, scale: float = 1.0) -> None:
        super().__init__(input_size, hidden_size, bias=bias, nonlinearity="relu")
        self.scale = scale
        self.W_x.assign(init.normal(input_size, hidden_size, std=0.001))
        self.W_h.assign(init.identity(hidden_size, gain=scale))


class MGUCell(Cell):
    """One step of a minimal gated unit, a GRU whose one gate resets and updates (Zhou, Wu, Zhang & Zhou 2016).

        fₜ = σ(xₜ Wxᶠ + hₜ₋₁ Wh + bᶠ)                 forget gate: how much to renew, and how much of the past to see for that
        nₜ = tanh(xₜ Wxⁿ + (fₜ ⊙ hₜ₋₁) Wn + bⁿ)       candidate
        hₜ = (1 − fₜ) ⊙ hₜ₋₁ + fₜ ⊙ nₜ

    Parameters
    ----------
    input_size, hidden_size : int
        I and H: x is (N, I), h is (N, H), W_x (I, 2H), b (2H,), f before n; W_h and W_n are (H, H).
    bias : bool

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.MGUCell(3, 4)(tr.ones(2, 3), tr.zeros(2, 4)).shape
    (2, 4)
    """

    recurrent_weights = "W_h", "W_n"

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        self._make_weights(2, bias)
        self.W_h = Parameter(init.orthogonal(hidden_size, hidden_size))
        self.W_n = Parameter(init.orthogonal(hidden_size, hidden_size))

    def forward(self, x: Any, h: Any = None) -> Tensor:
        x, h = self._checked(x, h)
        f, n = split(x @ self.W_x + self.b, 2)
        (f,) = named(f=sigmoid(f + h @ self.W_h))
        (n,) = named(n=tanh(n + (f * h) @ self.W_n))
        (h,) = named(h=(1 - f) * h + f * n)
        return h


class PeepholeLSTMCell(Cell):
    """One step of an LSTM whose gates see the memory (Gers & Schmidhuber 2000).

        aₜ = xₜ Wx + hₜ₋₁ Wh + b           pre-activations, four blocks wide
        iₜ = σ(aⁱₜ + pᵢ ⊙ cₜ₋₁)            input gate
        fₜ = σ(aᶠₜ + pf ⊙ cₜ₋₁)            forget gate
        gₜ = tanh(aᵍₜ)                     candidate
        cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ
        oₜ = σ(aᵒₜ + pₒ ⊙ cₜ)              output gate: it sees what was just written
        hₜ = oₜ ⊙ tanh(cₜ)

    Parameters
    ----------
    input_size, hidden_size : int
        I and H, and the shapes of W_x, W_h and b: see `LSTMCell`; the peepholes p_i, p_f and p_o are (H,), each unit
        seeing its own memory alone, and begin at 0, as an LSTM without them.
    bias : bool

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> y, (h, c) = nn.Recurrent(nn.PeepholeLSTMCell(3, 4))(tr.ones(5, 2, 3))
    >>> y.shape, c.shape
    ((5, 2, 4), (2, 4))
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        self.state_sizes = LSTMState(hidden_size, hidden_size)
        self._make_weights(4, bias)
        if bias:
            self.b.assign(init.forget_bias(hidden_size))
        self.p_i, self.p_f, self.p_o = (Parameter(init.zeros(hidden_size)) for _ in "ifo")

    def forward(self, x: Any, state: Any = None) -> LSTMState:
        x, h, c = self._checked(x, state)
        i, f, g, o = split(x @ self.W_x + h @ self.W_h + self.b, 4)
        i, f, g = named(i=sigmoid(i + self.p_i * c), f=sigmoid(f + self.p_f * c), g=tanh(g))
        (c,) = named(c=f * c + i * g)
        (o,) = named(o=sigmoid(o + self.p_o * c))
        (h,) = named(h=o * tanh(c))
        return LSTMState(h, c)


class LayerNormLSTMCell(Cell):
    """One step of an LSTM whose pre-activations and memory are layer-normalised (Ba, Kiros & Hinton 2016, supplement).

        aₜ = LN(xₜ Wx) + LN(hₜ₋₁ Wh)       four blocks wide; LN: `LayerNorm`, each with a gain and a bias of its own
        iₜ, fₜ, gₜ, oₜ = σ(aⁱₜ), σ(aᶠₜ), tanh(aᵍₜ), σ(aᵒₜ)
        cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ
        hₜ = oₜ ⊙ tanh(LN(cₜ))             what is carried on is cₜ itself

    Parameters
    ----------
    input_size, hidden_size : int
        I and H: x is (N, I), h and c are (N, H), W_x (I, 4H), W_h (H, 4H), gates in the order i, f, g, o.
    bias : bool
        Have the normalisations biases?  There is no other: the forget gate's 1 is in that of norm_x.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> y, (h, c) = nn.Recurrent(nn.LayerNormLSTMCell(3, 4))(tr.ones(5, 2, 3))
    >>> y.shape, c.shape
    ((5, 2, 4), (2, 4))
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        self.state_sizes = LSTMState(hidden_size, hidden_size)
        self._make_weights(4, bias=False)
        self.norm_x, self.norm_h = (LayerNorm(4 * hidden_size, bias=bias) for _ in "xh")
        self.norm_c = LayerNorm(hidden_size, bias=bias)
        if bias:
            self.norm_x.bias.assign(init.forget_bias(hidden_size))

    def forward(self, x: Any, state: Any = None) -> LSTMState:
        x, h, c = self._checked(x, state)
        i, f, g, o = split(self.norm_x(x @ self.W_x) + self.norm_h(h @ self.W_h), 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        (c,) = named(c=f * c + i * g)
        (h,) = named(h=o * tanh(self.norm_c(c)))
        return LSTMState(h, c)


class LayerNormGRUCell(Cell):
    """One step of a GRU whose pre-activations are layer-normalised (Ba, Kiros & Hinton 2016, supplement).

        rₜ, zₜ = σ(LN(xₜ Wxʳᶻ) + LN(hₜ₋₁ Whʳᶻ))           reset and update gate; LN: `LayerNorm`, each with its own gain, bias
        nₜ = tanh(LN(xₜ Wxⁿ) + rₜ ⊙ LN(hₜ₋₁ Whⁿ))         candidate
        hₜ = (1 − zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁

    Parameters
    ----------
    input_size, hidden_size : int
        I and H: x is (N, I), h is (N, H), W_x (I, 3H), W_h (H, 3H), gates in the order r, z, n.
    bias : bool
        Have the normalisations biases?  There is no other.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> nn.LayerNormGRUCell(3, 4)(tr.ones(2, 3), tr.zeros(2, 4)).shape
    (2, 4)
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        self._make_weights(3, bias=False)
        self.norm_x, self.norm_h = (LayerNorm(2 * hidden_size, bias=bias) for _ in "xh")
        self.norm_xn, self.norm_hn = (LayerNorm(hidden_size, bias=bias) for _ in "xh")

    def forward(self, x: Any, h: Any = None) -> Tensor:
        x, h = self._checked(x, h)
        x_rz, x_n = split(x @ self.W_x, (2 * self.hidden_size, self.hidden_size))
        h_rz, h_n = split(h @ self.W_h, (2 * self.hidden_size, self.hidden_size))
        r, z = split(self.norm_x(x_rz) + self.norm_h(h_rz), 2)
        r, z = named(r=sigmoid(r), z=sigmoid(z))
        (n,) = named(n=tanh(self.norm_xn(x_n) + r * self.norm_hn(h_n)))
        (h,) = named(h=(1 - z) * n + z * h)
        return h
