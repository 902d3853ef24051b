"""tinyrnn on the strict stand-in for CuPy, with two GPUs; and what it says when something is missing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import backend, nn

from .conftest import STAND_IN, forget_cupy
from .device_checks import *  # noqa: F403


@pytest.fixture(params=["cuda:0", "cuda:1"])
def device(request, fake_cupy):
    return request.param


# -- the stand-in is strict ----------------------------------------


def test_the_stand_in_refuses_what_cupy_refuses(fake_cupy):
    cupy = fake_cupy
    a = cupy.ones((2, 2))
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(a)
    for mix in (lambda: a + np.ones(2), lambda: np.ones(2) * a, lambda: cupy.add(a, np.ones(2)), lambda: a[np.array([0])]):
        with pytest.raises(TypeError):
            mix()
    with cupy.cuda.Device(1):
        b = cupy.ones((2, 2))
        with pytest.raises(ValueError, match="different from the current device"):
            a + b
    with pytest.raises(ValueError, match="different from the current device"):
        b.sum()
    assert (a.device.id, b.device.id) == (0, 1)
    for missing in ("einsum_path", "apply_along_axis", "nonsense"):
        assert not hasattr(cupy, missing)
    for missing in ("__array_interface__", "tofile", "byteswap"):
        assert not hasattr(a, missing)
    assert not hasattr(cupy.add, "at") and not hasattr(cupy.random.default_rng(0), "bit_generator")
    with pytest.raises(TypeError):
        cupy.sum(a, initial=1.0)
    with pytest.raises(AttributeError):
        a.flags.writeable = True


def test_the_stand_in_returns_0_d_arrays(fake_cupy):
    cupy = fake_cupy
    a = cupy.arange(6.0).reshape(2, 3)
    for scalar in (
        a.sum(),
        cupy.sum(a),
        a.max(),
        a[0, 1],
        a[0, 1] + 1.0,
        cupy.sqrt(a[0, 1]),
        a @ a.T @ cupy.ones(2) @ cupy.ones(2),
    ):
        assert isinstance(scalar, cupy.ndarray) and scalar.shape == ()
    assert a.sum().item() == 15.0 and float(a.sum()) == 15.0


# -- several GPUs ----------------------------------------


def test_two_gpus_and_the_cpu_in_one_history(fake_cupy):
    """The cells of a network on different devices: gradients find their way back."""
    tr.manual_seed(0)
    layers = [nn.RNN(2, 3), nn.RNN(3, 3), nn.Linear(3, 1)]
    x = tr.randn(4, 2, 2)

    def run(places):
        h = x
        for layer, place in zip(layers, places):
            layer.to(place).zero_grad()
            h = layer(h.to(place))
            h = h[0] if isinstance(h, tuple) else h
        loss = (h * h).mean()
        first = tr.grad(loss, [p for layer in layers for p in layer.parameters()], create_graph=True)
        second = sum([(g * g).sum().to("cpu") for g in first], start=tr.tensor(0.0))
        loss.backward(release=False)
        second.backward()
        return [backend.to_host(p.grad.data) for layer in layers for p in layer.parameters()]

    for a, b in zip(run(["cpu"] * 3), run(["cuda:1", "cuda:0", "cpu"])):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-7)


def test_two_gpus_mixed_are_an_error_that_names_both(fake_cupy):
    a, b = tr.ones(2, device="cuda:0"), tr.ones(2, device="cuda:1")
    with pytest.raises(tr.DeviceError, match=r"different devices, cuda:1 and cuda:0: .*tensor\.to\('cuda:1'\)"):
        a + b
    assert (a.to("cuda:1") + b).device == tr.Device("cuda", 1)


def test_no_computation_changes_the_current_gpu(fake_cupy):
    layer = nn.LSTM(2, 3).to("cuda:1")
    loss = (layer(tr.ones(3, 1, 2, device="cuda:1"))[0] ** 2).sum()
    loss.backward()
    walk = tr.autodiff.shares(loss, tr.ones(device="cuda:1").data)
    next(walk)
    walk.close()
    assert fake_cupy.cuda.runtime.getDevice() == 0


def test_seeds_differ_between_devices_and_repeat_on_each(fake_cupy):
    tr.manual_seed(1)
    first = {d: tr.randn(4, device=d).tolist() for d in ("cpu", "cuda:0", "cuda:1")}
    assert first["cpu"] != first["cuda:0"]  # the generators of the two libraries differ
    tr.manual_seed(1)
    assert {d: tr.randn(4, device=d).tolist() for d in ("cuda:1", "cpu", "cuda:0")} == first


def test_random_state_is_saved_with_gpus_in_use(fake_cupy):
    tr.manual_seed(1)
    tr.randn(4, device="cuda")
    tr.randn(4)
    state = backend.random_state()
    expected = tr.randn(3).tolist()
    backend.set_random_state(state)
    assert tr.randn(3).tolist() == expected


# -- the default device ----------------------------------------


def test_use_as_a_statement_and_as_a_context(fake_cupy):
    tr.use("cuda:1")
    with tr.use("cpu") as device:
        assert device == backend.default_device() == tr.Device("cpu")
    assert backend.default_device() == tr.Device("cuda", 1)


def test_use_ends_with_an_exception(fake_cupy):
    with pytest.raises(KeyError), tr.use("cuda:1"):
        raise KeyError
    assert backend.default_device() == tr.Device("cpu")


# -- what is missing ----------------------------------------


def test_use_without_cupy(monkeypatch):
    forget_cupy(monkeypatch)
    monkeypatch.setitem(sys.modules, "cupy", None)
    for ask in (lambda: tr.use("cuda"), lambda: tr.zeros(2, device="cuda"), lambda: tr.tensor(1.0).to("cuda:0")):
        with pytest.raises(tr.DeviceError, match=r"needs CuPy.*pip install 'tinyrnn\[cuda12\]'"):
            ask()
    with pytest.raises(tr.DeviceError, match="needs CuPy"):
        nn.Linear(2, 2).to("cuda")
    assert tr.zeros(2).device == tr.Device("cpu")


def test_use_without_a_gpu(fake_cupy, monkeypatch):
    monkeypatch.setattr(fake_cupy.cuda.runtime, "getDeviceCount", lambda: 0)
    with pytest.raises(tr.DeviceError, match="'cuda:0' is not there: this machine's GPUs are none"):
        tr.use("cuda")


def test_use_without_a_driver(fake_cupy, monkeypatch):
    def count():
        raise fake_cupy.cuda.runtime.CUDARuntimeError("cudaErrorInsufficientDriver")

    monkeypatch.setattr(fake_cupy.cuda.runtime, "getDeviceCount", count)
    with pytest.raises(tr.DeviceError, match=r"needs an NVIDIA GPU and its driver.*cudaErrorInsufficientDriver"):
        tr.use("cuda")


def test_a_gpu_that_is_not_there(fake_cupy):
    with pytest.raises(tr.DeviceError, match="'cuda:2' is not there: this machine's GPUs are cuda:0, cuda:1"):
        tr.use("cuda:2")
    module = nn.Linear(2, 2)
    with pytest.raises(tr.DeviceError, match="'cuda:7' is not there"):
        module.to("cuda:7")
    assert {p.device for p in module.parameters()} == {tr.Device("cpu")}


@pytest.mark.parametrize("spec", ["gpu", "cuda:", "cuda:x", "cpu:1", "", 0, None])
def test_what_is_no_device(spec):
    with pytest.raises(tr.DeviceError, match="expected 'cpu', 'cuda' or 'cuda:1'"):
        tr.backend.Device.parse(spec)


# -- TINYRNN_DEVICE ----------------------------------------


def run_with(device, source, path=STAND_IN):
    environment = {
        **os.environ,
        "TINYRNN_DEVICE": device,
        "PYTHONPATH": os.pathsep.join(map(str, [path, Path(tr.__file__).parents[1]])),
    }
    return subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, timeout=60)


def test_the_environment_chooses_the_default_device():
    source = "import tinyrnn as tr; from tinyrnn import nn; print(tr.zeros(1).device, nn.Linear(1, 1).W.device)"
    assert run_with("cuda:1", source).stdout.split() == ["cuda:1", "cuda:1"]
    assert run_with("cpu", source).stdout.split() == ["cpu", "cpu"]
    assert run_with("", source).stdout.split() == ["cpu", "cpu"]


def test_the_environment_names_a_device_that_is_not_there():
    done = run_with("cuda:5", "import tinyrnn as tr; tr.zeros(1)")
    assert done.returncode == 1 and "DeviceError: device 'cuda:5' is not there" in done.stderr
    done = run_with("cuda", "import sys; sys.modules['cupy'] = None; import tinyrnn as tr; tr.zeros(1)")
    assert done.returncode == 1 and "needs CuPy" in done.stderr


def test_use_overrides_the_environment():
    source = "import tinyrnn as tr; tr.use('cpu'); print(tr.zeros(1).device); tr.use('cuda'); print(tr.zeros(1).device)"
    assert run_with("cuda:1", source).stdout.split() == ["cpu", "cuda:0"]


def test_cupy_is_imported_only_when_asked_for():
    source = "import sys, tinyrnn as tr; tr.zeros(1); print('cupy' in sys.modules); tr.use('cuda'); print('cupy' in sys.modules)"
    assert run_with("", source).stdout.split() == ["False", "True"]
