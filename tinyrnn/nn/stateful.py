"""A layer that goes on where it stopped: its state is carried from call to call, its gradient is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from .. import backend
from ..graph import Value
from ..ops import where
from ..state import fitting, shape_of
from ..tensor import Tensor, as_tensor
from .layer import Run, detached, refuse_backwards
from .module import Module
from .recurrent import Around


class Stateful(Around):
    """A layer that begins each batch in the state in which the last one ended, without its history.

    Sequence n of a batch goes on with sequence n of the batch before.  A state given to the layer takes the place of the
    carried one; `reset` forgets it, for instance before validation.

    Parameters
    ----------
    layer : cell or layer
        Forwards in time only: backwards, what comes before is not known.
    batch_first, return_sequences, return_state : bool
        See `Layer`.

    Raises
    ------
    ValueError
        If something in the layer runs backwards; when it is called, if the batch has another size than the carried state.

    Notes
    -----
    The carried state is no parameter, and not in `state_dict`.  `memory` has a ``state_dict()`` and a
    ``load_state_dict()`` for it, so that it is saved beside the model, and training goes on bit for bit:
    ``io.save(path, {"model": model, "memory": layer.memory, …})`` and
    ``io.load(path, into={"model": model, "memory": layer.memory, …})``.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> layer, x = nn.Stateful(nn.GRUCell(3, 4)), tr.randn(6, 2, 3)
    >>> y, h = layer.layer(x)
    >>> first, second = layer(x[:4])[0], layer(x[4:])[0]
    >>> bool((second.numpy() == y[4:].numpy()).all())
    True
    >>> layer.reset([1])  # another text begins in row 1
    >>> layer.memory.state_dict()["0"].any(axis=1).tolist()
    [True, False]
    """

    def __init__(self, layer: Module, **options: bool) -> None:
        super().__init__(layer, **options)
        refuse_backwards("Stateful", self.layer)
        self._carried: Any = None

    def over_time(self, xs: Sequence, state: Any, valid: Sequence | None, reverse: bool) -> Run:
        if reverse:
            raise ValueError("Stateful: it runs backwards here: the state in which it begins comes after these steps")
        if state is None:
            self._check_batch(xs[0].shape[0])
            state = self._carried
        run = self.layer.inside(xs, state, valid)
        self._carried = detached(run.state)
        return run

    def reset(self, sequences: Any = None) -> None:
        """Forget the state: the next batch, of any size, begins anew.

        Parameters
        ----------
        sequences : integers, or bools (N,), optional
            Which sequences of the batch begin anew, by their numbers or by a mask; the others go on.

        Raises
        ------
        ValueError
            If there are no such sequences in the batch whose state is carried.
        """
        if sequences is None:
            self._carried = None
        elif self._carried is not None:
            part, axis = self._parts_of(self._carried)[0]
            batch = part.shape[axis]
            chosen = _mask(sequences, batch)

            def begun(old: Tensor, new: Tensor, axis: int) -> Tensor:
                mask = chosen.reshape([-1 if a == axis else 1 for a in range(old.ndim)])
                return as_tensor(where(backend.to_device(mask, old.device), new.data, old.data))

            self._carried = self.map_state(begun, self._carried, self.initial_state(batch, part.dtype, part.device))

    @property
    def memory(self) -> CarriedState:
        """The carried state, to be saved and loaded."""
        return CarriedState(self)

    def _parts_of(self, state: Any) -> list[tuple[Tensor, int]]:
        """Every part of a state, with its axis of the batch."""
        found: list[tuple[Tensor, int]] = []
        self.map_state(lambda part, axis: found.append((part, axis)), state)
        return found

    def _check_batch(self, batch: int) -> None:
        for part, axis in self._parts_of(self._carried) if self._carried is not None else ():
            if part.shape[axis] != batch:
                raise ValueError(
                    f"Stateful: x has {batch} sequences, but the state of {part.shape[axis]} is carried: a sequence goes on in "
                    "the same row of the next batch; call reset() before a batch that begins anew"
                )


class CarriedState:
    """The carried state of a `Stateful` layer, to be saved and loaded as a module's parameters and an optimiser's state are."""

    def __init__(self, layer: Stateful) -> None:
        self._layer = layer

    def state_dict(self) -> dict[str, Any]:
        """A copy of each array of the state, by its number; nothing if no state is carried."""
        carried = self._layer._carried
        if carried is None:
            return {}
        return {str(i): backend.copy(part.data) for i, (part, _) in enumerate(self._layer._parts_of(carried))}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Carry on with this state, which `state_dict` made.

        Raises
        ------
        ValueError
            If it is not one of this layer; the message lists what does not fit.
        """
        layer = self._layer
        if not state:
            layer.reset()
            return
        ((_, axis), *_) = layer._parts_of(layer.initial_state(0))
        shape = shape_of(state.get("0", ()))
        first = next(layer.parameters(), None)
        dtype, device = ("float32", None) if first is None else (first.dtype, first.device)
        form = layer.initial_state(shape[axis] if len(shape) > axis else 0, dtype, device)
        arrays = fitting("Stateful", state, {str(i): part.data for i, (part, _) in enumerate(layer._parts_of(form))})
        numbers = iter(arrays)
        layer._carried = layer.map_state(lambda part, axis: as_tensor(backend.copy(arrays[next(numbers)])), form)


def _mask(sequences: Any, batch: int) -> numpy.ndarray:
    """Bools (N,) from bools, or from numbers of sequences."""
    given = sequences.data if isinstance(sequences, Value) else sequences
    given = backend.to_host(given) if hasattr(given, "dtype") else given
    chosen = numpy.asarray(given, dtype=None if numpy.size(given) else int).reshape(-1)
    if chosen.dtype == bool and chosen.shape == (batch,):
        return chosen
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1 or (chosen.size and (chosen.min() < 0 or chosen.max() >= batch)):
        raise ValueError(
            f"Stateful.reset: expected numbers of sequences from 0 to {batch - 1}, or {batch} bools, not {sequences!r:.60}"
        )
    mask = numpy.zeros(batch, bool)
    mask[chosen] = True
    return mask
