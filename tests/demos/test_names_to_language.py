"""demos/names_to_language.py: its names, its baseline, and a quick run."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import tinyrnn as tr

SOURCE = Path(__file__).resolve().parents[2] / "demos" / "names_to_language.py"

for package in ("faker", "matplotlib", "tqdm"):
    pytest.importorskip(package, reason="the demo needs its packages: pip install 'tinyrnn[demos]'")


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("names_to_language", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_quick_run_learns_and_draws(demo, tmp_path, capsys):
    assert demo.main(["--quick", "--out", str(tmp_path / "new"), "--names", "Ærøskøbing", "ŻÓŁĆ"]) == 0
    printed = capsys.readouterr().out
    last = re.fullmatch(
        r"(\S+) % of unseen names right \(pairs of letters (\S+) %, the most frequent language (\S+) %\) in \d+ s",
        printed.splitlines()[-1],
    )
    network, bigrams, majority = map(float, last.groups())
    assert min(network, bigrams) > 3 * majority > 0
    assert len(re.findall(r"^Ærøskøbing +\w+ 0\.\d\d, \w+ 0\.\d\d, \w+ 0\.\d\d$", printed, re.MULTILINE)) == 1
    for name in ("confusion.png", "loss.png"):
        assert f"wrote {tmp_path / 'new' / name}" in printed
        assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG")


def test_every_name_comes_once_and_what_is_tested_was_not_learnt(demo):
    parts = demo.collect(100, seed=1)
    names = [name for part in parts for name in part.names]
    assert len(names) == len(set(names)) > 1500
    train, validation, test = map(len, parts)
    assert test == validation == len(names) // 8 < train // 5
    languages = np.concatenate([part.languages for part in parts])
    assert np.allclose(languages.sum(axis=1), 1)
    assert (np.count_nonzero(languages, axis=0) == 100).all()  # so many of each language
    assert (np.count_nonzero(languages, axis=1) > 1).any()
    assert demo.collect(100, seed=1)[2].names == parts[2].names != demo.collect(100, seed=2)[2].names


def test_names_are_those_of_the_locale_alone(demo):
    assert all("doe" not in demo.names_of(locale) for locale in demo.LANGUAGES)  # Faker's John Doe
    assert {"grünwald", "josé", "o'brien"} & {*demo.names_of("de_DE"), *demo.names_of("es_ES"), *demo.names_of("en_GB")}


def test_a_name_of_several_languages_is_right_with_each_of_them(demo):
    names = demo.Names(["martin", "ida"], np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    assert names.right(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])) == 1.0
    assert names.right(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])) == 0.5


def test_the_baseline_is_that_of_the_counts(demo, monkeypatch):
    monkeypatch.setattr(demo, "LANGUAGES", {"xx": "X", "yy": "Y"})
    train = demo.Names(["ab", "a", "ba"], np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    scores = demo.Bigrams(train).scores(["a", "c"], alpha=1.0)
    # four symbols: the edge, unknown, a and b.  In X, a follows the edge 2 times of 2, and the edge follows a once of 2
    x = np.log(2 / 3) + np.log(3 / 6) + np.log(2 / 6)
    y = np.log(1 / 3) + np.log(1 / 5) + np.log(2 / 5)
    assert np.allclose(scores[0], [x, y])
    assert np.allclose(scores[1], [np.log(2 / 3 / 6 / 4), np.log(1 / 3 / 5 / 4)])


def test_confusion_divides_the_names_of_each_language(demo, monkeypatch):
    monkeypatch.setattr(demo, "LANGUAGES", {"xx": "X", "yy": "Y"})
    test = demo.Names(["a", "b", "c"], np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    shares = demo.confusion(test, np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    assert np.allclose(shares, [[1, 0], [1 / 3, 2 / 3]])


def test_it_reads_names_where_its_weights_are(demo, fake_cupy):
    tr.use("cuda")
    train = demo.Names(["ab", "ba", "a"], np.eye(len(demo.LANGUAGES), dtype="float32")[:3])
    reader = demo.Reader(train, embedding=3, hidden=4)
    history = reader.fit(train, train, epochs=1, seed=0)
    assert np.isfinite(history["val_loss"]).all()
    assert np.allclose(np.exp(reader.scores(["ab", "xyz"])).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("options", "message"), [(["--seed", "-1"], "whole number from 0"), (["--names"], "at least one")])
def test_mistakes_are_told_in_one_line(demo, capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        demo.main(options)
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_what_is_missing_is_told_in_one_line(demo, tmp_path, monkeypatch, capsys):
    assert demo.main(["--device", "tpu", "--out", str(tmp_path)]) == 2
    (tmp_path / "file").write_text("")
    assert demo.main(["--out", str(tmp_path / "file")]) == 2

    def missing(name):
        raise ModuleNotFoundError("No module named 'faker'", name=name)

    monkeypatch.setattr(demo.importlib, "import_module", missing)
    assert demo.main(["--out", str(tmp_path)]) == 2
    device, folder, package = capsys.readouterr().err.splitlines()
    assert "unknown device 'tpu'" in device and "file" in folder and "pip install 'tinyrnn[demos]'" in package
