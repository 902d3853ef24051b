"""The update rules: gradient descent with momentum, and those that scale each number by its own history.

In the equations w is a parameter, g its gradient, η the learning rate (lr) and λ the weight decay; all operations act on
each number alone, and kept arrays begin at 0.  Defaults are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..tensor import Parameter
from .optimizer import Optimizer, not_negative, number


def _fraction(what: str, value: float) -> float:
    """A factor with which the past fades."""
    if not 0 <= number(what, value) < 1:
        raise ValueError(f"{what} must be at least 0 and below 1, not {value!r}")
    return float(value)


def _decayed(xp: Any, g: Any, w: Any, weight_decay: float, out: Any) -> Any:
    """g + λ w, the gradient of L + ½ λ |w|²."""
    if not weight_decay:
        return g
    xp.multiply(w, weight_decay, out=out)
    out += g
    return out


def _average(xp: Any, mean: Any, new: Any, keep: float, out: Any) -> None:
    """mean ← keep · mean + (1 − keep) · new; `out` may be `new` itself."""
    mean *= keep
    xp.multiply(new, 1 - keep, out=out)
    mean += out


class SGD(Optimizer):
    """Stochastic gradient descent (Robbins & Monro 1951), with momentum (Polyak 1964; Nesterov 1983).

        g ← g + λ w
        v ← μ v + g                      with momentum μ
        w ← w − η v                      w − η g without momentum, w − η (g + μ v) with Nesterov's

    Parameters
    ----------
    params : iterable of Parameter
    lr : float
        η.
    momentum : float
        μ, in [0, 1).
    nesterov : bool
        Look ahead along v; needs momentum.
    weight_decay : float
        λ.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, or the parameters are none (see `Optimizer`).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> w = tr.Parameter([4.0])
    >>> optimizer = optim.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [2.0]
    """

    def __init__(
        self, params: Iterable[Parameter], lr: float, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        self.momentum = _fraction("SGD: momentum", momentum)
        self.weight_decay, self.nesterov = not_negative("SGD: weight_decay", weight_decay), nesterov
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov needs a momentum above 0")
        self.slots = ("velocity",) if momentum else ()
        super().__init__(params, lr)

    def update(self, xp: Any, w: Any, g: Any, state: dict[str, Any], step: int, scratch: tuple[Any, Any]) -> None:
        a, b = scratch
        g = _decayed(xp, g, w, self.weight_decay, out=a)
        if self.momentum:
            v = state["velocity"]
            v *= self.momentum
            v += g
            g = xp.add(g, xp.multiply(v, self.momentum, out=b), out=b) if self.nesterov else v
        w -= xp.multiply(g, self.lr, out=b)


class RMSprop(Optimizer):
    """Steps scaled by the root of a running mean of squares (Tieleman & Hinton 2012; centred, with momentum: Graves 2013).

        g ← g + λ w
        s ← α s + (1 − α) g²
        m ← α m + (1 − α) g              centred only
        d = g / (√(s − m²) + ε)          √s if not centred
        v ← μ v + d                      with momentum μ
        w ← w − η v                      w − η d without momentum

    Parameters
    ----------
    params : iterable of Parameter
    lr, alpha, eps : float
        η, α and ε.
    momentum, weight_decay : float
        μ and λ.
    centered : bool
        Divide by the standard deviation instead of the root mean square.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, or the parameters are none (see `Optimizer`).

    Examples
    --------
    >>> from tinyrnn import nn, optim
    >>> optim.RMSprop(nn.Linear(3, 2).parameters())
    RMSprop(2 parameters, alpha=0.99, eps=1e-08, momentum=0.0, weight_decay=0.0, centered=False, lr=0.01)
    """

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        centered: bool = False,
    ) -> None:
        self.alpha, self.eps = _fraction("RMSprop: alpha", alpha), not_negative("RMSprop: eps", eps)
        self.momentum = _fraction("RMSprop: momentum", momentum)
        self.weight_decay, self.centered = not_negative("RMSprop: weight_decay", weight_decay), centered
        self.slots = ("square", *(["mean"] if centered else []), *(["velocity"] if momentum else []))
        super().__init__(params, lr)

    def update(self, xp: Any, w: Any, g: Any, state: dict[str, Any], step: int, scratch: tuple[Any, Any]) -> None:
        a, b = scratch
        g = _decayed(xp, g, w, self.weight_decay, out=a)
        s = state["square"]
        _average(xp, s, xp.multiply(g, g, out=b), self.alpha, out=b)
        if self.centered:
            m = state["mean"]
            _average(xp, m, g, self.alpha, out=b)
            xp.multiply(m, m, out=b)
            s = xp.subtract(s, b, out=b)
            xp.maximum(s, 0, out=b)  # rounding may leave less
        xp.sqrt(s, out=b)
        b += self.eps
        d = xp.divide(g, b, out=b)
        if self.momentum:
            v = state["velocity"]
            v *= self.momentum
            v += d
            d = v
        w -= xp.multiply(d, self.lr, out=b)


class Adagrad(Optimizer):
    """Steps scaled by the root of the sum of all squares so far (Duchi, Hazan & Singer 2011).

        g ← g + λ w
        s ← s + g²
        w ← w − η g / (√s + ε)

    Parameters
    ----------
    params : iterable of Parameter
    lr, eps, weight_decay : float
        η, ε and λ.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, or the parameters are none (see `Optimizer`).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> w = tr.Parameter([4.0])
    >>> (w * w).sum().backward()
    >>> optim.Adagrad([w], lr=0.5).step()  # the first step has length η, whatever the gradient
    >>> w.tolist()
    [3.5]
    """

    slots = ("square",)

    def __init__(self, params: Iterable[Parameter], lr: float = 0.01, eps: float = 1e-10, weight_decay: float = 0.0) -> None:
        self.eps = not_negative("Adagrad: eps", eps)
        self.weight_decay = not_negative("Adagrad: weight_decay", weight_decay)
        super().__init__(params, lr)

    def update(self, xp: Any, w: Any, g: Any, state: dict[str, Any], step: int, scratch: tuple[Any, Any]) -> None:
        a, b = scratch
        g = _decayed(xp, g, w, self.weight_decay, out=a)
        s = state["square"]
        s += xp.multiply(g, g, out=b)
        xp.sqrt(s, out=b)
        b += self.eps
        xp.divide(g, b, out=b)
        b *= self.lr
        w -= b


class Adam(Optimizer):
    """Steps along a running mean of the gradient, scaled by that of its squares (Kingma & Ba 2015).

        g ← g + λ w
        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        w ← w − η m̂ / (√v̂ + ε)           at step t, m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ), for both began at 0

    Parameters
    ----------
    params : iterable of Parameter
    lr : float
        η.
    betas : pair of float
        β₁ and β₂, in [0, 1).
    eps, weight_decay : float
        ε and λ.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, or the parameters are none (see `Optimizer`).

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> w = tr.Parameter([4.0])
    >>> optimizer = optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()  # the first step has length η, whatever the gradient
    >>> w.tolist()
    [3.5]
    """

    slots = ("mean", "square")

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        kind = type(self).__name__
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{kind}: betas must be a pair of numbers, (β₁, β₂), not {betas!r:.80}")
        self.betas = _fraction(f"{kind}: β₁", betas[0]), _fraction(f"{kind}: β₂", betas[1])
        self.eps, self.weight_decay = not_negative(f"{kind}: eps", eps), not_negative(f"{kind}: weight_decay", weight_decay)
        super().__init__(params, lr)

    def update(self, xp: Any, w: Any, g: Any, state: dict[str, Any], step: int, scratch: tuple[Any, Any]) -> None:
        a, b = scratch
        m, v = state["mean"], state["square"]
        keep_mean, keep_square = self.betas
        g = self.decay(xp, w, g, out=a)
        _average(xp, m, g, keep_mean, out=b)
        _average(xp, v, xp.multiply(g, g, out=b), keep_square, out=b)
        xp.sqrt(v, out=b)
        b /= math.sqrt(1 - keep_square**step)
        b += self.eps
        xp.divide(m, b, out=b)
        b *= self.lr / (1 - keep_mean**step)
        w -= b

    def decay(self, xp: Any, w: Any, g: Any, out: Any) -> Any:
        """Let the weights decay, here by the gradient that is returned: g + λ w."""
        return _decayed(xp, g, w, self.weight_decay, out)


class AdamW(Adam):
    """Adam, but the weights decay on their own, w ← (1 − η λ) w, not by way of the gradient (Loshchilov & Hutter 2019).

    Parameters, errors: see `Adam`; the default of `weight_decay` is 0.01.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import optim
    >>> w = tr.Parameter([4.0])
    >>> (w * 0.0).sum().backward()
    >>> optim.AdamW([w], lr=0.5, weight_decay=0.5).step()
    >>> w.tolist()
    [3.0]
    """

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def decay(self, xp: Any, w: Any, g: Any, out: Any) -> Any:
        w *= 1 - self.lr * self.weight_decay
        return g
