"""Folding over time: faithful at every length, and of one size at all but the shortest."""

import dataclasses
import gc
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinyrnn as tr
from tests.render.models import MODELS
from tests.tape.networks import NETWORKS, H, N
from tinyrnn import nn
from tinyrnn.graph import at, here
from tinyrnn.nn.over_time import unroll as unroll_cell
from tinyrnn.tape import Affine, At, Constant, Delayed, Every, Fixed, Table, faithful

ALL = {**MODELS, **NETWORKS}
LENGTHS = (1, 2, 3, 4, 7, 40)
GROWING = {
    "no steps",
    "attention over the past",
    "truncated often",
    "changed at random",
}  # what differs from step to step stays unrolled
VARYING = {
    "growing sum",
    "every third loss",
    "truncated",
}  # the body has a wire for each later step, or depends on the last steps


def recorded(name, steps, backward=False):
    with at(here().place):  # no loop of an earlier test is gone on with
        return tr.tape(ALL[name](steps), backward=backward)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("name", ALL)
def test_a_fold_is_the_graph_and_no_larger_when_the_sequence_is_longer(name, backward):
    sizes = {}
    for steps in LENGTHS:
        graph = recorded(name, steps, backward)
        fold = graph.fold()
        assert fold is graph.fold()
        assert faithful(fold, graph)
        sizes[steps] = len(fold.operations)
    assert (sizes[7] == sizes[40]) == (name not in GROWING) or (name == "attention over the past" and not backward)


def body(operation):
    """An operation as it is told apart from others: what it does, and what it reads, wherever that is."""
    wires = []
    for wire in operation.wires:
        source = getattr(wire, "source", None)
        delay = getattr(wire, "delay", None)
        wires.append((type(wire).__name__, delay, source and (source.op, source.name, source.scope)))
    return operation.op, operation.name, operation.scope, tuple(wires)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("name", sorted(ALL.keys() - GROWING - VARYING))
def test_graphs_of_one_network_have_the_same_bodies_in_the_same_order_at_every_length(name, backward):
    bodies = []
    for steps in (8, 9, 14):
        loops = recorded(name, steps, backward).fold().loops
        bodies.append([[body(o) for o in loop.body] for loop in loops])
    if "odd" in name or "halfway" in name or name == "truncated once":  # the same but for where the odd step is
        assert [len(b) for b in bodies[0]] == [len(b) for b in bodies[1]] == [len(b) for b in bodies[2]]
    else:
        assert bodies[0] == bodies[1] == bodies[2]


def test_two_steps_fold_into_the_body_of_many():
    for name in ("rnn", "lstm", "gru", "gru_before", "lstm2", "bidirectional2", "encoder_decoder", "own_cell", "tokens"):
        two, many = (recorded(name, steps, backward=True).fold() for steps in (2, 40))
        assert [len(loop.body) for loop in two.loops] == [len(loop.body) for loop in many.loops]
        assert not two.strays


def test_a_network_of_one_step_has_no_part_in_the_next_one():
    with at(here().place):
        folds = [tr.tape(MODELS["stepwise"](steps)).fold() for steps in (1, 2, 1, 4)]
    assert [len(fold.loops) for fold in folds] == [0, 1, 0, 1]
    assert not any(fold.strays for fold in folds)
    with at(here().place):  # without a tape in between, to come back to a step is to go on with it
        w, h = tr.Parameter(2.0), tr.tensor(1.0)
        for t in range(3):
            with tr.step(t):
                h = h * w
            with tr.step(t):
                h = h + w
    (loop,) = tr.tape(h).fold().loops
    assert [o.op for o in loop.body] == ["mul", "add"]


