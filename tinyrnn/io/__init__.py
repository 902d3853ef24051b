"""Weights in and out: files of tinyrnn's own, and the layers of other frameworks."""

from . import onnx
from .checkpoint import configuration, load, metadata, save
from .keras import from_keras, to_keras
from .pytorch import from_torch, to_torch

__all__ = ["configuration", "from_keras", "from_torch", "load", "metadata", "onnx", "save", "to_keras", "to_torch"]
