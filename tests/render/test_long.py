"""Long sequences, drawn by their ends; several time axes; and arrows that run beside each other."""

import re
import time
from collections import defaultdict
from itertools import pairwise, permutations

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.render.lanes import Net, arranged, crossings
from tinyrnn.render.reading import read

from .blemishes import blemishes
from .models import MODELS, D, H, N, sequence

TIMED = [name for name in MODELS if name not in ("plain", "truncated")]


def texts(drawing):
    return [text.text for text in drawing.texts]


# -- steps that are left out -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("steps, options", [(20, {"gradients": True}), (100, {})], ids=["20", "100"])
def test_nothing_overlaps_in_a_long_drawing(name, steps, options):
    assert list(blemishes(render.draw(tr.tape(MODELS[name](steps)), fold=4, **options))) == []


@pytest.mark.parametrize("name", TIMED)
def test_captions_count_what_is_left_out(name):
    """Drawn and left out together are all steps; the loops of two time axes are counted apart."""
    graph = tr.tape(MODELS[name](9))
    shown = texts(render.draw(graph, fold=5))
    axes = read(graph).axes
    assert shown.count("⋯ 5 steps ⋯") == len(axes)
    assert [t for t in shown if t.startswith("t =")] == ["t = 1", "t = 2", "t = 8", "t = 9"] * len(axes)
    assert all(len(axis.steps) == 9 for axis in axes)


@pytest.mark.parametrize("fold, drawn", [(2, [1, 9]), (3, [1, 2, 9]), (4, [1, 2, 8, 9]), (8, [1, 2, 8, 9]), (9, [*range(1, 10)])])
def test_fold_is_the_most_steps_drawn_in_full(fold, drawn):
    shown = texts(render.draw(tr.tape(MODELS["rnn"](9)), fold=fold))
    assert [t for t in shown if t.startswith("t =")] == [f"t = {t}" for t in drawn]
    assert (f"⋯ {9 - len(drawn)} steps ⋯" in shown) == (len(drawn) < 9)


def test_one_step_left_out():
    assert "⋯ 1 step ⋯" in texts(render.draw(tr.tape(MODELS["rnn"](5)), fold=4))


@pytest.mark.parametrize("fold", [1, 0, -3, True, 2.5, "all"])
def test_fold_of_another_kind(fold):
    with pytest.raises(ValueError, match="fold: expected the most steps to draw in full, 2 or more, or None"):
        render.draw(tr.tape(MODELS["rnn"](3)), fold=fold)


def test_small_drawings_show_every_step():
    for steps, all_shown in ((16, True), (18, False)):  # 18 marks a step: a picture has room for 300
        drawing = render.draw(tr.tape(MODELS["lstm"](steps)))
        assert sum(text.startswith("t =") for text in texts(drawing)) == (steps if all_shown else 4)
        assert sum(bool(box.tip) for box in drawing.boxes) <= 300


@pytest.mark.parametrize("name", TIMED)
def test_ends_of_a_long_sequence_look_like_the_whole(name):
    """What is read of the ends alone are the marks that stand there in the whole picture, and the arrows between them."""
    graph = tr.tape(MODELS[name](9))
    whole, ends = read(graph), read(graph, 4)
    at_ends = {(axis.number, t) for axis in ends.axes for t in axis.drawn}

    def marks(picture):
        steps = (mark for mark in picture.marks if mark.where in at_ends)
        return sorted((mark.where, mark.role, mark.title, mark.node.index) for mark in steps)

    def links(picture):
        near = (k for k in picture.links if not k.over and {k.tail.where, k.head.where} <= at_ends)
        return sorted((k.tail.node.index, k.head.node.index, k.tail.title, k.head.title) for k in near)

    assert marks(ends) == marks(whole)
    assert links(ends) == [link for link in links(whole) if link in links(ends)]
    crossing = [k for k in whole.links if k.recurrent and k.head.where in at_ends and k.tail.where not in at_ends]
    crossing = [k for k in crossing if not k.tail.initial]
    over = [k for k in ends.links if k.over]
    assert sorted((k.head.node.index, k.carries) for k in over) == sorted((k.head.node.index, k.carries) for k in crossing)


