"""`equations(loss)`: the recurrences of a computation and of its gradients, to read and to run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy

from ... import backend
from ...graph import Value, history
from ...tape import Graph, tape
from .derive import Derivation
from .latex import LaTeX
from .naming import parameter_names
from .program import Program
from .recurrences import recurrences
from .text import Text


class Equations:
    """Derived equations: `str` writes them as text, `latex` for papers and notebooks, `program` for NumPy, and `run` runs them.

    Attributes
    ----------
    lengths : dict of str to int
        The lengths of the sequences, {"T": 10}, as they were recorded.
    """

    def __init__(self, graph: Graph) -> None:
        self._recurrences = recurrences(Derivation(graph, graph.fold()))
        self.lengths: Mapping[str, int] = self._recurrences.lengths

    @cached_property
    def _program(self) -> Program:
        names = parameter_names(self._recurrences.leaves, self._recurrences.names.readers)
        return Program(self._recurrences, names)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What goes in, as it was recorded, by the names that the program uses; an input has an array for each step."""
        return self._program.arguments

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__

    @cached_property
    def _text(self) -> str:
        return str(Text(self._recurrences))

    def latex(self) -> str:
        """The equations in one ``aligned`` block, for LaTeX (amsmath), MathJax and KaTeX; put it between ``$$`` and ``$$``."""
        return str(LaTeX(self._recurrences))

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"

    def program(self) -> str:
        """The source of a function `run`, in plain NumPy, that returns the loss and the gradients by the parameters' names."""
        return self._program.source

    def run(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        """Run the equations.

        Parameters
        ----------
        **arguments
            Lengths (``T=33``) and `arguments` that are to be others than those recorded.  Equations that hold for every
            length may be run at another one, if all inputs are given for that many steps.

        Returns
        -------
        loss : NumPy scalar
        gradients : dict of str to array
            By the names of the parameters, as `Module.named_parameters` of the model says them.

        Raises
        ------
        TypeError
            If there is no argument of that name.
        NotImplementedError
            If an operation is none of the library's.
        """
        known = {**self.lengths, **self.arguments}
        unknown = sorted(arguments.keys() - known.keys())
        if unknown:
            raise TypeError(f"run() has no argument {unknown[0]!r}; it has {', '.join(known)}")
        return self._function(**{**known, **{name: _plain(a) for name, a in arguments.items()}})

    @cached_property
    def _function(self) -> Any:
        module: dict[str, Any] = {}
        exec(compile(self.program(), "<derived equations>", "exec"), module)
        return module["run"]


def _plain(a: Any) -> Any:
    """An argument without its Tensors."""
    if isinstance(a, Mapping):
        return {step: _plain(item) for step, item in a.items()}
    if isinstance(a, (list, tuple)):
        return [_plain(item) for item in a]
    a = backend.to_host(a.data) if isinstance(a, Value) else a
    return a if isinstance(a, int) else numpy.asarray(a)


def equations(loss: Value) -> Equations:
    """Derive the recurrences of the forward and the backward pass from the recorded history of a loss.

    The record of both passes is folded over time, so that one equation stands for all steps; what belongs together is
    written as a textbook does: δv for ∂L/∂v, sums over time for shared weights.  Nothing is known about any cell: a
    user's own is derived like an LSTM.  And nothing is only for show: `run` computes the same loss and gradients as
    autograd does, from the equations alone.

    What no gradient needs is not recorded, unless it was computed within ``with tr.recording():``; without that, it is
    an input of the equations.  Steps count from 1.

    Parameters
    ----------
    loss : Tensor
        A scalar.

    Returns
    -------
    Equations

    Raises
    ------
    TypeError
        If the loss is no Tensor.
    ValueError
        If the loss is no scalar, or was computed from gradients.
    RuntimeError
        If it depends on nothing that is trained, or its history has been released.

    Notes
    -----
    The equations are those of Werbos (1990) and Pascanu, Mikolov & Bengio (2013) for a simple recurrent network, and of
    Gers, Schmidhuber & Cummins (2000) for an LSTM, with the gradient sent back all the way.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt, nn
    >>> y, h = nn.RNN(2, 3)(tr.randn(10, 1, 2))
    >>> print(bptt.equations(tr.mean(y * y)))
    Forward
        h₀ = 0
        for t = 1 … T:
            aₜ = xₜ Wₓ + hₜ₋₁ Wₕ + b
            hₜ = tanh(aₜ)
        H = (h₁, …, h_T)
        L = mean(H²)
    Backward, δv = ∂L/∂v
        n = |H|
        δa_{T+1} = 0
        for t = T … 1:
            δhₜ = 2/n hₜ + δaₜ₊₁ Wₕᵀ
            δaₜ = δhₜ ⊙ (1 − hₜ²)
    Gradients
        ∂L/∂Wₓ = Σₜ xₜᵀ δaₜ
        ∂L/∂Wₕ = Σₜ hₜ₋₁ᵀ δaₜ
        ∂L/∂b = Σₜ 1ᵀ δaₜ
    """
    if not isinstance(loss, Value):
        raise TypeError(f"equations: expected a loss, a Tensor, not {type(loss).__name__}")
    if loss.data.size != 1:
        raise ValueError(f"equations: the loss has shape {tuple(loss.shape)}, not that of one number: reduce it (mean, sum)")
    if any(value.place.backward for value in history(loss)):
        raise ValueError(
            "equations: the loss was computed from gradients (create_graph=True); only the recurrences of first derivatives "
            "can be derived: give the loss that was differentiated"
        )
    return Equations(tape(loss, backward=True, values=True))
