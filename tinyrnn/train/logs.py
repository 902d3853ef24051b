"""Logs: what is measured, written down while the training goes on, for a table, for TensorBoard, and for each module."""

from __future__ import annotations

import csv
import os
from typing import Any

from .. import nn, optim
from ..tensor import Parameter
from .callbacks import Callback
from .run import Run


class CSVLog(Callback):
    """Writes a line for each epoch, or each step, into a table.

    The file always holds the whole history: when a training is resumed, what an interrupted one has written beyond the
    checkpoint, or half, is replaced.

    Parameters
    ----------
    path : path
    of : {"epochs", "steps"}
    """

    def __init__(self, path: str | os.PathLike, of: str = "epochs") -> None:
        if of not in ("epochs", "steps"):
            raise ValueError(f"CSVLog: of={of!r}: expected 'epochs' or 'steps'")
        self.path, self.of = path, of
        self._written: tuple[str, ...] = ()  # the columns

    def on_fit_begin(self, run: Run) -> None:
        self._rewrite(run)

    def on_step_end(self, run: Run) -> None:
        if self.of == "steps":
            self._append(run, run.history.steps)

    def on_epoch_end(self, run: Run) -> None:
        if self.of == "epochs":
            self._append(run, run.history.history)

    def _append(self, run: Run, columns: dict[str, list]) -> None:
        if tuple(columns) != self._written:  # the first line, or one with something new
            self._rewrite(run)
            return
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([column[-1] for column in columns.values()])

    def _rewrite(self, run: Run) -> None:
        run.history.to_csv(self.path, self.of)
        self._written = tuple(run.history.steps if self.of == "steps" else run.history.history)


class TensorBoardLog(Callback):
    """Writes what is measured for TensorBoard: ``tensorboard --logdir FOLDER``.

    The numbers of steps are called ``step/loss``, …, those of epochs ``epoch/val_loss``, …, all of them against the number of
    steps.  When a training is resumed, TensorBoard is told to forget what was there, and all of the history is written anew.

    Parameters
    ----------
    folder : path
        One for each training.

    Raises
    ------
    ImportError
        If tensorboardX is missing.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        try:
            import tensorboardX
        except ImportError:
            raise ImportError("TensorBoardLog needs the package tensorboardX: pip install 'tinyrnn[logs]'") from None
        self.folder, self._library = folder, tensorboardX

    def on_fit_begin(self, run: Run) -> None:
        self._writer = self._library.SummaryWriter(str(self.folder), purge_step=0 if run.step else None)
        for group, table in (("step", run.history.of_steps), ("epoch", run.history.of_epochs)):
            for row in table.rows():
                self._write(group, row)

    def on_step_end(self, run: Run) -> None:
        self._write("step", run.history.of_steps.latest())

    def on_epoch_end(self, run: Run) -> None:
        self._write("epoch", run.history.of_epochs.latest())
        self._writer.flush()

    def on_fit_end(self, run: Run) -> None:
        self._writer.close()

    def _write(self, group: str, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if name not in ("step", "epoch") and value is not None:
                self._writer.add_scalar(f"{group}/{name}", value, row["step"])


class GradientNorms(Callback):
    """Puts the norm of the gradient of each module that has parameters into the record of each step, before clipping.

    In `History.steps` they are called ``gradient_norm.layer``, after the module.

    Examples
    --------
    >>> import numpy as np, tinyrnn as tr
    >>> from tinyrnn import nn, optim
    >>> model = nn.Sequential(nn.Linear(1, 3), nn.Linear(3, 1))
    >>> trainer = tr.Trainer(model, nn.mse, optim.SGD(model.parameters(), lr=0.1))
    >>> history = trainer.fit(np.ones((4, 1)), np.ones((4, 1)), callbacks=[tr.train.GradientNorms()])
    >>> list(history.steps)
    ['step', 'epoch', 'loss', 'lr', 'gradient_norm.0', 'gradient_norm.1', 'gradient_norm']
    """

    def on_fit_begin(self, run: Run) -> None:
        self._own = {f"gradient_norm.{name}" if name else "gradient_norm.(self)": own for name, own in _own_parameters(run.model)}

    def on_backward(self, run: Run) -> None:
        run.note(**{name: optim.grad_norm(own).item() for name, own in self._own.items()})


def _own_parameters(model: nn.Module) -> list[tuple[str, list[Parameter]]]:
    """For each module that has parameters of its own, those."""
    owners: dict[str, list[Parameter]] = {}
    for name, parameter in model.named_parameters():
        owners.setdefault(name.rpartition(".")[0], []).append(parameter)
    return list(owners.items())
