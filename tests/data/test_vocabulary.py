"""Vocabularies: there and back, in a fixed order, in files that are checked."""

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyrnn import data, io

SPECIAL = {"padding": "<pad>", "unknown": "<unk>", "begin": "<begin>", "end": "<end>"}
DEVANAGARI = "नमस्ते 🧑‍🚀 e\u0301 \u0000 \U0010ffff"


@given(st.text(min_size=1))
def test_characters_come_back(text):
    for special in ({}, SPECIAL):
        vocabulary = data.CharacterVocabulary.build(text, **special)
        codes = vocabulary.encode(text)
        assert vocabulary.decode(codes) == text
        assert len(codes) == len(text) and codes.dtype == np.int64
        assert codes.tolist() == [vocabulary.code(character) for character in text]


@given(st.lists(st.text(st.characters(exclude_categories=("Z", "C")), min_size=1), min_size=1))
def test_words_come_back(words):
    vocabulary = data.WordVocabulary.build(" ".join(words))
    assert vocabulary.decode(vocabulary.encode("  ".join(words))) == " ".join(" ".join(words).split())


@given(st.text(), st.text(min_size=1))
def test_unknown_stands_for_what_is_not_there(text, known):
    vocabulary = data.CharacterVocabulary.build(known, unknown="?" * 2)
    expected = "".join(character if character in known else "??" for character in text)
    assert vocabulary.decode(vocabulary.encode(text)) == expected


@given(st.lists(st.text(max_size=8), min_size=1), st.booleans())
def test_batches_come_back(texts, batch_first):
    vocabulary = data.CharacterVocabulary.build(texts, **SPECIAL)
    codes, lengths = vocabulary.encode_batch(texts, begin=True, end=True, batch_first=batch_first)
    rows = codes if batch_first else codes.T
    assert lengths.tolist() == [len(text) + 2 for text in texts]
    assert [vocabulary.decode(row) for row in rows] == texts
    assert [vocabulary.decode(row, special=True) for row in rows] == [
        "<begin>" + text + "<end>" + "<pad>" * (rows.shape[1] - len(text) - 2) for text in texts
    ]


def test_the_most_frequent_come_first_and_equals_in_alphabetical_order():
    assert data.CharacterVocabulary.build(["ccb", "bda"]).symbols == ("b", "c", "a", "d")
    assert data.WordVocabulary.build("b a c a", **SPECIAL).symbols == ("<pad>", "<unk>", "<begin>", "<end>", "a", "b", "c")
    assert data.WordVocabulary.build("b a c a", max_size=3, unknown="?").symbols == ("?", "a", "b")
    assert data.WordVocabulary.build("b a c a", min_count=2).symbols == ("a",)
    with pytest.raises(ValueError, match="max_size=4 leaves no room beside 4 special symbols"):
        data.WordVocabulary.build("a", max_size=4, **SPECIAL)


def test_a_generator_of_texts_is_read_once():
    assert data.CharacterVocabulary.build(character for character in "hello").symbols == ("l", "e", "h", "o")


def test_what_is_one_character_for_readers_may_be_several():
    two = data.CharacterVocabulary.build("e\u0301")
    assert len(two) == 2 and len(data.CharacterVocabulary.build(unicodedata.normalize("NFC", "e\u0301"))) == 1


def test_a_pattern_says_what_a_word_is():
    vocabulary = data.WordVocabulary.build("to be, or not", pattern=r"\w+|[^\w\s]")
    assert set(vocabulary.symbols) == {"to", "be", ",", "or", "not"}
    assert vocabulary.decode(vocabulary.encode("not to be,or")) == "not to be , or"
    with pytest.raises(ValueError, match="no regular expression"):
        data.WordVocabulary([], pattern="(")


def test_unknown_symbols_without_a_stand_in_are_named():
    with pytest.raises(KeyError, match="'z' is none of the 2 symbols"):
        data.CharacterVocabulary.build("ab").encode("abz")
    with pytest.raises(KeyError, match="'cat' is none of the 1 symbols"):
        data.WordVocabulary.build("dog").encode("dog cat")
    with pytest.raises(KeyError, match="'a' is none of the 0 symbols"):
        data.CharacterVocabulary([]).encode("a")


def test_numbers_without_a_symbol_are_named():
    vocabulary = data.CharacterVocabulary.build("ab")
    for codes, number in (([0, 2], 2), ([-1, 0], -1)):
        with pytest.raises(ValueError, match=f"no symbol {number}: the 2 symbols have the numbers 0 to 1"):
            vocabulary.decode(codes)
    with pytest.raises(ValueError, match=r"\(T,\) integers, not int64 \(1, 2\)"):
        vocabulary.decode([[0, 1]])
    assert vocabulary.decode([]) == ""


