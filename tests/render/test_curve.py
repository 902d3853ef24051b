"""Chains of Béziers, cut into pieces."""

from itertools import pairwise

import numpy as np
import pytest

from tinyrnn.render.curve import beyond, dashes, distance, rounded, sampled, shortened

CORNERS = [(0.0, 0.0), (0.0, 40.0), (60.0, 40.0), (60.0, 90.0)]


def length(chain):
    return sum(map(distance, sampled(chain), sampled(chain)[1:]))


def test_strokes_and_gaps_take_turns():
    chain, pattern = rounded(CORNERS), (6.0, 2.0, 1.0, 2.0)
    strokes = dashes(chain, pattern)
    assert strokes[0][0] == chain[0] and strokes[-1][-1] == chain[-1]
    whole = [length(stroke) for stroke in strokes[:-1]]
    assert whole == pytest.approx([pattern[2 * (i % 2)] for i in range(len(whole))], rel=0.05)
    gaps = [distance(a[-1], b[0]) for a, b in pairwise(strokes[:-1])]
    assert gaps == pytest.approx([2.0] * len(gaps), rel=0.05)
    on_it = np.array(sampled(chain, 200))
    for point in (p for stroke in strokes for p in sampled(stroke)):
        assert np.hypot(*(on_it - point).T).min() < 0.3


def test_a_line_that_ends_in_a_gap_ends_in_a_point():
    first, last = dashes(rounded([(0.0, 0.0), (7.0, 0.0)]), (6.0, 2.0))
    assert first[0] == (0.0, 0.0) and first[-1] == pytest.approx((6.0, 0.0)) and last == [(7.0, 0.0)] * 4


def test_shortened_and_beyond_keep_the_rest():
    chain = rounded(CORNERS)
    cut = shortened(chain, 10.0)
    assert cut[:4] == chain[:4] and distance(cut[-1], chain[-1]) == pytest.approx(10.0, abs=0.1)
    rest = beyond(chain, 20.0)
    assert rest[0] == pytest.approx((0.0, 20.0), abs=0.01) and rest[4:] == chain[4:]
