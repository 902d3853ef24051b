"""Functions composed from primitives; their gradients follow from those."""

from __future__ import annotations

import math

from .. import backend
from ..graph import Value, composed
from .compare import equal, less
from .elementwise import abs, detach, exp, log, logaddexp, maximum, minimum, sqrt, tanh, where
from .indexing import getitem, put
from .reduce import max, reduced_axes, sum
from .shape import reshape


def _count(x, axis):
    """How many numbers a reduction over `axis` takes together."""
    return math.prod(x.shape[a] for a in reduced_axes(axis, x.ndim))


def mean(x, axis=None, keepdims=False):
    """The mean over `axis` (None: all, an int, or a tuple of ints).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.mean(tr.tensor([1.0, 2.0, 6.0])).item()
    3.0
    """
    return sum(x, axis=axis, keepdims=keepdims) / _count(x, axis)


def var(x, axis=None, keepdims=False, correction=0):
    """The variance over `axis`: Σ (x − mean)² / (n − correction).  PyTorch's default is ``correction=1``, NumPy's 0."""
    centred = x - mean(x, axis, keepdims=True)
    return sum(centred * centred, axis=axis, keepdims=keepdims) / (_count(x, axis) - correction)


def _shifted_exp(x, axis):
    """A shift m for each row, x − m, eˣ⁻ᵐ and its sum: m is the largest number, so nothing overflows, or 0 if that is ±∞."""
    largest = detach(max(x, axis=axis, keepdims=True))
    m = where(equal(abs(largest), math.inf), 0, largest)
    shifted = x - m
    e = exp(shifted)
    return m, shifted, e, sum(e, axis=axis, keepdims=True)


@composed
def softmax(x, axis=-1):
    """eˣ / Σ eˣ along an axis; a row of −∞ (all masked) gives zeros.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.softmax(tr.tensor([0.0, 0.0, -float("inf")])).numpy()
    array([0.5, 0.5, 0. ], dtype=float32)
    """
    _, _, e, s = _shifted_exp(x, axis)
    return e / where(equal(s, 0), 1, s)


@composed
def log_softmax(x, axis=-1):
    """x − ln Σ eˣ along an axis; a row of −∞ stays one.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.log_softmax(tr.tensor([0.0, -1000.0])).tolist()
    [0.0, -1000.0]
    """
    _, shifted, _, s = _shifted_exp(x, axis)
    return shifted - log(where(equal(s, 0), 1, s))


@composed
def logsumexp(x, axis=-1, keepdims=False):
    """ln Σ eˣ along an axis; a row of −∞ gives −∞, with gradient 0.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.logsumexp(tr.tensor([1000.0, 1000.0 - 100.0])).item()
    1000.0
    """
    m, _, _, s = _shifted_exp(x, axis)
    y = where(equal(s, 0), -math.inf, log(where(equal(s, 0), 1, s)) + m)
    return y if keepdims else squeeze(y, axis)


def softplus(x):
    """ln(1 + eˣ), a smooth relu.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.softplus(tr.tensor([-1000.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    return logaddexp(x, 0.0)


@composed
def leaky_relu(x, slope=0.01):
    """x where x > 0, else slope · x.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.leaky_relu(tr.tensor([-1.0, 1.0]), slope=0.5).tolist()
    [-0.5, 1.0]
    """
    return where(less(x, 0), slope * x, x)


@composed
def gelu(x):
    """½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks & Gimpel 2016, the tanh form)."""
    return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


@composed
def norm(x, axis=None, keepdims=False):
    """√Σ x² over `axis`; its gradient at 0 is 0.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.norm(tr.tensor([3.0, 4.0])).item()
    5.0
    """
    squares = sum(x * x, axis=axis, keepdims=keepdims)
    zero = equal(squares, 0)
    return where(zero, 0, sqrt(where(zero, 1, squares)))


def clip(x, low=None, high=None):
    """x, but at least `low` and at most `high`; the gradient is 0 outside, and ½ on the bounds.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.clip(tr.tensor([-2.0, 0.5, 2.0]), -1.0, 1.0).tolist()
    [-1.0, 0.5, 1.0]
    """
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


def squeeze(x, axis=None):
    """Leave out an axis of length 1 (None: all of them).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.squeeze(tr.ones(1, 3, 1), axis=0).shape
    (3, 1)
    """
    axes = tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else reduced_axes(axis, x.ndim)
    if any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"squeeze: axis {axis} of shape {tuple(x.shape)} has not length 1")
    return reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in axes))


def expand_dims(x, axis):
    """Put in an axis of length 1, so that it is number `axis`.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.expand_dims(tr.ones(3), axis=0).shape
    (1, 3)
    """
    (at,) = reduced_axes(axis, x.ndim + 1)
    return reshape(x, shape=(*x.shape[:at], 1, *x.shape[at:]))


def flip(x, axis=None):
    """Run through axes from their end (None: all, an int, or a tuple of ints).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.flip(tr.tensor([1.0, 2.0])).tolist()
    [2.0, 1.0]
    """
    back = reduced_axes(axis, x.ndim)
    return getitem(x, index=tuple(slice(None, None, -1 if i in back else None) for i in range(x.ndim)))


def pad(x, widths):
    """Zeros around x: `widths` has a pair (before, after) for each axis.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.pad(tr.tensor([1.0, 2.0]), [(1, 0)]).numpy()
    array([0., 1., 2.], dtype=float32)
    """
    if len(widths) != x.ndim:
        raise ValueError(f"pad: {len(widths)} pairs of widths for {x.ndim} axes of shape {tuple(x.shape)}")
    inside = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape))
    return put(x, index=inside, shape=tuple(a + n + b for (a, b), n in zip(widths, x.shape)))


def one_hot(indices, classes, dtype="float32"):
    """1 at each index, 0 elsewhere, along a new last axis of length `classes`.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> tr.one_hot([0, 2], 3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    data = indices.data if isinstance(indices, Value) else indices
    data = data if hasattr(data, "dtype") else backend.asarray(data, int)
    if data.dtype.kind not in "iu":
        raise TypeError(f"one_hot: indices must be integers, not {data.dtype}")
    xp = backend.namespace((data,))
    with backend.active(backend.device_of(data)):
        if data.size and (int(data.min()) < 0 or int(data.max()) >= classes):
            raise ValueError(f"one_hot: indices from {int(data.min())} to {int(data.max())} do not fit {classes} classes")
        return (data[..., None] == xp.arange(classes)).astype(dtype)


@composed
def dropout(x, keep, rate):
    """x where `keep` (bools) says so, else 0; scaled by 1 / (1 − rate), so that the mean stays (Srivastava et al. 2014)."""
    return where(keep, x / (1.0 - rate), 0.0)
