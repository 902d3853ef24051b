"""The backward pass as a network: what it claims, checked against the record and by hand; and that it is legible."""

from collections import Counter, defaultdict

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.render import backward
from tinyrnn.render.backward.adjoints import Adjoints
from tinyrnn.render.backward.copies import trail
from tinyrnn.render.reading import read

from .blemishes import blemishes
from .models import MODELS, D, H, every_model, sequence


def prepared(loss):
    """The graph with its backward pass, the picture of both, and what shows what."""
    graph = tr.tape(loss, values=True, gradients=True, backward=True)
    picture = backward.prepare(read(graph), graph.flow)
    return graph, picture, Adjoints(graph, picture)


@pytest.mark.parametrize("model, steps", every_model(1, 3))
@pytest.mark.parametrize("passes", ["backward", "both"])
def test_nothing_overlaps(model, steps, passes):
    assert list(blemishes(render.draw(tr.tape(model(steps)), passes=passes, gradients=steps == 3))) == []


@pytest.mark.parametrize("name", ["rnn", "lstm", "lstm2", "bidirectional", "encoder_decoder", "stepwise"])
def test_nothing_overlaps_in_long_sequences(name):
    assert list(blemishes(render.draw(tr.tape(MODELS[name](9)), passes="both", fold=4))) == []


# -- the record --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model, steps", every_model(1, 2, 3))
def test_every_recorded_operation_is_shown(model, steps):
    graph, _, adjoints = prepared(model(steps))
    recorded = [node for node in graph.nodes if node.backward]
    assert recorded and [node for node in recorded if node not in adjoints.owner] == []


@pytest.mark.parametrize("model, steps", every_model(2, 3))
def test_every_sum_adds_as_many_terms_as_arrows_lead_to_it(model, steps):
    """An arrow from a square carries two.  What a sequence carries that is drawn as well is added up there."""
    _, picture, adjoints = prepared(model(steps))
    drawn = {mark.node for mark in picture.marks if mark.copy_of is None}
    arriving, elsewhere = Counter(), set()  # how many terms; the values through which others are seen
    for link in picture.links:
        mark = link.tail
        if mark.role != "copy" or mark.node.shape is None or mark.copy_of.role == "parameter":
            continue
        arriving[mark] += not link.uses  # an arrow to another copy
        for argument, result in link.uses:
            arriving[mark] += sum(i is argument for i in result.inputs) if argument is mark.node else 1
            if passed := drawn & set(trail(mark.copy_of.node, argument, drawn)[1:]):
                elsewhere |= {mark.node, *passed}
    for mark, count in arriving.items():
        assert adjoints.terms(mark.node) == count or mark.node in elsewhere, mark.copy_of.title


@pytest.mark.parametrize("model, steps", every_model(2, 3))
def test_the_shares_on_a_rail_add_up_to_the_gradient(model, steps):
    _, picture, adjoints = prepared(model(steps))
    rails = defaultdict(list)
    for mark in picture.marks:
        if mark.back.role == "share" and mark.role == "parameter":
            rails[mark.node].append(mark)
    for parameter, marks in rails.items():
        assert sum(len(adjoints.uses[mark]) for mark in marks) == adjoints.terms(parameter)
        total = sum(adjoints.share(mark) for mark in marks)
        np.testing.assert_allclose(total, parameter.gradient, rtol=1e-4, atol=1e-6)


