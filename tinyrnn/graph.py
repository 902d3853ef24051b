"""What a computation remembers: every value knows the operation, the arguments and the place that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from functools import wraps
from itertools import count
from operator import attrgetter
from typing import Any, NamedTuple, ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_serial = count(1)


class Pull(NamedTuple):
    """What a backward operation differentiates: the value `of`, towards its argument number `into`.

    With `into` None it is the sum of all the shares of ∂L/∂of, where they arrive.
    """

    of: Value
    into: int | None


class FunctionName(str):
    """A name in a scope that is no module but a composed function (see `composed`)."""

    __slots__ = ()


class Place(NamedTuple):
    """Where in the model, and when in the sequence, an operation ran; and what it differentiates, if it does."""

    scope: tuple[str, ...] = ()
    step: int | None = None
    loop: int | None = None  # which time loop: two sequences through one layer are two loops
    pull: Pull | None = None

    @property
    def backward(self) -> bool:
        return self.pull is not None

    def __str__(self) -> str:
        module = f"in module {'.'.join(self.scope)!r}" if self.scope else "outside any module"
        return module + ("" if self.step is None else f", at step {self.step}")


Clocks = dict[tuple[str, ...], "count[int]"]  # for each module the numbers of its operations


class _Loop:
    """Where a time loop stands: its number, its latest step and that step's clocks, and the way it runs.

    It counts how often a step is entered.  An entry more than at the step before may be the first step of a loop that turns
    round where this one ends, as that of a bidirectional network does: it is recorded as such.
    """

    __slots__ = ("number", "latest", "direction", "ended", "clocks", "entries", "usual", "turn")

    def __init__(self, step: int) -> None:
        self.number, self.latest, self.direction, self.ended = next(_serial), step, 0, False
        self.clocks: Clocks = {}
        self.entries = self.usual = 0
        self.turn: _Loop | None = None

    def follows(self, t: int) -> bool:
        """Is t the step after the latest one, in the direction in which this loop runs?"""
        return t - self.latest in ((1, -1) if self.direction == 0 else (self.direction,))

    def go_to(self, t: int) -> None:
        self.direction, self.latest, self.ended, self.clocks = t - self.latest, t, False, {}
        self.entries, self.usual, self.turn = 0, self.entries, None

    def enter(self) -> _Loop:
        """Enter the latest step: that of this loop or, if it has done there what it usually does, of one that turns round."""
        if 0 < self.usual == self.entries:
            self.turn = self.turn or _Loop(self.latest)
            return self.turn.enter()
        self.entries += 1
        return self


class Frame:
    """The place of the operations that run now, and the clocks that number them.

    Each module counts its operations anew at every step, and so does every pullback: operation number k of module m at
    step t is operation number k of module m at step t+1, whatever else was, or was not, recorded in between.  So each
    operation finds itself again at every step of an unrolled network.
    """

    __slots__ = ("place", "clocks", "clock", "_loop")

    def __init__(self, place: Place, clocks: Clocks) -> None:
        self.place, self.clocks = place, clocks
        clock = clocks.get(place.scope)
        if clock is None:
            clock = clocks[place.scope] = count()
        self.clock = clock
        self._loop: _Loop | None = None

    def inner(self, name: str) -> Frame:
        """The frame of a module called from here; the clocks of the step run on."""
        scope, step, loop, pull = self.place
        return Frame(Place((*scope, name), step, loop, pull), self.clocks)

    def at_step(self, t: int) -> Frame:
        """The frame of step t of the loop that runs here.

        A loop runs forwards or backwards in time, one step after the other; any other step begins a new loop.
        To come back to the latest step is to go on with it, unless a tape was taken since, or another loop turns round there.
        """
        loop = self._loop
        if loop is not None and loop.turn is not None and not loop.follows(t) and loop.turn.follows(t):
            loop = self._loop = loop.turn
        if loop is None or (loop.ended if t == loop.latest else not loop.follows(t)):
            loop = self._loop = _Loop(t)
        elif t != loop.latest:
            loop.go_to(t)
        loop = loop.enter()
        return Frame(Place(self.place.scope, t, loop.number, self.place.pull), loop.clocks)

    def end_step(self) -> None:
        """The latest step has been looked at as a whole: a network of one step, run again, is another loop."""
        if self._loop is not None:
            self._loop.ended = True


_here: ContextVar[Frame | None] = ContextVar("tinyrnn place", default=None)


def here() -> Frame:
    """The frame of the operations that run now, in this thread."""
    frame = _here.get()
    if frame is None:  # each thread begins with a frame of its own
        frame = Frame(Place(), {})
        _here.set(frame)
    return frame


class Modes(NamedTuple):
    """What is remembered, and what is checked, of the operations that run now."""

    grad: bool = True  # remember what a gradient needs
    recording: bool = False  # remember everything
    anomaly: bool = False  # stop at the first number that is not finite


_DEFAULT = Modes()  # immutable: threads may share it
_modes: ContextVar[Modes] = ContextVar("tinyrnn modes", default=_DEFAULT)
modes = _modes.get


class Value:
    """An array and its history.  It has no arithmetic: `Tensor` adds that, above the primitives."""

    __slots__ = (
        *("data", "requires_grad", "op", "args", "attrs"),  # the number, and the call that made it
        *("place", "ordinal", "serial"),  # where and when that was
        *("grad", "name", "carried", "changed", "__weakref__"),
    )

    data: Any
    grad: Any
    attrs: Any

    def __init__(
        self,
        data: Any,
        requires_grad: bool = False,
        op: Any = None,
        args: tuple = (),
        attrs: Any = None,
        name: str | None = None,
    ) -> None:
        self.data, self.requires_grad, self.name, self.grad = data, requires_grad, name, None
        self.op, self.args, self.attrs = op, args, attrs
        frame = _here.get() or here()
        self.place, self.ordinal, self.serial = frame.place, next(frame.clock), next(_serial)
        self.carried = False  # does a time loop hand it from step to step?
        self.changed = 0  # the serial number of the latest change in place; it counts on a leaf only

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def parents(self) -> list[Value]:
        return [a for a in self.args if isinstance(a, Value)]

    def derive(self, data: Any, op: Any, args: tuple, attrs: Any, requires_grad: bool) -> Any:
        """The value `op` made out of this one and its fellow arguments."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its operations return")

    def note_change(self) -> None:
        """The array was changed in place: what was computed from it before can no longer be differentiated."""
        self.changed = next(_serial)

    def begin_anew(self) -> None:
        """A copy, or a value from another process, is as young as if it had just been made."""
        self.serial, self.changed = next(_serial), 0


