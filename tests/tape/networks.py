"""Networks to fold, beside those that are drawn: each maps a number of steps to a loss.  Many use time in an awkward way."""

import numpy as np

import tinyrnn as tr
from tinyrnn import nn

D, H, N = 3, 4, 2
NETWORKS = {}


def network(loss):
    """Enter a network under its name, in words."""
    NETWORKS[loss.__name__.replace("_", " ")] = loss
    return loss


def sequence(steps, size=D):
    return tr.tensor(np.random.default_rng(0).normal(size=(steps, N, size)).astype("float32"), name="x")


def state(name="h"):
    return tr.tensor(np.full((N, H), 0.3, "float32"), name=name)


def squares(hs):
    y = tr.stack(hs)
    return tr.mean(y * y)


def last_state(layer, steps):
    """A loss of the last state alone: nothing but what comes back from later steps arrives at the others."""
    y, _ = layer(sequence(steps))
    return tr.sum(y[-1] * y[-1])


NETWORKS["last state"] = lambda steps: last_state(nn.LSTM(D, H), steps)
NETWORKS["last state, both ways"] = lambda steps: last_state(nn.LSTM(D, H, 2, bidirectional=True), steps)

CELLS = {
    "peephole LSTM": lambda: nn.PeepholeLSTMCell(D, H),
    "LSTM with projection": lambda: nn.LSTMCell(D, H, proj_size=2),
    "layer-normalised LSTM": lambda: nn.LayerNormLSTMCell(D, H),
    "layer-normalised GRU": lambda: nn.LayerNormGRUCell(D, H),
    "MGU": lambda: nn.MGUCell(D, H),
    "IRNN": lambda: nn.IRNNCell(D, H),
    "variational dropout": lambda: nn.VariationalDropout(nn.GRUCell(D, H), 0.2, 0.3),
    "zoneout": lambda: nn.Zoneout(nn.LSTMCell(D, H), (0.2, 0.4)),
    "weight drop": lambda: nn.WeightDrop(nn.LSTMCell(D, H), 0.4),
    "all wrappers": lambda: nn.Zoneout(nn.VariationalDropout(nn.WeightDrop(nn.RNNCell(D, H), 0.4), 0.2, 0.3), 0.1),
}
for _name, _cell in CELLS.items():
    NETWORKS[_name] = lambda steps, cell=_cell: last_state(nn.Recurrent(cell()), steps)


NETWORKS["last step of each"] = lambda steps: tr.sum(
    nn.Residual(nn.RNNCell(D, D), return_sequences=False, return_state=False)(sequence(steps), lengths=[steps, 1]) ** 2
)


def in_a_loop(body):
    """A loop of one's own around `body(cell, x_t, h, t, hs)`, with a loss of all states."""

    def loss(steps):
        cell, x, h, hs = nn.RNNCell(D, H), sequence(steps), state(), []
        for t in range(steps):
            with tr.step(t):
                h = body(cell, x[t], h, t, hs)
                hs.append(h)
        return squares(hs)

    return loss


@network
def no_steps(steps):
    """A loop that does not say what time it is."""
    cell, x, h = nn.RNNCell(D, H), sequence(steps), state()
    for t in range(steps):
        h = cell(x[t], h)
    return tr.sum(h * h)


@network
def loss_after_each_step(steps):
    """The loss is added up outside of `step`."""
    cell, x, h, loss = nn.RNNCell(D, H), sequence(steps), state(), 0.0
    for t in range(steps):
        with tr.step(t):
            h = cell(x[t], h)
        loss = loss + tr.sum(h * h)
    return loss


@network
def loss_after_the_loop(steps):
    """The loss is added up by a loop of its own."""
    y, _ = nn.RNN(D, H)(sequence(steps))
    loss = 0.0
    for h in tr.unstack(y):
        loss = loss + tr.sum(h * h)
    return loss


@network
def scores_after_the_loop(steps):
    """Scores of all states at once, and then a loss for each, outside of all steps."""
    y, _ = nn.RNN(D, H)(sequence(steps))
    scores, labels, loss = nn.Linear(H, 5)(y), np.random.default_rng(1).integers(5, size=(steps, N)), 0.0
    for t in range(steps):
        loss = loss + nn.cross_entropy(scores[t], labels[t])
    return loss


@network
def loss_from_the_end(steps):
    """The loss is added up from the last step to the first."""
    cell, x, h, hs, loss = nn.RNNCell(D, H), sequence(steps), state(), [], 0.0
    for t in range(steps):
        with tr.step(t):
            h = cell(x[t], h)
            hs.append(h)
    for h in reversed(hs):
        loss = tr.tanh(loss + tr.sum(h * h))
    return loss


