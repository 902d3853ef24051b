"""The tape: nodes, names, places, constants and leaves; values and gradients on request; what it refuses."""

import dataclasses

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn
from tinyrnn.tape import Constant, Graph, Node


@pytest.fixture
def loss():
    tr.manual_seed(0)
    layer = nn.LSTM(2, 3)
    y, _ = layer(tr.randn(4, 2, 2))
    return (y * y).mean()


def by_name(graph):
    return {node.name: node for node in graph.nodes if node.name}


def test_nodes_are_in_the_order_of_their_making_inputs_first():
    w = tr.Parameter(2.0, name="w")
    graph = tr.tape(w * w + 1.0)
    assert [node.op for node in graph.nodes] == [None, "mul", "add"]
    assert [node.index for node in graph.nodes] == [0, 1, 2]
    leaf, product, total = graph.nodes
    assert product.inputs == (leaf, leaf)
    assert total.inputs == (product, Constant(1.0))
    assert graph.outputs == (total,)
    assert repr(leaf) == "<0 w>" and repr(total) == "<2 add>"


def test_every_input_comes_before_its_reader(loss):
    for node in tr.tape(loss).nodes:
        assert all(a.index < node.index for a in node.inputs if isinstance(a, Node))


def test_what_a_node_knows(loss):
    graph = tr.tape(loss)
    names = by_name(graph)
    w = names["W_h"]
    assert (w.op, w.shape, w.dtype, w.trainable, w.differentiable) == (None, (3, 12), np.float32, True, True)
    inputs = [node for node in graph.nodes if node.op is None and node.shape == (2, 2)]
    assert len(inputs) == 4 and not any(node.trainable or node.differentiable for node in inputs)
    h = [node for node in graph.nodes if node.name == "h" and node.op]
    assert [(node.step, node.op, node.carried) for node in h] == [(t, "mul", True) for t in range(4)]
    assert {node.scope for node in h} == {("LSTM", "layer0")} and len({node.loop for node in h}) == 1
    assert len({node.ordinal for node in h}) == 1
    bundles = [node for node in graph.nodes if node.op == "split"]
    assert all((node.shape, node.dtype) == (None, None) for node in bundles)
    assert all(node.attrs["sizes"] == (3, 3, 3, 3) for node in bundles)


def test_numbers_are_constants_and_a_bare_array_is_one_leaf_however_often_it_is_passed():
    w, x = tr.Parameter([1.0, 2.0]), np.array([3.0, 4.0], "float32")
    graph = tr.tape((w * x + x - 2.0).sum())
    leaves = [node for node in graph.nodes if node.op is None]
    assert len(leaves) == 2
    bare = next(node for node in leaves if not node.trainable)
    assert (bare.shape, bare.dtype) == ((2,), np.float32)
    readers = [node.op for node in graph.nodes if bare in node.inputs]
    assert readers == ["mul", "add"]
    constants = [a.value for node in graph.nodes for a in node.inputs if isinstance(a, Constant)]
    assert constants == [2.0]


def test_it_is_frozen(loss):
    graph = tr.tape(loss)
    for change in (
        lambda: setattr(graph, "nodes", ()),
        lambda: setattr(graph.nodes[0], "name", "other"),
        lambda: graph.nodes[0].inputs.append(None),
    ):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
            change()
    before = len(graph.nodes)
    (loss * 2).backward(release=True)
    assert len(graph.nodes) == before and graph.nodes[-1].op == "div"  # it outlives the history


def test_values_on_request(loss):
    assert all(node.value is None for node in tr.tape(loss).nodes)
    graph = tr.tape(loss, values=True)
    np.testing.assert_array_equal(graph.outputs[0].value, loss.numpy())
    assert all(np.shape(node.value) == node.shape for node in graph.nodes if node.shape is not None and node.op)


def test_gradients_on_request_are_those_of_backward(loss):
    graph = tr.tape(loss, gradients=True)
    leaves = {v.name: v for v in tr.graph.history(loss) if v.op is None and v.requires_grad}
    assert all(v.grad is None for v in leaves.values())  # asking for them touches no .grad
    loss.backward()
    names = {node.name: node for node in graph.nodes if node.trainable}
    assert set(names) == set(leaves) == {"W_x", "W_h", "b"}
    for name, leaf in leaves.items():
        np.testing.assert_allclose(names[name].gradient, leaf.grad.numpy(), rtol=1e-5, atol=1e-8)
    assert graph.outputs[0].gradient == 1.0


