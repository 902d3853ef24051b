"""Layers made of layers: both directions and their merges, stacks, any nesting of them, what they return, errors."""

import numpy as np
import pytest

import tinyrnn as tr
from tests.bptt.models import Leaky
from tinyrnn import nn

KINDS = {"RNN": (nn.RNN, nn.RNNCell), "LSTM": (nn.LSTM, nn.LSTMCell), "GRU": (nn.GRU, nn.GRUCell)}
MERGES = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda a, b: (a + b) / 2,
}
LENGTHS = [5, 1, 3, 0]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def parts(state):
    """All Tensors of a state, however they are nested."""
    return [part for item in state for part in parts(item)] if isinstance(state, tuple) else [state]


def double(make):
    """A layer in float64 with weights that are the same in every run."""
    tr.manual_seed(0)
    return make().to(dtype="float64")


def nested():
    """Something of everything, with a user's cell in it."""
    tr.manual_seed(0)
    both = nn.Bidirectional(nn.LSTMCell(3, 4), nn.Stack(nn.GRUCell(3, 2), Leaky(2, 4)), merge_mode="ave")
    again = nn.Bidirectional(nn.RNN(4, 4, 2, bidirectional=True, merge_mode="sum"), Leaky(4, 2))
    return nn.Stack(both, Leaky(4, 4), again).to(dtype="float64")


# -- both directions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MERGES)
@pytest.mark.parametrize("name", KINDS)
def test_bidirectional_is_the_layer_with_both_directions(name, mode):
    layer, cell = KINDS[name]
    one = double(lambda: layer(3, 4, bidirectional=True, merge_mode=mode))
    other = nn.Bidirectional(cell(3, 4), cell(3, 4), merge_mode=mode).to(dtype="float64")
    renamed = {"layer0": "forward_layer.cell", "layer0_reverse": "backward_layer.cell"}
    weights = {renamed[k.split(".")[0]] + "." + k.split(".")[1]: w for k, w in one.state_dict().items()}
    other.load_state_dict(weights)
    x = random(5, 4, 3)
    for lengths in (None, LENGTHS):
        (y, state), (z, (there, back)) = one(x, lengths=lengths), other(x, lengths=lengths)
        np.testing.assert_array_equal(y.numpy(), z.numpy())
        for part, a, b in zip(parts(state), parts(there), parts(back)):
            np.testing.assert_array_equal(part.numpy(), np.stack([a.numpy(), b.numpy()]))


@pytest.mark.parametrize("mode", MERGES)
def test_each_direction_is_a_layer_of_its_own(mode):
    cells = [double(lambda: nn.GRUCell(3, 4)) for _ in range(2)]
    x, states = random(5, 4, 3), (random(4, 4, seed=1), random(4, 4, seed=2))
    for lengths in (None, LENGTHS):
        y, (there, back) = nn.Bidirectional(*cells, merge_mode=mode)(x, states, lengths=lengths)
        forward, last = nn.Recurrent(cells[0])(x, states[0], lengths=lengths)
        reverse, first = nn.Recurrent(cells[1], reverse=True)(x, states[1], lengths=lengths)
        np.testing.assert_array_equal(y.numpy(), MERGES[mode](forward.numpy(), reverse.numpy()))
        np.testing.assert_array_equal(there.numpy(), last.numpy())
        np.testing.assert_array_equal(back.numpy(), first.numpy())


def test_reversing_the_sequence_swaps_the_directions_of_any_layer():
    """What runs backwards inside a Bidirectional is the whole layer, its own directions too."""
    x, layer = random(5, 2, 3), nested()
    y, state = nn.Bidirectional(double(lambda: nn.RNNCell(3, 4)), layer)(x)
    z, other = layer(x[::-1].copy())
    np.testing.assert_allclose(y.numpy()[:, :, 4:], z.numpy()[::-1], rtol=1e-12, atol=1e-14)
    for a, b in zip(parts(state[1]), parts(other), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)


# -- one after the other -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_a_stack_is_the_layer_with_several_layers(name):
    layer, cell = KINDS[name]
    one = double(lambda: layer(3, 4, 2))
    other = nn.Stack(cell(3, 4), nn.Recurrent(cell(4, 4))).to(dtype="float64")
    other.load_state_dict({key.replace(".", ".cell."): w for key, w in one.state_dict().items()})
    x = random(5, 4, 3)
    (y, state), (z, states) = one(x, lengths=LENGTHS), other(x, lengths=LENGTHS)
    np.testing.assert_array_equal(y.numpy(), z.numpy())
    for part, *of_layers in zip(parts(state), *map(parts, states)):
        np.testing.assert_array_equal(part.numpy(), np.stack([p.numpy() for p in of_layers]))


def test_dropout_is_between_the_layers_in_training_alone():
    layer, x = nn.Stack(nn.RNNCell(3, 40), nn.RNNCell(40, 4), dropout=0.5), random(5, 2, 3).astype("float32")
    inner, _ = layer.layer0(x)
    tr.manual_seed(0)
    y, _ = layer(x)
    tr.manual_seed(0)
    again, _ = layer.layer1(tr.stack([layer.between(h) for h in inner]))
    np.testing.assert_array_equal(y.numpy(), again.numpy())
    layer.eval()
    assert not np.array_equal(layer(x)[0].numpy(), y.numpy())
    np.testing.assert_array_equal(layer(x)[0].numpy(), layer.layer1(inner)[0].numpy())


