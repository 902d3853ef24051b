"""Modules, cells, layers over time, initialisers and losses."""

from . import init
from .cell import Cell, begin
from .cells import GRUCell, LSTMCell, LSTMState, RNNCell
from .layers import Dropout, Embedding, LayerNorm, Linear, Sequential
from .losses import binary_cross_entropy, cross_entropy, huber, mae, mse
from .module import Module
from .recurrent import GRU, LSTM, RNN, Recurrent, unroll

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "Dropout",
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "LSTMState",
    "LayerNorm",
    "Linear",
    "Module",
    "RNNCell",
    "Recurrent",
    "Sequential",
    "begin",
    "binary_cross_entropy",
    "cross_entropy",
    "huber",
    "init",
    "mae",
    "mse",
    "unroll",
]
