"""Sequences of different lengths in a batch and out of it again; batches of none, and sequences of length 0 and 1."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("batch_first", [False, True])
def test_there_and_back(batch_first):
    sequences = [random(n, 3, seed=n) for n in (2, 5, 0, 1)]
    x, lengths = nn.pad_sequence(sequences, batch_first=batch_first)
    assert x.shape == ((4, 5, 3) if batch_first else (5, 4, 3)) and lengths.tolist() == [2, 5, 0, 1]
    time_first = x.numpy().transpose(1, 0, 2) if batch_first else x.numpy()
    np.testing.assert_array_equal(time_first[np.arange(5)[:, None] >= lengths], 0.0)
    for y, sequence in zip(nn.unpad_sequence(x, lengths, batch_first=batch_first), sequences, strict=True):
        np.testing.assert_array_equal(y.numpy(), sequence)


def test_padding_is_that_of_torch():
    torch = pytest.importorskip("torch", reason="this test compares with PyTorch")
    sequences = [random(n, 3, seed=n) for n in (2, 5, 1)]
    theirs = torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sequences])
    np.testing.assert_array_equal(nn.pad_sequence(sequences)[0].numpy(), theirs.numpy())


def test_gradients_flow_back_into_each_sequence():
    sequences = [tr.tensor(random(n, 2), requires_grad=True) for n in (2, 3)]
    x, lengths = nn.pad_sequence(sequences)
    ys = nn.unpad_sequence(x, lengths)
    sum([(y * y).sum() for y in ys[1:]], start=(ys[0] * ys[0]).sum()).backward()
    for sequence in sequences:
        np.testing.assert_allclose(sequence.grad.numpy(), 2 * sequence.numpy())


def test_symbols_keep_their_dtype():
    x, lengths = nn.pad_sequence([np.array([1, 2, 3]), np.array([4])])
    assert x.dtype == np.dtype(int) and x.tolist() == [[1, 4], [2, 0], [3, 0]]
    assert [y.tolist() for y in nn.unpad_sequence(x, lengths)] == [[1, 2, 3], [4]]


def test_on_a_gpu(fake_cupy):
    x, lengths = nn.pad_sequence([tr.ones(2, 3, device="cuda"), tr.ones(4, 3, device="cuda")])
    y, _ = nn.GRU(3, 4).to("cuda")(x, lengths=lengths)
    assert [(part.shape, part.device) for part in nn.unpad_sequence(y, lengths)] == [
        ((2, 4), tr.Device("cuda", 0)),
        ((4, 4), tr.Device("cuda", 0)),
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.pad_sequence([]), "pad_sequence: there are no sequences"),
        (
            lambda: nn.pad_sequence([random(2, 3), random(2, 4)]),
            r"alike but for their length; these are \(2, 3\) float64, \(2, 4\)",
        ),
        (lambda: nn.pad_sequence([random(2, 3), random(2, 3).astype("float32")]), "alike but for their length"),
        (lambda: nn.pad_sequence([1.0, 2.0]), "alike but for their length"),
        (lambda: nn.unpad_sequence(random(5, 2, 3), [5, 6]), "lengths run from 5 to 6, but the sequences have 5 steps"),
        (lambda: nn.unpad_sequence(random(5), [5]), r"unpad_sequence: y has shape \(5,\), expected \(T, N, …\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- every layer ---------------------------------------------------------------------------------------------------

LAYERS = {
    "GRU": lambda **o: nn.GRU(3, 4, 2, bidirectional=True, merge_mode="ave", **o),
    "Bidirectional": lambda **o: nn.Bidirectional(nn.LSTMCell(3, 4), nn.RNNCell(3, 4), merge_mode="mul", **o),
    "Stack": lambda **o: nn.Stack(nn.RNNCell(3, 4), nn.LSTM(4, 2), **o),
    "Residual": lambda **o: nn.Residual(nn.GRUCell(3, 3), **o),
    "Highway": lambda **o: nn.Highway(nn.LSTMCell(3, 3), **o),
    "Stateful": lambda **o: nn.Stateful(nn.LSTM(3, 4), **o),
}
EVERY = pytest.mark.parametrize("name", LAYERS)


def parts(state):
    return [part for item in state for part in parts(item)] if isinstance(state, tuple) else [state]


@EVERY
@pytest.mark.parametrize("every", [True, False])
def test_an_empty_batch(name, every):
    layer = LAYERS[name](return_sequences=every)
    x = tr.tensor(np.ones((5, 0, 3), "float32"), requires_grad=True)
    for lengths in (None, []):
        y, _ = layer(x, lengths=lengths)
        assert y.shape[:-1] == ((5, 0) if every else (0,))
        y.sum().backward()
    assert x.grad.shape == x.shape


@EVERY
def test_sequences_of_one_step(name):
    x = random(1, 2, 3).astype("float32")
    tr.manual_seed(0)
    layer = LAYERS[name]()
    tr.manual_seed(0)
    last, _ = LAYERS[name](return_sequences=False)(x)
    np.testing.assert_array_equal(layer(x)[0].numpy()[0], last.numpy())


@EVERY
def test_a_sequence_of_no_steps_keeps_its_state_beside_others(name):
    layer, x = LAYERS[name](), random(5, 2, 3).astype("float32")
    layer(x[:2])
    _, state = layer(x)
    y, after = layer(x, state, lengths=[0, 5])
    np.testing.assert_array_equal(y.numpy()[:, 0], 0.0)
    axes = parts(layer.map_state(lambda part, axis: axis, state))
    for a, b, axis in zip(parts(state), parts(after), axes, strict=True):
        np.testing.assert_array_equal(np.take(a.numpy(), 0, axis), np.take(b.numpy(), 0, axis))
        assert not np.array_equal(np.take(a.numpy(), 1, axis), np.take(b.numpy(), 1, axis))


@EVERY
def test_a_batch_of_no_steps_is_refused(name):
    kind = type(LAYERS[name]()).__name__
    with pytest.raises(ValueError, match=rf"{kind}: the sequence has no steps: x has shape \(0, 2, 3\)"):
        LAYERS[name]()(np.ones((0, 2, 3), "float32"))


@EVERY
def test_a_batch_that_pytorch_has_packed_is_refused_with_the_way_out(name):
    torch = pytest.importorskip("torch", reason="it packs them: pip install torch")
    packed = torch.nn.utils.rnn.pack_sequence([torch.ones(2, 3), torch.ones(5, 3)], enforce_sorted=False)
    layer = LAYERS[name]()
    with pytest.raises(TypeError, match=r"packed batch, expected a padded one: .*pad_packed_sequence"):
        layer(packed)
    x, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed)
    y, _ = layer(x.numpy(), lengths=lengths.numpy())
    assert (y.numpy()[2:, 0] == 0).all() and (y.numpy()[4, 1] != 0).any()


def test_lengths_in_nested_lists_are_refused():
    with pytest.raises(ValueError, match="lengths must be 2 integers, one per sequence, not"):
        nn.GRU(3, 4)(tr.ones(4, 2, 3), lengths=[[1], [1, 2]])
