"""Devices: two GPUs, one of them current in each thread."""

from types import SimpleNamespace

from ._array import current


class CUDARuntimeError(RuntimeError):
    pass


def _count():
    return 2


runtime = SimpleNamespace(getDeviceCount=lambda: _count(), getDevice=lambda: current.device, CUDARuntimeError=CUDARuntimeError)


def is_available():
    return runtime.getDeviceCount() > 0


class Device:
    """One GPU; as a context manager, the current one."""

    def __init__(self, device=None):
        self.id = current.device if device is None else int(device)
        self._before = []

    def use(self):
        if not 0 <= self.id < runtime.getDeviceCount():
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        current.device = self.id

    def __enter__(self):
        before = current.device
        self.use()
        self._before.append(before)
        return self

    def __exit__(self, *exception):
        current.device = self._before.pop()

    def synchronize(self):
        pass

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return self.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"
