"""Both directions, merged in each of Keras's ways, are Keras's, outputs and states."""

import numpy as np
import pytest

from tinyrnn import nn

CELLS = {"SimpleRNN": nn.RNNCell, "LSTM": nn.LSTMCell}
T, N, D, H = 5, 3, 4, 6


@pytest.fixture
def keras(monkeypatch):
    pytest.importorskip("torch", reason="Keras runs on PyTorch here")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", reason="this file compares with Keras")


def weights(cell):
    """In Keras's order; the gates of its LSTM are in ours."""
    return [cell.W_x.numpy(), cell.W_h.numpy(), cell.b.numpy()]


def parts(state):
    return tuple(state) if isinstance(state, (tuple, list)) else (state,)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("every", [True, False], ids=["every step", "last step"])
@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("kind", CELLS)
def test_merge_modes(keras, kind, mode, every):
    cells = CELLS[kind](D, H), CELLS[kind](D, H)
    ours = nn.Bidirectional(*cells, merge_mode=mode, batch_first=True, return_sequences=every)
    inner = getattr(keras.layers, kind)(H, return_sequences=every, return_state=True)
    theirs = keras.layers.Bidirectional(inner, merge_mode=mode)
    x = np.random.default_rng(0).normal(size=(N, T, D)).astype("float32")
    theirs.build(x.shape)
    theirs.set_weights([weight for cell in cells for weight in weights(cell)])
    y, (there, back) = ours(x)
    expected, *states = (keras.ops.convert_to_numpy(part) for part in theirs(x))
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6)
    for part, other in zip((*parts(there), *parts(back)), states, strict=True):
        np.testing.assert_allclose(part.numpy(), other, rtol=1e-5, atol=1e-6)
