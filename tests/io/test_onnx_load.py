"""Models from ONNX files: the operators' published cases, what those leave out against onnxruntime, PyTorch's exports."""

import importlib
import sys
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinyrnn as tr
from tinyrnn import io, nn, optim

onnx = pytest.importorskip("onnx", reason="models are read with onnx: pip install 'tinyrnn[onnx]'")
ort = pytest.importorskip("onnxruntime", reason="the reference for what a model computes")
helper, TensorProto = onnx.helper, onnx.TensorProto

for operator in ("rnn", "gru", "lstm"):  # to import a module registers its cases; those of all operators take ten seconds
    importlib.import_module(f"onnx.backend.test.case.node.{operator}")
CASES = [
    case for case in onnx.backend.test.case.node._NodeTestCases if case.model.graph.node[0].op_type in ("RNN", "GRU", "LSTM")
]


def run(path, *inputs):
    """What onnxruntime computes."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip((i.name for i in session.get_inputs()), inputs)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.skipif(tuple(map(int, onnx.__version__.split(".")[:2])) < (1, 23), reason="older packages have fewer cases")
def test_there_are_18_published_cases():
    assert len({case.name for case in CASES}) == len(CASES) == 18


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_published_cases(case, path):
    onnx.save(case.model, path)
    model = io.onnx.load(path)
    ((inputs, outputs),) = case.data_sets
    found = model(*inputs)
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(outputs)
    for ours, expected in zip(found, outputs):
        assert ours.shape == expected.shape and ours.dtype == expected.dtype
        np.testing.assert_allclose(ours.numpy(), expected, rtol=case.rtol, atol=1e-6)


# -- what the published cases leave out ----------------------------------------------------------------------------

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
T, N, INPUTS, H = 5, 3, 2, 4


def recurrent(op, *, directions=1, lengths=False, initial=False, peepholes=False, layout=0, bias=True, **attributes):
    """A model of one operator with random weights, and inputs for it."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(scale=0.5, size=shape).astype("float32")  # noqa: E731
    weights = {"W": draw(directions, GATES[op] * H, INPUTS), "R": draw(directions, GATES[op] * H, H)}
    weights |= {"B": draw(directions, 2 * GATES[op] * H)} if bias else {}
    weights |= {"P": draw(directions, 3 * H)} if peepholes else {}
    inputs = {"X": draw(N, T, INPUTS) if layout else draw(T, N, INPUTS)}
    inputs |= {"sequence_lens": np.array([5, 1, 3], "int32")} if lengths else {}
    state = (N, directions, H) if layout else (directions, N, H)
    states = ("initial_h", "initial_c") if op == "LSTM" else ("initial_h",)
    inputs |= {name: draw(*state) for name in states} if initial else {}
    order = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")[: 8 if op == "LSTM" else 6]
    present = [name if name in weights or name in inputs else "" for name in order]
    outputs = {"Y": 4, "Y_h": 3, "Y_c": 3} if op == "LSTM" else {"Y": 4, "Y_h": 3}
    direction = {1: attributes.pop("direction", "forward"), 2: "bidirectional"}[directions]
    node = helper.make_node(op, present, list(outputs), hidden_size=H, direction=direction, layout=layout, **attributes)
    return model_of([node], inputs, outputs, weights), list(inputs.values())


def model_of(nodes, inputs, outputs, weights, opset=17):
    """A model of these nodes; `outputs` says how many axes each has."""
    kinds = {np.dtype(dtype): helper.np_dtype_to_tensor_dtype(np.dtype(dtype)) for dtype in ("float32", "int64", "int32", "bool")}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kinds[value.dtype], value.shape) for name, value in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * axes) for name, axes in outputs.items()],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


