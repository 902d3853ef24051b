"""demos/compare_cells.py, run as people run it."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).resolve().parents[2] / "demos" / "compare_cells.py"

pytest.importorskip("matplotlib", reason="the demo needs its packages: pip install 'tinyrnn[demos]'")
pytest.importorskip("tqdm", reason="the demo needs its packages: pip install 'tinyrnn[demos]'")


@pytest.fixture
def demo(monkeypatch):
    spec = importlib.util.spec_from_file_location("compare_cells", SOURCE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "compare_cells", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_quick_run_compares_three_networks(demo, tmp_path, capsys):
    assert demo.main(["--quick", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    parameters = re.findall(r"^(?:RNN|LSTM|GRU) +(\d+)", printed, flags=re.MULTILINE)
    assert list(map(int, parameters)) == [
        gates * (2 * 12 + 12 * 12 + 12) + extra + 13 for gates, extra in ((1, 0), (4, 0), (3, 36))
    ]
    last = re.fullmatch(
        r"mean squared error RNN (\S+), LSTM (\S+), GRU (\S+) \(always 1 0\.17\) in \d+ s", printed.splitlines()[-1]
    )
    assert float(last[3]) < 0.12 < float(last[1])
    for name in ("learning.png", "gradient_flow.png"):
        assert f"wrote {tmp_path / name}" in printed
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_the_other_task_and_fewer_cells(demo, tmp_path, capsys):
    options = ["--task", "parity", "--cells", "gru", "--seeds", "1", "--seed", "5", "--length", "5", "--steps", "200"]
    assert demo.main([*options, "--out", str(tmp_path)]) == 0
    last = re.fullmatch(r"cross-entropy GRU (\S+) \(guessing 0\.69\) in \d+ s", capsys.readouterr().out.splitlines()[-1])
    assert float(last[1]) < 0.1


def test_tasks(demo):
    x, y, *_ = demo.adding(np.random.default_rng(0), 9, 4)
    assert x.shape == (9, 4, 2) and y.shape == (1, 4, 1) and (x[:, :, 1].sum(axis=0) == 2).all()
    np.testing.assert_allclose(y[0, :, 0], [sum(n for n, mark in x[:, i] if mark) for i in range(4)])
    x, y, *_ = demo.parity(np.random.default_rng(0), 9, 4)
    assert y[:, 0, 0].tolist() == [sum(x[: t + 1, 0, 0]) % 2 for t in range(9)]


def test_batches_are_never_the_same_and_follow_from_the_seed(demo):
    task = demo.TASKS["adding"]
    batches, again = demo.Fresh(task, 5, seed=3), demo.Fresh(task, 5, seed=3)
    first, second = list(batches), list(batches)
    assert len(first) == demo.EVERY and len({batch.x.tobytes() for batch in first + second}) == 2 * demo.EVERY
    assert [batch.x.tobytes() for batch in again] == [batch.x.tobytes() for batch in first]


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--length", "1"], "at least 2"), (["--steps", "30"], "a multiple of 20"), (["--hidden", "0"], "whole number from 1")],
)
def test_mistakes_are_told_in_one_line(demo, capsys, options, message):
    with pytest.raises(SystemExit):
        demo.main(options)
    assert message in capsys.readouterr().err


def test_a_device_that_is_not_there(demo, capsys):
    assert demo.main(["--quick", "--device", "cuda:77"]) == 2
    assert capsys.readouterr().err.startswith("compare_cells.py: ")