@pytest.mark.parametrize("name", ["lstm", "gru", "bidirectional2", "leaps", "stepwise"])
def test_gradients_over_the_gap_are_those_of_the_record(name):
    """The arrow back over the gap carries the norm of the use of the step that is not drawn."""
    graph = tr.tape(MODELS[name](30)).with_gradients()
    picture = read(graph, 4)
    tips = {arrow.ends: arrow.tip for arrow in render.draw(graph, gradients=True, fold=4).arrows if arrow.tip}
    over = [link for link in picture.links if link.over]
    assert over
    for link in over:
        tip = tips[f"m{link.head.number}", f"m{link.tail.number}"]
        assert tip.startswith(f"‖∂L/∂{link.carries} through {link.head.title}‖ = ")
        norm = np.linalg.norm([graph.flow[use] for use in link.uses])
        assert float(tip.rpartition("= ")[2]) == pytest.approx(norm, rel=6e-3)
        assert {use[0].step for use in link.uses} == {link.tail.column + link.over}


def test_arrows_over_the_gap_are_dashed():
    graph = tr.tape(MODELS["lstm"](50))
    dashed = [arrow for arrow in render.draw(graph).arrows if arrow.ends and arrow.stroke.dash == "dashed"]
    assert len(dashed) == len([link for link in read(graph, 4).links if link.over]) == 2


def test_the_length_of_a_sequence_costs_next_to_nothing():
    """What is not drawn is not read."""
    picture = read(tr.tape(MODELS["lstm"](2_000)), 4)
    assert len(picture.marks) < 90 and {mark.column for mark in picture.marks} == {-1, 0, 1, 1998, 1999, "after"}
    svg = render.svg(tr.tape(MODELS["lstm"](500)))
    assert len(svg) < 60_000 and "⋯ 496 steps ⋯" in svg


def test_a_thousand_steps_in_full():
    graph = tr.tape(MODELS["rnn"](1_000))
    started = time.process_time()
    svg = render.svg(graph, fold=1_000)
    assert time.process_time() - started < 10
    assert svg.count("<title>h_") == 1_001 and len(svg) < 4_500_000


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("steps, most", [(2, None), (5, None), (12, 4)])
def test_slots_are_the_operations_of_the_fold(name, steps, most):
    """Marks at different steps stand at the same spot if, and only if, the fold knows what they show as one operation."""
    graph = tr.tape(MODELS[name](steps))
    homes = graph.fold().homes
    slots, operations = defaultdict(set), defaultdict(set)
    for mark in read(graph, most).marks:
        operation, step = homes[mark.node]
        if mark.node.op and step is not None and mark.node.step is not None:
            slots[operation, mark.role, mark.label].add(mark.slot)
            operations[mark.slot].add(operation)
    assert all(len(found) == 1 for found in (*slots.values(), *operations.values()))


def test_a_step_that_differs_takes_the_places_of_its_like():
    """A first step without a state: its tanh stands where that of the others stands."""
    w, u, h = tr.Parameter(np.eye(H), name="w"), tr.Parameter(np.eye(H), name="u"), None
    for t in range(4):
        with tr.step(t):
            x = tr.tensor(np.ones((N, H)))
            (h,) = tr.named(h=tr.tanh(x @ w if h is None else x @ w + h @ u))
    marks = read(tr.tape(tr.sum(h))).marks
    assert len({mark.slot for mark in marks if mark.label.text == "tanh"}) == 1
    assert len({mark.slot for mark in marks if mark.title == "w"}) == 1


# -- several time axes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, axes", [("lstm2", 1), ("bidirectional2", 1), ("own_stack", 1), ("encoder_decoder", 2), ("attention", 2)]
)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_loops_that_go_through_time_together_share_their_columns(name, axes, steps):
    if (name, steps) != ("attention", 1):  # a decoder of one step that reads an encoder of one step
        assert len(read(tr.tape(MODELS[name](steps))).axes) == axes


def test_axes_stand_one_after_the_other_with_the_names_of_their_modules():
    drawing = render.draw(tr.tape(MODELS["encoder_decoder"](3)))
    captions = [text for text in drawing.texts if text.text.startswith("t =")]
    assert [text.text for text in sorted(captions, key=lambda t: t.x)] == ["t = 1", "t = 2", "t = 3"] * 2
    (encoder,) = [text for text in drawing.texts if text.text == "GRU.layer0"]
    (decoder,) = [text for text in drawing.texts if text.text == "RNN.layer0"]
    assert encoder.x < decoder.x