class _Released:
    """Stands as the operation of a value whose history `backward(release=True)` has let go."""

    name, pullbacks, many = "released", (), False

    def __repr__(self) -> str:
        return "<released>"

    def __reduce__(self) -> str:
        return "RELEASED"  # there is only one, also after copying and unpickling


RELEASED = _Released()
SEVERED: dict[str, Any] = {}  # stands as the attributes of a value that was cut off from its history, so that drawings show it


def history(*values: Value) -> list[Value]:
    """Every value the given ones depend on, oldest first: a value is always younger than its arguments."""
    for value in values:
        if not isinstance(value, Value):
            raise TypeError(f"expected a Tensor, whose history is to be read, not {type(value).__name__}")
    seen, stack = set(values), list(values)
    while stack:  # a loop, not recursion: an unrolled network is thousands of operations deep
        for parent in stack.pop().parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=attrgetter("serial"))


def dependents(recorded: Iterable[Value], sources: Iterable[Value]) -> set[Value]:
    """The sources, and what depends on them of a history, oldest first, through which gradients flow."""
    found = set(sources)
    for value in recorded:
        if value.requires_grad and not found.isdisjoint(value.parents):
            found.add(value)
    return found


def unchain(*values: Any, before: int | None = None) -> None:
    """Cut a history, so that gradients stop and the memory behind the cut is free.

    Parameters
    ----------
    *values : Tensor, or tuple of them
        Where to look back from: Tensors, or the state (h, c) of a cell.
    before : int, optional
        Cut what was made at time steps earlier than this one; the steps from `before` on keep their history, so that a
        window can slide along a sequence.  Without it the given values themselves are cut.

    Examples
    --------
    A window of two steps: only the last two uses of `w` are left.

    >>> import tinyrnn as tr
    >>> w, h = tr.Parameter(2.0), tr.tensor(1.0)
    >>> for t in range(5):
    ...     with tr.step(t):
    ...         h = h * w
    ...     tr.unchain(h, before=t - 1)
    >>> h.backward()
    >>> w.grad.item()  # d(8 w²)/dw at w = 2, for h was 8 before the window
    32.0
    """
    stack: list[Value] = []
    for value in values:
        stack += value if isinstance(value, (tuple, list)) else (value,)
    seen = set(stack)
    while stack:
        value = stack.pop()
        behind = value.place.step is not None and before is not None and value.place.step < before
        if before is None or behind:
            if value.op is not None:
                value.op, value.args, value.attrs, value.requires_grad = None, (), SEVERED, False
            continue
        for parent in value.parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)


