"""tinyrnn: recurrent networks whose backpropagation through time is autograd, seen, explained and trained."""

from .autodiff import grad
from .backend import Device, DeviceError, manual_seed, use
from .gradcheck import gradcheck
from .graph import detect_anomaly, named, no_grad, recording, scope, step, unchain
from .ops import *  # noqa: F403
from .tape import Graph, tape
from .tensor import Parameter, Tensor, from_dlpack, ones, randn, tensor, zeros
