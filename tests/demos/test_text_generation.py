"""The main demo: it trains, draws, goes on bit for bit after a break, and says in one line what is wrong with its options."""

import importlib.util
import math
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from tinyrnn import io

SOURCE = Path(__file__).resolve().parents[2] / "demos" / "text_generation.py"
PICTURES = ("draw_hidden_states", "draw_unrolled", "draw_loss")
# 14 steps are more than one pass through this text, and dropout draws from the generator at each of them
SMALL = ["--hidden=6", "--layers=2", "--dropout=0.3", "--embedding=5", "--batch=4", "--window=80", "--length=5"]

pytest.importorskip("safetensors", reason="the demo needs its packages: pip install 'tinyrnn[demos]'")
pytest.importorskip("tqdm", reason="the demo needs its packages: pip install 'tinyrnn[demos]'")


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("text_generation", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def without_pictures(demo, monkeypatch):
    for name in PICTURES:
        monkeypatch.setattr(demo, name, lambda *arguments: None)
    return demo


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog; " * 90, "utf-8")
    return str(path)


def losses(folder: Path) -> list[float]:
    return io.load(folder / "checkpoint.safetensors")["losses"].tolist()


def test_a_quick_run_learns_and_leaves_its_files(demo, tmp_path, capsys):
    assert demo.main(["--quick", "--temperature", "0.1", "--length", "50", "--prompt", "if ", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for name in ("samples.txt", "hidden_states.png", "unrolled.svg", "loss.png", "checkpoint.safetensors"):
        assert f"wrote {tmp_path / name}" in printed
    samples = (tmp_path / "samples.txt").read_text("utf-8")
    assert [f"temperature {t}" in samples for t in ("0.5", "1", "1.5", "0.1")] == [True] * 4
    assert samples.count(" ----\nif ") == 4
    assert "<svg" in (tmp_path / "unrolled.svg").read_text("utf-8")
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("hidden_states.png", "loss.png"))
    last = printed.splitlines()[-1]
    reached, baseline = map(
        float, re.fullmatch(r"(\S+) bits .* after 80 steps \(each by its frequency (\S+)\) in \d+ s", last).groups()
    )
    assert 3 < baseline < math.log2(92)
    assert reached < math.log2(92) - 2  # guessing among the 92 characters takes log₂ 92 bits


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_resume_goes_on_bit_for_bit(without_pictures, text, tmp_path, cell):
    main, options = without_pictures.main, ["--cell", cell, "--text", text, *SMALL]
    assert main([*options, "--steps", "14", "--out", str(tmp_path / "whole")]) == 0
    assert main([*options, "--steps", "5", "--out", str(tmp_path / "parts")]) == 0
    assert main(["--resume", "--steps", "14", "--out", str(tmp_path / "parts")]) == 0
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert len(losses(tmp_path / "whole")) == 14
    parts, whole = (io.load(tmp_path / run / "checkpoint.safetensors") for run in ("parts", "whole"))
    for part in ("model", "optimizer"):
        assert all(np.array_equal(parts[part][name], whole[part][name]) for name in whole[part])


def test_interrupted_it_keeps_everything_and_says_how_to_go_on(without_pictures, text, tmp_path, monkeypatch, capsys):
    main, options = without_pictures.main, ["--text", text, *SMALL, "--steps", "14", "--out"]
    assert main([*options, str(tmp_path / "whole")]) == 0
    advance = without_pictures.Training.advance

    def interrupt_the_third(training):
        if training.step == 2:
            signal.raise_signal(signal.SIGINT)
        advance(training)

    with monkeypatch.context() as patch:
        patch.setattr(without_pictures.Training, "advance", interrupt_the_third)
        assert main([*options, str(tmp_path / "parts")]) == 130
    assert len(losses(tmp_path / "parts")) == 3
    assert f"to go on: python demos/text_generation.py --resume --out {tmp_path / 'parts'}" in capsys.readouterr().out

    capsys.readouterr()
    assert main(["--resume", "--steps", "3", "--out", str(tmp_path / "parts")]) == 0
    assert "text it has not seen, after 3 steps" in capsys.readouterr().out
    assert main(["--resume", "--steps", "14", "--out", str(tmp_path / "parts")]) == 0
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


def test_a_finished_run_can_be_sampled_again(without_pictures, text, tmp_path, capsys):
    main = without_pictures.main
    assert main(["--text", text, *SMALL, "--steps", "2", "--out", str(tmp_path)]) == 0
    before = losses(tmp_path)
    capsys.readouterr()
    assert main(["--resume", "--prompt", "lazy", "--out", str(tmp_path)]) == 0
    assert losses(tmp_path) == before
    assert "\nlazy" in capsys.readouterr().out


def test_validation_text_is_not_trained_on_and_targets_are_one_ahead(demo):
    text = "".join(map(chr, range(500, 1500)))  # every character once
    corpus = demo.Corpus(text, batch=3, window=20)
    seen, unseen = (
        {int(code) for window in part for codes in (window.x, window.y) for code in codes.ravel()}
        for part in (corpus.train, corpus.validation)
    )
    assert not seen & unseen
    assert len(unseen) == 3 * (20 + 1)  # the window that each stream has room for
    assert all((window.y == window.x + 1).all() for window in corpus.train)


def test_the_language_reference_says_nothing_twice(demo):
    paragraphs = demo.language_reference().split("\n\n")
    assert len(paragraphs) > 1000
    assert len(set(paragraphs)) == len(paragraphs)


def test_a_low_temperature_samples_what_is_most_probable(demo, text):
    corpus = demo.Corpus(Path(text).read_text("utf-8"), batch=2, window=10)
    model = demo.CharacterModel("lstm", len(corpus.vocabulary), 4, 4, 1, 0.0)
    cold, hot = demo.sample(model, corpus, "the", [1e-6, 100.0], length=40, seed=3)
    assert cold == demo.sample(model, corpus, "the", [1e-6], length=40, seed=4)[0]
    assert len(set(hot)) > 10


def complaint(demo, capsys, *options: str) -> str:
    """The one line that a run with these options ends in."""
    assert demo.main(list(options)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def test_mistakes_are_explained_in_one_line(without_pictures, text, tmp_path, capsys):
    demo, out = without_pictures, str(tmp_path / "run")
    latin = tmp_path / "latin.txt"
    latin.write_bytes("déjà vu".encode("latin-1"))
    assert "No such file" in complaint(demo, capsys, "--text", str(tmp_path / "none.txt"), "--out", out)
    assert "not UTF-8" in complaint(demo, capsys, "--text", str(latin), "--out", out)
    assert "too short: 4,050 characters" in complaint(demo, capsys, "--text", text, "--out", out)
    assert "['€']" in complaint(demo, capsys, "--text", text, *SMALL, "--prompt", "a €", "--out", out)
    assert "unknown device 'tpu'" in complaint(demo, capsys, "--device", "tpu", "--out", out)
    assert "there is no" in complaint(demo, capsys, "--resume", "--out", out)
    assert "cannot write into" in complaint(demo, capsys, "--out", text)

    assert demo.main(["--text", text, *SMALL, "--steps", "1", "--out", out]) == 0
    capsys.readouterr()
    assert "--hidden 7 does not go with" in complaint(demo, capsys, "--resume", "--hidden", "7", "--out", out)
    Path(text).write_text("another text, as long as the first one was;  " * 90, "utf-8")
    assert "not the one" in complaint(demo, capsys, "--resume", "--out", out)
    (tmp_path / "run" / "checkpoint.safetensors").write_bytes(b"broken")
    assert "cannot resume" in complaint(demo, capsys, "--resume", "--out", out)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is there")
def test_a_gpu_without_cupy_is_a_mistake(demo, tmp_path, capsys):
    assert "needs CuPy" in complaint(demo, capsys, "--device", "cuda", "--out", str(tmp_path))


def test_missing_packages_are_named(demo, tmp_path, monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None if name == "tqdm" else found(name))
    assert "needs tqdm: pip install" in complaint(demo, capsys, "--out", str(tmp_path))


@pytest.mark.parametrize("options", ["--steps 0", "--lr -1", "--dropout 1", "--temperature 0", "--cell tree", "--hidden many"])
def test_numbers_out_of_range_are_refused(demo, options, capsys):
    with pytest.raises(SystemExit, match="2"):
        demo.main(options.split())
    assert "error: argument --" in capsys.readouterr().err
