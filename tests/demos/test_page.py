"""docs/demos.md, and the command that writes its table."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "demos.md").read_text("utf-8")

_spec = importlib.util.spec_from_file_location("run_demos", ROOT / "tests" / "benchmarks" / "test_demos.py")
command = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(command)


def test_the_page_tells_of_every_demo():
    assert set(re.findall(r"python demos/(\w+\.py)", PAGE)) == {demo.name for demo in command.DEMOS}


def test_its_figures_are_there_and_come_from_a_demo():
    shown = [match.groupdict() for match in command.SHOWN.finditer(PAGE)]
    assert len(shown) == PAGE.count("](images/") >= 2
    for figure in shown:
        assert figure["figure"] in (ROOT / "demos" / f"{figure['demo']}.py").read_text("utf-8")
        assert (ROOT / "docs" / "images" / f"{figure['demo']}-{figure['figure']}").stat().st_size < 200_000


@pytest.mark.parametrize("demo", command.DEMOS, ids=lambda demo: demo.stem)
def test_every_demo_says_in_a_sentence_or_two_what_it_shows(demo):
    assert command.purpose(demo).endswith((".", "?")) and len(command.purpose(demo)) < 200


@pytest.mark.parametrize(
    ("line", "figure", "baseline"),
    [
        ("test error 0.31 °C (seasonal naive 0.62 °C, climatology 0.4 °C) in 48 s", "test error 0.31 °C", "seasonal naive 0.62"),
        ("84 drawings in 3.5 s", "84 drawings", None),
    ],
)
def test_a_last_line_is_taken_apart(line, figure, baseline):
    said = command.LAST_LINE.fullmatch(line)
    assert (
        said["figure"] == figure
        and (said["baseline"] or "").startswith(baseline or "")
        and bool(said["baseline"]) == bool(baseline)
    )
    assert not command.LAST_LINE.fullmatch("wrote out/forecast.png")
