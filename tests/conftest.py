"""What all tests share: one thread per worker, a fresh default device, and the stand-in for CuPy."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported: the workers share the processors

import importlib
import sys
from pathlib import Path

import pytest

from tinyrnn import backend

STAND_IN = Path(__file__).parent / "fake_cupy"


def forget_cupy(monkeypatch):
    """No CuPy imported, no default device, no seed: as after `import tinyrnn`; undone at the end of the test."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("cupy", "cupyx")]:
        monkeypatch.delitem(sys.modules, name)
    libraries = {kind: library for kind, library in backend._LIBRARIES.items() if library.__name__ == "numpy"}
    monkeypatch.setattr(backend, "_LIBRARIES", libraries)
    for name, value in {"_default": None, "_generators": {}, "_seed": None}.items():
        monkeypatch.setattr(backend, name, value)
    monkeypatch.delenv("TINYRNN_DEVICE", raising=False)


@pytest.fixture
def fake_cupy(monkeypatch):
    """The stand-in for CuPy, with two GPUs; no trace of it is left after the test."""
    forget_cupy(monkeypatch)
    monkeypatch.syspath_prepend(str(STAND_IN))
    yield importlib.import_module("cupy")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("cupy", "cupyx")]:
        del sys.modules[name]
