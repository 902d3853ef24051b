"""Tensor and Parameter: construction, numbers, operators, NumPy's protocols, DLPack."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import tinyrnn as tr


def leaf(data, dtype=None, **options):
    return tr.tensor(data, dtype=dtype, requires_grad=True, **options)


# -- construction ----------------------------------------


def test_python_numbers_become_float32_and_arrays_keep_their_dtype():
    assert tr.tensor(1).dtype == tr.tensor([1, 2.0]).dtype == np.float32
    assert tr.tensor(True).dtype == tr.tensor([True]).dtype == np.bool_
    for dtype in ("float16", "float32", "float64", "int8", "int64", "bool"):
        assert tr.tensor(np.ones(2, dtype)).dtype == dtype
    assert tr.tensor([1, 2], dtype=int).dtype == np.int64
    assert tr.tensor(np.ones(2), dtype="float32").dtype == np.float32
    assert tr.tensor(np.float64(1.0)).dtype == np.float64


def test_data_is_copied():
    a = np.ones(2)
    t = tr.tensor(a)
    u = tr.tensor(t)
    a[0] = 5.0
    assert t.tolist() == u.tolist() == [1.0, 1.0] and not np.shares_memory(t.data, u.data)


@pytest.mark.parametrize("nonsense", ["text", [1, "a"], None, {"a": 1}, [[1, 2], [3]], object(), np.array(["a"]), np.array([1j])])
def test_what_holds_no_numbers(nonsense):
    with pytest.raises(TypeError, match="cannot make numbers of"):
        tr.tensor(nonsense)


def test_integers_asked_for_gradients():
    for make in (lambda: leaf(np.array([1, 2])), lambda: tr.Parameter(np.array([1])), lambda: leaf(True)):
        with pytest.raises(TypeError, match=r"dtype (int64|bool): only floats have gradients; make it with dtype='float32'"):
            make()


def test_only_a_leaf_is_told_whether_it_requires_a_gradient():
    w = leaf(1.0)
    with pytest.raises(RuntimeError, match="was computed from others"):
        (w * 2).requires_grad_()
    assert w.requires_grad_(False).requires_grad is False
    w.data[...] = 2.0  # no longer protected


def test_zeros_ones_randn():
    assert tr.zeros(2, 3).shape == tr.zeros((2, 3)).shape == tr.ones([2, 3]).shape == tr.randn(2, 3).shape == (2, 3)
    assert tr.zeros().shape == () and tr.zeros(0).size == 0
    assert tr.zeros(1, dtype="float64").dtype == tr.randn(1, dtype="float64").dtype == np.float64


# -- numbers ----------------------------------------


def test_item_tolist_numpy():
    t = tr.tensor([[1.0, 2.0]])
    assert t.tolist() == [[1.0, 2.0]] and t[0, 1].item() == 2.0 and isinstance(t[0, 1].item(), float)
    assert np.shares_memory(t.numpy(), t.data)
    with pytest.raises(ValueError, match=r"item\(\) needs one number"):
        t.item()
    assert float(t[0, 1]) == 2.0 and int(t[0, 1]) == 2


def test_numpy_is_read_only_where_gradients_depend_on_it():
    w = leaf([1.0])
    for t in (w, w * 2, w.reshape(1, 1)):
        with pytest.raises(ValueError, match="read-only"):
            t.numpy()[...] = 0.0
    constant = tr.tensor([1.0])
    constant.numpy()[...] = 5.0
    assert constant.tolist() == [5.0]


def test_truth_length_iteration():
    t = tr.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2 and [row.tolist() for row in t] == [[1.0, 2.0], [3.0, 4.0]]
    assert bool(tr.tensor(1.0)) and not tr.tensor([0.0])
    for refuse, message in ((lambda: bool(t), "needs one number"), (lambda: bool(t == t), "needs one number")):
        with pytest.raises(ValueError, match=message):
            refuse()
    for refuse in (lambda: len(tr.tensor(1.0)), lambda: list(tr.tensor(1.0))):
        with pytest.raises(TypeError, match="no axes"):
            refuse()
    assert list(tr.zeros(0, 2)) == []


def test_iteration_and_unpacking_carry_gradients():
    x = leaf([1.0, 2.0, 3.0])
    a, b, c = x
    (a * b + c).backward()
    assert x.grad.tolist() == [2.0, 1.0, 1.0]


def test_tensors_are_hashable_and_compare_number_by_number():
    a, b = tr.tensor([1.0, 2.0]), tr.tensor([1.0, 3.0])
    assert (a == b).tolist() == [True, False] and (a != b).tolist() == [False, True]
    assert (a < b).tolist() == [False, True] and (a >= 2).tolist() == [False, True]
    assert len({a, b, a}) == 2


def test_repr():
    assert repr(tr.tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(tr.tensor([1.5], dtype="float64", name="x")) == "Tensor([1.5], dtype=float64, name='x')"
    assert repr(leaf([1.0])) == "Tensor([1.], requires_grad=True)"
    assert repr(leaf([1.0]) * 2) == "Tensor([2.], op=mul)"
    assert repr(tr.Parameter([1.0], name="W")) == "Parameter([1.], name='W', requires_grad=True)"
    assert len(repr(tr.zeros(1000, 1000))) < 2000


# -- methods and operators ----------------------------------------


def test_operators_with_numbers_arrays_and_tensors():
    x, a = tr.tensor([1.0, 4.0]), np.array([2.0, 2.0], "float32")
    for y, expected in [
        *((x + 1, [2, 5]), (1 + x, [2, 5]), (x - 1, [0, 3]), (1 - x, [0, -3]), (x * a, [2, 8]), (a * x, [2, 8])),
        *((x / a, [0.5, 2]), (a / x, [2, 0.5]), (x**2, [1, 16]), (2**x, [2, 16]), (-x, [-1, -4]), (abs(-x), [1, 4])),
        *((a + x, [3, 6]), (a - x, [1, -2]), (a**x, [2, 16]), (x @ a, 10), (a @ x, 10)),
    ]:
        assert isinstance(y, tr.Tensor) and y.dtype == np.float32
        np.testing.assert_allclose(y.numpy(), expected)


def test_in_place_operators_make_new_tensors_where_a_history_is():
    w = leaf([1.0])
    y = z = w * 2
    y += 1
    assert y is not z and z.tolist() == [2.0]
    y.sum().backward()
    assert w.grad.tolist() == [2.0]


def test_in_place_operators_on_a_leaf():
    w = leaf([1.0, 2.0], name="w")
    with pytest.raises(RuntimeError, match=r"'w'.*change it in place under tr.no_grad\(\)"):
        w += 1.0
    before, memory = w, w.data
    with tr.no_grad():
        w += 1.0
        w *= 2.0
        w -= np.array([1.0, 1.0], "float32")
        w /= 3.0
    assert w is before and w.data is memory
    np.testing.assert_allclose(w.numpy(), [1.0, 5 / 3], rtol=1e-6)


def test_assign_and_writable_are_for_leaves():
    w = leaf([1.0, 2.0])
    assert w.assign([3.0, 4.0]) is w and w.tolist() == [3.0, 4.0]
    assert w.assign(np.array([5.0, 6.0])).dtype == np.float32
    with pytest.raises(ValueError, match=r"cannot assign shape \(3,\)"):
        w.assign(np.ones(3))
    for refuse in (lambda: (w * 2).assign([0.0, 0.0]), lambda: (w * 2).writable()):
        with pytest.raises(RuntimeError, match="only a leaf"):
            refuse()


def test_items_are_not_set_one_by_one():
    with pytest.raises(TypeError, match=r"use tr.where or tr.put, or assign"):
        tr.zeros(2)[0] = 1.0


def test_index_errors_are_clear():
    x = tr.zeros(2, 3)
    with pytest.raises(IndexError, match="must hold integers or bools, not float64"):
        x[np.array([0.5])]
    with pytest.raises(IndexError, match=r"getitem\(.*out of bounds"):
        x[5]
    assert x[[]].shape == (0, 3)


def test_methods():
    x = leaf(np.arange(6.0).reshape(2, 3))
    assert (
        x.reshape(3, 2).shape
        == x.reshape((3, 2)).shape
        == x.T.shape
        == x.transpose(1, 0).shape
        == x.transpose((1, 0)).shape
        == (3, 2)
    )
    assert x.sum(axis=0).tolist() == [3, 5, 7] and x.max(axis=1).tolist() == [2, 5] and x.min().item() == 0.0
    assert x.mean().item() == 2.5 and x.argmax(axis=1).tolist() == [2, 2]
    assert [p.shape for p in x.split(3)] == [(2, 1)] * 3 and len(x.unstack(axis=1)) == 3
    assert x.astype("float32").dtype == np.float32 and (x.ndim, x.size) == (2, 6)
    for name in ("exp", "tanh", "sigmoid", "relu", "softmax", "log_softmax", "logsumexp", "norm", "var", "flip", "squeeze"):
        np.testing.assert_array_equal(getattr(x, name)().numpy(), getattr(tr, name)(x).numpy())
    g = x.astype("float32").sum()
    assert tr.grad(g, x).dtype == np.float64  # the gradient comes back in the dtype of x


# -- errors of operations ----------------------------------------


def test_wrong_inner_size():
    with pytest.raises(
        ValueError, match=r"matmul\(\(2, 3\) float32, \(4, 5\) float32\): the inner sizes differ: .* has 3, but .* expects 4"
    ):
        tr.zeros(2, 3) @ tr.zeros(4, 5)


def test_wrong_rank():
    with pytest.raises(ValueError, match="to scale by a number use"):
        tr.zeros(2, 3) @ tr.zeros()
    with pytest.raises(ValueError, match=r"batch axes \(2,\) and \(3,\) do not broadcast"):
        tr.zeros(2, 1, 1) @ tr.zeros(3, 1, 1)


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match=r"add\(\(2, 3\) float32, \(2,\) float32\): the shapes do not broadcast"):
        tr.zeros(2, 3) + tr.zeros(2)


def test_attributes_are_keywords():
    with pytest.raises(TypeError, match="positional arguments are arrays"):
        tr.sum(tr.zeros(2), 0)


# -- NumPy's protocols ----------------------------------------


def test_numpy_ufuncs_are_recorded():
    x = leaf([0.5, 2.0])
    for name in ("tanh", "exp", "log", "sqrt", "absolute", "negative", "sign"):
        y = getattr(np, name)(x)
        assert isinstance(y, tr.Tensor) and (y.requires_grad or name == "sign")
        np.testing.assert_allclose(y.numpy(), getattr(np, name)(x.numpy()), rtol=1e-6)
    assert isinstance(np.add(np.ones(2, "float32"), x), tr.Tensor)
    np.tanh(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 1 - np.tanh([0.5, 2.0]) ** 2, rtol=1e-5)


def test_numpy_functions_are_recorded():
    x = leaf(np.arange(6.0).reshape(2, 3))
    for y, expected in [
        *((np.sum(x, axis=0), [3, 5, 7]), (np.mean(x), 2.5), (np.max(x, axis=1), [2, 5]), (np.expand_dims(x, 0).sum(), 15)),
        (np.concatenate([x, x]).sum(), 30),
        *(
            (np.stack([x, x]).sum(), 30),
            (np.transpose(x)[2], [2, 5]),
            (np.reshape(x, (6,)).sum(), 15),
            (np.clip(x, 1, 2).sum(), 10),
        ),
        *((np.where(x > 2, x, 0).sum(), 12), (np.var(x), 35 / 12)),
        *((np.squeeze(x[:1]), [0, 1, 2]), (np.flip(x, 0)[0], [3, 4, 5]), (np.min(x), 0)),
    ]:
        assert isinstance(y, tr.Tensor) and y.requires_grad
        np.testing.assert_allclose(y.numpy(), expected)
    assert np.shape(x) == (2, 3) and np.ndim(x) == 2 and np.size(x) == 6


def test_arrays_on_the_left():
    x, a = leaf(np.ones((2, 2))), np.full((2, 2), 3.0)
    for y in (a @ x, a * x, a + x, a - x, a / x):
        assert isinstance(y, tr.Tensor) and y.requires_grad
    (a @ x).sum().backward()
    assert x.grad.tolist() == [[6.0, 6.0], [6.0, 6.0]]


def test_unsupported_numpy_functions():
    x = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match=r"np\.sin is not recorded for Tensors: .*tanh.* are; or compute on t\.numpy\(\)"):
        np.sin(x)
    for refuse in (lambda: np.add.reduce(x), lambda: np.tanh(x, out=np.ones(2)), lambda: np.add.at(np.ones(2), [0], x)):
        with pytest.raises(TypeError, match="is not recorded for Tensors"):
            refuse()
    with pytest.raises(TypeError, match=r"np\.median is not recorded for Tensors: compute on t\.numpy\(\)"):
        np.median(x)


def test_asarray_shares_and_is_protected():
    w, t = leaf([1.0]), tr.tensor([1.0])
    assert np.shares_memory(np.asarray(w), w.data) and not np.asarray(w).flags.writeable
    assert np.shares_memory(np.asarray(t), t.data)
    assert np.array(t).flags.writeable and not np.shares_memory(np.array(t), t.data)
    assert np.asarray(t, dtype="float64").dtype == np.float64


# -- DLPack ----------------------------------------


def test_dlpack_with_numpy_shares_memory_both_ways():
    a = np.arange(3.0)
    t = tr.from_dlpack(a)
    a[0] = 7.0
    assert t.tolist() == [7.0, 1.0, 2.0]
    b = np.from_dlpack(tr.tensor([1.0, 2.0]))
    assert b.tolist() == [1.0, 2.0]
    u = tr.tensor([1.0, 2.0])
    assert np.shares_memory(np.from_dlpack(u), u.data)


def test_dlpack_of_a_parameter_and_of_a_scalar():
    w = leaf([1.0, 2.0])
    assert np.from_dlpack(w).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        w.data[...] = 0.0  # still protected
    assert np.from_dlpack(tr.tensor([1.0, 2.0]).sum()).item() == 3.0


def test_dlpack_with_torch_shares_memory_both_ways():
    torch = pytest.importorskip("torch", reason="shares memory with PyTorch")
    theirs = torch.arange(3.0)
    ours = tr.from_dlpack(theirs)
    theirs[0] = 7.0
    assert ours.tolist() == [7.0, 1.0, 2.0]
    t = tr.tensor([1.0, 2.0])
    back = torch.from_dlpack(t)
    back[0] = 9.0
    assert t.tolist() == [9.0, 2.0]
    assert torch.from_dlpack(leaf([1.0]) * 2).tolist() == [2.0]


def test_what_does_not_speak_dlpack():
    with pytest.raises(TypeError, match="has no __dlpack__"):
        tr.from_dlpack([1.0])

    class Elsewhere:
        def __dlpack__(self, **kwargs):
            raise AssertionError

        def __dlpack_device__(self):
            return 10, 0

    with pytest.raises(tr.DeviceError, match="device 10 is neither the CPU"):
        tr.from_dlpack(Elsewhere())


def test_copy_and_pickle_of_a_parameter():
    w = tr.Parameter([1.0, 2.0], name="w")
    for again in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        assert isinstance(again, tr.Parameter) and again.tolist() == [1.0, 2.0] and again.name == "w" and again.requires_grad
        assert not np.shares_memory(again.data, w.data)
        with pytest.raises(ValueError, match="read-only"):
            again.data[...] = 0.0
        (again * again).sum().backward()
        assert again.grad.tolist() == [2.0, 4.0]


def test_a_list_of_tensors_is_no_argument():
    w = tr.Parameter([1.0, 2.0])
    for f in (tr.sum, tr.tanh, tr.detach):
        with pytest.raises(TypeError, match=r"list of Tensors.*tr\.stack"):
            f([w, w])
    with pytest.raises(TypeError, match=r"tr\.stack"):
        tr.tensor([w[0], w[1]])
    np.testing.assert_array_equal(tr.stack(x for x in (w, w)).numpy(), [[1, 2], [1, 2]])


def test_lists_and_integers_keep_float32():
    x = tr.tensor([1.0, 2.0])
    for y in (x + [1.0, 2.0], [1.0, 2.0] * x, x * np.arange(2), x * tr.tensor(np.arange(2)), np.arange(2) - x, x @ [1.0, 1.0]):
        assert y.dtype == np.float32
    assert (x * np.arange(2.0)).dtype == np.float64  # an array of float64 was asked for
    assert (tr.tensor(np.arange(2)) / 2).dtype == np.float64


@pytest.mark.parametrize("other", ["a", None, object(), {1.0}])
def test_what_is_no_number_is_named(other):
    with pytest.raises(TypeError, match="add: an argument is a builtins"):
        tr.tensor([1.0]) + other


def test_arrays_of_other_libraries():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    assert tr.tensor(torch.ones(2)).dtype == np.float32 and tr.tensor(torch.ones(2, dtype=torch.float64)).dtype == np.float64
    with pytest.raises(TypeError, match=r"torch.*tr\.from_dlpack"):
        tr.tensor([1.0, 2.0]) * torch.ones(2)


def test_numbers_in_texts():
    loss = tr.tensor(1.23456)
    assert f"{loss:.3f}" == "1.235" and f"{loss}" == repr(loss) and round(loss, 2) == pytest.approx(1.23)
    with pytest.raises(ValueError, match="one number"):
        format(tr.ones(2), ".3f")


def test_bools():
    x = tr.tensor([1.0, 2.0, 3.0])
    assert ((x > 1) & (x < 3)).tolist() == [False, True, False]
    assert ((x > 2) | ~(x > 1)).tolist() == [True, False, True]
    assert bool((x > 0).all()) and not bool((x > 3).any())
    assert bool((x == x).all()) and np.logical_and(x > 1, x < 3).tolist() == [False, True, False]


def test_the_smallest_of_unsigned_integers_and_bools():
    assert tr.tensor(np.array([0, 5], np.uint8)).min().item() == 0
    assert tr.tensor([True, False]).min().item() is False


def test_axes_that_are_not_there():
    for wrong in (lambda t: t.expand_dims(4), lambda t: t.expand_dims(-4), lambda t: t.squeeze(2), lambda t: t.flip(2)):
        with pytest.raises(ValueError, match="there is no axis"):
            wrong(tr.ones(2, 3))
    with pytest.raises(ValueError, match="there is no axis"):
        tr.tensor(1.0).squeeze(0)


def test_flip_is_numpys():
    x = tr.tensor(np.arange(6.0).reshape(2, 3))
    for axis in (None, 0, -1, (0, 1)):
        np.testing.assert_array_equal(np.flip(x, axis).numpy(), np.flip(x.numpy(), axis))


def test_numpy_functions_say_what_they_take():
    x = tr.ones(2, 2)
    np.testing.assert_array_equal(np.concatenate([x, x], 1).numpy(), np.ones((2, 4)))
    with pytest.raises(TypeError, match=r"np\.var of a Tensor takes .*ddof"):
        np.var(x, ddof=1)
    with pytest.raises(TypeError, match=r"np\.add with out is not recorded"):
        array = np.ones((2, 2), "float32")
        array += x
    with pytest.raises(TypeError, match=r"np\.add\.reduce is not recorded"):
        np.add.reduce(x)


def test_copies_and_pickles():
    w = tr.Parameter([1.0, 2.0], name="w")
    w.assign([3.0, 4.0])
    for again in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        assert again.changed == 0 and again.serial > w.serial and again.name == "w"
        (again * again).sum().backward()
        assert again.grad.tolist() == [6.0, 8.0]
    assert copy.deepcopy(tr.tanh) is tr.tanh and pickle.loads(pickle.dumps(tr.unstack)) is tr.unstack
    with pytest.raises(TypeError, match="detach"):
        copy.deepcopy(w * 2.0)


def test_signatures_are_those_that_callers_see():
    assert str(inspect.signature(tr.tanh)) == "(x)" and list(inspect.signature(tr.where).parameters) == ["condition", "a", "b"]
