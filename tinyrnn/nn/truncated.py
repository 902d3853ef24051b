"""Truncated backpropagation through time: long sequences in windows, the state carried, the gradient cut."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from inspect import Parameter, signature
from typing import Any, NamedTuple, TypeGuard

import numpy

from .. import backend
from ..graph import unchain
from ..ops import concatenate
from ..tensor import Tensor, as_tensor
from .cell import Cell
from .layer import detached, flat, refuse_backwards
from .module import Module
from .padding import checked_lengths
from .recurrent import Recurrent
from .stateful import Stateful
from .wrappers import Wrapper


class Window(NamedTuple):
    """What `truncated_bptt` gives for each k1 steps of the sequence."""

    y: Tensor  # the outputs of these steps, (k1, N, H)
    steps: slice  # which steps they are: target[window.steps]
    since: int  # the first step that their gradients reach
    state: Any  # after the last of them, without history
    mask: Any  # with lengths: bools (k1, N), which outputs count


def truncated_bptt(
    layer: Callable,
    x: Any,
    *,
    k1: int,
    k2: int | None = None,
    state: Any = None,
    lengths: Any = None,
    sliding: bool = False,
    batch_first: bool | None = None,
) -> Iterator[Window]:
    """Run over a sequence window by window, so that memory is bounded by the window, however long the sequence.

    After every k1 steps comes a `Window`, whose outputs have a history of k2 steps at most: the gradient of the losses of the
    latest k1 steps goes back through the latest k2 (Williams & Peng 1990).

    Parameters
    ----------
    layer : layer, cell, or any module with ``y, state = module(x, state)``
        Such as a model of an embedding, a layer and scores.  A cell of one's own is given as ``nn.Recurrent(cell)``.
    x : Tensor or array (T, N, …), or iterable of them
        The sequence as a whole, of which only a window at a time is looked at (a memory-mapped array stays on the disk), or
        its pieces (n, N, …), of any numbers of steps n, one after the other, as a generator makes them.
    k1 : int
        How many steps lie between one window and the next.
    k2 : int, optional
        How many steps a gradient goes back, from k1 on; by default k1, windows that follow each other.
    state : optional
        Before the first step; by default as the layer begins.  The `state` of the last window of another call goes here.
    lengths : N integers, optional
        How many steps of each sequence count, of the whole sequence.
    sliding : bool
        How the k2 − k1 steps that windows share are dealt with; see Notes.
    batch_first : bool, optional
        Time is the second axis; by default as the layer says.

    Yields
    ------
    Window
        With `y`, `steps`, `since`, `state`, `mask`.

    Raises
    ------
    ValueError
        If k2 is less than k1, if something in the layer runs backwards, or the lengths do not fit.
    RuntimeError
        From ``backward``, with `sliding`: if a parameter was changed since the window before.

    Notes
    -----
    An optimiser changes the parameters between two windows.  What windows share is therefore computed anew, with the new
    parameters, from the state that was kept where the new window begins: the gradient is exactly that of the loss of the
    window, as a function of the parameters, with that first state as a constant.  (Going back through what older parameters
    computed would be the gradient of no function.)  Each step is computed k2/k1 times.

    With ``sliding=True`` each step is computed once: its history is kept, and cut behind the window (`tinyrnn.unchain`).
    Then the parameters must stay as they are until the end of the sequence, while gradients add up.  Both ways give the
    same gradients if nothing changes between windows.  Call ``backward`` on a window before asking for the next one.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn, optim
    >>> x, target, layer = tr.randn(100, 2, 3), tr.randn(100, 2, 4).numpy(), nn.GRU(3, 4)
    >>> optimizer = optim.SGD(layer.parameters(), lr=0.1)
    >>> for window in nn.truncated_bptt(layer, x, k1=20, k2=50):
    ...     loss = nn.mse(window.y, target[window.steps])
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    >>> window.steps, window.since
    (slice(80, 100, None), 50)
    """
    k2 = k1 if k2 is None else k2
    for name, k in (("k1", k1), ("k2", k2)):
        if not isinstance(k, (int, numpy.integer)) or k < 1:
            raise ValueError(f"truncated_bptt: {name} must be a whole number from 1, not {k!r}")
    if k2 < k1:
        raise ValueError(f"truncated_bptt: k2 = {k2} is less than k1 = {k1}: the first losses of a window would have no gradient")
    layer = Recurrent(layer) if _is_cell(layer) else layer
    if isinstance(layer, Module):
        refuse_backwards("truncated_bptt", layer)
        if (sliding or k2 > k1) and any(isinstance(module, Stateful) for _, module in layer.modules()):
            raise ValueError(
                "truncated_bptt: windows that overlap begin in a state before the one that a Stateful layer carries: "
                "give the layer inside it, and state=window.state to go on from an earlier call; or choose k2 = k1"
            )
    axis = 1 if (getattr(layer, "batch_first", False) if batch_first is None else batch_first) else 0
    steps = _Steps(x, k1, axis)
    if lengths is not None:
        lengths = checked_lengths(lengths, steps=steps.total, batch=numpy.size(lengths))
        steps.total = int(lengths.max(initial=0))
    run = _Run(layer, steps, lengths)
    return (_slide if sliding else _recompute)(run, k1, k2, state)


def _is_cell(module: Any) -> TypeGuard[Module]:
    """A cell of one's own is one step from a state that it must be given; a layer, or a model, begins by itself."""
    if isinstance(module, (Cell, Wrapper)):
        return True
    arguments = list(signature(module.forward).parameters.values()) if isinstance(module, Module) else []
    return len(arguments) == 2 and arguments[1].default is Parameter.empty


