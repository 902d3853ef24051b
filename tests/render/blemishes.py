"""What no drawing may have: arrows behind boxes they do not touch or on other arrows, overlapping boxes and texts."""

from collections import Counter, defaultdict

import numpy as np

from tinyrnn.render.curve import sampled


def rectangles(centres, sizes):
    """(n, 2) centres and (n, 2) half sizes."""
    return np.array(centres, float).reshape(-1, 2), np.array(sizes, float).reshape(-1, 2) / 2


def inside(points, rectangle, slack):
    """Which points (p, 2) lie in which rectangles (n): bools (p, n)."""
    centres, halves = rectangle
    return (abs(points[:, None] - centres) < halves + slack).all(-1)


def overlaps(one, other):
    """Which rectangles overlap: bools."""
    (a, p), (b, q) = one, other
    return (abs(a[:, None] - b) < p[:, None] + q).all(-1)


def paced(chain, pace=2.0):
    """Points (x, y) along a line at equal distances, and its direction at each: (n, 4)."""
    points = np.array(sampled(chain))
    length = np.hypot(*np.diff(points, axis=0).T)
    points, length = points[np.r_[True, length > 1e-6]], length[length > 1e-6]
    if len(points) < 2:
        return np.zeros((0, 4))
    way = np.r_[0.0, np.cumsum(length)]
    at = np.arange(0.0, way[-1], pace)
    directions = (np.diff(points, axis=0) / length[:, None])[np.searchsorted(way, at, side="right") - 1]
    return np.c_[np.interp(at, way, points[:, 0]), np.interp(at, way, points[:, 1]), directions]


def on_each_other(arrows, close=1.2, longest=14.0, pace=2.0):
    """Pairs of arrows that run along one line, though they neither begin nor end at one mark; and for how long."""
    grid = defaultdict(list)
    for number, arrow in enumerate(arrows):
        for x, y, dx, dy in paced(arrow.chain, pace):
            grid[x // 2, y // 2].append((number, x, y, dx, dy))
    together = Counter()
    for (column, row), here in grid.items():
        near = [p for i in (-1, 0, 1) for k in (-1, 0, 1) for p in grid.get((column + i, row + k), ())]
        for a, x, y, dx, dy in here:
            others = {b for b, u, v, ex, ey in near if b > a and abs(x - u) < close > abs(y - v) and abs(dx * ey - dy * ex) < 0.2}
            together.update((a, b) for b in others)
    for (a, b), count in together.items():
        one, other = arrows[a].ends, arrows[b].ends
        related = one and other and (one[0] == other[0] or one[1] == other[1])
        chained = one and other and (one[1] == other[0] or one[0] == other[1])  # into a mark, and on from it
        if chained and arrows[a].stroke.color == arrows[b].stroke.color:
            continue
        if not related and count * pace > (2 * longest if chained else longest):  # at a mark they may come together
            yield arrows[a], arrows[b], count * pace


def blemishes(drawing):
    """A line about each fault."""
    boxes, texts = drawing.boxes, drawing.texts
    box = rectangles([(b.x, b.y) for b in boxes], [(b.width, b.height) for b in boxes])
    text = rectangles([(t.left + t.width / 2, t.y) for t in texts], [(t.width, 0.8 * t.size) for t in texts])
    for a in drawing.arrows:
        points = np.array(sampled(a.chain))
        ends = inside(np.array([a.chain[0], a.chain[-1]]), box, 7.0).any(0)
        for i in np.flatnonzero(inside(points, box, -0.5).any(0) & ~ends):
            yield f"arrow {a.ends} runs behind {boxes[i].label.text or boxes[i].role} {boxes[i].time}"
        if a.ends and not {boxes[i].name for i in np.flatnonzero(ends)} >= set(a.ends):
            yield f"arrow {a.ends} does not reach both of its ends"
        for i in np.flatnonzero(inside(points, text, 0.0).any(0)):
            yield f"arrow {a.ends} through text {texts[i].text!r}"
    for one, other, length in on_each_other(drawing.arrows):
        yield f"arrows {one.ends} and {other.ends} run on each other for {length:g} points"
    for i, j in zip(*np.nonzero(np.triu(overlaps(box, box), 1))):
        yield f"boxes {boxes[i].label.text} and {boxes[j].label.text} {boxes[j].time} overlap"
    for i, j in zip(*np.nonzero(overlaps(text, box))):
        yield f"text {texts[i].text!r} on box {boxes[j].label.text} {boxes[j].time}"
    for i, j in zip(*np.nonzero(np.triu(overlaps(text, text), 1))):
        yield f"texts {texts[i].text!r} and {texts[j].text!r} overlap"
