"""No name of a module or a tensor breaks the text for Graphviz, the SVG or the layout."""

import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, render
from tinyrnn.render import notation, style

from .blemishes import blemishes

SVG = "{http://www.w3.org/2000/svg}"
NAMES = {
    "script": "<script>alert(1)</script>",
    "quotes": '"it\'s"',
    "newlines": "one\ntwo\r\nthree\ttab",
    "backslashes": "\\N\\l\\",
    "entities": "&lt;&amp;&#0;",
    "record": "{a|b}<c>",
    "comment": "--><!-- ]]>",
    "control": "\x00\x07\x1b[0m",
    "surrogate": "\ud800x",
    "chinese": "隐藏状态与记忆单元的值",
    "emoji": "👩\u200d💻🔥🇩🇪👍🏽" * 3,
    "hebrew": "שלום עולם_מצב",
    "turned": "abc\u202egnp.exe",
    "combining": "e\u0301\u0323\u0308" * 12,
    "hindi": "प्रशिक्षण स्थिति",
    "long": "a_very_long_name_" * 2000,
    "wide": "W" * 40,
    "empty": "",
    "blank": " \n ",
    "format": "%s{0}\\E$HOME`ls`",
    "call": "f()",
}


class Cell(nn.Module):
    """Every thing that has a name has an awkward one: module, inner module, parameters, gates and state."""

    def __init__(self, name):
        self.name, self.called = name, name
        self.W, self.U = (tr.Parameter(np.eye(2, dtype="float32"), name=name + end) for end in ("", "_h"))
        self.inner = nn.Linear(2, 2)
        self.inner.name = name

    def forward(self, x, h):
        (i,) = tr.named(**{self.called: tr.sigmoid(x @ self.W + h @ self.U)})
        (f,) = tr.named(**{self.called + "f": tr.tanh(x @ self.W + h @ self.U)})
        (h,) = tr.named(**{self.called: i * self.inner(h) + f})
        return h


@pytest.fixture(params=NAMES)
def graph(request):
    name = NAMES[request.param]
    x = tr.tensor(np.ones((2, 2, 2), "float32"), name=name)
    y, _ = nn.Recurrent(Cell(name))(x, tr.tensor(np.ones((2, 2), "float32"), name=name, requires_grad=True))
    return tr.tape(tr.mean(tr.softmax(y)))


@pytest.mark.parametrize("level", ["primitives", "gates", "cells"])
def test_the_layout_holds(graph, level):
    assert list(blemishes(render.draw(graph, level=level, gradients=True, shapes=True))) == []


def test_svg_is_xml_and_says_no_more_than_it_should(graph):
    page = ElementTree.fromstring(render.svg(graph, gradients=True).encode("utf-8"))
    assert {element.tag.removeprefix(SVG) for element in page.iter()} <= {
        *("svg", "g", "rect", "path", "polygon", "ellipse", "circle", "text", "tspan", "title")
    }


@pytest.mark.skipif(shutil.which("dot") is None, reason="there is no program called dot")
@pytest.mark.parametrize("form", ["svg", "png"])
def test_graphviz_paints_it(graph, form):
    done = subprocess.run(
        ["dot", "-Knop2", f"-T{form}"], input=render.dot(graph, level="gates").source.encode(), capture_output=True, timeout=60
    )
    assert done.returncode == 0 and len(done.stdout) > 1000
    assert not [line for line in done.stderr.decode().splitlines() if "syntax" in line or "Error" in line]


def test_the_tooltip_has_what_the_label_has_not():
    name = "a_name_that_is_much_longer_than_its_box"
    with tr.scope("a_module_with_a_long_name_of_its_own"):
        loss = tr.sum(tr.tanh(tr.Parameter(np.ones(2), name=name)))
    (box,) = [box for box in render.draw(tr.tape(loss)).boxes if box.role == "parameter" and box.tip]
    assert box.label.text == "a_name_t…"
    assert name in box.tip and "a_module_with_a_long_name_of_its_own" in box.tip


def test_a_long_name_on_a_frame_is_cut_and_told_in_full():
    name = "a_module_with_a_very_very_long_name"
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    layers[0].name = name
    drawing = render.draw(tr.tape(tr.sum(layers(tr.ones(1, 2)))))
    (text,) = [text for text in drawing.texts if text.text.startswith("a_module")]
    assert text.text == name[:23] + "…" and text.tip == f"Sequential.{name}"
    assert f"<title>Sequential.{name}</title>" in render.svg(tr.tape(tr.sum(layers(tr.ones(1, 2)))))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("candidate", "candidate"),
        ("candidates", "candidat…"),
        ("隐藏状态", "隐藏状态"),
        ("隐藏状态与记忆", "隐藏状态…"),
        ("e\u0301" * 9, "e\u0301" * 9),
        ("e\u0301" * 10, "e\u0301" * 8 + "…"),
        ("a\u202eb\nc", "ab c"),
        ("", "·"),
        ("\n", "·"),
    ],
)
def test_cut(text, expected):
    assert notation.cut(text) == expected


def test_widths():
    """In em: a Chinese character takes a square, an accent nothing."""
    assert style.text_width("状态", 10.0) == 20.0
    assert style.text_width("e\u0301", 10.0) == style.text_width("e", 10.0)
    assert 10.0 < style.text_width("🔥", 10.0) < 15.0
    assert style.text_width("W") > style.text_width("w") > style.text_width("i")