@pytest.mark.parametrize("view", ["unrolled", "rolled", "pair"])
def test_steps_are_as_wide_as_the_name_of_their_axis(view):
    """Beside a narrow step loops go down: its name must not stand in their way."""
    encoder, decoder = nn.GRU(D, H, 2), nn.GRU(D, H)
    encoder.name, decoder.name = "a_very_long_encoder", "a_very_long_decoder"
    _, state = encoder(sequence(3))
    y, _ = decoder(sequence(3), state[1:])
    assert list(blemishes(render.draw(tr.tape(tr.mean(y)), view=view, level="cells"))) == []


def test_the_state_is_handed_over_between_two_axes():
    links = [k for k in read(tr.tape(MODELS["encoder_decoder"](3))).links if k.tail.axis != k.head.axis]
    assert [(k.tail.title, k.head.title, k.head.initial) for k in links] == [("h_3", "h_0", True)]


def test_two_directions_with_nothing_but_their_ends_in_common():
    """Both read x, neither reads the other: one time axis.  A decoder that is fed x again has its own."""
    x = sequence(4)
    layer = nn.RNN(D, H, bidirectional=True)
    _, h = layer(x)
    assert len(read(tr.tape(tr.sum(h * h))).axes) == 1
    _, state = nn.RNN(D, H)(x)
    y, _ = nn.RNN(D, H)(x, state)
    picture = read(tr.tape(tr.sum(y)))
    assert [axis.name for axis in picture.axes] == ["RNN.layer0 run 1", "RNN.layer0 run 2"]


def test_two_sequences_through_one_layer():
    layer = nn.GRU(D, H)
    (a, _), (b, _) = layer(sequence(3)), layer(sequence(5))
    drawing = render.draw(tr.tape(tr.mean(a) * tr.mean(b)))
    assert sum(text.startswith("t =") for text in texts(drawing)) == 8
    assert list(blemishes(drawing)) == []


def test_a_loop_inside_a_step_shares_its_columns():
    w, h = tr.Parameter(np.ones((N, N)), name="w"), tr.ones(N, N, dtype="float64")
    for t in range(3):
        with tr.step(t):
            for k in range(2):
                with tr.step(k):
                    h = tr.tanh(h @ w)
            h = h * 2.0
    graph = tr.tape(tr.sum(h))
    assert len(read(graph).axes) == 1
    for fold in (9, 2):  # two steps after one another are one way to and fro: only there may arrows run on each other
        assert [fault for fault in blemishes(render.draw(graph, fold=fold)) if "run on each other" not in fault] == []


def test_nothing_hangs_outside_of_steps():
    """Hundreds of operations without a time of their own, and as many time axes as there are windows."""
    w, h = tr.Parameter(np.eye(2)), tr.tensor(np.ones((2, 2)))
    for _ in range(300):
        h = tr.tanh(h @ w)
    layer, state, total = nn.RNN(D, H), None, 0.0
    for _ in range(30):
        y, state = layer(sequence(2), state)
        total = total + tr.sum(y * y)
    for output, boxes in ((h, 600), (total, 600)):
        started = time.process_time()
        drawing = render.draw(tr.tape(output), fold=4)
        assert len(drawing.boxes) > boxes and time.process_time() - started < 10


# -- lanes -------------------------------------------------------------------------------------------------------


def cost(order, nets):
    return sum(crossings(nets[a], nets[b]) for i, a in enumerate(order) for b in order[i + 1 :])


@pytest.mark.parametrize("seed", range(20))
def test_lanes_have_few_crossings(seed):
    """Against all orders; what moving one net at a time cannot find may cost one more crossing."""
    rng = np.random.default_rng(seed)
    nets = {(i,): Net({float(rng.integers(400))}, set(map(float, rng.integers(400, size=2)))) for i in range(6)}
    best = min(cost(order, nets) for order in permutations(nets))
    assert best <= cost(arranged(nets), nets) <= best + 1


