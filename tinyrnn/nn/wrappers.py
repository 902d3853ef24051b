"""Regularisers around any cell, also a user's: VariationalDropout, Zoneout, WeightDrop.

Each is a cell itself, so they nest.  What it draws comes from `manual_seed`; what it changes, it changes in a copy of the cell
that lasts for one sequence, so that the parameters stay as they are, and gradients reach them through the masks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from .. import backend
from ..ops import where
from ..tensor import Parameter, Tensor, as_tensor
from .cell import begin, initial_state, like, parts, state_sizes
from .layer import Layer
from .layers import check_rate, keep
from .module import Module


class Wrapper(Module):
    """What the wrappers have in common: as much as the cell inside says about itself."""

    def __init__(self, cell: Module) -> None:
        kind = type(self).__name__
        if isinstance(cell, Layer):
            raise TypeError(
                f"{kind} is for cells, one step, not for layers such as {type(cell).__name__}: "
                f"nn.Recurrent(nn.{kind}(nn.LSTMCell(...), ...)), in an nn.Stack for several layers"
            )
        if not isinstance(cell, Module):
            raise TypeError(f"{kind}: expected a cell, a Module with forward(self, x, state), not a {type(cell).__name__}")
        self.cell = cell

    @property
    def input_size(self) -> int:
        return self.cell.input_size  # type: ignore[attr-defined]

    @property
    def hidden_size(self) -> int:
        return self.cell.hidden_size  # type: ignore[attr-defined]

    @property
    def state_sizes(self) -> Any:
        return state_sizes(self.cell)

    @property
    def recurrent_weights(self) -> tuple[str, ...]:
        return tuple(f"cell.{name}" for name in recurrent_weights(self.cell))

    def initial_state(self, batch: int, dtype: Any = "float32", device: Any = None) -> Any:
        """The state with which the cell inside begins."""
        return initial_state(self.cell, batch, dtype, device)


class _OnceForASequence(Wrapper):
    """A wrapper whose masks are drawn when a sequence begins."""

    weights: tuple[str, ...]  # the parameters inside that multiply the state

    def drops(self) -> bool:
        """Is there a mask to draw?"""
        raise NotImplementedError

    @property
    def recurrent_weights(self) -> tuple[str, ...]:  # also those that the cell did not say, but was said to have
        return tuple(f"cell.{name}" for name in self.weights or recurrent_weights(self.cell))

    def forward(self, x: Any, state: Any = None) -> Any:
        if self.training and self.drops():
            raise RuntimeError(
                f"{type(self).__name__} draws its masks once for a sequence, which nn.Recurrent and all other layers let it do; "
                "a loop of your own begins with run = nn.begin(cell, x, state), and each of its steps is state = run(x, state)"
            )
        return self.cell(x, state)


class VariationalDropout(_OnceForASequence):
    """In training, drop inputs and recurrent states, the same ones at every step of a sequence (Gal & Ghahramani 2016).

        xₜ becomes xₜ ⊙ mₓ, and hₜ₋₁ Wh becomes (hₜ₋₁ ⊙ mₕ) Wh, with masks m of 0 and 1 / (1 − rate)

    Each sequence of a batch has masks of its own.  The state is masked only where it multiplies weights, as in the paper: what a
    cell carries on besides, as a GRU's (1 − zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁, would otherwise grow by 1 / (1 − rate) at every step.

    Parameters
    ----------
    cell : Module
        Any cell that writes ``h @ W`` with weights W for the state alone.
    dropout, recurrent_dropout : float
        The rates of mₓ and mₕ, from 0 up to, but not including, 1.
    weights : sequence of str, optional
        The parameters that multiply the state; by default the cell's `recurrent_weights`, or W_h.

    Raises
    ------
    ValueError
        If a rate is out of range, or the cell has no such parameter.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> cell = nn.VariationalDropout(nn.LSTMCell(3, 4), 0.2, 0.3)
    >>> y, (h, c) = nn.Recurrent(cell)(tr.ones(5, 2, 3))
    >>> y.shape
    (5, 2, 4)
    """

    def __init__(
        self, cell: Module, dropout: float, recurrent_dropout: float, *, weights: str | Sequence[str] | None = None
    ) -> None:
        super().__init__(cell)
        check_rate(self, dropout=dropout, recurrent_dropout=recurrent_dropout)
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout
        self.weights = _checked_names(self, weights) if recurrent_dropout else ()

    def drops(self) -> bool:
        return self.dropout > 0 or self.recurrent_dropout > 0

    def begin(self, x: Any, state: Any) -> Callable:
        """The cell with masks for one sequence."""
        cell = self.cell
        if self.training and self.recurrent_dropout:
            m_h = _mask(parts(state)[0], self.recurrent_dropout, "m_h")
            cell = _with_weights(cell, {name: _MeetsMasked(_weight(cell, name), m_h, name) for name in self.weights})
        run = begin(cell, x, state)
        if not (self.training and self.dropout):
            return run
        m_x = _mask(x, self.dropout, "m_x")
        return lambda x, state: run(x * m_x, state)


class WeightDrop(_OnceForASequence):
    """In training, drop recurrent weights, the same ones at every step and for the whole batch (Merity, Keskar & Socher 2018).

        Wh becomes Wh ⊙ m, with a mask m of 0 and 1 / (1 − rate): DropConnect (Wan et al. 2013)

    Parameters
    ----------
    cell : Module
    rate : float
        From 0 up to, but not including, 1.
    weights : sequence of str, optional
        The parameters to drop from; by default the cell's `recurrent_weights`, or W_h.

    Raises
    ------
    ValueError
        If the rate is out of range, or the cell has no such parameter.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> layer = nn.Recurrent(nn.WeightDrop(nn.GRUCell(3, 4), 0.5))
    >>> y, h = layer(tr.ones(5, 2, 3))
    >>> [name for name, _ in layer.named_parameters()]
    ['cell.cell.W_x', 'cell.cell.W_h', 'cell.cell.b', 'cell.cell.b_h']
    """

    def __init__(self, cell: Module, rate: float, *, weights: str | Sequence[str] | None = None) -> None:
        super().__init__(cell)
        check_rate(self, rate=rate)
        self.rate, self.weights = rate, _checked_names(self, weights)

    def drops(self) -> bool:
        return self.rate > 0

    def begin(self, x: Any, state: Any) -> Callable:
        """The cell with the weights that are left for one sequence."""
        cell = self.cell
        if self.training and self.rate:
            cell = _with_weights(cell, {name: self._dropped(_weight(cell, name)) for name in self.weights})
        return begin(cell, x, state)

    def _dropped(self, weight: Tensor) -> Tensor:
        dropped = weight * _mask(weight, self.rate, "m")
        dropped.name = weight.name
        return dropped


class Zoneout(Wrapper):
    """In training, keep numbers of the old state at random, others at every step (Krueger et al. 2017).

        hₜ = mₜ ⊙ h̃ₜ + (1 − mₜ) ⊙ hₜ₋₁         h̃ₜ: what the cell returns; mₜ: 0 with probability `rate`, else 1
        hₜ = (1 − rate) · h̃ₜ + rate · hₜ₋₁      in evaluation, the expectation

    Parameters
    ----------
    cell : Module
    rates : float, or sequence of float
        For every part of the state, or for each: ``(0.05, 0.5)`` for the h and c of an LSTM, as in the paper.

    Raises
    ------
    ValueError
        If a rate is out of range, or there are not as many as the state has parts.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> y, (h, c) = nn.Recurrent(nn.Zoneout(nn.LSTMCell(3, 4), (0.05, 0.5)))(tr.ones(5, 2, 3))
    >>> c.shape
    (2, 4)
    """

    def __init__(self, cell: Module, rates: float | Sequence[float]) -> None:
        super().__init__(cell)
        for rate in parts(rates):
            check_rate(self, rate=rate)
        self.rates = rates

    def begin(self, x: Any, state: Any) -> Callable:
        """The cell, and after each of its steps a choice between its old state and its new one."""
        run = begin(self.cell, x, state)
        return lambda x, state: self._zoned(run(x, state), state)

    def forward(self, x: Any, state: Any = None) -> Any:
        x = as_tensor(x)
        if state is None:
            state = self.initial_state(x.shape[0], x.dtype, x.device)
        return self._zoned(self.cell(x, state), state)

    def _zoned(self, new: Any, old: Any) -> Any:
        count = len(parts(new))
        rates = parts(self.rates) if isinstance(self.rates, (tuple, list)) else (self.rates,) * count
        if len(rates) != count:
            raise ValueError(f"Zoneout: {len(rates)} rates, but the state of {type(self.cell).__name__} has {count} part(s)")
        return like(new, [self._mixed(*part) for part in zip(parts(new), parts(old), rates)])

    def _mixed(self, new: Tensor, old: Any, rate: float) -> Tensor:
        if not rate:
            return new
        if self.training:
            m = as_tensor(keep(new, rate))
            m.name = new.name and f"m_{new.name}"
            mixed = where(m, new, old)
        else:
            mixed = (1 - rate) * new + rate * old
        mixed.name, new.name = new.name, None
        return mixed


# -- weights that last for one sequence --------------------------------------------------------------------------------


def recurrent_weights(cell: Any) -> tuple[str, ...]:
    """The names of the parameters that multiply the state: what the cell says, else W_h."""
    return getattr(cell, "recurrent_weights", ("W_h",))


def _checked_names(wrapper: Wrapper, given: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names of parameters that the cell has."""
    names = (given,) if isinstance(given, str) else tuple(given or recurrent_weights(wrapper.cell))
    known = dict(wrapper.cell.named_parameters())
    for name in names:
        if name not in known:
            raise ValueError(
                f"{type(wrapper).__name__}: {type(wrapper.cell).__name__} has no parameter {name!r}: "
                f"name those that multiply the state with weights=[...]; it has {', '.join(known) or 'none'}"
            )
    return names


