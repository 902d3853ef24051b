"""What the pictures claim, checked against the record; and the pictures against themselves."""

import re
from collections import defaultdict
from xml.etree import ElementTree

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import autodiff, nn, render
from tinyrnn.graph import history
from tinyrnn.render.curve import moved, rounded
from tinyrnn.render.levels import at_level
from tinyrnn.render.reading import read
from tinyrnn.render.reading.looks import MOVERS

from .blemishes import blemishes
from .models import MODELS, D, H, N, every_model, sequence

STEPS = (1, 3, 8)


@pytest.mark.parametrize("model, steps", every_model(*STEPS))
@pytest.mark.parametrize("options", [{}, {"gradients": True}], ids=["forward", "gradients"])
def test_nothing_overlaps(model, steps, options):
    assert list(blemishes(render.draw(tr.tape(model(steps)), **options))) == []


@pytest.mark.parametrize("model, steps", every_model(3))
def test_nothing_overlaps_with_shapes_and_values(model, steps):
    drawing = render.draw(tr.tape(model(steps)), shapes=True, values=True, gradients=True)
    assert list(blemishes(drawing)) == []


@pytest.mark.parametrize("model, steps", every_model(3))
def test_nothing_is_cut_off(model, steps):
    """Every coordinate in the SVG lies on its page."""
    page = ElementTree.fromstring(render.svg(tr.tape(model(steps)), gradients=True))
    _, _, width, height = map(float, page.get("viewBox").split())
    for shape in page.iter():
        places = path(shape.get("d")) if shape.get("d") else []
        if shape.get("x"):
            places = [(float(shape.get("x")), float(shape.get("y")))]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in places), ElementTree.tostring(shape)


def path(commands):
    """The points that a path of lines and cubics goes through, its control points too."""
    points = []
    for command, text in re.findall(r"([Mlcz])([^Mlcz]*)", commands):
        pairs = [tuple(map(float, pair.split(","))) for pair in text.split()]
        for i, (dx, dy) in enumerate(pairs):
            if i % (3 if command == "c" else 1) == 0:
                x, y = points[-1] if command != "M" else (0.0, 0.0)
            points.append((x + dx, y + dy))
    return points


def test_the_check_finds_blemishes():
    """A test that cannot fail proves nothing: move one box onto another, and a text onto a box."""
    drawing = render.draw(tr.tape(MODELS["lstm"](3)))
    drawing.boxes[0] = drawing.boxes[0]._replace(x=drawing.boxes[1].x, y=drawing.boxes[1].y)
    drawing.texts[0] = drawing.texts[0]._replace(x=drawing.boxes[5].x, y=drawing.boxes[5].y)
    found = " ".join(blemishes(drawing))
    assert "overlap" in found and "text" in found and "reach" in found


def test_the_check_finds_arrows_that_run_where_they_should_not():
    drawing = render.draw(tr.tape(MODELS["lstm"](3)))
    box = next(b for b in drawing.boxes if b.label.text == "h" and b.time == 2)
    caption = next(t for t in drawing.texts if t.text == "t = 2")
    one, other = [a for a in drawing.arrows if a.ends and a.stroke.width == 1.5][:2]
    for chain, fault in (
        (rounded([(box.x - 60, box.y), (box.x + 60, box.y)]), "runs behind h"),
        (rounded([(caption.x - 60, caption.y), (caption.x + 60, caption.y)]), "through text 't = 2'"),
        (moved(other.chain, 0.5), "run on each other"),
    ):
        drawing.arrows.append(one._replace(chain=chain, ends=None))
        assert any(fault in line for line in blemishes(drawing)), fault
        drawing.arrows.pop()
    assert list(blemishes(drawing)) == []


