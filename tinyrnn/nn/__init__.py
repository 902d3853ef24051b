"""Modules, cells, layers over time, initialisers and losses."""

from . import init
from .cell import Cell, begin
from .cell_variants import IRNNCell, LayerNormGRUCell, LayerNormLSTMCell, MGUCell, PeepholeLSTMCell
from .cells import GRUCell, LSTMCell, LSTMState, RNNCell
from .combine import Bidirectional, Stack
from .layer import Layer, Run
from .layers import Dropout, Embedding, LayerNorm, Linear, Sequential
from .losses import binary_cross_entropy, cross_entropy, huber, mae, mse
from .module import Module
from .over_time import unroll
from .padding import pad_sequence, unpad_sequence
from .recurrent import Recurrent
from .rnn import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "Cell",
    "Dropout",
    "Embedding",
    "GRUCell",
    "IRNNCell",
    "LSTMCell",
    "LSTMState",
    "Layer",
    "LayerNorm",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "Linear",
    "MGUCell",
    "Module",
    "PeepholeLSTMCell",
    "RNNCell",
    "Recurrent",
    "Run",
    "Sequential",
    "Stack",
    "begin",
    "binary_cross_entropy",
    "cross_entropy",
    "huber",
    "init",
    "mae",
    "mse",
    "pad_sequence",
    "unpad_sequence",
    "unroll",
]