def test_lanes_that_need_not_cross_do_not():
    """Nested arrows down: the one that leaves highest and arrives lowest goes outside."""
    nets = {("c",): Net({100.0}, {80.0}), ("h",): Net({200.0}, {10.0}), ("d",): Net({60.0}, {50.0})}
    assert cost(arranged(nets), nets) == min(cost(order, nets) for order in permutations(nets))
    up, down = (
        {("a",): Net({10.0}, {30.0}), ("b",): Net({20.0}, {40.0})},
        {("a",): Net({30.0}, {10.0}), ("b",): Net({40.0}, {20.0})},
    )
    assert cost(arranged(up), up) == cost(arranged(down), down) == 0


@pytest.mark.parametrize("name", ["bidirectional", "bidirectional2", "reverse", "everything"])
@pytest.mark.parametrize("steps", [3, 100])
def test_reversed_time_runs_through_the_gutters(name, steps):
    """No recurrent arrow leaves the height of the steps, and each is as long as the way to its neighbour."""
    graph = tr.tape(MODELS[name](steps))
    picture, drawing = read(graph, 4), render.draw(graph, fold=4)
    top = max(frame.y1 for frame in drawing.frames)
    chains = {arrow.ends: arrow.chain for arrow in drawing.arrows}
    back = [k for k in picture.links if k.recurrent and k.delay < 0]
    assert back
    for link in [k for k in picture.links if k.recurrent]:
        ys = [y for _, y in chains[f"m{link.tail.number}", f"m{link.head.number}"]]
        assert min(ys) > 0 and max(ys) < top


def test_marks_of_one_row_are_entered_from_under_it_one_below_the_other():
    """Side by side, with the gradients beside them: x stands in the way of the arrows into both sequences."""
    drawing = render.draw(tr.tape(MODELS["own_stack"](3)), gradients=True, values=True)
    assert list(blemishes(drawing)) == []
    entered = [name for _, name in sorted((b.x, b.name) for b in drawing.boxes if b.label.text == "⋮")]
    forward = [a for a in drawing.arrows if a.ends and not a.tip]
    near, far = ({round(a.chain[-7][1], 3) for a in forward if a.ends[1] == name} for name in entered)  # before they turn up
    assert len(near) == len(far) == 1 and near.pop() - far.pop() == pytest.approx(7.0)


def test_leaps_from_neighbouring_steps_do_not_lie_on_each_other():
    graph = tr.tape(MODELS["leaps"](6))
    chains = {arrow.ends: arrow.chain for arrow in render.draw(graph).arrows}
    leaps = [chains[f"m{k.tail.number}", f"m{k.head.number}"] for k in read(graph).links if k.recurrent and k.delay == 2]
    rises = [{round(x, 1) for x, y in chain[1:-1] if y == max(y for _, y in chain)} for chain in leaps]
    tracks = [max(y for _, y in chain) for chain in leaps]
    for (a, b), (p, q) in zip(pairwise(rises), pairwise(tracks)):
        assert p != q or max(a) < min(b)


def test_arrows_from_like_marks_to_different_ones_have_ways_of_their_own():
    """A loss that is added up outside of the steps."""
    cell, x, h, total = nn.RNNCell(D, H), sequence(4), tr.zeros(N, H), 0.0
    for t in range(4):
        with tr.step(t):
            h = cell(x[t], h)
        total = total + tr.sum(h * h)
    drawing = render.draw(tr.tape(total))
    assert list(blemishes(drawing)) == []
    tops = [max(y for _, y in arrow.chain) for arrow in drawing.arrows]
    buses = [top for top in tops if top > max(frame.y1 for frame in drawing.frames)]
    assert len(set(buses)) == len(buses) == 3  # the last step stands beside what reads it


# -- the text of an SVG ------------------------------------------------------------------------------------------


def test_svg_is_small_and_shares_nothing_with_its_page():
    """A third of a megabyte for a thousand marks; no ids, no classes, so that two on one page cannot clash."""
    graph = tr.tape(MODELS["lstm"](100))
    svg = render.svg(graph, fold=100)
    marks = len(read(graph).marks)
    assert len(svg) / marks < 400
    assert not re.search(r'\b(id|class|href)="|<style', svg)
