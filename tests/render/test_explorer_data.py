"""What the explorer's page is told: compared with the record, number by number."""

import json
from base64 import b64decode

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn
from tinyrnn.render import Options
from tinyrnn.render.explorer import explain, html
from tinyrnn.render.explorer.numbers import heat_map, shrunk
from tinyrnn.render.explorer.page import embedded
from tinyrnn.render.options import LEVELS

from .models import MODELS, sequence


def read(tokens):
    """A formula in one line."""
    return "".join(
        text + below.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")) for text, below in zip(tokens[::2], tokens[1::2])
    )


def numbers(heat):
    """What a heat map shows."""
    if "numbers" in heat:
        flat = [float(number) for number in heat["numbers"]]
    else:
        codes = np.frombuffer(b64decode(heat["codes"]), "uint8").astype(float)
        flat = np.where(codes == 0, np.nan, (codes - 128) * heat["unit"])
    return np.reshape(flat, (heat["rows"], heat["columns"]))


@pytest.fixture(scope="module")
def lstm():
    graph = tr.tape(MODELS["lstm"](3), gradients=True, values=True)
    return graph, explain(graph, Options())


def test_every_node_shows_its_own_value_and_gradient(lstm):
    graph, data = lstm
    assert len(data["nodes"]) > 40
    for index, shown in data["nodes"].items():
        node = graph.nodes[index]
        assert shown.get("shape") == node.shape and shown.get("op") == node.op
        if node.shape is None:  # several results
            assert "value" not in shown
            continue
        np.testing.assert_allclose(numbers(shown["value"]).ravel(), node.value.ravel(), rtol=1e-4)
        if node.gradient is None:
            assert "gradient" not in shown
        else:
            np.testing.assert_allclose(numbers(shown["gradient"]).ravel(), node.gradient.ravel(), rtol=1e-4)
            assert shown["gradient"]["norm"] == pytest.approx(np.linalg.norm(node.gradient), rel=1e-6)


def test_the_passes_run_in_the_order_of_the_record_and_of_autograd(lstm):
    graph, data = lstm
    assert data["forward"] == sorted(data["forward"]) and all(graph.nodes[i].op for i in data["forward"])
    walked = list(dict.fromkeys(through.index for _, through, _ in graph.shares()))
    weights = [node.index for node in graph.nodes if node.trainable]
    assert data["backward"] == [i for i in walked if i in data["nodes"]] + weights


def test_the_shares_of_a_weight_add_up_to_its_gradient(lstm):
    graph, data = lstm
    assert [graph.nodes[weight["node"]].name for weight in data["weights"]] == ["W_x", "W_h", "b"]
    for weight in data["weights"]:
        gradient = graph.nodes[weight["node"]].gradient
        assert weight["steps"] == [2, 1, 0]
        assert weight["sum_norms"][-1] == pytest.approx(np.linalg.norm(gradient), rel=1e-6)
        total = weight["maps"][2][1]
        np.testing.assert_allclose(numbers(total).ravel(), gradient.ravel(), atol=total.get("unit", 1e-6))
        parts = [numbers(weight["maps"][k][0]) for k in range(3)]
        np.testing.assert_allclose(sum(parts).ravel(), gradient.ravel(), rtol=1e-2, atol=1e-3)


def test_what_arrives_at_a_state_is_told_use_by_use(lstm):
    graph, data = lstm
    cell = next(node for node in graph.nodes if node.name == "c" and node.step == 1)
    through = {graph.nodes[index].op: norm for index, norm in data["nodes"][cell.index]["arrivals"]}
    expected = {reader.op: norm for (argument, reader), norm in graph.flow.items() if argument is cell}
    assert through == pytest.approx(expected, rel=1e-6) and set(through) == {"tanh", "mul"}


