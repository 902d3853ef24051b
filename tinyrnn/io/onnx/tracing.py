"""A model run on examples, and what it did: the primitives it called, and the layers that ONNX knows as one operation.

The sizes of the examples are frozen into a record: into the shapes of reshaped arrays, into states of zeros, into the count
that a mean divides by.  So the model runs again for each axis that is to be free, with that axis one longer, and once with
other numbers.  Whatever differs between the records has to be computed in the exported graph from the sizes of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from inspect import signature
from operator import attrgetter
from typing import Any, NamedTuple

import numpy

from ... import backend, nn
from ...graph import Place, Value, no_grad, recording
from ...nn import Module
from ...tensor import as_tensor

Axes = Mapping[str, tuple[str | None, ...]]  # for each input, what its free axes are called


class Call(NamedTuple):
    """A call of a layer that is exported as a whole: its dotted name, its arguments by their names, and its results."""

    path: str
    layer: Any
    arguments: dict[str, Any]
    results: tuple[Value, ...]


class Step(NamedTuple):
    """One thing that a model did, in the same way in every run: for each run the value that came of it.

    `call` is the layer's call and the number of the result, if it was a layer; a primitive, or a leaf, is known by its values.
    """

    values: tuple[Value, ...]
    calls: tuple[tuple[Call, int] | None, ...]

    @property
    def value(self) -> Value:
        return self.values[0]


class Run:
    """One run of a model in inference, with these inputs: its outputs by name, and all that they depend on, oldest first."""

    def __init__(self, model: Module, given: tuple, options: dict[str, Any], whole: Callable[[Module], bool]) -> None:
        self.calls: dict[Value, tuple[Call, int]] = {}
        for path, module in model.modules():
            if isinstance(module, nn.Stateful):
                raise ValueError(
                    f"io.onnx.save: {path or 'the model'} is a Stateful, which keeps its state inside: "
                    "export the layer in it, with the state as an input and an output"
                )
        given, options = mapped(_leaf, (given, options))
        self.inputs = dict(named_inputs(model, given, options))
        with _inference(model), self._watched(model, whole), recording(), no_grad():
            result = model(*given, **options)
        self.outputs = [as_tensor(value) for value in leaves(result)]
        self.fields = [name for name, _ in named_leaves(result, "")]
        self.values = self._history()

    @contextmanager
    def _watched(self, model: Module, whole: Callable[[Module], bool]) -> Iterator[None]:
        """Inside, the calls of these layers are noted, and their results look as if they had been there before."""
        watched = [(path, module) for path, module in model.modules() if whole(module) and "forward" not in vars(module)]
        try:
            for path, module in watched:
                vars(module)["forward"] = partial(self._noted, path, module, module.forward)
            yield
        finally:
            for _, module in watched:
                del vars(module)["forward"]

    def _noted(self, path: str, layer: Any, forward: Callable, *given: Any, **options: Any) -> Any:
        arguments = mapped(as_tensor, signature(forward).bind(*given, **options).arguments)
        result = mapped(lambda value: as_tensor(value.data), forward(*given, **options))
        call = Call(path, layer, arguments, tuple(leaves(result)))
        self.calls.update({value: (call, number) for number, value in enumerate(call.results)})
        return result

    def sources(self, value: Value) -> tuple[Value, ...]:
        """The values that this one was made of."""
        if value not in self.calls:
            return tuple(value.parents)
        call, _ = self.calls[value]
        return tuple(source for source in leaves(list(call.arguments.values())) if isinstance(source, Value))

    def _history(self) -> list[Value]:
        seen, waiting = set(self.outputs), list(self.outputs)
        while waiting:
            for source in self.sources(waiting.pop()):
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return sorted(seen, key=attrgetter("serial"))

    def structure(self) -> list[tuple]:
        """What was done, of what: alike in two runs that did the same."""
        place = {value: number for number, value in enumerate(self.values)}
        done = []
        for value in self.values:
            call, number = self.calls.get(value, (None, 0))
            what = (call.path, number) if call else value.op and value.op.name
            done.append((what, tuple(place[source] for source in self.sources(value))))
        return [*done, tuple(place[value] for value in self.outputs)]


def traced(
    model: Module, given: tuple, options: dict[str, Any], whole: Callable[[Module], bool], axes: Axes
) -> tuple[list[Run], list[Step]]:
    """The runs of a model, and the steps that are the same in all of them.

    Raises
    ------
    ValueError
        If an axis cannot be free, because the model does something else when it is longer; the message says where.
    """
    first = Run(model, given, options, whole)
    _check_axes(first, axes)
    runs = [first]
    for axis in free_axes(axes):
        for times in (1, 2):  # one longer, and more than twice as long
            runs.append(_other_run(model, given, options, whole, axes, axis, times))
            _check_alike(first, runs[-1], f"when axis {axis!r} is longer: it cannot be free, write None in its place")
    runs.append(_other_run(model, given, options, whole, axes))
    _check_alike(first, runs[-1], "for other numbers: only what does not depend on them can be exported")
    steps = [
        Step(values, tuple(run.calls.get(value) for run, value in zip(runs, values)))
        for values in zip(*(run.values for run in runs))
    ]
    return runs, steps


def _check_axes(run: Run, axes: Axes) -> None:
    """Every free axis is one of an input, and as long wherever it is named."""
    for name, names in axes.items():
        if name not in run.inputs:
            raise ValueError(f"io.onnx.save: axes names the input {name!r}; there are {', '.join(run.inputs)}")
        if len(names) > run.inputs[name].ndim:
            raise ValueError(f"io.onnx.save: axes names {len(names)} axes of {name!r}, which has shape {run.inputs[name].shape}")
        if other := [axis for axis in names if axis is not None and not isinstance(axis, str)]:
            raise TypeError(
                f"io.onnx.save: axes of {name!r}: expected a name for a free axis, None for a fixed one, not {other[0]!r}"
            )
    for axis in free_axes(axes):
        lengths = {run.inputs[name].shape[names.index(axis)] for name, names in axes.items() if axis in names}
        if len(lengths) > 1:
            raise ValueError(f"io.onnx.save: the examples have axes {axis!r} of different lengths: {sorted(lengths)}")


def _other_run(
    model: Module, given: tuple, options: dict[str, Any], whole: Callable, axes: Axes, longer: str | None = None, times: int = 1
) -> Run:
    """A run with other numbers and, if an axis is named, that one longer."""
    given, options = mapped(_leaf, (given, options))
    name_of = {value: name for name, value in named_inputs(model, given, options)}

    def other(value: Any) -> Any:
        if not isinstance(value, Value):
            return value
        grown = [number for number, axis in enumerate(axes.get(name_of[value], ())) if axis is not None and axis == longer]
        return backend.to_device(_other(backend.to_host(value.data), grown, times), backend.device_of(value.data))

    try:
        return Run(model, mapped(other, given), mapped(other, options), whole)
    except (ValueError, IndexError, TypeError) as error:
        how = f"when axis {longer!r} is longer" if longer else "with other numbers"
        raise ValueError(f"io.onnx.save: the model does not run {how}: {error}") from error


def free_axes(axes: Axes) -> list[str]:
    """The names of the axes, each once."""
    return list(dict.fromkeys(name for names in axes.values() for name in names if name is not None))


def _check_alike(first: Run, other: Run, when: str) -> None:
    for before, after in zip(first.structure(), other.structure()):
        if before != after:
            value = next(value for value, done in zip(first.values, first.structure()) if done == before)
            raise ValueError(f"io.onnx.save: the model does something else, {where(value)}, {when}")
    if len(first.values) != len(other.values):
        raise ValueError(f"io.onnx.save: the model does more or less {when}")


def where(value: Value) -> str:
    """The operation and the place of a value, for messages."""
    place: Place = value.place
    return f"{value.op.name if value.op else 'a constant'} {place}"


def _other(array: numpy.ndarray, longer: list[int], times: int) -> numpy.ndarray:
    """Other numbers of the same kind, within the same bounds; along these axes one, or once more and one, longer."""
    for axis in range(array.ndim):
        own = array.shape[axis]
        length = own * times + 1 if axis in longer else own
        array = numpy.take(array, numpy.arange(1, length + 1) % max(1, own), axis=axis)
    if array.dtype.kind in "iu":
        return numpy.where(array > 1, array - 1, array)
    return array if array.dtype.kind == "b" else (array * 0.9).astype(array.dtype)


# -- inputs and results --------------------------------------------------------------------------------------------


def mapped(change: Callable, tree: Any) -> Any:
    """The same tuples, lists and dicts, with every leaf changed; None stays."""
    if isinstance(tree, dict):
        return {key: mapped(change, item) for key, item in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(mapped(change, item) for item in tree))
    if isinstance(tree, tuple) or (isinstance(tree, list) and any(isinstance(item, (Value, tuple, dict)) for item in tree)):
        return type(tree)(mapped(change, item) for item in tree)
    return None if tree is None else change(tree)


def named_leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every leaf but None, in order, with the keys that lead to it."""
    if isinstance(tree, dict):
        items = list(tree.items())
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        items = list(zip(tree._fields, tree))
    elif isinstance(tree, (tuple, list)):
        items = [(str(number), item) for number, item in enumerate(tree)]
    else:
        if tree is not None:
            yield name, tree
        return
    for key, item in items:
        yield from named_leaves(item, f"{name}_{key}" if name else key)


def leaves(tree: Any) -> list:
    """Every leaf but None, in order."""
    return [leaf for _, leaf in named_leaves(tree, "")]


def named_inputs(model: Module, given: tuple, options: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arrays among a model's arguments, called as the parameters of its forward."""
    bound = signature(model.forward).bind(*given, **options).arguments
    for name, argument in bound.items():
        yield from ((leaf, value) for leaf, value in named_leaves(argument, name) if isinstance(value, Value))


def _leaf(given: Any) -> Any:
    """An array among the arguments as a Tensor of its own; a setting, such as True, as it is."""
    if isinstance(given, Value) or backend.is_array(given):
        return as_tensor(backend.copy(given.data if isinstance(given, Value) else given))
    if not isinstance(given, list):
        return given
    numbers = numpy.asarray(given)
    return as_tensor(numbers if numbers.dtype.kind in "iub" else backend.asarray(given))


@contextmanager
def _inference(model: Module) -> Iterator[None]:
    """Inside, no module is in training."""
    modes = [(module, module.training) for _, module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
