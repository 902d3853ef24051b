"""Every primitive and every composed function: values, derivatives to order 2, dtypes; in `tests/cases.py` are the cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinyrnn as tr
from tinyrnn import ops
from tinyrnn.primitive import REGISTRY

from .cases import COMPOSED, CONSTANT, PRIMITIVES

PRIMITIVE_CASES = [case for cases in PRIMITIVES.values() for case in cases]
COMPOSED_CASES = [case for cases in COMPOSED.values() for case in cases]
DIFFERENTIABLE = PRIMITIVE_CASES + COMPOSED_CASES
CONSTANT_CASES = [case for cases in CONSTANT.values() for case in cases]


def parametrize(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def results(y):
    return list(y) if isinstance(y, (list, tuple)) else [y]


def tensors(case, dtype="float64"):
    """The inputs of a case, those that hold floats asking for a gradient."""
    return [tr.Tensor(x, dtype=dtype, requires_grad=True) if x.dtype.kind == "f" else tr.Tensor(x) for x in case.inputs]


def test_every_registered_primitive_has_a_case():
    assert set(PRIMITIVES) | set(CONSTANT) == set(REGISTRY)


def test_every_public_function_has_a_case():
    modules = {"compare", "composed", "elementwise", "indexing", "join", "linalg", "reduce", "shape"}
    assert set(ops.__all__) - modules <= set(PRIMITIVES) | set(CONSTANT) | set(COMPOSED)


@parametrize(DIFFERENTIABLE + CONSTANT_CASES)
def test_value(case):
    for y, expected in zip(results(case.f(*tensors(case))), results(case.reference(*case.inputs)), strict=True):
        assert y.shape == np.shape(expected)
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-14)


@parametrize(DIFFERENTIABLE)
def test_derivatives_to_order_2(case):
    tr.gradcheck(case.f, list(case.inputs), order=2)


@parametrize(DIFFERENTIABLE)
def test_float32_stays_float32_and_agrees_with_float64(case):
    outcomes = []
    for dtype in ("float32", "float64"):
        xs = tensors(case, dtype)
        ys = results(case.f(*xs))
        loss = sum([(y * y).sum() for y in ys[1:]], start=(ys[0] * ys[0]).sum())
        floats = [x for x in xs if x.requires_grad]
        first = tr.grad(loss, floats, create_graph=True) if loss.requires_grad else []
        squares = sum([(g * g).sum() for g in first if g is not None], start=loss)
        second = tr.grad(squares, floats) if loss.requires_grad else []
        found = [*ys, *first, *second]
        assert [y.dtype for y in found if y is not None] == [np.dtype(dtype)] * sum(y is not None for y in found)
        outcomes.append(found)
    for single, double in zip(*outcomes, strict=True):
        assert (single is None) == (double is None)
        if single is not None:
            np.testing.assert_allclose(single.numpy(), double.numpy(), rtol=2e-4, atol=2e-4)


@parametrize(DIFFERENTIABLE)
def test_plain_backward_equals_the_recorded_one(case):
    """Two backward paths, one set of vjps: bare arrays and Tensors give the same numbers, bit for bit."""
    xs = tensors(case)
    ys = results(case.f(*xs))
    loss = sum([(y * y).sum() for y in ys[1:]], start=(ys[0] * ys[0]).sum())
    floats = [x for x in xs if x.requires_grad]
    for plain, recorded in zip(tr.grad(loss, floats), tr.grad(loss, floats, create_graph=True), strict=True):
        assert (plain is None) == (recorded is None)
        if plain is not None:
            assert plain.shape == recorded.shape
            np.testing.assert_array_equal(plain.numpy(), recorded.numpy())


@parametrize(CONSTANT_CASES)
def test_what_is_piecewise_constant_gives_no_gradient(case):
    xs = tensors(case)
    y = case.f(*xs)
    assert not y.requires_grad
    # used as a factor it is one, and nothing flows back through it
    loss = (xs[0].sum() * y).sum()
    (gradient,) = tr.grad(loss, [xs[0]])
    np.testing.assert_allclose(gradient.numpy(), np.full(xs[0].shape, y.numpy().sum()))


# the cases of these use methods and operators of Tensors
SPEAK_TENSOR = ("getitem", "move", "pow-", "one_hot", "index")


@parametrize([case for case in DIFFERENTIABLE + CONSTANT_CASES if not case.name.startswith(SPEAK_TENSOR)])
def test_arrays_in_arrays_out(case):
    """No Value in, no Value out."""
    for y, expected in zip(results(case.f(*case.inputs)), results(case.reference(*case.inputs)), strict=True):
        assert isinstance(y, (np.ndarray, np.generic))
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)


# -- kinks, where central differences do not see what is right ----------------------------------------


def gradient(f, *arrays):
    xs = [tr.Tensor(np.asarray(a, float), requires_grad=True) for a in arrays]
    found = tr.grad(f(*xs).sum(), xs)
    return [g.tolist() for g in found] if len(found) > 1 else found[0].tolist()


def test_kinks():
    assert gradient(tr.abs, [-1.0, 0.0, 2.0]) == [-1.0, 0.0, 1.0]
    assert gradient(tr.relu, [-1.0, 0.0, 2.0]) == [0.0, 0.0, 1.0]
    assert gradient(tr.maximum, [1.0, 2.0, 3.0], [1.0, 1.0, 4.0]) == [[0.5, 1.0, 0.0], [0.5, 0.0, 1.0]]
    assert gradient(tr.minimum, [1.0, 2.0, 3.0], [1.0, 1.0, 4.0]) == [[0.5, 0.0, 1.0], [0.5, 1.0, 0.0]]
    assert gradient(lambda x: tr.clip(x, -1.0, 1.0), [-2.0, -1.0, 0.0, 1.0, 2.0]) == [0.0, 0.5, 1.0, 0.5, 0.0]


def test_ties_share_the_gradient_of_max():
    assert gradient(tr.max, [[1.0, 3.0, 3.0], [3.0, 0.0, 3.0]]) == [[0.0, 0.25, 0.25], [0.25, 0.0, 0.25]]
    assert gradient(lambda x: tr.max(x, axis=1), [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]) == [[0.0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    assert gradient(lambda x: tr.max(x, axis=0, keepdims=True), [[1.0, 4.0], [1.0, 3.0]]) == [[0.5, 1.0], [0.5, 0.0]]
    assert gradient(tr.min, [2.0, 1.0, 1.0]) == [0.0, 0.5, 0.5]


# -- composed functions: extremes ----------------------------------------

INF = float("inf")


def test_softmax_and_logsumexp_do_not_overflow():
    rows = np.array([[1000.0, 0.0, -1000.0], [-1000.0, -1000.0, -1001.0], [1000.0, 1000.0, 1000.0]])
    e = np.exp(-1.0)
    expected = [[1, 0, 0], [1 / (2 + e), 1 / (2 + e), e / (2 + e)], [1 / 3, 1 / 3, 1 / 3]]
    for dtype, exact in (("float32", 1e-6), ("float64", 1e-12)):
        x = tr.tensor(rows, dtype=dtype, requires_grad=True)
        np.testing.assert_allclose(tr.softmax(x).numpy(), expected, rtol=exact)
        np.testing.assert_allclose(tr.logsumexp(x).numpy(), [1000.0, -1000 + np.log(2 + e), 1000 + np.log(3)], rtol=exact)
        np.testing.assert_allclose(
            tr.log_softmax(x).numpy()[1:],
            [[-np.log(2 + e), -np.log(2 + e), -1 - np.log(2 + e)], [-np.log(3)] * 3],
            rtol=10 * exact,
        )
        np.testing.assert_allclose(tr.log_softmax(x).numpy()[0], [0, -1000, -2000])
        np.testing.assert_allclose(tr.grad(tr.logsumexp(x).sum(), x).numpy(), expected, rtol=exact)


def test_rows_of_minus_infinity():
    x = tr.tensor(np.array([[-INF, -INF], [0.0, -INF]]), requires_grad=True)
    np.testing.assert_array_equal(tr.softmax(x).numpy(), [[0, 0], [1, 0]])
    np.testing.assert_array_equal(tr.logsumexp(x).numpy(), [-INF, 0])
    np.testing.assert_array_equal(tr.log_softmax(x).numpy(), [[-INF, -INF], [0, -INF]])
    for f in (tr.softmax, tr.logsumexp):
        g = tr.grad(f(x).sum(), x, create_graph=True)
        np.testing.assert_array_equal(g.numpy(), [[0, 0], [0, 0]] if f is tr.softmax else [[0, 0], [1, 0]])
        assert np.isfinite(tr.grad((g * g).sum(), x).numpy()).all()


def test_sigmoid_tanh_softplus_gelu_do_not_overflow():
    x = tr.tensor([-1000.0, -800.0, 0.0, 800.0, 1000.0], requires_grad=True)
    with np.errstate(over="raise", invalid="raise"):
        for f, value, slope in (
            (tr.sigmoid, [0, 0, 0.5, 1, 1], [0, 0, 0.25, 0, 0]),
            (tr.tanh, [-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]),
            (tr.softplus, [0, 0, np.log(2), 800, 1000], [0, 0, 0.5, 1, 1]),
            (tr.gelu, [0, 0, 0, 800, 1000], [0, 0, 0.5, 1, 1]),
        ):
            np.testing.assert_allclose(f(x).numpy(), value, rtol=1e-6)
            np.testing.assert_allclose(tr.grad(f(x).sum(), x).numpy(), slope, rtol=1e-6)


def test_norm_at_zero():
    x = tr.tensor(np.zeros((2, 3)), requires_grad=True)
    g = tr.grad(tr.norm(x), x, create_graph=True)
    assert g.numpy().tolist() == [[0.0] * 3] * 2
    y = tr.tensor(np.array([[3.0, 4.0], [0.0, 0.0]]), requires_grad=True)
    np.testing.assert_allclose(tr.grad(tr.norm(y, axis=1).sum(), y).numpy(), [[0.6, 0.8], [0, 0]])


def test_dropout_keeps_the_mean_and_blocks_what_it_drops():
    x = tr.tensor([1.0, float("nan"), 3.0], requires_grad=True)
    y = tr.dropout(x, np.array([True, False, True]), 0.5)
    assert y.tolist() == [2.0, 0.0, 6.0]
    assert tr.grad(y.sum(), x).tolist() == [2.0, 0.0, 2.0]


def test_one_hot():
    assert tr.one_hot([[0, 2]], 3).tolist() == [[[1, 0, 0], [0, 0, 1]]]
    assert tr.one_hot(np.array(1), 2, dtype="float64").dtype == np.float64
    with pytest.raises(ValueError, match="do not fit 2 classes"):
        tr.one_hot([0, 2], 2)
    with pytest.raises(TypeError, match="must be integers"):
        tr.one_hot(np.array([0.5]), 2)


def test_composed_functions_refuse_what_does_not_fit():
    x = tr.zeros(2, 3)
    with pytest.raises(ValueError, match="squeeze: axis 1"):
        tr.squeeze(x, 1)
    with pytest.raises(ValueError, match="pairs of widths"):
        tr.pad(x, [(1, 1)])
    with pytest.raises(ValueError, match="does not divide into 2"):
        tr.split(x, 2)
    with pytest.raises(ValueError, match="does not divide"):
        tr.split(x, (1, 1))


# -- properties ----------------------------------------

broadcastable = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0)


@given(broadcastable, st.sampled_from(["add", "sub", "mul", "maximum"]), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_any_broadcast(shapes, name, seed):
    rng = np.random.default_rng(seed)
    tr.gradcheck(getattr(tr, name), [rng.normal(size=shape) for shape in shapes.input_shapes], order=2, atol=1e-6)


@given(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3), st.data())
@settings(max_examples=60, deadline=None)
def test_any_index(shape, data):
    """Whatever NumPy's basic indexing takes, y = x[index] and its transpose agree: ⟨x[i], g⟩ = ⟨x, put(g)⟩."""
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    x, rng = np.arange(float(np.prod(shape))).reshape(shape), np.random.default_rng(0)
    t = tr.Tensor(x, requires_grad=True)
    y = t[key]
    np.testing.assert_array_equal(y.numpy(), x[key])
    g = rng.normal(size=y.shape)
    back = tr.grad(y, t, gradient=g).numpy()
    assert np.sum(x[key] * g) == pytest.approx(np.sum(x * back))


