"""What happens beside the training: a Callback is told when a step or an epoch has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import Run


class Callback:
    """Told of what happens in a training; one of one's own overrides what it wants to know.

    What it must not forget when a training is resumed it returns from `state_dict`: arrays, numbers and texts.

    Examples
    --------
    >>> import numpy as np, tinyrnn as tr
    >>> from tinyrnn import nn, optim
    >>> class Largest(tr.train.Callback):
    ...     "The largest weight, in the history."
    ...     def on_epoch_end(self, run):
    ...         run.history.note(largest=max(abs(p.numpy()).max() for p in run.model.parameters()))
    >>> model = nn.Linear(2, 1)
    >>> trainer = tr.Trainer(model, nn.mse, optim.SGD(model.parameters(), lr=0.1))
    >>> history = trainer.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=3, callbacks=[Largest()])
    >>> len(history["largest"])
    3
    """

    def on_fit_begin(self, run: Run) -> None:
        """Before the first step, or, when a training is resumed, before it goes on."""

    def on_backward(self, run: Run) -> None:
        """The gradients of this step are there, not clipped yet; ``run.note`` puts numbers into the record of the step."""

    def on_step_end(self, run: Run) -> None:
        """The parameters have changed; `run.step` says how many times by now."""

    def on_epoch_end(self, run: Run) -> None:
        """The epoch is in the history, with what the validation gave; `run.epoch` says how many there were."""

    def on_fit_end(self, run: Run) -> None:
        """The last step is done, or the training was interrupted or stopped; not told after an error."""

    def state_dict(self) -> dict[str, Any]:
        """What it must not forget when the training is resumed."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember it again."""


def as_callbacks(given: Any) -> list[Callback]:
    """The callbacks as a list, once all are known to be some."""
    found = [given] if isinstance(given, Callback) else list(given)
    for callback in found:
        if not isinstance(callback, Callback):
            hint = f": make one, {callback.__name__}(...)" if isinstance(callback, type) else ""
            raise TypeError(f"callbacks must be Callbacks, but one is {callback!r:.60}{hint}")
    return found