OWN = [
    ("RNN", {"lengths": True, "initial": True}),
    ("RNN", {"directions": 2, "lengths": True, "activations": ["Relu", "Tanh"]}),
    ("RNN", {"clip": 0.3, "bias": False}),
    ("GRU", {"linear_before_reset": 1}),
    ("GRU", {"linear_before_reset": 1, "directions": 2, "lengths": True, "initial": True}),
    ("GRU", {"linear_before_reset": 1, "direction": "reverse", "lengths": True, "bias": False}),
    ("GRU", {"linear_before_reset": 0, "directions": 2, "lengths": True, "initial": True}),
    ("GRU", {"activations": ["HardSigmoid", "Softsign"], "activation_alpha": [0.3], "activation_beta": [0.4]}),
    ("LSTM", {"lengths": True, "initial": True}),
    ("LSTM", {"directions": 2, "lengths": True, "initial": True}),
    ("LSTM", {"direction": "reverse", "lengths": True, "bias": False}),
    ("LSTM", {"peepholes": True}),
    ("LSTM", {"peepholes": True, "directions": 2, "lengths": True, "initial": True}),
    ("LSTM", {"input_forget": 1, "peepholes": True}),
    ("LSTM", {"clip": 0.2}),
    ("LSTM", {"activations": ["Sigmoid", "ScaledTanh", "Elu"], "activation_alpha": [1.2, 0.7], "activation_beta": [0.8]}),
    ("LSTM", {"activations": ["Sigmoid", "LeakyRelu", "Affine"], "activation_alpha": [0.1, 0.5], "activation_beta": [0.2]}),
    ("LSTM", {"activations": ["Sigmoid", "ThresholdedRelu", "Softplus"], "activation_alpha": [0.1]}),
]


@pytest.mark.parametrize(("op", "options"), OWN, ids=lambda value: str(value))
def test_what_they_leave_out_against_onnxruntime(op, options, path):
    proto, inputs = recurrent(op, **options)
    onnx.save(proto, path)
    expected = run(path, *inputs)
    for ours, theirs in zip(io.onnx.load(path)(*inputs), expected):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("op", GATES)
def test_layout_1_is_layout_0_with_axes_swapped(op, path):
    """onnxruntime does not have it (1.32: "Batchwise recurrent operations (layout == 1) are not supported")."""
    found = []
    for layout in (0, 1):
        proto, inputs = recurrent(op, directions=2, lengths=True, initial=True, layout=layout)
        onnx.save(proto, path)
        model = io.onnx.load(path)
        if layout:
            inputs = [same.transpose(1, 0, 2) if same.ndim == 3 else same for same in found[0]]
        found += [inputs, [y.numpy() for y in model(*inputs)]]
    (y, *states), (y_swapped, *states_swapped) = found[1], found[3]
    np.testing.assert_array_equal(y_swapped, y.transpose(2, 0, 1, 3))
    for state, swapped in zip(states, states_swapped):
        np.testing.assert_array_equal(swapped, state.transpose(1, 0, 2))


def test_weights_that_are_computed(path):
    proto, inputs = recurrent("LSTM")
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    weights["R"] = weights["R"].transpose(0, 2, 1)
    weights["half"] = np.array(0.5, "float32")
    nodes = [
        helper.make_node("Transpose", ["R"], ["Rt"], perm=[0, 2, 1]),
        helper.make_node("Mul", ["W", "half"], ["W2"]),
        helper.make_node("LSTM", ["X", "W2", "Rt", "B"], ["Y"], hidden_size=H),
    ]
    onnx.save(model_of(nodes, {"X": inputs[0]}, {"Y": 4}, weights), path)
    model = io.onnx.load(path)
    np.testing.assert_allclose(model(*inputs).numpy(), run(path, *inputs)[0], rtol=1e-5, atol=1e-6)
    assert {name for name, _ in model.named_parameters()} == {"weights.W", "weights.R", "weights.B"}  # no single number


# -- as modules ----------------------------------------------------------------------------------------------------


