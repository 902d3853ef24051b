"""A training in a file, so that it goes on bit for bit wherever it was interrupted."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import io
from .callbacks import Callback
from .run import Run
from .stopping import Best

FORMAT = 1


class Checkpoint(Callback):
    """Saves the whole training at its beginning and its end, every so often, and when it is interrupted; and resumes it.

    What is saved is all that the rest depends on: parameters, optimiser, schedule, random generators, the place in the data,
    what stateful layers carry, the history, and what callbacks remember.  A save that is killed leaves the file before it as
    it was.  So a program that is run again after whatever ended it, with ``resume=True``, comes to the same numbers bit for
    bit as if it had not been ended.  (The generators of GPUs cannot be read: there the masks of dropout differ.)

    Parameters
    ----------
    path : path
        By custom it ends in ``.safetensors``.
    every_epochs : int, optional
        None: not after epochs.
    every_steps : int, optional
    resume : bool
        If the file is there, go on from it; else begin.  More epochs than before may be asked for; everything else must be
        as it was, the data included.
    best : path, optional
        Where to save the model alone whenever an epoch is the best so far (see `io.load`).
    monitor : str
        What is best: a name in the history.
    mode : {"min", "max"}, optional
        Whether less is better, or more; by default more if the name ends in "accuracy".

    Raises
    ------
    ValueError
        If the file is no training, or one of something else; the message names every difference.

    Examples
    --------
    >>> import os, tempfile, numpy as np, tinyrnn as tr
    >>> from tinyrnn import nn, optim
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> x = np.linspace(0, 1, 12)[:, None]
    >>> def train(epochs):
    ...     model = nn.Sequential(nn.Dropout(0.5), nn.Linear(1, 1))
    ...     trainer = tr.Trainer(model, nn.mse, optim.Adam(model.parameters(), lr=0.1))
    ...     return trainer.fit(x, x, epochs=epochs, batch_size=4, callbacks=[tr.train.Checkpoint(path, resume=True)])
    >>> train(2)["epoch"]
    [1, 2]
    >>> train(3)["epoch"]  # goes on
    [1, 2, 3]
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        every_epochs: int | None = 1,
        every_steps: int | None = None,
        resume: bool = False,
        best: str | os.PathLike | None = None,
        monitor: str = "val_loss",
        mode: str | None = None,
    ) -> None:
        for name, every in (("every_epochs", every_epochs), ("every_steps", every_steps)):
            if every is not None and (not isinstance(every, int) or every < 1):
                raise ValueError(f"Checkpoint: {name} must be a whole number from 1, or None, not {every!r}")
        self.path, self.every_epochs, self.every_steps, self.resume = Path(path), every_epochs, every_steps, resume
        self.best_path, self.best = best, Best(monitor, mode)

    def on_fit_begin(self, run: Run) -> None:
        if run.step == 0:
            self.best.begin()
            self.save(run)  # if the file cannot be written, that shows before the work

    def on_step_end(self, run: Run) -> None:
        if run.stopped or run.interrupted or (self.every_steps and run.step % self.every_steps == 0):
            self.save(run)

    def on_epoch_end(self, run: Run) -> None:
        if self.best_path is not None and self.best.improved(run):
            io.save(self.best_path, run.model, epoch=run.epoch, **{self.best.monitor: self.best.value})
        if run.ended or (self.every_epochs and run.epoch % self.every_epochs == 0):
            self.save(run)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best.value}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best.value = state["best"]

    def save(self, run: Run) -> None:
        """Write all of a training into the file."""
        io.save(self.path, run.state_dict(), training=FORMAT, configuration=run.configuration())

    def load(self, run: Run) -> None:
        """Put what the file holds into a training that is about to begin."""
        name = f"cannot resume from {str(self.path)!r}"
        about = io.metadata(self.path)
        if "training" not in about:
            raise ValueError(f"{name}: it holds no training, but {about or 'a model or the like'}")
        if about["training"] > FORMAT:
            raise ValueError(f"{name}: it has format {about['training']}, this tinyrnn reads up to {FORMAT}: install a newer one")
        saved, now = about["configuration"], json.loads(json.dumps(run.configuration()))
        if differences := _differences(saved, now):
            raise ValueError(
                f"{name}: it is the training of something else:\n  " + "\n  ".join(differences) + "\n"
                "make everything as it was, or begin anew with another file"
            )
        try:
            state = io.load(self.path, into={"model": run.model, "optimizer": run.trainer.optimizer})
        except ValueError as error:
            raise ValueError(f"{name}: it is the training of another model: {error}") from None
        run.load_state_dict(state)


def _differences(saved: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> list[str]:
    """What is not as it was, each thing by its name."""
    found = []
    for name in dict.fromkeys([*saved, *now]):
        a, b = saved.get(name), now.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{path}{name}: ")
        elif a != b:
            found.append(f"{path}{name} was {a}, is {b}")
    return found
