"""The package onnx, imported when it is needed."""

from __future__ import annotations

from typing import Any


def onnx_package(what: str) -> Any:
    """The package; if it is missing, an error with the command that installs it."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise ImportError(f"{what} needs the package onnx: pip install 'tinyrnn[onnx]'") from None
    return onnx