def test_it_trains_and_is_saved_like_any_module(path, tmp_path):
    proto, inputs = recurrent("GRU", linear_before_reset=1)
    onnx.save(proto, path)
    model = io.onnx.load(path)
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        y, _ = model(*inputs)
        loss = nn.mse(y, np.full(y.shape, 0.3, "float32"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0] and all(p.grad is not None for p in model.parameters())
    io.save(tmp_path / "trained.safetensors", model)
    again = io.onnx.load(path)
    io.load(tmp_path / "trained.safetensors", into=again)
    np.testing.assert_array_equal(again(*inputs)[0].numpy(), model(*inputs)[0].numpy())


def test_the_record_knows_steps_and_gates(path):
    proto, inputs = recurrent("LSTM")
    onnx.save(proto, path)
    y, _, _ = io.onnx.load(path)(*inputs)
    graph = tr.tape(tr.sum(y))
    assert {"i", "f", "g", "o", "c", "h"} <= {node.name for node in graph.nodes if node.step == 2}
    assert [len(loop.steps) for loop in graph.fold().loops] == [T]


def test_an_output_that_is_not_wanted_is_no_input_of_the_next(path):
    rng = np.random.default_rng(0)
    weights = {"W": rng.normal(size=(1, 3 * H, 2)).astype("float32"), "R": rng.normal(size=(1, 3 * H, H)).astype("float32")}
    first = helper.make_node("GRU", ["X", "W", "R"], ["", "h"], hidden_size=H)
    second = helper.make_node("GRU", ["X", "W", "R", "", "", "h"], ["Y"], hidden_size=H)  # no bias, no lengths
    x = rng.normal(size=(T, N, 2)).astype("float32")
    onnx.save(model_of([first, second], {"X": x}, {"Y": 4}, weights), path)
    np.testing.assert_allclose(io.onnx.load(path)(x).numpy(), run(path, x)[0], rtol=1e-5, atol=1e-5)


def test_weights_of_another_number_of_directions(path):
    proto, inputs = recurrent("RNN", directions=2)
    next(a for a in proto.graph.node[0].attribute if a.name == "direction").s = b"reverse"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ValueError, match=r"W has shape \(2, .*\), of 2 direction\(s\), but it runs reverse"):
        io.onnx.load(path)(*inputs)


def test_the_wrong_number_of_inputs(path):
    proto, inputs = recurrent("LSTM", lengths=True)
    onnx.save(proto, path)
    with pytest.raises(TypeError, match=r"takes 2 input\(s\), X, sequence_lens, but got 1"):
        io.onnx.load(path)(*inputs[:1])
    with pytest.raises(ValueError, match="LSTM that makes 'Y': "):
        io.onnx.load(path)(inputs[0][:, :, :1], inputs[1])


# -- what surrounds the recurrent operators ------------------------------------------------------------------------

