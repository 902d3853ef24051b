"""Each file imports only from levels above it; `import tinyrnn` loads nothing optional, and fast."""

import ast
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import tinyrnn

PACKAGE = Path(tinyrnn.__file__).parent
LEVELS = {
    **{"backend": 0, "files": 0, "graph": 1, "primitive": 2, "ops": 3, "autodiff": 4, "tensor": 5, "gradcheck": 5},
    **{"tape": 6, "state": 6},
    **{"nn": 7, "optim": 7, "data": 7, "bptt": 8, "render": 8, "io": 8, "plots": 9, "doctor": 9},
    **{"train": 10, "cli": 11, "__main__": 12},
}
WITHIN_A_LEVEL = {("gradcheck", "tensor")}  # (importer, imported); there is no way back, hence no circle
EXCEPTIONS = {("tape", "render")}  # the methods of tape.Graph that draw, imported when they are called
OPTIONAL = (
    "cupy",
    "cupyx",
    "torch",
    "matplotlib",
    "tqdm",
    "pygraphviz",
    "safetensors",
    "graphviz",
    "tensorflow",
    "onnx",
    "keras",
    "jax",
)
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def part_of(path):
    """The name in the table of levels that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_parts(path):
    """The parts of tinyrnn that a file imports, in functions too, with whether that happens at the top of the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["tinyrnn", *path.relative_to(PACKAGE).parent.parts]
    found = []
    for node in ast.walk(tree):
        at_top = getattr(node, "col_offset", 1) == 0
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module.split(".") if node.module else [])]
            names = [[*module, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == "tinyrnn" and len(name) > 1:
                found.append((name[1], at_top))
            elif name[0] == "tinyrnn":
                found.append(("", at_top))
    return found


def complaints(path):
    own = part_of(path)
    for part, at_top in imported_parts(path):
        if part == own:
            continue
        if part not in LEVELS:
            yield f"{path.name} imports {part or 'tinyrnn itself'}, which is in no level"
        elif (own, part) in EXCEPTIONS and not at_top:
            continue
        elif LEVELS[part] > LEVELS[own] or (LEVELS[part] == LEVELS[own] and (own, part) not in WITHIN_A_LEVEL):
            yield f"{path.name} (level {LEVELS[own]}) imports {part} (level {LEVELS[part]})"


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_a_file_imports_only_from_levels_above_it(path):
    assert part_of(path) in LEVELS, f"{part_of(path)} is in no level: add it to LEVELS"
    assert list(complaints(path)) == []


def test_the_check_itself_finds_a_wrong_import(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "nn").mkdir()
    wrong = {
        "graph.py": "def f():\n    from .ops import add",
        "nn/layers.py": "from ..render import dot",
        "tensor.py": "import tinyrnn.nn.layers",
        "autodiff.py": "from tinyrnn import tape",
        "tape.py": "from . import render",  # allowed within a function alone
        "primitive.py": "import tinyrnn",
    }
    for name, source in wrong.items():
        (tmp_path / name).write_text(source)
        assert list(complaints(tmp_path / name)), name
    (tmp_path / "tape.py").write_text("def f():\n    from . import render\nfrom .graph import Value")
    assert list(complaints(tmp_path / "tape.py")) == []


@pytest.mark.parametrize("module", ["tinyrnn", "tinyrnn.nn", "tinyrnn.optim"])
def test_import_loads_no_optional_package(module):
    source = f"import sys, {module}; print(*sorted(n for n in sys.modules if n.partition('.')[0] in {OPTIONAL}))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []


def milliseconds(source):
    """How long the imports of a program take, by its own clock."""
    program = f"import time; start = time.perf_counter(); {source}; print((time.perf_counter() - start) * 1000)"
    compiled_once = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, env=compiled_once
    )
    return float(done.stdout)


@pytest.mark.slow
def test_import_costs_less_than_60_ms_over_numpy():
    differences = [milliseconds("import numpy, tinyrnn") - milliseconds("import numpy") for _ in range(9)]
    assert statistics.median(differences) < 60, f"{statistics.median(differences):.0f} ms"
