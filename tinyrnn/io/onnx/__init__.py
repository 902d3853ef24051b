"""ONNX, the format that other programs exchange models in: out with `save`, in with `load`."""

from .reading import Model, load
from .writing import save

__all__ = ["Model", "load", "save"]
