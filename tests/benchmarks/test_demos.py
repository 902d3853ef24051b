"""Every demo in full (`python -m pytest tests/benchmarks/test_demos.py -q`): the figure that it reaches, and how long it takes.

Takes minutes.  The table goes into docs/demos.md, and the figures that the page shows into docs/images.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]
DEMOS = sorted((ROOT / "demos").glob("*.py"))
LAST_LINE = re.compile(r"(?P<figure>.+?)(?: \((?P<baseline>[^()]+)\))? in [\d.]+ s")
SHOWN = re.compile(r"\(images/(?P<demo>\w+)-(?P<figure>\w+\.\w+)\)")  # the figures of docs/demos.md


def purpose(demo: Path) -> str:
    """The first sentences of its docstring."""
    return " ".join(ast.get_docstring(ast.parse(demo.read_text("utf-8"))).split("\n\n")[0].split())


def run(demo: Path, out: Path) -> tuple[re.Match, float]:
    """What the last line of its output says, and the seconds from start to end."""
    start = perf_counter()
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(demo), "--out", str(out)], capture_output=True, text=True, env=one_thread)
    seconds = perf_counter() - start
    assert done.returncode == 0, f"{demo.name}: {done.stderr}"
    last = done.stdout.splitlines()[-1]
    said = LAST_LINE.fullmatch(last)
    assert said, f"{demo.name}: the last line is {last!r}, expected 'the figure (the baseline's) in 12 s'"
    return said, seconds


def test_demos(report, tmp_path):
    rows = [
        "**The demos in full**, one thread: what the last line of each says, and the seconds from start to end.\n",
        "| demo | what it shows | reaches | to be compared with | seconds |",
        "|---|---|---|---|--:|",
    ]
    for demo in DEMOS:
        said, seconds = run(demo, tmp_path / demo.stem)
        rows.append(f"| `{demo.name}` | {purpose(demo)} | {said['figure']} | {said['baseline'] or '—'} | {seconds:.0f} |")
    for shown in SHOWN.finditer((ROOT / "docs" / "demos.md").read_text("utf-8")):
        shutil.copy(tmp_path / shown["demo"] / shown["figure"], ROOT / "docs" / "images" / f"{shown['demo']}-{shown['figure']}")
    report("\n".join(rows) + "\n")
