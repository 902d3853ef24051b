"""One call of `fit`: how far it is, what it has measured, who is told, and all of it to be saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import backend
from .batches import Source
from .callbacks import Callback
from .history import History
from .memory import memories
from .metrics import Means

if TYPE_CHECKING:
    from .trainer import Trainer


class Run:
    """A training under way, as callbacks see it.

    Attributes
    ----------
    trainer : Trainer
    model : Module
    history : History
    epochs : int
        How many are wanted.
    epoch, step, place : int
        How many epochs, how many steps, and how many batches of the epoch under way are done.
    means : Means
        Of the loss and the metrics, over the epoch under way.
    stopped, interrupted : bool
        Has a callback, or Ctrl-C, ended it?
    """

    def __init__(
        self, trainer: Trainer, data: Source, validation: Source | None, epochs: int, callbacks: Sequence[Callback]
    ) -> None:
        self.trainer, self.model, self.callbacks = trainer, trainer.model, callbacks
        self.data, self.validation, self.epochs = data, validation, epochs
        self.history, self.means = History(), Means()
        self.epoch = self.step = self.place = 0
        self.stopped = self.interrupted = False
        self.record: dict[str, Any] = {}  # of the step under way

    @property
    def steps_per_epoch(self) -> int | None:
        """How many batches an epoch has, if the data know it."""
        try:
            return len(self.data)
        except TypeError:
            return None

    @property
    def ended(self) -> bool:
        """Is there nothing left to do?"""
        return self.epoch >= self.epochs or self.stopped or self.interrupted

    def note(self, **numbers: Any) -> None:
        """Put numbers into the record of the step under way."""
        self.record.update(numbers)

    def stop(self) -> None:
        """End the training after this step, or this epoch."""
        self.stopped = True

    def tell(self, event: str) -> None:
        """Tell every callback."""
        for callback in self.callbacks:
            getattr(callback, event)(self)

    # -- state -----------------------------------------------------------------------------------

    def configuration(self) -> dict[str, Any]:
        """What the training is made of: a file is resumed by the same only."""
        trainer = self.trainer
        rule = trainer.optimizer
        options = [f"{k}={v}" for k, v in vars(rule).items() if isinstance(v, (int, float, tuple)) and k not in ("lr", "slots")]
        return {
            "model": type(trainer.model).__name__,
            "loss": getattr(trainer.loss, "__name__", type(trainer.loss).__name__),
            "optimizer": f"{type(rule).__name__}({', '.join(options)})",
            "schedule": trainer.schedule and f"{trainer.schedule!r}, every {trainer.schedule_every}",
            "metrics": [metric.name for metric in trainer.metrics],
            "clip_norm": trainer.clip_norm,
            "data": self.data.about,
            "validation data": self.validation and self.validation.about,
            "callbacks that remember": [type(callback).__name__ for callback in self._remembering()],
        }

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.trainer.optimizer.state_dict(),
            "schedule": self.trainer.schedule.state_dict() if self.trainer.schedule else {},
            "memory": {str(i): memory.state_dict() for i, memory in enumerate(memories(self.model))},
            "random": backend.random_state(),
            "data": self.data.state_dict(),
            "validation": self.validation.state_dict() if self.validation else {},
            "history": self.history.state_dict(),
            "means": self.means.state_dict(),
            "progress": {"epoch": self.epoch, "step": self.step, "place": self.place, "stopped": self.stopped},
            "callbacks": {str(i): callback.state_dict() for i, callback in enumerate(self._remembering())},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken, but for model and optimiser, which are loaded already."""
        if self.trainer.schedule:
            self.trainer.schedule.load_state_dict(state["schedule"])
        for i, memory in enumerate(memories(self.model)):
            memory.load_state_dict(state["memory"][str(i)])
        self.data.load_state_dict(state["data"])
        if self.validation:
            self.validation.load_state_dict(state["validation"])
        self.history.load_state_dict(state["history"])
        self.means.load_state_dict(state["means"])
        progress = state["progress"]
        self.epoch, self.step, self.place = progress["epoch"], progress["step"], progress["place"]
        self.stopped = progress["stopped"]
        for i, callback in enumerate(self._remembering()):
            callback.load_state_dict(state["callbacks"][str(i)])
        backend.set_random_state(state["random"])

    def _remembering(self) -> list[Callback]:
        """The callbacks that have something to remember."""
        return [callback for callback in self.callbacks if type(callback).state_dict is not Callback.state_dict]
