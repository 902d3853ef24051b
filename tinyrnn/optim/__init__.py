"""Optimisers, and clipping of gradients."""

from .clip import clip_grad_norm, clip_grad_value, grad_norm
from .optimizer import Optimizer
from .rules import SGD, Adagrad, Adam, AdamW, RMSprop

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "clip_grad_norm", "clip_grad_value", "grad_norm"]