def test_misuse_is_explained():
    with pytest.raises(ValueError, match="make the vocabulary with end="):
        data.CharacterVocabulary.build("ab").encode("a", end=True)
    with pytest.raises(ValueError, match="1 to 2 symbols, and there is no padding="):
        data.CharacterVocabulary.build("ab").encode_batch(["a", "ab"])
    with pytest.raises(ValueError, match="'a' occurs twice"):
        data.Vocabulary(["a", "b", "a"])
    with pytest.raises(ValueError, match="spell the special symbol in another way"):
        data.CharacterVocabulary.build("is it?", unknown="?")
    with pytest.raises(ValueError, match="'ab' is not one character"):
        data.CharacterVocabulary(["ab"])
    with pytest.raises(ValueError, match="at least one character"):
        data.Vocabulary(["a", ""])
    with pytest.raises(TypeError, match="expected a text, not a bytes"):
        data.CharacterVocabulary.build("a").encode(b"a")


@pytest.mark.parametrize(
    "vocabulary",
    [
        data.CharacterVocabulary.build(DEVANAGARI + "\ud800", **SPECIAL),
        data.WordVocabulary.build(DEVANAGARI.replace("\0", ""), pattern=r"\w+", unknown="<unk>"),
        data.Vocabulary(["deu", "eng"]),
    ],
    ids=lambda vocabulary: type(vocabulary).__name__,
)
def test_files_bring_it_back(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "v.json")
    for reader in (data.Vocabulary, type(vocabulary)):
        other = reader.load(tmp_path / "v.json")
        assert type(other) is type(vocabulary) and other.to_dict() == vocabulary.to_dict()
        assert other.symbols == vocabulary.symbols and other.unknown == vocabulary.unknown
    assert [path.name for path in tmp_path.iterdir()] == ["v.json"]


def test_people_can_read_the_file(tmp_path):
    data.CharacterVocabulary.build("né").save(tmp_path / "v.json")
    text = (tmp_path / "v.json").read_text("utf-8")
    assert '"é"' in text and '"version": 1' in text


def test_it_travels_in_the_metadata_of_a_checkpoint(tmp_path):
    pytest.importorskip("safetensors")
    vocabulary = data.WordVocabulary.build("to be", **SPECIAL)
    io.save(tmp_path / "m.safetensors", {"step": 1}, vocabulary=vocabulary.to_dict())
    other = data.Vocabulary.from_dict(io.metadata(tmp_path / "m.safetensors")["vocabulary"])
    assert other.encode("to be").tolist() == vocabulary.encode("to be").tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "cut off"),
        (lambda text: "\x80\x04" + text, "no vocabulary"),
        (lambda text: "[1, 2]", "describes no vocabulary"),
        (lambda text: "{}", "describes no vocabulary"),
        (lambda text: text.replace('"version": 1', '"version": 99'), "format 99"),
        (lambda text: text.replace("CharacterVocabulary", "WordVocabulary"), "expected a CharacterVocabulary"),
        (lambda text: text.replace("CharacterVocabulary", "os.system"), "'os.system'"),
        (lambda text: text.replace("symbols", "cymbals"), "damaged"),
        (lambda text: text.replace('"a"', '"b"'), "occurs twice"),
        (lambda text: text.replace('"a"', "7"), "not 7"),
        (lambda text: text.replace('"end"', '"edn"'), "damaged"),
    ],
)
def test_a_wrong_file_is_refused(change, message, tmp_path):
    path = tmp_path / "v.json"
    data.CharacterVocabulary.build("ab", end="<end>").save(path)
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    with pytest.raises(ValueError, match=message) as raised:
        data.CharacterVocabulary.load(path)
    assert str(path) in str(raised.value)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    vocabulary = data.CharacterVocabulary.build("ab")
    with pytest.raises(FileNotFoundError, match=r"no folder .*away' to write 'v.json' into"):
        vocabulary.save(tmp_path / "away" / "v.json")
    with pytest.raises(IsADirectoryError, match="is a folder: name a file in it"):
        vocabulary.save(tmp_path)


def test_binary_and_missing_files(tmp_path):
    (tmp_path / "v.json").write_bytes(b"\x80\x04\x95\xff\xfe")
    with pytest.raises(ValueError, match="no vocabulary"):
        data.Vocabulary.load(tmp_path / "v.json")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        data.Vocabulary.load(tmp_path / "none.json")
    assert json.loads(json.dumps(data.Vocabulary(["a"]).to_dict()))["kind"] == "Vocabulary"
