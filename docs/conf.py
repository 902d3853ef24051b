"""How Sphinx builds the documentation: `sphinx-build -W docs docs/_build/html`."""

from importlib.metadata import version as installed_version
from typing import Any

project = "tinyrnn"
author = "the tinyrnn authors"
version = release = installed_version("tinyrnn")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
default_role = "code"  # single backquotes in docstrings name things

html_theme = "furo"
html_title = "tinyrnn"

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


def setup(app: Any) -> None:
    """Connect the hook above."""
    app.connect("autodoc-process-signature", without_library)