# -- any nesting ---------------------------------------------------------------------------------------------------


def test_each_sequence_as_if_it_were_alone():
    layer, x = nested(), random(5, 4, 3)
    y, state = layer(x, lengths=LENGTHS)
    axes = parts(layer.map_state(lambda part, axis: axis, state))
    for n, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(y.numpy()[length:, n], 0.0)
        if length:
            alone, end = layer(x[:length, n : n + 1].copy())
            np.testing.assert_allclose(y.numpy()[:length, n], alone.numpy()[:, 0], rtol=1e-12, atol=1e-14)
            for a, b, axis in zip(parts(state), parts(end), axes, strict=True):
                np.testing.assert_allclose(np.take(a.numpy(), n, axis), np.take(b.numpy(), 0, axis), rtol=1e-12, atol=1e-14)


def test_what_stands_in_the_padding_reaches_nothing():
    layer, x = nested(), random(5, 4, 3)
    padding = np.arange(5)[:, None] >= np.array(LENGTHS)
    results = []
    for filling in (0.0, np.nan):
        layer.zero_grad()
        filled = tr.tensor(np.where(padding[..., None], filling, x), requires_grad=True)
        y, state = layer(filled, lengths=LENGTHS)
        (y.sum() + sum((s * s).sum() for s in parts(state))).backward()
        results.append([y, *parts(state), filled.grad, *(p.grad for p in layer.parameters())])
    for clean, dirty in zip(*results, strict=True):
        assert np.isfinite(clean.numpy()).all()
        np.testing.assert_array_equal(clean.numpy(), dirty.numpy())


def test_a_state_is_carried_and_a_part_may_be_left_to_the_layer():
    layer, x = double(lambda: nn.Stack(nn.LSTMCell(3, 4), nn.GRU(4, 4, 2))), random(6, 2, 3)
    whole, end = layer(x)
    _, state = layer(x[:2])
    rest, last = layer(x[2:], state)
    np.testing.assert_allclose(rest.numpy(), whole.numpy()[2:], rtol=1e-12, atol=1e-14)
    for a, b in zip(parts(end), parts(last), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)
    first = layer.layer0.initial_state(2, "float64")
    np.testing.assert_array_equal(layer(x, (first, None))[0].numpy(), whole.numpy())
    np.testing.assert_array_equal(layer(x, layer.initial_state(2, "float64"))[0].numpy(), whole.numpy())


def test_gradcheck_of_order_2():
    layer = double(lambda: nn.Stack(nn.Bidirectional(nn.RNNCell(2, 2), nn.GRUCell(2, 2), merge_mode="mul"), nn.LSTMCell(2, 2)))
    x = tr.tensor(random(3, 2, 2), requires_grad=True)
    parameters = list(layer.parameters())
    assert tr.gradcheck(lambda x, *_: layer(x, lengths=[3, 2])[0], [x, *parameters], order=2)


# -- what a layer returns ------------------------------------------------------------------------------------------


def built(make, **options):
    """A layer with these options, and the same weights whatever they are."""
    return double(lambda: make(**options))


RETURNING = {
    "Recurrent": lambda **o: nn.Recurrent(nn.LSTMCell(3, 4), **o),
    "Recurrent, reverse": lambda **o: nn.Recurrent(nn.LSTMCell(3, 4), reverse=True, **o),
    "GRU": lambda **o: nn.GRU(3, 4, 2, **o),
    "LSTM, both ways": lambda **o: nn.LSTM(3, 4, 2, bidirectional=True, **o),
    "Bidirectional": lambda **o: nn.Bidirectional(nn.RNNCell(3, 4), nn.GRUCell(3, 4), merge_mode="mul", **o),
    "Stack": lambda **o: nn.Stack(nn.RNNCell(3, 4), nn.Bidirectional(nn.RNNCell(4, 4), nn.GRUCell(4, 2)), **o),
}


def last_outputs(name, y, lengths):
    """The output after each sequence's own last step, picked by hand."""
    y, rows = y.numpy(), np.arange(y.shape[1])
    end, start = y[np.array(lengths) - 1, rows], y[0, rows]
    if name == "Recurrent, reverse":
        return start
    if name in ("LSTM, both ways", "Stack"):
        return np.concatenate([end[:, :4], start[:, 4:]], axis=1)
    return end


