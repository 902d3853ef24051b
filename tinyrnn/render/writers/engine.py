"""Graphviz paints pdf and png, in a process of its own that cannot hang: the system's, or the one in the pygraphviz wheel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

TIME_OUT, DPI = 20.0, 150  # seconds, and dots per inch of a png
_PROGRAM = "nop2"  # also known as neato -n2: it takes all positions as they are

_PYGRAPHVIZ = """
import sys, pygraphviz
program, form = sys.argv[1:]
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
if form == "png":
    graph.graph_attr["dpi"] = "DPI"
sys.stdout.buffer.write(graph.draw(format=form, prog=program))
""".replace("DPI", str(DPI))


def paint(source: str, form: str) -> bytes:
    """A DOT text whose positions are pinned, as a pdf or png."""
    command = _command(form)
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        out, messages = process.communicate(source.encode(), timeout=TIME_OUT)
    except subprocess.TimeoutExpired:
        _end(process)
        raise RuntimeError(
            f"Graphviz did not finish painting {source.count(chr(10))} lines within {TIME_OUT:g} s: "
            "draw fewer steps, or a smaller part of the model"
        ) from None
    except BaseException:  # such as Ctrl-C
        _end(process)
        raise
    if process.returncode != 0 or not out:
        why = messages.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"Graphviz ({command[0]}) failed to make {form}: {why[-1] if why else 'it gave no reason'}")
    return out


def _command(form: str) -> list[str]:
    """What to run: it reads DOT and writes `form`."""
    dot = shutil.which("dot")
    if dot:
        return [dot, f"-K{_PROGRAM}", f"-T{form}", *([f"-Gdpi={DPI}"] if form == "png" else [])]
    if find_spec("pygraphviz"):
        return [sys.executable, "-P", "-c", _PYGRAPHVIZ, _PROGRAM, form]
    raise RuntimeError(
        f"Graphviz paints .{form}, and there is neither its program `dot` nor the package pygraphviz, which brings it along: "
        'pip install "tinyrnn[demos]"; .svg and .html need neither'
    )


def _end(process: subprocess.Popen) -> None:
    """End the process and all that it has started."""
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.communicate()
