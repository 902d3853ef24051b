"""Models into ONNX files: checked, the same numbers in onnxruntime and after reading them again, and what is refused."""

import sys

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import io, nn
from tinyrnn.io.onnx.tracing import leaves, mapped

onnx = pytest.importorskip("onnx", reason="models are written with onnx: pip install 'tinyrnn[onnx]'")
ort = pytest.importorskip("onnxruntime", reason="the reference for what a model computes")

RNG = np.random.default_rng(0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def floats(*shape):
    return RNG.normal(size=shape).astype("float32")


def shaken(model):
    """The model with biases that are not 0."""
    rng = np.random.default_rng(3)
    model.load_state_dict({name: rng.normal(scale=0.5, size=p.shape) for name, p in model.named_parameters()})
    return model


def agree(path, model, *calls, again=True, **options):
    """onnxruntime, and the model read again, give what the model gives, for the examples and for other calls."""
    inputs, keywords = calls[0]
    io.onnx.save(model, path, *inputs, **keywords, **options)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    read = io.onnx.load(path) if again else None
    model.eval()
    for inputs, keywords in calls:
        given = [np.asarray(value) for value in leaves((list(inputs), keywords))]
        inputs, keywords = mapped(tr.tensor, (inputs, keywords))
        expected = leaves(model(*inputs, **keywords))
        names = [value.name for value in session.get_inputs()]
        found = session.run(None, dict(zip(names, given, strict=True)))
        ours = leaves(read(*given)) if again else found
        assert len(found) == len(ours) == len(expected)
        for a, b, y in zip(found, ours, expected):
            assert a.shape == b.shape == y.shape and a.dtype == y.dtype
            np.testing.assert_allclose(a, y.numpy(), rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(b if again is False else b.numpy(), y.numpy(), rtol=1e-5, atol=1e-5)


def operators(path):
    return [node.op_type for node in onnx.load(path).graph.node]


# -- layers that become one operator -------------------------------------------------------------------------------

KINDS = {
    "RNN": (nn.RNN, {}),
    "RNN relu": (nn.RNN, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTM, {}),
    "GRU": (nn.GRU, {}),
    "GRU reset before": (nn.GRU, {"reset_after": False}),
}
OPTIONS = [
    {},
    {"bias": False, "return_state": False},
    {"num_layers": 3, "bidirectional": True, "dropout": 0.25},
    {"num_layers": 2, "batch_first": True, "return_sequences": False},
    {"bidirectional": True, "merge_mode": "sum"},
    {"bidirectional": True, "merge_mode": "mul", "batch_first": True},
    {"bidirectional": True, "merge_mode": "ave", "return_sequences": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_layers(kind, options, path):
    make, more = KINDS[kind]
    model = shaken(make(3, 4, **options, **more))
    lengths = np.array([5, 1, 3])
    form = lambda x: x.transpose(1, 0, 2) if options.get("batch_first") else x  # noqa: E731
    axes = {"x": ("N", "T") if options.get("batch_first") else ("T", "N"), "lengths": ("N",)}
    others = [((form(floats(7, 2, 3)),), {"lengths": np.array([2, 7])}), ((form(floats(1, 1, 3)),), {"lengths": np.array([1])})]
    agree(path, model, ((form(floats(5, 3, 3)),), {"lengths": lengths}), *others, axes=axes)
    assert operators(path).count(kind.split()[0]) == options.get("num_layers", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_initial_states(kind, path):
    make, more = KINDS[kind]
    model = shaken(make(3, 4, 2, bidirectional=True, **more))
    state = lambda n: nn.LSTMState(floats(4, n, 4), floats(4, n, 4)) if kind == "LSTM" else floats(4, n, 4)  # noqa: E731
    names = ("state_h", "state_c") if kind == "LSTM" else ("state",)
    axes = {"x": ("T", "N"), **dict.fromkeys(names, (None, "N"))}
    agree(path, model, ((floats(5, 2, 3), state(2)), {}), ((floats(6, 3, 3), state(3)), {}), axes=axes)
    assert [value.name for value in onnx.load(path).graph.input] == ["x", *names]


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU])
def test_a_sequence_of_length_0(kind, path):
    """Where onnxruntime differs: it forgets the initial state; of an RNN it hands out memory that it has not written."""
    model, x, state, lengths = kind(3, 4), floats(5, 2, 3), np.ones((1, 2, 4), "float32"), np.array([5, 0])
    io.onnx.save(model, path, x, state, lengths=[5, 1])
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"x": x, "state": state, "lengths": lengths})
    ours = model(x, state, lengths=lengths)
    np.testing.assert_allclose(theirs[0], ours[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(theirs[1][:, 0], ours[1][:, 0].numpy(), atol=1e-6)
    assert not (theirs[1][:, 1] == 1).all() and (ours[1][:, 1].numpy() == 1).all()


def test_layers_of_layers(path):
    both = nn.Bidirectional(nn.GRUCell(3, 4), nn.Recurrent(nn.LSTMCell(3, 4)), merge_mode="ave")
    model = shaken(nn.Stack(both, nn.Bidirectional(nn.RNN(4, 5), nn.RNN(4, 5)), nn.Recurrent(nn.LSTMCell(10, 2), reverse=True)))
    calls = [((floats(5, 3, 3),), {"lengths": np.array([5, 1, 3])}), ((floats(6, 2, 3),), {"lengths": np.array([4, 6])})]
    agree(path, model, *calls, axes={"x": ("T", "N"), "lengths": ("N",)})
    assert sorted(op for op in operators(path) if op in ("RNN", "GRU", "LSTM")) == ["GRU", "LSTM", "LSTM", "RNN", "RNN"]


@pytest.mark.parametrize(("cell", "op"), [(nn.PeepholeLSTMCell, "LSTM"), (nn.IRNNCell, "RNN")])
def test_variants_that_are_an_operator(cell, op, path):
    model = shaken(nn.Bidirectional(cell(3, 4), cell(3, 4)))
    calls = [((floats(5, 3, 3),), {"lengths": np.array([5, 1, 3])}), ((floats(6, 2, 3),), {"lengths": np.array([4, 6])})]
    agree(path, model, *calls, axes={"x": ("T", "N"), "lengths": ("N",)})
    assert operators(path).count(op) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LSTM(3, 4, proj_size=2, return_state=False),
        lambda: nn.Recurrent(nn.LayerNormLSTMCell(3, 4), return_state=False),
        lambda: nn.Recurrent(nn.LayerNormGRUCell(3, 4), return_state=False),
        lambda: nn.Recurrent(nn.MGUCell(3, 4), return_state=False),
        lambda: nn.Stack(nn.GRUCell(3, 4), nn.Residual(nn.LSTMCell(4, 4)), nn.Highway(nn.GRUCell(4, 4)), return_state=False),
        lambda: nn.Recurrent(nn.Zoneout(nn.VariationalDropout(nn.LSTMCell(3, 4), 0.5, 0.5), 0.2), return_state=False),
    ],
)
def test_variants_that_are_written_step_by_step(make, path):
    calls = [((floats(4, 3, 3),), {"lengths": np.array([4, 1, 3])}), ((floats(4, 2, 3),), {"lengths": np.array([3, 4])})]
    agree(path, shaken(make()), *calls, axes={"x": (None, "N"), "lengths": ("N",)})
    assert not {"LSTM", "GRU", "RNN"} & set(operators(path))


def test_a_model_of_the_library(path):
    model = shaken(
        nn.Sequential(
            nn.Embedding(9, 3),
            nn.LSTM(3, 4, batch_first=True, return_state=False),
            nn.Dropout(),
            nn.LayerNorm(4),
            nn.Linear(4, 5),
        )
    )
    agree(path, model, ((RNG.integers(9, size=(2, 6)),), {}), ((RNG.integers(9, size=(5, 3)),), {}), axes={"x": ("N", "T")})
    names = ["Gather", "Transpose", "LSTM", "Squeeze", "Transpose", "LayerNormalization", "MatMul", "Add", "Identity"]
    assert operators(path) == names
    assert {"0.W", "1.layer0.W", "1.layer0.R", "1.layer0.B", "3.gain", "4.W", "4.b"} <= {
        tensor.name for tensor in onnx.load(path).graph.initializer
    }


def test_parameters_that_hold_the_same_numbers_stay_two(path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model.load_state_dict({name: np.ones(p.shape) for name, p in model.named_parameters()})
    io.onnx.save(model, path, floats(2, 3))
    assert set(io.onnx.load(path).weights) == {"0.W", "0.b", "1.W", "1.b"}

    shared = nn.Linear(3, 3)
    io.onnx.save(nn.Sequential(shared, shared), path, floats(2, 3))
    assert len(io.onnx.load(path).weights) == 2


def test_float64(path):
    """Which onnxruntime reads but cannot run (1.32: "LSTM operator does not support double yet")."""
    model, x = shaken(nn.LSTM(3, 4).to(dtype="float64")), RNG.normal(size=(5, 2, 3))
    io.onnx.save(model, path, x)
    for found, expected in zip(io.onnx.load(path)(x), leaves(model(x))):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


# -- models of one's own -------------------------------------------------------------------------------------------


class Attention(nn.Module):
    """Sizes in many places: a mean, a softmax with a mask, an index of the last step, reshaping."""

    def __init__(self):
        self.encoder = nn.GRU(3, 4)
        self.query = nn.Linear(4, 4)

    def forward(self, x, mask):
        y, h = self.encoder(x)
        steps, batch = x.shape[:2]
        scores = tr.sum(y * self.query(h[-1]), axis=-1)
        weights = tr.softmax(tr.where(mask, scores, -1e9), axis=0)
        context = tr.sum(y * weights.expand_dims(-1), axis=0)
        flat = tr.log_softmax(y.reshape(steps * batch, 4), axis=-1).reshape(steps, batch * 4)
        return {"context": context + tr.mean(y, axis=0), "last": y[-1, :, 1:], "flat": flat[::-1]}


def test_sizes_are_computed_from_the_inputs(path):
    model = shaken(Attention())
    calls = [((floats(n, m, 3), RNG.normal(size=(n, m)) > -0.5), {}) for n, m in ((5, 2), (3, 4), (1, 1))]
    agree(path, model, *calls, axes={"x": ("T", "N"), "mask": ("T", "N")})
    assert "Softmax" in operators(path) and "Exp" not in operators(path)
    sizes = [[d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in onnx.load(path).graph.output]
    assert sizes[0] == ["N", 4]


class Leaky(nn.Module):
    """A cell that the library does not know."""

    def __init__(self, inputs, hidden):
        self.W = tr.Parameter(nn.init.glorot(inputs, hidden))
        self.U = tr.Parameter(nn.init.orthogonal(hidden, hidden))
        self.hidden_size = hidden

    def forward(self, x, h):
        return 0.9 * h + 0.1 * tr.tanh(x @ self.W + h @ self.U)

    def initial_state(self, batch, dtype="float32", device=None):
        return tr.zeros(batch, self.hidden_size, dtype=dtype, device=device)


def test_a_cell_of_ones_own_is_written_step_by_step(path):
    model = nn.Sequential(nn.Recurrent(Leaky(3, 4), return_state=False), nn.Linear(4, 2))
    agree(path, model, ((floats(5, 2, 3),), {}), ((floats(5, 7, 3),), {}), axes={"x": (None, "N")})
    assert operators(path).count("Tanh") == 5


def test_a_cell_of_ones_own_with_lengths(path):
    model = nn.Bidirectional(Leaky(3, 4), nn.GRUCell(3, 4))
    calls = [((floats(5, 2, 3),), {"lengths": np.array(lengths)}) for lengths in ([5, 3], [1, 4])]
    agree(path, model, *calls, axes={"x": (None, "N"), "lengths": ("N",)})


def test_an_encoder_decoder_with_attention(path):
    """Teacher-forced: the decoder step by step, the encoder as one operator with its time axis free."""
    decoder = nn.BahdanauDecoder(nn.Embedding(9, 3), nn.GRUCell(3 + 8, 4), nn.Linear(15, 9), nn.AdditiveAttention(4, 8, 5))
    encoder = nn.Encoder(nn.Embedding(7, 3), nn.GRU(3, 4, bidirectional=True))
    model = shaken(nn.Seq2Seq(encoder, decoder, nn.Bridge(8, 4)))
    calls = [((RNG.integers(7, size=(s, n)), RNG.integers(9, size=(4, n))), {}) for s, n in ((6, 2), (3, 3))]
    agree(path, model, *calls, axes={"source": ("S", "N"), "target": (None, "N")})
    assert operators(path).count("GRU") == 1 and operators(path).count("Softmax") == 4


class Everything(nn.Module):
    """Every primitive of the forward pass."""

    def forward(self, x, n):
        one = tr.exp(-x) + tr.log(tr.abs(x) + 1) - tr.sqrt(tr.abs(x)) * tr.relu(x) / 2 + x**2 + tr.sigmoid(x) + tr.sign(x)
        two = tr.maximum(x, 0.5) + tr.minimum(x, n) + tr.logaddexp(x, 1.0) + tr.clip(x, -1, 1) + tr.cast(n, "float32")
        three = tr.where(tr.logical_and(x > 0, tr.logical_not(n == 1)), one, two) + tr.where(n != 2, x, 3.0)
        a, b = tr.split(x, [1, 3])
        four = tr.concatenate([b, a], axis=1) + tr.stack(tr.unstack(x, axis=1)[::-1], axis=1) + tr.flip(x, axis=0)
        five = tr.max(x, axis=1, keepdims=True) + tr.min(x) + tr.var(x, axis=0) + tr.logsumexp(x, axis=1, keepdims=True)
        six = tr.cast(tr.any(x > 0, axis=1), "float32") + tr.cast(tr.all(x > -1, axis=1), "float32")
        seven = x[[2, 0], [1, 1]] + x[1:, None, -1][..., 0] + x[tr.argmax(x, axis=0)][:2, 3]
        return (three + four + five).T, six, seven, tr.gelu(x) + tr.leaky_relu(x), (x <= n) == (x >= n), tr.norm(x)


def test_every_primitive(path):
    calls = [((floats(3, 4), np.array([[1], [2], [0]])), {}), ((floats(3, 4), np.array([[2], [2], [1]])), {})]
    agree(path, Everything(), *calls, again=False)


# -- settings ------------------------------------------------------------------------------------------------------


def test_modes_and_the_record_are_left_as_they_were(path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.GRU(3, 3, return_state=False))
    model[1].eval()
    io.onnx.save(model, path, floats(4, 2, 3))
    assert [module.training for _, module in model.modules()][:4] == [True, True, False, True]
    assert "forward" not in vars(model[2])
    assert model(floats(4, 2, 3)).requires_grad


def test_opset_names_and_version(path):
    io.onnx.save(nn.LSTM(3, 4), path, floats(5, 2, 3), outputs=("y", "h", "c"))
    proto = onnx.load(path)
    assert (proto.ir_version, proto.opset_import[0].version, proto.producer_name) == (8, 17, "tinyrnn")
    assert [value.name for value in proto.graph.output] == ["y", "h", "c"]
    assert [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == [5, 2, 3]


def test_of_a_gpu(fake_cupy, path):
    model = shaken(nn.Sequential(nn.GRU(3, 4, return_state=False), nn.Linear(4, 2)))
    x = floats(5, 2, 3)
    expected = model(x).numpy()
    io.onnx.save(model.to("cuda:1"), path, tr.tensor(x, device="cuda:1"))
    found = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


# -- what is refused -----------------------------------------------------------------------------------------------


class Model(nn.Module):
    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


def _counts(x, seen=[]):  # noqa: B006
    seen.append(x)
    return x * len(seen)


@pytest.mark.parametrize(
    ("function", "axes", "message"),
    [
        (
            lambda x: tr.total(tr.unstack(x)),
            {"x": ("T",)},
            "does something else, .* when axis 'T' is longer: it cannot be free",
        ),
        (
            lambda x: x[: len(x) // 2],
            {"x": ("T",)},
            "getitem in module 'Model' has index=.*: leave the axis on which that depends",
        ),
        (
            lambda x: x / len(x) ** 0.5,
            {"x": ("T",)},
            r"uses the number 2.0|was another one in other runs, but why is not recorded",
        ),
        (lambda x: x * tr.tensor(x.numpy().mean()), None, r"an array \(\) float32 that .* uses was another one"),
        (lambda x: x * tr.one_hot(tr.argmax(x, axis=1), 3), None, "uses was another one in other runs, but why is not recorded"),
        (lambda x: x + tr.randn(3), None, "drawn at random"),
        (_counts, None, "mul in module 'Model' uses the number 1, which was 2 in other runs: it is not recorded whence"),
        (lambda x: tr.tensor(x.numpy()) * 2, None, "nothing that is recorded depends on the input 'x'"),
        (lambda x: x[x > 0], None, "does something else|has an index that ONNX has no operator for"),
        (lambda x: tr.pad(x, [(1, 1), (0, 0)]), None, r"put in module 'Model' cannot be exported; known are abs, add"),
        (lambda x: x + np.ones((4, 1), "float32"), {"x": ("T",)}, "does not run when axis 'T' is longer: add.*do not broadcast"),
        (lambda x: x if x.numpy()[0, 0] > 0.5 else -x, None, "the model does .* for other numbers"),
    ],
)
def test_what_cannot_be_exported(function, axes, message, path):
    x = np.arange(12, dtype="float32").reshape(4, 3) / 6
    with pytest.raises(ValueError, match=message):
        io.onnx.save(Model(function), path, x, axes=axes)
    assert not path.exists()


def test_a_state_that_is_kept_inside(path):
    model = nn.Sequential(nn.Stateful(nn.GRU(3, 4), return_state=False))
    with pytest.raises(ValueError, match="0 is a Stateful, which keeps its state inside: export the layer in it"):
        io.onnx.save(model, path, floats(5, 2, 3))
    assert model[0].memory.state_dict() == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axes": {"y": ("T",)}}, "axes names the input 'y'; there are x"),
        ({"axes": {"x": (None, None, None, "N")}}, r"axes names 4 axes of 'x', which has shape \(5, 2, 3\)"),
        ({"outputs": ["y"]}, r"outputs must name 2 results, e\.g\. \['output_0', 'output_1'\]"),
        ({"axes": {"x": ("T", "N"), "lengths": ("T",)}, "lengths": [5, 5]}, "axes 'T' of different lengths"),
    ],
)
def test_settings_that_do_not_fit(options, message, path):
    with pytest.raises(ValueError, match=message):
        io.onnx.save(nn.GRU(3, 4), path, floats(5, 2, 3), **options)


def test_a_fixed_axis_is_none(path):
    with pytest.raises(TypeError, match="axes of 'x': expected a name for a free axis, None for a fixed one, not 5"):
        io.onnx.save(nn.GRU(3, 4), path, floats(5, 2, 3), axes={"x": (5, "N", 3)})
    io.onnx.save(nn.GRU(3, 4), path, floats(5, 2, 3), axes={"x": (None, "N", None)})
    assert io.onnx.load(path)(floats(5, 7, 3))[0].shape == (5, 7, 4)


def test_no_such_folder_and_no_package(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"io\.onnx\.save: there is no folder"):
        io.onnx.save(nn.Linear(3, 3), tmp_path / "away" / "model.onnx", floats(2, 3))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"io\.onnx\.save needs the package onnx: pip install 'tinyrnn\[onnx\]'"):
        io.onnx.save(nn.Linear(3, 3), tmp_path / "model.onnx", floats(2, 3))