def test_what_an_lstm_folds_into():
    fold = recorded("lstm", 40, backward=True).fold()
    forward, backward = fold.loops
    assert forward.steps == range(40) and backward.steps == range(39, -1, -1)
    h, c = (next(o for o in forward.body if o.name == name) for name in "hc")
    product, keep = (o for o in forward.body if any(w == Delayed(s, 1) for w in o.wires for s in (h, c)))
    assert (product.op, keep.op) == ("matmul", "mul") and Delayed(c, 1) in keep.wires
    (initial,) = h.initial.values()
    assert list(h.initial) == [-1] and isinstance(initial, Fixed) and initial.source.op is None
    delta = next(o for o in backward.body if o.adjoint is h)
    assert delta.summed and {w.delay for w in delta.wires} == {0, -1} and delta.op == "total"
    assert [target and target.name for target in fold.targets] == [None, "W_x", "W_h", "b"]
    assert all(isinstance(o.wires[0], Every) for o in fold.sections[-1].body if o.op == "total")
    inputs = next(o for o in forward.body if o.op is None)
    assert inputs.steps == tuple(range(40))  # another array at each step


def test_homes_lead_from_nodes_to_operations():
    graph = recorded("lstm", 5, backward=True)
    fold = graph.fold()
    assert set(fold.homes) == set(graph.nodes)
    hs = [node for node in graph.nodes if node.name == "h" and node.step is not None]
    assert [fold.homes[node] for node in hs] == [(fold.homes[hs[0]][0], t) for t in range(5)]
    for node in graph.nodes:
        operation, step = fold.homes[node]
        assert operation.nodes[step] is node and (operation.op, operation.shape) == (node.op, node.shape)


def test_an_index_that_counts_the_steps():
    fold = recorded("stepwise", 6).fold()
    pick = next(o for o in fold.loops[0].body if o.op == "getitem")
    assert pick.attrs["index"] == Affine(1, 0) and pick.attrs["index"](4) == 4


def tampered(fold):
    """Folds that differ from this one in one wire, one attribute or one shape."""
    for o in fold.operations:
        kept = o.wires
        for j, wire in enumerate(kept):
            wrong = []
            if isinstance(wire, Delayed):
                wrong = [Delayed(wire.source, wire.delay + 1), Delayed(o, wire.delay)]
            elif isinstance(wire, Every):
                wrong = [Every(wire.source, wire.steps[1:])]
            elif isinstance(wire, At):
                wrong = [At(wire.source, wire.step - 1)]
            elif isinstance(wire, Constant):
                wrong = [Constant(wire.value + 1)]
            elif isinstance(wire, Table):
                wrong = [Table({t: next(iter(wire.at.values())) for t in wire.at})] if len(set(wire.at.values())) > 1 else []
            for other in (*wrong, None):
                o.wires = kept[:j] + ((other,) if other else ()) + kept[j + 1 :]
                yield fold
            o.wires = kept
        for name, wrong in (("shape", (9,)), ("attrs", {"axis": 7}), ("op", "other")):
            right = getattr(o, name)
            setattr(o, name, wrong)
            yield fold
            setattr(o, name, right)


@pytest.mark.parametrize("name", ["gru", "decoder in reverse", "skip of three", "counting"])
def test_a_wrong_fold_is_noticed(name):
    graph = recorded(name, 6, backward=True)
    fold = graph.fold()
    assert all(not faithful(wrong, graph) for wrong in tampered(fold))
    assert faithful(fold, graph)
    assert not faithful(fold, recorded(name, 6, backward=True))  # nodes of another graph
    assert not faithful(dataclasses.replace(fold, outputs=fold.outputs[::-1]), graph)


def test_what_stayed_unrolled_is_told():
    odd = recorded("odd step", 20).fold()
    assert [str(loop.steps) for loop in odd.loops] == ["range(0, 10)", "range(10, 20)"]
    assert "step 10: matmul: it reads 'sigmoid', the others 'h' of one step before" in odd.describe()
    assert str(odd) == odd.describe()
    text = recorded("lstm", 40, backward=True).fold().describe()
    assert "t = 0 … 39: 19 operations" in text and "t = 39 … 0" in text and "unrolled" not in text
    assert "∂L/∂h" in text and "from step to step: h, c" in text
    often = recorded("truncated often", 300).fold().describe().splitlines()
    assert "  steps 3, 7, 11, 15, 19, 23, …: matmul: it reads 'an array', the others 'h' of one step before" in often
    assert "there is no loop" in recorded("no steps", 4).fold().describe()


