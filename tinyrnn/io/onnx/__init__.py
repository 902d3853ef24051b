"""ONNX, the format that other programs exchange models in: out with `save`, in with `load`."""

from .reading import load

__all__ = ["load"]
