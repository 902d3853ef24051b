"""demos/gradient_flow.py, run as people run it."""

import importlib.util
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "demos" / "gradient_flow.py"


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("gradient_flow", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_compares_three_networks_and_draws(demo, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the demo draws: pip install 'tinyrnn[plots]'")
    assert demo.main(["--quick", "--out", str(tmp_path / "new")]) == 0
    printed = capsys.readouterr().out
    for cell in ("RNN", "LSTM", "GRU"):
        assert f"{cell}.layer0, t = 1 … 30" in printed
    halves = [float(steps) for steps in re.findall(r"vanishing: the gradient halves every ([\d.]+) steps", printed)]
    assert len(halves) == 3 and halves[1] > 2 * max(halves[0], halves[2])  # the LSTM reaches furthest
    assert len(re.findall(r"at best an error (?:along c alone )?halves within", printed)) == 4
    left = re.fullmatch(r"left of an error after 29 steps: RNN (\S+), LSTM (\S+), GRU (\S+) in \d+ s", printed.splitlines()[-1])
    assert 0 < max(float(left[1]), float(left[3])) < float(left[2]) < 1
    for name in ("gradient_flow.png", "error_and_use.png"):
        assert f"wrote {tmp_path / 'new' / name}" in printed
        assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("options", [["--cells", "gru"], ["--cells", "lstm", "rnn", "--seed", "3"]])
def test_any_choice_of_cells(demo, tmp_path, capsys, options):
    pytest.importorskip("matplotlib", reason="the demo draws: pip install 'tinyrnn[plots]'")
    assert demo.main(["--steps", "3", "--hidden", "2", "--out", str(tmp_path), *options]) == 0


@pytest.mark.parametrize(("options", "message"), [(["--steps", "1"], "at least 2"), (["--hidden", "0"], "whole number from 1")])
def test_mistakes_are_told_in_one_line(demo, capsys, options, message):
    with pytest.raises(SystemExit):
        demo.main(options)
    assert message in capsys.readouterr().err


def test_rates_in_words(demo):
    assert demo.changes(-0.6931471805599453) == "halves within 1 steps"
    assert demo.changes(0.0) == "keeps its size" and demo.changes(float("-inf")) == "is lost"
