"""What no drawing may have: arrows behind boxes they do not touch or on other arrows, overlapping boxes and texts."""

import numpy as np

from tinyrnn.render.curve import point

PIECES = np.linspace(0.0, 1.0, 17)
BASIS = np.array([[point([(float(i == k), 0.0) for i in range(4)], t)[0] for k in range(4)] for t in PIECES])


def rectangles(centres, sizes):
    """(n, 2) centres and (n, 2) half sizes."""
    return np.array(centres, float).reshape(-1, 2), np.array(sizes, float).reshape(-1, 2) / 2


def inside(points, rectangle, slack):
    """Which points (p, 2) lie in which rectangles (n): bools (p, n)."""
    centres, halves = rectangle
    middle, reach = (points.max(0) + points.min(0)) / 2, (points.max(0) - points.min(0)) / 2
    near = (abs(centres - middle) < halves + reach + slack).all(-1)
    found = np.zeros((len(points), len(centres)), bool)
    found[:, near] = (abs(points[:, None] - centres[near]) < halves[near] + slack).all(-1)
    return found


def overlaps(one, other):
    """Which rectangles overlap: bools."""
    (a, p), (b, q) = one, other
    return (abs(a[:, None] - b) < p[:, None] + q).all(-1)


def sampled(chain):
    """Points along a chain of Béziers: (n, 2)."""
    first = np.arange(0, len(chain) - 3, 3)
    return (BASIS @ np.array(chain)[first[:, None] + np.arange(4)]).reshape(-1, 2)


def paced(chain, pace=2.0):
    """Points (x, y) along a line at equal distances, and its direction at each: (n, 4)."""
    points = sampled(chain)
    length = np.hypot(*np.diff(points, axis=0).T)
    points, length = points[np.r_[True, length > 1e-6]], length[length > 1e-6]
    if len(points) < 2:
        return np.zeros((0, 4))
    way = np.r_[0.0, np.cumsum(length)]
    at = np.arange(0.0, way[-1], pace)
    directions = (np.diff(points, axis=0) / length[:, None])[np.searchsorted(way, at, side="right") - 1]
    return np.c_[np.interp(at, way, points[:, 0]), np.interp(at, way, points[:, 1]), directions]


def close_pairs(points, reach):
    """Numbers of points (n, 2) that lie within `reach` of each other in x and in y, each pair both ways."""
    column, row = np.floor(points / reach).astype(int).T
    cell = 10**6 * column + row
    order = np.argsort(cell)
    here, there = [], []
    for step in [10**6 * i + k for i in (-1, 0, 1) for k in (-1, 0, 1)]:
        low, high = (np.searchsorted(cell[order], cell + step, side) for side in ("left", "right"))
        count = high - low
        here.append(np.repeat(np.arange(len(points)), count))
        there.append(order[np.arange(count.sum()) + np.repeat(low - np.cumsum(count) + count, count)])
    here, there = np.concatenate(here), np.concatenate(there)
    near = (abs(points[here] - points[there]) < reach).all(-1)
    return here[near], there[near]


def on_each_other(arrows, close=1.2, longest=14.0, pace=2.0):
    """Pairs of arrows that run along one line, though they neither begin nor end at one mark; and for how long."""
    lines = [paced(arrow.chain, pace) for arrow in arrows]
    points = np.concatenate(lines or [np.zeros((0, 4))])
    number = np.repeat(np.arange(len(lines)), list(map(len, lines)))
    here, there = close_pairs(points[:, :2], close)
    (dx, dy), (ex, ey) = points[here, 2:].T, points[there, 2:].T
    along = (number[there] > number[here]) & (abs(dx * ey - dy * ex) < 0.2)
    met = np.unique(np.c_[here, number[there]][along], axis=0)
    pairs, counts = np.unique(np.c_[number[met[:, 0]], met[:, 1]], axis=0, return_counts=True)
    for (a, b), count in zip(pairs, counts):
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
        points = sampled(a.chain)
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
