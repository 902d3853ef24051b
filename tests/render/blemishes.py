"""What no drawing may have: arrows behind boxes they do not touch, overlapping boxes and texts, anything cut off."""

from tinyrnn.render.curve import sampled


def inside(b, x, y, slack):
    return abs(x - b.x) < b.width / 2 + slack and abs(y - b.y) < b.height / 2 + slack


def blemishes(drawing, svg_bounds=None):
    """A line about each fault."""
    boxes, texts = drawing.boxes, drawing.texts
    for a in drawing.arrows:
        ends = [b for b in boxes for x, y in (a.chain[0], a.chain[-1]) if inside(b, x, y, 7.0)]
        points = sampled(a.chain)
        for b in boxes:
            if not any(b is e for e in ends) and any(inside(b, x, y, -0.5) for x, y in points):
                yield f"arrow {a.ends} runs behind {b.label.text or b.role} {b.time}"
        if a.ends and not {b.name for b in ends} >= set(a.ends):
            yield f"arrow {a.ends} does not reach both of its ends"
    for i, b in enumerate(boxes):
        for o in boxes[:i]:
            if abs(b.x - o.x) < (b.width + o.width) / 2 and abs(b.y - o.y) < (b.height + o.height) / 2:
                yield f"boxes {b.label.text} {o.label.text} {b.time} overlap"
    for i, t in enumerate(texts):
        middle = t.left + t.width / 2
        for b in boxes:
            if abs(b.x - middle) < (b.width + t.width) / 2 and abs(b.y - t.y) < (b.height + t.size * 0.8) / 2:
                yield f"text {t.text!r} on box {b.label.text}"
        for o in texts[:i]:
            if abs(o.left + o.width / 2 - middle) < (o.width + t.width) / 2 and abs(o.y - t.y) < (o.size + t.size) * 0.4:
                yield f"texts {t.text!r} and {o.text!r} overlap"
        for a in drawing.arrows:
            if any(t.left < x < t.left + t.width and abs(y - t.y) < t.size * 0.4 for x, y in sampled(a.chain)):
                yield f"arrow {a.ends} through text {t.text!r}"