def _recompute(run: _Run, k1: int, k2: int, kept: Any) -> Iterator[Window]:
    """Each window anew from the state that was kept where it begins."""
    begin = stop = 0
    while (end := run.steps.until(stop + k1)) > stop:
        following = min(max(0, stop + 2 * k1 - k2), end)  # where the next window begins
        outputs, state = [], kept
        for a, b in ((begin, following), (following, end)):
            if a < b:
                y, state = run(a, b, state)
                outputs.append(y)
                if b == following:
                    kept = detached(state)
        yield run.window(outputs, stop, end, begin, state)
        begin, stop = following, end
        run.steps.forget(begin)


def _slide(run: _Run, k1: int, k2: int, state: Any) -> Iterator[Window]:
    """Each step once; what is older than the window is cut off."""
    stop, offset = 0, -k2 % k1  # windows begin this many steps after a multiple of k1
    beginnings: dict[int, Any] = {}  # the states where later windows begin
    while (end := run.steps.until(stop + k1)) > stop:
        outputs, middle = [], min(stop + offset, end)
        for a, b in ((stop, middle), (middle, end)):
            if a < b:
                y, state = run(a, b, state)
                outputs.append(y)
                if b % k1 == offset:
                    beginnings[b] = state
        since = max(0, stop + k1 - k2)
        if since in beginnings:
            unchain(*flat(beginnings.pop(since)))
        yield run.window(outputs, stop, end, since, state)
        stop = end
        run.steps.forget(stop)


class _Run:
    """A layer, called on some of the steps of a sequence."""

    def __init__(self, layer: Any, steps: _Steps, lengths: Any) -> None:
        self.layer, self.steps, self.lengths = layer, steps, lengths

    def __call__(self, start: int, stop: int, state: Any) -> tuple[Tensor, Any]:
        x, options = self.steps.between(start, stop), {}
        if self.lengths is not None:
            options["lengths"] = numpy.clip(self.lengths - start, 0, stop - start)
        found = self.layer(x, None if start and isinstance(self.layer, Stateful) else state, **options)
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(
                f"truncated_bptt: the layer must return (y, state), not a {type(found).__name__}: leave return_state=True, and "
                "make a cell a layer with nn.Recurrent(cell)"
            )
        if found[0].shape[self.steps.axis : self.steps.axis + 1] != (stop - start,):
            raise ValueError(
                f"truncated_bptt: of {stop - start} steps the layer returned outputs of shape {tuple(found[0].shape)}, expected "
                "one for each step: leave return_sequences=True"
            )
        return found

    def window(self, outputs: list, start: int, stop: int, since: int, state: Any) -> Window:
        axis, count = self.steps.axis, stop - start
        y = outputs[-1] if outputs[-1].shape[axis] >= count else concatenate(*outputs, axis=axis)
        if y.shape[axis] > count:
            y = y[(slice(None),) * axis + (slice(-count, None),)]
        mask = None
        if self.lengths is not None:
            counts = numpy.arange(start, stop)[:, None] < self.lengths
            mask = backend.to_device(counts.T if axis else counts, y.device)
        return Window(y, slice(start, stop), since, detached(state), mask)


class _Steps:
    """The steps of a sequence, of which only those of the window are in memory."""

    def __init__(self, x: Any, size: int, axis: int) -> None:
        whole = hasattr(x, "shape")
        self.axis = axis
        self.total = x.shape[axis] if whole else sys.maxsize
        self._coming = _cut(x, size, axis) if whole else iter(x)
        self._pieces: list[tuple[int, Tensor]] = []  # each with the number of its first step
        self._end = 0

    def until(self, stop: int) -> int:
        """Fetch pieces until there are so many steps, or no more; the number of the last one there is, at most `stop`."""
        while self._end < min(stop, self.total) and (piece := next(self._coming, None)) is not None:
            piece = as_tensor(piece)
            if piece.ndim < 2:
                axes = "(N, n, …)" if self.axis else "(n, N, …)"
                raise ValueError(f"truncated_bptt: x has shape {tuple(piece.shape)}, expected {axes}: n steps of N sequences")
            self._pieces.append((self._end, piece))
            self._end += piece.shape[self.axis]
        if self._end == 0:
            raise ValueError("truncated_bptt: the sequence has no steps")
        return min(stop, self._end, self.total)

    def between(self, start: int, stop: int) -> Tensor:
        """These steps."""
        found = []
        for first, piece in self._pieces:
            here = slice(max(start - first, 0), max(stop - first, 0))
            if (part := piece[(slice(None),) * self.axis + (here,)]).shape[self.axis]:
                found.append(part)
        return found[0] if len(found) == 1 else concatenate(*found, axis=self.axis)

    def forget(self, start: int) -> None:
        """Let the pieces go that lie before this step."""
        self._pieces = [(first, piece) for first, piece in self._pieces if first + piece.shape[self.axis] > start]


def _cut(x: Any, size: int, axis: int) -> Iterator:
    """A sequence in pieces."""
    for start in range(0, x.shape[axis], size):
        yield x[(slice(None),) * axis + (slice(start, start + size),)]
