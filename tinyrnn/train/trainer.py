"""The Trainer: the loop that every training is, with its measurements, and evaluation and prediction beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from .. import nn, optim
from ..data import Batch
from ..graph import no_grad
from ..tensor import Tensor
from .axes import check_axes
from .batches import Source, is_iterable_of_batches, source_of, source_of_arrays, split
from .callbacks import as_callbacks
from .checkpoint import Checkpoint
from .finite import check_gradients, check_loss
from .history import History
from .interrupt import interruptible
from .logs import CSVLog, TensorBoardLog
from .memory import forget, set_aside
from .metrics import Means, as_metrics
from .passing import joined, loss_of, mask_of, moved, places, prediction_of, samples_of
from .progress import progress
from .run import Run
from .stopping import measured


class Trainer:
    """Trains a model, evaluates it, and predicts with it.

    Batches are moved to the model's device, and their floats into its dtype: arrays may stay where they are made, in NumPy.

    Parameters
    ----------
    model : Module
        Called as ``model(x)``, or ``model(*x)`` if x is a tuple; with ``lengths=`` if the batch has them.  It returns one
        Tensor: layers are made with ``return_state=False``.
    loss : callable
        ``loss(prediction, y)``, with ``mask=`` if the batch has one: the mean over what counts, a scalar (see `tinyrnn.nn`).
    optimizer : Optimizer
        Of the model's parameters.
    metrics : iterable of str, Metric or callable
        Measured beside the loss: ``"accuracy"``, ``"binary_accuracy"``, ``"perplexity"``, ``"bits_per_character"``, ``"mae"``,
        ``"mse"``, or a function ``f(prediction, y)`` that returns a mean (see `Metric`).
    clip_norm : float, optional
        The largest norm of all gradients together (see `optim.clip_grad_norm`).
    schedule : Schedule or ReduceLROnPlateau, optional
        Sets the learning rate (see `tinyrnn.optim`).
    schedule_every : {"step", "epoch"}
        When to call ``schedule.step()``: what t counts in its formula.  `ReduceLROnPlateau` is told the validation loss (the
        training loss, if nothing is validated) after each epoch.
    batch_axis : int
        Along which axis of the arrays the samples lie: 0, or 1 for arrays with time first.

    Raises
    ------
    TypeError, ValueError
        If one of these is not what it should be; the message says what to do.

    Notes
    -----
    A layer that carries its state from batch to batch (`nn.Stateful`) begins anew with each epoch, and with each evaluation
    and prediction, after which it goes on from where it was.

    Examples
    --------
    Does a sequence of zeros and ones hold an odd number of ones?

    >>> import numpy as np, tinyrnn as tr
    >>> from tinyrnn import nn, optim
    >>> tr.manual_seed(0)
    >>> x = np.random.default_rng(0).integers(0, 2, size=(200, 8, 1)).astype(float)
    >>> y = x.sum(axis=(1, 2)).astype(int) % 2
    >>> layer = nn.GRU(1, 16, batch_first=True, return_sequences=False, return_state=False)
    >>> model = nn.Sequential(layer, nn.Linear(16, 2))
    >>> trainer = tr.Trainer(model, nn.cross_entropy, optim.Adam(model.parameters(), lr=0.02), metrics=["accuracy"])
    >>> history = trainer.fit(x, y, epochs=60)
    >>> history["accuracy"][-1]
    1.0
    >>> trainer.evaluate(x, y)["accuracy"]
    1.0
    >>> trainer.predict(x[:3]).shape
    (3, 2)
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[..., Any],
        optimizer: optim.Optimizer,
        *,
        metrics: Iterable = (),
        clip_norm: float | None = None,
        schedule: Any = None,
        schedule_every: str = "step",
        batch_axis: int = 0,
    ) -> None:
        _check_kinds(model, loss, optimizer, schedule)
        if schedule_every not in ("step", "epoch"):
            raise ValueError(f"schedule_every must be 'step' or 'epoch', not {schedule_every!r}")
        if batch_axis not in (0, 1):
            raise ValueError(f"batch_axis must be 0 (samples first) or 1 (time first), not {batch_axis!r}")
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"clip_norm must be above 0, not {clip_norm!r}; leave it out for no clipping")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics, self.clip_norm, self.batch_axis = as_metrics(metrics), clip_norm, batch_axis
        self.schedule, self.schedule_every = schedule, schedule_every

    # -- training --------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        epochs: int = 1,
        batch_size: int = 32,
        validation_split: float = 0.0,
        validation_data: Any = None,
        callbacks: Any = (),
        shuffle: bool = True,
        verbose: bool | None = None,
    ) -> History:
        """Train for some epochs.

        Ctrl-C lets the step under way come to its end, and then `fit` returns what there is; a second one stops at once.  With a
        `train.Checkpoint` among the callbacks the training is saved, and goes on when the program is run again.

        Parameters
        ----------
        x : array, tuple of arrays, or iterable of Batch
            Samples beside each other along `batch_axis`; or batches, such as the iterators of `tinyrnn.data` give, which
            bring their own y, lengths and masks.
        y : array
            What is right for each sample; it may have one entry for each, or one for each of its steps.
        lengths : N integers, optional
            How many steps of each sequence count, for a model that takes ``lengths=``.
        mask : bools, optional
            Which places of y count, for the loss and the metrics.  If y has an entry for each step, `lengths` need one (see
            `data.length_mask`).
        epochs : int
            How many times to go through the data.
        batch_size : int
            Of arrays; the last batch of an epoch has what is left.
        validation_split : float
            This fraction of the arrays, their end, is not learnt from but evaluated after each epoch.
        validation_data : (x, y), Batch, or iterable of Batch, optional
            Evaluated after each epoch.
        callbacks : Callback, or iterable of them
            Told of each step and each epoch, in this order; but logs are told after the others, and `Checkpoint` after those.
        shuffle : bool
            Whether each epoch takes arrays in an order of its own, which follows from `tinyrnn.manual_seed`.
        verbose : bool, optional
            By default a progress bar on a terminal, and nothing elsewhere.  True: elsewhere a line for each epoch.  False:
            nothing.  (Without tqdm there is a line for each epoch in place of the bar.)

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            If something does not fit; the message names it.
        FloatingPointError
            If the loss or a gradient is not finite.  The message names the step, the batch, and the module where the first such
            number arose; the parameters are as they were before the step.
        """
        if not isinstance(epochs, (int, numpy.integer)) or epochs < 1:
            raise ValueError(f"epochs must be a whole number from 1, not {epochs!r}")
        data, validation = self._data(Batch(x, y, lengths, mask), validation_split, validation_data, batch_size, shuffle)
        given = as_callbacks(callbacks)
        saving = [callback for callback in given if isinstance(callback, Checkpoint)]
        writing = [callback for callback in given if isinstance(callback, (CSVLog, TensorBoardLog))]
        others = [callback for callback in given if callback not in (*saving, *writing)]
        # written is what the others have noted, saved is what all have done
        run = Run(self, data, validation, epochs, [*others, *progress(verbose), *writing, *saving])
        for checkpoint in saving:
            if checkpoint.resume and checkpoint.path.exists():
                checkpoint.load(run)
        with interruptible() as interrupted, _mode(self.model, training=True):
            run.tell("on_fit_begin")
            while not run.ended:
                self._epoch(run, interrupted)
            run.history.interrupted = run.interrupted
            run.tell("on_fit_end")
        return run.history

    def _epoch(self, run: Run, interrupted: list) -> None:
        """The rest of an epoch: its steps, and the evaluation after them."""
        if run.place == 0:
            forget(self.model)
        for batch in run.data:
            self._step(run, batch)
            run.interrupted = bool(interrupted)
            run.tell("on_step_end")
            if run.stopped or run.interrupted:
                return
        run.epoch += 1
        record = {"epoch": run.epoch, "step": run.step, **self._read(run.means), "lr": run.history.steps["lr"][-1]}
        if run.validation is not None:
            record.update({f"val_{name}": value for name, value in self._evaluate(run.validation).items()})
        run.history.of_epochs.append(record)
        run.means, run.place = Means(), 0
        if isinstance(self.schedule, optim.ReduceLROnPlateau):
            self.schedule.step(measured(run, "loss" if run.validation is None else "val_loss"))
        elif self.schedule is not None and self.schedule_every == "epoch":
            self.schedule.step()
        run.interrupted = bool(interrupted)
        run.tell("on_epoch_end")

    def _step(self, run: Run, batch: Batch) -> None:
        """One step of training: forward, backward, clip, update."""
        where = f"step {run.step + 1} (batch {run.place + 1} of epoch {run.epoch + 1})"
        batch = self._moved(batch)
        prediction = prediction_of(self.model, batch)
        loss = loss_of(self.loss, prediction, batch)
        measured = self._measured(loss, prediction, batch)
        check_loss(loss, self.model, where)
        if run.step == 0 and run.data.of_arrays:
            check_axes(loss, batch, self.batch_axis)

        self.optimizer.zero_grad()
        loss.backward()
        run.record = {"step": run.step + 1, "epoch": run.epoch + 1, "loss": measured["loss"], "lr": self.optimizer.lr}
        run.tell("on_backward")
        weights = self.optimizer.params
        norm = (optim.grad_norm(weights) if self.clip_norm is None else optim.clip_grad_norm(weights, self.clip_norm)).item()
        check_gradients(loss, norm, self.optimizer, where)
        self.optimizer.step()
        if isinstance(self.schedule, optim.Schedule) and self.schedule_every == "step":
            self.schedule.step()

        run.step, run.place = run.step + 1, run.place + 1
        run.means.add(measured, places(batch))
        run.history.of_steps.append({**run.record, "gradient_norm": norm})

    # -- evaluation and prediction ---------------------------------------------------------------

    def evaluate(self, x: Any, y: Any = None, *, lengths: Any = None, mask: Any = None, batch_size: int = 32) -> dict[str, Any]:
        """The loss and the metrics of data, with nothing learnt: means over all places that count.

        Parameters
        ----------
        x, y, lengths, mask, batch_size
            As of `fit`.

        Returns
        -------
        dict
            ``"loss"`` and each metric by its name; None if nothing counts.
        """
        return self._evaluate(source_of(x, y, lengths, mask, batch_size=batch_size, batch_axis=self.batch_axis))

    def predict(self, x: Any, *, lengths: Any = None, batch_size: int = 32) -> numpy.ndarray:
        """What the model makes of data, computed in batches, with dropout and the like switched off.

        Parameters
        ----------
        x, lengths, batch_size
            As of `fit`; what an iterable of batches brings beside x and lengths is not looked at.

        Returns
        -------
        NumPy array
            The predictions beside each other, as the samples are.
        """
        source = source_of(x, None, lengths, None, batch_size=batch_size, batch_axis=self.batch_axis)
        parts, counts, steps = [], [], 0
        with _mode(self.model, training=False), set_aside(self.model), no_grad():
            for batch in source:
                batch = self._moved(batch)
                parts.append(prediction_of(self.model, batch).numpy())
                counts.append(samples_of(batch, self.batch_axis))
                steps = samples_of(batch, 0)  # of sequences with time first
        return joined(parts, counts, self.batch_axis, steps)

    def _evaluate(self, source: Source) -> dict[str, Any]:
        means = Means()
        with _mode(self.model, training=False), set_aside(self.model), no_grad():
            for batch in map(self._moved, source):
                prediction = prediction_of(self.model, batch)
                means.add(self._measured(loss_of(self.loss, prediction, batch), prediction, batch), places(batch))
        return self._read(means)

    def _moved(self, batch: Batch) -> Batch:
        """A batch where the model is."""
        return moved(batch, self.optimizer.params[0])

    # -- measurements ----------------------------------------------------------------------------

    def _measured(self, loss: Tensor, prediction: Tensor, batch: Batch) -> dict[str, float]:
        """The loss and the mean of each metric of one batch, as numbers."""
        with no_grad():
            means = {metric.name: float(metric.mean(prediction, batch.y, **mask_of(batch))) for metric in self.metrics}
        return {"loss": loss.item(), **means}

    def _read(self, means: Means) -> dict[str, Any]:
        """The means of an epoch, each as its metric is read."""
        read = {metric.name: metric.read for metric in self.metrics}
        return {name: mean if mean is None else read.get(name, float)(mean) for name, mean in means.result().items()}

    def _data(
        self, samples: Batch, fraction: float, held_out: Any, batch_size: int, shuffle: bool
    ) -> tuple[Source, Source | None]:
        """What to learn from, and what to evaluate after each epoch."""
        options: dict[str, Any] = {"batch_size": batch_size, "batch_axis": self.batch_axis}
        if fraction and held_out is not None:
            raise ValueError("validation_split and validation_data are two ways to say the same: give one of them")
        if fraction and is_iterable_of_batches(samples.x):
            raise ValueError("validation_split needs arrays; with an iterable of batches give validation_data")
        validation = None
        if fraction:
            samples, last = split(samples, fraction, self.batch_axis)
            validation = source_of_arrays(last, **options)
        elif is_iterable_of_batches(held_out):
            validation = source_of(held_out, None, None, None, **options)
        elif isinstance(held_out, tuple) and 2 <= len(held_out) <= 4:
            validation = source_of_arrays(Batch(*held_out), **options)
        elif held_out is not None:
            raise TypeError(f"validation_data must be (x, y), a Batch or an iterable of them, not a {type(held_out).__name__}")
        return source_of(*samples, **options, shuffle=shuffle), validation


