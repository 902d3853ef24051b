"""Truncated BPTT: the gradient of each window by hand, what is carried, masks, streams, and memory bounded by the window."""

import gc

import numpy as np
import pytest

import tinyrnn as tr
from tests.bptt.models import Leaky
from tinyrnn import nn, optim
from tinyrnn.graph import Value

T, N, D, H = 23, 2, 3, 4
WINDOWS = [(5, 5), (5, 12), (5, 10), (1, 1), (1, 4), (4, 6), (7, 50), (23, 23), (30, 30)]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


X, TARGET = random(T, N, D), random(T, N, H, seed=1)


def double(layer):
    """In float64, with weights that are the same in every run."""
    for seed, parameter in enumerate(layer.to(dtype="float64").parameters()):
        parameter.assign(0.5 * random(*parameter.shape, seed=seed))
    return layer


def gradients(layer):
    """The gradients that have arrived, which are then forgotten."""
    found = [p.grad.numpy() for p in layer.parameters()]
    layer.zero_grad()
    return found


def close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


# -- by hand -------------------------------------------------------------------------------------------------------


def truncated_gradient(W_x, W_h, b, h, x, target, last):
    """BPTT of an RNN over some steps from the state h, for the squared errors of the last of them; and all states."""
    hs = [h]
    for x_t in x:
        hs.append(np.tanh(x_t @ W_x + hs[-1] @ W_h + b))
    dW_x, dW_h, db, dh = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(b), np.zeros_like(h)
    for t in reversed(range(len(x))):
        if t >= len(x) - last:
            dh = dh + 2 * (hs[t + 1] - target[t])
        da = dh * (1 - hs[t + 1] ** 2)
        dW_x, dW_h, db, dh = dW_x + x[t].T @ da, dW_h + hs[t].T @ da, db + da.sum(0), da @ W_h.T
    return (dW_x, dW_h, db), hs


@pytest.mark.parametrize("lr", [0.0, 0.05])
@pytest.mark.parametrize(("k1", "k2"), WINDOWS)
def test_each_window_has_the_truncated_gradient_also_between_updates(k1, k2, lr):
    """What windows share is computed anew, with the parameters as they are then, from the state kept before it."""
    layer = double(nn.RNN(D, H))
    W_x, W_h, b = (p.numpy().copy() for p in layer.parameters())
    kept, begin, seen = {0: np.zeros((N, H))}, 0, 0
    for window in nn.truncated_bptt(layer, X, k1=k1, k2=k2):
        stop = min(seen + k1, T)
        begin = max(0, seen + k1 - k2)
        by_hand, hs = truncated_gradient(W_x, W_h, b, kept[begin], X[begin:stop], TARGET[begin:stop], stop - seen)
        assert (window.steps, window.since) == (slice(seen, stop), begin)
        np.testing.assert_allclose(window.y.numpy(), np.stack(hs[1:])[seen - begin :], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(window.state.numpy()[0], hs[-1], rtol=1e-12, atol=1e-14)

        ((window.y - TARGET[window.steps]) ** 2).sum().backward()
        close([p.grad.numpy() for p in layer.parameters()], by_hand)
        optim.SGD(layer.parameters(), lr=lr).step()
        layer.zero_grad()
        W_x, W_h, b = (w - lr * g for w, g in zip((W_x, W_h, b), by_hand))
        kept |= {begin + i: h for i, h in enumerate(hs) if i}
        seen = stop
    assert seen == T


@pytest.mark.parametrize(("k1", "k2"), WINDOWS)
@pytest.mark.parametrize("make", [lambda: nn.LSTM(D, H, 2), lambda: nn.Stack(Leaky(D, H), nn.Residual(nn.GRUCell(H, H)))])
def test_a_history_that_is_kept_and_cut_gives_the_same_gradients(make, k1, k2):
    found = []
    for sliding in (False, True):
        layer, steps = double(make()), []
        for window in nn.truncated_bptt(layer, X, k1=k1, k2=k2, sliding=sliding):
            (window.y * TARGET[window.steps]).sum().backward()
            steps.append([window.y.numpy(), *gradients(layer)])
        found.append(steps)
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)


