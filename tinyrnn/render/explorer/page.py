"""The page: a template, its style and its scripts, and the data, in one file that needs nothing else."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from string import Template

from ..style import ROLES
from .numbers import Json

SCRIPTS = (
    *("dom", "data", "heatmap", "scene", "camera", "lights", "timeline", "card"),
    *("pile", "panels", "theme", "keys", "main"),
)


def page(data: Json) -> str:
    """The text of the HTML file."""
    here = files(__package__)
    scripts = "\n".join((here / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    return Template((here / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{data['title']['name']}, unrolled"),
        style=colours() + (here / "explorer.css").read_text(encoding="utf-8"),
        data=embedded(data),
        scripts=scripts,
    )


def colours() -> str:
    """The house colours as variables of CSS, --state-line and --state-fill, and a class for each role."""
    roles = {role.replace(" ", "-"): look for role, look in ROLES.items()}
    values = "".join(f" --{role}-line: {look.line}; --{role}-fill: {look.fill};" for role, look in roles.items())
    classes = "".join(f".{role} {{ --line: var(--{role}-line); --fill: var(--{role}-fill); }}\n" for role in roles)
    return f":root {{{values} }}\n{classes}"


def embedded(data: Json) -> str:
    """JSON that may stand inside a script element, whatever the names in it are."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
