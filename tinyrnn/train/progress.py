"""How far a training is: a bar on a terminal, a line for each epoch elsewhere, or nothing."""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import Any

from .callbacks import Callback
from .run import Run


class Bar(Callback):
    """One bar of tqdm for the whole training, in steps."""

    def on_fit_begin(self, run: Run) -> None:
        from tqdm import tqdm

        per_epoch = run.steps_per_epoch
        self.bar = tqdm(total=per_epoch and per_epoch * run.epochs, initial=run.step, unit="step", dynamic_ncols=True)
        self.validation: dict[str, Any] = {}

    def on_step_end(self, run: Run) -> None:
        self._show(run, run.epoch + 1, run.means.result())
        self.bar.update()

    def on_epoch_end(self, run: Run) -> None:
        latest = run.history.of_epochs.latest()
        self.validation = {name: value for name, value in latest.items() if name.startswith("val_")}
        self._show(run, run.epoch, {name: latest[name] for name in ("loss", *(metric.name for metric in run.trainer.metrics))})

    def on_fit_end(self, run: Run) -> None:
        self.bar.refresh()
        self.bar.close()

    def _show(self, run: Run, epoch: int, means: dict[str, Any]) -> None:
        """Behind the bar the means of the epoch under way, and the latest validation."""
        self.bar.set_postfix_str(f"epoch {epoch}/{run.epochs}, {_numbers({**means, **self.validation})}", refresh=False)


class Lines(Callback):
    """A line for each epoch."""

    def on_fit_begin(self, run: Run) -> None:
        self.begun = time.perf_counter()

    def on_epoch_end(self, run: Run) -> None:
        latest = {name: value for name, value in run.history.of_epochs.latest().items() if name not in ("epoch", "step")}
        now = time.perf_counter()
        print(f"epoch {run.epoch}/{run.epochs}: {_numbers(latest)}, {now - self.begun:.1f} s", flush=True)
        self.begun = now


def progress(verbose: bool | None) -> list[Callback]:
    """The callbacks that show what `verbose` asks for (see `Trainer.fit`)."""
    if verbose is not None and not verbose:
        return []
    if not sys.stderr.isatty():
        return [Lines()] if verbose else []
    return [Bar() if importlib.util.find_spec("tqdm") else Lines()]


def _numbers(measured: dict[str, Any]) -> str:
    return ", ".join(f"{name} {'—' if value is None else format(value, '.4g')}" for name, value in measured.items())