@network
def centred_after_the_loop(steps):
    """What is computed from all steps goes into a second pass over them."""
    cell, x, h, hs, loss = nn.RNNCell(D, H), sequence(steps), state(), [], 0.0
    for t in range(steps):
        with tr.step(t):
            h = cell(x[t], h)
            hs.append(h)
    centre = tr.mean(tr.stack(hs), axis=0)
    for h in hs:
        loss = loss + tr.sum((h - centre) ** 2)
    return loss


@network
def between_the_steps(steps):
    """Part of the recurrence runs outside of `step`."""
    cell, x, h = nn.RNNCell(D, H), sequence(steps), state()
    for t in range(steps):
        with tr.step(t):
            h = cell(x[t], h)
        h = h * 0.5
    return tr.sum(h * h)


@network
def prepared_inputs(steps):
    """The inputs are computed before the loop, step by step, in a list."""
    cell, sequence_, h = nn.RNNCell(D, H), sequence(steps), state()
    embedded = [tr.tanh(sequence_[t] * 2.0) for t in range(steps)]
    for t in range(steps):
        with tr.step(t):
            h = cell(embedded[t], h)
    return tr.sum(h * h)


@network
def listed_inputs(steps):
    """Inputs and targets are lists of arrays."""
    rng = np.random.default_rng(1)
    cell, h, loss = nn.RNNCell(D, H), state(), 0.0
    for t in range(steps):
        x, y = (rng.normal(size=(N, size)).astype("float32") for size in (D, H))
        with tr.step(t):
            h = cell(x, h)
            (e,) = tr.named(e=h - y)
            loss = loss + tr.sum(e * e)
    return loss


@network
def learnt_inputs(steps):
    """A parameter for each step, and gradients for them all."""
    cell, h = nn.RNNCell(D, H), state()
    inputs = [tr.Parameter(np.full((N, D), 0.1, "float32"), name=f"x{t}") for t in range(steps)]
    for t in range(steps):
        with tr.step(t):
            h = cell(inputs[t], h)
    return tr.sum(h * h)


@network
def gradient_of_the_input(steps):
    """The sequence itself is trained."""
    x = tr.Parameter(np.full((steps, N, D), 0.1, "float32"), name="x")
    y, _ = nn.GRU(D, H)(x)
    return tr.mean(y * y)


@network
def same_layer_twice(steps):
    """One layer, two runs through time, the second from where the first ended."""
    rnn, x = nn.RNN(D, H), sequence(steps)
    _, h = rnn(x)
    y, _ = rnn(x, h)
    return tr.mean(y * y)


