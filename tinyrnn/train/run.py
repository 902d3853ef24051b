"""One call of `fit`: how far it is, what it has measured, and who is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .batches import ArrayBatches, IterableBatches
from .callbacks import Callback
from .history import History
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
        self, trainer: Trainer, batches: ArrayBatches | IterableBatches, epochs: int, callbacks: Sequence[Callback]
    ) -> None:
        self.trainer, self.model = trainer, trainer.model
        self.batches, self.epochs, self.callbacks = batches, epochs, callbacks
        self.history, self.means = History(), Means()
        self.epoch = self.step = self.place = 0
        self.stopped = self.interrupted = False
        self.record: dict[str, Any] = {}  # of the step under way

    @property
    def steps_per_epoch(self) -> int | None:
        """How many batches an epoch has, if the data know it."""
        try:
            return len(self.batches)
        except TypeError:
            return None

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
