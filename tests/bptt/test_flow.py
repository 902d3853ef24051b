"""The flow of gradients through time: norms, saturation, and a verdict that losses at every step do not deceive."""

import time

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import bptt, nn
from tinyrnn.bptt.sparkline import sparkline
from tinyrnn.bptt.verdict import judge

from .models import run
from .networks import NETWORKS


def chain(factor, steps=20, every_step=False):
    """hₜ = w hₜ₋₁ with a loss at the last step, or at every one."""
    w, h, losses = tr.Parameter(np.array(factor)), tr.Tensor(np.array(1.0)), []
    for t in range(steps):
        with tr.step(t):
            (h,) = tr.named(h=w * h)
            losses.append(1.0 * h)
    return tr.total(*losses) if every_step else losses[-1]


# -- norms ----------------------------------------


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "bidirectional LSTM of two layers", "a user's own, reversed"])
def test_norms_are_those_of_the_gradients(name):
    _, _, loss = run(name)
    recorded = tr.graph.history(loss)
    for track in bptt.flow(loss).tracks:
        scope = tuple(track.module.split("."))
        for symbol, norms in {**track.states, **track.gates}.items():
            values = {v.place.step: v for v in recorded if v.name == symbol and v.place.scope == scope}
            for step, norm in zip(track.steps, norms) if values else ():
                gradient = tr.grad(loss, values[step])
                assert norm == pytest.approx(np.linalg.norm(gradient.numpy()), rel=1e-12)


def test_what_is_found_in_each_cell():
    def found(name):
        track = bptt.flow(run(name)[2])[0]
        return list(track.states), list(track.gates), list(track.saturation)

    assert found("RNN") == (["h"], [], ["h"])
    assert found("LSTM") == (["h", "c"], ["i", "f", "g", "o", "tanh(c)"], ["i", "f", "g", "o", "tanh(c)"])
    assert found("GRU") == (["h"], ["r", "z", "n"], ["r", "z", "n"])
    assert found("a user's own") == (["h"], ["tanh"], ["tanh"])


def test_tracks_by_module_and_direction():
    flow = bptt.flow(run("bidirectional LSTM of two layers")[2])
    assert [(t.module, t.reverse) for t in flow.tracks] == [
        ("LSTM.layer0", False),
        ("LSTM.layer0_reverse", True),
        ("LSTM.layer1", False),
        ("LSTM.layer1_reverse", True),
    ]
    assert all(track.steps == (0, 1, 2, 3, 4) for track in flow.tracks)  # in the order of time
    back = flow["layer1_reverse"]
    assert back is flow[3] and len(flow) == 4
    assert np.nanargmax(back.error) == 0  # it ends, and the error enters, at the first step
    with pytest.raises(ValueError, match="say which by its number"):
        flow["layer"]


def test_an_encoder_and_a_decoder_are_two_tracks():
    encoder, decoder = nn.GRU(3, 4), nn.GRU(2, 4)
    encoder.name, decoder.name = "encoder", "decoder"
    _, h = encoder(np.ones((6, 1, 3), "float32"))
    y, _ = decoder(np.ones((4, 1, 2), "float32"), h)
    flow = bptt.flow((y * y).mean())
    assert [(t.module, len(t.steps)) for t in flow.tracks] == [("encoder.layer0", 6), ("decoder.layer0", 4)]
    assert np.isfinite(flow["encoder.layer0"].error).all()


def test_a_loop_and_cells_of_ones_own():
    one, two = nn.LSTMCell(2, 3), nn.RNNCell(3, 2)
    state, h, losses = one.initial_state(1), tr.zeros(1, 2), []
    for t in range(4):
        with tr.step(t):
            state = one(tr.ones(1, 2), state)
            h = two(state[0], h)
            (loss,) = tr.named(loss=(h * h).sum())
            losses.append(loss)
    flow = bptt.flow(tr.total(*losses))
    assert [(t.module, list(t.states), list(t.gates)) for t in flow.tracks] == [
        ("LSTMCell", ["h", "c"], ["i", "f", "g", "o", "tanh(c)"]),
        ("RNNCell", ["h"], []),
    ]


def test_a_running_sum_is_no_state():
    """`loss = loss + …` in the loop hands something on from step to step, but it is not the network's memory."""
    for first in (0.0, None):
        w, h, loss, outputs = tr.Parameter(np.array(0.5)), tr.Tensor(np.array(1.0)), first, None
        for t in range(6):
            with tr.step(t):
                h = tr.tanh(w * h)
                loss = h * h if loss is None else loss + h * h
                outputs = tr.reshape(h, shape=(1,)) if outputs is None else tr.concatenate(outputs, tr.reshape(h, shape=(1,)))
        track = bptt.flow(loss + outputs.sum())[0]
        assert list(track.states) == ["state"] and track.verdict.kind == "vanishing"
        assert bptt.jacobians(loss).sizes == (1,)