@pytest.mark.parametrize(
    "model, name, formula",
    [
        ("lstm", "c", "c₂ = f₂ ⊙ c₁ + i₂ ⊙ g₂"),
        ("lstm", "h", "h₂ = o₂ ⊙ tanh(c₂)"),
        ("lstm", "f", "f₂ = σ((x₂ Wx + h₁ Wh + b)[2/4])"),
        ("rnn", "h", "h₂ = tanh(x₂ Wx + h₁ Wh + b)"),
        ("gru", "h", "h₂ = (1 − z₂) ⊙ n₂ + z₂ ⊙ h₁"),
        ("tokens", "h", "h₂ = o₂ ⊙ tanh(c₂)"),
        ("attention", "h", "h₂ = (1 − z₂) ⊙ n₂ + z₂ ⊙ h₁"),
        ("own_loop", "h", "h₂ = tanh(x₂ W + h₁ U)"),
        ("own_cell", "s", "s₂ = s₁ + k₂ ⊙ (tanh(x₂ W + s₁ U) − s₁)"),
    ],
)
def test_formulas_read_like_the_book(model, name, formula):
    graph = tr.tape(MODELS[model](3))
    node = next(node for node in graph.nodes if node.name == name and node.step == 1)
    assert read(explain(graph, Options())["nodes"][node.index]["formula"]) == formula


def test_states_and_gates_over_time(lstm):
    graph, data = lstm
    assert [track["name"] for track in data["tracks"]["states"]] == ["c", "h"]
    assert [track["name"] for track in data["tracks"]["gates"]] == ["i", "f", "g", "o"]
    for track in data["tracks"]["states"]:
        nodes = [node for node in graph.nodes if node.name == track["name"] and node.step is not None]
        assert track["nodes"] == [node.index for node in nodes] and track["batch"] == 2
        np.testing.assert_allclose(numbers(track), np.transpose([node.value[0] for node in nodes]), atol=track["unit"])
        norms = [np.linalg.norm(node.gradient) for node in nodes]
        np.testing.assert_allclose(track["gradient_norms"], norms, rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_explored(name):
    data = explain(tr.tape(MODELS[name](3)), Options())
    assert data["missing"] is None and data["backward"] and data["weights"]
    for scene in data["scenes"]:
        assert {mark[0] for mark in scene["marks"]} <= set(data["nodes"])
        back = "backward" if scene["level"] == "both" else "back"
        assert sum(back in link or link["kind"] == back for link in scene["links"]) > 0
    json.dumps(data, allow_nan=False)


def test_scenes_of_every_level_folded_and_not():
    scenes = explain(tr.tape(MODELS["lstm"](10)), Options())["scenes"]
    kinds = [(scene["level"], scene["folded"]) for scene in scenes]
    assert kinds == [(level, folded) for level in (*LEVELS, "both") for folded in (True, False)]
    sizes = [len(scene["marks"]) for scene in scenes]
    assert sizes[0] < sizes[1] and sizes[1] > sizes[3] > sizes[5]
    chosen = explain(tr.tape(MODELS["lstm"](10)), Options(level="gates", fold=3))
    assert kinds[chosen["opens"]] == ("gates", True)
    assert len({mark[8] for mark in scenes[5]["marks"]}) < 20  # the same thing at every step is one kin
    small = explain(tr.tape(MODELS["lstm"](3)), Options())
    assert [(scene["level"], scene["folded"]) for scene in small["scenes"]] == [(kind, False) for kind in (*LEVELS, "both")]


def test_very_long_sequences_are_only_folded():
    data = explain(tr.tape(MODELS["rnn"](700)), Options())
    kinds = [(scene["level"], scene["folded"]) for scene in data["scenes"]]
    assert [kind for kind in kinds if kind[0] != "cells"] == [("primitives", True), ("gates", True), ("both", True)]
    assert "696 steps in the middle are left out" in data["scenes"][0]["note"]
    weight = data["weights"][0]
    assert len(weight["norms"]) == 700 and len(weight["maps"]) == 4
    (track,) = data["tracks"]["states"]
    assert track["columns"] == 600 and len(track["nodes"]) == 700
    assert len(json.dumps(data)) < 400_000


def test_without_a_gradient_the_backward_pass_is_missing_not_zero():
    y, _ = tr.nn.LSTM(3, 4)(sequence(2))
    data = explain(tr.tape(y), Options())
    assert "only a single number" in data["missing"] and data["forward"]
    assert data["backward"] == data["weights"] == []
    assert not any("gradient" in node or "arrivals" in node for node in data["nodes"].values())
    assert all(norm is None for track in data["tracks"]["states"] for norm in track["gradient_norms"])
    with tr.recording():
        data = explain(tr.tape(tr.sum(tr.tensor([1.0, 2.0], name="x") * 2.0)), Options())
    assert "nothing" in data["missing"] and data["forward"]


def test_a_part_of_a_graph_has_the_shares_of_its_own_operations():
    tr.manual_seed(0)
    graph = tr.tape(MODELS["lstm"](4))
    data = explain(graph.subgraph(steps=(1, 2)), Options())
    assert data["missing"] is None
    for weight in data["weights"]:
        assert weight["steps"] == [2, 1] and weight["norm"] != pytest.approx(weight["sum_norms"][-1], rel=1e-3)
    whole = explain(graph, Options())["weights"]
    assert [weight["norms"] for weight in data["weights"]] == [weight["norms"][1:3] for weight in whole]


def test_large_arrays_become_means_of_blocks():
    array = np.random.default_rng(0).normal(size=(2, 30, 100))
    heat = heat_map(array, 512)
    assert heat["shape"] == (60, 100) and heat["rows"] * heat["columns"] <= 512
    assert heat["norm"] == pytest.approx(np.linalg.norm(array)) and heat["low"] == pytest.approx(array.min())
    exact = shrunk(array.reshape(60, 100), heat["rows"], heat["columns"])
    np.testing.assert_allclose(numbers(heat), exact, atol=heat["unit"] / 2 + 1e-9)
    block = shrunk(np.arange(24.0).reshape(4, 6), 2, 3)
    np.testing.assert_array_equal(block, [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]])


