"""Schedules: the learning rate as a function of the step.

η₀ is the learning rate that the optimiser has when the schedule is made, and t counts the calls of `step`, from 0.  Every
rate is computed from t alone, not from the one before, so that no error accumulates.  Names and numbers are PyTorch's.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .optimizer import Optimizer, not_negative, number


class Schedule:
    """Sets the learning rate of an optimiser, at once for t = 0, and at each `step` for the next t.

    One of one's own is a subclass with `rate`.

    Parameters
    ----------
    optimizer : Optimizer

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> class InverseRoot(optim.Schedule):
    ...     def rate(self, t):
    ...         return self.base_lr / (t + 1) ** 0.5
    >>> optimizer = optim.SGD([tr.Parameter(1.0)], lr=0.1)
    >>> schedule = InverseRoot(optimizer)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> optimizer.lr
    0.05
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an optimiser, not a {type(optimizer).__name__}")
        self.optimizer, self.base_lr, self.t = optimizer, optimizer.lr, 0
        optimizer.lr = self.rate(0)

    def rate(self, t: int) -> float:
        """The learning rate of step t."""
        raise NotImplementedError(f"{type(self).__name__} has no rate(self, t): write one")

    def step(self) -> None:
        """Go on to the next t, after a step of the optimiser."""
        self.t += 1
        self.optimizer.lr = self.rate(self.t)

    def state_dict(self) -> dict[str, Any]:
        """Where it stands."""
        return {"t": self.t, "base_lr": self.base_lr}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken; the optimiser loads its own learning rate.

        Raises
        ------
        ValueError
            If it is the state of something else.
        """
        check_state(self, state)
        self.t, self.base_lr = int(state["t"]), float(state["base_lr"])

    def __repr__(self) -> str:
        return described(self)


def check_state(schedule: Any, state: Mapping[str, Any]) -> None:
    """A state has the entries of this kind of schedule."""
    own = schedule.state_dict()
    if not isinstance(state, Mapping) or set(state) != set(own):
        kind = type(schedule).__name__
        raise ValueError(f"{kind}.load_state_dict: expected {', '.join(own)}, as state_dict() gives them, not {state!r:.80}")


def described(schedule: Any) -> str:
    """A schedule with its options, not with where it stands."""
    options = {name: value for name, value in vars(schedule).items() if name not in ("optimizer", *schedule.state_dict())}
    return f"{type(schedule).__name__}({', '.join(f'{name}={value}' for name, value in options.items() if not callable(value))})"


class StepLR(Schedule):
    """Every so often a fraction of it: η(t) = η₀ γ^⌊t / s⌋.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
        s.
    gamma : float
        γ.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> schedule = optim.StepLR(optim.SGD([tr.Parameter(1.0)], lr=1.0), step_size=2, gamma=0.5)
    >>> [schedule.rate(t) for t in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = _steps("StepLR: step_size", step_size), not_negative("StepLR: gamma", gamma)
        super().__init__(optimizer)

    def rate(self, t: int) -> float:
        return self.base_lr * self.gamma ** (t // self.step_size)


class ExponentialLR(Schedule):
    """Every step a fraction of it: η(t) = η₀ γ^t.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
        γ.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> schedule = optim.ExponentialLR(optim.SGD([tr.Parameter(1.0)], lr=1.0), gamma=0.5)
    >>> [schedule.rate(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = not_negative("ExponentialLR: gamma", gamma)
        super().__init__(optimizer)

    def rate(self, t: int) -> float:
        return self.base_lr * self.gamma**t


class CosineAnnealingLR(Schedule):
    """Down along half a cosine: η(t) = η_min + ½ (η₀ − η_min) (1 + cos(π t / T_max)) (Loshchilov & Hutter 2017).

    After T_max it goes up again as it came down.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        How many steps the way down takes.
    eta_min : float
        η_min.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> schedule = optim.CosineAnnealingLR(optim.SGD([tr.Parameter(1.0)], lr=1.0), T_max=4)
    >>> [round(schedule.rate(t), 3) for t in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = _steps("CosineAnnealingLR: T_max", T_max)
        self.eta_min = not_negative("CosineAnnealingLR: eta_min", eta_min)
        super().__init__(optimizer)

    def rate(self, t: int) -> float:
        return _along_a_cosine(self.base_lr, self.eta_min, t / self.T_max)


class LinearWarmup(Schedule):
    """Up in a straight line, then constant: η(t) = η₀ (s + (1 − s) min(1, t / n)) (PyTorch's `LinearLR`).

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
        n, the steps until η₀ is reached.
    start_factor : float
        s, the fraction of η₀ to begin with.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> schedule = optim.LinearWarmup(optim.SGD([tr.Parameter(1.0)], lr=1.0), total_iters=4, start_factor=0.0)
    >>> [schedule.rate(t) for t in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int, start_factor: float = 1 / 3) -> None:
        self.total_iters = _steps("LinearWarmup: total_iters", total_iters)
        self.start_factor = _fraction("LinearWarmup: start_factor", start_factor)
        super().__init__(optimizer)

    def rate(self, t: int) -> float:
        return self.base_lr * (self.start_factor + (1 - self.start_factor) * min(1.0, t / self.total_iters))


class OneCycleLR(Schedule):
    """Up to a high rate and down to a very low one, along half cosines or straight lines (Smith & Topin 2019).

    From η_max / `div_factor` up to η_max at step p T − 1, and from there down to η_max / (`div_factor` · `final_div_factor`)
    at step T − 1, where it stays.  The optimiser's own learning rate is not looked at; its momentum stays as it is.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float
        η_max.
    total_steps : int
        T.
    pct_start : float
        p, the fraction of the steps in which it goes up.
    anneal_strategy : {"cos", "linear"}
    div_factor, final_div_factor : float

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> schedule = optim.OneCycleLR(optim.SGD([tr.Parameter(1.0)], lr=1.0), max_lr=1.0, total_steps=10)
    >>> [round(schedule.rate(t), 2) for t in range(10)]
    [0.04, 0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy {anneal_strategy!r}: expected 'cos' or 'linear'")
        self.max_lr, self.total_steps = not_negative("OneCycleLR: max_lr", max_lr), _steps("OneCycleLR: total_steps", total_steps)
        self.pct_start, self.anneal_strategy = _fraction("OneCycleLR: pct_start", pct_start), anneal_strategy
        self.div_factor = _above_zero("OneCycleLR: div_factor", div_factor)
        self.final_div_factor = _above_zero("OneCycleLR: final_div_factor", final_div_factor)
        super().__init__(optimizer)

    def rate(self, t: int) -> float:
        top, end = self.pct_start * self.total_steps - 1, self.total_steps - 1
        low = self.max_lr / self.div_factor
        anneal = _along_a_cosine if self.anneal_strategy == "cos" else _along_a_line
        if t <= top:
            return anneal(low, self.max_lr, t / top if top else 1.0)
        return anneal(self.max_lr, low / self.final_div_factor, min(1.0, (t - top) / (end - top)) if end > top else 1.0)


class SequentialLR(Schedule):
    """One schedule after the other, all of them from the same η₀: that of the first.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of Schedule
        Of this optimiser.
    milestones : sequence of int
        The t at which each but the first begins, with a t of its own from 0.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> optimizer = optim.SGD([tr.Parameter(1.0)], lr=1.0)
    >>> warmup, down = optim.LinearWarmup(optimizer, 2, start_factor=0.5), optim.ExponentialLR(optimizer, 0.5)
    >>> schedule = optim.SequentialLR(optimizer, [warmup, down], milestones=[2])
    >>> [schedule.rate(t) for t in range(5)]
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int]) -> None:
        schedulers, milestones = list(schedulers), list(milestones)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules and {len(milestones)} milestones: each but the first begins at one"
            )
        if sorted({m for m in milestones if m > 0}) != milestones:
            raise ValueError(f"SequentialLR: milestones must grow, from above 0, not {milestones}")
        for schedule in schedulers:
            if not isinstance(schedule, Schedule):
                raise TypeError(f"SequentialLR: a {type(schedule).__name__} is no function of the step")
            if schedule.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: {type(schedule).__name__} belongs to another optimiser")
        self.schedulers, self.milestones = schedulers, milestones
        optimizer.lr = schedulers[0].base_lr
        super().__init__(optimizer)

    def rate(self, t: int) -> float:
        which = bisect_right(self.milestones, t)
        schedule = self.schedulers[which]
        schedule.base_lr = self.base_lr
        return schedule.rate(t - (self.milestones[which - 1] if which else 0))


class LambdaLR(Schedule):
    """A function of one's own: η(t) = η₀ f(t).

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable
        f.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> schedule = optim.LambdaLR(optim.SGD([tr.Parameter(1.0)], lr=1.0), lambda t: 1 / (1 + t))
    >>> [schedule.rate(t) for t in (0, 1, 3)]
    [1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def rate(self, t: int) -> float:
        return self.base_lr * self.lr_lambda(t)


def _along_a_cosine(start: float, end: float, fraction: float) -> float:
    """From start to end along half a cosine."""
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * fraction))


def _along_a_line(start: float, end: float, fraction: float) -> float:
    return start + (end - start) * fraction


def _steps(what: str, value: Any) -> int:
    """A number of steps, from 1."""
    if isinstance(value, bool) or not number(what, value) >= 1 or value != int(value):
        raise ValueError(f"{what} must be a whole number from 1, not {value!r}")
    return int(value)


def _fraction(what: str, value: Any) -> float:
    if not 0 <= number(what, value) <= 1:
        raise ValueError(f"{what} must be from 0 to 1, not {value!r}")
    return float(value)


def _above_zero(what: str, value: Any) -> float:
    if not number(what, value) > 0:
        raise ValueError(f"{what} must be above 0, not {value!r}")
    return float(value)