# -- the gradients -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model, steps", every_model(3))
def test_gradients_are_those_of_the_shares(model, steps):
    """Each differentiable use that is drawn has its arrow back, and its tooltip tells the norm of the share."""
    loss = model(steps)
    graph = tr.tape(loss).with_gradients()
    node_of = {value: graph._node_of[value] for value in history(loss)}
    shares = defaultdict(float)
    for into, through, share in autodiff.shares(loss, np.ones((), loss.dtype)):
        shares[node_of[into], node_of[through]] = shares[node_of[into], node_of[through]] + share
    norms = {use: float(np.linalg.norm(share)) for use, share in shares.items()}

    drawing, picture = render.draw(graph, gradients=True), read(graph)
    tips = {arrow.ends: arrow.tip for arrow in drawing.arrows if arrow.tip}
    drawn = set()
    for link in picture.links:
        ends = f"m{link.head.number}", f"m{link.tail.number}"
        if not link.uses:  # from an operation to its name
            assert (ends in tips) == (link.tail.node.gradient is not None)
            continue
        flowing = [norms[use] for use in link.uses if use in norms]  # a call of softmax reads its argument twice
        assert (ends in tips) == (bool(flowing) and not link.detached)
        if ends in tips:
            drawn.update(link.uses)
            assert tips[ends].startswith(f"‖∂L/∂{link.tail.title} through {link.head.title}‖ = ")
            assert float(tips[ends].rpartition("= ")[2]) == pytest.approx(np.linalg.norm(flowing), rel=6e-3)
    weights = {use for use in norms if use[0].trainable and use[1].op not in MOVERS}
    assert weights <= drawn  # no share of a parameter is missing


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "lstm2", "bidirectional", "own_cell"])
def test_shares_of_a_weight_add_up_to_its_gradient(name):
    """The arrows into the marks of a weight are its shares, one per step."""
    loss = MODELS[name](4)
    graph = tr.tape(loss).with_gradients()
    arrows = defaultdict(list)
    for link in read(graph).links:
        if link.tail.role == "parameter":
            arrows[link.tail.node] += link.uses
    weights = [node for node in graph.nodes if node.trainable]
    assert set(arrows) == set(weights)
    for weight in weights:
        assert len(arrows[weight]) == 4 and len(set(arrows[weight])) == 4
        assert set(arrows[weight]) == {use for use in graph.flow if use[0] is weight}


def test_tooltip_tells_the_norm_of_the_share():
    w, h = tr.Parameter(np.array([2.0, 1.0]), name="w"), tr.tensor(np.array([3.0, 4.0]))
    drawing = render.draw(tr.tape(tr.sum(w * h)), gradients=True)
    assert "‖∂L/∂w through ×‖ = 5" in [arrow.tip for arrow in drawing.arrows]


def test_gradients_have_their_own_look():
    """Zero is dotted, what explodes is solid and an alarm, everything else dashed; the legend says so."""
    zero, huge = tr.Parameter(np.zeros(2), name="a"), tr.Parameter(np.full(2, 1e6), name="b")
    drawing = render.draw(tr.tape(tr.sum(zero * huge + 0 * huge)), gradients=True)
    looks = {arrow.stroke.dash for arrow in drawing.arrows if arrow.tip}
    assert looks == {"", "dashed", "dotted"}
    texts = " ".join(text.text for text in drawing.texts)
    assert "exactly 0" in texts and "above 1000" in texts and "gradient" in texts


def test_legend_has_what_occurs_and_nothing_else():
    drawing = render.draw(tr.tape(tr.tanh(tr.Parameter(np.ones(2), name="w"))))
    assert [text.text for text in drawing.texts] == ["parameter", "function", "value"]


def test_detached_arrows_carry_no_gradient():
    w = tr.Parameter(np.ones(2), name="w")
    with tr.recording():
        loss = tr.sum(w * tr.exp(w).detach())
    picture = read(tr.tape(loss))
    (link,) = [link for link in picture.links if link.detached]
    assert (link.tail.label.text, link.head.label.text) == ("exp", "×")
    drawing = render.draw(tr.tape(loss), gradients=True)
    assert "detached: no gradient" in [text.text for text in drawing.texts]
    assert not any("exp through ×" in arrow.tip for arrow in drawing.arrows)


