"""Files, text for Graphviz and notebooks; and everything that can go wrong on the way."""

import subprocess
import sys
import time
import zlib
from importlib import util
from xml.etree import ElementTree

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import render
from tinyrnn.render import layout
from tinyrnn.render.notation import printable
from tinyrnn.render.writers import engine

from .models import MODELS


@pytest.fixture
def graph():
    return tr.tape(MODELS["lstm"](3))


def test_svg(graph, tmp_path):
    path = graph.render(str(tmp_path / "out.svg"), gradients=True)
    assert path == str(tmp_path / "out.svg")
    text = (tmp_path / "out.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert 'fill="white"' in text
    assert graph._repr_svg_() == render.svg(graph)
    assert ElementTree.fromstring(render.svg(graph, background=None)).find("{*}rect").get("width") != "100%"


def test_pictures_do_not_change_from_run_to_run(graph):
    assert render.svg(graph, gradients=True) == render.svg(graph, gradients=True)
    assert render.dot(graph).source == render.dot(graph).source


@pytest.mark.parametrize("background", ["white", None])
def test_png(graph, tmp_path, background):
    graph.render(tmp_path / "out.png", gradients=True, background=background)
    data = (tmp_path / "out.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND\xaeB`\x82")
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    assert width > 1200 and height > 700
    start = data.index(b"IDAT")
    size = int.from_bytes(data[start - 4 : start], "big")
    assert zlib.decompressobj().decompress(data[start + 4 : start + 4 + size])


def test_pdf(graph, tmp_path):
    graph.render(tmp_path / "out.PDF", shapes=True)
    data = (tmp_path / "out.PDF").read_bytes()
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF") and len(data) > 5000


def test_dot_pins_every_position(graph):
    source = graph.dot(gradients=True)
    assert source.engine == "neato"
    boxes = [line for line in source.source.splitlines() if line.startswith("m") and "->" not in line]
    arrows = [line for line in source.source.splitlines() if "->" in line]
    assert boxes and all("pos=" in line for line in boxes)
    assert arrows and all('pos="e,' in line for line in arrows)


def test_dash_dotted_lines_are_drawn_stroke_by_stroke():
    """Graphviz knows no such line; the arrow head belongs to the last stroke."""
    graph = tr.tape(MODELS["encoder_decoder"](3))
    mixed = [a for a in render.draw(graph, view="rolled").arrows if a.stroke.dash == "dash-dotted"]
    lines = [line for line in render.dot(graph, view="rolled").source.splitlines() if ";" in line and "->" in line]
    assert mixed and len(lines) == len(mixed)
    for line in lines:
        strokes = line.partition('pos="')[2].partition('"')[0].split(";")
        assert "style=" not in line
        assert [stroke.startswith("e,") for stroke in strokes] == [False] * (len(strokes) - 1) + ["arrowhead=none" not in line]


@pytest.mark.parametrize("suffix", ["htm", "jpg", ""])
def test_other_suffixes(graph, suffix):
    with pytest.raises(ValueError, match=r"\.svg, \.pdf, \.png or \.html"):
        graph.render(f"picture.{suffix}".rstrip("."))


AWKWARD = [
    '<script>"\n',
    "]]>",
    "a\\",
    '\\"',
    "&amp;",
    "\x00\x07",
    "{|}",
    "h_<b>",
    "ünïcödé_Ω",
    "\N{PILE OF POO}" * 20,
    "%s{0}",
    "--",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_names_break_nothing(name, tmp_path):
    w = tr.Parameter(np.ones(2), name=name)
    with tr.scope(name):
        (v,) = tr.named(**{name: w * 2})
        loss = tr.sum(tr.tanh(v))
    graph = tr.tape(loss)
    page = ElementTree.fromstring(render.svg(graph, gradients=True))
    tips = [title.text for title in page.iter("{http://www.w3.org/2000/svg}title")]
    assert any(printable(name).strip()[:4] in tip for tip in tips)
    assert not list(page.iter("{http://www.w3.org/2000/svg}script"))
    graph.render(tmp_path / "out.png", gradients=True)
    assert (tmp_path / "out.png").stat().st_size > 1000


def test_nothing_to_differentiate():
    with tr.recording():
        loss = tr.sum(tr.tensor([1.0, 2.0]) * 2.0)
    assert render.svg(tr.tape(loss))
    with pytest.raises(RuntimeError, match="depends on nothing that requires a gradient"):
        render.svg(tr.tape(loss), gradients=True)


def test_gradients_first():
    w = tr.Parameter(np.ones(2), name="w")
    loss = tr.sum(w * w * w)
    (g,) = tr.grad(loss, [w], create_graph=True)
    with pytest.raises(ValueError, match="give tape the loss first"):
        render.svg(tr.tape(g))
    assert render.svg(tr.tape(loss, g), gradients=True) == render.svg(tr.tape(loss), gradients=True)


# -- the engine --------------------------------------------------------------------------------------------------


def fake_dot(folder, script):
    """A program called dot, first in the search path."""
    path = folder / "dot"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(0o755)
    return str(folder)


@pytest.fixture
def no_graphviz(monkeypatch):
    """Neither `dot` nor pygraphviz, and no way to run anything."""
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    monkeypatch.setattr(engine.subprocess, "Popen", None)


@pytest.mark.parametrize("name", MODELS)
def test_svg_and_dot_need_no_graphviz(name, no_graphviz):
    graph = tr.tape(MODELS[name](3))
    assert "<svg" in render.svg(graph, gradients=True) and "pos=" in render.dot(graph).source


@pytest.mark.parametrize("suffix", ["pdf", "png"])
def test_without_an_engine(graph, no_graphviz, suffix, tmp_path):
    with pytest.raises(RuntimeError, match=rf'paints \.{suffix}.* pip install "tinyrnn\[demos\]"; \.svg and \.html need neither'):
        graph.render(tmp_path / f"out.{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_the_same_without_graphviz(graph, request):
    first = render.svg(graph, gradients=True)
    layout.lay_out.cache_clear()
    request.getfixturevalue("no_graphviz")
    assert render.svg(graph, gradients=True) == first


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_painting_that_hangs_is_ended_with_all_that_it_started(graph, monkeypatch, tmp_path):
    signs = tmp_path / "signs of life"
    (tmp_path / "child.py").write_text(
        "import sys, time\n"
        "for _ in range(600):\n"
        "    print('.', end='', flush=True, file=open(sys.argv[1], 'a'))\n"
        "    time.sleep(0.1)\n"
    )
    command = [sys.executable, str(tmp_path / "child.py"), str(signs)]
    script = f"import subprocess, time\nsubprocess.Popen({command!r})\ntime.sleep(60)\n"
    monkeypatch.setenv("PATH", fake_dot(tmp_path, script))
    monkeypatch.setattr(engine, "TIME_OUT", 2.0)
    started = time.perf_counter()
    with pytest.raises(RuntimeError, match=r"did not finish .* within 2 s: draw fewer steps"):
        graph.render(tmp_path / "out.png")
    assert time.perf_counter() - started < 15
    last = signs.read_text()
    time.sleep(1.0)
    assert last and signs.read_text() == last


def test_a_system_dot_comes_first_and_its_failure_is_told(graph, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", fake_dot(tmp_path, "import sys; sys.exit('no such plugin')"))
    with pytest.raises(RuntimeError, match="failed to make pdf: no such plugin"):
        graph.render(tmp_path / "out.pdf")


@pytest.mark.skipif(util.find_spec("pygraphviz") is None, reason="pygraphviz is not installed")
def test_without_a_system_dot(graph, monkeypatch, tmp_path):
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    graph.render(tmp_path / "out.pdf")
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF-")


def test_importing_tinyrnn_loads_no_renderer():
    code = "import sys, tinyrnn; sys.exit(any('render' in m or m in ('graphviz', 'pygraphviz') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
