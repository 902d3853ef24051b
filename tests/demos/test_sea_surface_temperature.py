"""demos/sea_surface_temperature.py, run as people run it; and that nothing of the years held out is learnt from."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("statsmodels", reason="the demo needs its packages: pip install 'tinyrnn[demos]'")
SOURCE = Path(__file__).resolve().parents[2] / "demos" / "sea_surface_temperature.py"


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("sea_surface_temperature", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_quick_run_beats_the_seasonal_naive_forecast_and_draws(demo, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the demo draws: pip install 'tinyrnn[plots]'")
    assert demo.main(["--quick", "--out", str(tmp_path / "new")]) == 0
    printed = capsys.readouterr().out
    for name in ("forecast.png", "loss.png"):
        assert f"wrote {tmp_path / 'new' / name}" in printed
        assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG")
    said = re.fullmatch(
        r"error 1 to 6 months ahead ([\d.]+) °C \(seasonal naive ([\d.]+) °C, .*\) in \d+ s", printed.splitlines()[-1]
    )
    error, seasonal_naive = map(float, said.groups())
    assert error < seasonal_naive
    assert "2000 to 2010" in printed


def test_nothing_of_the_years_held_out_is_learnt_from(demo, monkeypatch):
    """Other temperatures from 2000 on change neither the scale nor what is learnt from and chosen by."""
    sea = demo.Sea()
    known, later = sea.years < 2000, sea.years >= 2000
    before = [sea.windows(part) for part in (sea.part.train, sea.part.validation)], sea.scaler.state_dict()
    assert (sea.years[sea.part.test] == sea.years[later]).all() and sea.years[sea.part.train][-1] == 1989
    tables = type("Tables", (), {"data": type("Table", (), {"to_numpy": staticmethod(lambda: changed)})})
    changed = np.column_stack([sea.years, sea.celsius])
    changed[later, 1:] = 40.0
    monkeypatch.setattr("statsmodels.datasets.elnino.load_pandas", lambda: tables)
    other = demo.Sea()
    assert (other.celsius[later] == 40).all() and np.array_equal(other.celsius[known], sea.celsius[known])
    for (x, y), (same_x, same_y) in zip(before[0], (other.windows(part) for part in (sea.part.train, sea.part.validation))):
        assert np.array_equal(x, same_x) and np.array_equal(y, same_y)
    assert all(np.array_equal(numbers, other.scaler.state_dict()[name]) for name, numbers in before[1].items())
    months = other.ahead(other.part.test)[:1]
    assert np.array_equal(other.baselines(months)["climatology"], sea.baselines(months)["climatology"])


def test_scaled_forecasts_come_back_in_celsius_month_by_month(demo):
    sea = demo.Sea()
    for part in sea.part:
        x, y = sea.windows(part)
        months = sea.ahead(part)
        assert len(x) == len(y) == len(months)
        assert np.allclose(sea.in_celsius(y, months), sea.celsius.ravel()[months], atol=1e-4)
        assert np.allclose(sea.in_celsius(x[:, -6:, 0], months - 6), sea.celsius.ravel()[months - 6], atol=1e-4)


def test_baselines_by_hand(demo):
    sea = demo.Sea()
    (months,) = sea.ahead(sea.part.test)[5:6]  # June 2000 to November
    found = {name: forecast[0] for name, forecast in sea.baselines(months[None]).items()}
    year = int(np.flatnonzero(sea.years == 2000)[0])
    assert np.array_equal(found["seasonal naive"], sea.celsius[year - 1, 5:11])
    assert np.allclose(found["climatology"], sea.celsius[:year, 5:11].mean(axis=0))
    assert (found["persistence"] == sea.celsius[year, 4]).all()
    unusual = sea.celsius[year, 4] - sea.celsius[:year, 4].mean()
    assert np.allclose(found["persistent anomaly"], found["climatology"] + unusual, atol=1e-5)


def test_mistakes_are_told_in_one_line(demo, tmp_path, capsys):
    with pytest.raises(SystemExit):
        demo.main(["--networks", "0"])
    assert "whole number from 1" in capsys.readouterr().err
    assert demo.main(["--device", "tpu", "--out", str(tmp_path)]) == 2
    assert "unknown device 'tpu'" in capsys.readouterr().err
