"""Encoder-decoders that the tests share: each kind of decoder, with several kinds of cells."""

import numpy as np

import tinyrnn as tr
from tinyrnn import nn

V, W, D, H, S, T, N = 7, 6, 3, 4, 5, 4, 3  # symbols of source and target, sizes, steps, sequences
START, END = 1, 2
LENGTHS = [5, 2, 1]


class Leaky(nn.Module):
    """A cell of a user's own: it says neither how large it is nor how it begins."""

    def __init__(self, inputs, hidden):
        self.W = tr.Parameter(nn.init.glorot(inputs, hidden))
        self.U = tr.Parameter(nn.init.orthogonal(hidden, hidden))

    def forward(self, x, h):
        return 0.9 * h + 0.1 * tr.tanh(x @ self.W + h @ self.U)


def plain():
    """An LSTM hands its state over as it is."""
    encoder = nn.Encoder(nn.Embedding(V, D), nn.LSTM(D, H))
    return nn.Seq2Seq(encoder, nn.Decoder(nn.Embedding(W, D), nn.LSTMCell(D, H), nn.Linear(H, W)))


def bahdanau(cell=nn.GRUCell, *sizes):
    encoder = nn.Encoder(nn.Embedding(V, D), nn.GRU(D, H, bidirectional=True))
    scores, attention = nn.Linear(H + D + 2 * H, W), nn.AdditiveAttention(H, 2 * H, 5)
    decoder = nn.BahdanauDecoder(nn.Embedding(W, D), cell(D + 2 * H, H), scores, attention)
    return nn.Seq2Seq(encoder, decoder, nn.Bridge(2 * H, *(sizes or (H,))))


def luong(score_mode="dot", cell=nn.LSTMCell):
    layer = nn.LSTM(D, H) if cell is nn.LSTMCell else nn.GRU(D, H)
    encoder = nn.Encoder(nn.Embedding(V, D), layer)
    attention, combine = nn.DotAttention(H, score_mode=score_mode), nn.Linear(H + H, 5)
    return nn.Seq2Seq(encoder, nn.LuongDecoder(nn.Embedding(W, D), cell(D + 5, H), nn.Linear(5, W), attention, combine))


MODELS = {
    "plain": plain,
    "Bahdanau": bahdanau,
    "Bahdanau, LSTM": lambda: bahdanau(nn.LSTMCell, H, H),
    "Bahdanau, a user's cell": lambda: bahdanau(Leaky),
    "Luong, dot": luong,
    "Luong, general": lambda: luong("general"),
    "Luong, GRU": lambda: luong(cell=nn.GRUCell),
}


def model_of(kind, dtype="float64", seed=0):
    tr.manual_seed(seed)
    model = MODELS[kind]().to(dtype=dtype)
    for parameter in model.parameters():
        parameter.assign(1.5 * parameter.data)  # so that what it writes depends on what it reads
    return model


def batch(steps=T, seed=0):
    """A source (S, N), padded with 0 after LENGTHS, and a target that begins with START."""
    rng = np.random.default_rng(seed)
    source, target = rng.integers(3, V, size=(S, N)), rng.integers(3, W, size=(steps, N))
    source[np.arange(S)[:, None] >= LENGTHS] = 0
    target[0] = START
    return source, target
