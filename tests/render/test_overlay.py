"""Gradients over the forward pass, the lines of numbers under the names, and the legend of it all."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.render import flow, notation, rows, style

from .blemishes import blemishes, on_each_other
from .models import MODELS, D, H, N, sequence


def styles(drawing):
    return {arrow.stroke for arrow in drawing.arrows}


def texts(drawing):
    return [text.text for text in drawing.texts]


def drawn(factor, steps=4, **options):
    """h ← tanh(0) + factor · h: a gradient that is multiplied at every step."""
    w, h = tr.Parameter(float(factor), name="w"), tr.Parameter([1.0, 1.0], name="h_0")
    for t in range(steps):
        with tr.step(t):
            (h,) = tr.named(h=h * w)
    return render.draw(tr.tape(tr.sum(h)), gradients=True, **options)


# -- widths and styles -------------------------------------------------------------------------------------------


def test_width_is_linear_in_the_logarithm_with_one_scale_for_all():
    scale = flow.Scale([1e-4, 1e-1, 1e2], bound=1e3)
    widths = [scale.stroke(norm).width for norm in (1e-4, 1e-1, 1e2)]
    assert [widths[0], widths[2]] == pytest.approx([flow.NARROW, flow.WIDE])
    assert widths[1] == pytest.approx((flow.NARROW + flow.WIDE) / 2)
    assert flow.Scale([0.0], bound=1e3).stroke(1.0).width > 0  # nothing flows: a scale all the same


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_gradients_whose_squares_are_no_numbers_are_neither_dead_nor_infinite(factor):
    """In float32 a square ends at 1e-45 and at 3e38."""
    w = tr.Parameter(np.ones(4, "float32"), name="w")
    drawing = render.draw(tr.tape(tr.sum(w * factor)), gradients=True, exploding=1e35)
    tips = [float(arrow.tip.rpartition("= ")[2]) for arrow in drawing.arrows if "∂L/∂w" in arrow.tip]
    assert tips == [pytest.approx(2 * factor, rel=1e-2)]
    assert not any("dead" in text or "infinite" in text for text in texts(drawing))


def test_each_kind_of_gradient_has_a_line_of_its_own():
    scale = flow.Scale([1e-2, 1.0], bound=10.0)
    kinds = [scale.stroke(norm) for norm in (0.0, 1.0, 100.0, float("nan"))] + [style.ARROWS["detached"], style.ARROWS["severed"]]
    assert len({(stroke.color, stroke.dash) for stroke in kinds}) == len(kinds)
    assert scale.stroke(float("inf")) == scale.stroke(float("nan")) != scale.stroke(11.0)


def test_dead_gradients_are_marked():
    drawing = drawn(0.0)
    assert flow.DEAD in styles(drawing) and "dead: exactly 0" in texts(drawing)
    assert flow.DEAD not in styles(drawn(0.5)) and "dead: exactly 0" not in texts(drawn(0.5))


def test_exploding_gradients_are_those_above_the_bound():
    assert flow.EXPLODING not in styles(drawn(3.0)) and not any("exploding" in text for text in texts(drawn(3.0)))
    above = drawn(3.0, exploding=50.0)
    assert flow.EXPLODING in styles(above) and "exploding: above 50" in texts(above)
    assert flow.EXPLODING in styles(drawn(100.0)) and "exploding: above 1000" in texts(drawn(100.0))
    for norm in (0, -1.0, float("nan"), "large"):
        with pytest.raises(ValueError, match="exploding: expected a norm above which gradients explode"):
            drawn(1.0, exploding=norm)


def test_what_is_no_number_is_marked():
    w = tr.Parameter([0.0, 1.0], name="w")
    with np.errstate(all="ignore"):
        drawing = render.draw(tr.tape(tr.sum(tr.sqrt(w * 0.0 - 1.0))), gradients=True)
    assert flow.NOT_FINITE in styles(drawing) and "NaN or infinite" in texts(drawing)
    assert not any("exploding" in text for text in texts(drawing))


def test_ways_back_keep_clear_of_marks_and_of_each_other():
    """For all models see `test_pictures`; here the check itself: the way back moved onto its arrow is found."""
    drawing = render.draw(tr.tape(MODELS["lengths"](3)), gradients=True)
    assert list(on_each_other(drawing.arrows)) == []
    back = [arrow for arrow in drawing.arrows if arrow.stroke.color == style.GRADIENT and arrow.ends]
    one = max(back, key=lambda arrow: abs(arrow.chain[0][0] - arrow.chain[-1][0]))
    other = next(a for a in drawing.arrows if a.ends == one.ends[::-1])
    drawing.arrows[drawing.arrows.index(one)] = one._replace(chain=other.chain[::-1])
    assert any("run on each other" in fault for fault in blemishes(drawing))


@pytest.mark.parametrize("cells", [(nn.RNNCell, nn.RNNCell), (nn.LSTMCell, nn.GRUCell)], ids=["rnn", "lstm, gru"])
def test_ways_back_of_arrows_that_run_side_by_side(cells):
    """Two arrows pass the upper cell side by side; there is room for only one way back between them."""
    lower, upper = cells
    y, _ = nn.Stack(nn.Residual(lower(4, 4)), nn.Highway(upper(4, 4)))(np.ones((3, 2, 4), "float32"))
    assert list(blemishes(render.draw(tr.tape(tr.mean(y * y)), gradients=True))) == []


# -- lines of numbers --------------------------------------------------------------------------------------------


def test_few_numbers_are_written_out_and_many_by_their_norm():
    assert rows.numbers(np.float32(0.12345), np.float32(-2)) == ("0.123 | −2",)
    assert rows.numbers(np.array([1.0, -0.0]), np.array([0.5, 1e-9])) == ("1 | 0.5", "0 | 1e−09")
    assert rows.numbers(np.array([1.0, 2.0]), None) == ("1 | —", "2 | —")
    assert rows.numbers(np.ones(9), 2 * np.ones(9)) == ("‖·‖ 3 | 6",)
    assert rows.numbers(np.ones(9), None) == ("‖·‖ 3 | —",)
    assert rows.numbers(np.array([3, 1])) == ("3", "1")


def box_rows(drawing):
    return {box.label.title(box.time): box.rows for box in drawing.boxes if box.rows}


def test_value_and_gradient_stand_side_by_side():
    w, u, h = tr.Parameter(0.5, name="w"), tr.Parameter([1.0, -1.0], name="u"), 1.0
    for t in range(2):
        with tr.step(t):
            (h,) = tr.named(h=tr.tanh(h * w + u))
    graph = tr.tape(tr.sum(h))
    written = box_rows(render.draw(graph, values=True, gradients=True))
    h1, h2 = (node for node in graph.with_gradients().nodes if node.name == "h")
    for name, node in (("h_1", h1), ("h_2", h2)):
        pairs = zip(node.value, node.gradient)
        assert written[name] == tuple(f"{notation.number(v)} | {notation.number(g)}" for v, g in pairs)
    assert box_rows(render.draw(graph, values=True))["h_1"] == tuple(map(notation.number, h1.value))


def test_a_parameter_shows_the_share_of_each_step():
    """The shares written at its marks add up to its gradient, also where it is used twice in a step, or transposed."""
    w, h = tr.Parameter(0.5, name="w"), tr.tensor(1.0, requires_grad=True)
    for t in range(3):
        with tr.step(t):
            (h,) = tr.named(h=tr.tanh(h * w) + w.reshape(1).sum())
    graph = tr.tape(h)
    drawing = render.draw(graph, values=True, gradients=True)
    shares = [float(box.rows[0].split(" | ")[1].replace("−", "-")) for box in drawing.boxes if box.label.text == "w"]
    (node,) = [node for node in graph.with_gradients().nodes if node.name == "w"]
    assert len(shares) == 3 and sum(shares) == pytest.approx(float(node.gradient), rel=0.01)


def test_of_a_sequence_the_element_that_is_read_is_shown():
    x = tr.tensor(sequence(3).numpy(), name="x")
    with tr.recording():
        y, _ = tr.nn.RNN(D, H)(x)
        written = box_rows(render.draw(tr.tape(tr.mean(y * y)), values=True))
    for t in range(3):
        assert written[f"x_{t + 1}"] == (f"‖·‖ {notation.number(np.linalg.norm(x.numpy()[t]))}",)


def test_where_there_is_no_gradient_there_is_a_dash():
    written = box_rows(render.draw(tr.tape(MODELS["lstm"](2)), values=True, gradients=True))
    assert written["x_1"][0].endswith(" | —") and written["h_0"][0].endswith(" | —")
    assert not written["h_1"][0].endswith("—")


def test_with_both_passes_values_and_gradients_stand_in_their_own():
    written = box_rows(render.draw(tr.tape(MODELS["rnn"](2)), passes="both", values=True))
    assert not any("|" in row.replace("‖·‖", "") for lines in written.values() for row in lines)
    assert written["L"] != () and written["δL"] == ("1",)
    assert written["ΔW_h,1"] == ("‖·‖ 0",) and written["ΔW_h,2"] != ("‖·‖ 0",)  # h₀ is 0


# -- the legend --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"gradients": True}, {"passes": "backward"}, {"passes": "both", "gradients": True}], ids=str
)
def test_the_legend_holds_what_occurs_and_nothing_else(options):
    drawing = render.draw(tr.tape(MODELS["stepwise"](3)), **options)
    samples = [box for box in drawing.boxes if box.name.startswith("legend")]
    marks = [box for box in drawing.boxes if not box.name.startswith("legend")]
    assert {box.role for box in samples} == {box.role for box in marks} and len(samples) == len({box.role for box in samples})
    assert {style.ROLES[box.role].legend for box in samples} <= set(texts(drawing))
    strokes = {arrow.stroke for arrow in drawing.arrows if arrow.ends}
    assert ("to another step" in texts(drawing)) == (style.ARROWS["recurrent"] in strokes)
    assert not any("detached" in text or "history cut" in text for text in texts(drawing))


def test_detached_arrows_are_in_the_legend():
    with tr.recording():
        w = tr.Parameter(np.eye(H, dtype="float32"), name="w")
        x = tr.tensor(np.ones((N, H), "float32"), name="x") @ w
        drawing = render.draw(tr.tape(tr.sum(tr.tanh(x) * x.detach())), gradients=True)
    assert "detached: no gradient" in texts(drawing)