@network
def decoder_of_half_the_length(steps):
    """Two time axes of different lengths; the second begins with the last state of the first."""
    encoder, decoder, x, h = nn.RNNCell(D, H), nn.RNNCell(H, H), sequence(steps), state()
    for t in range(steps):
        with tr.step(t):
            h = encoder(x[t], h)
    y, ys = h, []
    for t in range((steps + 1) // 2):
        with tr.step(t):
            y = decoder(y, y)
            ys.append(y)
    return squares(ys)


@network
def decoder_that_sees_the_last_state(steps):
    """Each step of the decoder reads the last state of the encoder; the decoder is longer."""
    encoder, decoder = nn.RNNCell(D, H), nn.RNNCell(H, H)
    x, h, s, ss = sequence(steps), state(), state("s"), []
    for t in range(steps):
        with tr.step(t):
            h = encoder(x[t], h)
    for t in range(steps + 2):
        with tr.step(t):
            s = decoder(h, s)
            ss.append(s)
    return squares(ss)


@network
def decoder_in_reverse(steps):
    """The decoder reads the encoder's states from the last to the first."""
    encoder, decoder = nn.RNNCell(D, H), nn.RNNCell(H, H)
    x, h, s, hs = sequence(steps), state(), state("s"), []
    for t in range(steps):
        with tr.step(t):
            h = encoder(x[t], h)
            hs.append(h)
    for t in range(steps):
        with tr.step(t):
            s = decoder(hs[steps - 1 - t], s)
    return tr.sum(s * s)


@network
def two_cells_in_one_loop(steps):
    """A cell used twice in a step, and another one."""
    p, c, x, h, g, hs = nn.RNNCell(D, H), nn.RNNCell(H, H), sequence(steps), state(), state("g"), []
    for t in range(steps):
        with tr.step(t):
            h = c(p(x[t], h), h)
            g = c(h, g)
            hs.append(g)
    return squares(hs)


@network
def skip_of_three(steps):
    """A look three steps back."""
    cell, x, hs = nn.RNNCell(D, H), sequence(steps), [state()] * 3
    for t in range(steps):
        with tr.step(t):
            hs.append(cell(x[t], hs[-1] * 0.5 + hs[-3] * 0.5))
    return squares(hs[3:])


@network
def window(steps):
    """A convolution over time: each step reads three inputs, and a slice of the sequence."""
    cell, x, h, hs = nn.RNNCell(D, H), sequence(steps + 2), state(), []
    for t in range(steps):
        with tr.step(t):
            h = cell(x[t] + x[t + 1] * 0.5 + tr.mean(x[t : t + 3], axis=0), h)
            hs.append(h)
    return squares(hs)


@network
def truncated_once(steps):
    """The gradient is cut in the middle of the sequence."""
    return in_a_loop(lambda cell, x, h, t, hs: cell(x, h.detach() if t == steps // 2 else h))(steps)


@network
def truncated_often(steps):
    """The gradient is cut at every fourth step."""
    return in_a_loop(lambda cell, x, h, t, hs: cell(x, h.detach() if t % 4 == 3 else h))(steps)


@network
def every_third_loss(steps):
    """A loss at some steps only."""
    cell, x, h, loss = nn.RNNCell(D, H), sequence(steps), state(), 0.0
    for t in range(steps):
        with tr.step(t):
            h = cell(x[t], h)
            if t % 3 == 0:
                loss = loss + tr.sum(h * h)
    return loss


@network
def odd_step(steps):
    """One step in the middle does something else."""

    def body(cell, x, h, t, hs):
        if t == steps // 2:
            h = tr.sigmoid(h * 0.5)
        return cell(x, h)

    return in_a_loop(body)(steps)


@network
def two_layers_with_an_odd_step(steps):
    """One step of the lower layer does something else, in a loop for both."""
    lower, upper, x, h, g, gs = nn.GRUCell(D, H), nn.RNNCell(H, H), sequence(steps), state(), state("g"), []
    for t in range(steps):
        with tr.step(t):
            h = lower(x[t], h) if t != steps // 2 else tr.exp(h)
            g = upper(h, g)
            gs.append(g)
    return squares(gs)


@network
def other_weights_halfway(steps):
    """A network that goes on with other weights."""
    first, second, x, h, hs = nn.RNNCell(D, H), nn.RNNCell(D, H), sequence(steps), state(), []
    for t in range(steps):
        with tr.step(t):
            h = (first if t < steps // 2 else second)(x[t], h)
            hs.append(h)
    return squares(hs)


@network
def growing_sum(steps):
    """Each step adds up all states before it."""

    def body(cell, x, h, t, hs):
        return cell(x, h + tr.total(hs) if hs else h)

    return in_a_loop(body)(steps)


@network
def attention_over_the_past(steps):
    """Each step attends to all states before it."""

    def body(cell, x, h, t, hs):
        if not hs:
            return cell(x, h)
        past = tr.stack(hs)
        weights = tr.softmax(tr.sum(past * h, axis=-1), axis=0)
        return cell(x, h + tr.sum(past * weights.expand_dims(2), axis=0))

    return in_a_loop(body)(steps)


@network
def counting(steps):
    """A number that counts the steps, and one that halves at each."""
    return in_a_loop(lambda cell, x, h, t, hs: cell(x * float(t + 1), h) * 0.5**t)(steps)


@network
def masks(steps):
    """Another random mask at each step."""
    rng = np.random.default_rng(1)
    return in_a_loop(lambda cell, x, h, t, hs: cell(x, h) * (rng.random((N, H)) < 0.8).astype("float32"))(steps)


@network
def tokens_in_the_loop(steps):
    """Each symbol is the target at one step and the input at the next."""
    rng = np.random.default_rng(1)
    embedding, cell, scores = nn.Embedding(6, D), nn.GRUCell(D, H), nn.Linear(H, 6)
    text, h, loss = [rng.integers(6, size=N) for _ in range(steps + 1)], state(), 0.0
    for t in range(steps):
        with tr.step(t):
            h = cell(embedding(text[t]), h)
            loss = loss + nn.cross_entropy(scores(h), text[t + 1])
    return loss


@network
def penalty(steps):
    """A loss that has a gradient in it: the backward pass is differentiated."""
    cell, x, h, hs = nn.RNNCell(D, H), sequence(steps), state(), []
    for t in range(steps):
        with tr.step(t):
            h = cell(x[t], h)
            hs.append(h)
    loss = squares(hs)
    g = tr.grad(loss, cell.W_h, create_graph=True)
    return loss + tr.sum(g * g)


@network
def gradient_at_each_step(steps):
    """Each step computes a gradient and goes on with it: learning to learn."""
    cell, x, w, loss = nn.RNNCell(D, H), sequence(steps), state("w"), 0.0
    w.requires_grad = True
    for t in range(steps):
        with tr.step(t):
            error = tr.sum(tr.tanh(w) * cell(x[t], state()))
            (w,) = tr.named(w=w - 0.1 * tr.grad(error, w, create_graph=True))
            loss = loss + error
    return loss


@network
def changed_at_random(steps):
    """At every other step, on average, something else is done to the state."""
    odd = np.random.default_rng(0).random(steps) < 0.5
    return in_a_loop(lambda cell, x, h, t, hs: cell(x, tr.sigmoid(h) if odd[t] else h))(steps)
