"""demos/sine_forecast.py, run as people run it."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).resolve().parents[2] / "demos" / "sine_forecast.py"


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("sine_forecast", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_quick_run_learns_the_sine_and_draws_it(demo, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the demo draws: pip install 'tinyrnn[plots]'")
    assert demo.main(["--quick", "--out", str(tmp_path / "new")]) == 0
    printed = capsys.readouterr().out
    assert f"wrote {tmp_path / 'new' / 'forecast.png'}" in printed
    assert (tmp_path / "new" / "forecast.png").read_bytes().startswith(b"\x89PNG")
    said = re.fullmatch(r"test mse (\S+) one step ahead \(persistence (\S+)\) in \d+ s", printed.splitlines()[-1])
    mse, persistence = map(float, said.groups())
    assert mse < 1e-3 < persistence


def test_no_target_of_the_part_held_out_is_learnt_from(demo, monkeypatch):
    learnt = []

    def fit(trainer, x, y, **options):
        learnt.append((x, y))

    monkeypatch.setattr(demo.tr.Trainer, "fit", fit)
    forecast = demo.Forecast(steps=200, window=20, hidden=2, epochs=1, seed=0)
    ((x, y),) = learnt
    assert forecast.border == 133 and len(x) == 133 - 20
    assert np.array_equal(y[:, 0], forecast.series[20:133]) and np.array_equal(x[-1, :, 0], forecast.series[112:132])
    assert len(forecast.free()) == 200 - 133


def test_errors_are_those_of_the_forecasts(demo):
    forecast = demo.Forecast(steps=100, window=10, hidden=2, epochs=1, seed=0)
    held_out = forecast.series[forecast.border :]
    forecast.one_ahead[-len(held_out) :] = held_out + 0.5
    assert forecast.errors()["test"] == pytest.approx(0.25)
    assert forecast.errors()["persistence"] == pytest.approx(2 * np.sin(demo.STEP / 2) ** 2, rel=0.1)  # of a long sine


@pytest.mark.parametrize(
    ("options", "message"), [(["--steps", "60"], "at least 123"), (["--hidden", "0"], "whole number from 1")]
)
def test_mistakes_are_told_in_one_line(demo, capsys, options, message):
    with pytest.raises(SystemExit):
        demo.main(options)
    assert message in capsys.readouterr().err


def test_an_unknown_device_is_a_mistake(demo, tmp_path, capsys):
    assert demo.main(["--device", "tpu", "--out", str(tmp_path)]) == 2
    assert "unknown device 'tpu'" in capsys.readouterr().err
