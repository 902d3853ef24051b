"""Rolled drawings: one step, with a delay for everything that it hands to another one."""

from xml.etree import ElementTree

import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.render.reading import read
from tinyrnn.render.views.rolled import roll

from .blemishes import blemishes
from .models import MODELS, D, H, every_model, sequence


def delays(picture):
    """What is delayed, and by how much."""
    return sorted((link.tail.title, link.delay) for link in picture.links if link.over)


@pytest.mark.parametrize("model, steps", every_model(1, 2, 3, 20))
def test_nothing_overlaps(model, steps):
    graph = tr.tape(model(steps))
    assert list(blemishes(render.draw(graph, view="rolled"))) == []


@pytest.mark.parametrize("model, steps", every_model(3))
def test_nothing_overlaps_beside_the_unrolled_one(model, steps):
    drawing = render.draw(tr.tape(model(steps)), view="pair", gradients=True)
    assert list(blemishes(drawing)) == []
    names = [box.name for box in drawing.boxes]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "name, states",
    [
        ("rnn", [("h_t", 1)]),
        ("lstm", [("c_t", 1)] + [("h_t", 1)]),
        ("lstm2", [("c_t", 1)] * 2 + [("h_t", 1)] * 2),
        ("bidirectional", [("h_t", -1), ("h_t", 1)]),
        ("reverse", [("c_t", -1), ("h_t", -1)]),
        ("leaps", [("h_t", 1), ("h_t", 2)]),
        ("encoder_decoder", [("h_t", 1)] * 3),  # the GRU reads its state twice
        ("own_loop", [("h_t", 1)]),
    ],
)
@pytest.mark.parametrize("steps", [3, 50])
def test_what_is_handed_on_is_delayed(name, states, steps):
    assert delays(roll(read(tr.tape(MODELS[name](steps)), 4))) == states


def test_signs_of_time():
    """z⁻¹ is the step before, z⁺¹ the step after; the name of what comes out stands beside it."""
    drawing = render.draw(tr.tape(MODELS["bidirectional"](5)), view="rolled")
    boxes = {box.label.text: box for box in drawing.boxes if box.role == "delay" and box.label.text}
    assert boxes["z⁻¹"].tip == "h, 1 step earlier" and boxes["z⁺¹"].tip == "h, 1 step later"
    assert sorted((text.text, text.sub) for text in drawing.texts if text.sub) == [("h", "t+1"), ("h", "t−1")]
    drawing = render.draw(tr.tape(MODELS["leaps"](5)), view="rolled")
    assert "z⁻²" in [box.label.text for box in drawing.boxes]


@pytest.mark.parametrize("steps", [3, 4, 20])
def test_a_running_sum_goes_on_with_itself(steps):
    """The first step has no sum yet, only its own loss: that is no reason to draw the loss delayed."""
    rolled = roll(read(tr.tape(MODELS["stepwise"](steps))))
    assert [(link.tail.title, link.head.title) for link in rolled.links if link.over and link.head.title == "+"] == [("+", "+")]
    texts = render.draw(tr.tape(MODELS["stepwise"](steps)), view="rolled").texts
    assert sorted((text.text, text.sub) for text in texts if text.sub == "t−1") == [("c", "t−1"), ("h", "t−1"), ("Σ", "t−1")]


def test_how_often_it_runs():
    layer, other = nn.GRU(D, H), nn.RNN(D, H)
    _, state = layer(sequence(7))
    y, _ = other(sequence(4), state)
    shown = [text.text for text in render.draw(tr.tape(tr.mean(y)), view="rolled").texts]
    assert "× 7" in shown and "× 4" in shown and "GRU.layer0" in shown and "RNN.layer0" in shown


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "lstm2", "own_cell", "stepwise", "tokens"])
def test_one_step_stands_for_all(name):
    """It has each mark of an inner step once, with its time told as t; the states before the first step keep theirs."""
    picture = read(tr.tape(MODELS[name](6)))
    rolled = roll(picture)
    inner = {mark.slot for mark in picture.marks if mark.column == 3}
    timed = [mark for mark in rolled.marks if mark.column == 4 and not mark.initial]
    assert inner <= {mark.slot for mark in timed} and len({mark.slot for mark in timed}) == len(timed)
    assert not any(char.isdigit() for mark in timed if mark.label.text in "hcxℓ" for char in mark.title)
    assert {mark.title for mark in rolled.marks if mark.initial} == {mark.title for mark in picture.marks if mark.initial}


def test_it_does_not_grow():
    short, long = (render.svg(tr.tape(MODELS["lstm"](steps)), view="rolled") for steps in (20, 200))
    assert abs(len(long) - len(short)) < 120  # wider numbers


def test_what_happens_once_has_dashes_of_its_own():
    """The loss is read off the last step; the encoder hands its state over once; the outputs leave at every step."""
    once = {}
    for name in ("stepwise", "encoder_decoder", "lstm"):
        rolled = roll(read(tr.tape(MODELS[name](5))))
        once[name] = [(link.tail.title, link.head.title) for link in rolled.links if link.partial]
    assert once == {"stepwise": [("+", "L")], "encoder_decoder": [("h_t", "h_0")], "lstm": []}
    drawing = render.draw(tr.tape(MODELS["encoder_decoder"](5)), view="rolled")
    assert any("at some steps only" in text.text for text in drawing.texts)
    assert not any("some steps" in text.text for text in render.draw(tr.tape(MODELS["lstm"](5)), view="rolled").texts)


def test_both_views_have_the_same_cell():
    """Side by side, every mark of the rolled step stands at the height of its likes, and has their size and role."""
    drawing = render.draw(tr.tape(MODELS["lstm"](3)), view="pair")
    left, right = [], []
    for box in drawing.boxes:
        if box.tip and box.role != "delay":
            (left if box.name.startswith("r") else right).append(
                (round(box.y, 3), box.width, box.height, box.role, box.label.text)
            )
    assert set(left) == set(right)
    assert "unroll" in [text.text for text in drawing.texts]
    names = {name for arrow in drawing.arrows if arrow.ends for name in arrow.ends}
    assert names <= {box.name for box in drawing.boxes}


def test_an_object_of_its_own(tmp_path):
    graph = tr.tape(MODELS["gru"](30))
    rolled = graph.rolled(shapes=True)
    page = ElementTree.fromstring(rolled._repr_svg_())
    assert any("× 30" in (text.text or "") for text in page.iter("{http://www.w3.org/2000/svg}text"))
    assert rolled.render(str(tmp_path / "rolled.png")) == str(tmp_path / "rolled.png")
    assert (tmp_path / "rolled.png").read_bytes().startswith(b"\x89PNG")
    assert rolled.dot().engine == "neato" and "z⁻¹" in rolled.dot().source and ">t−1</FONT></SUB>" in rolled.dot().source


def test_what_cannot_be_rolled():
    graph = tr.tape(MODELS["rnn"](3))
    with pytest.raises(ValueError, match="gradients and values differ from step to step"):
        graph.rolled(gradients=True)
    with pytest.raises(ValueError, match="view 'flat': expected 'unrolled', 'rolled' or 'pair'"):
        graph.render("x.svg", view="flat")
    with pytest.raises(TypeError, match="no option 'folds': did you mean 'fold'"):
        graph.rolled(folds=3)
