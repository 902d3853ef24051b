"""Layers from PyTorch and back: the same numbers out of both, every option, and what has no counterpart."""

import sys

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import io, nn

torch = pytest.importorskip("torch", reason="layers are converted from and to PyTorch")

OPTIONS = [
    {},
    {"bias": False},
    {"num_layers": 3, "bidirectional": True, "dropout": 0.25},
    {"num_layers": 2, "batch_first": True},
    {"bidirectional": True, "bias": False, "batch_first": True},
]
KINDS = {
    "RNN": (nn.RNN, torch.nn.RNN, {}),
    "RNN relu": (nn.RNN, torch.nn.RNN, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTM, torch.nn.LSTM, {}),
    "LSTM with projection": (nn.LSTM, torch.nn.LSTM, {"proj_size": 2}),
    "GRU": (nn.GRU, torch.nn.GRU, {}),
}
X = np.random.default_rng(0).normal(size=(4, 5, 3))


def ours_of(layer, dtype):
    return layer(X.astype(dtype))[0].numpy()


def theirs_of(module, dtype):
    return module(torch.tensor(X.astype(dtype)))[0].detach().numpy()


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_layers_there_and_back(kind, dtype, options):
    our_kind, their_kind, more = KINDS[kind]
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    theirs = their_kind(3, 4, **options, **more).to(getattr(torch, dtype)).eval()
    ours = io.from_torch(theirs)
    assert type(ours) is our_kind and not ours.training and {p.dtype for p in ours.parameters()} == {np.dtype(dtype)}
    np.testing.assert_allclose(ours_of(ours, dtype), theirs_of(theirs, dtype), rtol=tolerance, atol=tolerance)

    back = io.to_torch(ours)
    assert type(back) is their_kind and not back.training and repr(back) == repr(theirs)
    np.testing.assert_allclose(theirs_of(back, dtype), theirs_of(theirs, dtype), rtol=tolerance, atol=tolerance)
    again = io.from_torch(back)
    for p, q in zip(ours.parameters(), again.parameters()):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    assert again.between.rate == options.get("dropout", 0.0) and again.batch_first == options.get("batch_first", False)


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_layers_as_pytorch_modules(kind):
    make, _, more = KINDS[kind]
    ours = make(3, 4, 2, bidirectional=True, **more).to(dtype="float64")
    rng = np.random.default_rng(1)
    ours.load_state_dict({name: rng.normal(size=p.shape) for name, p in ours.named_parameters()})
    theirs = io.to_torch(ours)
    assert theirs.training
    np.testing.assert_allclose(theirs_of(theirs, "float64"), ours_of(ours, "float64"), rtol=1e-12, atol=1e-12)
    if kind != "GRU":
        assert not theirs.bias_hh_l1_reverse.detach().numpy().any()


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias):
    theirs = torch.nn.Linear(3, 2, bias=bias).double()
    ours = io.from_torch(theirs)
    np.testing.assert_allclose(ours(X).numpy(), theirs(torch.tensor(X)).detach().numpy(), rtol=1e-13)
    back = io.to_torch(ours)
    assert repr(back) == repr(theirs)
    np.testing.assert_array_equal(back.weight.detach().numpy(), theirs.weight.detach().numpy())


def test_embedding():
    theirs = torch.nn.Embedding(7, 3)
    ours = io.from_torch(theirs)
    np.testing.assert_array_equal(ours([1, 6]).numpy(), theirs(torch.tensor([1, 6])).detach().numpy())
    np.testing.assert_array_equal(io.to_torch(ours).weight.detach().numpy(), theirs.weight.detach().numpy())


def test_nothing_is_shared():
    theirs = torch.nn.Linear(3, 2)
    ours = io.from_torch(theirs)
    before = ours.W.numpy().copy()
    theirs.weight.data.zero_()
    np.testing.assert_array_equal(ours.W.numpy(), before)
    back = io.to_torch(ours)
    back.weight.data.zero_()
    np.testing.assert_array_equal(ours.W.numpy(), before)


def test_to_the_default_device_and_from_a_gpu(fake_cupy):
    with tr.use("cuda:1"):
        ours = io.from_torch(torch.nn.GRU(3, 4))
    assert {str(p.device) for p in ours.parameters()} == {"cuda:1"}
    np.testing.assert_array_equal(io.to_torch(ours).weight_ih_l0.detach().numpy(), ours.layer0.W_x.data.get().T)


@pytest.mark.parametrize(
    ("convert", "error", "message"),
    [
        (lambda: io.from_torch(torch.nn.Embedding(3, 4, padding_idx=0)), ValueError, "Embedding has padding_idx=0"),
        (lambda: io.from_torch(torch.nn.Embedding(3, 4, max_norm=1.0)), ValueError, "Embedding has max_norm=1.0"),
        (lambda: io.from_torch(torch.nn.Conv1d(3, 4, 2)), TypeError, "expected torch.nn.RNN, LSTM, .* not Conv1d"),
        (lambda: io.from_torch(torch.nn.Linear(3, 4).bfloat16()), TypeError, r"dtype torch.bfloat16, .* module.float\(\)"),
        (lambda: io.to_torch(nn.GRU(3, 4, reset_after=False)), ValueError, "reset_after=False"),
        (lambda: io.to_torch(nn.RNN(3, 4, bidirectional=True, merge_mode="sum")), ValueError, "merge_mode='sum'"),
        (lambda: io.to_torch(nn.RNN(3, 4, return_sequences=False)), ValueError, "RNN has return_sequences=False, but"),
        (lambda: io.to_torch(nn.GRU(3, 4, return_state=False)), ValueError, "GRU has return_state=False, .*: set it to True"),
        (lambda: io.to_torch(nn.Dropout()), TypeError, "expected nn.RNN, LSTM, .* not Dropout"),
    ],
)
def test_what_has_no_counterpart(convert, error, message):
    with pytest.raises(error, match=message):
        convert()


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for convert in (lambda: io.from_torch(None), lambda: io.to_torch(nn.Linear(2, 2))):
        with pytest.raises(ImportError, match="needs PyTorch: pip install torch"):
            convert()
