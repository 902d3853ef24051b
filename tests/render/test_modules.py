"""Frames of modules: which have one, that they nest, that what is alike looks alike, that no name is cut or crossed."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.render.curve import sampled
from tinyrnn.render.levels.frames import titles
from tinyrnn.render.options import Options
from tinyrnn.render.views.unrolled import Unrolled

from .blemishes import blemishes
from .models import MODELS, D, H, N, sequence


class Inner(nn.Module):
    """Two linear maps, one after the other."""

    def __init__(self, size):
        self.first, self.second = nn.Linear(size, H), nn.Linear(H, H)

    def forward(self, x):
        return self.second(tr.tanh(self.first(x)))


class Deep(nn.Module):
    """A cell of modules of modules."""

    def __init__(self):
        self.gate, self.candidate, self.out = Inner(D + H), Inner(D + H), nn.Linear(H, H)

    def forward(self, x, h):
        both = tr.concatenate(x, h, axis=-1)
        z, n = tr.named(z=tr.sigmoid(self.gate(both)), n=tr.tanh(self.candidate(both)))
        return self.out(z * h + (1 - z) * n)


class Translator(nn.Module):
    """A model of its own around the library's layers."""

    def __init__(self):
        self.embedding, self.encoder = nn.Embedding(6, D), nn.LSTM(D, H, 2)
        self.head = nn.Sequential(nn.Linear(H, H), nn.Linear(H, 6))

    def forward(self, text):
        cells, x = [cell for (cell,) in self.encoder.cells()], self.embedding(text)
        states, total = [cell.initial_state(N) for cell in cells], 0.0
        with tr.recording():
            for t in range(len(text)):
                with tr.step(t):
                    h = x[t]
                    for i, cell in enumerate(cells):
                        states[i] = cell(h, states[i])
                        h = states[i].h
                    total = total + nn.cross_entropy(self.head(h), text[t])
        return total


def deep(steps):
    with tr.recording():
        y, _ = nn.Recurrent(Deep())(sequence(steps), tr.zeros(N, H))
    return tr.mean(y * y)


def translator(steps):
    return Translator()(np.random.default_rng(0).integers(6, size=(steps, N)))


class Stacks(nn.Module):
    """Two stacks of layers, one above the other."""

    def __init__(self):
        self.lower, self.upper = nn.LSTM(D, H, 2, dropout=0.2), nn.GRU(H, H, 2)
        self.head = nn.Linear(H, 2)

    def forward(self, x):
        y, _ = self.lower(x)
        z, _ = self.upper(y)
        return tr.mean(self.head(z) ** 2)


def stacks(steps):
    tr.manual_seed(0)
    return Stacks()(sequence(steps))


OWN = {"deep": deep, "translator": translator, "stacks": stacks}


def cell_of(loss, level="primitives"):
    """The layout of one step."""
    picture, _, _ = render.compose(tr.tape(loss), Options(level=level))
    return Unrolled(picture).cells[0]


def names(loss, level="primitives"):
    return sorted(titles(cell_of(loss, level).frames).values())


@pytest.mark.parametrize(
    "options", [{}, {"gradients": True}, {"level": "gates"}, {"level": "cells"}, {"passes": "both"}], ids=str
)
@pytest.mark.parametrize("model", OWN)
def test_nothing_overlaps(model, options):
    for steps in (1, 3):
        assert list(blemishes(render.draw(tr.tape(OWN[model](steps)), **options))) == []


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_what_a_module_reads_stands_in_the_order_of_its_doors(cell):
    """The mask of the state is read at the left of the cell, the input at its right: they do not cross on the way."""
    with tr.recording():
        y, _ = nn.Recurrent(nn.VariationalDropout(cell(D, H), 0.2, 0.3))(np.ones((2, N, D), "float32"))
    drawing = render.draw(tr.tape(tr.mean(y * y)))
    assert list(blemishes(drawing)) == []
    frame = drawing.frames[1]
    below = {b.name for b in drawing.boxes if frame.x0 < b.x < frame.x1 and b.y < frame.y0}
    entering = [a.chain for a in drawing.arrows if a.ends and a.ends[0] in below and a.ends[1] not in below]
    ends = [chain[-1][0] for chain in sorted(entering, key=lambda chain: chain[0])]
    assert len(entering) > 1 and ends == sorted(ends)


@pytest.mark.parametrize(
    "model, expected",
    [
        (MODELS["lstm"], []),  # not around all of a step
        (MODELS["own_cell"], []),
        (MODELS["lstm2"], ["layer0", "layer1"]),
        (MODELS["own_modules"], ["candidate", "gate"]),
        (MODELS["stepwise_scores"], ["Embedding", "GRUCell", "Linear"]),
        (deep, ["candidate", "first", "first", "gate", "out", "second", "second"]),
        (translator, ["0", "1", "head", "layer0", "layer1"]),
        (stacks, ["layer0", "layer0", "layer1", "layer1", "lower", "upper"]),
    ],
    ids=["lstm", "own_cell", "lstm2", "own_modules", "stepwise_scores", "deep", "translator", "stacks"],
)
def test_which_modules_have_a_frame(model, expected):
    assert names(model(3)) == expected


