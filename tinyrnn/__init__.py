"""tinyrnn: recurrent networks whose backpropagation through time is autograd, seen, explained and trained."""

from . import bptt, data, io, nn, ops, optim
from .autodiff import grad
from .backend import Device, DeviceError, manual_seed, use
from .gradcheck import gradcheck
from .graph import detect_anomaly, named, no_grad, recording, scope, step, unchain
from .ops import *
from .tape import Graph, tape
from .tensor import Parameter, Tensor, from_dlpack, ones, randn, tensor, zeros

__all__ = [
    "Device",
    "DeviceError",
    "Graph",
    "Parameter",
    "Tensor",
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
    "unchain",
    "use",
    "zeros",
]
__all__ += ops.__all__