def _mask(x: Tensor, rate: float, name: str) -> Tensor:
    """Zeros with probability `rate`, else 1 / (1 − rate): as many as there are numbers in x."""
    kept = keep(x, rate)
    with backend.active(x.device):
        mask = as_tensor(kept.astype(x.dtype) / (1.0 - rate))
    mask.name = name
    return mask


class _MeetsMasked(Parameter):
    """A weight W that stands in a cell for one sequence: h @ W is (h ⊙ m) W, and whatever else is done with it is an error.

    As a Parameter it has its say before the Tensor, or the Parameter, on the left of @.
    """

    __slots__ = "called", "mask", "weight"

    def __init__(self, weight: Tensor, mask: Tensor, called: str) -> None:
        self.weight, self.mask, self.called = weight, mask, called

    def __rmatmul__(self, h: Any) -> Any:
        if h.shape != self.mask.shape:
            raise ValueError(
                f"VariationalDropout masks the state, {tuple(self.mask.shape)}, where it multiplies {self.called}, but the cell "
                f"multiplies {self.called} by something of shape {tuple(h.shape)}: x and h need a weight each"
            )
        return (h * self.mask) @ self.weight

    def __mul__(self, factor: Any) -> Any:  # a WeightDrop inside
        return _MeetsMasked(self.weight * factor, self.mask, self.called)

    def _refuse(self) -> Any:
        raise TypeError(
            f"VariationalDropout masks the state in products h @ {self.called}, but the cell does something else with "
            f"{self.called}: leave it out of weights=[...]"
        )

    data = requires_grad = property(_refuse)
    name = property(lambda self: self.weight.name, lambda self, name: setattr(self.weight, "name", name))
    shape = property(lambda self: self.weight.shape)
    dtype = property(lambda self: self.weight.dtype)
    device = property(lambda self: self.weight.device)


def _weight(part: Any, name: str) -> Any:
    """What stands at this dotted name in a module."""
    for key in name.split("."):
        part = getattr(part, key) if isinstance(part, Module) else part[key] if isinstance(part, dict) else part[int(key)]
    return part


def _with_weights(cell: Module, weights: dict[str, Tensor]) -> Any:
    """A copy of a cell in which these stand for its own weights, wherever those are used; all else is shared."""
    return _replaced(cell, {id(_weight(cell, name)): new for name, new in weights.items()})


def _replaced(part: Any, new: dict[int, Any]) -> Any:
    if id(part) in new:
        return new[id(part)]
    if isinstance(part, Module):
        new[id(part)] = module = copy(part)  # before its parts: one may refer back to its owner
        vars(module).update({key: _replaced(value, new) for key, value in vars(part).items()})
        return module
    if isinstance(part, dict):
        return {key: _replaced(value, new) for key, value in part.items()}
    if isinstance(part, list):
        return [_replaced(value, new) for value in part]
    return like(part, [_replaced(value, new) for value in part]) if isinstance(part, tuple) else part