enter, leave = _here.set, _here.reset  # what `Module.__call__` does, without the cost of a context manager


class _Within(ContextDecorator):
    """A context in which a context variable has another value, also as a decorator; it may be entered again and again."""

    __slots__ = ("_variable", "_make", "_tokens")

    def __init__(self, variable: ContextVar, make: Callable[[], Any]) -> None:
        self._variable, self._make = variable, make
        self._tokens: list[Token] = []

    def __enter__(self) -> None:
        self._tokens.append(self._variable.set(self._make()))

    def __exit__(self, *exception: object) -> None:
        self._variable.reset(self._tokens.pop())


def at(place: Place) -> _Within:
    """Operations inside happen at `place`, numbered from 0."""
    return _Within(_here, lambda: Frame(place, {}))


def scope(name: str) -> _Within:
    """Operations inside belong to the module called `name`.

    `Module.__call__` does this; a function that plays the part of a module may do it itself.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> with tr.scope("encoder"):
    ...     y = tr.Parameter(1.0) * 2.0
    >>> y.place.scope
    ('encoder',)
    """
    return _Within(_here, lambda: here().inner(name))


def composed(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Decorate a function that calls several primitives: its operations belong together, in the scope ``"function()"``.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.softmax(tr.Parameter([1.0, 2.0])).place.scope
    ('softmax()',)
    """
    name = FunctionName(f"{function.__name__}()")

    @wraps(function)
    def call(*given: _Given.args, **options: _Given.kwargs) -> _Result:
        token = enter(here().inner(name))
        try:
            return function(*given, **options)
        finally:
            leave(token)

    return call


def step(t: int) -> _Within:
    """Operations inside happen at time step `t`, counted from 0.

    The layers do this for their own time loop; a loop of one's own needs only this line.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> w, h = tr.Parameter(0.5), 1.0
    >>> for t in range(3):
    ...     with tr.step(t):
    ...         h = tr.tanh(w * h)
    >>> h.place.step
    2
    """
    return _Within(_here, lambda: here().at_step(t))


def no_grad() -> _Within:
    """Operations inside are not remembered: nothing to differentiate, nothing to keep in memory.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> with tr.no_grad():
    ...     y = tr.Parameter(1.0) * 2.0
    >>> y.requires_grad
    False
    """
    return _Within(_modes, lambda: modes()._replace(grad=False))


def recording() -> _Within:
    """Remember every operation inside, even those no gradient needs: drawings show them.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> with tr.recording():
    ...     y = tr.tensor(1.0) * 2.0
    >>> y.op, y.requires_grad
    (<primitive mul>, False)
    """
    return _Within(_modes, lambda: modes()._replace(recording=True))


def detect_anomaly() -> _Within:
    """Stop with a FloatingPointError at the first NaN or infinity, forward or backward, and say where it arose.

    Every result is looked at, so this is slow, and on a GPU it waits for each operation: for finding a fault only.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> with tr.detect_anomaly():
    ...     tr.log(tr.tensor(0.0))
    Traceback (most recent call last):
    FloatingPointError: log gave -inf (outside any module); its arguments: () float32 in [0, 0]
    """
    return _Within(_modes, lambda: modes()._replace(anomaly=True))


def named(**values: Any) -> tuple:
    """Give values the symbols that the equations use, and hand them back in order.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> i, f = tr.named(i=tr.tensor(1.0), f=tr.tensor(2.0))
    >>> i.name, f.name
    ('i', 'f')
    """
    for name, value in values.items():
        if isinstance(value, Value):
            value.name = name
    return tuple(values.values())
