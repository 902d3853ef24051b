"""A learning rate that goes down when a measure no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .optimizer import Optimizer, not_negative, number
from .schedules import check_state, described


class ReduceLROnPlateau:
    """A fraction of it when a measure has not improved for some time: η ← max(η_min, γ η).

    `step` takes the measure, once each epoch.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}
        Whether less is better, or more.
    factor : float
        γ, below 1.
    patience : int
        How many times it may fail to improve; at the next one the rate goes down.
    threshold : float
        What counts as better: below best · (1 − threshold), above best · (1 + threshold), or with
        ``threshold_mode="abs"`` beyond best ∓ threshold.
    threshold_mode : {"rel", "abs"}
    cooldown : int
        How many times to look away after each change.
    min_lr : float
        η_min.
    eps : float
        A change smaller than this is not made.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> optimizer = optim.SGD([tr.Parameter(1.0)], lr=1.0)
    >>> schedule = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> optimizer.lr
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: mode {mode!r} must be min or max, threshold_mode {threshold_mode!r} rel or abs")
        if not 0 <= number("ReduceLROnPlateau: factor", factor) < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be at least 0 and below 1, not {factor!r}")
        numbers = {"patience": patience, "threshold": threshold, "cooldown": cooldown, "min_lr": min_lr, "eps": eps}
        for name, value in numbers.items():
            not_negative(f"ReduceLROnPlateau: {name}", value)
        self.mode, self.factor, self.patience, self.cooldown = mode, float(factor), patience, cooldown
        self.threshold, self.threshold_mode, self.min_lr, self.eps = threshold, threshold_mode, min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"ReduceLROnPlateau: expected an optimiser, not a {type(optimizer).__name__}")
        self.optimizer = optimizer

    def step(self, metrics: float) -> None:
        """Take the measure of one more epoch."""
        metrics = number("ReduceLROnPlateau.step: the measure", metrics)
        if self._better(metrics):
            self.best, self.num_bad_epochs = metrics, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            lower = max(self.optimizer.lr * self.factor, self.min_lr)
            if self.optimizer.lr - lower > self.eps:
                self.optimizer.lr = lower
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def _better(self, measure: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * measure > sign * self.best * (1 + sign * self.threshold)
        return sign * measure > sign * self.best + self.threshold

    def state_dict(self) -> dict[str, Any]:
        """Where it stands."""
        return {"best": self.best, "num_bad_epochs": self.num_bad_epochs, "cooldown_counter": self.cooldown_counter}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken; the optimiser loads its own learning rate.

        Raises
        ------
        ValueError
            If it is the state of something else.
        """
        check_state(self, state)
        self.best = float(state["best"])
        self.num_bad_epochs, self.cooldown_counter = int(state["num_bad_epochs"]), int(state["cooldown_counter"])

    def __repr__(self) -> str:
        return described(self)
