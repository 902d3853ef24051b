"""Files: what comes back, runs that go on bit for bit, saves that are killed, files that are broken or of another kind."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import backend, io, nn, optim

safetensors = pytest.importorskip("safetensors", reason="files are written with safetensors: pip install 'tinyrnn[io]'")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def same(a, b):
    """Equal trees: structure, kinds, dtypes, numbers."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))
        )
    return type(a) is type(b) and a == b


# -- what comes back -----------------------------------------------------------------------------------------------


def test_a_module(path):
    model, other = nn.LSTM(3, 4, 2), nn.LSTM(3, 4, 2)
    io.save(path, model)
    state = io.load(path, into=other)
    assert same(state, model.state_dict())
    for p, q in zip(model.parameters(), other.parameters()):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_any_program_that_reads_safetensors_finds_the_names(path):
    model = nn.LSTM(3, 4)
    io.save(path, {"model": model})
    assert sorted(safetensors.numpy.load_file(path)) == ["model/layer0.W_h", "model/layer0.W_x", "model/layer0.b"]


def test_a_tree_of_everything(path):
    numbers = np.random.default_rng(0).normal(size=(3, 4))
    tree = {
        "array": numbers,
        "transposed": numbers.T,
        "strided": numbers[::2, ::-1],
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3)),
        "kinds": {str(d): np.array([0, 1], d) for d in ("bool", "uint8", "int16", "int64", "float16", "float32", "float64")},
        "special": np.array([np.nan, np.inf, -0.0]),
        "number": 0.1,
        "large": 2**100,
        "text": "Wörter / Zeichen\n",
        "nothing": None,
        "yes": True,
        "list": [1, [numbers, "x"], {}, []],
        "nothing in it": {},
    }
    io.save(path, tree)
    assert same(io.load(path), tree)


def test_tensors_tuples_and_numpy_numbers(path):
    state = nn.LSTMState(tr.ones(2, 3), tr.zeros(2, 3))
    io.save(path, {"state": state, "loss": np.float32(0.1), "step": np.int64(3)})
    found = io.load(path)
    assert same(found, {"state": [state.h.numpy(), state.c.numpy()], "loss": float(np.float32(0.1)), "step": 3})
    assert same(nn.LSTMState(*found["state"]).h, state.h.numpy())


def test_metadata_without_the_arrays(path):
    io.save(path, nn.Linear(2, 2), sizes=[2, 2], text="Shakespeare", values="no clash")
    assert io.metadata(path) == {"sizes": [2, 2], "text": "Shakespeare", "values": "no clash"}


def test_arrays_of_a_gpu(fake_cupy, path):
    model = nn.Linear(2, 3).to("cuda:1")
    optimiser = optim.Adam(model.parameters())
    io.save(path, {"model": model, "optimizer": optimiser})
    here, there = nn.Linear(2, 3), nn.Linear(2, 3).to("cuda:0")
    state = io.load(path, into={"model": here})
    io.load(path, into={"model": there, "optimizer": optim.Adam(there.parameters())})
    assert isinstance(state["model"]["W"], np.ndarray)
    np.testing.assert_array_equal(here.W.numpy(), model.W.data.get())
    np.testing.assert_array_equal(there.W.data.get(), model.W.data.get())


def test_the_name_may_be_a_text_and_the_folder_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    io.save("model.safetensors", nn.Linear(2, 2))
    assert sorted(os.listdir()) == ["model.safetensors"]
    io.load("model.safetensors")


# -- a run that goes on --------------------------------------------------------------------------------------------


