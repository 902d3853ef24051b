"""The Jacobians of a recurrent network, ∂sₜ/∂sₜ₋₁, and what their products do to a gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from ..graph import Value, history
from .one_step import Steps
from .tracks import choose_track, find_tracks, title

LARGEST = 1 << 28  # numbers in all Jacobians together: 2 GiB
EXTRA, SWEEPS = 4, 50  # of orthogonal iteration: how many vectors beyond those asked for, and how often at most
TOLERANCE = 1e-5  # by which log σ may still change when it is taken for settled


@dataclass(frozen=True, eq=False, repr=False)
class Jacobians:
    """How each state of a sequence depends on the one before.

    Matrices are laid out as ``J[i, j] = ∂(sₜ)ᵢ/∂(sₜ₋₁)ⱼ``, so that gradients, which are row vectors, go back with
    ``∂L/∂sₜ₋₁ = ∂L/∂sₜ @ J``, and K steps back with the product J_T ⋯ J_{T-K+1} (Pascanu, Mikolov & Bengio 2013).

    Attributes
    ----------
    matrices : numpy array, (K, D, D)
        K steps in the order in which they ran, from the second on.  The state s is all that the cell hands on, (h, c) of an
        LSTM, its parts side by side.  The parts are taken as independent: the block ("c", "c") is the direct path from
        cₜ₋₁ to cₜ alone, diag(fₜ) of an LSTM, and what goes through hₜ₋₁ is in the block ("c", "h").
    within : numpy array, (K + 1, D, D)
        How the parts of one state depend on each other, from the first step on: of an LSTM ∂hₜ/∂cₜ = diag(oₜ (1 − tanh² cₜ)).
    steps : tuple of int
        The time step of each sₜ.
    names, sizes : tuple of str, tuple of int
        The parts, and how long they are.
    """

    matrices: numpy.ndarray
    within: numpy.ndarray
    steps: tuple[int, ...]
    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def __repr__(self) -> str:
        state = ", ".join(f"{name}: {size}" for name, size in zip(self.names, self.sizes))
        return f"<Jacobians over {len(self.steps)} steps of a state ({state})>"

    def block(self, of: str, by: str) -> numpy.ndarray:
        """∂ofₜ/∂byₜ₋₁, the other parts of sₜ₋₁ held fixed, for every step, (K, …, …)."""
        return self.matrices[:, self._slice(of), self._slice(by)]

    def path(self, name: str, *others: str) -> Jacobians:
        """The Jacobians of some parts by themselves, as if nothing flowed through the others: of an LSTM ``path("c")``.

        Examples
        --------
        >>> import numpy as np
        >>> import tinyrnn as tr
        >>> from tinyrnn import bptt, nn
        >>> y, _ = nn.LSTM(3, 4)(tr.randn(5, 1, 3))
        >>> c_path = bptt.jacobians(y).path("c")
        >>> c_path.matrices.shape, bool((c_path.matrices[0] == np.diag(np.diag(c_path.matrices[0]))).all())
        ((4, 4, 4), True)
        """
        names = name, *others
        kept = numpy.concatenate([numpy.arange(self.matrices.shape[1])[self._slice(name)] for name in names])
        sizes = tuple(self.sizes[self.names.index(name)] for name in names)
        alone = (slice(None), kept[:, None], kept)
        return Jacobians(self.matrices[alone], self.within[alone], self.steps, names, sizes)

    def detour(self, of: str, via: str) -> numpy.ndarray:
        """∂ofₜ/∂viaₜ₋₁ · ∂viaₜ₋₁/∂ofₜ₋₁: of an LSTM ``detour("c", "h")`` is what cₜ₋₁ does to cₜ through hₜ₋₁, (K, …, …).

        Together with ``block("c", "c")`` it is the whole ∂cₜ/∂cₜ₋₁.
        """
        return self.block(of, via) @ self.within[:-1, self._slice(via), self._slice(of)]

    def products(self) -> numpy.ndarray:
        """∂s_T/∂sₜ from the last state back to every state before, (K, D, D): the first is the product of all matrices."""
        found, product = numpy.empty_like(self.matrices), numpy.eye(self.matrices.shape[1])
        for k in range(len(self.steps) - 1, -1, -1):
            product = product @ self.matrices[k]
            found[k] = product
        return found

    def singular_values(self) -> numpy.ndarray:
        """The singular values of each of `products`, the largest first, (K, D).

        In float64 those below 10⁻¹⁶ of the largest are rounding; `exponents` finds their size.
        """
        return numpy.linalg.svd(self.products(), compute_uv=False)

    def exponents(self) -> numpy.ndarray:
        """The finite-time Lyapunov exponents, (D,), the largest first: how fast volumes grow, in nats per step.

        Below 0 a gradient shrinks by exp(exponent) with each step, above 0 it grows.  An orthonormal frame is carried
        through the sequence and made orthonormal again at each step; what that takes away is summed up (Benettin et al.
        1980; for recurrent networks Engelken, Wolf & Abbott 2023).
        """
        frame = numpy.eye(self.matrices.shape[1])
        logs = numpy.zeros(len(frame))
        with numpy.errstate(divide="ignore"):
            for matrix in self.matrices:
                frame, triangle = numpy.linalg.qr(matrix @ frame)
                logs += numpy.log(abs(numpy.diag(triangle)))
        return numpy.sort(logs / max(len(self.steps), 1))[::-1]

    def growth(self) -> float:
        """The largest rate at which a gradient can grow over the whole sequence: log σ_max(∂s_T/∂s₁) / K, in nats per step.

        It nears the largest of `exponents` as the sequence gets longer.
        """
        log_scale, product = 0.0, numpy.eye(self.matrices.shape[1])
        for matrix in self.matrices:
            product = matrix @ product
            scale = numpy.linalg.norm(product)
            if not 0 < scale < numpy.inf:
                return -numpy.inf if scale == 0 else float(scale)
            log_scale, product = log_scale + numpy.log(scale), product / scale
        return float((log_scale + numpy.log(numpy.linalg.norm(product, 2))) / max(len(self.steps), 1))

    def _slice(self, name: str) -> slice:
        if name not in self.names:
            raise ValueError(f"the state has no part {name!r}: it has {', '.join(map(repr, self.names))}")
        number = self.names.index(name)
        return slice(sum(self.sizes[:number]), sum(self.sizes[: number + 1]))


def jacobians(output: Value, *, track: int | str | None = None, sequence: int = 0) -> Jacobians:
    """The Jacobian of each state with respect to the one before, exactly, for any cell.

    Each row is one backward pass through one step: D of them a step, for a state of D numbers.

    Parameters
    ----------
    output : Tensor
        A loss, or anything else that was computed from the states.
    track : int or str, optional
        Which cell and loop, if several run through time: the number or the name of the track (see `flow`).
    sequence : int
        Which sequence of the batch, the first axis of the states.  A state of one axis is one sequence.

    Returns
    -------
    Jacobians

    Raises
    ------
    ValueError
        If nothing, or nothing over two steps, is carried through time; if `track` does not say which of several; if a state
        is read more than one step later, or feeds back through another cell's state, so that products of these Jacobians
        would leave a path out.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt, nn
    >>> layer = nn.RNN(3, 4)
    >>> y, h = layer(tr.randn(6, 1, 3))
    >>> J = bptt.jacobians(y)
    >>> J.matrices.shape, J.products().shape
    ((5, 4, 4), (5, 4, 4))
    >>> W, last = layer.layer0.W_h.numpy(), y.numpy()[-1, 0]
    >>> bool(abs(J.matrices[-1] - (W * (1 - last**2)).T).max() < 1e-6)  # diag(1 − h²) Wᵀ
    True
    """
    steps = _steps(output, track, sequence)
    count = len(steps.states)
    if count * steps.size**2 > LARGEST:
        raise ValueError(
            f"{title(steps.track)}: {count - 1} Jacobians of {steps.size} × {steps.size} numbers do not fit into memory: "
            "take fewer steps, or the leading growth rates alone with bptt.growth_rates"
        )
    each = [steps.rows(number) for number in range(count)]
    return Jacobians(
        matrices=numpy.array([across for across, _ in each[1:]]),
        within=numpy.array([within for _, within in each]),
        steps=steps.track.steps[1:],
        names=tuple(steps.track.states),
        sizes=steps.sizes,
    )


def growth_rates(output: Value, count: int = 1, *, track: int | str | None = None, sequence: int = 0) -> numpy.ndarray:
    """The leading rates log σᵢ(∂s_T/∂s₁) / K, in nats per step, also of large states: no Jacobian is ever written down.

    The singular values σᵢ come of orthogonal iteration: a frame of vectors is sent forward through all steps, then back,
    again and again, and made orthonormal after each step, so that nothing overflows however long the sequence is; each time
    it is turned to the singular directions of the product within it.
    `Jacobians.growth` is the first of them.

    Parameters
    ----------
    output, track, sequence
        See `jacobians`.
    count : int
        How many of them.

    Returns
    -------
    numpy array, (count,)
        The largest first.  Below 0 every gradient shrinks, −log 2 / rate is the number of steps in which it halves.  NaN
        if a Jacobian is not finite.

    Raises
    ------
    ValueError
        As for `jacobians`.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt, nn
    >>> y, h = nn.GRU(3, 8)(tr.randn(10, 1, 3))
    >>> rate, = bptt.growth_rates(y)
    >>> bool(abs(rate - bptt.jacobians(y).growth()) < 1e-4)
    True
    """
    steps = _steps(output, track, sequence)
    numbers = range(1, len(steps.states))
    width = min(count + EXTRA, steps.size)
    frame, _ = numpy.linalg.qr(numpy.random.default_rng(0).normal(size=(steps.size, width)))
    rates = numpy.full(width, numpy.nan)
    for _ in range(SWEEPS):
        previous, product = rates, numpy.eye(width)
        for number in numbers:
            frame, triangle = numpy.linalg.qr(steps.push(number, frame))
            product = triangle @ product
            product /= numpy.linalg.norm(product) or 1.0
        if not numpy.isfinite(product).all():
            return numpy.full(count, numpy.nan)
        turned, _, _ = numpy.linalg.svd(product)
        frame = frame @ turned  # from the directions it found to the singular ones among them
        logs = numpy.zeros(width)
        for number in reversed(numbers):
            frame, triangle = numpy.linalg.qr(steps.pull(number, frame.T).T)
            with numpy.errstate(divide="ignore"):
                logs += numpy.log(abs(numpy.diag(triangle)))
        rates = logs / len(numbers)
        if numpy.allclose(rates[:count], previous[:count], rtol=0, atol=TOLERANCE / len(numbers)):
            break
    return numpy.sort(rates)[::-1][:count]


def _steps(output: Value, track: int | str | None, sequence: int) -> Steps:
    recorded = history(output)
    chosen = choose_track(find_tracks(recorded), track)
    if len(chosen.steps) < 2:
        raise ValueError(f"{title(chosen)}: one step only, and a Jacobian leads from one step to the next")
    return Steps(chosen, recorded, sequence)
