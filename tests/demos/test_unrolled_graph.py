"""demos/unrolled_graph.py, and the gallery of the documentation that it has drawn."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demos" / "unrolled_graph.py"
DOCS = ROOT / "docs"

_spec = importlib.util.spec_from_file_location("unrolled_graph", DEMO)
gallery = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gallery)

DATA = re.compile(r'(?<=<script type="application/json" id="data">)(.*)(?=</script>)')


def outline(data):
    """The keys of all objects and the lengths of all lists."""
    if isinstance(data, dict):
        return {key: outline(value) for key, value in data.items()}
    return [len(data), *map(outline, data)] if isinstance(data, list) else None


PICTURES = [(network, kind) for network in gallery.NETWORKS for kind in gallery.KINDS if kind != "explorer"]
NUMBERLESS = [(n, k) for n, k in PICTURES if k not in ("gradients", "values", "backward", "both")]


def run(*options):
    return subprocess.run([sys.executable, str(DEMO), *map(str, options)], capture_output=True, text=True, timeout=120)


def test_draws_what_is_asked_for(tmp_path):
    done = run("--network", "rnn", "gru", "--kind", "cells", "explorer", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    files = ["rnn-cells.svg", "rnn-explorer.html", "gru-cells.svg", "gru-explorer.html"]
    *paths, last = done.stdout.splitlines()
    assert paths == [*(str(tmp_path / "gallery" / file) for file in files), str(tmp_path / "gallery.md")]
    assert re.fullmatch(r"4 drawings in \d+ s", last)
    for file in files:
        assert (tmp_path / "gallery" / file).stat().st_size > 1000
        assert f"(gallery/{file})" in (tmp_path / "gallery.md").read_text(encoding="utf-8")


def test_mistakes_are_told_in_one_line(tmp_path):
    done = run("--network", "lstn", "--out", tmp_path)
    assert done.returncode == 2 and "lstn" in done.stderr and "Traceback" not in done.stderr


def test_the_page_is_the_one_that_the_demo_writes():
    page = (DOCS / gallery.PAGE).read_text(encoding="utf-8")
    names = {(n, k): f"gallery/{n}-{k}.{'html' if k == 'explorer' else 'svg'}" for n in gallery.NETWORKS for k in gallery.KINDS}
    assert page == gallery.page(gallery.NETWORKS, gallery.KINDS, lambda n, k: names[n, k])
    assert sorted(re.findall(r"\((gallery/[^)]+)\)", page)) == sorted(names.values())
    assert sorted(f"gallery/{path.name}" for path in (DOCS / "gallery").iterdir()) == sorted(names.values())


@pytest.mark.parametrize("network, kind", NUMBERLESS)
def test_the_pictures_are_those_that_the_demo_draws(network, kind, tmp_path):
    """Where widths do not depend on the last bit of a number, to the letter."""
    gallery.draw(network, kind, tmp_path / "again.svg")
    assert (DOCS / "gallery" / f"{network}-{kind}.svg").read_text("utf-8") == (tmp_path / "again.svg").read_text("utf-8")


@pytest.mark.parametrize("network", gallery.NETWORKS)
def test_the_pages_to_explore_are_those_that_the_demo_writes(network, tmp_path):
    """All but the last bits of the numbers in their data: the program that shows them to the letter, and what is in them."""
    gallery.draw(network, "explorer", tmp_path / "again.html")
    pages = [(DOCS / "gallery" / f"{network}-explorer.html").read_text("utf-8"), (tmp_path / "again.html").read_text("utf-8")]
    programs, data = zip(*((DATA.sub("", page), json.loads(DATA.search(page)[1])) for page in pages))
    assert programs[0] == programs[1]
    assert data[0]["title"] == data[1]["title"] and outline(data[0]) == outline(data[1])


@pytest.mark.parametrize("network, kind", sorted(set(PICTURES) - set(NUMBERLESS)))
def test_the_pictures_with_numbers_have_the_marks_that_the_demo_draws(network, kind, tmp_path):
    gallery.draw(network, kind, tmp_path / "again.svg")
    old, new = (ElementTree.parse(path) for path in (DOCS / "gallery" / f"{network}-{kind}.svg", tmp_path / "again.svg"))
    shapes = [[re.sub(r"[\d.]+", "0", shape.text or shape.tag) for shape in tree.iter()] for tree in (old, new)]
    assert shapes[0] == shapes[1]