def test_boxes_and_what_has_become_an_affine_map_have_none():
    assert names(MODELS["lstm2"](3), "cells") == names(MODELS["stepwise_scores"](3), "cells") == []
    assert names(MODELS["own_modules"](3), "gates") == []
    assert names(stacks(3), "cells") == ["lower", "upper"]  # around the boxes of their layers


def test_frames_outside_the_loop():
    drawing = render.draw(tr.tape(MODELS["tokens"](3)))
    assert "Linear" in [text.text for text in drawing.texts]
    plain = render.draw(tr.tape(MODELS["plain"](1)))
    assert [text.text for text in plain.texts if text.size == 8.0][:3] == ["Sequential", "0", "1"]
    labels = [box.label for box in plain.boxes if box.role == "parameter" and box.tip]
    assert sorted(label.text for label in labels) == ["W", "W", "b", "b"] and not any(label.sub for label in labels)


@pytest.mark.parametrize("model", [MODELS["lstm2"], MODELS["own_modules"], deep, translator, stacks])
def test_each_module_holds_its_own_marks_and_nothing_else(model):
    picture, _, _ = render.compose(tr.tape(model(3)), Options())
    cell = Unrolled(picture).cells[0]
    scope = {mark.slot: mark.scope for mark in picture.marks if isinstance(mark.column, int) and mark.node.op}
    for module, (x0, y0, x1, y1) in cell.frames.items():
        for slot, place in scope.items():
            (x, y), (wide, high) = cell.centre[slot], cell.size[slot]
            inside = x0 < x - wide / 2 and x + wide / 2 < x1 and y0 < y - high / 2 and y + high / 2 < y1
            outside = x1 < x - wide / 2 or x + wide / 2 < x0 or y1 < y - high / 2 or y + high / 2 < y0
            assert inside if place[: len(module)] == module else outside


@pytest.mark.parametrize("model", [deep, translator, stacks])
def test_frames_nest_or_lie_apart(model):
    frames = cell_of(model(3)).frames
    for one, (a0, b0, a1, b1) in frames.items():
        for other, (c0, d0, c1, d1) in frames.items():
            if other[: len(one)] == one and one != other:
                assert a0 < c0 and c1 < a1 and b0 < d0 and d1 < b1
            elif one[: len(other)] != other:
                assert a1 <= c0 or c1 <= a0 or b1 <= d0 or d1 <= b0


@pytest.mark.parametrize(
    "model, one, other",
    [
        (MODELS["lstm2"], ("LSTM", "layer0"), ("LSTM", "layer1")),
        (MODELS["own_modules"], ("Recurrent", "cell", "gate"), ("Recurrent", "cell", "candidate")),
        (deep, ("Recurrent", "cell", "gate"), ("Recurrent", "cell", "candidate")),
        (deep, ("Recurrent", "cell", "gate", "first"), ("Recurrent", "cell", "candidate", "second")),
    ],
)
def test_modules_that_are_alike_look_alike(model, one, other):
    picture, _, _ = render.compose(tr.tape(model(3)), Options())
    cell = Unrolled(picture).cells[0]
    shapes = []
    for module in (one, other):
        slots = [m.slot for m in picture.marks if m.column == 1 and m.scope[: len(module)] == module and m.role != "input"]
        x, y = np.min([cell.centre[slot] for slot in slots], axis=0)
        shapes.append(sorted((slot[1], round(cell.centre[slot][0] - x, 1), round(cell.centre[slot][1] - y, 1)) for slot in slots))
    assert shapes[0] == shapes[1]


def test_a_long_name_fits_into_its_frame():
    class Named(nn.Module):
        def __init__(self):
            self.a_module_with_quite_a_long_name = nn.Linear(D, H)
            self.b = nn.Linear(H, H)

        def forward(self, x):
            return self.b(self.a_module_with_quite_a_long_name(x))

    drawing = render.draw(tr.tape(tr.sum(Named()(tr.ones(N, D)))), gradients=True)
    assert list(blemishes(drawing)) == []
    for text in drawing.texts:
        if text.text.startswith("a_module"):
            assert any(f.x0 <= text.left and text.left + text.width <= f.x1 and f.y0 < text.y < f.y1 for f in drawing.frames)


def test_a_module_that_would_have_to_stand_above_itself_has_no_frame():
    """Its result goes through something else and back into it."""
    layer = nn.Linear(H, H)
    x = tr.named(x=tr.tanh(layer(tr.ones(N, H))))[0]
    loss = tr.sum(layer(x) * 2)
    assert not [text for text in render.draw(tr.tape(loss)).texts if text.text == "Linear"]
    assert list(blemishes(render.draw(tr.tape(loss)))) == []


def test_arrows_go_into_a_module_from_below():
    """None of those that come from outside runs through a side of its frame."""
    cell = cell_of(deep(3))
    for module, (x0, y0, x1, y1) in cell.frames.items():
        for chain in cell.curves.values():
            points = np.array(sampled(chain))
            inside = (points[:, 0] > x0 + 0.5) & (points[:, 0] < x1 - 0.5) & (points[:, 1] > y0) & (points[:, 1] < y1)
            for i in np.flatnonzero(inside[:-1] != inside[1:]):
                near = min(abs(points[i : i + 2, 1] - y).min() for y in (y0, y1))
                assert near < 12.0, (module, points[i])
