"""The snapshot of a history: a graph of nodes, each with its operation, its place and, on request, its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .. import backend
from ..autodiff import differentiate, identify, seed_of, shares
from ..graph import RELEASED, SEVERED, Value, here, history
from .collector import collector_paused
from .keys import Keys
from .nodes import Constant, Draft, Node
from .sums import summed, whole_gradients

if TYPE_CHECKING:
    from .folding import Fold


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """A recorded computation: its nodes, oldest first, and which of them were asked for.

    Attributes
    ----------
    nodes : tuple of Node
    outputs : tuple of Node
    targets : tuple of Node and None
        For each output, the node whose gradient it is, if it is one of a recorded backward pass.
    flow : dict or None
        On request, for each use (argument, result) the norm of the gradient that it carries back.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]
    targets: tuple[Node | None, ...]
    flow: Mapping[tuple[Node, Node], float] | None = None
    _values: tuple[Value, ...] = field(default=(), repr=False)
    _node_of: Mapping[Any, Node] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.nodes):,} nodes>"

    def with_gradients(self) -> Graph:
        """This graph, with the gradients that flow back from its first output."""
        return self if self.flow is not None else tape(*self._values, values=True, gradients=True)

    def with_backward(self) -> Graph:
        """This graph, with the recorded backward pass of its first output; itself if it has that already.

        Its outputs are the first output, then the gradients of all trainable leaves, in the order of the leaves, and then
        what other outputs there were.  Nobody's `grad` is touched.

        Examples
        --------
        >>> import tinyrnn as tr
        >>> w = tr.Parameter(2.0, name="w")
        >>> tr.tape(tr.tanh(w)).with_backward().outputs
        (<1 tanh>, <5 mul′>)
        """
        leaves = tuple(node for node in self.nodes if node.trainable)
        return self if leaves and self.targets[1 : 1 + len(leaves)] == leaves else self._with_backward

    @cached_property
    def _with_backward(self) -> Graph:
        others = [value for value, node in zip(self._values[1:], self.outputs[1:]) if not node.backward]
        values = any(node.value is not None for node in self.nodes)
        return tape(self._values[0], *others, values=values, gradients=self.flow is not None, backward=True)

    def with_values(self) -> Graph:
        """This graph, with the arrays that were computed."""
        known = any(node.value is not None for node in self.nodes)
        return self if known else tape(*self._values, values=True)

    def shares(self) -> Iterator[tuple[Node, Node, Any]]:
        """Differentiate the first output, and yield each share of a gradient as (into, through, share).

        They come in the order of backpropagation, the youngest use first, and none is kept: a weight that is used at
        10,000 time steps has 10,000 shares, each as large as the weight.

        Raises
        ------
        RuntimeError
            If nothing requires a gradient.
        ValueError
            If the first output is no scalar.

        Examples
        --------
        >>> import tinyrnn as tr
        >>> w, h = tr.Parameter(2.0, name="w"), 1.0
        >>> for t in range(3):
        ...     with tr.step(t):
        ...         h = h * w
        >>> [(through.step, share.item()) for into, through, share in tr.tape(h).shares() if into.name == "w"]
        [(2, 4.0), (1, 4.0), (0, 4.0)]
        """
        loss = self._values[0]
        for into, through, share in shares(loss, seed_of(loss)):
            yield self._node_of[into], self._node_of[through], share

    def subgraph(self, of: Any = None, steps: Any = None, module: str | None = None) -> Graph:
        """Part of this graph, to look at it alone; what it reads of the rest becomes a leaf that keeps name and numbers.

        Parameters
        ----------
        of : Tensor, Node or str, optional
            Keep what feeds this, and nothing else; a name such as ``"h"`` stands for all that are called so.
        steps : int, (int, int) or range, optional
            Keep what ran at these steps.  They count from 0 as in `tr.step`; a pair is the first and the last one.
        module : str, optional
            Keep what ran in this module, or in one inside it, such as ``"LSTM"`` or ``"LSTM.layer0"``.

        Returns
        -------
        Graph
            Its outputs are what was asked `of`, or else what the rest of the graph reads.  Values and gradients, where the
            whole has them or they are asked for, are those of the whole.

        Raises
        ------
        ValueError
            If there is no such tensor, name, step or module; the message lists what there is.
        TypeError
            If nothing is asked for, or in another form.

        Examples
        --------
        >>> import tinyrnn as tr
        >>> from tinyrnn import nn
        >>> y, h = nn.RNN(2, 3)(tr.ones(5, 1, 2))
        >>> part = tr.tape(y.sum()).subgraph(of="h", steps=(2, 3))
        >>> [(node.name, node.step) for node in part.nodes if node.cut]
        [('h', 1)]
        >>> part.outputs
        (<10 h @2>, <15 h @3>)
        """
        from .subgraph import subgraph

        return subgraph(self, of, steps, module)

    def fold(self) -> Fold:
        """This graph, folded over time: a few loops, each with one body, whatever the number of steps (see `Fold`).

        Examples
        --------
        >>> import tinyrnn as tr
        >>> w, h = tr.Parameter(0.5, name="w"), tr.Parameter(1.0, name="h")
        >>> for t in range(100):
        ...     with tr.step(t):
        ...         h, = tr.named(h=tr.tanh(w * h))
        >>> (loop,) = tr.tape(h).fold().loops
        >>> loop.body, loop.steps
        ((<mul @t>, <h @t>), range(0, 100))
        """
        return self._fold

    @cached_property
    def _fold(self) -> Fold:
        from .folding import fold

        return fold(self)

    def render(self, path: str, **options: Any) -> str:
        """Draw the unrolled graph into a file; the suffix picks svg, pdf, png or html (see `tinyrnn.render.render`).

        Examples
        --------
        >>> import tempfile
        >>> import tinyrnn as tr
        >>> w, h = tr.Parameter(0.5, name="w"), tr.Parameter(1.0, name="h")
        >>> for t in range(3):
        ...     with tr.step(t):
        ...         h, = tr.named(h=tr.tanh(w * h))
        >>> path = tr.tape(h).render(tempfile.gettempdir() + "/unrolled.svg", gradients=True)
        """
        from .. import render

        return render.render(self, path, **options)

    def dot(self, **options: Any) -> Any:
        """The drawing as a `graphviz.Source`, every position pinned (see `tinyrnn.render.dot`)."""
        from .. import render

        return render.dot(self, **options)

    def rolled(self, **options: Any) -> Any:
        """The drawing with one step that stands for all, and delays for what it hands to the next one.

        Parameters
        ----------
        **options
            As for `render`.

        Returns
        -------
        tinyrnn.render.Rolled
            It shows itself in notebooks; ``render(path)`` writes it into a file, ``dot()`` gives a `graphviz.Source`.

        Examples
        --------
        >>> import tempfile
        >>> import tinyrnn as tr
        >>> from tinyrnn import nn
        >>> y, h = nn.RNN(2, 3)(tr.ones(100, 1, 2))
        >>> path = tr.tape(y.sum()).rolled().render(tempfile.gettempdir() + "/rolled.svg")
        """
        from .. import render

        return render.Rolled(self, **options)

    def _repr_svg_(self) -> str:
        from .. import render

        return render.svg(self)


