"""Cases for every primitive and every composed function: what to call, what NumPy says, and on which numbers.

The tests of the primitives run them on NumPy, the tests of the backend on the stand-in for CuPy, `tests/gpu` on a GPU.
So a case computes with its inputs, with Python numbers, and with nothing else.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinyrnn as tr


class Case(NamedTuple):
    """`f(*tensors)` is to equal `reference(*arrays)`, and its derivatives to be right."""

    name: str
    f: Callable
    reference: Callable
    inputs: tuple


_seeds = itertools.count()


def numbers(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Random float64 numbers between two bounds, the same in every run."""
    return np.random.default_rng(next(_seeds)).uniform(low, high, shape)


def positive(*shape: int) -> np.ndarray:
    return numbers(*shape, low=0.5)


def off_zero(*shape: int) -> np.ndarray:
    """Numbers of either sign, none near 0, where |x| and relu have a kink."""
    x = positive(*shape)
    return x * np.random.default_rng(next(_seeds)).choice([-1.0, 1.0], shape)


def apart(*shape: int) -> np.ndarray:
    """Numbers in random order no two of which are near each other, so that the largest stays the largest."""
    return np.random.default_rng(next(_seeds)).permutation(math.prod(shape)).reshape(shape) / 4.0


def integers(*numbers: Any) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


SHAPES = [(), (3,), (2, 3), (2, 0), (0,)]
BROADCASTS = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((2, 3), ()), ((4, 1, 2), (3, 1)), ((0, 3), (3,))]
BROADCASTS += [((), ()), ((1,), (2, 2)), ((1, 1), (0, 2))]


def unary(name: str, make: Callable = numbers, reference: Callable | None = None) -> list[Case]:
    f = getattr(tr, name)
    return [Case(f"{name}{shape}", f, reference or getattr(np, name), (make(*shape),)) for shape in SHAPES]


def binary(name: str, reference: Callable, left: Callable = numbers, right: Callable = numbers) -> list[Case]:
    f = getattr(tr, name)
    return [Case(f"{name}{a}{b}", f, reference, (left(*a), right(*b))) for a, b in BROADCASTS]


def attributes(name: str, f: Callable, reference: Callable, *cases: tuple) -> list[Case]:
    """`f(*inputs, attributes…)` for each (inputs, attributes) given."""
    return [
        Case(
            f"{name}-{k}-{attrs}",
            lambda *xs, attrs=attrs: f(*xs, **attrs),
            lambda *xs, attrs=attrs: reference(*xs, **attrs),
            inputs,
        )
        for k, (inputs, attrs) in enumerate(cases)
    ]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sum_to(x, shape):
    """By the definition of broadcasting: the transpose of `broadcast_to`, found with unit arrays."""
    out = np.zeros(shape)
    for index in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[index] = 1
        out[index] = (np.broadcast_to(unit, x.shape) * x).sum()
    return out


def put(g, *arrays, index, shape):
    out = np.zeros(shape)
    remaining = iter(arrays)
    key = tuple(next(remaining) if i is tr.ops.indexing.ARRAY else i for i in index) if arrays else index
    np.add.at(out, key, g)
    return out


