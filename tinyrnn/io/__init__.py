"""Weights in and out: files of tinyrnn's own, and the layers of other frameworks."""

import importlib
from typing import TYPE_CHECKING, Any

from .checkpoint import configuration, load, metadata, save
from .keras import from_keras, to_keras
from .pytorch import from_torch, to_torch

if TYPE_CHECKING:
    from . import onnx

__all__ = ["configuration", "from_keras", "from_torch", "load", "metadata", "onnx", "save", "to_keras", "to_torch"]


def __getattr__(name: str) -> Any:
    """`io.onnx` is loaded when it is first asked for: its table of operators takes longer than all else here."""
    if name == "onnx":
        return importlib.import_module(".onnx", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
