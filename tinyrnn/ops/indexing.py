"""Primitives that pick numbers out of an array, and put them back: each is the other's transpose.

An index is one attribute, but the arrays in it are arguments: `x[rows, 0]` is `getitem(x, rows, index=(ARRAY, 0))`.
So a record can be replayed with other rows (the tokens of the next batch).
"""

from __future__ import annotations

from enum import Enum

import numpy

from .. import backend
from ..graph import Value
from ..primitive import primitive


class Slot(Enum):
    """Stands in an index where one of the array arguments goes."""

    ARRAY = "array"

    def __repr__(self) -> str:
        return "ARRAY"


ARRAY = Slot.ARRAY


def index(x, key):
    """x[key], for ints, slices, None, ``...``, and arrays, lists or Tensors of ints or bools.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.tensor([[1.0, 2.0], [3.0, 4.0]])[[0, 1], [1, 0]].numpy()
    array([2., 3.], dtype=float32)
    """
    keys = key if isinstance(key, tuple) else (key,)
    keys = [_array_of(k, x) if isinstance(k, list) else int(k) if isinstance(k, numpy.integer) else k for k in keys]
    arrays = [k for k in keys if hasattr(k, "dtype")]
    for array in arrays:
        if array.dtype.kind not in "iub":
            raise IndexError(f"an index must hold integers or bools, not {array.dtype}: cast it with dtype=int")
    rest = tuple(ARRAY if hasattr(k, "dtype") else k for k in keys)
    return getitem(x, *arrays, index=rest if isinstance(key, tuple) or arrays else rest[0])


def _array_of(numbers, x):
    """A list within an index as an array, where x is; an empty one picks nothing."""
    array = numpy.asarray(numbers) if numbers else numpy.zeros(0, int)
    return backend.to_device(array, backend.device_of(x.data if isinstance(x, Value) else x))


def _fill(index, arrays):
    """The index as the array library takes it."""
    if not arrays:
        return index
    remaining = iter(arrays)
    return tuple(next(remaining) if i is ARRAY else i for i in index)


@primitive
def getitem(xp, x, *arrays, index):
    """y = x[index]"""
    return x[_fill(index, arrays)]


@primitive
def put(xp, g, *arrays, index, shape):
    """Zeros of `shape`, with g added at the index; what is named twice gets the sum."""
    out = xp.zeros(shape, g.dtype)
    where = _fill(index, arrays)
    if all(array.dtype.kind == "b" for array in arrays):
        out[where] = g  # ints, slices and masks never name a number twice
    elif xp is not numpy:
        import cupyx

        cupyx.scatter_add(out, where, g)
    elif index == (ARRAY,):
        _add_rows(out, arrays[0].ravel(), g.reshape(arrays[0].size, *shape[1:]))
    else:
        numpy.add.at(out, where, g)
    return out


def _add_rows(out, rows, g):
    """out[rows] += g where rows may repeat: sorted, then summed run by run, ten times faster than `add.at`."""
    if rows.size:
        rows = rows.astype(numpy.intp) % len(out)
        order = numpy.argsort(rows, kind="stable")
        rows = rows[order]
        starts = numpy.flatnonzero(numpy.concatenate([[True], rows[1:] != rows[:-1]]))
        out[rows[starts]] = numpy.add.reduceat(g[order], starts, axis=0)


class _FirstOnly(tuple):
    """Pullbacks of a primitive whose first argument alone can be differentiated, however many follow."""

    def __getitem__(self, i):
        return super().__getitem__(0) if i == 0 else None


getitem.pullbacks = _FirstOnly([lambda g, y, x, *arrays, index: put(g, *arrays, index=index, shape=x.shape)])
put.pullbacks = _FirstOnly([lambda g, y, x, *arrays, index, shape: getitem(g, *arrays, index=index)])
