"""Windows, splits: which steps they hold, that nothing of the future is among the inputs, and no overlap at a border."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinyrnn import data

small = st.integers(1, 6)


@given(st.integers(2, 40), small, small, small, st.integers(1, 3))
def test_windows_are_what_a_loop_cuts_out(steps, length, horizon, stride, features):
    assume(steps >= length + horizon)
    series = np.arange(steps * features).reshape(steps, features)
    x, y = data.windows(series, length, horizon, stride)
    starts = [start for start in range(0, steps, stride) if start + length + horizon <= steps]
    assert np.array_equal(x, [series[start : start + length] for start in starts])
    assert np.array_equal(y, [series[start + length : start + length + horizon] for start in starts])


@given(st.integers(2, 40), small)
def test_windows_without_overlap_cover_the_series_exactly(steps, length):
    assume(steps > length)
    x, y = data.windows(np.arange(steps), length, stride=length)
    assert x.ravel().tolist() == list(range(len(x) * length)) and steps - len(x) * length <= length
    assert (y[:, 0, 0] == x[:, -1, 0] + 1).all()


def test_windows_are_views():
    series = np.arange(10.0, dtype=np.float32)
    x, y = data.windows(series, 3, 2)
    assert np.shares_memory(x, series) and np.shares_memory(y, series) and not x.flags.writeable
    assert x.dtype == np.float32 and x.shape == (6, 3, 1) and y.shape == (6, 2, 1)


def test_targets_pick_columns():
    series = np.arange(30).reshape(10, 3)
    x, y = data.windows(series, 4, targets=[2, 0])
    assert x.shape == (6, 4, 3) and y[0].tolist() == [[14, 12]]
    assert data.windows(series, 4, targets=-1)[1][0].tolist() == [[14]]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros(5), 4, 2), ValueError, "a series of 5 steps has no window of 4 with 2 to come: that takes 6"),
        ((np.zeros((2, 3, 4)), 1), ValueError, r"shape \(2, 3, 4\), expected \(T,\) or \(T, F\)"),
        ((np.zeros(5), 0), ValueError, "length=0: expected a whole number from 1"),
        ((np.zeros(5), 2, 1, 0.5), ValueError, "stride=0.5"),
        ((["a", "b"], 1), TypeError, "expected numbers"),
    ],
)
def test_impossible_windows_are_explained(arguments, error, message):
    with pytest.raises(error, match=message):
        data.windows(*arguments)


def test_a_column_that_is_not_there():
    with pytest.raises(IndexError, match="2 columns"):
        data.windows(np.zeros((5, 2)), 2, targets=2)


@given(st.integers(1, 60), st.integers(0, 20), st.integers(0, 20), st.integers(0, 5))
def test_the_parts_follow_each_other_with_gaps_between(steps, validation, test, gap):
    needed = validation + test + gap * ((validation > 0) + (test > 0))
    if needed >= steps:
        with pytest.raises(ValueError, match="nothing is left for training"):
            data.time_split(steps, validation=validation, test=test, gap=gap)
        return
    parts = [range(steps)[part] for part in data.time_split(steps, validation=validation, test=test, gap=gap)]
    assert [len(part) for part in parts] == [steps - needed, validation, test]
    assert parts[0].start == 0 and (not test or parts[2].stop == steps)
    present = [part for part in parts if part]
    assert all(later.start - earlier.stop == gap for earlier, later in pairwise(present))


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_with_the_gap_of_the_documentation_windows_share_no_step(length, horizon, stride):
    x, y = data.windows(np.arange(120), length, horizon, stride)
    part = data.time_split(len(x), test=0.3, gap=-(-(length + horizon - 1) // stride))
    seen = {int(step) for steps in (x[part.train], y[part.train]) for step in steps.ravel()}
    assert max(seen) < x[part.test].min()


def test_fractions():
    assert data.time_split(100, validation=0.1, test=0.2) == (slice(0, 70), slice(70, 80), slice(80, 100))
    for wrong in (1.5, -1, -0.1, "half"):
        with pytest.raises(ValueError, match="test="):
            data.time_split(100, test=wrong)
    with pytest.raises(ValueError, match="less than one"):
        data.time_split(10, validation=0.01)
    with pytest.raises(ValueError, match=r"steps=array.*expected how many there are, len\(series\)"):
        data.time_split(np.arange(5.0), test=1)
    with pytest.raises(ValueError, match="gap=-1"):
        data.time_split(10, gap=-1)
