"""tinyrnn on CuPy and a real GPU: the checks that `test_cupy.py` runs on the stand-in, and what only a GPU can show."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, optim

from ..device_checks import *  # noqa: F403

cupy = pytest.importorskip("cupy", reason="these tests need CuPy: pip install 'tinyrnn[cuda12]' or 'tinyrnn[cuda13]'")


def gpus() -> int:
    try:
        return cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(gpus() == 0, reason="these tests need an NVIDIA GPU and its driver")]


@pytest.fixture(params=range(2))
def device(request):
    if request.param >= max(1, gpus()):
        pytest.skip("there is one GPU only")
    return f"cuda:{request.param}"


@pytest.fixture(autouse=True)
def wait():
    """An asynchronous fault belongs to the test that caused it."""
    yield
    cupy.cuda.Device().synchronize()


def test_cupy_is_the_real_one():
    assert hasattr(cupy, "RawKernel")
    assert cupy.cuda.runtime.runtimeGetVersion() > 0


def test_dlpack_with_pytorch_shares_memory(device):
    torch = pytest.importorskip("torch", reason="needs PyTorch with CUDA")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    theirs = torch.ones(3, device=device)
    ours = tr.from_dlpack(theirs)
    theirs[0] = 5.0
    torch.cuda.synchronize()
    assert ours.tolist() == [5.0, 1.0, 1.0] and ours.device == tr.Device.parse(device)
    assert torch.from_dlpack(tr.zeros(2, device=device)).device == torch.device(device)


def test_nothing_is_read_back_during_a_training_step(device, monkeypatch):
    """Forward, backward, clipping and update go on without waiting for the GPU."""
    layer, x = nn.LSTM(8, 16).to(device), tr.randn(10, 4, 8, device=device)
    optimiser = optim.Adam(layer.parameters(), lr=1e-3)

    def refuse(array):
        raise AssertionError("an array was read back")

    monkeypatch.setattr(tr.backend, "to_host", refuse)
    (layer(x)[0] ** 2).mean().backward(release=True)
    optim.clip_grad_norm(layer.parameters(), 1.0)
    optimiser.step()


def test_100_000_steps_of_history():
    w = tr.Parameter(tr.tensor(np.array(0.999), device="cuda"))
    h = tr.tensor(np.array(1.0), device="cuda")
    for t in range(100_000):
        with tr.step(t):
            h = h * w
    h.backward(release=True)
    assert w.grad.item() == pytest.approx(100_000 * 0.999**99_999, rel=1e-9)


def test_memory_on_the_gpu_stays_flat():
    layer, x = nn.LSTM(8, 16).to("cuda"), tr.randn(10, 4, 8, device="cuda")
    pool, used = cupy.get_default_memory_pool(), []
    for _ in range(50):
        (layer(x)[0] ** 2).mean().backward()
        for parameter in layer.parameters():
            parameter.grad = None
        used.append(pool.used_bytes())
    assert max(used[5:]) == min(used[5:])