class Run:
    """A training with all that can make it differ: dropout, momentum, a changing learning rate, a carried state."""

    def __init__(self):
        self.model = nn.Sequential(nn.Dropout(0.3), nn.Linear(3, 3))
        self.recurrent = nn.LSTM(3, 3, 2, dropout=0.2)
        self.optimizer = optim.Adam([*self.model.parameters(), *self.recurrent.parameters()], lr=0.01)
        self.state, self.step, self.losses = None, 0, []

    def train(self, steps):
        for _ in range(steps):
            x = tr.randn(4, 2, 3)
            y, state = self.recurrent(self.model(x), self.state)
            self.state = nn.LSTMState(*(part.detach() for part in state))
            loss = nn.mse(y, x)
            self.optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm(self.optimizer.params, 0.5)
            self.optimizer.lr *= 0.99
            self.optimizer.step()
            self.step += 1
            self.losses.append(loss.item())
        return self

    def parts(self):
        return {"model": self.model, "recurrent": self.recurrent, "optimizer": self.optimizer}

    def save(self, path):
        io.save(path, {**self.parts(), "state": self.state, "step": self.step, "random": backend.random_state()})

    def resume(self, path):
        saved = io.load(path, into=self.parts())
        backend.set_random_state(saved["random"])
        self.state, self.step = nn.LSTMState(*map(tr.tensor, saved["state"])), saved["step"]
        return self


def test_a_run_goes_on_bit_for_bit(path):
    tr.manual_seed(0)
    run = Run().train(5)
    run.save(path)
    run.train(10)
    tr.manual_seed(99)
    again = Run().resume(path).train(10)
    assert again.losses == run.losses[5:] and again.step == 15 and again.optimizer.lr == run.optimizer.lr
    for p, q in zip(run.optimizer.params, again.optimizer.params):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


# -- atomic --------------------------------------------------------------------------------------------------------

SAVE = """
import sys, time
import numpy as np
from tinyrnn import io
path, where = sys.argv[1:]
arrays = lambda k: {str(i): np.full((400, 1000), float(k)) for i in range(4)}
io.save(path, {**arrays(0), "version": 0})
if where == "anywhere":
    print("ready", flush=True)
    for k in range(1, 10000):
        io.save(path, {**arrays(k), "version": k})
def stop(*_):
    print("ready", flush=True)
    time.sleep(60)
import os
setattr(os, where, stop)
io.save(path, {**arrays(1), "version": 1})
"""


def killed(path, where, wait):
    child = subprocess.Popen([sys.executable, "-c", SAVE, str(path), where], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"
        time.sleep(wait)
    finally:
        child.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        child.communicate(timeout=30)


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_save_killed_in_the_middle_leaves_the_old_file_whole(path, where):
    killed(path, where, 0.0)
    assert len(list(path.parent.iterdir())) == 2  # the draft is left over; the file is not touched
    whole = io.load(path)
    assert whole.pop("version") == 0 and all((a == 0).all() for a in whole.values())
    others = [path.with_name(name) for name in (f".{path.name}.part", f".{path.name}.0123abcg.part", ".run2.0123abcd.part")]
    for other in others:
        other.touch()
    io.save(path, {"version": 2})  # clears away what the other one left, and nothing else
    assert sorted(path.parent.iterdir()) == sorted([path, *others])


def test_a_save_killed_anywhere_leaves_one_whole_file(path):
    for _ in range(3):
        killed(path, "anywhere", random.uniform(0.0, 0.3))
        whole = io.load(path)
        version = whole.pop("version")
        assert len(whole) == 4 and all((a == version).all() for a in whole.values())


def test_a_save_that_fails_leaves_nothing_behind(path, monkeypatch):
    io.save(path, {"version": 1})
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        io.save(path, {"version": 2})
    monkeypatch.undo()
    assert io.load(path) == {"version": 1} and list(path.parent.iterdir()) == [path]


# -- what does not fit ---------------------------------------------------------------------------------------------


def test_all_or_nothing(path):
    tr.manual_seed(0)
    saved = nn.Linear(3, 2)
    io.save(path, {"model": saved, "optimizer": optim.SGD(saved.parameters(), 0.1)})
    model = nn.Linear(3, 2)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"state does not fit Adam:\s+missing: mean\.0"):
        io.load(path, into={"model": model, "optimizer": optim.Adam(model.parameters())})
    assert same(model.state_dict(), before)