X = np.linspace(-2, 2, 24, dtype="float32").reshape(2, 3, 4)
SURROUNDINGS = {
    "Gemm": ([("Gemm", ["m", "w", "b"], {"alpha": 0.5, "beta": 2.0, "transB": 1})], 2),
    "Gemm without C": ([("Gemm", ["m", "w"], {"transA": 1, "transB": 1})], 2),
    "MatMul, Add": ([("MatMul", ["x", "v"], {}), ("Add", ["", "b"], {})], 3),
    "Flatten": ([("Flatten", ["x"], {"axis": 2})], 2),
    "Slice from the end": ([("Slice", ["x", "starts", "ends", "axis1", "minus"], {})], 3),
    "Squeeze, Unsqueeze": (
        [("Slice", ["x", "one", "two", "axis1"], {}), ("Squeeze", ["", "axis1"], {}), ("Unsqueeze", ["", "minus"], {})],
        3,
    ),
    "Gather of one": ([("Gather", ["x", "index"], {"axis": 1})], 2),
    "Shape and what is computed of it": (
        [
            ("Shape", ["x"], {}),
            ("Slice", ["", "zero", "two"], {}),
            ("Concat", ["", "minus"], {"axis": 0}),
            ("Reshape", ["x", ""], {}),
        ],
        3,
    ),
    "Expand": ([("ReduceMean", ["x"], {"axes": [-1]}), ("Expand", ["", "shape"], {})], 3),
    "Split, Concat": ([("Split", ["x"], {"axis": 2}), ("Concat", ["", "x"], {"axis": -1})], 3),
    "Transpose, Relu": ([("Transpose", ["x"], {"perm": [2, 0, 1]}), ("Relu", [""], {})], 3),
    "Where": ([("Less", ["x", "half"], {}), ("Where", ["", "x", "half"], {})], 3),
    "Cast": ([("Greater", ["x", "half"], {}), ("Cast", [""], {"to": TensorProto.FLOAT})], 3),
    "Softmax": ([("Softmax", ["x"], {"axis": 1})], 3),
    "LogSoftmax": ([("LogSoftmax", ["x"], {})], 3),
    "LayerNormalization": ([("LayerNormalization", ["x", "b4", "b4"], {"epsilon": 1e-3})], 3),
    "Dropout": ([("Dropout", ["x"], {}), ("Sigmoid", [""], {})], 3),
    "Clip": ([("Clip", ["x", "half"], {})], 3),
    "Max": ([("Max", ["x", "half", "b4"], {})], 3),
    "ReduceSum": ([("ReduceSum", ["x", "axis1"], {"keepdims": 0})], 2),
    "ReduceMax": ([("ReduceMax", ["x"], {})], 3),
    "LeakyRelu, Softplus": ([("LeakyRelu", ["x"], {"alpha": 0.3}), ("Softplus", [""], {})], 3),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_what_surrounds_them(name, path):
    steps, axes = SURROUNDINGS[name]
    rng = np.random.default_rng(1)
    weights = {
        key: rng.normal(size=shape).astype("float32") for key, shape in {"w": (2, 4), "v": (4, 2), "b": (2,), "b4": (4,)}.items()
    }
    weights |= {
        key: np.array(value, "int64") for key, value in {"one": [1], "two": [2], "zero": [0], "minus": [-1], "index": 1}.items()
    }
    weights |= {"axis1": np.array([1]), "starts": np.array([-1]), "ends": np.array([-(2**63)]), "shape": np.array([1, 3, 4])}
    weights |= {"half": np.array(0.5, "float32")}
    inputs = {"x": X, "m": X[0] if name == "Gemm" else X[0, :2]}
    if name == "Gemm without C":
        inputs["m"] = X[0].T.copy()
    nodes, last = [], ""
    for number, (op, names, attributes) in enumerate(steps):
        results = [f"r{number}", f"s{number}"] if op == "Split" else [f"r{number}"]
        nodes.append(helper.make_node(op, [name or last for name in names], results, **attributes))
        last = results[0]
    used = {value for node in nodes for value in node.input}
    inputs, weights = ({key: value for key, value in given.items() if key in used} for given in (inputs, weights))
    onnx.save(model_of(nodes, inputs, {last: axes}, weights), path)
    expected = run(path, *inputs.values())[0]
    found = io.onnx.load(path)(*inputs.values())
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


# -- models that PyTorch wrote -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_model_of_pytorch(kind, path):
    torch = pytest.importorskip("torch")

    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(10, 3)
            self.layer = getattr(torch.nn, kind)(3, 4, 2, bidirectional=True, dropout=0.5, batch_first=True)
            self.scores = torch.nn.Linear(8, 5)

        def forward(self, x):
            y, state = self.layer(self.embedding(x))
            return torch.log_softmax(self.scores(torch.relu(y)), -1), state[0] if kind == "LSTM" else state

    theirs = Tagger().eval()
    axes = {"x": {0: "N", 1: "T"}}
    options = {"dynamo": False, "dynamic_axes": axes, "input_names": ["x"]}  # the other exporter needs onnxscript
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(theirs, (torch.zeros(2, 6, dtype=torch.long),), str(path), **options)
    ours = io.onnx.load(path)
    for shape in ((2, 6), (3, 4)):
        x = np.random.default_rng(0).integers(10, size=shape)
        for found, expected in zip(ours(x), theirs(torch.from_numpy(x))):
            np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert sum(p.size for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


# -- what is refused -----------------------------------------------------------------------------------------------

NO_MODEL = r"is no ONNX model, or it is cut off|is no valid ONNX model"


def changed(change):
    proto, _ = recurrent("LSTM", activations=["Sigmoid", "Tanh", "Tanh"])
    change(proto)
    return proto


def _external(proto):
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret.bin"


def _operator(proto):
    proto.graph.node.append(helper.make_node("Erf", ["Y"], ["erf"]))


def _domain(proto):
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    proto.graph.node.append(helper.make_node("LSTM", ["Y"], ["other"], domain="com.example"))


def _activation(proto):
    next(a for a in proto.graph.node[0].attribute if a.name == "activations").strings[1] = b"Swish"


def _one_activation(proto):
    attribute = next(a for a in proto.graph.node[0].attribute if a.name == "activations")
    del attribute.strings[1:]


def _direction(proto):
    next(a for a in proto.graph.node[0].attribute if a.name == "direction").s = b"sideways"


def _too_few_numbers(proto):
    proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-4]


def _dtype(proto):
    weights = onnx.numpy_helper.to_array(proto.graph.initializer[0])
    proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights.astype("complex64"), "W"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_external, "its weights are in other files: put everything into one"),
        (_operator, "has the operator Erf, which is not known here; known are Abs, Add"),
        (_domain, r"has the operator com\.example\.LSTM, which is not known here"),
        (_activation, "LSTM has the activation 'Swish', which is not known here; known are relu, tanh"),
        (_one_activation, "LSTM has 1 activations, expected 3 of one that runs forward"),
        (_direction, "LSTM has the direction 'sideways', expected forward, reverse, bidirectional"),
        (_too_few_numbers, "is no valid ONNX model|the numbers of 'W' cannot be read"),
        (_dtype, "'W' has dtype complex64, expected numbers or bools"),
        (lambda proto: proto.ClearField("opset_import"), "is no valid ONNX model"),
        (lambda proto: proto.ClearField("graph"), "is no valid ONNX model"),
        (lambda proto: proto.graph.node[0].input.__setitem__(1, "away"), "is no valid ONNX model"),
    ],
)
def test_a_model_that_is_refused(change, message, path):
    path.write_bytes(changed(change).SerializeToString())
    with pytest.raises(ValueError, match=message):
        io.onnx.load(path)


