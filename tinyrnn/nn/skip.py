"""Connections past a layer: what goes in is added to what comes out (Residual), or mixed with it by a gate (Highway)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph import named, step
from ..ops import sigmoid
from ..tensor import Parameter, Tensor
from . import init
from .layer import Run
from .layers import Linear
from .module import Module
from .over_time import where_valid
from .recurrent import Around


class _Skip(Around):
    """A layer whose output at each step is made of the input of that step and the inner layer's output."""

    def joined(self, x: Any, y: Any) -> Tensor:
        """The output of a step.  Where both are 0, as on padded steps, it is 0."""
        raise NotImplementedError

    def over_time(self, xs: Sequence, state: Any, valid: Sequence | None, reverse: bool) -> Run:
        run = self.layer.inside(xs, state, valid, reverse)
        ys: list = []
        for t, (x, y) in enumerate(zip(xs, run.ys)):
            if x.shape != y.shape:
                raise ValueError(
                    f"{type(self).__name__}: the layer makes {y.shape[1]} features out of {x.shape[1]}, but what goes past it "
                    "must be as wide as what comes out: change the width in a layer before or behind"
                )
            with step(t):
                ys.append(self.joined(x if valid is None else where_valid(valid[t], x, 0), y))
        return Run(ys, lambda: self._last(run, ys, valid, reverse), run.state)

    def _last(self, run: Run, ys: list, valid: Sequence | None, reverse: bool) -> Tensor:
        """The output of each sequence's own last step; of a sequence of length 0, the inner layer's."""
        kind = type(self).__name__
        if self.direction is None:
            raise ValueError(
                f"{kind}: a layer that runs in both directions has no last step of which an input could go past it: "
                f"use Bidirectional({kind}(…), {kind}(…)) in place of {kind}(Bidirectional(…)), or return_sequences=True"
            )
        steps = range(len(ys)) if (self.direction == 1) != reverse else reversed(range(len(ys)))
        if valid is None:
            return ys[list(steps)[-1]]
        last = run.last()
        for t in steps:
            with step(t):
                last = where_valid(valid[t], ys[t], last)
        return last


class Residual(_Skip):
    """What goes into a layer is added to what comes out (He et al. 2016; between recurrent layers: Wu et al. 2016).

        yₜ = xₜ + layer(x)ₜ

    Parameters
    ----------
    layer : cell or layer
        Its outputs are as wide as its inputs.
    batch_first, return_sequences, return_state : bool
        See `Layer`.

    Raises
    ------
    ValueError
        When it is called, if the outputs are of another width.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> deep = nn.Stack(nn.LSTMCell(3, 4), nn.Residual(nn.LSTMCell(4, 4)), nn.Residual(nn.LSTMCell(4, 4)))
    >>> y, states = deep(tr.ones(5, 2, 3))
    >>> y.shape
    (5, 2, 4)
    """

    def joined(self, x: Any, y: Any) -> Tensor:
        return x + y


class Highway(_Skip):
    """A gate for each feature decides how much of a layer's output is taken, and how much of its input (Srivastava et al. 2015).

        gₜ = σ(xₜ W + b)                      transform gate
        yₜ = gₜ ⊙ layer(x)ₜ + (1 − gₜ) ⊙ xₜ

    Parameters
    ----------
    layer : cell or layer
        Its outputs are as wide as its inputs.
    size : int, optional
        This width; by default what the layer says in `input_size`.
    batch_first, return_sequences, return_state : bool
        See `Layer`.

    Raises
    ------
    ValueError
        If the width is not known; when it is called, if the outputs are of another one.

    Notes
    -----
    ``gate.W`` is (size, size); ``gate.b`` begins at −1, so that most of the input passes at first, as in the paper.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> y, h = nn.Highway(nn.GRUCell(4, 4))(tr.ones(5, 2, 4))
    >>> y.shape
    (5, 2, 4)
    """

    def __init__(self, layer: Module, size: int | None = None, **options: bool) -> None:
        super().__init__(layer, **options)
        size = self.layer.input_size if size is None else size
        if size is None:
            raise ValueError(f"Highway: the {type(layer).__name__} has no input_size: say how wide its input is with size=…")
        self.gate = Linear(size, size)
        self.gate.b = Parameter(init.zeros(size) - 1.0)

    def joined(self, x: Any, y: Any) -> Tensor:
        (g,) = named(g=sigmoid(self.gate(x)))
        return g * y + (1 - g) * x
