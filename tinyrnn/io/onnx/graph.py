"""An ONNX graph while it is written: its nodes, its constants, and the sizes that are computed from its inputs."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy

from ...graph import Value
from .tracing import Axes, Run, free_axes, where


class GraphWriter:
    """Nodes and constants by name.

    Parameters
    ----------
    onnx : module
    runs : list of Run
        The first one is written; what differs in the others is computed from the sizes of the free axes.
    axes : mapping of str to tuple
        For each input what its free axes are called.
    """

    def __init__(self, onnx: Any, runs: list[Run], axes: Axes) -> None:
        self.onnx, self.axes = onnx, axes
        self.nodes: list[Any] = []
        self.constants: dict[str, numpy.ndarray] = {}
        self.names: dict[Value, Any] = {value: name for name, value in runs[0].inputs.items()}
        self._taken = set(runs[0].inputs)
        self._known: dict[Any, str] = {}
        self.lengths = {axis: [self._length(run, axis) for run in runs] for axis in free_axes(axes)}

    def _place(self, axis: str) -> tuple[str, int]:
        return next((name, names.index(axis)) for name, names in self.axes.items() if axis in names)

    def _length(self, run: Run, axis: str) -> int:
        name, number = self._place(axis)
        return run.inputs[name].shape[number]

    def unique(self, name: str) -> str:
        """This name, or the first of name_1, name_2, … that is free."""
        number, free = 0, name
        while free in self._taken:
            number += 1
            free = f"{name}_{number}"
        self._taken.add(free)
        return free

    def add(self, op: str, *inputs: str, results: int = 1, name: str | None = None, **attributes: Any) -> Any:
        """Add a node; the name of its result, or of its results in a list."""
        outputs = [self.unique(name or op.lower()) for _ in range(results)]
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(self.onnx.helper.make_node(op, list(inputs), outputs, name=f"{op}:{outputs[0]}", **given))
        return outputs[0] if results == 1 else outputs

    def constant(self, array: Any, name: str = "constant") -> str:
        """An array of the file; one that is there already under this name is not written again.

        Parameters have names of their own: two that happen to hold the same numbers stay two, which training may part.
        """
        array = numpy.asarray(array)
        key = (name, array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self.unique(name)
            self.constants[self._known[key]] = array
        return self._known[key]

    def integers(self, *numbers: int) -> str:
        """Numbers that say how to compute: axes, sizes, ends of slices."""
        return self.constant(numpy.array(numbers, numpy.int64), "integers")

    def cast(self, name: str, dtype: Any) -> str:
        return self.add("Cast", name, to=self.onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype(dtype)))

    def used(self, results: list[str]) -> list[Any]:
        """The nodes on which these results depend; constants that no node uses are left out of the file."""
        wanted, kept = set(results), []
        for node in reversed(self.nodes):
            if not wanted.isdisjoint(node.output):
                kept.append(node)
                wanted.update(node.input)
        self.constants = {name: array for name, array in self.constants.items() if name in wanted}
        return kept[::-1]

    # -- what differs from run to run ----------------------------------------------------------------------------------

    def size(self, numbers: list[int], value: Value) -> str:
        """A number that may depend on the sizes of the free axes, as an array of one integer.

        It is a multiple of one of them or of the product of several, plus a constant.

        Raises
        ------
        ValueError
            If it is nothing of the kind.
        """
        if len(set(numbers)) == 1:
            return self.integers(numbers[0])
        for count in range(1, len(self.lengths) + 1):
            for axes in combinations(self.lengths, count):
                products = [math.prod(lengths) for lengths in zip(*(self.lengths[axis] for axis in axes))]
                if (found := _linear(products, numbers)) is not None:
                    return self._computed(axes, *found)
        others = ", ".join(map(str, sorted({number for number in numbers if number != numbers[0]})))
        raise ValueError(
            f"io.onnx.save: {where(value)} uses the number {numbers[0]}, which was {others} in other runs: it is not recorded "
            f"whence, and no multiple of the free axes ({', '.join(self.lengths) or 'none'}) plus a constant"
        )

    def shape(self, shapes: list[tuple[int, ...]], value: Value) -> str:
        """A shape that may depend on the sizes of the free axes, as an array of integers."""
        if len(set(shapes)) == 1:
            return self.integers(*shapes[0])
        return self.add("Concat", *(self.size(list(sizes), value) for sizes in zip(*shapes)), axis=0, name="shape")

    def _computed(self, axes: tuple[str, ...], factor: int, offset: int) -> str:
        name, *others = [self._size_of(axis) for axis in axes]
        for other in others:
            name = self.add("Mul", name, other)
        name = name if factor == 1 else self.add("Mul", name, self.integers(factor))
        return name if offset == 0 else self.add("Add", name, self.integers(offset))

    def _size_of(self, axis: str) -> str:
        if axis not in self._known:
            name, number = self._place(axis)
            self._known[axis] = self.add("Shape", name, start=number, end=number + 1, name=axis)
        return self._known[axis]

    def array(self, arrays: list[numpy.ndarray], value: Value) -> str:
        """An array that no operation made: the same in every run, or filled with one number, or the numbers 0, 1, 2, …"""
        first, shapes = arrays[0], [array.shape for array in arrays]
        if len(set(shapes)) == 1 and all(numpy.array_equal(first, other, equal_nan=True) for other in arrays[1:]):
            return self.constant(first)
        if len({array.flat[0] for array in arrays if array.size}) == 1 and all(
            (array == array.flat[0]).all() for array in arrays
        ):
            filling = self.onnx.numpy_helper.from_array(first.ravel()[:1])
            return self.add("ConstantOfShape", self.shape(shapes, value), value=filling)
        if all(numpy.array_equal(array.ravel(), numpy.arange(array.size)) for array in arrays):
            length = self.add("Squeeze", self.size([array.size for array in arrays], value))
            numbers = self.add("Range", *(self.constant(numpy.int64(k)) if k is not None else length for k in (0, None, 1)))
            numbers = numbers if first.dtype == numpy.int64 else self.cast(numbers, first.dtype)
            return self.add("Reshape", numbers, self.shape(shapes, value))
        raise ValueError(
            f"io.onnx.save: an array {first.shape} {first.dtype} that {where(value)} uses was another one in other runs, but why "
            "is not recorded: it was not computed by tinyrnn's operations, was drawn at random, or kept from earlier"
        )


def _linear(products: list[int], numbers: list[int]) -> tuple[int, int] | None:
    """Whole numbers a and b with numbers = a · products + b, if there are."""
    known = dict(zip(products, numbers))
    if len(known) == 1:
        return None
    (x, y), (other, of_other) = list(known.items())[:2]
    factor, rest = divmod(of_other - y, other - x)
    offset = y - factor * x
    fits = rest == 0 and factor and all(factor * p + offset == number for p, number in zip(products, numbers))
    return (factor, offset) if fits else None