def test_old_operators(path):
    node = helper.make_node("Relu", ["x"], ["y"])
    onnx.save(model_of([node], {"x": X}, {"y": 3}, {}, opset=11), path)
    with pytest.raises(ValueError, match="has operators of set 11, here they are known from 13 on: convert it with"):
        io.onnx.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"not at all" * 100, b"\xff" * 64, b"\x80\x04K\x01."]
)
def test_no_onnx(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=NO_MODEL):
        io.onnx.load(path)


def test_no_such_file(path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*model\.onnx"):
        io.onnx.load(path)


def test_without_the_package(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"io\.onnx\.load needs the package onnx: pip install 'tinyrnn\[onnx\]'"):
        io.onnx.load(path)


WHOLE = recurrent("GRU")[0].SerializeToString()


@pytest.mark.parametrize("length", [1, 9, len(WHOLE) // 4, len(WHOLE) // 2, len(WHOLE) - 1])
def test_cut_off(length, path):
    path.write_bytes(WHOLE[:length])
    with pytest.raises(ValueError, match=NO_MODEL):
        io.onnx.load(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused(path, damage):
    content = bytearray(WHOLE)
    for place, byte in damage:
        content[place] = byte
    path.write_bytes(content)
    with suppress(ValueError):
        assert isinstance(io.onnx.load(path), nn.Module)
