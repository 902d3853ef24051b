"""tinyrnn: recurrent networks whose backpropagation through time is autograd, seen, explained and trained."""

from . import bptt, data, io, nn, ops, optim, train
from .autodiff import grad
from .backend import Device, DeviceError, manual_seed, use
from .gradcheck import gradcheck
from .graph import detect_anomaly, named, no_grad, recording, scope, step, unchain
from .ops import *
from .tape import Graph, tape
from .tensor import Parameter, Tensor, from_dlpack, ones, randn, tensor, zeros
from .train import History, Trainer

__all__ = [
    "Device",
    "DeviceError",
    "Graph",
    "History",
    "Parameter",
    "Tensor",
    "Trainer",
    "bptt",
    "data",
    "detect_anomaly",
    "from_dlpack",
    "grad",
    "gradcheck",
    "io",
    "manual_seed",
    "named",
    "nn",
    "no_grad",
    "ones",
    "ops",
    "optim",
    "randn",
    "recording",
    "scope",
    "step",
    "tape",
    "tensor",
    "train",
    "unchain",
    "use",
    "zeros",
]
__all__ += ops.__all__