@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,), (2, 0), (1, 5000), (5000, 1), (2, 3, 4)])
def test_arrays_of_every_shape_have_a_heat_map(shape):
    heat = heat_map(np.ones(shape), 100)
    assert heat["rows"] * heat["columns"] <= 100
    assert (numbers(heat) == pytest.approx(1.0)) or 0 in shape


def test_what_is_not_finite_is_marked():
    small = heat_map(np.array([1.0, np.nan, np.inf, -np.inf]), 100)
    assert small["numbers"] == [1.0, "nan", "inf", "-inf"] and small["low"] == small["high"] == 1.0
    large = heat_map(np.where(np.eye(10) > 0, np.nan, 2.0), 100)
    np.testing.assert_array_equal(np.isnan(numbers(large)), np.eye(10) > 0)
    json.dumps([small, large], allow_nan=False)


def test_json_inside_html_holds_no_markup():
    names = ["</script><script>alert(1)</script>", "<!--", "]]>", "\u2028\\n\"'&amp;", "\U0001f600"]
    text = embedded({"names": names})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"names": names}


def test_fifty_steps_of_an_lstm_are_less_than_three_megabytes():
    page = html(tr.tape(MODELS["lstm"](50)), Options())
    assert len(page.encode()) < 3_000_000
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page


def test_only_the_unrolled_network_is_a_page(tmp_path):
    graph = tr.tape(MODELS["rnn"](3))
    for view in ("rolled", "pair"):
        with pytest.raises(ValueError, match=r"\.svg, \.pdf or \.png"):
            graph.render(tmp_path / "page.html", view=view)
    assert not list(tmp_path.iterdir())


def test_arrays_on_a_gpu_come_to_the_host(fake_cupy):
    w, h = tr.Parameter(fake_cupy.ones((3, 3)), name="w"), tr.tensor(fake_cupy.ones((2, 3)))
    for t in range(3):
        with tr.step(t):
            h = tr.named(h=tr.tanh(h @ w))[0]
    data = explain(tr.tape(tr.sum(h * h)), Options())
    assert data["weights"][0]["steps"] == [2, 1, 0] and data["weights"][0]["maps"][2][1]["rows"] == 3


def test_an_empty_batch_has_nothing_to_show_over_time():
    y, _ = nn.GRU(3, 4)(tr.zeros(3, 0, 3))
    data = explain(tr.tape(tr.sum(y * y), gradients=True, values=True), Options())
    assert data["tracks"] == {"states": [], "gates": []}


def test_gradients_that_are_no_numbers_are_drawn_as_such():
    layer = nn.RNN(3, 4)
    layer.layer0.W_h.assign(np.full((4, 4), np.nan, "float32"))
    y, _ = layer(tr.ones(3, 2, 3))
    z, _ = nn.RNN(3, 4)(tr.ones(3, 2, 3))
    for loss, flow in ((tr.sum(y), "lost"), (tr.sum(tr.relu(z - 2.0)), "zero")):
        data = explain(tr.tape(loss, gradients=True, values=True), Options())
        assert flow in {link.get("flow") for scene in data["scenes"] for link in scene["links"]}
