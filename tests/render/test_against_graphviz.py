"""Our layout beside that of Graphviz's `dot`: crossings, lengths, bends; and our DOT text painted by it."""

import json
import shutil
import subprocess
from itertools import combinations, permutations

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn.render import layout
from tinyrnn.render.curve import sampled
from tinyrnn.render.layout import Layout

from .models import MODELS

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="there is no dot")


def laid_out_by_dot(task):
    """What dot makes of a task.  It knows no sides: where nodes stand on the wrong one, it is asked again with more pairs."""
    side = {**dict.fromkeys(task.left, -1), **dict.fromkeys(task.right, 1)}
    order = set(task.order)
    for _ in range(5):
        done = ask_dot(task, sorted(order))
        wrong = set()
        for (a, (x, y)), (b, (z, w)) in permutations(enumerate(done.centres), 2):
            if abs(y - w) < 8 and side.get(a, 0) < side.get(b, 0):
                order.add((a, b))
                wrong |= {(a, b)} if x > z else set()
        if not wrong:
            break
    return done


def ask_dot(task, order):
    lines = ["digraph {", "rankdir=BT; nodesep=0.2; ranksep=0.3", 'node [fixedsize=true, label=""]', "edge [arrowhead=none]"]
    for i, (width, height, radius) in enumerate(task.outlines):
        shape = "box" if radius is not None and radius < height / 2 else "ellipse"
        lines.append(f"n{i} [width={width / 72:.3f}, height={height / 72:.3f}, shape={shape}]")
    lines += [f"n{tail} -> n{head} [weight={weight}, id={i}]" for i, (tail, head, weight) in enumerate(task.edges)]
    lines += [f"{{rank=same; n{a} -> n{b} [style=invis]}}" for a, b in order]
    text = "\n".join([*lines, "}"])
    answer = json.loads(
        subprocess.run(["dot", "-Tjson"], input=text, capture_output=True, text=True, timeout=60, check=True).stdout
    )

    def points(text):
        return [tuple(map(float, pair.split(","))) for pair in text.split()]

    x0, y0, x1, y1 = map(float, answer["bb"].split(","))
    centres = {o["name"]: points(o["pos"])[0] for o in answer["objects"] if "pos" in o}
    curves = {int(e["id"]): points(e["pos"]) for e in answer["edges"] if "id" in e}
    width, height = x1 - x0 + 2 * layout.MARGIN, y1 - y0 + 2 * layout.MARGIN
    return Layout(width, height, [centres[f"n{i}"] for i in range(len(task.outlines))], [curves[i] for i in sorted(curves)])


def measures(task, done):
    """Crossings, with arrows from and to the neighbouring steps; the length of all arrows; how far they turn; the area."""
    lines = [np.array(sampled(chain, 8)) for chain in done.curves]
    sides = []
    for nodes, side in ((task.left, -1), (task.right, 1)):
        for node in nodes:
            x, y = done.centres[node]
            row = [a for a, b in done.centres if abs(b - y) < 8]
            if not any((a - x) * side > 0 for a in row):
                sides.append(np.array([(x + side * task.outlines[node].width / 2, y), (x + side * 1e4, y)]))
    crossed = sum(crossings(a, b) for a, b in combinations([*lines, *sides], 2))
    steps = [np.diff(line, axis=0) for line in lines]
    length = sum(np.hypot(*step.T).sum() for step in steps)
    angles = [np.unwrap(np.arctan2(*step[np.hypot(*step.T) > 1e-3].T)) for step in steps]
    return np.array([crossed, length, np.degrees(sum(abs(np.diff(a)).sum() for a in angles)), done.width * done.height])


def crossings(one, other):
    """How often two lines of straight pieces meet, but for their ends."""
    (p, q), (r, s) = ((line[:-1, None], line[1:, None]) for line in (one, other))
    r, s = r.swapaxes(0, 1), s.swapaxes(0, 1)

    def cross(a, b):
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

    with np.errstate(divide="ignore", invalid="ignore"):
        t, u = (cross(r - p, v) / cross(q - p, s - r) for v in (s - r, q - p))
        return int(((t > 0) & (t <= 1) & (u > 0) & (u <= 1)).sum())


@needs_dot
@pytest.mark.slow
def test_as_calm_as_dot(monkeypatch):
    """All cells that the models need, each once: not more crossings, not longer arrows, fewer bends, no larger."""
    tasks, lay_out = {}, layout.lay_out
    monkeypatch.setattr(layout, "lay_out", lambda task: tasks.setdefault(task, lay_out(task)))
    for model in MODELS.values():
        tr.tape(model(3)).dot()
    tasks = {task: done for task, done in tasks.items() if len(task.outlines) >= 7}
    ours = np.array([measures(task, done) for task, done in tasks.items()])
    dots = np.array([measures(task, laid_out_by_dot(task)) for task in tasks])
    print(f"\n{len(tasks)} cells    crossings   length   turns (degrees)   area (square points)")
    for name, table in (("tinyrnn", ours), ("dot", dots)):
        print(f"{name:10}{table[:, 0].sum():12.0f}{table[:, 1].sum():9.0f}{table[:, 2].sum():18.0f}{table[:, 3].sum():23.0f}")
    assert (ours.sum(0) <= dots.sum(0)).all()
    assert ((ours[:, 1] / dots[:, 1]).mean()) <= 1.0