# -- names and places --------------------------------------------------------------------------------------------


def titles(picture, role):
    return sorted(mark.title for mark in picture.marks if mark.role == role)


def test_names_of_an_lstm():
    picture = read(tr.tape(MODELS["lstm"](3)))
    assert titles(picture, "state") == ["c_0", "c_1", "c_2", "c_3", "h_0", "h_1", "h_2", "h_3"]
    assert titles(picture, "input") == ["x_1", "x_2", "x_3"]
    assert titles(picture, "parameter") == ["W_h"] * 3 + ["W_x"] * 3 + ["b"] * 3
    assert titles(picture, "loss") == ["L"]
    functions = [mark.title for mark in picture.marks if mark.role == "activation" and mark.column == 0]
    assert sorted(functions) == ["tanh", "tanh_g", "σ_f", "σ_i", "σ_o"]


@pytest.mark.parametrize(
    "name, states", [("rnn", 1), ("lstm", 2), ("gru", 1), ("lstm2", 4), ("bidirectional", 2), ("own_loop", 1)]
)
@pytest.mark.parametrize("steps", [2, 5])
def test_states_at_every_step_and_before_the_first(name, states, steps):
    marks = [mark for mark in read(tr.tape(MODELS[name](steps))).marks if mark.role == "state"]
    assert len(marks) == states * (steps + 1)
    assert sum(mark.initial for mark in marks) == states


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm2", "bidirectional2", "recorded", "stepwise", "own_cell"])
def test_steps_look_the_same(name):
    """The same thing stands at the same spot of every step: no slot of one step is missing in a later one but at the ends."""
    picture = read(tr.tape(MODELS[name](5)))
    slots = defaultdict(set)
    for mark in picture.marks:
        if not mark.initial:
            slots[mark.column].add(mark.slot)
    assert slots[1] == slots[2] == slots[3]


def test_layers_look_the_same():
    """Each mark of the second layer stands right above the one of the first layer."""
    drawing = render.draw(tr.tape(MODELS["lstm2"](3)))
    places = defaultdict(list)
    for box in drawing.boxes:
        if box.time == 2 and box.label.text in ("h", "c"):
            places[box.label.text].append((box.x, box.y))
    (h0, h1), (c0, c1) = sorted(places["h"], key=lambda p: p[1]), sorted(places["c"], key=lambda p: p[1])
    assert h0[0] == pytest.approx(h1[0], abs=0.2) and c0[0] == pytest.approx(c1[0], abs=0.2)
    assert h1[1] - h0[1] == pytest.approx(c1[1] - c0[1], abs=0.2)


def test_time_runs_right_and_depth_up():
    drawing = render.draw(tr.tape(MODELS["lstm"](4)))
    box = {(b.label.text, b.label.sub, b.time): b for b in drawing.boxes if b.tip}
    xs = [box["h", "", t].x for t in range(5)]
    assert xs == sorted(xs)
    assert box["x", "", 1].y < box["c", "", 1].y < box["h", "", 1].y
    assert [t.text for t in drawing.texts if t.text.startswith("t =")] == ["t = 1", "t = 2", "t = 3", "t = 4"]
    assert box["L", "", None].x > xs[-1]


def test_reversed_time_runs_left():
    picture = read(tr.tape(MODELS["bidirectional"](3)))
    back = [link for link in picture.links if link.recurrent and link.tail.column > link.head.column]
    assert [(link.tail.title, link.head.column) for link in back] == [("h_4", 2), ("h_3", 1), ("h_2", 0)]


