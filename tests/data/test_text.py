"""Text mapped into memory: encoded once, anew when stale or damaged, never all of it in memory."""

import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyrnn import data
from tinyrnn.data import text as text_module

SAMPLE = "Übergrößenträger, naïve façade — 東京 🧑‍🚀\r\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes((SAMPLE * 50).encode())
    return path


@pytest.fixture
def vocabulary():
    return data.CharacterVocabulary.build(SAMPLE, unknown="<unk>")


@given(st.text(), st.integers(1, 7))
def test_pieces_make_the_text(tmp_path_factory, text, size):
    path = tmp_path_factory.mktemp("pieces") / "text.txt"
    path.write_bytes(text.encode())
    assert "".join(data.text_chunks(path, size)) == text


def test_codes_are_those_of_the_text(path, vocabulary, monkeypatch):
    monkeypatch.setattr(text_module, "CHUNK", 7)  # ends in the middle of characters
    codes = data.map_text(path, vocabulary)
    assert vocabulary.decode(codes) == SAMPLE * 50
    assert codes.dtype == np.uint8 and not codes.flags.writeable
    assert sorted(found.name for found in path.parent.iterdir()) == ["text.txt", "text.txt.codes"]


def encodings(monkeypatch):
    """Counts how often a text is encoded."""
    calls = []
    encode = text_module._encode
    monkeypatch.setattr(text_module, "_encode", lambda *arguments: (calls.append(1), encode(*arguments)))
    return calls


def test_it_is_encoded_once(path, vocabulary, monkeypatch):
    calls = encodings(monkeypatch)
    first, second = data.map_text(path, vocabulary), data.map_text(path, vocabulary)
    assert np.array_equal(first, second) and len(calls) == 1


def test_another_text_or_vocabulary_is_encoded_anew(path, vocabulary, monkeypatch):
    calls = encodings(monkeypatch)
    data.map_text(path, vocabulary)
    path.write_bytes(path.read_bytes().replace(b"T", b"t").replace("東".encode(), "京".encode()))
    os.utime(path, ns=(0, 0))
    assert "京京" in vocabulary.decode(data.map_text(path, vocabulary))
    other = data.CharacterVocabulary(sorted(set(SAMPLE)))
    assert other.decode(data.map_text(path, other)).startswith("Übergr")
    assert len(calls) == 3


def cut(content):
    return content[:-1]


def flip(content):
    middle = len(content) - 20
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [cut, flip, lambda c: b"", lambda c: c[:100], lambda c: b"[1]" + c[3:], lambda c: b"\x80" + c[1:], lambda c: c + b"x"],
)
def test_a_damaged_file_is_written_anew(path, vocabulary, damage):
    data.map_text(path, vocabulary)
    cache = path.with_name("text.txt.codes")
    cache.write_bytes(damage(cache.read_bytes()))
    assert vocabulary.decode(data.map_text(path, vocabulary)) == SAMPLE * 50


def test_a_break_while_it_is_written_leaves_nothing_behind(path, vocabulary, monkeypatch):
    def broken(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(text_module.zlib, "crc32", broken)
    with pytest.raises(KeyboardInterrupt):
        data.map_text(path, vocabulary)
    assert [found.name for found in path.parent.iterdir()] == ["text.txt"]


def test_a_text_that_changes_while_it_is_read_is_refused(path, vocabulary, monkeypatch):
    encode = vocabulary.encode

    def meanwhile(text):
        path.write_text("something else", "utf-8")
        return encode(text)

    monkeypatch.setattr(vocabulary, "encode", meanwhile)
    with pytest.raises(ValueError, match="has changed while it was read"):
        data.map_text(path, vocabulary)


def test_wide_vocabularies_get_wide_codes(tmp_path):
    characters = [chr(number) for number in range(0x4E00, 0x4E00 + 300)]
    (tmp_path / "t").write_text("".join(characters), "utf-8")
    vocabulary = data.CharacterVocabulary(characters)
    codes = data.map_text(tmp_path / "t", vocabulary, cache=tmp_path / "elsewhere")
    assert codes.dtype == np.uint16 and codes.tolist() == list(range(300)) and (tmp_path / "elsewhere").exists()


def test_bytes_need_no_encoding(path, tmp_path):
    assert bytes(data.map_bytes(path)) == path.read_bytes()
    (tmp_path / "empty").write_bytes(b"")
    assert len(data.map_bytes(tmp_path / "empty")) == 0
    assert len(data.map_text(tmp_path / "empty", data.CharacterVocabulary("a"))) == 0


def test_a_file_larger_than_the_memory_allowed_is_read(tmp_path):
    """16 MB of text are encoded and all of its windows read, while Python and NumPy never hold 6 MB."""
    path, characters = tmp_path / "large.txt", 16_000_000
    with open(path, "wb") as file:
        for _ in range(16):
            file.write(b"abcdefghi\n" * 100_000)
    tracemalloc.start()
    codes = data.map_text(path, data.CharacterVocabulary("abcdefghi\n"))
    read = sum(batch.x.size for batch in data.Streams(codes, streams=64, window=1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(codes) == characters and read > characters - 65
    assert peak < 6e6, f"{peak / 1e6:.1f} MB"


def test_misuse_is_explained(path, tmp_path, vocabulary):
    latin = tmp_path / "latin.txt"
    latin.write_bytes("dé".encode() + "jà".encode("latin-1"))
    with pytest.raises(ValueError, match="byte 4 begins no character"):
        list(data.text_chunks(latin, size=2))
    latin.write_bytes("é".encode()[:1])
    with pytest.raises(ValueError, match="byte 0 begins no character"):
        list(data.text_chunks(latin))
    with pytest.raises(FileNotFoundError, match="there is no file"):
        data.map_text(tmp_path / "nowhere" / "none.txt", vocabulary)
    with pytest.raises(FileNotFoundError, match="map_text: there is no folder"):
        data.map_text(path, vocabulary, cache=tmp_path / "nowhere" / "codes")
    with pytest.raises(KeyError, match="'Ü' is none of the 1 symbols"):
        data.map_text(path, data.CharacterVocabulary("a"))
    with pytest.raises(TypeError, match="not a WordVocabulary"):
        data.map_text(path, data.WordVocabulary(["a"]))
