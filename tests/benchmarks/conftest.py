"""How the benchmarks run and report: in one process, one table each, on the terminal and on their page of the documentation."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
MEASURED = r"(?<=<!-- measured: {0} -->\n).*?(?=<!-- end of {0} -->)"
tables: dict[ModuleType, list[str]] = {}  # of each file of benchmarks

collect_ignore = ["candidate.py"]  # it is run, not imported


def pytest_xdist_auto_num_workers() -> int:
    """No workers: they would compete for the processor."""
    return 0


@pytest.fixture
def report(request):
    """Takes a table as Markdown."""
    return tables.setdefault(request.module, []).append


def machine() -> str:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text() if cpuinfo.exists() else "")
    cpu = model[1] if model else platform.processor() or platform.machine()
    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    libraries = ", ".join(f"{package} {version(package)}" for package in ("numpy", "torch"))
    return (
        f"{cpu}, {len(os.sched_getaffinity(0))} cores; {platform.system()}, Python {platform.python_version()}, {libraries}, "
        f"BLAS of NumPy: {blas['name']} {blas['version']}."
    )


def write(name: str, text: str) -> Path:
    """Put the tables of a file of benchmarks where a page of the documentation has a place for them."""
    pages = {page: page.read_text("utf-8") for page in DOCS.glob("*.md")}
    (page,) = (page for page, content in pages.items() if f"<!-- measured: {name} -->" in content)
    page.write_text(re.sub(MEASURED.format(name), lambda _: text, pages[page], flags=re.DOTALL), "utf-8")
    return page


def pytest_terminal_summary(terminalreporter, exitstatus):
    """Print the tables; keep those of each file that is complete."""
    for module, of_module in tables.items():
        text = "\n".join([machine() + "\n", *of_module]) + "\n"
        terminalreporter.write("\n" + text)
        if exitstatus == 0 and len(of_module) == sum(name.startswith("test_") for name in vars(module)):
            terminalreporter.write(f"written to {write(Path(module.__file__).stem, text)}\n")