# -- the vjps on symbols ----------------------------------------

FORMULAS = {"add": "{} + {}", "sub": "{} − {}", "mul": "{} ⊙ {}", "neg": "−{}", "div": "{} / {}", "matmul": "{} {}"}
FORMULAS |= {"transpose": "{}ᵀ", "tanh": "tanh({})", "sigmoid": "σ({})", "exp": "exp({})", "sum_to": "{}"}


class Symbol(tr.Tensor):
    """A Tensor that writes down how it was computed."""

    __slots__ = ("text",)

    def __init__(self, text):
        super().__init__(np.ones((2, 2)))
        self.text = text

    def derive(self, data, op, args, attrs, requires_grad):
        if op is None:  # nothing is recorded without a gradient: ask for it
            raise AssertionError("use recording()")
        words = [a.text if isinstance(a, Symbol) else f"{a:g}" for a in args]
        if op.name in ("mul", "matmul", "transpose", "neg", "div"):
            words = [f"({w})" if " + " in w or " − " in w else w for w in words]
        return Symbol(FORMULAS[op.name].format(*words))


@pytest.mark.parametrize(
    ("op", "names", "formulas"),
    [
        (tr.tanh, "x", ["g ⊙ (1 − y ⊙ y)"]),
        (tr.sigmoid, "x", ["g ⊙ (y − y ⊙ y)"]),
        (tr.mul, "ab", ["g ⊙ b", "g ⊙ a"]),
        (tr.matmul, "AB", ["g Bᵀ", "Aᵀ g"]),
        (tr.exp, "x", ["g ⊙ y"]),
        (tr.sub, "ab", ["g", "−g"]),
    ],
)
def test_vjps_on_symbols_are_the_textbook_formulas(op, names, formulas):
    args = [Symbol(name) for name in names]
    with tr.recording():
        found = [pullback(Symbol("g"), Symbol("y"), *args).text for pullback in op.pullbacks]
    assert found == formulas
