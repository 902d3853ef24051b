"""Checkpoints that are damaged, cut off or something else: read as they were, or refused with a ValueError, never run."""

import io as streams
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinyrnn import io, nn, optim

pytest.importorskip("safetensors", reason="files are written with safetensors: pip install 'tinyrnn[io]'")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def run():
    model = nn.Sequential(nn.RNN(2, 2, return_state=False), nn.Linear(2, 1))
    return {"model": model, "optimizer": optim.Adam(model.parameters()), "step": 3, "losses": [1.5, [0.5, np.ones(2)]]}


def whole_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run.safetensors"
    io.save(path, run(), hidden_size=2, corpus="Shakespeare")
    return path.read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return whole_file(tmp_path_factory)


def header_of(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_header(content, change):
    """The same file with another header."""
    header, arrays = header_of(content)
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + arrays


# -- what is in it -------------------------------------------------------------------------------------------------


def test_it_carries_the_format_and_the_configuration(whole, path):
    path.write_bytes(whole)
    assert header_of(whole)[0]["__metadata__"]["tinyrnn"] == "1"
    assert io.metadata(path) == {"hidden_size": 2, "corpus": "Shakespeare"}
    modules = io.configuration(path)["model"]
    assert modules["0"]["type"] == "RNN" and modules["0"]["hidden_size"] == 2
    assert modules["0.layer0"] == {"type": "RNNCell", "input_size": 2, "hidden_size": 2, "nonlinearity": "tanh"} | {
        key: modules["0.layer0"][key] for key in modules["0.layer0"] if key == "state_sizes"
    }
    assert modules["1"] == {"type": "Linear", "in_features": 2, "out_features": 1}


def test_a_file_from_before_it_had_a_configuration(whole, path):
    path.write_bytes(with_header(whole, lambda header: header["__metadata__"].pop("modules")))
    assert io.load(path)["step"] == 3 and io.configuration(path) == {}


# -- something else ------------------------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def others():
    png = b"\x89PNG\r\n\x1a\n" + bytes(64)
    archive = streams.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Bomb()))  # as torch.save makes it
    arrays = streams.BytesIO()
    np.savez(arrays, W=np.ones(3))
    noise = np.random.default_rng(0).bytes(1000)
    kinds = {"nothing": b"", "pickle": pickle.dumps(Bomb()), "png": png, "zip": archive.getvalue(), "npz": arrays.getvalue()}
    return {**kinds, "noise": noise, "zeros": bytes(100), "json": b'{"model": 1}', "huge": b"\xff" * 8 + b"{}"}


@pytest.mark.parametrize("kind", others())
def test_a_file_of_another_kind(kind, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    path.write_bytes(others()[kind])
    for read in (io.load, io.metadata, io.configuration):
        with pytest.raises(ValueError, match="is no safetensors file, or it is cut off"):
            read(path)
    assert os.listdir() == [path.name]  # nothing was unpickled


def test_a_file_of_torch(path):
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(ValueError, match="is no safetensors file, or it is cut off"):
        io.load(path)


# -- cut off and damaged -------------------------------------------------------------------------------------------


def test_cut_off_anywhere(whole, path):
    end = 8 + struct.unpack("<Q", whole[:8])[0]
    for length in {0, 1, 7, 8, 9, end // 2, end - 1, end, end + 1, (end + len(whole)) // 2, len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is no safetensors file, or it is cut off"):
            io.load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="is no safetensors file, or it is cut off"):
        io.load(path)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("values", "{", "is damaged: its header is no JSON"),
        ("values", "[" * 100_000, "is damaged: its header is no JSON"),
        ("values", "[]", "is damaged, or was not written by io.save"),
        ("lists", "{}", "is damaged, or was not written by io.save"),
        ("metadata", "3", "is damaged, or was not written by io.save"),
        ("values", '{"model": 3}', "does not say how its arrays belong together"),
        ("values", '{"step/x": 3, "step": 1}', "does not say how its arrays belong together"),
        ("lists", '["model/0/1/2"]', "does not say how its arrays belong together"),
        ("lists", "[[]]", "does not say how its arrays belong together"),
        ("tinyrnn", "2", "has format 2, this tinyrnn reads up to 1: install a newer one to read it"),
        ("tinyrnn", "²", "has format ², this tinyrnn reads up to 1"),
        ("tinyrnn", "", "has format , this tinyrnn reads up to 1"),
    ],
)
def test_a_header_that_does_not_fit(whole, path, key, text, message):
    path.write_bytes(with_header(whole, lambda header: header["__metadata__"].update({key: text})))
    with pytest.raises(ValueError, match=message):
        io.load(path)


def test_wrong_shapes_leave_everything_as_it_was(whole, path):
    path.write_bytes(whole)
    model = nn.Sequential(nn.RNN(2, 3, return_state=False), nn.Linear(3, 1))
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"misshapen: 0\.layer0\.W_x is \(2, 2\), expected \(2, 3\)"):
        io.load(path, into={"model": model})
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused(whole, path, data):
    content = bytearray(whole)
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.one_of(st.integers(0, header - 1), st.integers(0, len(whole) - 1)))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    model = nn.Sequential(nn.RNN(2, 2, return_state=False), nn.Linear(2, 1))
    before = model.state_dict()
    try:
        io.load(path, into={"model": model})
    except ValueError as error:
        assert str(error)
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, before[name])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is no safetensors file|is damaged|was not written"):
        io.load(path, into={"model": nn.Linear(2, 1)})
