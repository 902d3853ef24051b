"""Truncated backpropagation: the record knows where a history was cut, and the drawing shows it."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.render.curve import rounded
from tinyrnn.render.cuts import strokes
from tinyrnn.render.reading import read

from .blemishes import blemishes
from .models import MODELS, D, H, N, sequence


def windows(steps, length):
    """A loss at every step; after each window of this length the state is detached."""
    cell, x = nn.LSTMCell(D, H), sequence(steps)
    state, total = cell.initial_state(N), 0.0
    for t in range(steps):
        if t and t % length == 0:
            state = type(state)(*(part.detach() for part in state))
        with tr.step(t):
            state = cell(x[t], state)
            total = total + tr.sum(state.h * state.h)
    return total


def sliding(steps, length):
    """A loss at the end; what is older than this many steps is let go."""
    cell, x = nn.LSTMCell(D, H), sequence(steps)
    state = cell.initial_state(N)
    for t in range(steps):
        with tr.step(t):
            state = cell(x[t], state)
        tr.unchain(state, before=t - length + 1)
    return tr.sum(state.h * state.h)


def severed(loss):
    return {(link.tail.title, link.head.column + 1) for link in read(tr.tape(loss)).links if link.kind == "severed"}


@pytest.mark.parametrize("recorded", [False, True], ids=["leaves", "recorded"])
def test_a_detached_state_is_drawn_with_a_severed_arrow(recorded):
    """Whether the record keeps the detach itself, or only that there was one."""
    if recorded:
        with tr.recording():
            loss = windows(6, 2)
    else:
        loss = windows(6, 2)
    assert severed(loss) == {(f"{name}_{t}", t + 1) for name in "hc" for t in (2, 4)}
    states = [mark.title for mark in read(tr.tape(loss)).marks if mark.role == "state"]
    assert len(states) == len(set(states)) == 2 * 7  # no state is drawn twice


def test_the_state_before_a_sliding_window_stays_when_its_step_is_gone():
    loss = sliding(8, 3)
    assert severed(loss) == {("h_5", 6), ("c_5", 6)}
    picture = read(tr.tape(loss))
    assert picture.axes[0].steps == (5, 6, 7)
    assert all(mark.initial for mark in picture.marks if mark.title in ("h_5", "c_5"))


def test_an_uncut_history_has_no_severed_arrow():
    for name in ("lstm", "encoder_decoder", "learnt_start", "stepwise"):
        assert severed(MODELS[name](3)) == set()
    assert not any(node.severed for node in tr.tape(MODELS["lstm"](3)).nodes)


def test_the_record_says_which_leaves_were_severed():
    w, h = tr.Parameter(2.0), tr.tensor(1.0)
    with tr.step(0):
        h = h * w
    tr.unchain(h)
    with tr.step(1):
        y = h * w + w.detach()
    leaves = {node.index: (node.severed, node.step) for node in tr.tape(y).nodes if node.op is None and not node.trainable}
    assert list(leaves.values()) == [(True, 0), (True, 1)]
    constant = tr.tensor(3.0).detach()  # there was no history to cut off
    assert not any(node.severed for node in tr.tape(constant * w).nodes)


def test_no_gradient_is_drawn_along_a_severed_arrow():
    drawing = render.draw(tr.tape(windows(4, 2)), gradients=True)
    picture = read(tr.tape(windows(4, 2)).with_gradients())
    back = {arrow.ends for arrow in drawing.arrows}
    for link in picture.links:
        ends = f"m{link.head.number}", f"m{link.tail.number}"
        if link.kind == "severed":
            assert ends not in back and ends[::-1] in back
        elif link.recurrent and link.tail.node.differentiable:
            assert ends in back


@pytest.mark.parametrize("loss", [windows(4, 2), sliding(6, 2), windows(9, 3)], ids=["windows", "sliding", "long"])
@pytest.mark.parametrize("options", [{}, {"passes": "both"}, {"gradients": True, "values": True}], ids=str)
def test_cuts_are_visible_and_legible(loss, options):
    drawing = render.draw(tr.tape(loss), **options)
    assert list(blemishes(drawing)) == []
    bars = [arrow for arrow in drawing.arrows if arrow.tip.startswith("the history is cut")]
    arrows = [a for a in drawing.arrows if a.stroke == render.style.ARROWS["severed"]]
    assert len(bars) == 2 * len(arrows) > 2  # two across each arrow, that in the legend included
    assert any("history cut" in text.text for text in drawing.texts)


def test_a_cut_beyond_the_steps_left_out_is_drawn_over_the_gap():
    """From the last step drawn before the gap, as an arrow that is not cut: the state itself is of a step that is not drawn."""
    graph = tr.tape(windows(20, 2))
    picture = read(graph, 4)
    over = [(k.carries, k.tail.title, k.head.column, k.kind) for k in picture.links if k.over and k.tail.role == "state"]
    assert sorted(over) == [("c_18", "c_2", 18, "severed"), ("h_18", "h_2", 18, "severed")]
    assert [mark.title for mark in picture.marks if mark.initial] == ["h_0", "c_0"]
    assert list(blemishes(render.draw(graph, fold=4, gradients=True))) == []


@pytest.mark.parametrize("view", ["rolled", "pair"])
def test_a_cut_is_seen_in_the_rolled_drawing(view):
    drawing = render.draw(tr.tape(sliding(6, 2)), view=view)
    bars = [arrow for arrow in drawing.arrows if arrow.tip.startswith("the history is cut")]
    assert len(bars) == 2 * len([a for a in drawing.arrows if a.stroke == render.style.ARROWS["severed"]]) > 0
    assert list(blemishes(drawing)) == []


def test_strokes_cross_the_line():
    for corners in ([(0, 0), (30, 0), (30, 60), (50, 60)], [(0, 0), (50, 0)], [(0, 0), (40, 30)]):
        line = rounded(corners) if len(corners) != 2 or corners[1][1] == 0 else [(0, 0), (13, 10), (27, 20), (40, 30)]
        for bar in strokes(line):
            (ax, ay), (bx, by) = bar.chain[0], bar.chain[-1]
            points = np.array(render.curve.sampled(line))
            side = (bx - ax) * (points[:, 1] - ay) - (by - ay) * (points[:, 0] - ax)
            near = np.hypot(points[:, 0] - (ax + bx) / 2, points[:, 1] - (ay + by) / 2) < 12
            assert (side[near] > 0).any() and (side[near] < 0).any()
