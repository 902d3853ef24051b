"""Our layout beside that of Graphviz's `dot`: crossings, lengths, bends; and our DOT text painted by it."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from itertools import combinations, permutations
from xml.etree import ElementTree

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import render
from tinyrnn.render import layout, style
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
    """All cells that the models need, each once: in sum not more crossings, no longer arrows, fewer bends, no larger."""
    tasks, lay_out = {}, layout.lay_out
    monkeypatch.setattr(layout, "lay_out", lambda task: tasks.setdefault(task, lay_out(task)))
    for model in MODELS.values():
        tr.tape(model(3)).dot()
    tasks = {task: done for task, done in tasks.items() if len(task.outlines) >= 7 and not task.joints}  # which dot lacks
    ours = np.array([measures(task, done) for task, done in tasks.items()])
    dots = np.array([measures(task, laid_out_by_dot(task)) for task in tasks])
    print(f"\n{len(tasks)} cells    crossings   length   turns (degrees)   area (square points)")
    for name, table in (("tinyrnn", ours), ("dot", dots)):
        print(f"{name:10}{table[:, 0].sum():12.0f}{table[:, 1].sum():9.0f}{table[:, 2].sum():18.0f}{table[:, 3].sum():23.0f}")
    assert (ours.sum(0) <= dots.sum(0)).all()
    assert ((ours[:, 1] / dots[:, 1]).mean()) <= 1.0


# -- our DOT text ------------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def numbers(text):
    return np.array([float(number) for number in re.findall(r"-?[\d.]+", text)]).reshape(-1, 2)


@pytest.fixture(scope="module")
def painted():
    """A drawing, and what Graphviz makes of its DOT text, its y pointing up: {title: shapes} of nodes and of edges."""
    graph = tr.tape(MODELS["lstm"](3))
    source = graph.dot(gradients=True).source
    done = subprocess.run(["neato", "-n2", "-Tsvg"], input=source, capture_output=True, text=True, timeout=60, check=True)
    groups = defaultdict(list)
    for group in ElementTree.fromstring(done.stdout).iter(f"{SVG}g"):
        if group.get("class") in ("node", "edge"):
            groups[group.find(f"{SVG}title").text].append(group)
    return render.draw(graph, gradients=True), groups


def at(drawing, groups, box):
    """Where Graphviz has put a box."""
    shape = next(e for e in groups[box.name][0].iter() if e.tag in (f"{SVG}ellipse", f"{SVG}polygon", f"{SVG}path"))
    if shape.get("cx"):
        return np.array([float(shape.get("cx")), -float(shape.get("cy"))])
    points = numbers(shape.get("points") or shape.get("d"))
    return (points.min(0) + points.max(0)) / 2 * (1, -1)


@needs_dot
def test_dot_paints_the_same_picture(painted):
    """Each box is where ours is, and each arrow runs through the same points."""
    drawing, groups = painted
    origin = at(drawing, groups, drawing.boxes[0]) - (drawing.boxes[0].x, drawing.boxes[0].y)
    for box in drawing.boxes:
        assert at(drawing, groups, box) - origin == pytest.approx([box.x, box.y], abs=0.11)
    arrows = [arrow for arrow in drawing.arrows if arrow.ends]
    assert len(arrows) > 100
    for arrow in arrows:
        paths = [numbers(e.get("d")) * (1, -1) - origin for g in groups["->".join(arrow.ends)] for e in g.iter(f"{SVG}path")]
        assert any(np.allclose(path[0], arrow.chain[0], atol=0.11) for path in paths), arrow.ends
        assert all(np.hypot(*(path[-1] - arrow.chain[-1])) < 6.0 for path in paths)


@needs_dot
def test_heads_are_as_wide_as_in_svg(painted):
    """Graphviz outlines a head with a line as wide as that of its arrow; together they are as wide as the head in our SVG."""
    drawing, groups = painted
    widths = set()
    for arrow in drawing.arrows:
        if arrow.ends:
            (head,) = (e for e in groups["->".join(arrow.ends)][0].iter(f"{SVG}polygon"))
            points = np.unique(numbers(head.get("points")), axis=0)
            sides = sorted(np.hypot(*(a - b)) for a, b in combinations(points, 2))
            line = float(head.get("stroke-width") or 1.0)
            widths.add(line)
            assert sides[0] + 1.41 * line == pytest.approx(style.head_width(line), abs=0.4)
    assert len(widths) > 3
