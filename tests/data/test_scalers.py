"""Scalers: the numbers of scikit-learn, the way back, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tinyrnn as tr
from tinyrnn import data, io

KINDS = [data.MinMaxScaler, lambda: data.MinMaxScaler((-3, 0.5)), data.StandardScaler]
tables = arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.floats(-1e6, 1e6, width=32))


@pytest.mark.parametrize("kind", KINDS)
@given(table=tables)
def test_the_inverse_undoes_the_scaling(kind, table):
    scaler = kind()
    back = scaler.inverse_transform(scaler.fit_transform(table))
    assert np.allclose(back, table, rtol=1e-9, atol=1e-12 * max(1.0, abs(table).max()))


@pytest.mark.parametrize(
    ("name", "options"), [("MinMaxScaler", {}), ("MinMaxScaler", {"feature_range": (-1, 2)}), ("StandardScaler", {})]
)
def test_numbers_and_names_are_those_of_scikit_learn(name, options):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    generator = np.random.default_rng(0)
    table = generator.normal(3, 10, (50, 4))
    table[:, 2] = 7.1  # never changes
    ours, theirs = getattr(data, name)(**options).fit(table), getattr(preprocessing, name)(**options).fit(table)
    new = generator.normal(3, 20, (9, 4))
    assert np.allclose(ours.transform(new), theirs.transform(new), rtol=1e-12, atol=1e-12)
    assert np.allclose(ours.inverse_transform(new), theirs.inverse_transform(new), rtol=1e-12, atol=1e-12)
    for attribute in ("data_min_", "data_max_") if name == "MinMaxScaler" else ("mean_", "scale_"):
        assert np.allclose(getattr(ours, attribute), getattr(theirs, attribute), rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_leading_axes_and_dtypes_stay(kind):
    x = np.random.default_rng(1).normal(5, 2, (7, 3, 2)).astype(np.float32)
    scaler = kind().fit(x)
    scaled = scaler.transform(x)
    assert scaled.shape == x.shape and scaled.dtype == np.float32
    assert np.allclose(scaled.reshape(-1, 2), kind().fit_transform(x.reshape(-1, 2)), atol=1e-6)
    assert scaler.inverse_transform(scaled[0]).dtype == np.float32
    series = kind().fit_transform([1, 2, 4])
    assert series.shape == (3,) and series.dtype == np.float64
    assert np.array_equal(kind().fit(x).transform(tr.tensor(x)), scaled)


@pytest.mark.parametrize("kind", KINDS)
def test_a_feature_that_never_changes_comes_back_as_it_was(kind):
    for constant in (0.1, 0.0, 1e6 / 3):  # the mean of 0.1 three times is not 0.1
        table = np.full((3, 1), constant)
        scaler = kind().fit(table)
        assert np.isfinite(scaler.transform(table + 1)).all()
        assert np.allclose(scaler.inverse_transform(scaler.transform(table)), table, rtol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_numbers_are_reported_with_their_feature(kind):
    table = np.ones((4, 3))
    table[1:3, 2] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"shape \(4, 3\) and holds NaN or infinity, 2 in feature 2"):
        kind().fit(table)
    with pytest.raises(ValueError, match="NaN"):
        kind().fit(np.zeros((2, 3))).transform(table)


@pytest.mark.parametrize("kind", KINDS)
def test_misuse_is_explained(kind):
    with pytest.raises(RuntimeError, match="fit has not been called"):
        kind().transform([1.0])
    with pytest.raises(ValueError, match="3 features along its last axis, but fit had seen 2"):
        kind().fit(np.zeros((4, 2))).transform(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="nothing to learn from"):
        kind().fit(np.zeros((0, 2)))
    with pytest.raises(TypeError, match="expected numbers"):
        kind().fit(["warm", "cold"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_brings_it_back(kind, tmp_path):
    pytest.importorskip("safetensors")
    table = np.random.default_rng(2).normal(size=(20, 3))
    scaler = kind().fit(table)
    io.save(tmp_path / "run.safetensors", {"scaler": scaler})
    other = type(scaler)()
    io.load(tmp_path / "run.safetensors", into={"scaler": other})
    assert np.array_equal(other.transform(table), scaler.transform(table))


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_state_is_refused_and_changes_nothing(kind):
    scaler = kind().fit(np.arange(6.0).reshape(3, 2))
    before = scaler.state_dict()
    wrong = {name: np.zeros((2, 2)) if name not in ("feature_range",) else value for name, value in before.items()}
    for state in ({"mean": [1.0]}, None, wrong):
        with pytest.raises((ValueError, TypeError)):
            scaler.load_state_dict(state)
    assert all(np.array_equal(before[name], scaler.state_dict()[name]) for name in before)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_features_are_nothing_to_learn_from(kind):
    with pytest.raises(ValueError, match="nothing to learn from"):
        kind().fit(np.zeros((5, 0)))


@pytest.mark.parametrize("wrong", [(0.0, np.inf), (-np.inf, 0.0), (0.0, np.nan), (1.0, 1.0)])
def test_a_range_has_two_ends(wrong):
    with pytest.raises(ValueError, match="expected two numbers, the first below the second"):
        data.MinMaxScaler(wrong)


def test_masked_numbers_are_refused():
    """NumPy's asarray drops the mask: the 99 under it would count."""
    numbers = np.ma.masked_array([1.0, 2.0, 99.0], [False, False, True])
    for take in (data.StandardScaler().fit, lambda x: data.windows(x, 1), lambda x: data.Batches(x)):
        with pytest.raises(ValueError, match="1 numbers are masked"):
            take(numbers)
    assert data.StandardScaler().fit(numbers.compressed()).mean_.tolist() == [1.5]