def getitem_cases() -> list[Case]:
    keys = {
        "int": lambda i: 1,
        "negative": lambda i: -1,
        "slice": lambda i: slice(1, None),
        "backwards": lambda i: slice(None, None, -2),
        "ellipsis": lambda i: (..., 0),
        "none": lambda i: (None, slice(None), None, 1),
        "nothing": lambda i: slice(2, 2),
    }
    cases = [Case(f"getitem-{k}", lambda x, m=m: x[m(0)], lambda x, m=m: x[m(0)], (numbers(3, 4),)) for k, m in keys.items()]
    rows, columns = integers(0, 2, 0, 0), integers(3, 1, 3, -1)
    return [
        *cases,
        Case("getitem-repeated", lambda x, i: x[i], lambda x, i: x[i], (numbers(3, 4), rows)),
        Case("getitem-pairs", lambda x, i, j: x[i, j], lambda x, i, j: x[i, j], (numbers(3, 4), rows, columns)),
        Case("getitem-table", lambda x, i: x[i], lambda x, i: x[i], (numbers(3, 4), integers([0, 1], [1, 1]))),
        Case("getitem-column", lambda x, i: x[:, i], lambda x, i: x[:, i], (numbers(3, 4), integers(1, 1, 0))),
        Case("getitem-mixed", lambda x, i: x[i, 1:3], lambda x, i: x[i, 1:3], (numbers(3, 4), rows)),
        Case("getitem-split", lambda x, i: x[i, :, i], lambda x, i: x[i, :, i], (numbers(2, 3, 2), integers(0, 1, 1))),
        Case("getitem-empty", lambda x, i: x[i], lambda x, i: x[i], (numbers(3, 4), np.zeros(0, np.int64))),
        Case("getitem-mask", lambda x, m: x[m], lambda x, m: x[m], (numbers(3, 4), np.array([True, False, True]))),
        Case("getitem-mask2", lambda x, m: x[m], lambda x, m: x[m], (numbers(2, 2), np.array([[True, False], [True, True]]))),
        Case("getitem-0d", lambda x: x[()], lambda x: x[()], (numbers(),)),
        Case("getitem-scalar", lambda x: x[1, 2], lambda x: x[1, 2], (numbers(3, 4),)),
        Case("getitem-list", lambda x: x[[0, 2, 0]], lambda x: x[[0, 2, 0]], (numbers(3, 4),)),
    ]


A = tr.ops.indexing.ARRAY
REDUCED = [
    ((3, 4), 0),
    ((3, 4), 1),
    ((3, 4), -1),
    ((3, 4), None),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (-1, 0)),
    ((), None),
    ((5,), 0),
]


def reductions(name: str, make: Callable, extra: list) -> list[Case]:
    f, reference = getattr(tr, name), getattr(np, name)
    cases = [((make(*shape),), {"axis": axis, "keepdims": k}) for shape, axis in REDUCED + extra for k in (False, True)]
    return attributes(name, f, reference, *cases)


