"""Modules: plain objects whose attributes are parameters and other modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from .. import backend
from ..graph import Value, enter, here, leave
from ..state import fitting
from ..tensor import Parameter, as_tensor


class Module:
    """A part of a model: what it assigns to its attributes, parameters and other modules, belongs to it, in that order.

    Write `forward`; call the module itself, so that its operations know where they belong.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self, size):
    ...         self.factor = tr.Parameter([1.0] * size)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> [name for name, _ in Scale(3).named_parameters()]
    ['factor']
    """

    name: str | None = None  # what its owner calls it
    training: bool = True

    def __setattr__(self, key: str, value: Any) -> None:
        self._check_attribute(key, value)
        for name, part in _parts(key, value):
            if part.name is None:
                part.name = name
        object.__setattr__(self, key, value)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(self, ...): write one")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        token = enter(here().inner(self.name or type(self).__name__))
        try:
            return self.forward(*inputs, **options)
        finally:
            leave(token)

    def _check_attribute(self, key: str, value: Any) -> None:
        """No attribute hides a method that the others rely on, and no result of an operation takes a parameter's place."""
        kind = type(self).__name__
        if key != "forward" and callable(vars(Module).get(key)):
            raise AttributeError(f"{kind}: {key!r} is a method of every module; call the attribute something else")
        if key == "name" and not isinstance(value, (str, type(None))):
            raise TypeError(f"{kind}: name is what drawings call the module, a text, not a {type(value).__name__}")
        if isinstance(vars(self).get(key), Parameter) and hasattr(value, "dtype") and not isinstance(value, Parameter):
            raise TypeError(
                f"{kind}: {key} is a Parameter, which a {type(value).__name__} would replace, out of reach of training: "
                f"put the numbers into it with {key}.assign(...), or give it a new tr.Parameter(...)"
            )

    # -- parts -----------------------------------------------------------------------------------

    def _parts(self) -> Iterator[tuple[str, Module | Parameter]]:
        """The modules and parameters among the attributes, alone, in lists or in dicts, with their names."""
        for key, value in vars(self).items():
            yield from _parts(key, value)

    def _children(self) -> Iterator[tuple[str, Module]]:
        """The modules among the parts, with their names."""
        return ((name, part) for name, part in self._parts() if isinstance(part, Module))

    def modules(self) -> Iterator[tuple[str, Module]]:
        """This module and all inside it, each once with its dotted name, the outer before the inner."""
        seen: set[int] = set()  # one may refer back to its owner
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:
            name, module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            waiting += reversed([(f"{name}.{key}" if name else key, child) for key, child in module._children()])

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names, in the order of assignment, a shared one once."""
        seen = set()
        for prefix, module in self.modules():
            for key, part in module._parts():
                if isinstance(part, Parameter) and part not in seen:
                    seen.add(part)
                    yield f"{prefix}.{key}" if prefix else key, part

    def parameters(self) -> Iterator[Parameter]:
        """The parameters, in the order of `named_parameters`."""
        for _, parameter in self.named_parameters():
            yield parameter

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `grad` becomes None."""
        for parameter in self.parameters():
            parameter.grad = None

    # -- modes -----------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Switch to training (dropout acts), or with ``mode=False`` out of it; the module itself is returned."""
        for _, module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch out of training: dropout passes everything."""
        return self.train(False)

    def to(self, device: str | backend.Device | None = None, *, dtype: Any = None) -> Module:
        """Move all parameters, and their gradients, to a device, or into another dtype; the module itself is returned.

        What was computed from them before can no longer be differentiated.  An optimiser is made afterwards.

        Parameters
        ----------
        device : str or Device, optional
            ``"cpu"``, ``"cuda"``, ``"cuda:1"``; by default they stay where they are.
        dtype : {"float32", "float64"}, optional
            By default what they are.

        Raises
        ------
        DeviceError
            If the device is not there.
        TypeError
            If the dtype is no float.

        Examples
        --------
        >>> from tinyrnn import nn
        >>> nn.Linear(3, 2).to(dtype="float64").W.dtype
        dtype('float64')
        """
        if dtype is not None and numpy.dtype(dtype).kind != "f":
            raise TypeError(f"to: parameters are floats, they cannot become {numpy.dtype(dtype)}")
        for parameter in self.parameters():
            data = backend.asarray(parameter.data, dtype, device)
            if data is parameter.data:
                continue
            parameter.data = data
            parameter.note_change()
            backend.protect(data, parameter.requires_grad)
            if parameter.grad is not None:
                parameter.grad = as_tensor(backend.asarray(parameter.grad.data, dtype, device))
        return self

    # -- state -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """A copy of every parameter's array, by dotted name."""
        return {name: backend.copy(parameter.data) for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put these arrays into the parameters, in place; either all of them or, on an error, none.

        Parameters
        ----------
        state : mapping of str to array or Tensor
            As `state_dict` makes it.

        Raises
        ------
        ValueError
            If names are missing or unexpected, shapes differ, or something holds no numbers; the message lists every one.
        TypeError
            If `state` is no mapping.
        """
        own = dict(self.named_parameters())
        arrays = fitting(type(self).__name__, state, {name: parameter.data for name, parameter in own.items()})
        for name, parameter in own.items():
            parameter.assign(arrays[name])

    # -- reports ---------------------------------------------------------------------------------

    def summary(self) -> str:
        """A table of the modules with the shapes and numbers of their own parameters, as text.

        Examples
        --------
        >>> from tinyrnn import nn
        >>> print(nn.Linear(3, 2).summary())
        module  type    parameters    count
        -----------------------------------
        (self)  Linear  W (3, 2)          6
                        b (2,)            2
        -----------------------------------
        total                             8
        """
        rows, seen, total = [], set(), 0
        for name, module in self.modules():
            label, kind = name or "(self)", type(module).__name__
            own = [(k, p) for k, p in module._parts() if isinstance(p, Parameter)]
            rows += [] if own else [(label, kind, "", "")]
            for key, parameter in own:
                shared = parameter in seen
                seen.add(parameter)
                total += 0 if shared else parameter.size
                rows.append((label, kind, f"{key} {tuple(parameter.shape)}", "shared" if shared else f"{parameter.size:,}"))
                label = kind = ""
        table = [("module", "type", "parameters", "count"), *rows, ("total", "", "", f"{total:,}")]
        wide = [max(len(row[i]) for row in table) for i in range(4)]
        lines = ["  ".join([*(f"{c:<{w}}" for c, w in zip(row[:3], wide)), f"{row[3]:>{wide[3] + 2}}"]).rstrip() for row in table]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def __repr__(self) -> str:
        count = sum(p.size for p in self.parameters())
        return f"{type(self).__name__}({self._describe()}{count:,} parameters)"

    def _describe(self) -> str:
        shown = {k: v for k, v in vars(self).items() if isinstance(v, (int, float, str)) and k not in ("name", "training")}
        sizes = ", ".join(f"{k}={v}" for k, v in shown.items())
        return f"{sizes}; " if sizes else ""


def check_sizes(module: Module, **sizes: Any) -> None:
    """Are these whole numbers from 1?"""
    for name, size in sizes.items():
        if not isinstance(size, (int, numpy.integer)) or size < 1:
            raise ValueError(f"{type(module).__name__}: {name} must be a whole number from 1, not {size!r}")


def as_input(module: Module, x: Any) -> Any:
    """x as one Tensor; lists of numbers become one."""
    if isinstance(x, tuple) and any(isinstance(part, Value) for part in x):
        raise TypeError(
            f"{type(module).__name__}: x is a tuple, expected one Tensor: a recurrent layer returns (y, state); write "
            "y, state = layer(x) and pass on y, in place of nn.Sequential in the forward of a module of your own"
        )
    return as_tensor(x)


def _parts(key: str, value: Any) -> Iterator[tuple[str, Module | Parameter]]:
    """What an attribute adds to a module: itself, or the items of a list as key.0, key.1, …, of a dict key by key."""
    if isinstance(value, (Module, Parameter)):
        yield key, value
    elif isinstance(value, (list, tuple, dict)):
        for inner, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _parts(f"{key}.{inner}", item)
