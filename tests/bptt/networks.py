"""Networks in float64, of every kind, whose equations are derived: each maps a number of steps to a loss."""

import numpy as np

import tinyrnn as tr
from tinyrnn import nn

D, H, N, V = 3, 4, 2, 6


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def integers(*shape, below=H, seed=1):
    return np.random.default_rng(seed).integers(below, size=shape)


def sequence(steps, size=D, seed=0):
    return tr.tensor(numbers(steps, N, size, seed=seed), name="x")


def double(module):
    """A module in float64, with numbers of its own that are the same in every run."""
    for seed, parameter in enumerate(module.to(dtype="float64").parameters()):
        parameter.assign(0.5 * numbers(*parameter.shape, seed=seed))
    return module


def parameter(*shape, name=None, seed=3):
    return tr.Parameter(0.5 * numbers(*shape, seed=seed), name=name)


def zeros(size=H):
    return tr.zeros(N, size, dtype="float64")


def mean_square(make, **options):
    def loss(steps):
        y, _ = double(make())(sequence(steps), **{name: option(steps) for name, option in options.items()})
        return tr.mean(y * y)

    return loss


def after_rnn(loss):
    """A loss of the outputs of an RNN."""
    return lambda steps: loss(double(nn.RNN(D, H))(sequence(steps))[0], steps)


def last_step(steps):
    y, _ = double(nn.LSTM(D, H))(sequence(steps))
    return tr.mean(y[-1] * y[-1])


def final_states(steps):
    y, (h, c) = double(nn.LSTM(D, H))(sequence(steps), lengths=[steps, max(1, steps - 1)])
    return tr.mean(y * y) + tr.sum(h * c)


def stateful(steps):
    """The second of two batches: it begins where the first one ended."""
    layer, x = double(nn.Stateful(nn.LSTMCell(D, H))), sequence(steps + 3)
    layer(x[:3])
    y, _ = layer(x[3:])
    return tr.mean(y * y)


def third_window(steps, sliding):
    """Of truncated BPTT over windows that overlap by half."""
    layer, x = double(nn.LSTM(D, H)), sequence(3 * steps)
    *_, window = nn.truncated_bptt(layer, x, k1=steps, k2=2 * steps, sliding=sliding)
    return tr.mean(window.y * window.y)


