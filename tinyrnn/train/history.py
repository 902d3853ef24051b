"""The history of a training: what was measured, step by step and epoch by epoch."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from ..files import target


class Table:
    """Rows of numbers that come one after the other, kept in columns; what a row lacks is None."""

    def __init__(self) -> None:
        self.columns: dict[str, list] = {}
        self.length = 0

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        self.length += 1
        self.note(row)

    def note(self, row: Mapping[str, Any]) -> None:
        """Put more into the latest row."""
        self.columns.update({name: [] for name in row if name not in self.columns})
        for name, column in self.columns.items():
            column += [None] * (self.length - len(column))
            if name in row:
                column[-1] = row[name].item() if hasattr(row[name], "item") else row[name]  # of NumPy, or a Tensor

    def rows(self) -> Iterator[dict[str, Any]]:
        """Row by row."""
        return (dict(zip(self.columns, row)) for row in zip(*self.columns.values()))

    def latest(self) -> dict[str, Any]:
        """The last row."""
        return {name: column[-1] for name, column in self.columns.items()}

    def __len__(self) -> int:
        return self.length

    def state_dict(self) -> dict[str, Any]:
        """Names and columns."""
        columns = [column if None in column else numpy.array(column) for column in self.columns.values()]
        return {"names": list(self.columns), "columns": columns, "length": self.length}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As `state_dict` was."""
        columns = [column.tolist() if hasattr(column, "tolist") else column for column in state["columns"]]
        self.columns = dict(zip(state["names"], columns))
        self.length = state["length"]


class History:
    """What a training has measured.

    Attributes
    ----------
    history : dict of str to list
        One number for each epoch, as in Keras: ``"epoch"``, ``"step"``, ``"loss"`` and the metrics, the same with ``"val_"``
        before it on what was not learnt from, and ``"lr"``.
    steps : dict of str to list
        One number for each step: ``"step"``, ``"epoch"``, ``"loss"``, ``"lr"``, ``"gradient_norm"`` (before clipping).
    interrupted : bool
        Was the training stopped by Ctrl-C?

    Examples
    --------
    >>> import numpy as np, tinyrnn as tr
    >>> from tinyrnn import nn, optim
    >>> model = nn.Linear(2, 1)
    >>> trainer = tr.Trainer(model, nn.mse, optim.Adam(model.parameters(), lr=0.1))
    >>> history = trainer.fit(np.ones((10, 2)), np.ones((10, 1)), epochs=3, batch_size=5, validation_split=0.2)
    >>> list(history.history)
    ['epoch', 'step', 'loss', 'lr', 'val_loss']
    >>> len(history["loss"]), len(history.steps["loss"])
    (3, 6)
    """

    def __init__(self) -> None:
        self.of_epochs, self.of_steps = Table(), Table()
        self.interrupted = False

    @property
    def history(self) -> dict[str, list]:
        return self.of_epochs.columns

    @property
    def steps(self) -> dict[str, list]:
        return self.of_steps.columns

    def __getitem__(self, name: str) -> list:
        if name not in self.history:
            raise KeyError(f"no {name!r} was measured: there is {', '.join(self.history) or 'nothing, for no epoch has ended'}")
        return self.history[name]

    def note(self, **numbers: Any) -> None:
        """Put more into the record of the latest epoch, out of a callback's `on_epoch_end`."""
        self.of_epochs.note(numbers)

    def plot(self, *, log: bool = False, ax: Any = None) -> Any:
        """The loss of each step and, where there is one, the validation loss of each epoch (see `plots.loss_curve`).

        Returns
        -------
        matplotlib Axes
        """
        from ..plots import loss_curve

        epochs = zip(self.history.get("step", ()), self.history.get("val_loss", ()))
        validation = {step: loss for step, loss in epochs if loss is not None}
        return loss_curve(self.steps.get("loss", ()), validation=validation or None, log=log, ax=ax)

    def to_csv(self, path: str | os.PathLike, of: str = "epochs") -> None:
        """Write a table: a line for each epoch, or for each step.

        Parameters
        ----------
        path : path
        of : {"epochs", "steps"}

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        """
        if of not in ("epochs", "steps"):
            raise ValueError(f"of={of!r}: expected 'epochs' or 'steps'")
        columns = self.history if of == "epochs" else self.steps
        with open(target("to_csv", path), "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values()))

    def __repr__(self) -> str:
        latest = {name: column[-1] for name, column in self.history.items() if column and column[-1] is not None}
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in latest.items())
        return f"<History of {len(self.of_epochs)} epochs, {len(self.of_steps)} steps{': ' if numbers else ''}{numbers}>"

    def state_dict(self) -> dict[str, Any]:
        """Both tables."""
        return {"epochs": self.of_epochs.state_dict(), "steps": self.of_steps.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As `state_dict` was."""
        self.of_epochs.load_state_dict(state["epochs"])
        self.of_steps.load_state_dict(state["steps"])
