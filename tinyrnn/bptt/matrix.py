"""How much the error at each step taught a shared weight at each step: the sum of BPTT, taken apart twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy

from .. import backend
from ..autodiff import seed_of
from ..graph import Value
from ..ops import sum as sum_of
from ..ops import total
from .contributions import Record, Use, check_sum, gradient_of, rows


@dataclass(frozen=True, eq=False, repr=False)
class ContributionMatrix:
    """What the loss of step s (row) gave to the gradient of a weight by its use at step t (column).

    Attributes
    ----------
    norms : numpy array, (S, T)
        The Frobenius norm of each contribution; 0 where the loss does not depend on the use.
    fractions : numpy array, (S, T)
        How far each contribution goes along the whole gradient g: ⟨contribution, g⟩ / ⟨g, g⟩.  They add up to 1; what is
        negative, others undo.  NaN if the whole gradient is 0.
    arrays : array, (S, T, …), or None
        The contributions themselves, if asked for.
    gradient : array
        The gradient of the sum of the losses.
    loss_steps, steps : tuple of int
        The time steps of the rows (or their numbers, if the losses belong to no step) and of the columns.
    """

    norms: numpy.ndarray
    fractions: numpy.ndarray
    arrays: Any
    gradient: Any
    loss_steps: tuple[int, ...]
    steps: tuple[int, ...]

    def __repr__(self) -> str:
        return f"<ContributionMatrix of {len(self.loss_steps)} losses × {len(self.steps)} steps, weight {self.gradient.shape}>"


class _Cell(NamedTuple):
    """The contribution of one loss by one use (which has no array any more, unless it is asked for)."""

    row: int
    use: Use
    norm: float
    fraction: float


def contribution_matrix(
    losses: Sequence[Value] | Value, parameter: Value, *, arrays: bool = False, loop: int | None = None
) -> ContributionMatrix:
    """How much the error at step s taught the weight at step t, for all s and t, from one forward pass.

    There is one backward pass for each loss, through what depends on the parameter only.

    Parameters
    ----------
    losses : sequence of scalar Tensors, or Tensor (S,)
        The loss of each time step, before they are added up.
    parameter : Tensor
    arrays : bool
        Whether to keep all S · T contributions, each as large as the parameter; by default only two numbers of each.
    loop : int, optional
        Which time loop, if several use the parameter (see `contributions`).

    Returns
    -------
    ContributionMatrix

    Raises
    ------
    ValueError
        As for `contributions`; or if the losses are no scalars.
    ArithmeticError
        If the contributions do not add up to the gradient of the summed loss.

    Examples
    --------
    The error at a step teaches the weight at that step and before it, never after:

    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt
    >>> w, h, losses = tr.Parameter(0.5), tr.tensor(1.0), []
    >>> for t in range(3):
    ...     with tr.step(t):
    ...         h = tr.tanh(w * h)
    ...         losses.append(h * h)
    >>> bptt.contribution_matrix(losses, w).norms.round(3)
    array([[0.727, 0.   , 0.   ],
           [0.169, 0.199, 0.   ],
           [0.042, 0.049, 0.051]])
    """
    terms, summed, loss_steps = _terms(losses)
    record = Record([summed], parameter)
    whole = gradient_of(summed, parameter)
    g = backend.to_host(whole).astype(float)
    squared = float((g * g).sum())
    cells: list[_Cell] = []

    def parts() -> Iterator[Any]:
        for row, (output, seed) in enumerate(terms):
            for use in record.uses(output, seed):
                part = backend.to_host(use.gradient).astype(float)
                fraction = float((part * g).sum()) / squared if squared else numpy.nan
                kept = use if arrays else use._replace(gradient=None)
                cells.append(_Cell(row, kept, float(numpy.linalg.norm(part)), fraction))
                yield use.gradient

    check_sum(parameter, parts(), whole)
    loops = record.choose([cell.use for cell in cells], loop)
    cells = [cell for cell in cells if cell.use.loop in loops]
    steps = record.steps_of(loops)
    column: dict[int | None, int] = {step: number for number, step in enumerate(steps)}
    norms = numpy.zeros((len(terms), len(steps)))
    fractions = numpy.zeros_like(norms) if squared else numpy.full_like(norms, numpy.nan)
    for row, use, norm, fraction in cells:
        at = row, column[use.step]
        norms[at], fractions[at] = norm, fraction
    kept = None
    if arrays:
        of_row: list[list[Use]] = [[] for _ in terms]
        for cell in cells:
            of_row[cell.row].append(cell.use)
        with backend.active(backend.device_of(parameter.data)):
            kept = backend.namespace((parameter.data,)).stack([rows(parameter, found, steps) for found in of_row])
    return ContributionMatrix(norms, fractions, kept, whole, loss_steps, tuple(steps))


def _terms(losses: Sequence[Value] | Value) -> tuple[list[tuple[Value, Any]], Value, tuple[int, ...]]:
    """The losses, each with the seed of its backward pass; their sum; and their time steps."""
    if isinstance(losses, Value):
        if losses.ndim != 1:
            raise ValueError(f"the losses are a Tensor of shape {tuple(losses.shape)}, expected (S,): the loss of each step")
        one_of_each = numpy.eye(losses.shape[0], dtype=losses.dtype)
        with backend.active(backend.device_of(losses.data)):
            seeds = backend.asarray(one_of_each, device=backend.device_of(losses.data))
        return [(losses, seed) for seed in seeds], sum_of(losses), tuple(range(losses.shape[0]))
    losses = list(losses)
    if not losses or not all(isinstance(loss, Value) for loss in losses):
        raise TypeError("losses: expected the loss of each time step, one scalar Tensor for each")
    terms = [(loss, seed_of(loss)) for loss in losses]
    steps = [loss.place.step for loss in losses]
    known = tuple(step for step in steps if step is not None)
    numbers = known if len(set(known)) == len(losses) else tuple(range(len(losses)))
    return terms, total(*[sum_of(loss) for loss in losses]), numbers
