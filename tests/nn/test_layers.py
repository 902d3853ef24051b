"""Linear, Embedding, Dropout, LayerNorm, Sequential: values, gradients, dtypes, errors, devices."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn


def random(*shape, dtype="float64"):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


# -- Linear --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(), (5,), (5, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(lead, bias):
    layer = nn.Linear(3, 2, bias=bias).to(dtype="float64")
    state = {"W": random(3, 2), **({"b": random(2)} if bias else {})}
    layer.load_state_dict(state)
    x = random(*lead, 3)
    np.testing.assert_allclose(layer(x).numpy(), x @ state["W"] + state.get("b", 0.0), rtol=1e-14)
    assert [name for name, _ in layer.named_parameters()] == list(state)
    assert tr.gradcheck(lambda x: layer(x), [tr.tensor(x, requires_grad=True)], order=2)


def test_linear_says_what_it_expects():
    with pytest.raises(ValueError, match=r"Linear: x has shape \(5, 4\), expected \(..., in_features = 3\)"):
        nn.Linear(3, 2)(tr.ones(5, 4))


# -- Embedding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indices", [[[1, 2], [2, 0]], np.array([4, 4, 1], "uint8"), tr.tensor(np.array([3])), np.int64(2)])
def test_embedding(indices):
    layer = nn.Embedding(5, 3)
    picked = np.asarray(indices.numpy() if isinstance(indices, tr.Tensor) else indices)
    y = layer(indices)
    np.testing.assert_array_equal(y.numpy(), layer.W.numpy()[picked])
    y.sum().backward()
    np.testing.assert_array_equal(layer.W.grad.numpy()[:, 0], np.bincount(picked.ravel(), minlength=5))


def test_embedding_errors():
    layer = nn.Embedding(5, 3)
    with pytest.raises(IndexError, match="indices from 0 to 5 do not fit num_embeddings = 5"):
        layer([0, 5])
    with pytest.raises(IndexError, match="indices from -1 to 2"):
        layer(np.array([2, -1]))
    with pytest.raises(TypeError, match="indices must be integers, not float32"):
        layer(tr.ones(2))
    with pytest.raises(TypeError, match="indices must be integers, not float64"):
        layer([0.5, 1.0])


def test_embedding_reads_arrays_of_other_libraries():
    torch = pytest.importorskip("torch")
    layer, symbols = nn.Embedding(5, 3), [[1, 4], [0, 2]]
    np.testing.assert_array_equal(layer(torch.tensor(symbols)).numpy(), layer(symbols).numpy())


# -- Dropout -------------------------------------------------------------------------------------------------------


def test_dropout_in_training():
    tr.manual_seed(0)
    x = tr.tensor(np.full(100_000, 2.0, "float32"), requires_grad=True)
    y = nn.Dropout(0.25)(x)
    assert set(np.unique(y.numpy())) == {0.0, np.float32(2 / 0.75)}
    assert (y.numpy() == 0).mean() == pytest.approx(0.25, abs=0.01)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy() / 2)  # the same numbers are dropped on the way back


def test_dropout_is_seeded_and_fresh_each_time():
    layer, x = nn.Dropout(0.5), tr.ones(50)
    tr.manual_seed(1)
    first, second = layer(x).numpy(), layer(x).numpy()
    tr.manual_seed(1)
    np.testing.assert_array_equal(layer(x).numpy(), first)
    assert (first != second).any()


def test_dropout_out_of_training_or_of_nothing_passes_all():
    x = tr.ones(5)
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan"), "0.5", None])
def test_dropout_rate(rate):
    with pytest.raises(ValueError, match=r"is not in \[0, 1\)"):
        nn.Dropout(rate)


# -- LayerNorm -----------------------------------------------------------------------------------------------------


def test_layer_norm():
    layer = nn.LayerNorm(6).to(dtype="float64")
    gain, bias, x = random(6) + 2, random(6), random(4, 6)
    layer.load_state_dict({"gain": gain, "bias": bias})
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * gain + bias
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-12)
    assert tr.gradcheck(lambda x: layer(x), [tr.tensor(x, requires_grad=True)], order=2)


def test_layer_norm_of_equal_numbers():
    x = tr.tensor(np.full((1, 4), 3.0), requires_grad=True)
    y = nn.LayerNorm(4)(x)
    np.testing.assert_array_equal(y.numpy(), 0.0)
    assert np.isfinite(tr.grad(y.sum(), x).numpy()).all()
    without = nn.LayerNorm(4, bias=False)
    assert [name for name, _ in without.named_parameters()] == ["gain"]
    np.testing.assert_array_equal(without(x).numpy(), y.numpy())
    with pytest.raises(ValueError, match=r"LayerNorm: x has shape \(1, 5\), expected \(..., size = 4\)"):
        nn.LayerNorm(4)(tr.ones(1, 5))


# -- Sequential ----------------------------------------------------------------------------------------------------


def test_sequential():
    first, second = nn.Linear(3, 4), nn.Linear(4, 2)
    model = nn.Sequential(first, nn.Dropout(0.0), second)
    x = tr.ones(5, 3)
    np.testing.assert_array_equal(model(x).numpy(), second(first(x)).numpy())
    assert [name for name, _ in model.named_parameters()] == ["0.W", "0.b", "2.W", "2.b"]
    assert len(model) == 3 and model[0] is first and model[-1] is second and list(model)[2] is second
    with pytest.raises(TypeError, match="expected modules, not function"):
        nn.Sequential(first, lambda x: x)


def test_sequential_hands_lengths_to_the_layers_that_take_them():
    layers = (
        nn.Embedding(5, 3),
        nn.GRU(3, 4, return_state=False),
        nn.Sequential(nn.Dropout(0.0)),
        nn.LSTM(4, 2, return_state=False),
    )
    codes, lengths = np.arange(15).reshape(5, 3) % 5, [5, 1, 3]
    embedding, first, _, second = layers
    expected = second(first(embedding(codes), lengths=lengths), lengths=lengths)
    np.testing.assert_array_equal(nn.Sequential(*layers)(codes, lengths=lengths).numpy(), expected.numpy())
    with pytest.raises(TypeError, match="none of Linear, Dropout takes lengths"):
        nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.0))(np.ones((5, 3, 3)), lengths=lengths)


# -- what all of them are given ------------------------------------------------------------------------------------


def test_lists_become_tensors():
    linear, norm = nn.Linear(3, 4), nn.LayerNorm(3)
    x = [[1.0, 2.0, 4.0]]
    for numbers in (x, tuple(map(tuple, x))):
        np.testing.assert_array_equal(linear(numbers).numpy(), linear(tr.tensor(x)).numpy())
    np.testing.assert_array_equal(norm(x).numpy(), norm(tr.tensor(x)).numpy())
    np.testing.assert_array_equal(nn.Dropout(0.0)(x).numpy(), x)
    assert nn.Dropout(0.5)(x).shape == (1, 3)
    assert nn.Embedding(10, 3)([]).shape == (0, 3) and nn.Embedding(10, 3)([[], []]).shape == (2, 0, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(3, -1), "Linear: out_features must be a whole number from 1, not -1"),
        (lambda: nn.Linear(3.0, 4), "Linear: in_features must be a whole number from 1, not 3.0"),
        (lambda: nn.Embedding(0, 3), "Embedding: num_embeddings must be a whole number from 1, not 0"),
        (lambda: nn.LayerNorm(0), "LayerNorm: size must be a whole number from 1, not 0"),
    ],
)
def test_sizes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("recurrent", [nn.RNN, nn.LSTM, lambda i, h: nn.Recurrent(nn.GRUCell(i, h))])
@pytest.mark.parametrize("after", [nn.Linear(4, 2), nn.Dropout(0.5), nn.LayerNorm(4), nn.LSTM(4, 4)])
def test_a_recurrent_layer_gives_a_pair(recurrent, after):
    with pytest.raises(TypeError, match=r"x is a tuple.*a recurrent layer returns \(y, state\); write y, state = layer\(x\)"):
        nn.Sequential(nn.Embedding(5, 3), recurrent(3, 4), after)([[1, 2], [3, 4]])


# -- dtypes and devices --------------------------------------------------------------------------------------------

LAYERS = {
    "Linear": (lambda: nn.Linear(3, 2), (4, 3)),
    "Dropout": (lambda: nn.Dropout(0.5), (4, 3)),
    "LayerNorm": (lambda: nn.LayerNorm(3), (4, 3)),
    "RNNCell": (lambda: nn.Recurrent(nn.RNNCell(3, 2)), (4, 2, 3)),
    "RNN": (lambda: nn.RNN(3, 2, 2, bidirectional=True, dropout=0.5), (4, 2, 3)),
    "RNN relu": (lambda: nn.RNN(3, 2, nonlinearity="relu"), (4, 2, 3)),
    "LSTM": (lambda: nn.LSTM(3, 2, 2, bidirectional=True, dropout=0.5), (4, 2, 3)),
    "GRU": (lambda: nn.GRU(3, 2, 2, bidirectional=True, dropout=0.5), (4, 2, 3)),
    "GRU, reset before": (lambda: nn.GRU(3, 2, reset_after=False), (4, 2, 3)),
}


def run(layer, x, **options):
    y = layer(x, **options)
    return y[0] if isinstance(y, tuple) else y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_dtype_stays(name, dtype):
    make, shape = LAYERS[name]
    layer = make().to(dtype=dtype)
    x = tr.tensor(random(*shape, dtype=dtype), requires_grad=True)
    for options in [{}] if len(shape) == 2 else [{}, {"lengths": [4, 2]}]:
        y = run(layer, x, **options)
        y.sum().backward()
        assert y.dtype == x.grad.dtype == dtype
        assert {p.grad.dtype for p in layer.parameters()} <= {np.dtype(dtype)}


@pytest.mark.parametrize("name", LAYERS)
def test_on_cupy(fake_cupy, name):
    make, shape = LAYERS[name]
    layer = make().eval()
    x = tr.tensor(random(*shape, dtype="float32"), requires_grad=True)
    for options in [{}] if len(shape) == 2 else [{}, {"lengths": [4, 2]}]:
        layer.to("cpu").zero_grad()
        x.grad = None
        y = run(layer, x, **options)
        y.sum().backward()
        expected = {name: p.grad.numpy().copy() for name, p in layer.named_parameters()}

        layer.to("cuda:1").zero_grad()
        there = tr.tensor(x, device="cuda:1", requires_grad=True)
        y_there = run(layer, there, **options)
        y_there.sum().backward()
        np.testing.assert_allclose(y_there.data.get(), y.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(there.grad.data.get(), x.grad.numpy(), rtol=1e-5, atol=1e-6)
        for name, p in layer.named_parameters():
            np.testing.assert_allclose(p.grad.data.get(), expected[name], rtol=1e-5, atol=1e-5)


def test_training_dropout_on_cupy(fake_cupy):
    x = tr.ones(1000, device="cuda:1")
    y = nn.Dropout(0.5)(x)
    assert str(y.device) == "cuda:1" and set(np.unique(y.data.get())) == {0.0, 2.0}


def test_embedding_on_cupy(fake_cupy):
    layer = nn.Embedding(5, 3).to("cuda:1")
    for indices in ([1, 1], tr.tensor(np.array([1, 1]), device="cuda:1")):
        layer.zero_grad()
        layer(indices).sum().backward()
        np.testing.assert_array_equal(layer.W.grad.data.get()[:, 0], [0, 2, 0, 0, 0])
    with pytest.raises(tr.DeviceError, match="different devices"):
        layer(np.array([1, 1]))


def test_indices_in_lists_of_several_lengths_are_refused():
    with pytest.raises(TypeError, match="in lists of one length"):
        nn.Embedding(3, 2)([[1], [1, 2]])