@pytest.mark.parametrize("sliding", [False, True])
def test_windows_as_long_as_the_sequence_add_up_to_the_whole_gradient(sliding):
    layer = double(nn.GRU(D, H))
    y, _ = layer(X)
    (y * TARGET).sum().backward()
    whole = gradients(layer)
    for window in nn.truncated_bptt(layer, X, k1=4, k2=T + 4, sliding=sliding):
        (window.y * TARGET[window.steps]).sum().backward()
    close(gradients(layer), whole)


def test_a_parameter_changed_under_a_kept_history_is_an_error():
    layer = double(nn.RNN(D, H))
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match="was changed in place after"):
        for window in nn.truncated_bptt(layer, X, k1=5, k2=10, sliding=True):
            window.y.sum().backward()
            optimizer.step()


# -- what is carried -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sliding", [False, True])
def test_it_goes_on_in_another_call(sliding):
    layer = double(nn.LSTM(D, H, 2))
    whole, _ = layer(X)
    options = {"k1": 3, "k2": 5, "sliding": sliding}
    *_, last = nn.truncated_bptt(layer, X[:10], **options)
    assert not any(part.requires_grad for part in last.state)
    rest = [window.y.numpy() for window in nn.truncated_bptt(layer, X[10:], state=last.state, **options)]
    np.testing.assert_allclose(np.concatenate(rest), whole.numpy()[10:], rtol=1e-10, atol=1e-13)


def test_a_learnt_start_gets_the_gradient_of_the_windows_that_reach_it():
    layer, h0 = double(nn.GRU(D, H)), tr.Parameter(random(1, N, H))
    for window in nn.truncated_bptt(layer, X, k1=5, k2=10, state=h0):
        assert (tr.grad(window.y.sum(), h0) is not None) == (window.since == 0)