PRIMITIVES: dict[str, list[Case]] = {
    # elementwise
    "add": binary("add", np.add),
    "sub": binary("sub", np.subtract),
    "mul": binary("mul", np.multiply),
    "div": binary("div", np.divide, right=off_zero),
    "pow": [
        *binary("pow", np.power, left=positive),
        Case("pow-square", lambda x: x**2, np.square, (numbers(2, 3),)),
        Case("pow-cube", lambda x: x**3, lambda x: x**3, (numbers(2, 3),)),
        Case("pow-one", lambda x: x**1, lambda x: x, (numbers(3),)),
        Case("pow-root", lambda x: x**0.5, np.sqrt, (positive(3),)),
        Case("pow-inverse", lambda x: x**-1, lambda x: 1 / x, (off_zero(3),)),
        Case("pow-none", lambda x: x**0, np.ones_like, (numbers(3),)),
        Case("pow-base", lambda x: 2.0**x, np.exp2, (numbers(3),)),
    ],
    "neg": unary("neg", reference=np.negative),
    "exp": unary("exp"),
    "log": unary("log", positive),
    "logaddexp": binary("logaddexp", np.logaddexp),
    "sqrt": unary("sqrt", positive),
    "abs": unary("abs", off_zero),
    "tanh": unary("tanh"),
    "sigmoid": unary("sigmoid", reference=sigmoid),
    "relu": unary("relu", off_zero, lambda x: np.maximum(x, 0)),
    "maximum": binary("maximum", np.maximum),
    "minimum": binary("minimum", np.minimum),
    "where": [
        Case(f"where{c}{a}{b}", tr.where, np.where, (numbers(*c) > 0, numbers(*a), numbers(*b)))
        for c, a, b in [
            *(((2, 3), (2, 3), (2, 3)), ((2, 1), (3,), (2, 3)), ((), (2,), (2, 1)), ((3,), (), ()), ((0, 2), (2,), ())),
        ]
    ]
    + [Case("where-number", lambda m, x: tr.where(m, x, 1.0), lambda m, x: np.where(m, x, 1.0), (numbers(3) > 0, numbers(3)))],
    "cast": [Case("cast", lambda x: tr.cast(x, dtype=x.dtype), lambda x: x, (numbers(2, 3),))],
    "move": [Case("move", lambda x: tr.move(x * 2, device=x.device) * 3, lambda x: 6 * x, (numbers(2, 3),))],
    # shape
    "broadcast_to": attributes(
        *("broadcast_to", tr.broadcast_to, np.broadcast_to),
        *[
            ((numbers(*a),), {"shape": b})
            for a, b in [((3,), (2, 3)), ((2, 1), (2, 3)), ((), (2, 2)), ((1, 3, 1), (4, 2, 3, 2)), ((2,), (2,)), ((1,), (0,))]
        ],
    ),
    "sum_to": attributes(
        *("sum_to", tr.sum_to, sum_to),
        *[
            ((numbers(*a),), {"shape": b})
            for a, b in [((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 2), ()), ((4, 2, 3, 2), (1, 3, 1)), ((2,), (2,)), ((0,), (1,))]
        ],
    ),
    "reshape": attributes(
        *("reshape", tr.reshape, lambda x, shape: x.reshape(shape)),
        *[
            ((numbers(*a),), {"shape": b})
            for a, b in [((2, 3), (3, 2)), ((2, 3), (6,)), ((6,), (2, -1)), ((), (1, 1)), ((1,), ()), ((0, 3), (3, 0))]
        ],
    ),
    "transpose": attributes(
        *("transpose", tr.transpose, np.transpose),
        *[
            ((numbers(*shape),), {"axes": axes})
            for shape, axes in [
                *(((2, 3), None), ((2, 3, 4), (2, 0, 1)), ((2, 3, 4), (1, 2, 0)), ((2, 3, 4), (-1, 0, -2)), ((3,), None)),
                *(((), None), ((0, 2), (1, 0))),
            ]
        ],
    ),
    # reduce
    "sum": reductions("sum", numbers, [((0, 3), 0), ((0, 3), 1), ((0,), None)]),
    "max": reductions("max", apart, [((0, 3), 1)]),
    "min": reductions("min", apart, [((0, 3), 1)]),
    # linalg
    "matmul": [
        Case(f"matmul{a}{b}", tr.matmul, np.matmul, (numbers(*a), numbers(*b)))
        for a, b in [
            *(
                ((2, 3), (3, 4)),
                ((3,), (3,)),
                ((3,), (3, 2)),
                ((2, 3), (3,)),
                ((1, 3), (3, 1)),
                ((2, 0), (0, 3)),
                ((0, 2), (2, 3)),
            ),
            *(((2, 2, 3), (3, 4)), ((2, 2, 3), (2, 3, 2)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,)), ((2, 3), (2, 3, 2))),
            *(((2, 1, 2, 3), (2, 3, 2)), ((1, 2, 3), (2, 3, 2)), ((2, 2, 3), (1, 3, 2)), ((2, 1, 2, 2, 3), (3, 2))),
        ]
    ],
    # indexing
    "getitem": getitem_cases(),
    "put": [
        *attributes(
            *("put", tr.put, put),
            ((numbers(2, 4),), {"index": slice(1, 3), "shape": (3, 4)}),
            ((numbers(4),), {"index": 1, "shape": (3, 4)}),
            ((numbers(),), {"index": (1, 2), "shape": (3, 4)}),
            ((numbers(0),), {"index": slice(0, 0), "shape": (3,)}),
            ((numbers(4, 2), integers(0, 2, 0, 0)), {"index": (A,), "shape": (3, 2)}),
            ((numbers(3), integers(0, 1, 0), integers(1, 1, 1)), {"index": (A, A), "shape": (2, 2)}),
            ((numbers(2, 3), integers(1, 1, 0)), {"index": (slice(None), A), "shape": (2, 2)}),
            ((numbers(2, 2), np.array([True, False, True])), {"index": (A,), "shape": (3, 2)}),
        )
    ],
    # join
    "stack": [
        Case("stack-0", lambda *xs: tr.stack(*xs), lambda *xs: np.stack(xs), (numbers(2, 3), numbers(2, 3))),
        Case(
            "stack-1",
            lambda *xs: tr.stack(xs, axis=1),
            lambda *xs: np.stack(xs, 1),
            (numbers(2, 3), numbers(2, 3), numbers(2, 3)),
        ),
        Case("stack--1", lambda *xs: tr.stack(xs, axis=-1), lambda *xs: np.stack(xs, -1), (numbers(2), numbers(2))),
        Case("stack-0d", lambda *xs: tr.stack(xs), lambda *xs: np.stack(xs), (numbers(), numbers())),
        Case("stack-twice", lambda x: tr.stack(x, x * x, x), lambda x: np.stack([x, x * x, x]), (numbers(2),)),
        Case("stack-empty", lambda *xs: tr.stack(xs), lambda *xs: np.stack(xs), (numbers(0), numbers(0))),
    ],
    "unstack": [
        Case("unstack-0", lambda x: tr.unstack(x), list, (numbers(3, 2),)),
        Case("unstack-1", lambda x: tr.unstack(x, axis=1), lambda x: list(x.T), (numbers(3, 2),)),
        Case("unstack--1", lambda x: tr.unstack(x, axis=-1), lambda x: list(np.moveaxis(x, -1, 0)), (numbers(2, 2, 2),)),
        Case("unstack-some", lambda x: tr.unstack(x)[1] ** 2, lambda x: x[1] ** 2, (numbers(3, 2),)),
        Case("unstack-twice", lambda x: (lambda a, b: a * b + b)(*tr.unstack(x)), lambda x: x[0] * x[1] + x[1], (numbers(2, 3),)),
    ],
    "part": [Case("part", lambda x: [p * p for p in tr.unstack(x)][::-1], lambda x: list(x * x)[::-1], (numbers(3, 2),))],
    "concatenate": [
        Case("concatenate-0", lambda *xs: tr.concatenate(*xs), lambda *xs: np.concatenate(xs), (numbers(2, 3), numbers(1, 3))),
        Case(
            *("concatenate-1", lambda *xs: tr.concatenate(xs, axis=-1), lambda *xs: np.concatenate(xs, -1)),
            (numbers(2, 1), numbers(2, 0), numbers(2, 3)),
        ),
        Case("concatenate-twice", lambda x: tr.concatenate(x, x), lambda x: np.concatenate([x, x]), (numbers(2),)),
    ],
    "split": [
        Case("split-2", lambda x: tr.split(x, 2), lambda x: np.split(x, 2, -1), (numbers(3, 4),)),
        Case("split-sizes", lambda x: tr.split(x, (1, 0, 2), axis=0), lambda x: [x[:1], x[1:1], x[1:]], (numbers(3, 2),)),
        Case("split-some", lambda x: tr.tanh(tr.split(x, 3)[1]), lambda x: np.tanh(x[:, 1:2]), (numbers(2, 3),)),
    ],
    "total": [
        Case("total", lambda *xs: tr.total(*xs), lambda *xs: sum(xs), (numbers(2, 3), numbers(2, 3), numbers(2, 3))),
        Case("total-one", lambda x: tr.total(x), lambda x: x, (numbers(2),)),
    ],
}

