"""Devices, arrays in and out, seeds; on NumPy alone (`test_cupy.py` has the rest)."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import backend, nn


def test_devices_are_parsed_and_printed():
    parse = backend.Device.parse
    assert parse("cpu") == tr.Device("cpu") == backend.CPU and str(parse("cpu")) == "cpu"
    assert parse("cuda") == parse("cuda:0") == tr.Device("cuda", 0) and str(parse("cuda")) == "cuda:0"
    assert parse("cuda:12").index == 12 and repr(parse("cuda:1")) == "Device('cuda:1')"
    assert parse(parse("cuda:1")) == parse("cuda:1")
    assert len({parse("cpu"), parse("cpu:0"), parse("cuda")}) == 2


def test_asarray():
    a = np.ones(2)
    assert backend.asarray(a) is a
    assert not np.shares_memory(backend.asarray(a, copy=True), a)
    assert backend.asarray(a, "float32").dtype == np.float32
    assert backend.asarray([1, 2]).dtype == np.float32 and backend.asarray([1, 2], int).dtype == np.int64
    assert backend.asarray(np.float64(2.0)).shape == ()


def test_arrays_of_a_subclass_or_of_another_type_count_as_numpy():
    masked = np.ma.masked_array([1.0, 2.0])
    assert backend.namespace((masked,)) is np and backend.device_of(masked) == backend.CPU


def test_protected_arrays_are_changed_through_writable_alone():
    a = np.ones(2)
    backend.protect(a, True)
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 2.0
    backend.writable(a)[0] = 3.0
    assert a[0] == 3.0 and not a.flags.writeable
    backend.protect(a, False)
    a[0] = 4.0
    assert backend.writable(a) is a


def test_seeds():
    tr.manual_seed(5)
    a = [tr.randn(3).tolist(), nn.Linear(2, 2).W.tolist()]
    tr.manual_seed(5)
    assert a == [tr.randn(3).tolist(), nn.Linear(2, 2).W.tolist()]
    tr.manual_seed(6)
    assert a[0] != tr.randn(3).tolist()
    for nonsense in (-1, 1.5, "1", None):
        with pytest.raises(ValueError, match="a seed is an integer from 0"):
            tr.manual_seed(nonsense)


def test_random_state_goes_on_bit_for_bit():
    tr.manual_seed(5)
    tr.randn(3)
    state = backend.random_state()
    a = tr.randn(3, dtype="float64").tolist()
    backend.set_random_state(state)
    assert tr.randn(3, dtype="float64").tolist() == a


def test_the_generator_of_numpy_is_not_touched():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    tr.manual_seed(1)
    tr.randn(100)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_norms_neither_overflow_nor_underflow():
    norm = backend.norm
    assert norm(np.full(4, 1e-200)) == pytest.approx(2e-200) and norm(np.full(4, 1e200)) == pytest.approx(2e200)
    assert (
        norm(np.full(4, 1e-40, "float32")) == pytest.approx(2e-40, rel=1e-4) and norm(np.array([3.0]), np.array([[4.0]])) == 5.0
    )
    assert norm(np.zeros(3)) == norm() == 0 and np.isnan(norm(np.array([np.nan, 1.0])))
    assert norm(np.array([np.inf, 1.0])) == np.inf
