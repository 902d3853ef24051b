"""Batches by length: every sequence once, padding and masks where they belong, both orders of axes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinyrnn as tr
from tinyrnn import data, nn

lengths_of_sequences = st.lists(st.integers(0, 12), min_size=1, max_size=30)


def sequences_of(lengths):
    """Sequence i holds i + 1, as often as it has steps."""
    return [np.full(length, number + 1) for number, length in enumerate(lengths)]


@given(lengths_of_sequences, st.integers(1, 5), st.booleans(), st.one_of(st.none(), st.just([3]), st.just([2, 5, 9])))
def test_buckets_are_a_partition(lengths, size, shuffle, boundaries):
    numbers = np.arange(len(lengths))
    batches = data.BucketBatches(sequences_of(lengths), numbers, batch_size=size, shuffle=shuffle, boundaries=boundaries)
    for _ in range(2):
        found = list(batches)
        assert len(found) == len(batches)
        assert sorted(number for batch in found for number in batch.y) == numbers.tolist()
        for batch in found:
            assert batch.lengths.tolist() == [lengths[number] for number in batch.y]
            bucket = np.searchsorted(batches.boundaries, batch.lengths)
            assert (bucket == bucket[0]).all() and len(batch.y) <= size


@given(lengths_of_sequences, st.booleans())
def test_padding_and_mask(lengths, batch_first):
    x, y = sequences_of(lengths), [np.full((length + 1, 2), 0.5) for length in lengths]
    for batch in data.BucketBatches(x, y, batch_size=4, padding=-1, batch_first=batch_first):
        rows, targets, mask = (part if batch_first else part.swapaxes(0, 1) for part in (batch.x, batch.y, batch.mask))
        assert rows.shape == (len(batch.lengths), max(1, batch.lengths.max()))
        for row, target, counts, length in zip(rows, targets, mask, batch.lengths):
            assert (row[:length] == row[0]).all() and (row[length:] == -1).all() and (length == 0 or row[0] > 0)
            counts = counts[:, 0]  # for both features
            assert counts.sum() == length + 1 and counts[: length + 1].all()
            assert (target[counts] == 0.5).all() and (target[~counts] == 0).all()


@given(lengths_of_sequences, st.integers(1, 5), st.data())
def test_resumed_it_hands_out_exactly_what_was_left(lengths, size, draw):
    def make():
        return data.BucketBatches(sequences_of(lengths), batch_size=size, shuffle=True, seed=4)

    def content(batches):
        return [batch.x.tolist() for batch in batches]

    whole, stopped, resumed = make(), make(), make()
    epochs = [content(whole) for _ in range(2)]
    place = draw.draw(st.integers(0, len(whole)))
    reader = iter(stopped)
    for _ in range(place):
        next(reader)
    resumed.load_state_dict(stopped.state_dict())
    assert [content(resumed), content(resumed)] == [epochs[0][place:], epochs[1]]


def test_little_is_padding():
    lengths = np.random.default_rng(0).integers(1, 100, 1000)
    batches = data.BucketBatches([np.ones(length) for length in lengths], batch_size=10, shuffle=True)
    read = sum(batch.x.size for batch in batches)
    assert lengths.sum() < read < 1.2 * lengths.sum()


def test_batches_differ_from_epoch_to_epoch():
    batches = data.BucketBatches([[number] for number in range(40)], batch_size=4, shuffle=True)
    one, two = ([sorted(batch.x[0].tolist()) for batch in batches] for _ in range(2))
    assert sorted(one) != sorted(two)


def test_several_inputs_of_their_own_lengths():
    sources, targets = [[1, 2, 3], [4]], [[5], [6, 7]]
    (batch,) = data.BucketBatches((sources, targets), targets, batch_size=2, boundaries=[])
    assert [part.shape for part in batch.x] == [(3, 2), (2, 2)]
    assert batch.lengths.tolist() == [3, 1] and batch.mask.T.tolist() == [[True, False], [True, True]]


def test_a_loss_of_features_leaves_out_what_is_padding():
    y = [np.ones((length, 2), np.float32) for length in (4, 1)]
    (batch,) = data.BucketBatches([[0] * 4, [0]], y, batch_size=2, boundaries=[])
    prediction = np.where(batch.mask, 0.0, 9.0) * np.ones((4, 2, 2), np.float32)
    assert nn.mse(tr.tensor(prediction.astype(np.float32)), batch.y, mask=batch.mask).item() == 1.0


def test_drop_last_leaves_out_the_smaller_batch_of_each_bucket():
    batches = data.BucketBatches([[1]] * 5 + [[1, 1]] * 3, batch_size=2, boundaries=[1], drop_last=True)
    assert [batch.x.shape for batch in batches] == [(1, 2), (1, 2), (2, 2)]


def test_a_layer_reads_them():
    tr.manual_seed(0)
    layer, x = nn.GRU(2, 3), [np.random.default_rng(n).normal(size=(n, 2)).astype(np.float32) for n in (4, 2, 0, 3)]
    (batch,) = data.BucketBatches(x, np.arange(4), batch_size=4, boundaries=[])
    _, state = layer(batch.x, lengths=batch.lengths)
    for number in (0, 1, 3):
        assert np.allclose(layer(x[number][:, None])[1].numpy()[0, 0], state.numpy()[0, number], atol=1e-6)
    assert (state.numpy()[0, 2] == 0).all()


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        ([], {}, "at least one, not"),
        ([[1], [2]], {"y": [1]}, r"not \[2, 1\]"),
        (([1], [2]), {}, "single number"),
        ([[1], [[2, 3]]], {}, "differ in more than their length"),
        ([[1]], {"boundaries": [3, 2]}, "ascending"),
        ([[1]], {"batch_size": 0}, "batch_size=0"),
        ([[1]], {"padding": (0, 1)}, "padding has 2 numbers for 1"),
    ],
)
def test_what_does_not_fit_is_told(x, options, message):
    with pytest.raises(ValueError, match=message):
        data.BucketBatches(x, **options)


def test_pad_and_its_mask():
    padded, lengths = data.pad([np.ones((2, 3), np.float32), np.ones((0, 3), np.float32)], padding=7)
    assert padded.shape == (2, 2, 3) and padded.dtype == np.float32 and (padded[:, 1] == 7).all()
    assert lengths.tolist() == [2, 0] and data.length_mask(lengths).tolist() == [[True, False], [True, False]]
    assert data.pad([[], []])[0].shape == (1, 2)
    assert data.pad([[], [1]])[0].dtype == np.int64
    for wrong, message in (
        ([], "no sequences"),
        ([3], r"shape \(\)"),
        ([np.ones((1, 2)), np.ones((1, 3))], "sequence 1 has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            data.pad(wrong)
    for wrong, message in (([3], "3, but there are 2 steps"), ([-1], "from -1"), ([1.5], "integers")):
        with pytest.raises(ValueError, match=message):
            data.length_mask(wrong, 2)


@pytest.mark.parametrize(("dtype", "padding"), [(int, 0.5), (int, np.nan), (int, np.inf), (np.uint8, -1), (bool, 2)])
def test_a_padding_that_the_dtype_cannot_hold_is_refused(dtype, padding):
    """As an integer 0.5 would be 0, another symbol."""
    with pytest.raises(ValueError, match=r"pad: padding=.* as the sequences are"):
        data.pad([np.array([1, 0], dtype), np.array([1], dtype)], padding=padding)
    assert data.pad([[1.0, 2.0], [3.0]], padding=0.5)[0].tolist() == [[1.0, 3.0], [2.0, 0.5]]


def test_a_single_number_is_no_target_for_each_sequence():
    with pytest.raises(ValueError, match="y is a single number, 5"):
        data.BucketBatches([[1], [2]], 5)
