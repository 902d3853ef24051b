"""Residual and highway connections: by hand, padding, the last output, errors."""

import numpy as np
import pytest

import tinyrnn as tr
from tests.bptt.networks import Leaky
from tinyrnn import nn

LENGTHS = [5, 1, 3, 0]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def double(layer):
    """In float64, with weights that are the same in every run."""
    for seed, parameter in enumerate(layer.to(dtype="float64").parameters()):
        parameter.assign(0.5 * random(*parameter.shape, seed=seed))
    return layer


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def by_hand(layer, x, y):
    """What the connection makes of the inputs and the inner layer's outputs."""
    if isinstance(layer, nn.Residual):
        return x + y
    g = sigmoid(x @ layer.gate.W.numpy() + layer.gate.b.numpy())
    return g * y + (1 - g) * x


SKIPS = {"Residual": nn.Residual, "Highway": nn.Highway}
INNER = {
    "cell": lambda: nn.LSTMCell(4, 4),
    "layers": lambda: nn.GRU(4, 4, 2),
    "reverse": lambda: nn.Recurrent(nn.RNNCell(4, 4), reverse=True),
    "both ways": lambda: nn.Bidirectional(nn.RNNCell(4, 2), nn.GRUCell(4, 2)),
}
EVERY = pytest.mark.parametrize(("skip", "inner"), [(s, i) for s in SKIPS for i in INNER])


@EVERY
def test_by_hand(skip, inner):
    layer, x = double(SKIPS[skip](INNER[inner]())), random(5, 4, 4)
    for lengths in (None, LENGTHS):
        y, _ = layer(x, lengths=lengths)
        z, _ = layer.layer(x, lengths=lengths)
        valid = np.arange(5)[:, None, None] < np.array(lengths or [5] * 4)[:, None]
        np.testing.assert_allclose(y.numpy(), np.where(valid, by_hand(layer, x, z.numpy()), 0.0), rtol=1e-12, atol=1e-14)


@EVERY
def test_what_stands_in_the_padding_reaches_nothing(skip, inner):
    layer, x = double(SKIPS[skip](INNER[inner]())), random(5, 4, 4)
    padding = np.arange(5)[:, None] >= np.array(LENGTHS)
    results = []
    for filling in (0.0, np.nan):
        layer.zero_grad()
        filled = tr.tensor(np.where(padding[..., None], filling, x), requires_grad=True)
        y, _ = layer(filled, lengths=LENGTHS)
        np.testing.assert_array_equal(y.numpy()[padding], 0.0)
        (y * y).sum().backward()
        results.append([y, filled.grad, *(p.grad for p in layer.parameters())])
    for clean, dirty in zip(*results, strict=True):
        np.testing.assert_array_equal(clean.numpy(), dirty.numpy())


@pytest.mark.parametrize("inner", ["cell", "layers", "reverse"])
@pytest.mark.parametrize("skip", SKIPS)
def test_the_last_output(skip, inner):
    layer, last = (double(SKIPS[skip](INNER[inner](), return_sequences=every)) for every in (True, False))
    x = tr.tensor(random(5, 4, 4), requires_grad=True)
    for lengths in (None, LENGTHS):
        y, _ = layer(x, lengths=lengths)
        end, _ = last(x, lengths=lengths)
        steps = [0 if inner == "reverse" else max(length - 1, 0) for length in lengths or [5] * 4]
        np.testing.assert_array_equal(end.numpy(), y.numpy()[steps, range(4)])
        ours, picked = tr.grad((end * end).sum(), x), tr.grad((y[steps, range(4)] ** 2).sum(), x)
        np.testing.assert_allclose(ours.numpy(), picked.numpy(), rtol=1e-12, atol=1e-14)


def test_the_last_output_of_an_empty_sequence_is_that_of_the_inner_layer():
    layer, h0 = double(nn.Residual(nn.RNNCell(4, 4), return_sequences=False)), random(1, 4, seed=1)
    np.testing.assert_array_equal(layer(random(5, 1, 4), h0, lengths=[0])[0].numpy(), h0)


def test_the_gate_begins_nearly_closed():
    layer = nn.Highway(nn.RNNCell(4, 4))
    np.testing.assert_array_equal(layer.gate.b.numpy(), -1.0)
    assert [name for name, _ in layer.named_parameters()][-2:] == ["gate.W", "gate.b"]


@pytest.mark.parametrize("skip", SKIPS)
def test_around_a_cell_of_ones_own_in_a_stack(skip):
    options = {"size": 4} if skip == "Highway" else {}
    layer = nn.Stack(nn.RNNCell(3, 4), SKIPS[skip](Leaky44(), **options)).to(dtype="float64")
    first = (None, np.zeros((2, 4)))
    assert layer(random(5, 2, 3), first)[0].shape == (5, 2, 4)


class Leaky44(Leaky):
    """A leaky integrator with as many inputs as outputs."""

    def __init__(self):
        super().__init__()
        self.W = tr.Parameter(random(4, 4))


@pytest.mark.parametrize("skip", SKIPS)
def test_gradcheck_of_order_2(skip):
    layer = double(SKIPS[skip](nn.RNNCell(2, 2)))
    inputs = [tr.tensor(random(3, 2, 2), requires_grad=True), *layer.parameters()]
    assert tr.gradcheck(lambda x, *_: layer(x, lengths=[3, 2])[0], inputs, order=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Residual(nn.RNNCell(3, 4))(random(5, 2, 3)), "Residual: the layer makes 4 features out of 3, but what goes"),
        (lambda: nn.Highway(nn.RNNCell(4, 1))(random(5, 2, 4)), "Highway: the layer makes 1 features out of 4"),
        (lambda: nn.Highway(Leaky44()), "Highway: the Leaky44 has no input_size: say how wide its input is with size="),
        (
            lambda: nn.Residual(INNER["both ways"](), return_sequences=False)(random(5, 2, 4)),
            "Residual: a layer that runs in both directions has no last step",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
