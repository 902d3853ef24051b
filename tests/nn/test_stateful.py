"""A state carried from batch to batch: the numbers, the cut gradient, resets, other batches, saving it."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import io, nn, optim

MAKE = {
    "cell": lambda: nn.RNNCell(3, 4),
    "LSTM": lambda: nn.LSTM(3, 4, 2),
    "stack": lambda: nn.Stack(nn.LSTMCell(3, 4), nn.Residual(nn.GRU(4, 4, 2))),
}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def stateful(name, **options):
    tr.manual_seed(0)
    return nn.Stateful(MAKE[name](), **options)


def parts(state):
    return [part for item in state for part in parts(item)] if isinstance(state, tuple) else [state]


def same(a, b):
    for x, y in zip(parts(a), parts(b), strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())


@pytest.mark.parametrize("name", MAKE)
def test_batches_are_one_long_sequence(name):
    layer, x = stateful(name), random(7, 3, 3)
    whole, end = layer.layer(x)
    pieces = [layer(x[a:b]) for a, b in ((0, 3), (3, 4), (4, 7))]
    np.testing.assert_array_equal(np.concatenate([y.numpy() for y, _ in pieces]), whole.numpy())
    same(pieces[-1][1], end)


@pytest.mark.parametrize("name", MAKE)
def test_no_gradient_goes_back_into_the_batch_before(name):
    layer, x = stateful(name), tr.tensor(random(4, 3, 3), requires_grad=True)
    layer(x)
    y, _ = layer(random(2, 3, 3, seed=1))
    assert tr.grad(y.sum(), x) is None
    with tr.recording():
        layer(x)
        y, _ = layer(random(2, 3, 3, seed=1))
    assert x not in set(tr.graph.history(y))


@pytest.mark.parametrize("name", MAKE)
def test_the_numbers_carried_are_not_those_that_training_changes(name):
    layer, x = stateful(name), random(3, 3, 3)
    y, _ = layer(x)
    y.sum().backward()
    before = layer.memory.state_dict()
    optim.SGD(layer.parameters(), lr=0.1).step()
    for key, part in layer.memory.state_dict().items():
        np.testing.assert_array_equal(part, before[key])


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("chosen", [[1], 1, [False, True, False], np.array([1]), tr.tensor(np.array([False, True, False]))])
def test_a_reset_of_some_sequences(name, chosen):
    layer, x = stateful(name), random(3, 3, 3)
    layer(x)
    kept, _ = layer.layer(x, layer._carried)
    fresh, _ = layer.layer(x)
    layer.reset(chosen)
    y, _ = layer(x)
    np.testing.assert_array_equal(y.numpy()[:, [0, 2]], kept.numpy()[:, [0, 2]])
    np.testing.assert_array_equal(y.numpy()[:, 1], fresh.numpy()[:, 1])


def test_a_reset_of_all():
    layer, x = stateful("LSTM"), random(3, 3, 3)
    first, _ = layer(x)
    layer.reset([])
    assert not np.array_equal(layer(x)[0].numpy(), first.numpy())
    layer.reset()
    np.testing.assert_array_equal(layer(x)[0].numpy(), first.numpy())
    layer.reset()
    assert layer(random(3, 5, 3))[0].shape == (3, 5, 4)
    stateful("LSTM").reset([7])  # nothing is carried yet


def test_each_sequence_goes_on_after_its_own_last_step():
    layer, x = stateful("stack"), random(5, 2, 3)
    layer(x, lengths=[2, 5])
    y, _ = layer(x, lengths=[5, 0])
    alone, _ = layer.layer(np.concatenate([x[:2, :1], x[:, :1]]))
    np.testing.assert_allclose(y.numpy()[:, 0], alone.numpy()[2:, 0], rtol=1e-5, atol=1e-6)


def test_a_given_state_takes_the_place_of_the_carried_one():
    layer, x = stateful("LSTM"), random(3, 3, 3)
    layer(x)
    y, _ = layer(x, layer.initial_state(3))
    np.testing.assert_array_equal(y.numpy(), layer.layer(x)[0].numpy())


def test_inside_other_layers():
    tr.manual_seed(0)
    inner = nn.Stateful(nn.GRUCell(3, 4))
    layer, x = nn.Stack(inner, nn.RNNCell(4, 4), return_state=False), random(6, 2, 3)
    whole, _ = inner.layer(x)
    layer(x[:4])
    expected, _ = layer.layer1(whole[4:])
    np.testing.assert_array_equal(layer(x[4:]).numpy(), expected.numpy())


def test_what_it_returns():
    x = random(5, 2, 3)
    y, state = stateful("LSTM")(x)
    end = stateful("LSTM", return_sequences=False, return_state=False)(x)
    np.testing.assert_array_equal(end.numpy(), y.numpy()[-1])
    assert type(state) is nn.LSTMState


@pytest.mark.parametrize("name", MAKE)
def test_training_goes_on_bit_for_bit(name, tmp_path):
    pytest.importorskip("safetensors")
    x = random(30, 2, 3)

    def train(layer, optimizer, steps):
        for t in steps:
            y, _ = layer(x[t : t + 2])
            optimizer.zero_grad()
            (y * y).mean().backward()
            optimizer.step()
        return [p.numpy().copy() for p in layer.parameters()]

    layer = stateful(name)
    optimizer = optim.Adam(layer.parameters())
    train(layer, optimizer, range(0, 10, 2))
    io.save(tmp_path / "run.safetensors", {"model": layer, "memory": layer.memory, "optimizer": optimizer})
    uninterrupted = train(layer, optimizer, range(10, 30, 2))

    tr.manual_seed(1)
    layer = nn.Stateful(MAKE[name]())
    optimizer = optim.Adam(layer.parameters())
    io.load(tmp_path / "run.safetensors", into={"model": layer, "memory": layer.memory, "optimizer": optimizer})
    for ours, theirs in zip(train(layer, optimizer, range(10, 30, 2)), uninterrupted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_carried_state_is_no_parameter():
    layer = stateful("LSTM")
    names = list(layer.state_dict())
    layer(random(3, 2, 3))
    assert list(layer.state_dict()) == names
    layer.memory.load_state_dict({})
    assert layer.memory.state_dict() == {}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer: layer(random(3, 4, 3)), "x has 4 sequences, but the state of 2 is carried: .*call reset()"),
        (lambda layer: layer.reset([2]), r"reset: expected numbers of sequences from 0 to 1, or 2 bools, not \[2\]"),
        (lambda layer: layer.reset([-1]), "numbers of sequences from 0 to 1"),
        (lambda layer: layer.reset([True]), r"or 2 bools, not \[True\]"),
        (lambda layer: layer.reset([0.5]), "numbers of sequences"),
        (lambda layer: layer.memory.load_state_dict({"0": np.zeros((2, 2, 4))}), "state does not fit Stateful:\n  missing: 1"),
        (lambda layer: layer.memory.load_state_dict({"0": 1.0, "1": 1.0}), "misshapen: 0 is"),
        (lambda layer: nn.Stateful(nn.LSTM(3, 4, bidirectional=True)), "Stateful: LSTM runs backwards: the state in which"),
        (
            lambda layer: nn.Stateful(nn.Stack(nn.Bidirectional(nn.RNNCell(3, 4), nn.RNNCell(3, 4)), nn.RNNCell(8, 4))),
            "Stateful: Bidirectional layer0 runs backwards",
        ),
        (
            lambda layer: nn.Bidirectional(nn.GRUCell(3, 4), nn.Stateful(nn.GRUCell(3, 4)))(random(3, 2, 3)),
            "Stateful: it runs backwards here",
        ),
    ],
)
def test_errors(call, message):
    layer = stateful("LSTM")
    layer(random(3, 2, 3))
    with pytest.raises(ValueError, match=message):
        call(layer)


def test_the_state_stays_on_the_device(fake_cupy):
    layer, x = stateful("stack"), random(6, 3, 3)
    expected = [layer(x[:3])[0], layer(x[3:])[0]]
    layer.reset([1])
    expected.append(layer(x[3:])[0])
    layer.reset()
    layer.to("cuda")
    there = tr.tensor(x).to("cuda")
    found = [layer(there[:3])[0], layer(there[3:])[0]]
    layer.reset([1])
    saved = layer.memory.state_dict()
    layer.memory.load_state_dict({name: tr.backend.to_host(part) for name, part in saved.items()})
    found.append(layer(there[3:])[0])
    for a, b in zip(found, expected):
        assert a.device == tr.Device("cuda", 0)
        np.testing.assert_allclose(tr.backend.to_host(a.data), b.numpy(), rtol=1e-5, atol=1e-6)
