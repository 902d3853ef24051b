"""Modules: what belongs to them, by which names, saved, restored, moved, and shown."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn


class Scale(nn.Module):
    def __init__(self, size):
        self.factor = tr.Parameter(np.arange(1.0, size + 1, dtype="float32"))

    def forward(self, x):
        return x * self.factor


class Model(nn.Module):
    def __init__(self):
        self.embed = nn.Embedding(5, 3)
        self.temperature = tr.Parameter(1.0)
        self.body = nn.LSTM(3, 4)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.body(self.embed(x))[0]) / self.temperature


NAMES = ["temperature", "embed.W", "body.layer0.W_x", "body.layer0.W_h", "body.layer0.b", "head.W", "head.b"]

# -- parts and names -----------------------------------------------------------------------------------------------


def test_parameters_in_order_with_dotted_names():
    model = Model()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert list(model.parameters()) == [p for _, p in model.named_parameters()]


def test_parts_are_called_by_their_attributes():
    model = Model()
    assert model.embed.name == "embed" and model.temperature.name == "temperature" and model.body.layer0.name == "layer0"


def test_a_name_once_given_stays():
    shared = nn.Linear(2, 2)
    first, second = nn.Module(), nn.Module()
    first.encoder, second.decoder = shared, shared
    assert shared.name == "encoder"


def test_operations_know_their_module():
    model = Model()
    with tr.recording():
        y = model(np.array([[1, 2]]))
    places = {value.place.scope for value in tr.graph.history(y)}
    assert {("Model",), ("Model", "embed"), ("Model", "body", "layer0"), ("Model", "head")} <= places


def test_lists_of_modules_and_parameters_belong():
    class Deep(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)]
            self.scales = (tr.Parameter(1.0), tr.Parameter(2.0))
            self.sizes = [1, 2, 3]

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    deep = Deep()
    assert [name for name, _ in deep.named_parameters()] == ["scales.0", "scales.1", "layers.0.W", "layers.1.W"]
    assert deep.layers[1].name == "layers.1"
    deep.layers.append(nn.Dropout(0.5))
    assert not deep.eval().layers[2].training


def test_dicts_of_modules_and_parameters_belong():
    class Heads(nn.Module):
        def __init__(self):
            self.heads = {"words": nn.Linear(2, 2, bias=False), 7: [nn.Linear(2, 2, bias=False)]}
            self.sizes = {"a": 1}

    heads = Heads()
    assert [name for name, _ in heads.named_parameters()] == ["heads.words.W", "heads.7.0.W"]
    assert heads.heads["words"].name == "heads.words"
    assert not heads.eval().heads[7][0].training


def test_a_part_may_refer_back_to_its_owner():
    m, c = nn.Module(), nn.Linear(2, 2)
    m.child, c.parent = c, m
    assert [name for name, _ in m.modules()] == ["", "child"]
    assert [name for name, _ in m.named_parameters()] == ["child.W", "child.b"]
    m.eval(), m.summary(), repr(m)
    assert not c.training


def test_no_attribute_breaks_a_module():
    layer = nn.Linear(2, 2)
    layer.parts, layer.children, layer.name, layer.dtype = [1], [nn.Linear(2, 2)], "encoder", "float32"
    assert [name for name, _ in layer.named_parameters()] == ["W", "b", "children.0.W", "children.0.b"]
    for key in ("modules", "parameters", "train", "to", "_parts"):
        with pytest.raises(
            AttributeError, match=f"Linear: '{key}' is a method of every module; call the attribute something else"
        ):
            setattr(layer, key, 1)
    with pytest.raises(TypeError, match="name is what drawings call the module, a text, not a int"):
        layer.name = 3
    layer.forward = lambda x: x
    assert layer(3) == 3


def test_a_parameter_is_not_replaced_by_a_result():
    layer = nn.Linear(2, 2)
    parameter = layer.W
    for new in (layer.W * 2, layer.W.numpy()):
        with pytest.raises(TypeError, match=rf"W is a Parameter, which a {type(new).__name__} would replace.*W.assign\("):
            layer.W = new
    assert layer.W is parameter
    layer.W, layer.b = tr.Parameter(parameter * 2), 0.0
    assert [name for name, _ in layer.named_parameters()] == ["W"]


def test_a_shared_parameter_comes_once():
    class Tied(nn.Module):
        def __init__(self):
            self.read, self.write = nn.Linear(3, 3), nn.Linear(3, 3)
            self.write.W = self.read.W

    tied = Tied()
    assert [name for name, _ in tied.named_parameters()] == ["read.W", "read.b", "write.b"]
    assert "shared" in tied.summary() and tied.summary().splitlines()[-1].split() == ["total", "15"]
    tied.load_state_dict(tied.state_dict())


def test_a_shared_parameter_gets_both_gradients():
    layer = nn.Linear(2, 2, bias=False)
    x = tr.ones(1, 2)
    (layer(layer(x)).sum() + layer(x).sum()).backward()
    once = nn.Linear(2, 2, bias=False)
    once.load_state_dict(layer.state_dict())
    total = sum(tr.grad(loss, once.W).numpy() for loss in (once(once(x)).sum(), once(x).sum()))
    np.testing.assert_allclose(layer.W.grad.numpy(), total, rtol=1e-6)


def test_forward_is_missing():
    with pytest.raises(NotImplementedError, match=r"Nothing has no forward\(self, ...\): write one"):
        type("Nothing", (nn.Module,), {})()(1)


def test_the_place_is_left_when_forward_fails():
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("broken")

    with pytest.raises(KeyError):
        Broken()(1)
    assert (tr.Parameter(1.0) * 2).place.scope == ()


def test_zero_grad():
    model = Scale(2)
    model(tr.ones(2)).sum().backward()
    assert model.factor.grad is not None
    model.zero_grad()
    assert model.factor.grad is None


def test_train_and_eval_reach_everything():
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    assert model.training and model[1][0].training
    assert model.eval() is model
    assert not (model.training or model[0].training or model[1][0].training)
    assert model.train()[1][0].training


# -- state ---------------------------------------------------------------------------------------------------------


def test_state_is_a_copy_and_comes_back():
    model, other = Model(), Model()
    state = model.state_dict()
    assert list(state) == NAMES
    other.load_state_dict(state)
    x = np.array([[1, 2, 3]])
    np.testing.assert_array_equal(other(x).numpy(), model(x).numpy())
    state["head.b"][...] = 7.0
    assert not model.head.b.numpy().any() and not other.head.b.numpy().any()


def test_everything_that_does_not_fit_is_named_and_nothing_changes():
    model = Model()
    before, state = model.state_dict(), Model().state_dict()
    del state["head.b"], state["temperature"]
    state["head.W"] = np.zeros((5, 4))
    state["body.layer0.b"] = np.zeros(3)
    state["tail.W"] = np.zeros((1, 2))
    with pytest.raises(ValueError) as error:
        model.load_state_dict(state)
    assert str(error.value).splitlines() == [
        "state does not fit Model:",
        "  missing: temperature ()",
        "  missing: head.b (5,)",
        "  unexpected: tail.W (1, 2)",
        "  misshapen: body.layer0.b is (3,), expected (16,)",
        "  misshapen: head.W is (5, 4), expected (4, 5)",
    ]
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(p.numpy(), before[name])


def test_loading_between_forward_and_backward_is_noticed():
    model = Scale(2)
    loss = (model(tr.ones(2)) ** 2).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_loading_keeps_the_dtype_and_takes_tensors():
    model = Scale(2)
    model.load_state_dict({"factor": tr.tensor(np.array([3.0, 4.0]))})
    assert model.factor.dtype == "float32" and model.factor.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("wrong", [np.full((4, 5), "x"), np.full((4, 5), 1j), np.full((4, 5), None)])
def test_what_holds_no_numbers_changes_nothing(wrong):
    model = Model()
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"state does not fit Model:\s+unreadable: head.W: "):
        model.load_state_dict({**Model().state_dict(), "head.W": wrong})
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(p.numpy(), before[name])


@pytest.mark.parametrize("wrong", [None, [1, 2]])
def test_a_state_is_a_mapping(wrong):
    with pytest.raises(TypeError, match=r"Scale.load_state_dict: expected a mapping .*state_dict\(\)"):
        Scale(2).load_state_dict(wrong)


def test_a_state_of_torch_tensors():
    torch = pytest.importorskip("torch", reason="the state is made of PyTorch's tensors")
    model = Scale(2)
    model.load_state_dict({"factor": torch.tensor([3.0, 4.0], requires_grad=True)})
    assert model.factor.tolist() == [3.0, 4.0]
    with pytest.raises(ValueError, match=r"unreadable: factor: .*BFloat16"):
        model.load_state_dict({"factor": torch.ones(2, dtype=torch.bfloat16)})


# -- to ------------------------------------------------------------------------------------------------------------


def test_to_another_dtype():
    model = Model()
    model(np.array([[1, 2]])).sum().backward()
    assert model.to(dtype="float64") is model
    assert {p.dtype for p in model.parameters()} == {p.grad.dtype for p in model.parameters()} == {np.dtype("float64")}
    assert model.body(np.ones((2, 1, 3)))[0].dtype == "float64"
    with pytest.raises(ValueError, match="read-only"):
        model.head.W.data[0] = 1.0
    with pytest.raises(TypeError, match="cannot become int32"):
        model.to(dtype="int32")


def test_moving_between_forward_and_backward_is_noticed():
    model = Scale(2)
    loss = (model(tr.ones(2)) ** 2).sum()
    model.to(dtype="float64")
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_to_where_it_is_changes_nothing():
    model = Scale(2)
    loss, data = model(tr.ones(2)).sum(), model.factor.data
    model.to("cpu", dtype="float32")
    assert model.factor.data is data
    loss.backward()


def test_to_a_gpu_and_back(fake_cupy):
    model = Model()
    x = np.array([[1, 2]])
    y = model(x)
    y.sum().backward()
    there = model.to("cuda:1")
    assert {str(p.device) for p in there.parameters()} == {str(p.grad.device) for p in there.parameters()} == {"cuda:1"}
    on_gpu = model(tr.tensor(x, device="cuda:1"))
    np.testing.assert_allclose(on_gpu.data.get(), y.numpy(), rtol=1e-6)
    np.testing.assert_allclose(model.to("cpu")(x).numpy(), y.numpy(), rtol=1e-6)


def test_state_goes_to_wherever_the_module_is(fake_cupy):
    state = Model().state_dict()
    model = Model().to("cuda")
    model.load_state_dict(state)
    np.testing.assert_array_equal(model.head.W.data.get(), state["head.W"])
    on_gpu = model.state_dict()
    assert isinstance(on_gpu["head.W"], fake_cupy.ndarray)
    Model().load_state_dict(on_gpu)
    with pytest.raises(ValueError, match=r"misshapen: head.W is \(1, 2\)"):
        model.load_state_dict({**on_gpu, "head.W": on_gpu["head.W"][:1, :2]})


# -- reports -------------------------------------------------------------------------------------------------------


def test_summary():
    assert Model().summary().splitlines() == [
        "module        type       parameters        count",
        "------------------------------------------------",
        "(self)        Model      temperature ()        1",
        "embed         Embedding  W (5, 3)             15",
        "body          LSTM",
        "body.layer0   LSTMCell   W_x (3, 16)          48",
        "                         W_h (4, 16)          64",
        "                         b (16,)              16",
        "body.between  Dropout",
        "head          Linear     W (4, 5)             20",
        "                         b (5,)                5",
        "------------------------------------------------",
        "total                                        169",
    ]


def test_repr():
    assert repr(nn.Linear(3, 2)) == "Linear(in_features=3, out_features=2; 8 parameters)"
    assert repr(nn.Module()) == "Module(0 parameters)"