def tape(*outputs: Value, values: bool = False, gradients: bool = False, backward: bool = False) -> Graph:
    """Snapshot all that `outputs` depend on.

    Parameters
    ----------
    *outputs : Tensor
        A loss; or also its gradients, if their history was recorded (``create_graph=True``).
    values : bool
        Whether the nodes keep their arrays.
    gradients : bool
        Whether to differentiate the first output, which must be a scalar, and keep each node's gradient.
    backward : bool
        Whether to record the backward pass of the first output and put it on the tape, too.  The gradients of all trainable
        leaves then follow the first output, in the order of the leaves.  Nobody's `grad` is touched.

    Raises
    ------
    RuntimeError
        If the history has been released, or has nothing to differentiate though gradients are asked for.
    TypeError
        If an output is no Tensor.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> w = tr.Parameter(2.0, name="w")
    >>> tr.tape(w * w + 1.0).nodes
    (<0 w>, <1 mul>, <2 add>)
    """
    for output in outputs:
        if not isinstance(output, Value):
            raise TypeError(f"tape: expected Tensors, not {type(output).__name__}")
    if not outputs:
        raise TypeError("tape: give at least one Tensor")
    flow, whole = _gradients(outputs[0]) if gradients else ({}, {})
    with collector_paused():
        if backward:
            outputs = (outputs[0], *_recorded_gradients(outputs[0]), *outputs[1:])
        here().end_step()
        made, nodes = _snapshot(history(*outputs), whole, values)
    norms = {(nodes[into], nodes[through]): norm for (into, through), norm in flow.items()} if gradients else None
    targets = tuple(nodes.get(summed(output)) for output in outputs)
    return Graph(tuple(made), tuple(nodes[output] for output in outputs), targets, norms, outputs, nodes)