def last_outputs(steps):
    """After each sequence's own last step, of both directions."""
    layer = double(nn.GRU(D, H, bidirectional=True, merge_mode="mul", return_sequences=False, return_state=False))
    return tr.sum(layer(sequence(steps), lengths=[steps, max(1, steps // 2)]) ** 2)


def last_of_residual(steps):
    layer = double(nn.Residual(nn.RNNCell(D, D), return_sequences=False, return_state=False))
    return tr.sum(layer(sequence(steps), lengths=[max(1, steps // 2), steps]) ** 2)


def language_model(steps):
    embedding, layer, scores = double(nn.Embedding(V, D)), double(nn.LSTM(D, H)), double(nn.Linear(H, V))
    text = integers(steps + 1, N, below=V)
    y, _ = layer(embedding(text[:-1]))
    return nn.cross_entropy(scores(y), text[1:])


def tied(steps):
    """The vectors of the symbols are also the weights of the scores."""
    embedding, layer = double(nn.Embedding(V, H)), double(nn.RNN(H, H))
    text = integers(steps + 1, N, below=V)
    y, _ = layer(embedding(text[:-1]))
    return nn.cross_entropy(y @ embedding.W.T, text[1:])


def loss_in_the_loop(steps):
    cell, W_y = double(nn.RNNCell(D, H)), parameter(H, 2, name="W_y")
    x, target, h, loss = sequence(steps), tr.tensor(numbers(steps, N, 2), name="y"), zeros(), 0.0
    for t in range(steps):
        with tr.step(t):
            h = cell(x[t], h)
            (e,) = tr.named(e=h @ W_y - target[t])
            loss = loss + tr.sum(e * e)
    return loss


def losses_of_steps(steps):
    cell, x, losses = double(nn.LSTMCell(D, H)), sequence(steps), []
    state = cell.initial_state(N, "float64")
    for t in range(steps):
        with tr.step(t):
            state = cell(x[t], state)
            losses.append(tr.mean(state.h * state.h))
    return tr.mean(tr.stack(losses))


def both_directions_by_hand(steps):
    """Two loops of one's own, the second of which turns round where the first one ends."""
    there, back, x = double(nn.RNNCell(D, H)), double(nn.RNNCell(D, H)), sequence(steps)
    there.name, back.name = "there", "back"
    found = {}
    for cell, times in ((there, range(steps)), (back, reversed(range(steps)))):
        h, found[cell] = zeros(), {}
        for t in times:
            with tr.step(t):
                h = found[cell][t] = cell(x[t], h)
    y = tr.stack([tr.concatenate(found[there][t], found[back][t], axis=-1) for t in range(steps)])
    return tr.mean(y * y)


def learnt_start(steps):
    y, _ = double(nn.Recurrent(nn.RNNCell(D, H)))(sequence(steps), parameter(N, H, name="h_0"))
    return tr.mean(y * y)


def learnt_start_of_layers(steps):
    y, _ = double(nn.GRU(D, H))(sequence(steps), parameter(1, N, H, name="h_0"))
    return tr.mean(y * y)


def cut_in_the_middle(steps):
    """Truncated backpropagation: the gradient is cut once."""
    cell, x, h, ys = double(nn.RNNCell(D, H)), sequence(steps), zeros(), []
    for t in range(steps):
        if t == steps // 2:
            h = h.detach()
        with tr.step(t):
            h = cell(x[t], h)
            ys.append(h)
    y = tr.stack(ys)
    return tr.mean(y * y)


def sliding_window(steps):
    cell, x, h = double(nn.RNNCell(D, H)), sequence(steps), zeros()
    for t in range(steps):
        with tr.step(t):
            h = cell(x[t], h)
    tr.unchain(h, before=steps - 3)
    return tr.mean(h * h)


class Peephole(nn.Module):
    """A user's own cell with a state of two, which names nothing."""

    def __init__(self):
        self.U, self.V, self.w = parameter(D, H), parameter(H, H), parameter(H)

    def forward(self, x, state):
        m, s = state
        u = tr.tanh(x @ self.U + m @ self.V - s * self.w)
        s = 0.5 * s + u * m
        m = tr.sigmoid(s) * u / (1 + tr.exp(m * m))
        return m, s


def peephole(steps):
    cell, x, ys = Peephole(), sequence(steps), []
    state = tr.tensor(numbers(N, H, seed=1), name="m0"), tr.tensor(numbers(N, H, seed=2), name="s0")
    for t in range(steps):
        with tr.step(t):
            state = cell(x[t], state)
            ys.append(state[0])
    y = tr.stack(ys)
    return tr.sum(y * y)


class Gates(nn.Module):
    """A user's own cell made of modules."""

    def __init__(self):
        self.gate, self.candidate = nn.Linear(D + H, H), nn.Linear(D + H, H)

    def forward(self, x, h):
        both = tr.concatenate(x, h, axis=-1)
        z, n = tr.named(z=tr.sigmoid(self.gate(both)), n=tr.tanh(self.candidate(both)))
        return z * h + (1 - z) * n


class Normalised(nn.Module):
    """A layer-normalised RNN (Ba, Kiros & Hinton 2016)."""

    def __init__(self):
        self.W, self.U, self.norm = parameter(D, H), parameter(H, H), nn.LayerNorm(H)

    def forward(self, x, h):
        (h,) = tr.named(h=tr.tanh(self.norm(x @ self.W + h @ self.U)))
        return h


class Sliced(nn.Module):
    """A user's own cell that cuts its gates out by slices."""

    def __init__(self):
        self.W = parameter(D + H, 3 * H)

    def forward(self, x, h):
        a = tr.concatenate(x, h, axis=-1) @ self.W
        z, r, n = tr.sigmoid(a[:, :H]), tr.sigmoid(a[..., H : 2 * H]), tr.tanh(a[..., 2 * H :])
        return z * h + (1 - z) * r * n


class Leaky(nn.Module):
    """A leaky integrator."""

    def __init__(self):
        self.W, self.U = parameter(D, H), parameter(H, H)

    def forward(self, x, h):
        return 0.9 * h + 0.1 * tr.tanh(x @ self.W + h @ self.U)


class PeepholeLSTM(nn.Module):
    """An LSTM whose gates see the memory (Gers & Schmidhuber 2000)."""

    def __init__(self):
        self.W, self.U, self.b = parameter(D, 4 * H), parameter(H, 4 * H), parameter(4 * H)
        self.p_i, self.p_f, self.p_o = parameter(H), parameter(H), parameter(H)

    def forward(self, x, state):
        h, c = state
        i, f, g, o = tr.split(x @ self.W + h @ self.U + self.b, 4)
        i, f, g = tr.named(i=tr.sigmoid(i + self.p_i * c), f=tr.sigmoid(f + self.p_f * c), g=tr.tanh(g))
        (c,) = tr.named(c=f * c + i * g)
        (o,) = tr.named(o=tr.sigmoid(o + self.p_o * c))
        (h,) = tr.named(h=o * tr.tanh(c))
        return h, c


class MinimalGated(nn.Module):
    """One gate for all (Zhou, Wu, Zhang & Zhou 2016)."""

    def __init__(self):
        self.W_f, self.U_f, self.W_h, self.U_h = parameter(D, H), parameter(H, H), parameter(D, H), parameter(H, H)

    def forward(self, x, h):
        (f,) = tr.named(f=tr.sigmoid(x @ self.W_f + h @ self.U_f))
        (n,) = tr.named(n=tr.tanh(x @ self.W_h + (f * h) @ self.U_h))
        (h,) = tr.named(h=(1 - f) * h + f * n)
        return h


class FastWeights(nn.Module):
    """A matrix as a state, to which each step adds an outer product (Schmidhuber 1992; Ba et al. 2016)."""

    def __init__(self):
        self.W, self.K, self.V = parameter(D, H), parameter(D, H), parameter(D, H)

    def forward(self, x, state):
        h, A = state
        (A,) = tr.named(A=0.9 * A + tr.expand_dims(x @ self.K, 2) * tr.expand_dims(x @ self.V, 1))
        (h,) = tr.named(h=tr.tanh(x @ self.W + tr.squeeze(tr.expand_dims(h, 1) @ A, 1)))
        return h, A


def own_cell(make, state=zeros):
    def loss(steps):
        y, _ = double(nn.Recurrent(make()))(sequence(steps), state())
        return tr.mean(y * y)

    return loss


def encoder_decoder(steps):
    """Two time axes: T steps are read, S are written."""
    encoder, decoder, scores = double(nn.GRU(D, H)), double(nn.GRU(D, H)), double(nn.Linear(H, D))
    written = steps // 2 + 1
    _, h = encoder(sequence(steps))
    y, _ = decoder(sequence(written, seed=4), h)
    return nn.mse(scores(y), numbers(written, N, D, seed=5))


class Attentive(nn.Module):
    """A cell that looks at all that an encoder found (Bahdanau, Cho & Bengio 2015, with a product for a score)."""

    def __init__(self):
        self.cell, self.Q = nn.RNNCell(H, H), parameter(H, H)

    def forward(self, found, h):
        (α,) = tr.named(α=tr.softmax(tr.sum(found * (h @ self.Q), axis=-1), axis=0))
        (c,) = tr.named(c=tr.sum(found * tr.expand_dims(α, 2), axis=0))
        return self.cell(c, h)


def attention(steps):
    encoder, cell = double(nn.RNN(D, H)), double(Attentive())
    found, h = encoder(sequence(steps))
    h, ys = h[0], []
    for t in range(steps):
        with tr.step(t):
            h = cell(found, h)
            ys.append(h)
    y = tr.stack(ys)
    return tr.mean(y * y)


def attention_over_the_past(steps):
    cell, x, h = double(nn.RNNCell(D, H)), sequence(steps), zeros()
    past = [h]
    for t in range(steps):
        with tr.step(t):
            states = tr.stack(past)
            α = tr.softmax(tr.sum(states * h, axis=-1), axis=0)
            h = cell(x[t], h + tr.sum(states * tr.expand_dims(α, 2), axis=0))
            past.append(h)
    return tr.mean(h * h)


def leaps(steps):
    """A look two steps back."""
    W, U, x, h = parameter(H, H, name="W"), parameter(H, H, name="U"), sequence(steps, H), [zeros(), zeros()]
    for t in range(steps):
        with tr.step(t):
            h.append(tr.tanh(x[t] @ W + h[-2] @ U))
    return tr.mean(h[-1] * h[-1])


def used_twice(steps):
    """Two sequences through one layer: two loops, one set of weights."""
    layer = double(nn.RNN(D, H))
    a, b = layer(sequence(steps))[0], layer(sequence(steps, seed=6))[0]
    return tr.mean(a * b)


def trained_input(steps):
    x = tr.Parameter(numbers(steps, N, D), name="X")
    y, _ = double(nn.RNN(D, H))(x)
    return tr.mean(y * y)


def scalars(steps):
    w, h = tr.Parameter(np.array(0.5), name="w"), tr.tensor(np.array(0.3))
    for t in range(steps):
        with tr.step(t):
            (h,) = tr.named(h=tr.tanh(w * h))
    return h


def no_time(steps):
    net = double(nn.Sequential(nn.Linear(D, H), nn.Linear(H, 2)))
    return tr.mean(tr.tanh(net(tr.tensor(numbers(N, D), name="x"))))


def awkward_names(steps):
    """Names that the equations or the program use themselves, and names that are none."""
    names = ("T", 'a b"c', "lambda", "L", "δt", "np", "t", "sum", "∂", "1st", "W\n")
    W, U, *rest = (parameter(*((D, H), (H, H))[k] if k < 2 else (H,), name=name, seed=k) for k, name in enumerate(names))
    x, h = sequence(steps), tr.tensor(numbers(N, H), name="n")
    for t in range(steps):
        with tr.step(t):
            (h,) = tr.named(t=tr.tanh(x[t] @ W + h @ U + sum(rest[:4], 0.0)))
            (h,) = tr.named(T=h * sum(rest[4:], 0.0))
    return tr.mean(h * h)


def recorded(loss):
    """The same network, with the history that no gradient needs."""

    def with_all(steps):
        with tr.recording():
            return loss(steps)

    return with_all


def mask(y, seed=2):
    return np.random.default_rng(seed).random(y.shape[:2]) > 0.3


CELLS = {
    "RNN": mean_square(lambda: nn.RNN(D, H)),
    "RNN, relu": mean_square(lambda: nn.RNN(D, H, nonlinearity="relu")),
    "LSTM": mean_square(lambda: nn.LSTM(D, H)),
    "GRU": mean_square(lambda: nn.GRU(D, H)),
    "GRU, reset before": mean_square(lambda: nn.GRU(D, H, reset_after=False)),
}
VARIANTS = {
    "IRNN": lambda: nn.IRNNCell(D, H),
    "MGU": lambda: nn.MGUCell(D, H),
    "LSTM with peepholes": lambda: nn.PeepholeLSTMCell(D, H),
    "LSTM with projection": lambda: nn.LSTMCell(D, H, proj_size=2),
    "LSTM, layer-normalised": lambda: nn.LayerNormLSTMCell(D, H),
    "GRU, layer-normalised": lambda: nn.LayerNormGRUCell(D, H),
    "variational dropout": lambda: nn.VariationalDropout(nn.GRUCell(D, H), 0.2, 0.3),
    "zoneout": lambda: nn.Zoneout(nn.LSTMCell(D, H), (0.2, 0.4)),
    "zoneout, in evaluation": lambda: nn.Zoneout(nn.LSTMCell(D, H), (0.2, 0.4)).eval(),
    "weight drop": lambda: nn.WeightDrop(nn.LSTMCell(D, H), 0.4),
    "all wrappers": lambda: nn.Zoneout(nn.VariationalDropout(nn.WeightDrop(nn.RNNCell(D, H), 0.4), 0.2, 0.3), 0.1),
}
NETWORKS = {
    **CELLS,
    **{name: recorded(mean_square(lambda make=make: nn.Recurrent(make()))) for name, make in VARIANTS.items()},
    "without bias": mean_square(lambda: nn.LSTM(D, H, bias=False)),
    "two layers": mean_square(lambda: nn.LSTM(D, H, 2)),
    "both directions": mean_square(lambda: nn.GRU(D, H, bidirectional=True)),
    "two layers, both directions": mean_square(lambda: nn.LSTM(D, H, 2, bidirectional=True)),
    "both directions by hand": both_directions_by_hand,
    "both directions, summed": mean_square(lambda: nn.RNN(D, H, 2, bidirectional=True, merge_mode="sum")),
    "both directions, any two": mean_square(lambda: nn.Bidirectional(nn.LSTMCell(D, H), nn.RNNCell(D, H), merge_mode="ave")),
    "stack": mean_square(lambda: nn.Stack(nn.GRUCell(D, H), nn.RNN(H, H, 2), dropout=0.3)),
    "residual": mean_square(lambda: nn.Stack(nn.RNNCell(D, H), nn.Residual(nn.RNNCell(H, H)))),
    "highway": mean_square(lambda: nn.Highway(nn.RNNCell(D, D)), lengths=lambda steps: [steps, max(1, steps // 2)]),
    "stateful": stateful,
    "window": lambda steps: third_window(steps, sliding=False),
    "sliding window of a layer": lambda steps: third_window(steps, sliding=True),
    "last outputs": last_outputs,
    "last output of a residual": last_of_residual,
    "from the end": mean_square(lambda: nn.Recurrent(nn.GRUCell(D, H), reverse=True)),
    "dropout": mean_square(lambda: nn.LSTM(D, H, 2, dropout=0.3)),
    "lengths": mean_square(lambda: nn.GRU(D, H), lengths=lambda steps: [steps, max(1, steps // 2)]),
    "final states": final_states,
    "last step": last_step,
    "loss in the loop": loss_in_the_loop,
    "losses of steps": losses_of_steps,
    "learnt start": learnt_start,
    "learnt start of layers": learnt_start_of_layers,
    "language model": language_model,
    "tied weights": tied,
    "encoder and decoder": encoder_decoder,
    "attention": attention,
    "used twice": used_twice,
    "trained input": trained_input,
    "peephole": peephole,
    "gates": own_cell(Gates),
    "normalised": own_cell(Normalised),
    "sliced": own_cell(Sliced),
    "leaky": own_cell(Leaky),
    "peephole LSTM": recorded(own_cell(PeepholeLSTM, lambda: (zeros(), zeros()))),
    "minimal gated": recorded(own_cell(MinimalGated)),
    "fast weights": recorded(own_cell(FastWeights, lambda: (zeros(), tr.zeros(N, H, H, dtype="float64")))),
    "peephole, recorded": recorded(peephole),
    "gates, recorded": recorded(own_cell(Gates)),
    "LSTM, recorded": recorded(CELLS["LSTM"]),
    "language model, recorded": recorded(language_model),
    "scalars": scalars,
    "no time": no_time,
    "awkward names": awkward_names,
    "mse": after_rnn(lambda y, steps: nn.mse(y, numbers(*y.shape, seed=7))),
    "mse, masked": after_rnn(lambda y, steps: nn.mse(y, numbers(*y.shape, seed=7), mask=mask(y)[..., None])),
    "mae": after_rnn(lambda y, steps: nn.mae(y, numbers(*y.shape, seed=7))),
    "huber": after_rnn(lambda y, steps: nn.huber(y, numbers(*y.shape, seed=7), delta=0.5)),
    "binary cross entropy": after_rnn(lambda y, steps: nn.binary_cross_entropy(y, (numbers(*y.shape) > 0).astype(float))),
    "cross entropy": after_rnn(lambda y, steps: nn.cross_entropy(y, integers(steps, N))),
    "cross entropy, masked": after_rnn(lambda y, steps: nn.cross_entropy(y, integers(steps, N), mask=mask(y))),
    "cross entropy, smoothed": after_rnn(
        lambda y, steps: nn.cross_entropy(y, integers(steps, N), label_smoothing=0.1, weights=np.arange(1.0, 5.0))
    ),
    "cross entropy, last step": after_rnn(lambda y, steps: nn.cross_entropy(y[-1], integers(N))),
    "mean over time": after_rnn(lambda y, steps: tr.sum(tr.mean(y, axis=0) ** 2)),
    "largest over time": after_rnn(lambda y, steps: tr.sum(tr.max(y, axis=0) ** 2)),
    "norm": after_rnn(lambda y, steps: tr.norm(y)),
    "softmax": after_rnn(lambda y, steps: tr.sum(tr.softmax(y) ** 2)),
}


class Clockwork(nn.Module):
    """A slow part that moves at every second step only: product number 0 is another one at odd steps (Koutník et al. 2014)."""

    def __init__(self):
        self.V, self.R, self.W, self.U = parameter(D, H), parameter(H, H), parameter(D, H), parameter(2 * H, H)

    def forward(self, x, state, t):
        h, s = state
        if t % 2 == 0:
            (s,) = tr.named(s=tr.tanh(x @ self.V + s @ self.R))
        (h,) = tr.named(h=tr.tanh(x @ self.W + tr.concatenate(h, s, axis=-1) @ self.U))
        return h, s


def clockwork(steps):
    cell, x, state = Clockwork(), sequence(steps), (zeros(), zeros())
    for t in range(steps):
        with tr.step(t):
            state = cell(x[t], state, t)
    return tr.mean(state[0] * state[0])


def many_inputs(steps):
    """More unnamed inputs than there are letters for, each at another step, and of another shape."""
    W, loss = parameter(1, H, name="W"), tr.tensor(np.array(0.0))
    for t in range(7):
        with tr.step(2 * t):
            loss = loss + tr.sum(tr.tanh(tr.tensor(numbers(t + 1, 1)) @ W) ** 2)
    return loss


IRREGULAR = {  # their equations hold for the length at which they were derived
    "cut in the middle": cut_in_the_middle,
    "sliding window": sliding_window,
    "attention over the past": attention_over_the_past,
    "leaps": leaps,
    "clockwork": clockwork,
    "many inputs": many_inputs,
}
