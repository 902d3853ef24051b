"""Plots draw what they are given, mark what cannot be drawn, and cut no label, at every size."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import bptt, nn, plots

pyplot = pytest.importorskip("matplotlib.pyplot", reason="plots need matplotlib: pip install matplotlib")
SIZES = (1, 2, 60, 10_000)


@pytest.fixture(autouse=True)
def no_figure_is_left():
    pyplot.switch_backend("agg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for matter_of_matplotlib in (PendingDeprecationWarning, DeprecationWarning):
            warnings.simplefilter("ignore", matter_of_matplotlib)
        yield
    pyplot.close("all")


def drawn(ax):
    """The Axes, drawn; nothing of it leaves the figure."""
    figure = ax.figure
    figure.canvas.draw()
    box, (width, height) = figure.get_tightbbox(figure.canvas.get_renderer()), figure.get_size_inches()
    assert box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < width + 0.02 and box.y1 < height + 0.02, box
    return ax


def network(layer=nn.LSTM, steps=20, hidden=4):
    tr.manual_seed(0)
    cell = layer(3, hidden)
    y, _ = cell(tr.randn(steps, 2, 3))
    return cell, y, (y[-1] * y[-1]).mean()


def image_of(ax):
    return ax.get_images()[0].get_array()


# -- heat maps ----------------------------------------


@pytest.mark.parametrize("steps", SIZES)
@pytest.mark.parametrize("fill", ["numbers", "zeros", "NaN"])
def test_heatmap(steps, fill):
    values = np.random.default_rng(0).normal(size=(steps, 2, 5))
    values = {"numbers": values, "zeros": 0 * values, "NaN": np.nan * values}[fill]
    values[0, :, 0] = np.nan
    ax = drawn(plots.heatmap(values, sequence=1))
    np.testing.assert_array_equal(image_of(ax).filled(np.nan), values[:, 1].T)
    assert image_of(ax).mask[0, 0]  # what is missing has a colour of its own


def test_blue_is_positive_and_red_negative():
    ax = plots.heatmap(np.array([[-1.0, 0.0, 2.0]]))
    image = ax.get_images()[0]
    red, white, blue = (image.cmap(image.norm(value))[:3] for value in (-2.0, 0.0, 2.0))
    assert red[0] > 0.35 > red[2] and blue[2] > 0.35 > blue[0] and min(white) > 0.95
    assert image.norm.vmin == -image.norm.vmax == -2
    gate = plots.heatmap(np.array([[0.0, 0.5, 0.9]]), limit=1.0).get_images()[0]
    assert (gate.norm.vmin, gate.norm.vmax) == (0, 1)


def test_the_text_stands_under_the_columns():
    _, y, _ = network(steps=5)
    ax = drawn(plots.heatmap(y, text="a b\nc", units=2))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "·", "b", "↵", "c"]
    assert ax.get_ylabel() == "2 of 4 units"
    with pytest.raises(ValueError, match="text has 2 characters or words, but the values have 5 steps"):
        plots.heatmap(y, text="ab")


def test_the_slowest_units_come_first():
    t = np.arange(200)
    values = np.stack([np.sin(t * speed) for speed in (1.0, 0.01, 0.1)] + [0.0 * t], axis=1)
    ax = plots.heatmap(values, units=3)
    np.testing.assert_array_equal(image_of(ax).filled(), values[:, [1, 2, 0]].T)
    chosen = drawn(plots.heatmap(values, units=[2, 0]))
    np.testing.assert_array_equal(image_of(chosen).filled(), values[:, [2, 0]].T)
    assert [tick.get_text() for tick in chosen.get_yticklabels()] == ["2", "0"]
    for wrong in ([4], [-1], []):
        with pytest.raises(ValueError, match="there are units 0 to 3"):
            plots.heatmap(values, units=wrong)
    with pytest.raises(ValueError, match="expected how many"):
        plots.heatmap(values, units=0)


def test_what_is_no_map_is_refused():
    with pytest.raises(ValueError, match=r"\(T, N, H\).*shape \(3,\)"):
        plots.heatmap([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="sequence=2: values are those of 2 sequences"):
        plots.heatmap(np.zeros((3, 2, 4)), sequence=2)


# -- matrix and attention ----------------------------------------


@pytest.mark.parametrize("of", ["norms", "fractions"])
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_contribution_matrix(of, steps):
    layer, y, _ = network(steps=steps)
    matrix = bptt.contribution_matrix((y * y).sum(axis=(1, 2)), layer.layer0.W_x)
    ax = drawn(plots.contribution_matrix(matrix, of=of))
    values = getattr(matrix, of)
    lower = np.tril_indices(steps)
    np.testing.assert_allclose(image_of(ax).filled()[lower], values[lower])
    image = ax.get_images()[0]
    assert max(image.cmap(image.norm(image.norm.vmin / 10 if of == "norms" else 0.0))[:3]) > 0.95  # nothing is white
    assert ax.get_xticklabels()[0].get_text() == "1"


@pytest.mark.parametrize("value", [0.0, np.nan, 1.0])
def test_a_matrix_of_one_value(value):
    for of in ("norms", "fractions"):
        drawn(plots.contribution_matrix(np.full((4, 6), value), of=of))


def test_only_an_exact_0_is_white():
    image = plots.contribution_matrix(np.array([[1.0, 0.0], [1e-300, np.nan]])).get_images()[0]
    white, palest = image.cmap(image.norm(image.get_array().filled(np.nan)))[[0, 1], [1, 0]]
    assert tuple(white) == (1, 1, 1, 1) and palest[0] < 0.9


def test_a_large_matrix_and_a_wrong_one():
    drawn(plots.contribution_matrix(np.tril(np.ones((1500, 1500)))))
    with pytest.raises(ValueError, match="expected 'norms' or 'fractions'"):
        plots.contribution_matrix(np.ones((2, 2)), of="sums")
    with pytest.raises(ValueError, match=r"\(S, T\)"):
        plots.contribution_matrix(np.ones(3))


def test_attention():
    weights = tr.softmax(tr.randn(3, 2, 4))
    ax = drawn(plots.attention(weights, queries=["a", "longer query", "c"], keys="wxyz", sequence=1))
    np.testing.assert_allclose(image_of(ax).filled(), weights.numpy()[:, 1])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "longer·query", "c"]
    drawn(plots.attention(np.ones((1, 1))))
    drawn(plots.attention(np.full((400, 300), np.nan), keys=["word"] * 300))
    with pytest.raises(ValueError, match="2 keys are named, but the weights have 4"):
        plots.attention(weights, keys="ab")
    with pytest.raises(ValueError, match="sequence=2: weights are those of 2"):
        plots.attention(weights, sequence=2)
    with pytest.raises(ValueError, match="queries, keys"):
        plots.attention(np.ones(3))


def test_attention_side_by_side():
    rng = np.random.default_rng(0)
    maps = {"743": rng.random((20, 4)), "$x_": rng.random((3, 2)), "a long title": rng.random((2, 30))}
    queries = {"743": "sevenhundredfortythr", "$x_": ["one", "two", "three"]}
    axes = plots.attention(maps, queries=queries, keys={"743": "743\n", "$x_": ["<begin>", "a very long word"]})
    assert [ax.get_title() for ax in axes] == list(maps)
    for ax, array in zip(axes, maps.values()):
        np.testing.assert_array_equal(image_of(drawn(ax)).filled(), array)
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["7", "4", "3", "↵"]
    assert len(axes[0].figure.axes) == 3 and [len(ax.child_axes) for ax in axes] == [0, 0, 1]  # one bar of colours
    heads = plots.attention({"a": np.eye(2), "b": np.eye(2)}, queries="xy", keys="uv", ax=axes[:2])
    assert heads[1] is axes[1] and heads[1].get_yticklabels()[1].get_text() == "y"
    with pytest.raises(ValueError, match="3 Axes for 2 maps"):
        plots.attention({"a": np.eye(2), "b": np.eye(2)}, ax=axes)


# -- the next symbol ----------------------------------------


def test_distribution():
    logits = np.log([0.1, 0.4, 0.3, 0.2])
    ax = drawn(plots.distribution(nn.distribution(logits, ["a", " ", "$x_", "<unknown>"], top_p=0.6)))
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["·", "$x_", "<unknown>", "a"]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [0.4, 0.3, 0.2, 0.1])
    blue, _, grey, _ = (bar.get_facecolor() for bar in ax.patches)
    assert blue[2] > blue[0] and grey[0] == grey[1] == grey[2]
    many = drawn(plots.distribution(nn.distribution(np.zeros(500)), rows=7))
    assert len(many.patches) == 7 and "and 493 more, together 0.986" in [text.get_text() for text in many.texts]
    drawn(plots.distribution(nn.distribution([0.0])))
    with pytest.raises(TypeError, match=r"expected what nn\.distribution returns, not a ndarray"):
        plots.distribution(logits)
    with pytest.raises(ValueError, match="rows=0"):
        plots.distribution(nn.distribution(logits), rows=0)


# -- lines ----------------------------------------


def test_networks_compared_in_one_figure():
    flows = {layer.__name__: bptt.flow(network(layer)[2]) for layer in (nn.RNN, nn.LSTM, nn.GRU)}
    ax = drawn(plots.gradient_norms(flows))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["RNN", "LSTM", "GRU"]
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}) == 3
    for line, flow in zip(ax.get_lines(), flows.values()):
        np.testing.assert_array_equal(line.get_ydata(), flow[0].states["h"])
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 21))
    error = plots.gradient_norms(flows["LSTM"], of="error").get_lines()[0]
    np.testing.assert_array_equal(error.get_ydata(), flows["LSTM"][0].error)
    assert "$c_t$" in drawn(plots.gradient_norms(flows["LSTM"], of="c")).get_ylabel()
    with pytest.raises(ValueError, match=r"RNN\.layer0 has no 'c': it has h, error"):
        plots.gradient_norms(flows, of="c")


@pytest.mark.parametrize("steps", SIZES)
@pytest.mark.parametrize("fill", ["numbers", "zeros", "NaN", "mixed"])
def test_norms_that_a_logarithmic_axis_has_no_place_for_are_marked(steps, fill):
    norms = 0.99 ** np.arange(steps)
    if fill == "mixed":
        norms[: steps // 2], norms[-1] = 0.0, np.inf
    norms = {"zeros": np.zeros(steps), "NaN": np.full(steps, np.nan)}.get(fill, norms)
    ax = drawn(plots.gradient_norms({"net": norms}))
    markers = [line.get_marker() for line in ax.get_lines()[1:]]
    expected = {"numbers": [], "zeros": ["v"], "NaN": [], "mixed": ["v", "^"] if steps > 1 else ["^"]}
    assert markers == expected[fill]
    assert ax.get_yscale() == "log"


def test_layers_and_directions_have_a_line_each():
    y, _ = nn.LSTM(3, 4, 2, bidirectional=True)(tr.randn(6, 1, 3))
    ax = drawn(plots.gradient_norms({"mine": bptt.flow((y * y).sum())}))
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == [f"mine LSTM.layer{k}{d}" for k in (0, 1) for d in ("", "_reverse")]
    with pytest.raises(ValueError, match=r"\(T,\)"):
        plots.gradient_norms(np.ones((2, 2)))


@pytest.mark.parametrize("steps", SIZES)
@pytest.mark.parametrize("of", ["norms", "fractions"])
def test_contributions(steps, of):
    parts = np.random.default_rng(0).normal(size=(steps, 3, 4))
    ax = drawn(plots.contributions(parts, of=of))
    if steps <= 100:
        heights = [bar.get_height() for bar in ax.patches]
        whole = parts.sum(axis=0)
        expected = {"norms": np.linalg.norm(parts, axis=(1, 2)), "fractions": (parts * whole).sum(axis=(1, 2)) / (whole**2).sum()}
        np.testing.assert_allclose(heights, expected[of])
        assert of == "norms" or sum(heights) == pytest.approx(1)


def test_contributions_of_a_parameter():
    layer, _, loss = network()
    ax = drawn(plots.contributions(bptt.contributions(loss, layer.layer0.b), steps=range(5, 25)))
    assert [round(bar.get_x() + 0.4) for bar in ax.patches] == list(range(6, 26))  # counted from 1
    drawn(plots.contributions(np.zeros((3, 2)), of="fractions"))
    drawn(plots.contributions(np.full((3, 2), np.nan)))
    for wrong, message in (({"parts": np.zeros((0, 2))}, r"\(T, …\)"), ({"parts": np.ones(3), "steps": [1]}, "1 steps, but 3")):
        with pytest.raises(ValueError, match=message):
            plots.contributions(**wrong)
    with pytest.raises(ValueError, match="'norms' or 'fractions'"):
        plots.contributions(np.ones(3), of="h")


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("steps", SIZES)
def test_loss_curve(steps, log):
    ax = drawn(plots.loss_curve(1 / np.arange(1, steps + 1), validation={steps: 0.5}, label="nats", log=log))
    assert ax.get_ylabel() == "nats" and [line.get_label() for line in ax.get_lines()] == ["training", "validation"]


def test_loss_curves_of_several_runs_and_of_none():
    ax = drawn(plots.loss_curve({"a": [1.0, np.nan, 0.5], "b": tr.tensor([2.0, 1.0])}))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    drawn(plots.loss_curve([]))
    drawn(plots.loss_curve([0.0, 0.0], log=True))
    with pytest.raises(ValueError, match="'training' has shape"):
        plots.loss_curve(np.ones((2, 2)))


# -- spectra ----------------------------------------


def test_spectra():
    jacobians = {layer.__name__: bptt.jacobians(network(layer)[2]) for layer in (nn.RNN, nn.LSTM)}
    one = drawn(plots.jacobian_spectrum(jacobians["RNN"]))
    lines = one.get_lines()[:4]  # the largest is drawn last, on top
    np.testing.assert_allclose(lines[3].get_ydata(), jacobians["RNN"].singular_values()[::-1, 0])
    several = drawn(plots.jacobian_spectrum(jacobians))
    assert [text.get_text() for text in several.get_legend().get_texts()] == ["RNN", "LSTM"]
    assert len(plots.jacobian_spectrum(jacobians, count=2).get_lines()) == 5

    ax = drawn(plots.jacobian_eigenvalues(jacobians["RNN"]))
    found = np.sort_complex(np.array(ax.collections[0].get_offsets()) @ [1, 1j])
    np.testing.assert_allclose(found, np.sort_complex(np.linalg.eigvals(jacobians["RNN"].matrices).ravel()), atol=1e-6)


@pytest.mark.parametrize("fill", [0.0, np.nan, np.inf, 1e-200])
def test_spectra_of_what_cannot_be_drawn(fill):
    matrices = np.full((3, 2, 2), fill)
    jacobians = bptt.Jacobians(matrices, np.zeros((4, 2, 2)), (1, 2, 3), ("h",), (2,))
    drawn(plots.jacobian_eigenvalues(jacobians))
    if np.isfinite(fill):
        drawn(plots.jacobian_spectrum(jacobians))


def test_spectra_of_10_000_steps():
    matrices = np.broadcast_to(np.diag([0.999, 0.9]), (10_000, 2, 2))
    jacobians = bptt.Jacobians(matrices, np.zeros((10_001, 2, 2)), tuple(range(1, 10_001)), ("h",), (2,))
    ax = drawn(plots.jacobian_spectrum(jacobians))
    assert np.isnan(ax.get_lines()[0].get_ydata()).any()  # below rounding
    assert len(drawn(plots.jacobian_eigenvalues(jacobians)).collections[0].get_offsets()) == 400


# -- text ----------------------------------------


def test_text_is_laid_out_in_lines():
    words = "one two\nthree"
    ax = drawn(plots.text(words, np.linspace(-1, 1, len(words)), width=10))
    assert "".join(text.get_text() for text in ax.texts) == "one·two↵three"
    assert [text.get_position()[1] for text in ax.texts] == [0.55] * 8 + [1.55] * 5
    ground = ax.collections[0]
    np.testing.assert_allclose(ground.get_array(), np.linspace(-1, 1, len(words)))
    assert ground.get_cmap()(ground.norm(1.0))[2] > 0.35 > ground.get_cmap()(ground.norm(1.0))[0]


@pytest.mark.parametrize("activation", [0.0, np.nan, -3.0])
def test_text_of_one_value(activation):
    drawn(plots.text("a", [activation], label="unit 3"))
    drawn(plots.text(["several", "words", "", "here"], np.full(4, activation), width=8))


def test_a_long_text_says_what_is_left_out(monkeypatch):
    monkeypatch.setattr(sys.modules["tinyrnn.plots.text"], "LINES", 3)
    ax = drawn(plots.text("x" * 10_000, np.sin(np.arange(10_000.0))))
    assert ax.get_xlabel() == "… and 122 more lines" and len(ax.texts) == 240
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(2,\)"):
        plots.text("ab", np.zeros(3))


# -- all of them ----------------------------------------


def test_they_draw_on_the_axes_given():
    layer, y, loss = network()
    jacobians = bptt.jacobians(loss)
    figure, axes = pyplot.subplots(3, 3, figsize=(13, 10), layout="constrained")
    draw = [
        lambda ax: plots.heatmap(y, ax=ax),
        lambda ax: plots.contribution_matrix(np.tril(np.ones((4, 4))), ax=ax),
        lambda ax: plots.attention(np.eye(3), ax=ax),
        lambda ax: plots.gradient_norms(bptt.flow(loss), ax=ax),
        lambda ax: plots.contributions(bptt.contributions(loss, layer.layer0.b), ax=ax),
        lambda ax: plots.loss_curve([2.0, 1.0], ax=ax),
        lambda ax: plots.jacobian_spectrum(jacobians, ax=ax),
        lambda ax: plots.jacobian_eigenvalues(jacobians, ax=ax),
        lambda ax: plots.text("hello", np.zeros(5), ax=ax, width=10),
    ]
    for one, ax in zip(draw, axes.flat):
        assert one(ax) is ax
    drawn(axes[0, 0])
    assert pyplot.get_fignums() == [figure.number]
    parts = pyplot.figure(layout="constrained").subfigures(1, 2)
    plots.heatmap(y, ax=parts[1].subplots())


def test_arrays_of_a_gpu(fake_cupy):
    y, _ = nn.GRU(3, 4).to("cuda:1")(tr.randn(5, 2, 3, device="cuda:1"))
    np.testing.assert_allclose(image_of(drawn(plots.heatmap(y))).filled(), y.data.get()[:, 0].T)
    drawn(plots.contributions(y.data))
    drawn(plots.attention(tr.softmax(y[0])))


def test_names_and_texts_may_hold_any_character():
    for name in ("h_fwd", "$h", "tanh(c)", "a_b_c$", "σ", "{"):
        track = bptt.TrackFlow("net", False, (0, 1), {name: np.ones(2)}, {}, {}, np.ones(2), bptt.Verdict("steady", 0.0, 1, 1.0))
        assert drawn(plots.gradient_norms(track)).get_ylabel().startswith("norm of")
        drawn(plots.heatmap(np.ones((2, 2)), label=name, text=["$x$", "a_b^c"]))
    drawn(plots.text("cost $5 or $6_7", np.zeros(15)))
    drawn(plots.text(["$x_{", "y$"], [1.0, 2.0]))


def test_without_matplotlib_an_error_says_how_to_get_it():
    calls = (
        "loss_curve([1.0]) heatmap(a) attention(a) contribution_matrix(a) contributions(a) gradient_norms(a[0]) "
        "text('ab',a[0]) jacobian_spectrum(J) jacobian_eigenvalues(J)"
    )
    program = f"""if True:
        import sys, numpy
        sys.modules["matplotlib"] = None
        from tinyrnn import bptt, plots
        a, J = numpy.ones((2, 2)), bptt.Jacobians(numpy.ones((2, 2, 2)), numpy.ones((3, 2, 2)), (1, 2), ("h",), (2,))
        for call in {calls.split()}:
            try:
                eval("plots." + call)
            except ImportError as error:
                print(error)
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["plots need matplotlib: pip install 'tinyrnn[plots]'"] * 9, done.stderr


@pytest.mark.parametrize("wrong", ["abc", ["a"], [[1.0, 2.0], [3.0]]])
def test_only_numbers_are_drawn(wrong):
    with pytest.raises(TypeError, match="expected numbers: a Tensor, an array, or lists"):
        plots.loss_curve(wrong)


@pytest.mark.parametrize("draw", [plots.jacobian_spectrum, plots.jacobian_eigenvalues])
@pytest.mark.parametrize("wrong", [None, 3, np.ones((2, 2))])
def test_only_jacobians_have_a_spectrum(draw, wrong):
    with pytest.raises(TypeError, match=f"expected what bptt.jacobians returns, not {type(wrong).__name__}"):
        draw(wrong)
