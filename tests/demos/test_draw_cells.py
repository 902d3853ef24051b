"""demos/draw_cells.py, run as people run it."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

DEMO = Path(__file__).parents[2] / "demos" / "draw_cells.py"


def run(*options):
    return subprocess.run([sys.executable, str(DEMO), *map(str, options)], capture_output=True, text=True, timeout=120)


def test_draws_the_three_cells(tmp_path):
    done = run("--out", tmp_path / "pictures", "--steps", 2)
    assert done.returncode == 0, done.stderr
    paths = [tmp_path / "pictures" / f"{cell}.svg" for cell in ("rnn", "lstm", "gru")]
    assert done.stdout.split() == [str(path) for path in paths]
    for path in paths:
        texts = "".join(ElementTree.parse(path).getroot().itertext())
        assert "t = 2" in texts and "t = 3" not in texts and "gradient" in texts


def test_the_same_seed_gives_the_same_picture(tmp_path):
    pictures = []
    for folder in "ab":
        run("--out", tmp_path / folder, "--cell", "rnn", "--steps", 1)
        pictures.append((tmp_path / folder / "rnn.svg").read_text(encoding="utf-8"))
    assert pictures[0] == pictures[1]


def test_mistakes_are_told_in_one_line(tmp_path):
    for steps, expected in ((0, "at least 1"), (1000, "1000 time steps")):
        done = run("--out", tmp_path, "--steps", steps)
        assert done.returncode != 0 and expected in done.stderr and "Traceback" not in done.stderr