# Piecewise constant: (f, what NumPy says, inputs); a gradient never passes.
CONSTANT: dict[str, list[Case]] = {
    **{
        name: [
            Case(f"{name}-{k}", getattr(tr, name), getattr(np, name), (np.array([1.0, 2.0, 3.0]), other))
            for k, other in enumerate([np.array([1.0, 3.0, 2.0]), np.array(2.0), np.array([[1.0], [2.0]])])
        ]
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or")
    },
    **{
        name: attributes(
            name, getattr(tr, name), getattr(np, name), ((np.eye(3),), {}), ((np.eye(3),), {"axis": 0}), ((np.ones(2),), {})
        )
        for name in ("all", "any")
    },
    "logical_not": [Case("logical_not", tr.logical_not, np.logical_not, (np.array([0.0, 1.0, -2.0]),))],
    "sign": [Case("sign", tr.sign, np.sign, (np.array([-2.0, 0.0, 3.0]),)), Case("sign-0d", tr.sign, np.sign, (np.array(-1.5),))],
    "argmax": [
        Case("argmax", tr.argmax, np.argmax, (np.array([1.0, 3.0, 3.0]),)),
        *attributes("argmax", tr.argmax, np.argmax, ((apart(3, 4),), {"axis": 0}), ((apart(3, 4),), {"axis": -1})),
    ],
    "detach": [Case("detach", lambda x: tr.detach(x * 2), lambda x: x * 2, (numbers(2, 3),))],
}


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def logsumexp(x, axis=-1, keepdims=False):
    return np.log(np.exp(x).sum(axis, keepdims=keepdims))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