def test_the_backward_pass_is_the_textbooks():
    """Werbos 1990: δhₜ = ∂ℓ/∂hₜ + δaₜ₊₁ W_hᵀ, δaₜ = δhₜ ⊙ (1 − hₜ²), ΔW_h,t = hₜ₋₁ᵀ δaₜ."""
    layer, x = nn.RNN(D, H), sequence(3)
    y, _ = layer(x)
    _, picture, adjoints = prepared(tr.mean(y * y))
    W, h = layer.state_dict()["layer0.W_h"], y.numpy()
    carried = 0.0
    for t in (2, 1, 0):
        δh = 2 * h[t] / h.size + carried
        δa = δh * (1 - h[t] ** 2)
        ΔW = (h[t - 1] if t else np.zeros_like(h[0])).T @ δa
        carried = δa @ W.T
        at_step = {mark.back.title: mark for mark in picture.marks if mark.column == t and not mark.initial}
        np.testing.assert_allclose(at_step[f"δh_{t + 1}"].node.gradient, δh, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(adjoints.share(at_step[f"ΔW_h,{t + 1}"]), ΔW, rtol=1e-5, atol=1e-7)
        assert adjoints.size(at_step[f"ΔW_h,{t + 1}"]) == pytest.approx(np.linalg.norm(ΔW), rel=1e-5)
    assert [mark.title for mark in picture.marks if mark.role == "copy"] == ["", ""]  # h₁ and h₂; h₃ is read once


# -- the drawing -------------------------------------------------------------------------------------------------


def boxes_of(name, steps, **options):
    drawing = render.draw(tr.tape(MODELS[name](steps)), **options)
    return drawing, {box.name: box for box in drawing.boxes}


def test_what_meets_what():
    """A copy meets a sum, a sum a copy, and every other operation its derivative."""
    drawing, _ = boxes_of("lstm", 2, passes="backward")
    labels = Counter((box.role, box.label.text) for box in drawing.boxes if not box.name.startswith("legend"))
    assert labels["activation", "σ′"] == 6 and labels["activation", "tanh′"] == 4
    assert labels["arithmetic", "×"] == 6 and labels["arithmetic", "@"] == 4
    assert labels["sum", "∥"] == 2  # the four gates' gradients, side by side
    assert labels["sum", "+"] == 2 + 3  # δh₁ and δc₁; one on each rail
    assert labels["gradient", "δh"] == labels["gradient", "δc"] == 2
    assert labels["share", "ΔW"] == 4 and labels["gradient of parameter", "∂L/∂W"] == 2
    assert not any(box.role in ("parameter", "state", "input") for box in drawing.boxes)


def test_it_stands_on_the_columns_of_the_forward_pass():
    """Over it, upside down; alone, in its place."""
    _, both = boxes_of("lstm", 3, passes="both")
    _, alone = boxes_of("lstm", 3, passes="backward")
    pairs = [(both[name], both["m" + name[1:]]) for name in both if name[0] == "b" and "m" + name[1:] in both]
    assert len(pairs) > 30
    axes = {round(b.y + m.y, 3) for b, m in pairs}
    assert len(axes) == 1 and all(b.x == m.x and b.y > m.y for b, m in pairs)
    assert all((alone[b.name].x, alone[b.name].y) == (m.x, m.y) for b, m in pairs)
    assert not any(name.startswith("m") for name in alone)


def direction(drawing, boxes, role, text):
    """In which direction the arrows between two marks of a role run."""
    steps = set()
    for arrow in drawing.arrows:
        if arrow.ends and {arrow.ends[0], arrow.ends[1]} <= set(boxes):
            tail, head = boxes[arrow.ends[0]], boxes[arrow.ends[1]]
            if tail.role == role and head.role == role and text in tail.label.text + head.label.text:
                steps.add(np.sign(round(head.x - tail.x)))
    return steps


def test_time_runs_backwards():
    drawing, boxes = boxes_of("rnn", 3, passes="backward")
    assert direction(drawing, boxes, "sum", "+") == {-1.0}  # the rails
    drawing, boxes = boxes_of("reverse", 3, passes="backward")
    assert direction(drawing, boxes, "sum", "+") == {1.0}
    drawing, boxes = boxes_of("bidirectional", 3, passes="backward")
    assert direction(drawing, boxes, "sum", "+") == {-1.0, 1.0}


@pytest.mark.parametrize("options", [{}, {"values": True}, {"shapes": True, "gradients": True}], ids=str)
def test_captions_make_room_for_the_shares(options):
    """Long names of axes, between many ways out of a step."""
    encoder, decoder = nn.GRU(D, H), nn.RNN(D, H)
    encoder.name, decoder.name = "the_encoder", "the_decoder"
    _, state = encoder(sequence(3))
    y, _ = decoder(sequence(3), state)
    drawing = render.draw(tr.tape(tr.mean(y * y)), passes="backward", **options)
    assert list(blemishes(drawing)) == []
    assert {"the_encoder.layer0", "the_decoder.layer0"} <= {text.text for text in drawing.texts}


def test_rails_pass_over_the_steps_that_are_left_out():
    graph = tr.tape(MODELS["rnn"](30))
    drawing = render.draw(graph, passes="backward", fold=4, gradients=True)
    hidden = [box for box in drawing.boxes if box.label.text == "+ ⋯ +"]
    assert len(hidden) == 3
    whole = {box.label.title(None): box.tip for box in drawing.boxes if box.role == "gradient of parameter"}
    with_gradients = graph.with_gradients()
    for node in with_gradients.nodes:
        if node.trainable:
            (tip,) = [tip for title, tip in whole.items() if title == f"∂L/∂{node.name}"]
            assert f"the sum of 30 shares  ·  ‖·‖ = {np.linalg.norm(node.gradient):.3g}" in tip


def test_the_loss_is_where_the_passes_meet():
    drawing, _ = boxes_of("stepwise", 3, passes="both")
    (turn,) = [text for text in drawing.texts if text.text == "∂L/∂L = 1"]
    loss = next(box for box in drawing.boxes if box.label.text == "L")
    met = next(box for box in drawing.boxes if box.label.text == "δL")
    assert loss.y < turn.y < met.y and (loss.name, met.name) in [arrow.ends for arrow in drawing.arrows]


def test_of_a_part_the_backward_pass_begins_with_what_arrives_from_outside():
    part = tr.tape(MODELS["lstm"](4)).subgraph(steps=(1, 2))
    drawing = render.draw(part, passes="both")
    assert list(blemishes(drawing)) == []
    beginnings = [text.text for text in drawing.texts if text.text.startswith("∂")]
    assert "∂L/∂h_3" in beginnings and not any("= 1" in text for text in beginnings)


def test_every_mark_says_what_it_stands_for():
    drawing, _ = boxes_of("lstm", 3, passes="backward")
    tips = {(box.label.title(box.time), box.role): box.tip for box in drawing.boxes}
    assert all(box.tip for box in drawing.boxes if box.name[0] == "b" and box.role != "copy of gradient")
    assert tips["tanh′_g", "activation"].split("  ·  ")[1:] == ["mul", "sub"]
    assert tips["δh_2", "gradient"].startswith("δh_2 = ∂L/∂h_2") and "‖·‖ = " in tips["δh_2", "gradient"]


def test_options_that_do_not_go_together_are_refused():
    graph = tr.tape(MODELS["rnn"](2))
    with pytest.raises(ValueError, match="passes 'sideways': expected 'forward', 'backward' or 'both'"):
        render.draw(graph, passes="sideways")
    with pytest.raises(ValueError, match="backward pass is drawn of every operation: leave level='gates' out"):
        render.draw(graph, passes="both", level="gates")
