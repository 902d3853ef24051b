"""Modules, cells, layers over time, initialisers and losses."""

from . import init
from .attention import AdditiveAttention, Attention, DotAttention, Memory
from .beam import beam_search
from .cell import Cell, begin
from .cell_variants import IRNNCell, LayerNormGRUCell, LayerNormLSTMCell, MGUCell, PeepholeLSTMCell
from .cells import GRUCell, LSTMCell, LSTMState, RNNCell
from .combine import Bidirectional, Stack
from .decoders import BahdanauDecoder, Decoder, DecoderState, LuongDecoder
from .distributions import Distribution, distribution
from .layer import Layer, Run
from .layers import Dropout, Embedding, LayerNorm, Linear, RepeatVector, Sequential
from .losses import binary_cross_entropy, cross_entropy, huber, mae, mse
from .module import Module
from .over_time import unroll
from .padding import pad_sequence, unpad_sequence
from .recurrent import Recurrent
from .rnn import GRU, LSTM, RNN
from .sampling import generate, sample
from .seq2seq import Bridge, Decoded, Encoder, Seq2Seq
from .skip import Highway, Residual
from .stateful import Stateful
from .truncated import Window, truncated_bptt
from .wrappers import VariationalDropout, WeightDrop, Zoneout

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AdditiveAttention",
    "Attention",
    "BahdanauDecoder",
    "Bidirectional",
    "Bridge",
    "Cell",
    "Decoded",
    "Decoder",
    "DecoderState",
    "Distribution",
    "DotAttention",
    "Dropout",
    "Embedding",
    "Encoder",
    "GRUCell",
    "Highway",
    "IRNNCell",
    "LSTMCell",
    "LSTMState",
    "Layer",
    "LayerNorm",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "Linear",
    "LuongDecoder",
    "MGUCell",
    "Memory",
    "Module",
    "PeepholeLSTMCell",
    "RNNCell",
    "Recurrent",
    "RepeatVector",
    "Residual",
    "Run",
    "Seq2Seq",
    "Sequential",
    "Stack",
    "Stateful",
    "VariationalDropout",
    "WeightDrop",
    "Window",
    "Zoneout",
    "beam_search",
    "begin",
    "binary_cross_entropy",
    "cross_entropy",
    "distribution",
    "generate",
    "huber",
    "init",
    "mae",
    "mse",
    "pad_sequence",
    "sample",
    "truncated_bptt",
    "unpad_sequence",
    "unroll",
]