def test_gradients_of_states_and_norms_of_uses():
    w, h, states = tr.Parameter(np.array(0.5), name="w"), tr.tensor(np.array(1.0)), []
    for t in range(3):
        with tr.step(t):
            h = h * w
            states.append(h)
    graph = tr.tape(h, gradients=True)
    products = [node for node in graph.nodes if node.op == "mul"]
    assert [float(node.gradient) for node in products] == [0.25, 0.5, 1.0]
    assert [g.item() for g in tr.grad(h, states)] == [0.25, 0.5, 1.0]
    weight = next(node for node in graph.nodes if node.trainable)
    norms = [graph.flow[weight, node] for node in products]
    np.testing.assert_allclose(norms, [0.25, 0.25, 0.25])
    assert float(weight.gradient) == 0.75


def test_a_value_used_twice_by_one_operation():
    w = tr.Parameter(np.array([3.0, 4.0]))
    graph = tr.tape((w * w).sum(), gradients=True)
    leaf, product, _ = graph.nodes
    assert graph.flow[leaf, product] == pytest.approx(np.hypot(6.0, 8.0))
    np.testing.assert_allclose(leaf.gradient, [6.0, 8.0])


def test_with_gradients_fills_in_what_is_missing(loss):
    graph = tr.tape(loss)
    assert graph.flow is None
    filled = graph.with_gradients()
    assert filled.flow is not None and filled.with_gradients() is filled
    assert len(filled.nodes) == len(graph.nodes)


def test_the_shares_of_each_value_add_up_to_its_gradient_and_come_youngest_use_first(loss):
    graph = tr.tape(loss, gradients=True)
    sums, uses = {}, []
    for into, through, share in graph.shares():
        assert into in through.inputs
        uses.append(through.index)
        if into.shape is not None:
            sums[into] = sums.get(into, 0) + share
    assert uses == sorted(uses, reverse=True)
    weights = [node for node in graph.nodes if node.trainable]
    assert len(weights) == 3
    for node, total in sums.items():
        np.testing.assert_array_equal(total, node.gradient)
    with pytest.raises(RuntimeError, match="requires a gradient"):
        next(tr.tape(tr.tensor(1.0)).shares())


def test_a_recorded_backward_pass_is_on_the_tape():
    w = tr.Parameter(np.array(0.5), name="w")
    h = tr.tensor(np.array(1.0))
    for t in range(3):
        with tr.step(t):
            h = tr.tanh(h * w)
    g = tr.grad(h, w, create_graph=True)
    graph = tr.tape(h, g)
    backward = [node for node in graph.nodes if node.backward]
    assert backward and all(node.of in graph.nodes for node in backward)
    assert graph.outputs[0].op == "tanh" and graph.outputs[1].backward
    assert {node.step for node in backward if node.into is not None} == {0, 1, 2}
    assert all(node.step == node.of.step for node in backward if node.into is not None)
    leaf = next(node for node in graph.nodes if node.trainable)
    final = graph.outputs[1]
    assert (final.op, final.of, final.into, len(final.inputs)) == ("total", leaf, None, 3)  # the Σ over time


def test_recording_puts_even_constants_on_the_tape():
    with tr.recording():
        y = tr.tensor([1.0]) * 2.0
    node = tr.tape(y).outputs[0]
    assert node.op == "mul" and not node.differentiable


def test_what_it_refuses():
    w = tr.Parameter(1.0)
    with pytest.raises(TypeError, match="expected Tensors, not float"):
        tr.tape(1.0)
    with pytest.raises(TypeError, match="give at least one"):
        tr.tape()
    y = tr.tanh(w * 2)
    y.backward(release=True)
    with pytest.raises(RuntimeError, match=r"has let its history go .*take the tape before that"):
        tr.tape(y)
    with pytest.raises(RuntimeError, match="nothing that requires a gradient"):
        tr.tape(tr.tensor(1.0), gradients=True)
    with pytest.raises(ValueError, match="is no scalar"):
        tr.tape(tr.Parameter([1.0, 2.0]) * 2, gradients=True)


def test_graphs_of_many_steps():
    layer = nn.RNN(2, 2)
    y, _ = layer(tr.ones(2_000, 1, 2))
    graph = tr.tape(y.sum())
    assert isinstance(graph, Graph) and len(graph.nodes) > 10_000


def test_graphs_and_folds_show_themselves_in_a_few_lines():
    """A notebook keeps what it shows: of a long sequence no list of all its nodes."""
    y, _ = nn.RNN(2, 3)(tr.ones(200, 1, 2))
    graph = tr.tape(tr.sum(y))
    assert repr(graph) == f"<Graph of {len(graph.nodes):,} nodes>" and repr(graph.subgraph(steps=1)).startswith("<Subgraph of ")
    assert repr(graph.fold()) == str(graph.fold())