@pytest.mark.parametrize("name", [name for name in RETURNING if name != "Bidirectional"])
def test_the_last_output_is_that_of_each_sequences_own_last_step(name):
    x, lengths = random(5, 4, 3), [5, 1, 3, 2]
    y, state = built(RETURNING[name])(x, lengths=lengths)
    last, same = built(RETURNING[name], return_sequences=False)(x, lengths=lengths)
    np.testing.assert_array_equal(last.numpy(), last_outputs(name, y, lengths))
    for a, b in zip(parts(state), parts(same), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_the_last_outputs_of_both_directions_are_merged():
    layer, x = built(RETURNING["Bidirectional"], return_sequences=False), random(5, 4, 3)
    y, (there, back) = layer(x, lengths=LENGTHS)
    np.testing.assert_array_equal(y.numpy(), there.numpy() * back.numpy())


@pytest.mark.parametrize("name", RETURNING)
def test_the_state_is_left_out_on_request(name):
    x = random(5, 4, 3)
    for every in (True, False):
        y, _ = built(RETURNING[name], return_sequences=every)(x)
        alone = built(RETURNING[name], return_sequences=every, return_state=False)(x)
        np.testing.assert_array_equal(alone.numpy(), y.numpy())


@pytest.mark.parametrize("name", RETURNING)
def test_batch_first(name):
    x = random(5, 4, 3)
    y, state = built(RETURNING[name])(x, lengths=[5, 1, 3, 2])
    z, same = built(RETURNING[name], batch_first=True)(x.transpose(1, 0, 2).copy(), lengths=[5, 1, 3, 2])
    np.testing.assert_array_equal(z.numpy(), y.numpy().transpose(1, 0, 2))
    for a, b in zip(parts(state), parts(same), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_the_last_output_of_an_empty_sequence_is_that_of_its_first_state():
    h0 = random(2, 4, seed=1)
    y, _ = nn.Recurrent(double(lambda: nn.GRUCell(3, 4)), return_sequences=False)(random(5, 2, 3), h0, lengths=[0, 2])
    np.testing.assert_array_equal(y.numpy()[0], h0[0])
    assert not np.array_equal(y.numpy()[1], h0[1])


def test_in_a_sequential():
    model = nn.Sequential(
        nn.Embedding(7, 3),
        nn.LSTM(3, 4, return_state=False),
        nn.Bidirectional(nn.RNNCell(4, 2), nn.GRUCell(4, 2), return_sequences=False, return_state=False),
        nn.Linear(4, 5),
    )
    assert model(np.ones((6, 2), int)).shape == (2, 5)


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Stack(), ValueError, "Stack: expected cells or layers, one at least"),
        (lambda: nn.Stack(nn.RNNCell(3, 4), nn.Linear(4, 2)), TypeError, "Stack: Linear is neither a cell, .*nn.Sequential"),
        (lambda: nn.Stack(nn.RNNCell(3, 4), tr.tanh), TypeError, "Stack: expected cells or layers, not a .*"),
        (
            lambda: nn.Stack(nn.GRU(3, 4, batch_first=True)),
            ValueError,
            "batch_first, .*: give them to Stack, not to the GRU in it",
        ),
        (
            lambda: nn.Bidirectional(nn.GRU(3, 4), nn.GRU(3, 4, return_sequences=False)),
            ValueError,
            "are for the outermost layer: give them to Bidirectional",
        ),
        (
            lambda: nn.Bidirectional(nn.GRUCell(3, 4), nn.Recurrent(nn.GRUCell(3, 4), reverse=True)),
            ValueError,
            "leave out reverse=True",
        ),
        (lambda: nn.Bidirectional(*[nn.GRUCell(3, 4)] * 2), ValueError, "each direction has weights of its own"),
        (
            lambda: nn.Bidirectional(nn.RNNCell(3, 4), nn.RNNCell(3, 4), merge_mode="max"),
            ValueError,
            "'max': expected 'concat', 's",
        ),
        (lambda: nn.LSTM(3, 4, bidirectional=True, merge_mode=None), ValueError, "LSTM: merge_mode None: expected 'concat'"),
        (
            lambda: nn.Bidirectional(nn.RNNCell(3, 4), nn.RNNCell(3, 1), merge_mode="sum")(random(5, 2, 3)),
            ValueError,
            r"merge_mode 'sum' needs outputs of one size, but forwards they are \(2, 4\), backwards \(2, 1\)",
        ),
        (
            lambda: nn.Stack(nn.RNNCell(3, 4), nn.RNNCell(4, 4))(random(5, 2, 3), random(2, 4)),
            ValueError,
            "Stack: the state is a tuple of 2, one for each layer, not a ndarray",
        ),
        (
            lambda: nn.Bidirectional(nn.RNNCell(3, 4), nn.RNNCell(3, 4))(random(5, 2, 3), (random(2, 4),)),
            ValueError,
            "Bidirectional: the state is a tuple of 2, one for each layer, not 1 of them",
        ),
        (
            lambda: nn.Stack(nn.RNNCell(3, 4))(random(5, 2, 7)),
            ValueError,
            r"Stack: x has shape \(5, 2, 7\), .* but input_size = 3",
        ),
        (lambda: nn.Stack(nn.RNNCell(3, 4), nn.RNNCell(3, 4))(random(5, 2, 3)), ValueError, r"RNNCell: x must be .*\(N, 3\)"),
        (lambda: nn.GRU(3, 4)(random(5, 2, 3), lengths=np.ones((5, 2), bool)), ValueError, "of a mask .* the sums over time"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
