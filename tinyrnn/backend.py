"""Which array library computes, NumPy or CuPy: devices, random generators, and the way to and from the host.

Computation follows the data: `namespace` looks at the arrays and answers with the library that made them.
The default device, set by `use` or by the environment variable TINYRNN_DEVICE, decides only where *new* arrays
are made.  CuPy is imported the first time somebody asks for a GPU, never before.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy

INSTALL_CUPY = "install CuPy for your CUDA version: pip install 'tinyrnn[cuda12]' or pip install 'tinyrnn[cuda13]'"

# glibc gives a freed large block back to the system and faults its pages in again at the next allocation, which
# doubles the time of a training step.  Freeing one block of 31 MB makes it keep blocks up to that size.
numpy.empty(31 << 20, numpy.uint8)


class DeviceError(RuntimeError):
    """A device that is not there, or arrays of two devices in one operation."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where an array lives: ``cpu``, or ``cuda`` with the number of the GPU.

    Examples
    --------
    >>> Device.parse("cpu")
    Device('cpu')
    >>> Device.parse("cuda:1").index
    1
    """

    kind: str
    index: int = 0

    @classmethod
    def parse(cls, spec: str | Device) -> Device:
        """The device that ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` names."""
        if isinstance(spec, Device):
            return spec
        kind, colon, index = spec.partition(":") if isinstance(spec, str) else ("", "", "")
        if kind not in ("cpu", "cuda") or (colon and not index.isdecimal()) or (kind == "cpu" and index not in ("", "0")):
            raise DeviceError(f"unknown device {spec!r}: expected 'cpu', 'cuda' or 'cuda:1'")
        return cls(kind, int(index or 0))

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"

    def __repr__(self) -> str:
        return f"Device({str(self)!r})"


CPU = Device("cpu")
_SCALARS = (numpy.float32, numpy.float64, numpy.int64, numpy.bool_)  # what NumPy returns in place of 0-d arrays
_LIBRARIES: dict[type, Any] = dict.fromkeys((numpy.ndarray, *_SCALARS), numpy)  # array type -> its library


def _cupy() -> Any:
    """CuPy, imported on demand, with at least one GPU behind it."""
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(f"device 'cuda' needs CuPy, which cannot be imported ({error}); {INSTALL_CUPY}") from None
    _LIBRARIES.setdefault(cupy.ndarray, cupy)
    return cupy


def _gpu_count(cupy: Any) -> int:
    try:
        return cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise DeviceError(
            f"device 'cuda' needs an NVIDIA GPU and its driver; CuPy {cupy.__version__} found none ({error})"
        ) from None


def available(device: str | Device) -> Device:
    """The device itself, once it is known to be there."""
    device = Device.parse(device)
    if device.kind == "cuda":
        count = _gpu_count(_cupy())
        if device.index >= count:
            there = ", ".join(f"cuda:{i}" for i in range(count)) or "none"
            raise DeviceError(f"device '{device}' is not there: this machine's GPUs are {there}")
    return device


def library(device: str | Device) -> Any:
    """The module, `numpy` or `cupy`, that computes on a device."""
    return numpy if Device.parse(device).kind == "cpu" else _cupy()


def namespace(arrays: Any) -> Any:
    """The module whose functions accept these arrays; Python numbers alone follow the default device."""
    for array in arrays:
        xp = _LIBRARIES.get(type(array))
        if xp is not None:
            return xp
    for array in arrays:
        if hasattr(array, "dtype"):
            return _cupy() if type(array).__module__.partition(".")[0] == "cupy" else numpy
    return library(default_device())


def is_array(a: Any) -> bool:
    """Is it an array, or a number, of NumPy or CuPy?"""
    return (
        isinstance(a, (numpy.ndarray, numpy.generic)) or type(a) in _LIBRARIES or type(a).__module__.partition(".")[0] == "cupy"
    )


def device_of(array: Any) -> Device:
    """The device an array lives on; Python and NumPy numbers count as being on the CPU."""
    if isinstance(array, tuple):
        return device_of(array[0])
    return CPU if namespace((array,)) is numpy else Device("cuda", array.device.id)


def active(device: Device) -> Any:
    """A context in which CuPy's functions run on that GPU; nothing to do on the CPU."""
    return nullcontext() if device.kind == "cpu" else _cupy().cuda.Device(device.index)


class following:
    """A context in which the current GPU is the one of the array that `follow` saw last."""

    def __init__(self) -> None:
        self.in_use = len(set(map(id, _LIBRARIES.values()))) > 1  # else there is nothing to follow
        self._device, self._active = CPU, active(CPU)

    def __enter__(self) -> following:
        return self

    def follow(self, array: Any) -> None:
        """Compute where this array is from now on."""
        device = device_of(array)
        if device != self._device:
            self._active.__exit__(None, None, None)
            self._device, self._active = device, active(device)
            self._active.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self._active.__exit__(*exception)


def common_device(arrays: Any) -> Device:
    """The one device of all these arrays; Python numbers follow any.  Mixed devices are an error that names them."""
    found = {device_of(a) for a in arrays if getattr(a, "shape", None) is not None and not isinstance(a, numpy.generic)}
    if len(found) > 1:
        a, b = sorted(map(str, found), reverse=True)[:2]
        raise DeviceError(f"arguments are on different devices, {a} and {b}: move one of them, e.g. with tensor.to({a!r})")
    return found.pop() if found else default_device()


# -- the default device ------------------------------------------------------------------------------------------

_default: Device | None = None


class use:
    """Make new arrays on another device from now on; as a context manager, until the block ends.

    Parameters
    ----------
    device : str or Device
        ``"cpu"``, ``"cuda"`` or, of several GPUs, ``"cuda:1"``.

    Raises
    ------
    DeviceError
        If CuPy is not installed or the GPU is not there; the message says which, and how to get it.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> with tr.use("cpu"):
    ...     tr.zeros(2).device
    Device('cpu')
    """

    def __init__(self, device: str | Device) -> None:
        global _default
        self.device, self._before = available(device), default_device()
        _default = self.device

    def __enter__(self) -> Device:
        return self.device

    def __exit__(self, *exception: object) -> None:
        global _default
        _default = self._before


def default_device() -> Device:
    """Where new arrays are made: what `use` said last, else TINYRNN_DEVICE, else the CPU."""
    global _default
    if _default is None:
        _default = available(os.environ.get("TINYRNN_DEVICE") or "cpu")
    return _default


# -- to and from the host ----------------------------------------------------------------------------------------


def asarray(data: Any, dtype: Any = None, device: str | Device | None = None, copy: bool | None = None) -> Any:
    """`data` as an array on `device` (default: where an array already is, else the default device).

    Python floats and ints become float32, Python bools stay bools, arrays keep their dtype.
    """
    numbers = data
    if not is_array(data):
        try:
            numbers = numpy.asarray(data)
        except ValueError:  # lists of different lengths
            numbers = numpy.asarray(data, dtype=object)
        device = default_device() if device is None else device
    if numbers.dtype.kind not in "biuf":
        raise TypeError(f"cannot make numbers of {data!r:.80}: expected numbers or nested lists of one length")
    if not hasattr(data, "dtype") and numbers.dtype.kind != "b":
        numbers = numbers.astype(numpy.float32 if dtype is None else dtype)
    target = device_of(numbers) if device is None else available(device)
    numbers = to_device(numbers, target)
    with active(target):
        xp = library(target)
        return xp.array(numbers, dtype=dtype) if copy else xp.asarray(numbers, dtype=dtype)


def copy(array: Any) -> Any:
    """The same numbers in memory of their own."""
    with active(device_of(array)):
        return namespace((array,)).array(array)


def protect(array: Any, protected: bool) -> None:
    """Make a NumPy array read-only, so that it changes through `writable` alone; CuPy has no such flag."""
    if isinstance(array, numpy.ndarray):
        array.flags.writeable = not protected


def read_only_view(array: Any) -> Any:
    """The same memory under a NumPy array that cannot be written to; a CuPy array as it is."""
    if not isinstance(array, numpy.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def is_read_only_view(array: Any) -> bool:
    """Does the array show memory that belongs to another one, and may not change?"""
    return isinstance(array, numpy.ndarray) and array.base is not None and not array.flags.writeable


def writable(array: Any) -> Any:
    """The same memory, writable, even if the array is protected."""
    if not isinstance(array, numpy.ndarray) or array.flags.writeable:
        return array
    array.flags.writeable = True
    view = array.view()
    array.flags.writeable = False
    return view


def to_device(array: Any, device: str | Device) -> Any:
    """The array itself if it is there already, else a copy on that device."""
    device = Device.parse(device)
    if device_of(array) == device:
        return array
    if device.kind == "cpu":
        return to_host(array)
    cupy = library(available(device))
    with active(device):
        return cupy.asarray(array)


def to_host(array: Any) -> numpy.ndarray:
    """The numbers as a NumPy array."""
    return numpy.asarray(array) if namespace((array,)) is numpy else array.get()


def norm(*arrays: Any) -> float:
    """The Frobenius norm of some arrays taken together; 0 of none.

    No square over- or underflows on the way: the norm of a gradient is 0 only if all of it is.
    """
    parts = [to_host(array).astype(float).ravel() for array in arrays]
    numbers = numpy.concatenate(parts) if parts else numpy.zeros(0)
    largest = float(abs(numbers).max(initial=0.0))
    return largest * float(numpy.linalg.norm(numbers / largest)) if 0 < largest < numpy.inf else largest


# -- random numbers ----------------------------------------------------------------------------------------------

_generators: dict[Device, Any] = {}
_seed: int | None = None


def manual_seed(seed: int) -> None:
    """Seed the random generator of every device: same seed, same device, same numbers.

    Examples
    --------
    >>> manual_seed(0)
    >>> a = generator("cpu").random(3)
    >>> manual_seed(0)
    >>> bool((generator("cpu").random(3) == a).all())
    True
    """
    global _seed
    if not isinstance(seed, (int, numpy.integer)) or seed < 0:
        raise ValueError(f"manual_seed({seed!r}): a seed is an integer from 0")
    _seed = int(seed)
    _generators.clear()


def generator(device: str | Device | None = None) -> Any:
    """The random generator of a device (``numpy.random.Generator`` or its CuPy counterpart)."""
    device = default_device() if device is None else Device.parse(device)
    if device not in _generators:
        with active(device):
            _generators[device] = library(device).random.default_rng(_seed)
    return _generators[device]


def random_state() -> dict[str, Any]:
    """The state of the CPU's generator: plain numbers, to be saved with a checkpoint.

    The generators of GPUs cannot be read; `set_random_state` seeds them anew.
    """
    return {"cpu": generator(CPU).bit_generator.state, "seed": _seed}


def set_random_state(state: dict[str, Any]) -> None:
    """Go on from where `random_state` was taken."""
    global _seed
    _generators.clear()
    _seed = state["seed"]
    generator(CPU).bit_generator.state = state["cpu"]