def _check_kinds(model: Any, loss: Any, optimizer: Any, schedule: Any) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"Trainer: the model must be a Module, not a {type(model).__name__}")
    if not callable(loss):
        raise TypeError(f"Trainer: the loss must be a function such as nn.mse, not {loss!r:.60}")
    if not isinstance(optimizer, optim.Optimizer):
        hint = f": make one, optim.{optimizer.__name__}(model.parameters())" if isinstance(optimizer, type) else ""
        raise TypeError(f"Trainer: the optimizer must be one of tinyrnn.optim, not {optimizer!r:.60}{hint}")
    if not set(optimizer.params) & set(model.parameters()):
        raise ValueError("Trainer: the optimizer has none of the model's parameters: make it with model.parameters()")
    if schedule is not None and not isinstance(schedule, (optim.Schedule, optim.ReduceLROnPlateau)):
        raise TypeError(f"Trainer: the schedule must be one of tinyrnn.optim, not {schedule!r:.60}")
    if isinstance(schedule, optim.ReduceLROnPlateau) and schedule.mode != "min":
        raise ValueError("Trainer: the schedule is told the loss, of which less is better: make it with mode='min'")
    if schedule is not None and schedule.optimizer is not optimizer:
        raise ValueError("Trainer: the schedule belongs to another optimizer")


@contextmanager
def _mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Switch a model to training or out of it; afterwards each module is as it was."""
    before = [(module, module.training) for _, module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was
