"""The recorded backward pass on the tape: its outputs, its places, its sums, and that it leaves every grad alone."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn
from tinyrnn.tape import Constant


def lstm_loss(steps=3):
    tr.manual_seed(0)
    y, _ = nn.LSTM(2, 3)(tr.randn(steps, 2, 2))
    return tr.mean(y * y)


def test_outputs_are_the_loss_and_the_gradients_of_the_leaves_in_their_order():
    loss = lstm_loss()
    leaves = [v for v in tr.graph.history(loss) if v.op is None and v.requires_grad]
    graph = tr.tape(loss, backward=True, values=True)
    assert [node and node.name for node in graph.targets] == [None, *(leaf.name for leaf in leaves)]
    assert all(leaf.grad is None for leaf in leaves)
    loss.backward()
    for output, leaf in zip(graph.outputs[1:], leaves, strict=True):
        np.testing.assert_allclose(output.value, leaf.grad.numpy(), rtol=1e-5, atol=1e-7)
        assert output.backward and output.op == "total" and len(output.inputs) == 3


def test_with_backward_adds_it_once_and_keeps_other_outputs():
    loss = lstm_loss()
    extra = tr.tanh(loss)
    graph = tr.tape(loss, extra, values=True)
    full = graph.with_backward()
    assert full is graph.with_backward() and full.with_backward() is full
    assert [node.op for node in full.outputs] == ["div", "total", "total", "total", "tanh"]
    assert full.outputs[-1].value is not None and full.flow is None
    assert [n.op for n in full.nodes if not n.backward] == [n.op for n in graph.nodes]


def test_gradients_that_the_caller_recorded_are_not_computed_again():
    w, v = tr.Parameter(np.array(0.5), name="w"), tr.Parameter(np.array(2.0), name="v")
    loss = tr.tanh(w * v)
    complete = tr.tape(loss, *tr.grad(loss, [w, v], create_graph=True))
    assert complete.with_backward() is complete
    some = tr.tape(loss, tr.grad(loss, w, create_graph=True))
    full = some.with_backward()
    assert [node and node.name for node in full.targets] == [None, "w", "v"]
    assert len(full.nodes) == len(complete.nodes)


def test_every_position_on_the_tape_is_the_index():
    graph = tr.tape(lstm_loss(), backward=True)
    assert [node.index for node in graph.nodes] == list(range(len(graph.nodes)))
    assert all(a.index < node.index for node in graph.nodes for a in node.inputs if not isinstance(a, Constant))


def test_sums_of_one_share_are_seen_through_unless_paths_meet_at_another_step():
    graph = tr.tape(lstm_loss(), backward=True)
    sums = [node for node in graph.nodes if node.op == "total"]
    assert {(node.of.name, len(node.inputs)) for node in sums} == {
        *(("h", 1), ("h", 2), ("c", 1), ("c", 2)),  # at the last step nothing comes back from a later one
        *((None, 2),),  # y * y
        *((name, 3) for name in ("W_x", "W_h", "b")),
    }
    assert all(node.adjoint is node.of for node in sums)


def test_adjoints_are_whole_gradients():
    loss = lstm_loss()
    values = {v.serial: v for v in tr.graph.history(loss)}
    graph = tr.tape(loss, backward=True, values=True)
    forward = [node for node in graph.nodes if not node.backward]
    whole = tr.autodiff.differentiate(loss, wanted=[v for v in values.values() if v.requires_grad and v.op])
    expected = {id(v.data): g for v, g in whole.items()}
    adjoints = [node for node in graph.nodes if node.adjoint is not None]
    assert {node.adjoint.name for node in adjoints} >= {"i", "f", "g", "o", "c", "h", "W_x", "W_h", "b"}
    for node in adjoints:
        assert node.adjoint in forward
        np.testing.assert_allclose(node.value, expected[id(node.adjoint.value)], rtol=1e-5, atol=1e-8)


def test_one_operation_has_one_key_at_all_steps():
    graph = tr.tape(lstm_loss(4), backward=True)
    by_key = {}
    for node in graph.nodes:
        if node.step is not None:
            by_key.setdefault(node.key, []).append(node)
    for team in by_key.values():
        assert len({node.step for node in team}) == len(team)
        assert len({(node.op, node.scope, node.loop, node.sweep) for node in team}) == 1
    lengths = sorted(len(team) for team in by_key.values())
    assert lengths[0] == 3 and lengths[-1] == 4  # what flows on to the step before is missing at the first


def test_the_second_derivative_is_a_sweep_of_its_own():
    w, h = tr.Parameter(np.array(0.5), name="w"), tr.tensor(np.array(1.0))
    for t in range(3):
        with tr.step(t):
            h = tr.tanh(h * w)
    g = tr.grad(h, w, create_graph=True)
    graph = tr.tape(g * g, backward=True)
    assert {node.sweep for node in graph.nodes} == {0, 1, 2}
    forward_again = [node for node in graph.nodes if node.sweep == 2 and node.of.sweep == 0 and node.op == "mul"]
    first = [node for node in graph.nodes if node.sweep == 1 and node.op == "mul"]
    assert {node.key for node in first}.isdisjoint(node.key for node in forward_again)


def test_what_a_graph_cannot_go_back_through():
    with pytest.raises(RuntimeError, match="nothing that requires a gradient"):
        tr.tape(tr.tensor(1.0), backward=True)
    with pytest.raises(ValueError, match="is no scalar"):
        tr.tape(tr.Parameter([1.0, 2.0]) * 2).with_backward()
