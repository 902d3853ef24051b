"""What of tinyrnn works here: versions, devices, the engine that paints, and what to install for what does not."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from . import backend

# package, what it is for, how to get it
OPTIONAL = (
    ("matplotlib", "plots", 'pip install "tinyrnn[plots]"'),
    ("safetensors", "saved models", 'pip install "tinyrnn[io]"'),
    ("torch", "models from and to PyTorch", "pip install torch"),
    ("keras", "models from and to Keras", 'pip install "tinyrnn[keras]"'),
    ("onnx", "models from and to ONNX", 'pip install "tinyrnn[onnx]"'),
)


def examine() -> Iterator[tuple[str, bool, str]]:
    """What there is, one thing after another: its name, whether it is there, and its version, or how to get it."""
    yield "tinyrnn", True, f"{version_of('tinyrnn') or 'not installed, run from its folder'}"
    yield "Python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    yield "numpy", True, str(version_of("numpy"))
    yield "default device", *_default_device()
    yield "GPUs (cupy)", *_gpus()
    yield "svg, html", True, "written by tinyrnn itself"
    yield "pdf, png", *_painter()
    for package, purpose, command in OPTIONAL:
        found = version_of(package)
        yield package, bool(found), f"{found}, for {purpose}" if found else f"{command}, for {purpose}"


def version_of(package: str) -> str | None:
    """The version of an installed package; None if it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _default_device() -> tuple[bool, str]:
    try:
        return True, str(backend.default_device())
    except backend.DeviceError as error:
        return False, str(error)


def _gpus() -> tuple[bool, str]:
    try:
        cupy = backend.library("cuda")
        return True, f"cupy {cupy.__version__}: {cupy.cuda.runtime.getDeviceCount()}"
    except backend.DeviceError as error:
        return False, str(error)


def _painter() -> tuple[bool, str]:
    """Which Graphviz paints."""
    dot = shutil.which("dot")
    if dot:
        try:
            answer = subprocess.run([dot, "-V"], capture_output=True, text=True, timeout=20).stderr.strip()
        except (OSError, subprocess.TimeoutExpired) as error:
            return False, f"{dot} does not run: {error}"
        return True, f"{dot}, {answer or 'of unknown version'}"
    if find_spec("pygraphviz"):
        return True, f"pygraphviz {version_of('pygraphviz')}"
    return False, 'pip install "tinyrnn[demos]" brings Graphviz along as pygraphviz; or install Graphviz\'s own `dot`'
