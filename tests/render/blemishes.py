"""What no drawing may have: arrows behind boxes they do not touch, overlapping boxes and texts."""

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
    for i, j in zip(*np.nonzero(np.triu(overlaps(box, box), 1))):
        yield f"boxes {boxes[i].label.text} and {boxes[j].label.text} {boxes[j].time} overlap"
    for i, j in zip(*np.nonzero(overlaps(text, box))):
        yield f"text {texts[i].text!r} on box {boxes[j].label.text} {boxes[j].time}"
    for i, j in zip(*np.nonzero(np.triu(overlaps(text, text), 1))):
        yield f"texts {texts[i].text!r} and {texts[j].text!r} overlap"
