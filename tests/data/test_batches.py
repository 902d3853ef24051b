"""Batches of arrays: every sequence once, in an order that seed and epoch decide, and the rest of an epoch after a break."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinyrnn as tr
from tinyrnn import data, io


def numbers_of(batches):
    """Which sequences each batch holds, of data whose targets are their numbers."""
    return [batch.y.tolist() for batch in batches]


def numbered(count, **options):
    return data.Batches(np.arange(count) * 10.0, np.arange(count), **options)


@given(st.integers(1, 40), st.integers(1, 12), st.booleans(), st.integers(0, 5))
def test_an_epoch_holds_every_sequence_once(count, size, shuffle, seed):
    batches = numbered(count, batch_size=size, shuffle=shuffle, seed=seed)
    for _ in range(2):
        seen = numbers_of(batches)
        assert sorted(number for part in seen for number in part) == list(range(count))
        assert len(seen) == len(batches) and all(len(part) == size for part in seen[:-1])


@given(st.integers(1, 30), st.integers(1, 7), st.booleans(), st.booleans(), st.data())
def test_resumed_it_hands_out_exactly_what_was_left(count, size, shuffle, drop_last, draw):
    options = {"batch_size": size, "shuffle": shuffle, "seed": 3, "drop_last": drop_last}
    whole = numbered(count, **options)
    epochs = [numbers_of(whole) for _ in range(3)]
    epoch, place = draw.draw(st.integers(0, 1)), draw.draw(st.integers(0, len(whole)))
    stopped = numbered(count, **options)
    for _ in range(epoch):
        list(stopped)
    reader = iter(stopped)
    for _ in range(place):
        next(reader)
    resumed = numbered(count, **options)
    resumed.load_state_dict(stopped.state_dict())
    assert [numbers_of(resumed), numbers_of(resumed)] == [epochs[epoch][place:], epochs[epoch + 1]]


def test_the_seed_comes_back_with_the_place():
    stopped, resumed = numbered(30, shuffle=True, seed=4, batch_size=5), numbered(30, shuffle=True, seed=9, batch_size=5)
    reader = iter(stopped)
    next(reader)
    resumed.load_state_dict(stopped.state_dict())
    assert numbers_of(resumed) == numbers_of(reader) and numbers_of(resumed) == numbers_of(stopped)


def test_order_depends_on_seed_and_epoch_alone():
    first, second = numbered(50, shuffle=True, seed=7), numbered(50, shuffle=True, seed=7)
    tr.manual_seed(1)
    one = [numbers_of(first) for _ in range(2)]
    tr.manual_seed(2)
    np.random.seed(5)
    assert one == [numbers_of(second) for _ in range(2)]
    assert one[0] != one[1] and one[0] != numbers_of(numbered(50, shuffle=True, seed=8))
    assert one[0] != numbers_of(numbered(50))


def test_a_reader_that_breaks_off_is_followed_by_a_new_epoch():
    batches, other = numbered(20, batch_size=4, shuffle=True), numbered(20, batch_size=4, shuffle=True)
    for _ in batches:
        break
    list(other)
    assert numbers_of(batches) == numbers_of(other)


def test_the_place_travels_in_a_checkpoint(tmp_path):
    pytest.importorskip("safetensors")
    batches, resumed = numbered(20, batch_size=4, shuffle=True), numbered(20, batch_size=4, shuffle=True)
    reader = iter(batches)
    next(reader), next(reader)
    io.save(tmp_path / "run.safetensors", {"batches": batches})
    io.load(tmp_path / "run.safetensors", into={"batches": resumed})
    assert numbers_of(resumed) == numbers_of(reader)


def test_time_first_arrays_are_divided_along_their_second_axis():
    x, y, mask = np.arange(30).reshape(3, 5, 2), np.arange(15).reshape(3, 5), np.ones((3, 5), bool)
    last = list(data.Batches(x, y, mask=mask, lengths=[3, 1, 2, 3, 1], batch_size=2, batch_axis=1))[-1]
    assert (last.x == x[:, 4:]).all() and (last.y == y[:, 4:]).all() and last.mask.shape == (3, 1) and last.lengths == [1]
    labels = list(data.Batches(x, np.arange(5), batch_size=2, batch_axis=1))
    assert [batch.y.tolist() for batch in labels] == [[0, 1], [2, 3], [4]]
    rows = list(data.Batches(x, np.arange(10).reshape(5, 2), batch_size=5, batch_axis=1, target_axis=0))
    assert rows[0].y.shape == (5, 2)


def test_several_inputs_stay_a_tuple():
    (batch,) = data.Batches((np.zeros((4, 2)), tr.ones(4, 3)), batch_size=8)
    assert [part.shape for part in batch.x] == [(4, 2), (4, 3)] and batch.y is None
    assert all(isinstance(part, np.ndarray) for part in batch.x)


def test_batches_are_copies_and_keep_their_dtype():
    x = np.zeros((4, 2), np.float32)
    batch = next(iter(data.Batches(x)))
    batch.x[:] = 1
    assert x.sum() == 0 and batch.x.dtype == np.float32


def test_a_batch_of_windows_reads_only_its_own_steps(tmp_path):
    """A million steps of 64 numbers as windows of 50 would be 12 GB; what is copied is one batch."""
    np.lib.format.open_memmap(tmp_path / "long.npy", "w+", np.float32, (1_000_000, 64))
    x, y = data.windows(np.load(tmp_path / "long.npy", mmap_mode="r"), 50)
    batch = next(iter(data.Batches(x, y, batch_size=8, shuffle=True)))
    assert batch.x.shape == (8, 50, 64) and batch.y.shape == (8, 1, 64)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[1], [2]], [1, 2, 3]), {}, r"x \(2, 1\) has 2 along axis 0, y \(3,\) has 3"),
        (([],), {}, "nothing to make batches of"),
        (([1, 2],), {"batch_size": 0}, "batch_size=0: expected a whole number from 1"),
        (([1, 2],), {"seed": -1}, "seed=-1: a seed is an integer from 0"),
        (([1, 2],), {"batch_axis": 1}, r"x has shape \(2,\), and so no axis 1"),
        ((np.zeros((3, 5, 2)), np.zeros((5, 2))), {"batch_axis": 1}, "target_axis=0"),
    ],
)
def test_what_does_not_fit_is_told(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        data.Batches(*arguments, **options)


def test_lists_of_several_lengths_are_no_array():
    with pytest.raises(TypeError, match="lists of one length"):
        data.Batches([[1, 2], [3]])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"epoch": 0}, "expected epoch, place, batches, seed"),
        ({"epoch": 0, "place": 9, "batches": 5, "seed": 0}, "no such place as .*'place': 9"),
        ({"epoch": 0, "place": 0, "batches": 4, "seed": 0}, "4 batches in an epoch, this iterator 5"),
        ({"epoch": 0, "place": 0, "batches": 5, "seed": -1}, "no such place"),
    ],
)
def test_a_state_of_another_iterator_is_refused(state, message):
    with pytest.raises(ValueError, match=message):
        numbered(20, batch_size=4).load_state_dict(state)
