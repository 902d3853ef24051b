"""How Sphinx builds the documentation: `sphinx-build -W docs docs/_build/html`."""

import re
from importlib.metadata import version as installed_version
from typing import Any

project = "tinyrnn"
author = "the tinyrnn authors"
copyright = f"2026 {author}"
version = release = installed_version("tinyrnn")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
default_role = "code"  # single backquotes in docstrings name things

html_theme = "furo"
html_title = "tinyrnn"
html_static_path = ["_static"]
html_css_files = ["wrap.css"]

napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"  # the docstrings say what is expected, and the signatures stay short
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}


def without_library(app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, result: str | None) -> Any:
    """A primitive's first argument, `xp`, is filled in by the engine: readers do not see it."""
    if signature and signature.startswith("(xp, "):
        return "(" + signature.removeprefix("(xp, "), result
    return None


def as_written(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Before the first section of a docstring, indented lines are equations: they stay lines.  And |x| is no substitution."""
    underlines = [number for number, line in enumerate(lines) if line and not line.strip("-")]
    first_section = underlines[0] - 1 if underlines else len(lines)
    result: list[str] = []
    in_equations = False
    for number, line in enumerate(lines):
        if line.startswith("    ") and number < first_section:
            result += [] if in_equations else ["::", ""]
            in_equations = True
        elif line:
            in_equations = False
            line = line if line.startswith((">>>", "...")) else re.sub(r"(`+[^`]*`+)|\|", lambda part: part[1] or r"\|", line)
        result.append(line)
    lines[:] = result


def setup(app: Any) -> None:
    """Connect the hooks above; the second before napoleon reads the sections."""
    app.connect("autodoc-process-signature", without_library)
    app.connect("autodoc-process-docstring", as_written, priority=400)
