"""Curves as chains of cubic Béziers, [p₀, c₁, c₂, p₁, c₃, c₄, p₂, …], which is the form Graphviz uses, too."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

Point = tuple[float, float]
Chain = list[Point]


def rounded(corners: Sequence[Point], radius: float = 9.0) -> Chain:
    """A line through axis-parallel corners, each corner rounded."""
    corners = [p for i, p in enumerate(corners) if i == 0 or distance(p, corners[i - 1]) > 0.05]
    if len(corners) == 1:
        return [corners[0]] * 4
    chain, here = [corners[0]], corners[0]
    for before, corner, after in zip(corners, corners[1:], corners[2:]):
        reach = min(radius, distance(before, corner) / 2, distance(corner, after) / 2)
        start, end = _toward(corner, before, reach), _toward(corner, after, reach)
        bend = reach * 0.56  # this close to the corner, two control points make a quarter of a circle
        chain += [*_straight(here, start), _toward(start, corner, bend), _toward(end, corner, bend), end]
        here = end
    return chain + _straight(here, corners[-1])


def moved(chain: Chain, dx: float, dy: float = 0.0) -> Chain:
    """The chain somewhere else."""
    return [(x + dx, y + dy) for x, y in chain]


def led_on(chain: Chain, second: Chain) -> Chain:
    """A chain that comes from below, led smoothly into another one, whose first piece gives way."""
    (x, y), end = chain[-1], second[3]
    high = max(0.0, end[1] - y)
    back = _toward(end, second[2], 0.35 * high)
    return [*chain, (x, y + 0.55 * high), back, *second[3:]]


def reaching(chain: Chain, goal: Point) -> Chain:
    """The chain, led straight on to a point."""
    return chain + _straight(chain[-1], goal)


def beside(chain: Chain, shift: float) -> Chain:
    """The same way, a little to the right of the direction of travel."""
    shifted = []
    for i, (x, y) in enumerate(chain):
        (x0, y0), (x1, y1) = _neighbours(chain, i)
        length = distance((x0, y0), (x1, y1)) or 1.0
        shifted.append((x + shift * (y1 - y0) / length, y - shift * (x1 - x0) / length))
    return shifted


def shortened(chain: Chain, length: float) -> Chain:
    """The chain without its last `length` points, where the arrow head goes."""
    tip = chain[-1]
    while len(chain) > 4 and distance(chain[-4], tip) <= length:
        chain = chain[:-3]
    last, low, high = chain[-4:], 0.0, 1.0
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (middle, high) if distance(point(last, middle), tip) > length else (low, middle)
    return chain[:-4] + first_part(last, low)


def dashes(chain: Chain, lengths: Sequence[float]) -> list[Chain]:
    """The strokes of a broken line, whose strokes and gaps have these lengths in turns; it ends in a stroke."""
    strokes: list[Chain] = []
    open_, turn, left = [chain[0]], 0, lengths[0]
    for i in range(0, len(chain) - 3, 3):
        rest = chain[i : i + 4]
        while (long := _length(rest)) > left:
            t = left / long  # nearly: strokes are short
            if open_:
                strokes.append([*open_, *first_part(rest, t)[1:]])
            rest = _last_part(rest, t)
            open_ = [] if open_ else [rest[0]]
            turn += 1
            left = lengths[turn % len(lengths)]
        left -= long
        open_ += rest[1:] if open_ else []
    return [*strokes, open_ if len(open_) > 1 else [chain[-1]] * 4]


def is_straight(cubic: Chain) -> bool:
    """Do both control points lie on the way from its start to its end?"""
    (x0, y0), *controls, (x1, y1) = cubic
    dx, dy = x1 - x0, y1 - y0
    return all(
        abs((x - x0) * dy - (y - y0) * dx) <= 0.05 * hypot(dx, dy) and 0 <= (x - x0) * dx + (y - y0) * dy <= dx * dx + dy * dy
        for x, y in controls
    )


def point(cubic: Chain, t: float) -> Point:
    """Where a cubic Bézier is at t, from 0 to 1."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = cubic
    s = 1.0 - t
    a, b, c, d = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
    return a * ax + b * bx + c * cx + d * dx, a * ay + b * by + c * cy + d * dy


def sampled(chain: Chain, pieces: int = 16) -> list[Point]:
    """Points along a chain."""
    return [point(chain[i : i + 4], k / pieces) for i in range(0, len(chain) - 3, 3) for k in range(pieces + 1)]


def distance(a: Point, b: Point) -> float:
    """How far apart two points are."""
    return hypot(b[0] - a[0], b[1] - a[1])


def _neighbours(chain: Chain, i: int) -> tuple[Point, Point]:
    """The points before and after number i that differ from it."""
    here = chain[i]
    before = next((p for p in reversed(chain[:i]) if distance(p, here) > 0.01), here)
    after = next((p for p in chain[i + 1 :] if distance(p, here) > 0.01), here)
    return before, after


def beyond(chain: Chain, height: float) -> Chain:
    """The chain, which runs up or down, from where it reaches a height."""
    way = 1.0 if chain[-1][1] > chain[0][1] else -1.0
    while len(chain) > 4 and (chain[3][1] - height) * way < 0:
        chain = chain[3:]
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if (point(chain[:4], middle)[1] - height) * way < 0 else (low, middle)
    return _last_part(chain[:4], high) + chain[4:]


def first_part(cubic: Chain, t: float) -> Chain:
    """A cubic Bézier up to t (de Casteljau)."""
    a, b, c, d = cubic
    ab, bc, cd = _mix(a, b, t), _mix(b, c, t), _mix(c, d, t)
    abc, bcd = _mix(ab, bc, t), _mix(bc, cd, t)
    return [a, ab, abc, _mix(abc, bcd, t)]


def _last_part(cubic: Chain, t: float) -> Chain:
    """A cubic Bézier from t on."""
    return first_part(cubic[::-1], 1.0 - t)[::-1]


def _length(cubic: Chain) -> float:
    points = [point(cubic, k / 8) for k in range(9)]
    return sum(map(distance, points, points[1:]))


def _mix(a: Point, b: Point, t: float) -> Point:
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t


def _toward(a: Point, b: Point, length: float) -> Point:
    d = distance(a, b) or 1.0
    return a[0] + (b[0] - a[0]) * length / d, a[1] + (b[1] - a[1]) * length / d


def _straight(a: Point, b: Point) -> Chain:
    """The rest of a chain that goes from a straight to b."""
    third = distance(a, b) / 3
    return [_toward(a, b, third), _toward(b, a, third), b]
