"""Networks to draw: each maps a number of steps to a loss (or another output), small but of every kind."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

D, H, N, V = 3, 4, 2, 6


def sequence(steps, size=D):
    return tr.tensor(np.random.default_rng(0).normal(size=(steps, N, size)).astype("float32"))


def mean_square(layer, **options):
    """The loss most people write first."""

    def loss(steps):
        y, _ = layer(sequence(steps), **options)
        return tr.mean(y * y)

    return loss


def with_lengths(steps):
    y, _ = nn.LSTM(D, H)(sequence(steps), lengths=[steps, 1])
    return tr.mean(y * y)


def recorded(steps):
    """With the history that no gradient needs."""
    with tr.recording():
        y, (_, c) = nn.LSTM(D, H, 2)(sequence(steps), lengths=[steps, 1])
        return tr.mean(y * y) + tr.sum(c)


def tokens(steps):
    """A language model: embedding, recurrent layer, scores, loss after the loop."""
    rng = np.random.default_rng(1)
    embedding, rnn, scores = nn.Embedding(V, D), nn.LSTM(D, H), nn.Linear(H, V)
    text = rng.integers(V, size=(steps + 1, N))
    y, _ = rnn(embedding(text[:-1]))
    return nn.cross_entropy(scores(y), text[1:])


def stepwise(steps):
    """A loss at every step, added up over time."""
    cell, x = nn.LSTMCell(D, H), sequence(steps)
    state, total = cell.initial_state(N), 0.0
    with tr.recording():
        for t in range(steps):
            with tr.step(t):
                state = cell(x[t], state)
                total = total + tr.sum(state.h * state.h)
    return total


def own_loop(steps):
    """No module, no loop of the library's: only `step`."""
    rng = np.random.default_rng(2)
    W, U = (tr.Parameter(rng.normal(size=(n, H)).astype("float32"), name=name) for n, name in ((D, "W"), (H, "U")))
    x, h = sequence(steps), tr.zeros(N, H)
    for t in range(steps):
        with tr.step(t):
            (h,) = tr.named(h=tr.tanh(x[t] @ W + h @ U))
    return tr.sum(h * h)


class Peephole(nn.Module):
    """A user's own cell: a leaky integrator whose gate sees the past."""

    def __init__(self):
        self.W, self.U, self.V = (tr.Parameter(nn.init.glorot(n, H)) for n in (D, H, D))
        self.p = tr.Parameter(nn.init.zeros(H))

    def forward(self, x, s):
        (k,) = tr.named(k=tr.sigmoid(x @ self.V + self.p * s))
        (s,) = tr.named(s=s + k * (tr.tanh(x @ self.W + s @ self.U) - s))
        return s


def own_cell(steps):
    y, _ = nn.Recurrent(Peephole())(sequence(steps), tr.zeros(N, H))
    return tr.mean(y * y)


class Gates(nn.Module):
    """A user's own cell made of modules."""

    def __init__(self):
        self.gate, self.candidate = nn.Linear(D + H, H), nn.Linear(D + H, H)

    def forward(self, x, h):
        both = tr.concatenate(x, h, axis=-1)
        z, n = tr.named(z=tr.sigmoid(self.gate(both)), n=tr.tanh(self.candidate(both)))
        return z * h + (1 - z) * n


def own_modules(steps):
    y, _ = nn.Recurrent(Gates())(sequence(steps), tr.zeros(N, H))
    return tr.mean(y * y)


def learnt_start(steps):
    """The initial state is a parameter."""
    start = tr.Parameter(np.zeros((1, N, H), "float32"), name="h_0")
    y, _ = nn.GRU(D, H)(sequence(steps), start)
    return tr.mean(y * y)


def plain(steps):
    """No time at all."""
    net = nn.Sequential(nn.Linear(D, H), nn.Linear(H, 2))
    return tr.mean(tr.tanh(net(tr.tensor(np.ones((N, D), "float32"), name="x"))))


def leaps(steps):
    """A look two steps back: what the gutters cannot carry takes the bus."""
    W, U = (tr.Parameter(np.eye(H, dtype="float32"), name=name) for name in "WU")
    x, h = sequence(steps, H), [tr.zeros(N, H)] * 2
    for t in range(steps):
        with tr.step(t):
            h.append(tr.named(h=tr.tanh(x[t] + h[-1] @ W + h[-2] @ U))[0])
    return tr.sum(h[-1] * h[-1])


