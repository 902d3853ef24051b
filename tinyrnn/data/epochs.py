"""Epochs of batches: in an order that the seed and the number of the epoch decide, resumed in the middle of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy


class Batch(NamedTuple):
    """What a model is trained on in one step.

    Attributes
    ----------
    x : array, or tuple of arrays
        What goes into the model, (T, N, …) or (N, …); a tuple where the model takes several.
    y : array, optional
        What should come out.
    lengths : (N,) integers, optional
        How many steps of each sequence in `x` count.
    mask : bools, optional
        Which entries of `y` count: False where they are padding.
    """

    x: Any
    y: Any = None
    lengths: Any = None
    mask: Any = None


class Epochs:
    """What all iterators over batches have in common; each `iter` begins a new epoch.

    Attributes
    ----------
    epoch : int
        The epoch that is being read, or is read next; from 0.
    place : int
        How many of its batches have been handed out.
    """

    def __init__(self, count: int, *, shuffle: bool, seed: int) -> None:
        if isinstance(seed, bool) or not isinstance(seed, (int, numpy.integer)) or seed < 0:
            raise ValueError(f"{type(self).__name__}: seed={seed!r}: a seed is an integer from 0")
        self._count, self.shuffle, self.seed = count, shuffle, int(seed)
        self.epoch = self.place = 0
        self._begun = False  # does somebody read this epoch already?

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self._count

    def __iter__(self) -> Iterator[Batch]:
        if self._begun:  # the last reader did not come to the end
            self.epoch, self.place = self.epoch + 1, 0
        self._begun = True
        return self._read(self.epoch, self.place)

    def _read(self, epoch: int, place: int) -> Iterator[Batch]:
        """The batches of an epoch from a place on."""
        generator = numpy.random.default_rng((self.seed, epoch)) if self.shuffle else None
        for done, part in enumerate(self._parts(generator)[place:], place + 1):
            self.place = done
            yield self._batch(part)
        self.epoch, self.place, self._begun = epoch + 1, 0, False

    def _parts(self, generator: numpy.random.Generator | None) -> Sequence[Any]:
        """For each batch of an epoch what it is made of, in the order in which they come."""
        raise NotImplementedError

    def _batch(self, part: Any) -> Batch:
        """The batch that is made of it."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, int]:
        """Where the reader is: with it another iterator over the same data hands out the batches that are left."""
        return {"epoch": self.epoch, "place": self.place, "batches": len(self), "seed": self.seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken: the next `iter` reads what is left of that epoch, in its order.

        Raises
        ------
        ValueError
            If the state belongs to another iterator: to other data, or another size of batches.
        """
        kind, own = type(self).__name__, self.state_dict()
        if not isinstance(state, Mapping) or set(state) != set(own):
            raise ValueError(f"{kind}.load_state_dict: expected {', '.join(own)}, as state_dict() gives them, not {state!r:.80}")
        found = {name: int(state[name]) for name in own}
        if found["batches"] != len(self):
            raise ValueError(
                f"{kind}: the state has {found['batches']} batches in an epoch, this iterator {len(self)}: "
                "build it with the data and the options that it had when the state was taken"
            )
        if min(found["epoch"], found["seed"]) < 0 or not 0 <= found["place"] <= len(self):
            raise ValueError(f"{kind}: there is no such place as {dict(state)}")
        self.epoch, self.place, self.seed, self._begun = found["epoch"], found["place"], found["seed"], False