def executed(function, folder="/tape/"):
    """How many lines of each function in a folder run."""
    lines = Counter()

    def count(frame, event, _):
        if event == "line":
            lines[frame.f_code.co_qualname] += 1
        return count

    before = sys.gettrace()
    sys.settrace(lambda frame, *_: count if folder in frame.f_code.co_filename else None)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines


def test_folding_takes_linear_time_also_where_steps_differ_at_random():
    short, long = (recorded("changed at random", steps, backward=True) for steps in (30, 150))
    few, many = executed(short.fold), executed(long.fold)
    assert len(long.fold().loops) > 20 and faithful(long.fold(), long)
    per_node = {name: times / len(long.nodes) for name, times in many.items()}
    growth = {name: per_node[name] / (few[name] / len(short.nodes)) for name in few if per_node[name] > 0.3}
    assert len(growth) > 20 and max(growth.values()) < 2.5  # 5 where every step looks at every other


@pytest.mark.parametrize("rounds", [0, 1, 3])
@pytest.mark.parametrize("name", ["odd step", "gradient at each step", "centred after the loop", "truncated often"])
def test_a_fold_is_faithful_also_if_it_runs_out_of_patience(name, rounds, monkeypatch):
    monkeypatch.setattr(sys.modules["tinyrnn.tape.folding"], "ROUNDS", rounds)
    graph = recorded(name, 9, backward=True)
    assert faithful(graph.fold(), graph)


def test_the_garbage_collector_rests_while_nodes_are_made_and_goes_on_in_any_case():
    loss, runs = ALL["lstm"](100), []
    gc.callbacks.append(lambda phase, _: runs.append(phase))
    try:
        graph = tr.tape(loss, backward=True)
        graph.fold()
    finally:
        gc.callbacks.pop()
    assert len(graph.nodes) > 4_000 and runs.count("start") < 5  # and not once for every 700 objects
    assert gc.isenabled()
    w = tr.Parameter(2.0)
    loss = w * w
    loss.backward(release=True)
    with pytest.raises(RuntimeError, match="release"):
        tr.tape(loss)
    assert gc.isenabled()
    gc.disable()
    try:
        tr.tape(w * w).fold()
        assert not gc.isenabled()
    finally:
        gc.enable()


class Random(nn.Module):
    """A cell made of random operations, each of two values that are there."""

    def __init__(self, choices):
        self.choices = choices
        self.W, self.U = (tr.Parameter(np.full((H, H), 0.1)) for _ in "WU")

    def forward(self, x, state):
        values = [x, *state, x @ self.W, state[0] @ self.U]
        for kind, i, j in self.choices:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append((tr.tanh(a), a + b, a * b, a - 0.5, tr.concatenate(tr.split(a + b, 2)[::-1], axis=-1))[kind])
        return values[-1], values[-2]


@settings(max_examples=25, deadline=None)
@given(
    choices=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=8),
    steps=st.integers(2, 9),
    every=st.integers(1, 3),
    layers=st.integers(1, 2),
    reverse=st.booleans(),
)
@np.errstate(all="ignore")  # a random cell may well explode
def test_random_cells_fold_faithfully(choices, steps, every, layers, reverse):
    def graph(steps):
        xs = [tr.tensor(np.full((N, H), 0.1 * t)) for t in range(steps)]
        with at(here().place):
            for layer in range(layers):
                xs, _ = unroll_cell(Random(choices), xs, (np.zeros((N, H)), np.ones((N, H))), reverse=reverse and layer == 1)
            loss = 0.0
            for t in range(0, steps, every):
                loss = loss + tr.sum(xs[t] * xs[t])
        return loss

    loss = graph(steps)
    assume(loss.requires_grad)
    for backward in (False, True):
        tape = tr.tape(loss, backward=backward)
        assert faithful(tape.fold(), tape)
    if every == 1:
        sizes = [len(tr.tape(graph(steps), backward=True).fold().operations) for steps in (12, 17)]
        assert sizes[0] == sizes[1]
