"""The primitives by kind, and what is composed from them."""

from .compare import argmax, equal, greater, greater_equal, less, less_equal, not_equal, sign
from .composed import (
    clip,
    dropout,
    expand_dims,
    flip,
    gelu,
    leaky_relu,
    log_softmax,
    logsumexp,
    mean,
    norm,
    one_hot,
    pad,
    softmax,
    softplus,
    squeeze,
    var,
)
from .elementwise import (
    abs,
    add,
    cast,
    detach,
    div,
    exp,
    log,
    logaddexp,
    maximum,
    minimum,
    move,
    mul,
    neg,
    pow,
    relu,
    sigmoid,
    sqrt,
    sub,
    tanh,
    where,
)
from .indexing import getitem, index, put
from .join import concatenate, split, stack, total, unstack
from .linalg import matmul
from .reduce import max, min, sum
from .shape import broadcast_to, reshape, sum_to, transpose

__all__ = [name for name in dir() if not name.startswith("_") and name not in {
    "compare", "composed", "elementwise", "indexing", "join", "linalg", "reduce", "shape"}]