def test_a_stateful_layer_carries_and_resets_its_state_itself():
    layer = nn.Stateful(double(nn.GRU(D, H)))
    whole, _ = layer.layer(X)
    windows = [window.y.numpy() for window in nn.truncated_bptt(layer, X[:10], k1=5)]
    windows += [window.y.numpy() for window in nn.truncated_bptt(layer, X[10:], k1=5)]
    np.testing.assert_allclose(np.concatenate(windows), whole.numpy(), rtol=1e-10, atol=1e-13)
    layer.reset()
    fresh, _ = layer.layer(X[5:10])
    windows = nn.truncated_bptt(layer, X[:10], k1=5)
    next(windows)
    layer.reset([1])
    y = next(windows).y.numpy()
    np.testing.assert_allclose(y[:, 1], fresh.numpy()[:, 1], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(y[:, 0], whole.numpy()[5:10, 0], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("sliding", [False, True])
def test_each_sequence_has_its_own_end(sliding):
    layer, lengths = double(nn.LSTM(D, H)), [17, 4]
    whole, end = layer(X, lengths=lengths)
    windows = list(nn.truncated_bptt(layer, X, k1=5, k2=8, lengths=lengths, sliding=sliding))
    np.testing.assert_allclose(np.concatenate([w.y.numpy() for w in windows]), whole.numpy()[:17], rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(np.concatenate([w.mask for w in windows]), np.arange(17)[:, None] < lengths)
    close([part.numpy() for part in windows[-1].state], [part.numpy() for part in end])


# -- forms of the sequence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[1] * T, [T], [10, 1, 12], [4, 4, 4, 4, 4, 3]])
@pytest.mark.parametrize("sliding", [False, True])
def test_a_stream_of_pieces(sizes, sliding):
    layer, options = double(nn.GRU(D, H)), {"k1": 5, "k2": 8, "sliding": sliding}
    ends = np.cumsum(sizes)
    pieces = (X[end - size : end] for end, size in zip(ends, sizes))
    for ours, theirs in zip(nn.truncated_bptt(layer, pieces, **options), nn.truncated_bptt(layer, X, **options), strict=True):
        np.testing.assert_allclose(ours.y.numpy(), theirs.y.numpy(), rtol=1e-12, atol=1e-14)
        assert ours.steps == theirs.steps and ours.since == theirs.since


def test_a_stream_is_read_no_further_than_the_window():
    taken = []

    def stream():
        for t in range(T):
            taken.append(t)
            yield X[t : t + 1]

    for window in nn.truncated_bptt(double(nn.RNN(D, H)), stream(), k1=5, k2=10):
        assert len(taken) == window.steps.stop


@pytest.mark.parametrize("sliding", [False, True])
def test_batch_first(sliding):
    layer, other = double(nn.GRU(D, H)), double(nn.GRU(D, H, batch_first=True))
    options = {"k1": 5, "k2": 8, "lengths": [T, 9], "sliding": sliding}
    swapped = nn.truncated_bptt(other, X.transpose(1, 0, 2).copy(), **options)
    for ours, theirs in zip(swapped, nn.truncated_bptt(layer, X, **options), strict=True):
        np.testing.assert_allclose(ours.y.numpy().transpose(1, 0, 2), theirs.y.numpy(), rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(ours.mask, theirs.mask.T)


def test_a_model_of_ones_own_reads_symbols():
    class Model(nn.Module):
        def __init__(self):
            self.embedding, self.layer, self.scores = nn.Embedding(7, D), nn.LSTM(D, H), nn.Linear(H, 7)

        def forward(self, x, state=None):
            y, state = self.layer(self.embedding(x), state)
            return self.scores(y), state

    model, text = double(Model()), np.random.default_rng(0).integers(7, size=(T + 1, N))
    whole, _ = model(text[:-1])
    for window in nn.truncated_bptt(model, text[:-1], k1=5, k2=9):
        np.testing.assert_allclose(window.y.numpy(), whole.numpy()[window.steps], rtol=1e-10, atol=1e-13)
        nn.cross_entropy(window.y, text[1:][window.steps]).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_cell_of_the_library_and_one_of_ones_own():
    for layer in (double(nn.LSTMCell(D, H)), nn.Recurrent(double(Leaky(D, H)))):
        (window,) = nn.truncated_bptt(layer, X, k1=T)
        assert window.y.shape == (T, N, H)


def test_a_memory_map(tmp_path):
    np.save(tmp_path / "x.npy", X)
    layer = double(nn.GRU(D, H))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for ours, theirs in zip(nn.truncated_bptt(layer, mapped, k1=5), nn.truncated_bptt(layer, X, k1=5), strict=True):
        np.testing.assert_array_equal(ours.y.numpy(), theirs.y.numpy())


# -- memory --------------------------------------------------------------------------------------------------------


def most_values(steps, **options):
    """The greatest number of Values that live at the end of a window, while a stream of so many steps is learnt."""
    layer, counts = nn.Stack(nn.LSTMCell(D, H), nn.RNNCell(H, H)), []
    optimizer = optim.SGD(layer.parameters(), lr=0.01)
    pieces = (np.ones((1, N, D), "float32") for _ in range(steps))
    for window in nn.truncated_bptt(layer, pieces, **options):
        (window.y * window.y).sum().backward()
        counts.append(sum(isinstance(o, Value) for o in gc.get_objects()))
        if not options.get("sliding"):
            optimizer.step()
            layer.zero_grad()
    return max(counts)


@pytest.mark.parametrize("options", [{"k1": 10}, {"k1": 5, "k2": 10}, {"k1": 1, "k2": 10, "sliding": True}])
def test_memory_does_not_grow_with_the_sequence(options):
    gc.disable()
    gc.freeze()  # what is there already is not among the objects that are looked through
    try:
        short, long, twice = most_values(40, **options), most_values(400, **options), most_values(40, k1=20)
    finally:
        gc.unfreeze()
        gc.enable()
    assert short == long < twice


def test_on_a_gpu(fake_cupy):
    layer = nn.LSTM(D, H)
    x, there = tr.tensor(X.astype("float32")), tr.tensor(X.astype("float32")).to("cuda")
    options = {"k1": 5, "k2": 8, "lengths": [T, 9]}
    here = [window.y.numpy() for window in nn.truncated_bptt(layer, x, **options)]
    layer.to("cuda")
    for sliding in (False, True):
        for window, expected in zip(nn.truncated_bptt(layer, there, **options, sliding=sliding), here, strict=True):
            nn.mse(window.y, window.y.detach() * 0.5, mask=window.mask[..., None]).backward()
            np.testing.assert_allclose(tr.backend.to_host(window.y.data), expected, rtol=1e-4, atol=1e-5)


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.truncated_bptt(nn.RNN(D, H), X, k1=5, k2=4), ValueError, "k2 = 4 is less than k1 = 5: the first losses"),
        (lambda: nn.truncated_bptt(nn.RNN(D, H), X, k1=0), ValueError, "k1 must be a whole number from 1, not 0"),
        (lambda: nn.truncated_bptt(nn.RNN(D, H), X, k1=2, k2=2.5), ValueError, "k2 must be a whole number from 1, not 2.5"),
        (lambda: nn.truncated_bptt(nn.RNN(D, H, bidirectional=True), X, k1=5), ValueError, "truncated_bptt: RNN runs backwards"),
        (
            lambda: nn.truncated_bptt(nn.Stack(nn.Stateful(nn.RNNCell(D, H))), X, k1=5, k2=6),
            ValueError,
            "begin in a state before the one that a Stateful layer carries",
        ),
        (lambda: nn.truncated_bptt(nn.RNN(D, H), X, k1=5, lengths=[T + 1, 3]), ValueError, "lengths run from 3 to 24"),
        (lambda: list(nn.truncated_bptt(nn.RNN(D, H), X, k1=5, lengths=[3])), ValueError, "lengths must be 2 integers"),
        (lambda: list(nn.truncated_bptt(nn.RNN(D, H), X[:0], k1=5)), ValueError, "the sequence has no steps"),
        (lambda: list(nn.truncated_bptt(nn.RNN(D, H), iter([]), k1=5)), ValueError, "the sequence has no steps"),
        (lambda: list(nn.truncated_bptt(nn.RNN(D, H), list(X), k1=5)), ValueError, r"RNN: x has shape .* expected \(T, N, I\)"),
        (lambda: list(nn.truncated_bptt(nn.RNN(D, H), iter(X[0, 0]), k1=5)), ValueError, r"expected \(n, N, …\): n steps of N"),
        (
            lambda: list(nn.truncated_bptt(nn.RNN(D, H, return_state=False), X, k1=5)),
            TypeError,
            r"must return \(y, state\), not a Tensor: leave return_state=True",
        ),
        (
            lambda: list(nn.truncated_bptt(nn.RNN(D, H, return_sequences=False), X, k1=5)),
            ValueError,
            "of 5 steps the layer returned outputs of shape .* one for each step: leave return_sequences=True",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("make", [nn.GRUCell, Leaky, lambda d, h: nn.Zoneout(Leaky(d, h), 0.0)])
def test_a_cell_is_read_like_the_layer_of_it(make):
    cell = double(make(D, H))
    for one, other in zip(
        nn.truncated_bptt(cell, X, k1=5, k2=8), nn.truncated_bptt(nn.Recurrent(cell), X, k1=5, k2=8), strict=True
    ):
        np.testing.assert_array_equal(one.y.numpy(), other.y.numpy())
