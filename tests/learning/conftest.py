"""What was learnt, and for how much, gathered from the tests and written into the table of docs/learning.md."""

import platform
import re
from pathlib import Path
from time import process_time

import numpy
import pytest

from .budgets import BUDGETS, SEEDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "learning.md"
MEASURED = r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)"


@pytest.fixture
def report(request, seed):
    """Takes the task, the cell and the figure reached, in words; notes the seconds of the processor since the test began."""
    begun = process_time()

    def report(task: str, cell: str, figure: str) -> None:
        request.node.user_properties.append(("learnt", [task, cell, seed, figure, process_time() - begun]))

    return report


def machine() -> str:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text() if cpuinfo.exists() else "")
    cpu = model[1] if model else platform.processor() or platform.machine()
    return f"{cpu}, one core each; {platform.system()}, Python {platform.python_version()}, numpy {numpy.__version__}."


def row(task: str, cell: str, runs: list) -> str:
    """A network on a task: its budget, and the figures that it reached, in the order of the seeds."""
    budget = BUDGETS[task, cell]
    seconds = f"{numpy.mean([seconds for *_, seconds in runs]):.0f}" if runs else "—"
    reached = ", ".join(figure for _, figure, _ in sorted(runs)) or "not measured"
    sizes = f"{budget.hidden} | {budget.steps:,} | {budget.batch}"
    return f"| {task} | {cell} | {sizes} | {seconds} | {budget.target} | {reached} |"


def table(before: str, runs: dict[tuple[str, str], list]) -> str:
    """The table as it was, with the rows of all networks that reached their target from every seed now."""
    known = {tuple(re.split(r" *\| *", line)[1:3]): line for line in before.splitlines() if line.startswith("|")}
    head = [
        f"{machine()}  Seeds {', '.join(map(str, SEEDS))}.\n",
        "| task | cell | hidden | batches | of | seconds each | target | reached |",
        "|---|---|--:|--:|--:|--:|---|---|",
    ]
    rows = [row(*key, runs[key]) if len(runs[key]) == len(SEEDS) else known.get(key, row(*key, [])) for key in BUDGETS]
    return "\n".join([*head, *rows]) + "\n"


def pytest_terminal_summary(terminalreporter):
    """Print the table, and keep it."""
    runs: dict[tuple[str, str], list] = {key: [] for key in BUDGETS}
    for passed in terminalreporter.getreports("passed"):
        for name, learnt in passed.user_properties:
            if name == "learnt" and passed.when == "call":
                task, cell, *run = learnt
                runs[task, cell].append(run)
    if any(runs.values()):
        page = PAGE.read_text("utf-8")
        before = re.search(MEASURED, page, flags=re.DOTALL)[0]
        text = table(before, runs)
        terminalreporter.write(f"\n{text}\nwritten to {PAGE}\n")
        PAGE.write_text(page.replace(before, text), "utf-8")