def test_a_sum_that_the_network_reads_is_a_state():
    """The cell of the first LSTM, without a forget gate (Hochreiter & Schmidhuber 1997); and a sum that is all there is."""
    w, h, c, s = tr.Parameter(np.array(0.5)), 0.0, tr.Tensor(np.array(0.0)), tr.Tensor(np.array(1.0))
    for t in range(4):
        with tr.step(t):
            c, h = tr.named(c=c + tr.tanh(w * h + 1.0), h=h)
            (h,) = tr.named(h=tr.tanh(c))
    assert list(bptt.flow(h)[0].states) == ["h", "c"]
    for t in range(4):
        with tr.step(t):
            s = s + w
    assert bptt.flow(s * s)[0].verdict.kind == "steady"


def test_masks_leave_a_track_its_module():
    layer = nn.LSTM(3, 4, 2)
    y, (h, _) = layer(np.ones((5, 2, 3), "float32"), lengths=[5, 2])
    flow = bptt.flow((h * h).sum() + (y * y).sum())
    assert [t.module for t in flow.tracks] == ["LSTM.layer0", "LSTM.layer1"]
    assert list(flow["layer1"].gates)[:4] == ["i", "f", "g", "o"]


def test_a_missing_gradient_is_nan_not_0():
    layer = nn.LSTM(3, 4)
    y, _ = layer(np.ones((3, 1, 3), "float32"))
    h = [v for v in tr.graph.history(y) if v.name == "h" and v.carried and v.place.step is not None]
    track = bptt.flow((h[1] * h[1]).sum())[0]
    assert track.steps == (0, 1)  # the loss does not depend on the third step
    track = bptt.flow((y[1] * y[1]).sum())[0]  # here it does, through the stack of all outputs
    assert track.states["h"][2] == 0 and np.isnan(track.error[2]) and track.error[1] > 0


# -- saturation ----------------------------------------


def test_saturation_counts_the_units_at_either_end():
    x = np.array([[-9.0, 0.0, 9.0, 9.0]])

    class Gated(nn.Module):
        def __init__(self):
            self.w = tr.Parameter(np.ones(4))

        def forward(self, x, h):
            z, n = tr.split(tr.sigmoid(tr.concatenate(x * self.w, h, axis=1)), 2)
            z, n, r = tr.named(z=z, n=n, r=tr.relu(h * self.w))
            return tr.tanh(z * h + n + r)

    _, h = nn.Recurrent(Gated())(np.stack([x, x]), np.zeros((1, 4)))
    saturation = bptt.flow(h.sum())[0].saturation
    assert set(saturation) == {"z", "n", "r", "h"}
    assert (saturation["z"].low == 0.25).all() and (saturation["z"].high == 0.5).all()
    assert saturation["r"].low.tolist() == [1.0, 0.0] and (saturation["r"].high == 0).all()
    assert saturation["h"].high.tolist() == [0.0, 0.5]  # tanh(z 0.46 + 0.61 + 0.46), z = 1 or less


# -- the verdict ----------------------------------------


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.8, "vanishing: the gradient halves every 3.11 steps (× 0.014 over 19 steps)"),
        (1.25, "exploding: the gradient doubles every 3.11 steps (× 69 over 19 steps)"),
        (1.0, "steady: the gradient keeps its size (× 1 over 19 steps)"),
        (0.99, "steady: the gradient keeps its size (× 0.83 over 19 steps)"),
    ],
)
def test_the_verdict_is_on_the_last_error_alone(factor, words, every_step):
    """With a loss at every step ∂L/∂hₜ is a sum, which does not vanish; the verdict sees through that."""
    track = bptt.flow(chain(factor, every_step=every_step))[0]
    assert str(track.verdict) == words
    np.testing.assert_allclose(track.error, factor ** np.arange(19, -1, -1), rtol=1e-12)
    if every_step and factor < 0.99:
        assert track.states["h"][0] > 4  # 1/(1 − 0.8)


def test_halving_at_every_step_is_said_so():
    assert str(judge([4.0, 2.0, 1.0])) == "vanishing: the gradient halves at every step (× 0.25 over 2 steps)"


def test_odd_steps_do_not_move_the_fit():
    norms = 0.5 ** np.arange(30.0)
    norms[[3, 11, 20]] *= 1e6
    assert judge(norms).steps_per_factor_2 == pytest.approx(1, rel=1e-6)


def test_what_cannot_be_fitted_is_said():
    assert str(judge([1.0])) == "one step only: nothing flows through time"
    assert str(judge([])) == "one step only: nothing flows through time"
    assert str(judge([1.0, 0.0, 0.0])) == "cut: no gradient flows back through time"
    assert judge([1.0, 0.0]).kind == "cut"
    assert str(judge([4.0, 2.0, 1.0, 0.0])).endswith("(× 0.25 over 2 steps); further back it is exactly 0")
    assert str(judge([1.0, 1.0, 1.0, 0.0])).startswith("vanishing")
    assert str(judge([1.0, 2.0, 4.0, np.inf, np.nan])).endswith("further back it is not finite")
    assert str(judge([1.0, np.inf])) == "exploding: the gradient is NaN or infinite one step back already"
    assert str(judge([np.nan, np.nan])) == "not finite: the gradient is NaN or infinite where it starts"
    assert judge(1.01 ** np.arange(10_000.0)).steps_per_factor_2 == pytest.approx(np.log(2) / np.log(1.01), rel=1e-6)


