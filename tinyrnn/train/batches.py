"""What `fit` is given, as batches: arrays cut into pieces, or an iterable that yields them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy

from .. import backend
from ..data import Batch
from ..graph import Value


class ArrayBatches:
    """Samples that lie beside each other in arrays, cut into batches: with `shuffle`, in another order in each epoch.

    Parameters
    ----------
    samples : Batch
        All of them: x, y, lengths and mask.
    batch_size : int
        The last batch has what is left.
    shuffle : bool
    batch_axis : int
        Which axis the samples lie along; an array that has none there, such as one label for each sequence, has them along
        the first.
    """

    def __init__(self, samples: Batch, *, batch_size: int, shuffle: bool = False, batch_axis: int = 0) -> None:
        if not isinstance(batch_size, (int, numpy.integer)) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number from 1, not {batch_size!r}")
        self.samples = Batch(*(None if part is None else _arrays(name, part) for name, part in zip(Batch._fields, samples)))
        self.axes, self.count = _axes(self.samples, batch_axis)
        if not self.count:
            raise ValueError("there are no samples: x is empty")
        self.batch_size, self.shuffle = int(batch_size), shuffle
        self.seed = int(backend.generator("cpu").integers(2**31)) if shuffle else 0
        self.epoch = self.place = 0

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """The rest of this epoch."""
        order = numpy.random.default_rng((self.seed, self.epoch)).permutation(self.count) if self.shuffle else None
        while self.place < len(self):
            some = slice(self.place * self.batch_size, (self.place + 1) * self.batch_size)
            self.place += 1
            yield self.take(some if order is None else order[some])
        self.epoch, self.place = self.epoch + 1, 0

    def take(self, which: Any) -> Batch:
        """Some of the samples: those of a slice, or of an array of their numbers."""
        return Batch(*(_each(part, axes, which) for part, axes in zip(self.samples, self.axes)))

    def split(self, fraction: float) -> tuple[Batch, Batch]:
        """All but the last samples, and the last: this fraction of all."""
        if not 0 < fraction < 1:
            raise ValueError(f"validation_split must be a fraction from 0 up to 1, not {fraction!r}")
        first = math.floor(self.count * (1 - fraction))
        if not 0 < first < self.count:
            raise ValueError(f"validation_split={fraction} of {self.count} samples leaves none on one side")
        return self.take(slice(0, first)), self.take(slice(first, None))

    def describe(self) -> dict[str, Any]:
        """What the data are, so that a run goes on with the same: shapes, and a checksum of up to 1,000 samples."""
        some = self.take(slice(None, None, max(1, self.count // 1000)))
        checksum = 0
        for array in (array for part in some if part is not None for array in _tuple(part)):
            checksum = zlib.crc32(backend.to_host(array).tobytes(), checksum)
        there = {name: _tuple(part) for name, part in self.samples._asdict().items() if part is not None}
        shapes = {name: [list(array.shape) for array in arrays] for name, arrays in there.items()}
        return {**shapes, "batch_size": self.batch_size, "shuffle": self.shuffle, "checksum": checksum}

    def state_dict(self) -> dict[str, int]:
        """Where it stands: which order, which epoch, how many batches of it were given out."""
        return {"seed": self.seed, "epoch": self.epoch, "place": self.place}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.seed, self.epoch, self.place = (int(state[name]) for name in ("seed", "epoch", "place"))


class IterableBatches:
    """The batches of an iterable, which begins a new epoch each time it is iterated over.

    One that has `state_dict` and `load_state_dict` says itself where it stands; of another, the batches that were given out
    before are passed over when a run goes on.
    """

    def __init__(self, source: Iterable) -> None:
        self.source, self.place, self._passed_over = source, 0, 0

    def __len__(self) -> int:
        return len(self.source)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Batch]:
        for number, item in enumerate(self.source):
            if number < self._passed_over:
                continue
            self.place = number + 1
            yield as_batch(item)
        if not self.place and not hasattr(self.source, "state_dict"):
            raise ValueError(
                f"there are no batches: the {type(self.source).__name__} is empty, or a generator that an epoch has used up "
                "(give something that can be iterated over again)"
            )
        self.place = self._passed_over = 0

    def describe(self) -> dict[str, Any]:
        """What the data are, as far as is known."""
        return {"batches": type(self.source).__name__, "count": len(self) if hasattr(self.source, "__len__") else None}

    def state_dict(self) -> dict[str, Any]:
        """Where it stands."""
        return self.source.state_dict() if hasattr(self.source, "state_dict") else {"place": self.place}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if hasattr(self.source, "load_state_dict"):
            self.source.load_state_dict(state)
        else:
            self.place = self._passed_over = int(state["place"])


def as_batches(
    x: Any,
    y: Any = None,
    lengths: Any = None,
    mask: Any = None,
    *,
    batch_size: int = 32,
    shuffle: bool = False,
    batch_axis: int = 0,
) -> ArrayBatches | IterableBatches:
    """Arrays, or an iterable of batches, as something that gives batches and knows where it stands."""
    if not is_iterable_of_batches(x):
        return ArrayBatches(Batch(x, y, lengths, mask), batch_size=batch_size, shuffle=shuffle, batch_axis=batch_axis)
    if given := [name for name, part in (("y", y), ("lengths", lengths), ("mask", mask)) if part is not None]:
        raise ValueError(f"x is an iterable of batches, which bring their own {', '.join(given)}: leave out {', '.join(given)}")
    return IterableBatches(x)


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


# -- arrays ----------------------------------------------------------------------------------------------------------


def _tuple(part: Any) -> tuple:
    return part if isinstance(part, tuple) else (part,)


def _arrays(name: str, part: Any) -> Any:
    """An array, or a tuple of them; nested lists become one."""
    if isinstance(part, tuple):
        return tuple(_arrays(f"{name}[{i}]", item) for i, item in enumerate(part))
    data = part.data if isinstance(part, Value) else part
    if not hasattr(data, "dtype"):
        try:
            data = numpy.asarray(data)
        except ValueError:
            raise ValueError(f"{name} is a list of things of different lengths: pad them to one length") from None
    if data.dtype.kind not in "biuf" or not data.ndim:
        raise TypeError(f"{name} must be an array of numbers, a sample beside the other, not {part!r:.80}")
    return data


def _axes(samples: Batch, batch_axis: int) -> tuple[list, int]:
    """The axis that the samples lie along in each array, and how many they are."""
    first = _tuple(samples.x)[0]
    count = first.shape[min(batch_axis, first.ndim - 1)]

    def axis(array: Any) -> int | None:
        return next((a for a in (batch_axis, 0) if a < array.ndim and array.shape[a] == count), None)

    axes = [None if part is None else tuple(axis(array) for array in _tuple(part)) for part in samples]
    if any(None in found for found in axes if found is not None):
        shapes = "; ".join(
            f"{name} {', '.join(str(tuple(a.shape)) for a in _tuple(part))}"
            for name, part in zip(Batch._fields, samples)
            if part is not None
        )
        raise ValueError(
            f"x has {count} samples along axis {batch_axis}, but not all the rest has as many: {shapes}; "
            "the samples lie along the first axis, or along the axis that Trainer is told as batch_axis"
        )
    return axes, count


def _each(part: Any, axes: Any, which: Any) -> Any:
    """Some of the samples of an array, or of each array of a tuple."""
    if part is None:
        return None
    taken = tuple(_take(array, axis, which) for array, axis in zip(_tuple(part), axes))
    return taken if isinstance(part, tuple) else taken[0]


def _take(array: Any, axis: int, which: Any) -> Any:
    device = backend.device_of(array)
    with backend.active(device):
        return array[(slice(None),) * axis + (which if isinstance(which, slice) else backend.to_device(which, device),)]
