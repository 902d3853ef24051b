"""docs/features.md: every name and every test in its tables is there, at tinyrnn and at those that it is compared with."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import tinyrnn as tr

DOCS = Path(__file__).resolve().parent.parent / "docs"
PEERS = {"torch": 1, "keras": 2}  # the columns of those that can be installed beside tinyrnn
OURS, CHECKED_BY = 4, 5
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in (DOCS / "features.md").read_text("utf-8").splitlines()
    if line.startswith("|") and "checked by" not in line and "---" not in line
]
NAME = re.compile(r"[A-Za-z][\w.]*")


def code(row, column):
    return re.findall(r"`(.*?)`", row[column])


def found(name, root):
    """What a dotted name stands for: a module, or what is in one."""
    value = root
    for part in name.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            value = importlib.import_module(f"{value.__name__}.{part}")
    return value


def test_every_row_is_whole():
    assert len(ROWS) > 80
    assert {len(row) for row in ROWS} == {6}
    assert all(row[OURS] and "](" in row[CHECKED_BY] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_named_is_there(row):
    for text, path in re.findall(r"\[(.*?)\]\((.*?)\)", row[CHECKED_BY]):
        assert f"def test_{text.replace(' ', '_')}(" in (DOCS / path).read_text("utf-8"), text
    for call in code(row, OURS):
        if "." not in call:
            continue  # an argument or an attribute, told of beside the name it belongs to
        name = NAME.match(call)[0]
        value = found(name.removeprefix("tr."), tr)
        if options := re.findall(r"(\w+)=", call):
            assert set(options) <= set(inspect.signature(value).parameters), call


@pytest.mark.parametrize("peer", PEERS)
def test_what_others_are_said_to_have_is_there(peer):
    package = pytest.importorskip(peer, reason=f"these names are its own: pip install {peer}")
    for row in ROWS:
        for call in code(row, PEERS[peer]):
            if re.fullmatch(r"\w+=\w+", call):
                continue
            try:
                found(NAME.match(call)[0], package)
            except ModuleNotFoundError as error:
                if error.name.startswith(peer):  # anything else is an optional package of theirs
                    raise
