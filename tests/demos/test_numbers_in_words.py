"""demos/numbers_in_words.py: what it learns from, and a quick run."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyrnn as tr

SOURCE = Path(__file__).resolve().parents[2] / "demos" / "numbers_in_words.py"

for package in ("num2words", "matplotlib", "tqdm"):
    pytest.importorskip(package, reason="the demo needs its packages: pip install 'tinyrnn[demos]'")


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("numbers_in_words", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_quick_run_learns_and_draws(demo, tmp_path, capsys):
    assert demo.main(["--quick", "--numbers", "21", "1000000", "--out", str(tmp_path / "new")]) == 0
    printed = capsys.readouterr().out
    last = re.fullmatch(
        r"(\S+) % of \d+ unseen numbers right to the letter \(by a beam of 5 (\S+) %\) in \d+ s", printed.splitlines()[-1]
    )
    assert min(map(float, last.groups())) > 20
    assert " 21  twenty-one\n" in printed and "1,000,000  one million\n" in printed
    for name in ("attention.png", "loss.png"):
        assert f"wrote {tmp_path / 'new' / name}" in printed
        assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG")


def test_no_number_is_both_learnt_and_tested(demo):
    parts = demo.draw_numbers(demo.SETTINGS, seed=3)
    numbers = np.concatenate(parts)
    assert [len(part) for part in parts] == [demo.SETTINGS[part] for part in ("train", "validation", "test")]
    assert len(set(numbers.tolist())) == len(numbers) and numbers.min() >= 0 and numbers.max() < demo.SETTINGS["below"]
    assert (numbers != np.concatenate(demo.draw_numbers(demo.SETTINGS, seed=4))).any()


def test_what_is_read_and_what_is_written(demo):
    numbers = np.array([21, 3, 0])
    source, target = demo.Language("en", numbers), demo.Language("de", numbers)
    assert target.letters.decode(target.encode([21], begin=True, end=True)[0]) == "einundzwanzig"
    tr.manual_seed(0)
    translator = demo.Translator(source, target, embedding=4, hidden=6)
    read, given, written, mask, lengths = [], [], [], [], []
    for batch in translator.batches(numbers, 2):
        read += [source.letters.decode(column) for column in batch.x[0].T]
        given += [target.letters.decode(column, special=True).replace("<pad>", "") for column in batch.x[1].T]
        written += [target.letters.decode(column, special=True).replace("<pad>", "") for column in batch.y.T]
        mask += batch.mask.sum(axis=0).tolist()
        lengths += batch.lengths.tolist()
    order = [read.index(text) for text in ("twenty-one", "three", "zero")]
    assert [given[i] for i in order] == ["<einundzwanzig", "<drei", "<null"]
    assert [written[i] for i in order] == ["einundzwanzig>", "drei>", "null>"]
    assert [mask[i] for i in order] == [14, 5, 5] and [lengths[i] for i in order] == [10, 5, 4]


@pytest.mark.parametrize("beam", [1, 3])
def test_it_translates_where_its_weights_are(demo, fake_cupy, beam):
    tr.use("cuda")
    tr.manual_seed(0)
    numbers = np.array([21, 3, 0])
    translator = demo.Translator(demo.Language("en", numbers), demo.Language("de", numbers), embedding=4, hidden=6)
    texts, weights = translator.translate(numbers, beam)
    assert len(texts) == 3 and weights.shape[1:] == (3, len("twenty-one"))
    assert np.allclose(weights.sum(axis=-1), 1, atol=1e-5)


def test_right_means_every_letter(demo, monkeypatch):
    numbers = np.arange(4)
    translator = demo.Translator(demo.Language("en", numbers), demo.Language("de", numbers), embedding=4, hidden=6)
    monkeypatch.setattr(translator, "translate", lambda part, beam: (["null", "eins", "zwe", "dreii"], None))
    assert translator.right(numbers) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [("--target xy", "num2words knows no 'xy', but am, ar"), ("--numbers -3", "from 0"), ("--seed x", "from 0")],
)
def test_mistakes_are_told_in_one_line(demo, capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        demo.main(options.split())
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_what_is_missing_is_told_in_one_line(demo, tmp_path, monkeypatch, capsys):
    assert demo.main(["--device", "tpu", "--out", str(tmp_path)]) == 2
    (tmp_path / "file").write_text("")
    assert demo.main(["--out", str(tmp_path / "file")]) == 2
    device, folder = capsys.readouterr().err.splitlines()
    assert "unknown device 'tpu'" in device and "file" in folder
    monkeypatch.setitem(sys.modules, "num2words", None)
    with pytest.raises(SystemExit, match="2"):
        demo.main(["--out", str(tmp_path)])
    assert "pip install 'tinyrnn[demos]'" in capsys.readouterr().err.splitlines()[-1]