COMPOSED: dict[str, list[Case]] = {
    "mean": reductions("mean", numbers, []),
    "var": [
        *attributes("var", tr.var, np.var, *[((numbers(*s),), {"axis": a, "keepdims": True}) for s, a in REDUCED if s]),
        Case("var-unbiased", lambda x: tr.var(x, 0, correction=1), lambda x: np.var(x, 0, ddof=1), (numbers(4, 2),)),
    ],
    "softmax": attributes("softmax", tr.softmax, softmax, *[((numbers(3, 4),), {"axis": a}) for a in (0, 1, -1)]),
    "log_softmax": attributes(
        *("log_softmax", tr.log_softmax, lambda x, axis: np.log(softmax(x, axis))),
        *[((numbers(3, 4),), {"axis": a}) for a in (0, 1, -1)],
    ),
    "logsumexp": attributes(
        *("logsumexp", tr.logsumexp, logsumexp),
        *[((numbers(3, 4),), {"axis": a, "keepdims": k}) for a in (0, -1) for k in (False, True)],
    ),
    "softplus": unary("softplus", reference=lambda x: np.log1p(np.exp(x))),
    "leaky_relu": [Case("leaky_relu", lambda x: tr.leaky_relu(x, 0.2), lambda x: np.where(x > 0, x, 0.2 * x), (off_zero(2, 3),))],
    "gelu": unary("gelu", reference=gelu),
    "norm": [
        Case("norm", tr.norm, lambda x: np.sqrt((x * x).sum()), (numbers(2, 3),)),
        *attributes(
            "norm", tr.norm, np.linalg.norm, *[((numbers(2, 3),), {"axis": a, "keepdims": k}) for a in (0, 1) for k in (0, 1)]
        ),
    ],
    "clip": [
        Case("clip", lambda x: tr.clip(x, -1.0, 1.0), lambda x: np.clip(x, -1, 1), (np.array([-1.7, -0.4, 0.3, 1.6]),)),
        Case("clip-low", lambda x: tr.clip(x, low=0.0), lambda x: np.maximum(x, 0), (off_zero(4),)),
        Case("clip-high", lambda x: tr.clip(x, high=0.0), lambda x: np.minimum(x, 0), (off_zero(4),)),
    ],
    "squeeze": attributes(
        *("squeeze", tr.squeeze, np.squeeze),
        *[((numbers(1, 3, 1),), {"axis": a}) for a in (None, 0, -1, (0, 2))],
    ),
    "expand_dims": attributes(
        *("expand_dims", tr.expand_dims, np.expand_dims),
        *[((numbers(2, 3),), {"axis": a}) for a in (0, 1, 2, -1)],
    ),
    "flip": attributes("flip", tr.flip, np.flip, *[((numbers(2, 3),), {"axis": a}) for a in (0, 1, -1)]),
    "pad": [
        Case("pad", lambda x: tr.pad(x, [(1, 0), (0, 2)]), lambda x: np.pad(x, [(1, 0), (0, 2)]), (numbers(2, 3),)),
        Case("pad-1d", lambda x: tr.pad(x, [(2, 1)]), lambda x: np.pad(x, [(2, 1)]), (numbers(3),)),
    ],
    "dropout": [
        Case(
            "dropout",
            lambda x, keep: tr.dropout(x, keep, 0.4),
            lambda x, keep: keep * x / 0.6,
            (numbers(2, 3), numbers(2, 3) > 0),
        ),
    ],
    "index": [Case("index", lambda x, i: tr.index(x, (i, 0)), lambda x, i: x[i, 0], (numbers(3, 2), integers(0, 2, 0)))],
    "one_hot": [
        Case(
            "one_hot",
            lambda x, i: x @ tr.one_hot(i, 3, dtype=x.dtype),
            lambda x, i: x @ np.eye(3)[i],
            (numbers(2, 4), integers(0, 2, 2, 1)),
        )
    ],
}