@pytest.mark.parametrize(
    ("into", "error", "message"),
    [
        (lambda: nn.Linear(3, 2), ValueError, r"holds more than one thing, model, step: .*into=\{'model': ...\}"),
        (lambda: {"model": nn.Linear(3, 3)}, ValueError, r"misshapen: W is \(3, 2\), expected \(3, 3\)"),
        (lambda: {"net": nn.Linear(3, 2)}, ValueError, "holds nothing called 'net'; it holds model, step"),
        (lambda: {"step": nn.Linear(3, 2)}, ValueError, "'step' is no state of a module or an optimiser, but 3"),
        (lambda: {"model": 3}, TypeError, r"into\['model'\] must be a module or an optimiser, not a int"),
        (lambda: [nn.Linear(3, 2)], TypeError, "into must be a module, an optimiser or a mapping of them, not a list"),
    ],
)
def test_into_what_it_does_not_fit(path, into, error, message):
    io.save(path, {"model": nn.Linear(3, 2), "step": 3})
    with pytest.raises(error, match=message):
        io.load(path, into=into())


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"model": {"f": print}}, "model/f cannot be saved: it is neither an array nor JSON"),
        ({"a/b": 1}, "a key must be a text without '/', not 'a/b'"),
        ({"config": {1: 2}}, "a key must be a text without '/', not 1 .in config"),
        ({"words": np.array(["a"])}, "words has dtype <U1, expected numbers or bools"),
        (3, "expected a module, an optimiser or a mapping of them, not a int"),
        ([nn.Linear(2, 2)], "expected a module, an optimiser or a mapping of them, not a list"),
    ],
)
def test_what_cannot_be_saved(path, what, message):
    with pytest.raises(TypeError, match=message):
        io.save(path, what)
    assert not list(path.parent.iterdir())


def test_no_such_folder_and_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*away' to write 'model.safetensors' into"):
        io.save(tmp_path / "away" / "model.safetensors", nn.Linear(2, 2))
    with pytest.raises(FileNotFoundError, match=r"there is no file .*model.safetensors"):
        io.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not at all" * 100, b"\xff" * 64])
def test_no_safetensors(path, content):
    path.write_bytes(content)
    for read in (io.load, io.metadata):
        with pytest.raises(ValueError, match="is no safetensors file, or it is cut off"):
            read(path)


def test_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder: name a file in it"):
        io.save(tmp_path, nn.Linear(2, 2))
    assert not list(tmp_path.iterdir())


def test_a_header_that_is_not_ours(path):
    safetensors.numpy.save_file({"a": np.ones(2)}, path, {"tinyrnn": "1"})
    for read in (io.load, io.metadata):
        with pytest.raises(
            ValueError, match=r"was not written by io\.save: its header has tinyrnn, but no values, lists, metadata"
        ):
            read(path)


def test_a_dtype_that_numpy_does_not_have(path):
    header = b'{"W":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ValueError, match="W has dtype BF16, which NumPy does not have: convert it to float32"):
        io.load(path)


def test_cut_off(path):
    io.save(path, nn.Linear(30, 20))
    content = path.read_bytes()
    for length in (4, 50, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="is no safetensors file, or it is cut off"):
            io.load(path)


def test_a_newer_format(path):
    safetensors.numpy.save_file({"a": np.ones(2)}, path, {"tinyrnn": "999"})
    with pytest.raises(ValueError, match="has format 999, this tinyrnn reads up to 1: install a newer one"):
        io.load(path)


def test_a_file_of_another_program(path):
    safetensors.numpy.save_file({"W": np.ones((3, 2)), "b": np.ones(2)}, path, {"format": "pt"})
    layer = nn.Linear(3, 2)
    io.load(path, into=layer)
    assert layer.b.tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="was not written by tinyrnn"):
        io.metadata(path)


def test_without_the_package(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for use in (lambda: io.save(path, {}), lambda: io.load(path)):
        with pytest.raises(ImportError, match=r"needs the package safetensors: pip install 'tinyrnn\[io\]'"):
            use()
