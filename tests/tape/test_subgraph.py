"""Parts of a graph: what is kept, what becomes a leaf, whose numbers they have, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.tape import Node


def loss_of(layer, steps=5):
    tr.manual_seed(0)
    y, _ = layer(tr.randn(steps, 2, 3))
    return tr.mean(y * y)


@pytest.fixture
def graph():
    return tr.tape(loss_of(nn.LSTM(3, 4, 2)))


def operations(graph):
    return [node for node in graph.nodes if node.op]


def check_sound(graph):
    """Numbered, inputs first, every input in the graph."""
    assert [node.index for node in graph.nodes] == list(range(len(graph.nodes)))
    for node in graph.nodes:
        assert all(graph.nodes[i.index] is i and i.index < node.index for i in node.inputs if isinstance(i, Node))
        assert not node.cut or (node.op is None and node.inputs == ())
    assert all(graph.nodes[node.index] is node for node in graph.outputs)


def test_steps_count_from_0_and_a_pair_has_both_ends(graph):
    part = graph.subgraph(steps=(2, 4))
    check_sound(part)
    assert {node.step for node in operations(part)} == {2, 3, 4}
    for same in (range(2, 5), range(4, 1, -1), [2, 4]):
        assert len(graph.subgraph(steps=same).nodes) == len(part.nodes)
    assert {node.step for node in operations(graph.subgraph(steps=3))} == {3}
    whole = [node for node in operations(graph) if node.step in (2, 3, 4)]
    assert [node.op for node in operations(part)] == [node.op for node in whole]


def test_what_is_cut_off_is_a_leaf_with_its_name(graph):
    part = graph.subgraph(steps=(2, 4))
    cut = [(node.name, node.step, node.scope) for node in part.nodes if node.cut]
    layers = ("LSTM", "layer0"), ("LSTM", "layer1")
    assert sorted(cut) == sorted((name, 1, layer) for name in "hc" for layer in layers)
    weights = [node.name for node in part.nodes if node.trainable]
    assert sorted(weights) == ["W_h", "W_h", "W_x", "W_x", "b", "b"]


def test_an_element_of_a_sequence_is_called_like_the_sequence():
    w = tr.Parameter(np.eye(3, dtype="float32"), name="W")
    xs = tr.named(x=tr.ones(4, 2, 3) @ w)[0]
    y, _ = nn.RNN(3, 4)(xs)
    part = tr.tape(tr.sum(y)).subgraph(steps=(1, 2))
    assert [(node.name, node.op) for node in part.nodes if node.cut and node.name != "h"] == [("x", None)] * 2


def test_the_outputs_are_what_the_rest_reads(graph):
    part = graph.subgraph(steps=(2, 3), module="LSTM.layer1")
    check_sound(part)
    assert [(node.name, node.step) for node in part.outputs] == [("h", 2), ("c", 3), ("h", 3)]


def test_a_module_and_those_inside_it(graph):
    lower, upper, both = (graph.subgraph(module=name) for name in ("LSTM.layer0", "LSTM.layer1", "LSTM"))
    assert {node.scope for node in operations(lower)} == {("LSTM", "layer0")}
    cut = {(node.name, node.step) for node in upper.nodes if node.cut}
    assert cut == {("h", t) for t in range(5)}  # of the layer below
    assert len(operations(both)) > len(operations(lower)) + len(operations(upper))  # the stack of the outputs belongs to neither
    assert [node.op for node in both.outputs] == ["stack"]


def test_what_feeds_a_tensor(graph):
    part = graph.subgraph(of="c")
    check_sound(part)
    assert {(node.name, node.step) for node in part.outputs} == {("c", t) for t in range(5)}
    assert not any(node.cut for node in part.nodes)
    first = graph.subgraph(of="c", steps=0, module="LSTM.layer0")
    (c,) = first.outputs
    assert (c.name, c.step) == ("c", 0) and all(node.step == 0 for node in operations(first))


def test_a_tensor_a_node_and_a_name_mean_the_same():
    w, h, states = tr.Parameter(np.eye(2), name="w"), tr.tensor(np.ones((1, 2))), []
    for t in range(4):
        with tr.step(t):
            h = tr.tanh(h @ w)
            states.append(h)
    tr.named(middle=states[1])
    graph = tr.tape(tr.sum(h))
    node = next(node for node in graph.nodes if node.name == "middle")
    for same in (states[1], node, "middle"):
        part = graph.subgraph(of=same)
        check_sound(part)
        assert len(operations(part)) == 4 and part.outputs[0].name == "middle"
    assert graph.subgraph(of=h).subgraph(of=states[1]).outputs[0].name == "middle"
    assert len(graph.subgraph(of="w").nodes) == len(graph.subgraph(of=w).nodes) == 1


def test_values_gradients_and_flow_are_those_of_the_whole(graph):
    part, whole = graph.subgraph(steps=(2, 3)), graph.with_gradients()
    assert part.flow is None and all(node.value is None for node in part.nodes)
    filled = part.with_gradients()
    assert filled.with_gradients() is filled and len(filled.nodes) == len(part.nodes)
    for name, step in (("h", 1), ("c", 1), ("c", 2), ("h", 3)):
        ours = [node for node in filled.nodes if (node.name, node.step) == (name, step)]
        theirs = [node for node in whole.nodes if (node.name, node.step) == (name, step)]
        assert len(ours) == len(theirs) == 2
        for one, other in zip(ours, theirs):
            np.testing.assert_array_equal(one.value, other.value)
            np.testing.assert_array_equal(one.gradient, other.gradient)
    sizes = sorted(size for (_, through), size in whole.flow.items() if through.step in (2, 3))
    assert sorted(filled.flow.values()) == sizes
    assert all(a in filled.nodes and b in filled.nodes for a, b in list(filled.flow)[:20])
    assert all(node.value is not None for node in part.with_values().nodes if node.cut)


def test_a_part_of_a_part(graph):
    part = graph.subgraph(module="LSTM.layer0").subgraph(steps=(1, 2))
    check_sound(part)
    assert {(node.scope, node.step) for node in operations(part)} == {(("LSTM", "layer0"), 1), (("LSTM", "layer0"), 2)}
    assert part.with_gradients().flow


def test_the_backward_pass_of_some_steps():
    w = tr.Parameter(np.array(0.5), name="w")
    h = tr.tensor(np.array(1.0))
    for t in range(4):
        with tr.step(t):
            h = tr.tanh(h * w)
    part = tr.tape(h, tr.grad(h, w, create_graph=True)).subgraph(steps=(1, 2))
    check_sound(part)
    backward = [node for node in part.nodes if node.backward]
    assert {node.step for node in operations(part)} == {1, 2} and backward
    assert all(part.nodes[node.of.index] is node.of for node in backward)


def test_the_backward_pass_of_what_feeds_a_tensor(graph):
    part = graph.subgraph(of="c", steps=(1, 2))
    both = part.with_backward()
    check_sound(both)
    assert both.with_backward() is both and both.outputs[: len(part.outputs)] == both.outputs[:4]
    forward = [node for node in operations(both) if not node.backward]
    assert len(forward) == len(operations(part))
    backward = [node for node in operations(both) if node.backward]
    assert backward and all(node.of in both.nodes and node.step in (1, 2) for node in backward)


def test_shares_of_a_part(graph):
    part = graph.subgraph(steps=(1, 2), module="LSTM.layer0")
    found = [(into.name, through.step) for into, through, _ in part.shares() if into.trainable]
    assert sorted(found) == sorted((name, t) for name in ("W_x", "W_h", "b") for t in (1, 2))


def test_drawn_where_it_is_cut():
    part = tr.tape(loss_of(nn.LSTM(3, 4), 6)).subgraph(steps=(2, 4))
    drawing = render.draw(part, gradients=True)
    states = [(box.label.text, box.time) for box in drawing.boxes if box.role == "state" and box.tip]
    assert sorted(states) == [(name, t) for name in "ch" for t in (2, 3, 4, 5)]
    assert [text.text for text in drawing.texts if text.text.startswith("t =")] == ["t = 3", "t = 4", "t = 5"]
    left = min((box for box in drawing.boxes if box.tip), key=lambda box: box.x)
    assert (left.role, left.time) == ("state", 2)


def test_what_another_module_made_at_the_same_step_is_an_input(graph):
    boxes = render.draw(graph.subgraph(module="LSTM.layer1", steps=(1, 2))).boxes
    inputs = [(box.label.text, box.time) for box in boxes if box.role == "input" and box.tip]
    assert sorted(inputs) == [("h", 2), ("h", 3)]


@pytest.mark.parametrize(
    "what, error, message",
    [
        ({}, TypeError, "say what to keep: of=, steps= or module="),
        ({"steps": (2, 7)}, ValueError, "no step 7: steps count from 0, here from 0 to 4"),
        ({"steps": -1}, ValueError, "no step -1"),
        ({"steps": "3"}, TypeError, r"expected a step, a pair \(first, last\) or a range"),
        ({"steps": (4, 2)}, TypeError, "expected a step, a pair"),
        ({"steps": True}, TypeError, "expected a step"),
        ({"steps": range(0)}, TypeError, "expected a step"),
        (
            {"module": "LSTM.layer2"},
            ValueError,
            "no operation ran in a module 'LSTM.layer2': there are 'LSTM.layer1', ",
        ),
        ({"module": "LSTM.layer"}, ValueError, "no operation ran"),
        ({"module": 3}, TypeError, "module is a int, expected its name"),
        ({"of": "hh"}, ValueError, "nothing is called 'hh': there are 'h', "),
        ({"of": 3.0}, TypeError, "of is a float, expected a Tensor, a node or the name of one"),
        ({"of": "h", "module": "LSTM.layer0.x"}, ValueError, "no operation ran in a module"),
    ],
)
def test_what_it_refuses(graph, what, error, message):
    with pytest.raises(error, match=f"subgraph: .*{message}"):
        graph.subgraph(**what)


def test_refusals_that_need_their_own_graph(graph):
    with pytest.raises(ValueError, match=r"'other' of shape .* is not in the graph"):
        graph.subgraph(of=tr.tensor(1.0, name="other"))
    with pytest.raises(ValueError, match="is a node of another graph"):
        graph.subgraph(of=tr.tape(tr.Parameter(1.0) * 2).nodes[-1])
    with pytest.raises(ValueError, match="the graph has no time steps"):
        tr.tape(tr.Parameter(1.0) * 2).subgraph(steps=0)
    with pytest.raises(ValueError, match="the graph has no modules"):
        tr.tape(tr.Parameter(1.0) * 2).subgraph(module="LSTM")
    node = next(node for node in graph.nodes if node.name == "h" and node.step == 4)
    with pytest.raises(ValueError, match=r"'h' is not computed there, but in LSTM.layer\d, step 4"):
        graph.subgraph(of=node, steps=(0, 1))
    with pytest.raises(ValueError, match="'W_h' is a leaf, which no step and no module computes"):
        graph.subgraph(of="W_h", steps=(0, 1))


# -- any tensor, not only a loss ---------------------------------------------------------------------------------


def outputs():
    w = tr.Parameter(np.ones((2, 2)), name="w")
    y, (h, c) = nn.LSTM(3, 4)(tr.ones(3, 2, 3))
    with tr.recording():
        integers = tr.argmax(y, axis=-1)
    return {
        "sequence": (y,),
        "states": (h, c),
        "all": (y, h, c, tr.mean(y)),
        "element": (y[1],),
        "integers": (integers,),
        "scalar": (tr.sum(w),),
        "parameter": (w,),
        "parameters": (w, tr.Parameter(1.0, name="v")),
        "number": (tr.tensor(1.0),),
        "symbols": (tr.tensor([1, 2, 3]),),
        "twice": (h, h),
        "with a leaf": (tr.mean(y), w),
    }


@pytest.mark.parametrize("kind", outputs())
def test_any_tensor_is_drawn(kind, tmp_path):
    tensors = outputs()[kind]
    path = tr.tape(*tensors).render(str(tmp_path / "x.svg"), shapes=True, values=True)
    assert "<svg" in Path(path).read_text(encoding="utf-8")
    boxes = [box for box in render.draw(tr.tape(*tensors)).boxes if box.tip]
    assert len(boxes) >= len(set(tensors))