def encoder_decoder(steps):
    encoder, decoder = nn.GRU(D, H), nn.RNN(D, H)
    _, state = encoder(sequence(steps))
    y, _ = decoder(sequence(steps), state)
    return tr.mean(y * y)


def dropout(steps):
    tr.manual_seed(0)
    return mean_square(nn.LSTM(D, H, 2, dropout=0.5))(steps)


def everything(steps):
    """All options of a layer at once."""
    tr.manual_seed(0)
    layer = nn.LSTM(D, H, 2, bidirectional=True, dropout=0.3, batch_first=True)
    x = tr.transpose(sequence(steps), axes=(1, 0, 2))
    y, _ = layer(x, lengths=[steps, 1])
    return nn.mse(y, np.zeros(y.shape, "float32"))


def own_stack(steps):
    """Two layers put together by hand, with a way around them."""
    x, lower, upper = sequence(steps), nn.RNN(D, D), nn.RNN(D, D)
    y, _ = lower(x)
    z, _ = upper(y)
    return tr.mean((x + y + z) * (x + y + z))


def attention(steps):
    """A decoder that at each step looks back at all states of an encoder."""
    encoder, decoder, total = nn.GRU(D, H), nn.GRUCell(H, H), 0.0
    y, state = encoder(sequence(steps))
    state = state[0]
    with tr.recording():
        for t in range(steps):
            with tr.step(t):
                weights = tr.softmax(tr.sum(y * state, axis=-1), axis=0)
                state = decoder(tr.sum(y * weights.expand_dims(2), axis=0), state)
                total = total + tr.mean(state * state)
    return total


def truncated(steps):
    """A window that slides along: the history before it is cut off."""
    w, h = tr.Parameter(2.0, name="w"), tr.tensor(1.0)
    for t in range(steps):
        with tr.step(t):
            h = h * w
        tr.unchain(h, before=t - 1)
    return h


def stepwise_scores(steps):
    """A language model with a loss of its own at every step."""
    embedding, cell, scores = nn.Embedding(V, D), nn.GRUCell(D, H), nn.Linear(H, V)
    text, h, total = np.random.default_rng(3).integers(V, size=(steps + 1, N)), cell.initial_state(N), 0.0
    for t in range(steps):
        with tr.step(t):
            h = cell(embedding(text[t]), h)
            total = total + nn.cross_entropy(scores(h), text[t + 1])
    return total / steps


MODELS = {
    "rnn": mean_square(nn.RNN(D, H)),
    "lstm": mean_square(nn.LSTM(D, H)),
    "gru": mean_square(nn.GRU(D, H)),
    "gru_before": mean_square(nn.GRU(D, H, reset_after=False)),
    "lstm2": mean_square(nn.LSTM(D, H, 2)),
    "rnn3": mean_square(nn.RNN(D, H, 3)),
    "bidirectional": mean_square(nn.RNN(D, H, bidirectional=True)),
    "bidirectional2": mean_square(nn.GRU(D, H, 2, bidirectional=True)),
    "residual": mean_square(
        nn.Stack(nn.Bidirectional(nn.RNNCell(D, H), nn.GRUCell(D, H), merge_mode="sum"), nn.Residual(nn.RNNCell(H, H)))
    ),
    "highway": mean_square(nn.Highway(nn.RNNCell(D, D))),
    "lengths": with_lengths,
    "recorded": recorded,
    "dropout": dropout,
    "tokens": tokens,
    "stepwise": stepwise,
    "own_loop": own_loop,
    "own_cell": own_cell,
    "own_modules": own_modules,
    "learnt_start": learnt_start,
    "plain": plain,
    "leaps": leaps,
    "encoder_decoder": encoder_decoder,
    "everything": everything,
    "own_stack": own_stack,
    "attention": attention,
    "truncated": truncated,
    "stepwise_scores": stepwise_scores,
    "reverse": lambda steps: tr.mean(nn.Recurrent(nn.LSTMCell(D, H), reverse=True)(sequence(steps))[0] ** 2),
}


def every_model(*steps):
    """Parameters of a test, model and steps: each model at each number of steps."""
    return [pytest.param(MODELS[name], t, id=f"{name}-{t}") for name in MODELS for t in (steps if name != "plain" else (1,))]