def test_a_step_of_the_input_is_called_by_its_own_time():
    """A look at the input of the step after is x₂ at step 1, even in its drawing."""
    x, w = sequence(4), tr.Parameter(np.ones((D, H), "float32"), name="W")
    with tr.recording():
        x.name, total = "x", 0.0
        for t in range(3):
            with tr.step(t):
                total = total + tr.sum(x[t + 1] @ w)
    assert titles(read(tr.tape(total)), "input") == ["x_2", "x_3", "x_4"]


def test_what_has_no_name_gets_a_letter():
    a, b = tr.Parameter(np.ones((2, 2))), tr.Parameter(np.ones((2, 2)))
    x, y = tr.tensor(np.ones((2, 2))), tr.tensor(np.ones((2, 2)))
    picture = read(tr.tape(tr.sum((x @ a - y) @ b)))
    assert titles(picture, "parameter") == ["U", "W"] and titles(picture, "input") == ["x", "y"]


def test_parameters_of_one_name_are_told_apart():
    """By their module, if no frame around it says which one it is."""
    fine = titles(at_level(read(tr.tape(MODELS["own_modules"](1))), "primitives"), "parameter")
    assert fine == ["W", "W", "b", "b"]
    coarse = titles(at_level(read(tr.tape(MODELS["own_modules"](1))), "gates"), "parameter")
    assert coarse == ["W_candidate", "W_gate", "b_candidate", "b_gate"]


def test_mean_square_and_sums_read_like_the_book():
    labels = [mark.title for mark in read(tr.tape(MODELS["rnn"](2))).marks if mark.column == "after"]
    assert labels == ["⋮", "(·)²", "mean", "L"]
    w = tr.Parameter(np.ones(2), name="w")
    labels = [mark.title for mark in read(tr.tape(tr.sum(1 - 2 * w + w + 0.0))).marks if mark.role == "arithmetic"]
    assert sorted(labels) == ["+", "1−", "2×", "Σ"]
    labels = [mark.title for mark in read(tr.tape(w**-2 * w**0.5)).marks if mark.role == "arithmetic"]
    assert sorted(labels) == ["(·)⁰·⁵", "(·)⁻²", "×"]


def test_shapes_and_values():
    graph = tr.tape(nn.mse(tr.Parameter(np.full((2, 3), 2.0), name="w"), np.zeros((2, 3))))
    rows = {b.label.text: b.rows for b in render.draw(graph, shapes=True, values=True, gradients=True).boxes}
    assert rows["w"] == ("2×3", "‖·‖ 4.9 | 1.63") and rows["L"] == ("4 | 1",)
    rows = {b.label.text: b.rows for b in render.draw(graph, values=True).boxes}
    assert rows["w"] == ("‖·‖ 4.9",)
    assert not any(b.rows for b in render.draw(graph).boxes)


def test_without_a_scalar():
    """What is no loss can be drawn, but has no gradients."""
    y, h = nn.RNN(D, H)(sequence(3))
    assert "y" in titles(read(tr.tape(y)), "value")
    assert render.svg(tr.tape(y, h))
    with pytest.raises(ValueError, match="no scalar"):
        render.svg(tr.tape(y), gradients=True)


def test_a_single_tensor():
    assert titles(read(tr.tape(tr.Parameter(np.ones(2), name="w"))), "parameter") == ["w"]
    assert "<svg" in render.svg(tr.tape(tr.tensor(1.0)))


def test_batch_of_awkward_uses():
    """Two sequences through one layer; a weight used twice in a step; a state nobody reads."""
    layer = nn.GRU(D, H)
    a, _ = layer(sequence(3))
    b, _ = layer(sequence(3))
    assert list(blemishes(render.draw(tr.tape(tr.mean(a * b)), gradients=True))) == []
    w, h = tr.Parameter(np.ones((N, N)), name="w"), tr.zeros(N, N, dtype="float64")
    for t in range(3):
        with tr.step(t):
            h = tr.tanh(h @ w) @ w
    assert list(blemishes(render.draw(tr.tape(tr.sum(h)), gradients=True))) == []
