"""Random generators of the current GPU: the methods CuPy's have, and a state that nobody can read."""

import numpy

from ._array import current, wrap


class Generator:
    """Numbers of its own: a GPU's generator gives others than the CPU's from the same seed."""

    def __init__(self, seed):
        self._device = current.device
        self._numbers = numpy.random.Generator(numpy.random.Philox(seed))

    def random(self, size=None, dtype=numpy.float64, out=None):
        return self._wrap(self._numbers.random(size, numpy.dtype(dtype)))

    def standard_normal(self, size=None, dtype=numpy.float64, out=None):
        if numpy.dtype(dtype).char not in "fd":
            raise TypeError(f"Unsupported dtype {dtype} for standard_normal")
        return self._wrap(self._numbers.standard_normal(size, numpy.dtype(dtype)))

    def integers(self, low, high=None, size=None, dtype=numpy.int64, endpoint=False):
        return self._wrap(self._numbers.integers(int(low), high if high is None else int(high), size, dtype, endpoint))

    def _wrap(self, numbers):
        if current.device != self._device:
            raise ValueError(f"the generator is on device {self._device}, the current one is {current.device}")
        return wrap(numbers)


def default_rng(seed=None):
    return Generator(seed)
