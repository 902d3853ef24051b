"""The pages of the documentation: every console example prints what the page says, every script runs."""

import doctest
import re
from inspect import ismodule
from pathlib import Path

import pytest

import tinyrnn as tr
from tinyrnn import bptt, data, io, nn, optim, plots, train

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def console_blocks(text: str) -> str:
    """The text with all but its console examples blanked, so that line numbers stay."""
    kept, end = [], 0
    for block in BLOCK.finditer(text):
        kept += ["\n" * text.count("\n", end, block.start(1)), block.group(1)]
        end = block.end(1)
    return "".join(kept)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_console_examples_print_what_the_page_says(page, tmp_path, monkeypatch):
    for package in ("torch", "keras", "onnxruntime"):
        if f"import {package}\n" in page.read_text("utf-8"):
            pytest.importorskip(package, reason=f"an example of this page is about it: pip install {package}")
    monkeypatch.chdir(tmp_path)
    examples = doctest.DocTestParser().get_doctest(console_blocks(page.read_text("utf-8")), {}, page.name, str(page), 0)
    report: list[str] = []
    failed = doctest.DocTestRunner(verbose=False).run(examples, out=report.append).failed
    assert not failed, "".join(report)


def test_the_readme_session_runs_and_draws(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (session,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names = {"bptt": bptt}
    exec(compile(session, "README.md", "exec"), names)
    assert "<svg" in (tmp_path / "unrolled.svg").read_text("utf-8")
    (table,) = re.findall(r"^## Look at it\n(.*?)^## ", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    calls = [call for row in table.splitlines() if row.startswith("| `") for call in re.findall("`(.*?)`", row.split("|")[1])]
    assert len(calls) > 6
    for call in calls:
        assert eval(call, names) is not None, call


@pytest.mark.parametrize("module", [tr, bptt, data, nn, optim, io, plots, train], ids=lambda module: module.__name__)
def test_the_reference_knows_every_public_name(module):
    reference = (ROOT / "docs" / "api.md").read_text("utf-8")
    described = set(re.findall(r"^.. auto\w+:: (?:[\w.]+\.)?(\w+)$", reference, re.MULTILINE))
    public = {name for name in module.__all__ if not ismodule(getattr(module, name))}
    assert public - described == set()