def _snapshot(recorded: list[Value], whole: Mapping[Value, Any], values: bool) -> tuple[list[Node], dict[Any, Node]]:
    """The nodes of a history, and which of them shows each value, or bare array by its id."""
    keys = Keys(recorded)
    same, adjoint = whole_gradients(recorded, keys)
    made: list[Node] = []
    nodes: dict[Any, Node] = {}  # the sums that add nothing up share the node of their term
    for value in recorded:
        op, attrs, data = value.op, value.attrs, value.data
        if op is RELEASED:
            raise RuntimeError(f"{identify(value)} has let its history go in backward(release=True): take the tape before that")
        if value in same:
            nodes[value] = nodes[same[value]]
            continue
        node: Any = Draft()
        node.inputs = tuple([nodes[a] if isinstance(a, Value) else _bare(a, nodes, made, keys, values) for a in value.args])
        node.index = len(made)
        node.op, node.attrs = op and op.name, attrs or {}
        node.shape, node.dtype = (None, None) if isinstance(data, tuple) else (data.shape, data.dtype)
        node.name = value.name
        node.scope, node.step, node.loop, pull = value.place
        node.ordinal, node.key, node.moment = value.ordinal, keys.key(value), keys.moment(value)
        if pull is None:
            node.of = node.into = node.adjoint = None
            node.sweep = 0
        else:
            node.of, node.into, node.sweep = nodes.get(pull.of), pull.into, keys.sweeps.get(value, 0)
            node.adjoint = nodes.get(adjoint.get(value))
        node.trainable, node.differentiable = op is None and value.requires_grad, value.requires_grad
        node.carried = value.carried
        node.cut = node.severed = attrs is SEVERED
        node.value = data if values else None
        node.gradient = whole.get(value)
        node.__class__ = Node
        made.append(node)
        nodes[value] = node
    return made, nodes


def _recorded_gradients(loss: Value) -> list[Value]:
    """The gradients of all trainable leaves of a loss, with the history of how they were computed."""
    found = differentiate(loss, create_graph=True)
    return [found[leaf] for leaf in sorted(found, key=attrgetter("serial"))]


def _bare(a: Any, nodes: dict[Any, Node], made: list[Node], keys: Keys, values: bool) -> Node | Constant:
    """What was passed without being a Value: a number, or an array, which is one leaf however often it is passed."""
    if getattr(a, "ndim", 0) == 0:
        return Constant(a)
    if id(a) not in nodes:
        nodes[id(a)] = node = Node(
            index=len(made),
            op=None,
            inputs=(),
            attrs={},
            shape=tuple(a.shape),
            dtype=a.dtype,
            key=keys.key(id(a)),
            moment=keys.moment(id(a)),
            value=a if values else None,
        )
        made.append(node)
    return nodes[id(a)]


def _gradients(loss: Value) -> tuple[dict[tuple[Value, Value], float], dict[Value, Any]]:
    """For each use, the norm of the share it carries back; for each value, its whole gradient."""
    parts: dict[tuple[Value, Value], Any] = {}
    seed = seed_of(loss)
    whole: dict[Value, Any] = {loss: seed}
    for into, through, share in shares(loss, seed):
        use = into, through
        parts[use] = parts[use] + share if use in parts else share
        if not isinstance(into.data, tuple):
            whole[into] = whole[into] + share if into in whole else share
    return {use: backend.norm(share) for use, share in parts.items()}, whole
