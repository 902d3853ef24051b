"""Layers from Keras and back: the same numbers out of both, every option, masks, and what has no counterpart."""

import sys

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import io, nn

pytest.importorskip("torch", reason="the backend on which Keras computes here")
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*__array__ implementation:DeprecationWarning", "ignore:.*rms_scaling:UserWarning"
)
X = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")


@pytest.fixture(scope="module")
def keras():
    """Importing it takes seconds: only the process that needs it does."""
    return pytest.importorskip("keras", reason="layers are converted from and to Keras: pip install 'tinyrnn[keras]'")


def theirs_of(layer, x=X, **options):
    """What a Keras layer computes, as a list of arrays."""
    result = layer(x, **options)
    return [np.asarray(part.detach()) for part in (result if isinstance(result, (list, tuple)) else [result])]


def ours_of(layer, x=X, **options):
    return [part.numpy() for part in flat(layer(x, **options))]


def flat(result):
    return [leaf for part in result for leaf in flat(part)] if isinstance(result, (tuple, list)) else [result]


def shaken(layer, shape=(None, None, 3)):
    """The layer, built, with weights that are not 0."""
    if not layer.built:
        layer.build(shape)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(scale=0.5, size=w.shape).astype("float32") for w in layer.get_weights()])
    return layer


def same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a.reshape(b.shape), b, rtol=1e-6, atol=1e-6)


KINDS = {
    "SimpleRNN": {},
    "SimpleRNN relu": {"activation": "relu"},
    "LSTM": {},
    "GRU": {},
    "GRU reset before": {"reset_after": False},
}
OPTIONS = [{}, {"return_sequences": True}, {"return_sequences": True, "return_state": True}, {"use_bias": False}]


def made(keras, kind, units=4, **options):
    return getattr(keras.layers, kind.split()[0])(units, **options, **KINDS[kind])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_layers_there_and_back(keras, kind, options):
    theirs = shaken(made(keras, kind, **options))
    ours = io.from_keras(theirs)
    assert ours.batch_first and {p.dtype for p in ours.parameters()} == {np.dtype("float32")}
    same(ours_of(ours), theirs_of(theirs))
    back = io.to_keras(ours)
    assert type(back) is type(theirs)
    for a, b in zip(back.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    same(theirs_of(back), theirs_of(theirs))


@pytest.mark.parametrize("options", OPTIONS[:3], ids=str)
@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_bidirectional_there_and_back(keras, kind, mode, options):
    theirs = shaken(keras.layers.Bidirectional(made(keras, kind, **options), merge_mode=mode))
    ours = io.from_keras(theirs)
    same(ours_of(ours), theirs_of(theirs))
    back = io.to_keras(ours)
    assert type(back) is type(theirs) and back.merge_mode == mode
    same(theirs_of(back), theirs_of(theirs))


def test_bidirectional_of_two_kinds(keras):
    forward, backward = keras.layers.LSTM(4), keras.layers.GRU(4, go_backwards=True)
    theirs = shaken(keras.layers.Bidirectional(forward, merge_mode="sum", backward_layer=backward))
    same(ours_of(io.from_keras(theirs)), theirs_of(theirs))


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_lengths(keras, kind, both):
    lengths = np.array([5, 1, 3, 2])
    mask = np.arange(5) < lengths[:, None]
    layer = made(keras, kind, return_sequences=True, return_state=True)
    theirs = shaken(keras.layers.Bidirectional(layer) if both else layer)
    (y, *state), (y_ours, *state_ours) = theirs_of(theirs, mask=mask), ours_of(io.from_keras(theirs), lengths=lengths)
    same([y_ours[mask]], [y[mask]])
    same(state_ours, state)
    assert not y_ours[~mask].any()


@pytest.mark.parametrize("kind", KINDS)
def test_initial_states(keras, kind):
    theirs = shaken(made(keras, kind, return_state=True))
    state = [np.full((4, 4), value, "float32") for value in ((0.3, -0.2) if kind == "LSTM" else (0.3,))]
    ours = nn.LSTMState(*(part[None] for part in state)) if kind == "LSTM" else state[0][None]
    same(ours_of(io.from_keras(theirs), state=ours), theirs_of(theirs, initial_state=state))


def test_a_sequential_there_and_back(keras):
    layers = keras.layers
    theirs = keras.Sequential(
        [
            keras.Input((None,), dtype="int64"),
            layers.Embedding(9, 3),
            layers.Dropout(0.5),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            layers.LayerNormalization(),
            layers.TimeDistributed(layers.Dense(6, activation="relu")),
            layers.GRU(5),
            layers.ReLU(),
            layers.Dense(4, activation="tanh"),
            layers.Dense(2, use_bias=False),
            layers.Softmax(),
        ]
    )
    shaken(theirs)
    x = np.random.default_rng(2).integers(9, size=(4, 5))
    ours = io.from_keras(theirs).eval()
    same(ours_of(ours, x), theirs_of(theirs, x))
    assert sum(p.size for p in ours.parameters()) == theirs.count_params()
    same(theirs_of(io.to_keras(ours), x), theirs_of(theirs, x))


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "sigmoid", "softmax", "log_softmax", "softplus"])
def test_dense(keras, activation):
    theirs = shaken(keras.layers.Dense(2, activation=activation))
    same(ours_of(io.from_keras(theirs)), theirs_of(theirs))
    if activation != "linear":
        alone = keras.layers.Activation(activation)
        alone.build((4, 5, 3))
        same(ours_of(io.from_keras(alone), tr.tensor(X)), theirs_of(alone))


