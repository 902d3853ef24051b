"""Parallel streams of a text: windows cover it exactly, follow each other, and resume."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyrnn import data


@given(st.integers(2, 120), st.integers(1, 5), st.integers(1, 9), st.booleans())
def test_windows_cover_the_text_exactly_and_y_is_the_next_symbol(symbols, streams, window, batch_first):
    if symbols <= streams:
        with pytest.raises(ValueError, match=f"too short for {streams} streams: that takes {streams + 1}"):
            data.Streams(np.arange(symbols), streams=streams)
        return
    batches = data.Streams(np.arange(symbols), streams=streams, window=window, batch_first=batch_first)
    found = [(batch.x, batch.y) if batch_first else (batch.x.T, batch.y.T) for batch in batches]
    assert len(found) == len(batches)
    read = np.concatenate([x for x, _ in found], axis=1)
    assert read.ravel().tolist() == list(range((symbols - 1) // streams * streams))
    assert all((y == x + 1).all() for x, y in found)
    assert all(x.shape[1] == window for x, _ in found[:-1])


def test_drop_last_leaves_windows_of_one_length():
    assert [batch.x.shape for batch in data.Streams(np.arange(21), streams=2, window=4, drop_last=True)] == [(4, 2), (4, 2)]
    with pytest.raises(ValueError, match="window of 11: that takes 23"):
        data.Streams(np.arange(21), streams=2, window=11, drop_last=True)


def test_codes_of_a_small_dtype_come_out_as_integers_to_index_with():
    batch = next(iter(data.Streams(np.arange(200, dtype=np.uint8), streams=3)))
    assert batch.x.dtype == batch.y.dtype == np.int64


def test_resume_in_the_middle():
    whole, resumed = (data.Streams(np.arange(101), streams=4, window=5) for _ in range(2))
    reader = iter(whole)
    next(reader), next(reader)
    resumed.load_state_dict(whole.state_dict())
    assert [batch.x.tolist() for batch in resumed] == [batch.x.tolist() for batch in reader]


def test_misuse_is_explained():
    with pytest.raises(ValueError, match=r"\(T,\) integers, not float64 .*; the windows of a series of numbers are given"):
        data.Streams(np.zeros(10))
    with pytest.raises(ValueError, match=r"int64 \(2, 5\)"):
        data.Streams(np.zeros((2, 5), np.int64))
    with pytest.raises(ValueError, match="window=0"):
        data.Streams(np.arange(10), window=0)
