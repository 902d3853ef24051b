"""What is measured after each epoch, followed: the best so far, and an end of the training when nothing gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .callbacks import Callback
from .run import Run


class Best:
    """The best of what was measured so far.

    Parameters
    ----------
    monitor : str
        What is measured, by its name in the history.
    mode : {"min", "max"}, optional
        Whether less is better, or more; by default more if the name ends in "accuracy".
    min_delta : float
        A smaller improvement does not count.
    """

    def __init__(self, monitor: str, mode: str | None = None, min_delta: float = 0.0) -> None:
        if mode not in ("min", "max", None):
            raise ValueError(f"mode must be 'min' or 'max', not {mode!r}")
        if not min_delta >= 0:
            raise ValueError(f"min_delta must not be negative, not {min_delta!r}")
        self.sign = 1 if mode == "max" or (mode is None and monitor.endswith("accuracy")) else -1
        self.monitor, self.min_delta = monitor, min_delta
        self.begin()

    def begin(self) -> None:
        """Anything is better than nothing."""
        self.value = -self.sign * math.inf

    def improved(self, run: Run) -> bool:
        """Is the latest epoch better than all before?"""
        value = measured(run, self.monitor)
        better = self.sign * (value - self.value) > self.min_delta  # which NaN never is
        self.value = value if better else self.value
        return better


def measured(run: Run, monitor: str) -> float:
    """A number of the latest epoch.

    Raises
    ------
    ValueError
        If nothing of that name was measured; the message says what was.
    """
    values = run.history.history.get(monitor)
    if not values or values[-1] is None:
        known = [name for name, column in run.history.history.items() if name not in ("epoch", "step") and column[-1] is not None]
        hint = "; give fit validation_split or validation_data" if monitor.startswith("val_") and not run.validation else ""
        raise ValueError(f"no {monitor!r} was measured in epoch {run.epoch}, but {', '.join(known)}{hint}")
    return values[-1]


class EarlyStopping(Callback):
    """Ends the training when a measure has not improved for some epochs, and puts the best weights back.

    Parameters
    ----------
    monitor : str
        What is measured after each epoch, by its name in the history.
    patience : int
        After so many epochs without an improvement it is enough.
    min_delta : float
        A smaller improvement does not count.
    mode : {"min", "max"}, optional
        Whether less is better, or more; by default more if the name ends in "accuracy".
    restore_best : bool
        At the end of the training, whether early or not, put back the weights of the best epoch.  After Ctrl-C they stay as
        they are.

    Attributes
    ----------
    best_epoch : int
        Counted from 1; 0 before the first epoch.

    Examples
    --------
    >>> import numpy as np, tinyrnn as tr
    >>> from tinyrnn import nn, optim
    >>> model = nn.Linear(1, 1)
    >>> trainer = tr.Trainer(model, nn.mse, optim.SGD(model.parameters(), lr=3.0))  # too much
    >>> x = np.ones((4, 1))
    >>> history = trainer.fit(x, x, epochs=20, callbacks=[tr.train.EarlyStopping("loss", patience=2)])
    >>> history["epoch"]
    [1, 2, 3]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        if not isinstance(patience, int) or patience < 1:
            raise ValueError(f"EarlyStopping: patience must be a whole number from 1, not {patience!r}")
        self.best, self.patience, self.restore_best = Best(monitor, mode, min_delta), patience, restore_best
        self._begin()

    def _begin(self) -> None:
        self.best.begin()
        self.waited = self.best_epoch = 0
        self.weights: dict[str, Any] = {}

    def on_fit_begin(self, run: Run) -> None:
        if run.step == 0:  # not resumed: what an earlier training has left does not count
            self._begin()

    def on_epoch_end(self, run: Run) -> None:
        if self.best.improved(run):
            self.waited, self.best_epoch = 0, run.epoch
            self.weights = run.model.state_dict() if self.restore_best else {}
        else:
            self.waited += 1
        if self.waited >= self.patience:
            run.stop()

    def on_fit_end(self, run: Run) -> None:
        if self.weights and not run.interrupted:
            run.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best.value, "waited": self.waited, "best_epoch": self.best_epoch, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best.value, self.waited, self.best_epoch = state["best"], state["waited"], state["best_epoch"]
        self.weights = state["weights"]