def test_float64(keras):
    theirs = keras.layers.GRU(4, dtype="float64")
    theirs.build((None, None, 3))
    ours = io.from_keras(theirs)
    assert ours.layer0.W_x.dtype == np.dtype("float64")
    np.testing.assert_allclose(ours(X.astype(float))[0].numpy(), theirs(X.astype(float)).detach().numpy()[0], rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "merge_mode": "ave"}], ids=str)
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_several_layers_become_a_sequential(keras, kind, options):
    ours = kind(3, 4, 2, batch_first=True, return_state=False, dropout=0.25, **options).eval()
    theirs = io.to_keras(ours)
    assert [type(layer).__name__ for layer in theirs.layers][1::2] == ["Dropout"]
    same(ours_of(ours), theirs_of(theirs))
    same(ours_of(io.from_keras(theirs).eval()), ours_of(ours))


def test_to_the_default_device_and_from_a_gpu(keras, fake_cupy):
    with tr.use("cuda:1"):
        ours = io.from_keras(shaken(keras.layers.GRU(4)))
    assert {str(p.device) for p in ours.parameters()} == {"cuda:1"}
    np.testing.assert_array_equal(io.to_keras(ours).get_weights()[0][:, 8:], ours.layer0.W_x.data.get()[:, 8:])


REFUSED = {
    "recurrent_activation": lambda k: k.layers.LSTM(4, recurrent_activation="hard_sigmoid"),
    "activation": lambda k: k.layers.GRU(4, activation="relu"),
    "activation ": lambda k: k.layers.SimpleRNN(4, activation="gelu"),
    "recurrent_dropout": lambda k: k.layers.LSTM(4, recurrent_dropout=0.1),
    "dropout": lambda k: k.layers.GRU(4, dropout=0.1),
    "go_backwards": lambda k: k.layers.LSTM(4, go_backwards=True),
    "stateful": lambda k: k.layers.LSTM(4, stateful=True),
    "kernel_regularizer": lambda k: k.layers.LSTM(4, kernel_regularizer="l2"),
    "trainable": lambda k: k.layers.LSTM(4, trainable=False),
    "merge_mode": lambda k: k.layers.Bidirectional(k.layers.LSTM(4), merge_mode=None),
    "recurrent_dropout ": lambda k: k.layers.Bidirectional(k.layers.LSTM(4, recurrent_dropout=0.1)),
    "activation  ": lambda k: k.layers.Dense(4, activation="gelu"),
    "activation   ": lambda k: k.layers.SimpleRNN(4, activation=k.ops.square),
    "activation    ": lambda k: k.layers.LSTM(4, activation=k.ops.square),
    "negative_slope": lambda k: k.layers.ReLU(negative_slope=0.1),
    "noise_shape": lambda k: k.layers.Dropout(0.1, noise_shape=(4, 1, 3)),
    "axis": lambda k: k.layers.LayerNormalization(axis=1),
    "rms_scaling": lambda k: k.layers.LayerNormalization(rms_scaling=True),
    "axis ": lambda k: k.layers.Softmax(axis=1),
}


@pytest.mark.parametrize("option", REFUSED)
def test_an_option_without_counterpart(keras, option):
    layer = REFUSED[option](keras)
    layer.build((4, 5, 3))
    name = type(getattr(layer, "forward_layer", layer)).__name__ if option != "merge_mode" else "Bidirectional"
    with pytest.raises(ValueError, match=rf"io\.from_keras: {name} '\w+' has {option.strip()}=.*, which has no counterpart here"):
        io.from_keras(layer)


def test_what_has_no_counterpart(keras):
    class MyLSTM(keras.layers.LSTM):
        pass

    embedding = keras.layers.Embedding(9, 3, mask_zero=True)
    embedding.build((None, None))
    with pytest.raises(ValueError, match=r"has mask_zero=True, .*: set it to False, and give the layers over time lengths="):
        io.from_keras(embedding)
    for other in (keras.layers.Conv1D(4, 2), MyLSTM(4), nn.Linear(2, 2), "model.keras"):
        with pytest.raises(TypeError, match=r"expected a layer of Keras, SimpleRNN, LSTM, .* or Sequential, not <class"):
            io.from_keras(other)
    with pytest.raises(TypeError, match=r"read the file with Keras, io\.from_keras\(keras\.saving\.load_model\(path\)\)"):
        io.from_keras("model.keras")
    with pytest.raises(ValueError, match=r"LSTM 'lstm\w*' is not built: call it once"):
        io.from_keras(keras.layers.LSTM(4))
    with pytest.raises(ValueError, match="has weights of dtype float16, expected float32 or float64"):
        io.from_keras(shaken(keras.layers.Dense(4, dtype="float16")))
    with pytest.raises(TypeError, match=r"io\.to_keras: expected RNN, .* or Sequential, not Stack"):
        io.to_keras(nn.Stack(nn.LSTMCell(3, 4)))
    with pytest.raises(ValueError, match="LSTM returns the state of 2 layers: set return_state=False"):
        io.to_keras(nn.LSTM(3, 4, 2))
    with pytest.raises(ValueError, match="Keras has no layer for this LSTMCell"):
        io.to_keras(nn.LSTM(3, 4, proj_size=2))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError, match=r"io\.to_keras needs Keras and one of its backends .*pip install 'tinyrnn\[keras\]'"):
        io.to_keras(nn.Linear(2, 2))
