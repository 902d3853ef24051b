"""The three levels: what each shows, that they agree with one another, and that nothing overlaps on any."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.render.flow import norm
from tinyrnn.render.levels import at_level
from tinyrnn.render.reading import read

from .blemishes import blemishes
from .models import MODELS, D, H, N, every_model, sequence

LEVELS = "gates", "cells"


def picture(model, level, steps=3, **options):
    graph = tr.tape(model(steps), **options)
    return at_level(read(graph), level)


def at(picture, column, *roles):
    return [mark for mark in picture.marks if mark.column == column and (not roles or mark.role in roles)]


@pytest.mark.parametrize("model, steps", every_model(1, 3))
@pytest.mark.parametrize("level", LEVELS)
def test_nothing_overlaps(model, steps, level):
    """With the gradients all forward arrows are drawn, too."""
    assert list(blemishes(render.draw(tr.tape(model(steps)), level=level, gradients=True))) == []


@pytest.mark.parametrize("model, steps", every_model(3))
def test_every_link_and_mark_is_sound(model, steps):
    for level in LEVELS:
        coarse = picture(model, level, steps)
        assert [mark.number for mark in coarse.marks] == list(range(len(coarse.marks)))
        for link in coarse.links:
            assert link.tail in coarse.marks and link.head in coarse.marks and link.tail is not link.head
        places = [(mark.column, mark.slot) for mark in coarse.marks if not mark.initial]
        assert len(set(places)) == len(places), "two marks in one place"


@pytest.mark.parametrize("model, steps", every_model(4))
def test_no_arrow_turns_back_inside_a_step(model, steps):
    for level in LEVELS:
        coarse = picture(model, level, steps)
        after = defaultdict(set)
        for link in coarse.links:
            if link.tail.column == link.head.column:
                after[link.tail].add(link.head)
        for mark in coarse.marks:
            reached, todo = set(), list(after[mark])
            while todo:
                head = todo.pop()
                if head not in reached:
                    reached.add(head)
                    todo += after[head]
            assert mark not in reached


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm2", "bidirectional2", "own_cell", "own_loop", "stepwise"])
@pytest.mark.parametrize("level", LEVELS)
def test_states_are_the_same_on_every_level(name, level):
    model = MODELS[name]
    graph = tr.tape(model(3))
    states = [
        [(m.slot, m.title, m.column) for m in at_level(read(graph), some).marks if m.role == "state"]
        for some in ("primitives", level)
    ]
    assert states[0] == states[1]


@pytest.mark.parametrize("model, steps", every_model(3))
@pytest.mark.parametrize("level", LEVELS)
def test_a_link_stands_for_uses_that_the_finest_level_shows(model, steps, level):
    """None is shown twice, and those between what is not merged are all there."""
    graph = tr.tape(model(steps))
    fine, coarse = (at_level(read(graph), some) for some in ("primitives", level))
    known = {use for link in fine.links for use in link.uses}
    shown = [use for link in coarse.links for use in link.uses]
    assert set(shown) <= known and len(set(shown)) == len(shown)


def test_norms_of_a_link_combine():
    """What flows back from the record of an LSTM to its affine map is what flows back to its sum."""
    graph = tr.tape(MODELS["lstm"](3)).with_gradients()
    fine, coarse = (at_level(read(graph), some) for some in ("primitives", "gates"))
    plus = next(
        m
        for m in fine.marks
        if m.column == 1 and m.label.text == "+" and any(link.tail is m and link.head.label.sub == "i" for link in fine.links)
    )
    affine = next(m for m in coarse.marks if m.column == 1 and m.label.text == "affine")
    into = [[norm(link, graph.flow) for link in p.links if link.tail is m] for p, m in ((fine, plus), (coarse, affine))]
    assert len(into[0]) == 4
    np.testing.assert_allclose(sorted(into[0]), sorted(into[1]))
    whole = [link for link in at_level(read(graph), "cells").links if link.tail.title == "h_1" and link.head.column == 1]
    (h,) = whole
    np.testing.assert_allclose(norm(h, graph.flow), np.linalg.norm([graph.flow[use] for use in h.uses]))


# -- gates -------------------------------------------------------------------------------------------------------


def fields(picture, column=1):
    """The labels of each record of a step."""
    records = defaultdict(list)
    for mark in at(picture, column, "gate"):
        records[mark.record].append(mark.title)
    return sorted(sorted(titles) for titles in records.values())


class ByHand(nn.Module):
    """An LSTM as students write it: each gate by itself, no bias, no split."""

    def __init__(self):
        for gate in "ifgo":
            setattr(self, f"W_{gate}", tr.Parameter(nn.init.glorot(D, H)))
            setattr(self, f"U_{gate}", tr.Parameter(nn.init.glorot(H, H)))

    def forward(self, x, state):
        h, c = state
        i, f, o = (tr.sigmoid(x @ getattr(self, f"W_{g}") + h @ getattr(self, f"U_{g}")) for g in "ifo")
        i, f, o = tr.named(i=i, f=f, o=o)
        (g,) = tr.named(g=tr.tanh(x @ self.W_g + h @ self.U_g))
        (c,) = tr.named(c=f * c + i * g)
        (h,) = tr.named(h=o * tr.tanh(c))
        return h, c


def by_hand(steps):
    y, _ = nn.Recurrent(ByHand())(sequence(steps), (tr.zeros(N, H), tr.zeros(N, H)))
    return tr.mean(y * y)


@pytest.mark.parametrize(
    "model, expected",
    [
        (MODELS["lstm"], [["tanh_g", "σ_f", "σ_i", "σ_o"]]),
        (MODELS["lstm2"], [["tanh_g", "σ_f", "σ_i", "σ_o"]] * 2),
        (MODELS["gru"], [["σ_r", "σ_z"]]),
        (MODELS["gru_before"], [["σ_r", "σ_z"]]),
        (MODELS["rnn"], []),
        (MODELS["own_cell"], []),  # one gate is no record
        (MODELS["own_modules"], [["tanh_n", "σ_z"]]),
        (by_hand, [["tanh_g", "σ_f", "σ_i", "σ_o"]]),
    ],
    ids=["lstm", "lstm2", "gru", "gru_before", "rnn", "own_cell", "own_modules", "by_hand"],
)
def test_records_follow_from_the_recorded_computation(model, expected):
    assert fields(picture(model, "gates")) == expected


@pytest.mark.parametrize("model", [MODELS["lstm"], by_hand], ids=["lstm", "by_hand"])
def test_one_affine_map_feeds_the_record(model):
    coarse = picture(model, "gates")
    (affine,) = [mark for mark in at(coarse, 1) if mark.label.text == "affine"]
    heads = {link.head for link in coarse.links if link.tail is affine}
    assert heads == set(at(coarse, 1, "gate"))
    others = [link.tail.title for link in coarse.links if link.head is affine and link.tail.role != "parameter"]
    assert sorted(others) == ["h_1", "x_2"]
    assert not any(mark.label.text in "@+" for mark in at(coarse, 1) if mark.label.text != "+") and "operations" in affine.tip


@pytest.mark.parametrize("name", ["lstm", "gru", "own_modules", "lstm2"])
def test_fields_stand_side_by_side_at_one_height(name):
    loss = MODELS[name](3)
    coarse, drawing, _ = render.compose(tr.tape(loss), render.Options(level="gates"))
    boxes = {box.name: box for box in drawing.boxes}
    records = defaultdict(list)
    for mark in coarse.marks:
        if mark.record:
            records[mark.column, mark.record].append(boxes[f"m{mark.number}"])
    assert records
    for row in records.values():
        row.sort(key=lambda box: box.x)
        assert len({box.y for box in row}) == 1 and len(row) == len(coarse.marks[0].record or row)
        for one, other in pairwise(row):
            assert other.x - other.width / 2 - (one.x + one.width / 2) == pytest.approx(0.0, abs=0.1)


def test_arrows_leave_their_own_field():
    drawing = render.draw(tr.tape(MODELS["lstm"](3)), level="gates")
    boxes = {box.name: box for box in drawing.boxes}
    leaving = [a for a in drawing.arrows if a.ends and boxes[a.ends[0]].role == "gate"]
    assert len(leaving) == 12
    for arrow in leaving:
        box = boxes[arrow.ends[0]]
        assert arrow.chain[0] == pytest.approx((box.x, box.y + box.height / 2))


def test_a_record_without_a_field_at_the_last_step_is_one_all_the_same():
    part = tr.tape(MODELS["lstm"](3)).subgraph(of="c")  # nobody needs the last output gate
    coarse = at_level(read(part), "gates")
    assert fields(coarse, 1) == [["tanh_g", "σ_f", "σ_i", "σ_o"]] and fields(coarse, 2) == [["tanh_g", "σ_f", "σ_i"]]
    assert len({mark.record for mark in coarse.marks if mark.record}) == 1
    assert list(blemishes(render.draw(part, level="gates", gradients=True))) == []


# -- cells -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, boxes",
    [
        ("rnn", ["RNN"]),
        ("lstm", ["LSTM"]),
        ("lstm2", ["layer0", "layer1"]),
        ("bidirectional", ["layer0", "layer0_reverse"]),
        ("own_loop", ["cell"]),
        ("own_cell", ["Recurrent"]),
        ("own_modules", ["Recurrent"]),
        ("stepwise_scores", ["Embedding", "GRUCell", "Linear"]),
        ("attention", ["GRU", "GRUCell"]),
    ],
)
def test_one_box_per_cell_and_step(name, boxes):
    coarse = picture(MODELS[name], "cells")
    for column in range(3):
        assert (
            sorted((mark.inside[-1].scope and mark.label.text) or mark.label.text for mark in at(coarse, column, "module"))
            == boxes
        )
    assert not at(coarse, 1, "gate") and not at(coarse, 1, "parameter")


def test_what_runs_into_a_cell_and_out_of_it():
    coarse = picture(MODELS["lstm"], "cells")
    (box,) = at(coarse, 1, "module")
    assert sorted(link.tail.title for link in coarse.links if link.head is box) == ["c_1", "h_1", "x_2"]
    assert sorted(link.head.title for link in coarse.links if link.tail is box) == ["c_2", "h_2"]
    assert all(part in box.tip for part in ("LSTM", "operations", "W_x", "W_h", "b", "t = 2"))


def test_each_state_comes_into_a_cell_by_a_door_of_its_own():
    drawing = render.draw(tr.tape(MODELS["tokens"](3)), level="cells")
    boxes = {box.name: box for box in drawing.boxes}
    (name,) = [box.name for box in drawing.boxes if box.role == "module" and box.label.text == "LSTM" and "t = 2" in box.tip]
    doors = {boxes[a.ends[0]].label.text: a.chain[-1][1] for a in drawing.arrows if a.ends and a.ends[1] == name}
    assert doors["c"] > doors["h"] + 5 > doors["Embedding"] + 10


def test_modules_outside_the_loop_are_boxes():
    coarse = picture(MODELS["tokens"], "cells")
    assert [mark.label.text for mark in at(coarse, "before", "module")] == ["Embedding"]
    assert [mark.label.text for mark in at(coarse, "after", "module")] == ["Linear"]
    assert [mark.label.text for mark in picture(MODELS["plain"], "cells", 1).marks if mark.role == "module"] == ["Sequential"]


def test_a_module_that_reads_its_own_result_is_two_boxes():
    """Once more through the same layer: one box would have to read itself."""
    w, middle = nn.Linear(H, H), tr.ones(N, H)
    loss = tr.sum(w(tr.tanh(w(middle) * 2)))
    coarse = at_level(read(tr.tape(loss)), "cells")
    assert [mark.label.text for mark in coarse.marks if mark.role == "module"] == ["Linear", "Linear"]
    assert list(blemishes(render.draw(tr.tape(loss), level="cells"))) == []


def test_two_sequences_through_one_layer_are_two_boxes():
    layer = nn.GRU(D, H)
    a, _ = layer(sequence(3))
    b, _ = layer(sequence(3))
    coarse = at_level(read(tr.tape(tr.mean(a * b))), "cells")
    assert len([mark for mark in coarse.marks if mark.role == "module"]) == 6


def test_unknown_levels():
    with pytest.raises(ValueError, match="level 'gate': expected 'primitives', 'gates' or 'cells'"):
        render.svg(tr.tape(MODELS["rnn"](2)), level="gate")
