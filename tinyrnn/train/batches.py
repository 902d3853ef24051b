"""What `fit` is given, as batches: arrays cut into pieces, or an iterable that yields them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from numbers import Real
from typing import Any

import numpy

from .. import backend
from ..data import Batch, Batches
from ..data.epochs import Epochs
from ..graph import Value
from ..state import shape_of


class Source:
    """Batches again and again, an epoch at each `iter`; it knows where it stands, and what it is.

    A reader that has `state_dict` and `load_state_dict`, as all of `tinyrnn.data` have, says itself where it stands; of
    another iterable, the batches that were given out before are passed over when a training is resumed.
    """

    def __init__(self, reader: Iterable, about: Mapping[str, Any], of_arrays: bool = False) -> None:
        self.reader, self.about, self.of_arrays = reader, dict(about), of_arrays
        self.place = self._passed_over = 0

    def __len__(self) -> int:
        return len(self.reader)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Batch]:
        for number, item in enumerate(self.reader):
            if number < self._passed_over:
                continue
            self.place = number + 1
            yield as_batch(item)
        resumable = hasattr(self.reader, "state_dict")  # and may have been resumed at the end of an epoch
        if not self.place and (not resumable or (hasattr(self.reader, "__len__") and not len(self))):
            raise ValueError(
                f"there are no batches: the {type(self.reader).__name__} is empty, or a generator that an epoch has used up "
                "(give something that can be iterated over again)"
            )
        self.place = self._passed_over = 0

    def state_dict(self) -> dict[str, Any]:
        """Where it stands."""
        return self.reader.state_dict() if hasattr(self.reader, "state_dict") else {"place": self.place}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        if not hasattr(self.reader, "load_state_dict"):
            self.place = self._passed_over = int(state["place"])
            return
        if self.of_arrays and isinstance(self.reader, Batches):  # its seed was drawn
            self.reader.seed = int(state["seed"])
        self.reader.load_state_dict(state)


def source_of(x: Any, y: Any, lengths: Any, mask: Any, **options: Any) -> Source:
    """Arrays, or an iterable of batches, as a source; the options are those of `source_of_arrays`."""
    if not is_iterable_of_batches(x):
        return source_of_arrays(Batch(x, y, lengths, mask), **options)
    if given := [name for name, part in (("y", y), ("lengths", lengths), ("mask", mask)) if part is not None]:
        raise ValueError(f"x is an iterable of batches, which bring their own {', '.join(given)}: leave out {', '.join(given)}")
    about = {"batches": type(x).__name__, "count": len(x) if hasattr(x, "__len__") else None}
    return Source(x, {**about, "checksum": _checksum(_first(x))})


def source_of_arrays(samples: Batch, *, batch_size: int, batch_axis: int, shuffle: bool = False) -> Source:
    """Samples that lie beside each other, cut into batches; the orders of a shuffled one follow from `manual_seed`."""
    _check_mask(samples, batch_axis)
    batches = Batches(
        *samples[:2],
        lengths=samples.lengths,
        mask=samples.mask,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=int(backend.generator("cpu").integers(2**31)) if shuffle else 0,
        batch_axis=batch_axis,
        target_axis=_target_axis(samples, batch_axis),
    )
    (some,) = _parts(samples, batch_axis, slice(None, None, max(1, _count(samples, batch_axis) // 1000)))  # at most 2,000
    shapes = {name: [list(shape_of(a)) for a in _tuple(part)] for name, part in samples._asdict().items() if part is not None}
    return Source(batches, {**shapes, "batch_size": batch_size, "shuffle": shuffle, "checksum": _checksum(some)}, of_arrays=True)


def _first(reader: Any) -> Batch | None:
    """The first batch of the first epoch, where it can be had without reading on."""
    if isinstance(reader, list):
        return as_batch(reader[0])
    if not isinstance(reader, Epochs):
        return None
    anew = copy(reader)
    anew.load_state_dict({**reader.state_dict(), "epoch": 0, "place": 0})
    return next(iter(anew), None)


def _checksum(batch: Batch | None) -> int:
    """A number that other data hardly have."""
    found = 0
    for array in (array for part in batch or () if part is not None for array in _tuple(part)):
        found = zlib.crc32(_host(array).tobytes(), found)
    return found


def split(samples: Batch, fraction: float, batch_axis: int) -> tuple[Batch, Batch]:
    """All but the last samples, and the last: this fraction of all."""
    if not isinstance(fraction, Real) or not 0 < fraction < 1:
        raise ValueError(f"validation_split must be a fraction from 0 up to 1, not {fraction!r}")
    count = _count(samples, batch_axis)
    first = math.floor(round(count * (1 - fraction), 9))  # 10 · (1 − 0.8) is 1.9999999999999996
    if not 0 < first < count:
        raise ValueError(f"validation_split={fraction} of {count} samples leaves none on one side")
    learnt, held_out = _parts(samples, batch_axis, slice(0, first), slice(first, None))
    return learnt, held_out


def is_iterable_of_batches(x: Any) -> bool:
    """Does it yield batches, or is it data: an array, nested lists of numbers, or a tuple of these?"""
    if isinstance(x, list):
        return bool(x) and isinstance(x[0], tuple)
    return not (isinstance(x, (tuple, Value)) or hasattr(x, "dtype")) and isinstance(x, Iterable)


def as_batch(item: Any) -> Batch:
    """What an iterable yields: a Batch, or a tuple (x, y), (x, y, lengths) or (x, y, lengths, mask)."""
    if not isinstance(item, tuple) or not 0 < len(item) <= len(Batch._fields):
        raise TypeError(f"expected batches (x, y), (x, y, lengths) or (x, y, lengths, mask), not a {type(item).__name__}")
    return Batch(*item)


# -- samples along axes ----------------------------------------------------------------------------------------------


def _tuple(part: Any) -> tuple:
    return part if isinstance(part, tuple) else (part,)


def _host(array: Any) -> numpy.ndarray:
    array = array.data if isinstance(array, Value) else array
    return backend.to_host(array) if backend.is_array(array) else numpy.asarray(array)


def _count(samples: Batch, batch_axis: int) -> int:
    """How many samples x has."""
    shape = shape_of(_tuple(samples.x)[0])
    return shape[batch_axis] if batch_axis < len(shape) else 0


def _target_axis(samples: Batch, batch_axis: int) -> int:
    """Along which axis of y the samples lie: as in x, or, if it has not as many there, along the first."""
    shape = shape_of(samples.y)
    return batch_axis if len(shape) > batch_axis and shape[batch_axis] == _count(samples, batch_axis) else 0


def _check_mask(samples: Batch, batch_axis: int) -> None:
    """Where y has an entry for each step, sequences of several lengths need a mask: else their padding would count."""
    axes = shape_of(samples.y)[:2]
    if samples.lengths is not None and samples.mask is None and len(axes) == 2 and axes == shape_of(_tuple(samples.x)[0])[:2]:
        raise ValueError(
            "the sequences have lengths, and y has an entry for each step, but no mask says that their padding does not count: "
            f"give mask=data.length_mask(lengths, {axes[1 - batch_axis]}{', batch_first=True' if batch_axis == 0 else ''}), "
            "with a last axis of 1 if y has features; or a mask of True, if every entry counts"
        )


def _parts(samples: Batch, batch_axis: int, *which: slice) -> list[Batch]:
    """Some of the samples, for each slice."""
    axes = Batch(x=batch_axis, y=(target := _target_axis(samples, batch_axis)), lengths=0, mask=target)

    def some(part: Any, axis: int, chosen: slice) -> Any:
        if isinstance(part, tuple):
            return tuple(some(array, axis, chosen) for array in part)
        return None if part is None else _host(part)[(slice(None),) * axis + (chosen,)]

    return [Batch(*(some(part, axis, chosen) for part, axis in zip(samples, axes))) for chosen in which]
