"""Functions composed of primitives are one mark each; what is masked, looked up and joined is drawn so that it can be read."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.render.reading import read

from .blemishes import blemishes
from .models import D, H, N, sequence


def drawn(loss):
    picture = read(tr.tape(loss))
    assert list(blemishes(render.draw(tr.tape(loss), gradients=loss.shape == () and loss.requires_grad))) == []
    return picture


def titles(picture, *roles):
    return sorted(mark.title for mark in picture.marks if mark.role in roles)


def readers(picture, title):
    return sorted(link.head.title for link in picture.links if link.tail.title == title)


@pytest.fixture
def x():
    return tr.Parameter(np.random.default_rng(0).normal(size=(3, 4)).astype("float32"), name="x")


@pytest.mark.parametrize("function", [tr.softmax, tr.log_softmax, tr.logsumexp, tr.gelu, tr.leaky_relu, tr.norm])
def test_a_call_is_one_mark(function, x):
    picture = drawn(tr.sum(function(x * 2) * 3))
    name = function.__name__.replace("_", " ")
    assert titles(picture, "activation") == [name]
    assert readers(picture, "2×" if "2×" in titles(picture, "arithmetic") else "×2") == [name]
    assert len(picture.marks) == 6  # x, ×2, the call, ×3, Σ and L


def test_calls_in_calls_and_side_by_side(x):
    picture = drawn(tr.sum(tr.softmax(tr.gelu(x)) * tr.softmax(x)))
    assert titles(picture, "activation") == ["gelu", "softmax", "softmax"]
    assert readers(picture, "x") == ["gelu", "softmax"]


def test_cross_entropy_reads_scores_and_labels(x):
    labels = tr.tensor(np.array([0, 1, 3]))
    labels.name = "labels"
    with tr.recording():
        picture = drawn(nn.cross_entropy(x, labels))
    assert titles(picture, "activation") == ["cross entropy"] and titles(picture, "loss") == ["L"]
    assert readers(picture, "x") == readers(picture, "labels") == ["cross entropy"]
    assert len(picture.marks) == 4


def test_a_loss_at_every_step_is_its_call_and_its_term(x):
    total = 0.0
    for t in range(2):
        with tr.step(t):
            total = total + nn.cross_entropy(x * (t + 1), [0, 1, 3])
    assert titles(drawn(total), "loss") == ["L", "ℓ_1", "ℓ_2"]


def test_gradients_of_a_call_are_those_of_its_argument(x):
    loss = tr.sum(tr.softmax(x) ** 2)
    graph = tr.tape(loss).with_gradients()
    tip = next(a.tip for a in render.draw(graph, gradients=True).arrows if "through softmax" in a.tip)
    size = np.linalg.norm(tr.grad(loss, x).numpy())
    assert float(tip.rpartition("= ")[2]) == pytest.approx(size, rel=1e-2)


def test_the_name_of_a_result_is_the_subscript_of_its_call(x):
    (p,) = tr.named(p=tr.softmax(x))
    assert titles(drawn(tr.sum(p * 2)), "activation") == ["softmax_p"]


def test_a_call_of_which_two_results_are_read_is_drawn_operation_by_operation(x):
    @tr.graph.composed
    def both(x):
        return tr.exp(x), tr.tanh(tr.exp(x) * 2)

    one, other = both(x)
    assert "exp" in titles(drawn(tr.sum(one * other)), "activation")
    first = tr.exp(x)

    @tr.graph.composed
    def shared(x):
        y = tr.exp(x)
        return y, tr.tanh(y)

    one, other = shared(first)
    assert titles(drawn(tr.sum(one * other)), "activation") == ["exp", "exp", "tanh"]


def test_dropout_and_embedding(x):
    tr.manual_seed(0)
    picture = drawn(tr.sum(nn.Dropout(0.5)(nn.Embedding(5, 4)([1, 2]))))
    assert titles(picture, "activation") == ["dropout", "lookup"]
    assert titles(picture, "parameter", "input") == ["W", "k"]


def test_the_layers_of_a_user():
    """A residual connection around a layer norm, and attention over its own past, drawn without a fault."""

    class Block(nn.Module):
        def __init__(self):
            self.norm, self.cell = nn.LayerNorm(D), nn.LSTM(D, D, bidirectional=True)
            self.project = nn.Linear(2 * D, D)

        def forward(self, x):
            y, _ = self.cell(self.norm(x))
            scores = tr.softmax(self.project(y) @ tr.transpose(x, axes=(0, 2, 1)))
            return x + scores @ x

    x = tr.named(x=sequence(3) * tr.Parameter(1.0, name="g"))[0]
    loss = tr.mean(Block()(x) ** 2)
    for level in ("primitives", "gates", "cells"):
        assert list(blemishes(render.draw(tr.tape(loss), level=level, gradients=True))) == []
    assert "softmax" in titles(read(tr.tape(loss)), "activation")


def test_parameters_that_a_call_reads_belong_to_their_module():
    class Scores(nn.Module):
        def __init__(self):
            self.W = tr.Parameter(np.ones((N, H), "float32"))

        def forward(self):
            return tr.softmax(self.W)

    (mark,) = [mark for mark in drawn(tr.sum(Scores()())).marks if mark.role == "parameter"]
    assert mark.scope == ("Scores",)