def test_a_gradient_that_overflows_in_float32_explodes():
    w, h = tr.Parameter(np.float32(30.0)), tr.tensor(1.0)
    for t in range(60):
        with tr.step(t):
            h = w * (h - h.detach()) + 1.0  # always 1, but ∂hₜ/∂hₜ₋₁ = 30
    with np.errstate(over="ignore", invalid="ignore"):
        verdict = bptt.flow(h)[0].verdict
    assert (verdict.kind, verdict.lost) == ("exploding", "not finite")
    assert verdict.rate == pytest.approx(np.log(30), rel=1e-5)


def test_a_detached_state_is_cut():
    w, h = tr.Parameter(np.array(0.5)), tr.Tensor(np.array(1.0))
    for t in range(4):
        with tr.step(t):
            (h,) = tr.named(h=tr.tanh(w * h) + 0.0 * h)
            h = h if t != 2 else 0.0 * h + w
    assert bptt.flow(h * h)[0].verdict.lost == "0"


def test_nothing_to_follow_is_an_error():
    w = tr.Parameter(1.0)
    with pytest.raises(ValueError, match=r"nothing is carried.*tr\.step"):
        bptt.flow(w * w)


# -- for the terminal ----------------------------------------


def test_it_prints_as_a_table():
    flow = bptt.flow(run("LSTM", steps=60)[2])
    lines = str(flow).splitlines()
    assert lines[0] == "LSTM.layer0, t = 1 … 60: norms, on a log scale"
    assert lines[1].split()[0] == "∂L/∂h" and len(lines[1].split()[1]) == 40
    assert "saturated" in lines[4] and "saturated" not in lines[1]
    assert lines[-1].startswith("  vanishing: the gradient halves every")
    assert all(len(line) < 110 for line in lines)
    assert repr(flow) == str(flow) == str(flow[0])  # in a notebook, too
    assert ", running backwards" in str(bptt.flow(run("a user's own, reversed")[2]))


def test_many_tracks_are_cut_short_when_printed():
    w, h = tr.Parameter(np.array(0.5)), tr.Tensor(np.array(1.0))
    for outer in range(12):
        for t in range(2):
            with tr.step(100 * outer + t):
                h = w * h
    text = str(bptt.flow(h))
    assert text.count("t = ") == 8 and text.endswith("… and 4 more")


def test_sparklines():
    assert sparkline(np.array([])) == ""
    assert sparkline(np.array([2.0])) == sparkline(np.array([2.0, 2.0]))[0]
    assert sparkline(np.array([1.0, np.inf])) in ("▅∞", "▄∞")
    assert len(sparkline(np.ones(10_000))) == 40


@pytest.mark.slow
def test_10_000_steps():
    layer = nn.LSTM(4, 8)
    y, _ = layer(np.random.default_rng(0).normal(size=(10_000, 1, 4)).astype("float32"))
    start = time.process_time()
    flow = bptt.flow((y[-1] * y[-1]).mean())
    assert time.process_time() - start < 30
    assert flow[0].error.shape == (10_000,)


# -- what was computed ----------------------------------------


def test_trace_gives_states_and_gates_in_the_order_of_time():
    _, y, loss = run("LSTM")
    found = bptt.trace(loss)
    np.testing.assert_array_equal(found["h"], y.numpy())
    np.testing.assert_allclose(found["h"], found["o"] * found["tanh(c)"], rtol=1e-12)
    np.testing.assert_allclose(found["c"][1:], found["f"][1:] * found["c"][:-1] + (found["i"] * found["g"])[1:])
    _, y, loss = run("a user's own, reversed")
    np.testing.assert_array_equal(bptt.trace(loss)["h"], y.numpy())
    with pytest.raises(ValueError, match="several cells"):
        bptt.trace(run("bidirectional LSTM of two layers")[2])


def test_directions_by_hand_have_all_their_steps():
    there, back = bptt.flow(NETWORKS["both directions by hand"](5))
    assert (there.module, there.steps, there.reverse) == ("there", (0, 1, 2, 3, 4), False)
    assert (back.module, back.steps, back.reverse) == ("back", (0, 1, 2, 3, 4), True)


def test_what_is_no_number_is_not_counted_as_unsaturated():
    layer = nn.LSTM(3, 4)
    layer.layer0.W_h.assign(np.full((4, 16), np.nan, "float32"))
    y, _ = layer(tr.ones(3, 2, 3))
    track = bptt.flow(tr.sum(y * y))[0]
    assert np.isnan(track.saturation["f"].low).all() and np.isnan(track.saturation["f"].high).all()
    assert track.verdict.kind == "not finite" and "saturated —" in str(track) and "nan%" not in str(track)


@pytest.mark.parametrize("read", [bptt.flow, bptt.jacobians, bptt.trace])
def test_only_tensors_have_a_history(read):
    for wrong in (None, 3, np.ones(())):
        with pytest.raises(TypeError, match=f"expected a Tensor.* not {type(wrong).__name__}"):
            read(wrong)
