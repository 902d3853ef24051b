"""Spectra of Jacobians: what a recurrent network does to gradients of every direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from ..bptt import Jacobians
from .canvas import INK, canvas, colour_bar, on_a_log_scale, over_steps, plain, style_of, whole_numbers

FEW = 200  # steps whose eigenvalues are drawn


def jacobian_spectrum(jacobians: Jacobians | Mapping[str, Jacobians], *, count: int | None = None, ax: Any = None) -> Any:
    """The singular values of ∂s_T/∂sₜ, by how many steps it leads back: below 1 gradients shrink, above it they grow.

    What is below 10⁻¹⁵ of the largest is rounding, and not drawn.

    Parameters
    ----------
    jacobians : Jacobians, or a mapping of names to them
        Of one network all singular values, the darkest line the largest; of several the largest of each.
    count : int, optional
        How many singular values of each network, from the largest.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt, nn, plots
    >>> y, _ = nn.RNN(3, 4)(tr.randn(10, 1, 3))
    >>> ax = plots.jacobian_spectrum(bptt.jacobians(y))
    >>> ax.get_yscale()
    'log'
    """
    _check(*jacobians.values() if isinstance(jacobians, Mapping) else [jacobians])
    several = isinstance(jacobians, Mapping)
    named: Mapping[str, Jacobians] = jacobians if isinstance(jacobians, Mapping) else {"": jacobians}
    values = {name: _drawable(one.singular_values()[::-1])[:, : count or (1 if several else None)] for name, one in named.items()}
    ax = canvas(ax)
    from matplotlib import colormaps

    on_a_log_scale(ax, [array.ravel() for array in values.values()])
    for number, (name, array) in enumerate(values.items()):
        back = numpy.arange(len(array)) + 1
        shades = colormaps["Blues_r"](numpy.linspace(0.05, 0.65, array.shape[1]))
        dot = {"marker": "o", "markersize": 3} if len(back) <= 30 else {}
        for i in range(array.shape[1] - 1, -1, -1):
            style = style_of(number) if several else {"color": shades[i]}
            fade = {"alpha": 1.0 if i == 0 else 0.35} if several else {}
            ax.plot(back, array[:, i], linewidth=1.8 if i == 0 else 1.0, label=name if i == 0 else None, **style, **fade, **dot)
    ax.axhline(1, color=INK, linewidth=0.8, linestyle=":")
    drawn = "largest singular value" if all(array.shape[1] == 1 for array in values.values()) else "singular values"
    plain(ax, "steps back, k", rf"{drawn} of $\partial s_T/\partial s_{{T-k}}$")
    over_steps(ax, [numpy.arange(len(array)) + 1 for array in values.values()])
    if several:
        ax.legend(frameon=False)
    return ax


def jacobian_eigenvalues(jacobians: Jacobians, *, ax: Any = None) -> Any:
    """The eigenvalues of every ∂sₜ/∂sₜ₋₁ in the complex plane, beside the circle of radius 1: the later, the darker.

    Parameters
    ----------
    jacobians : Jacobians
        Of more than 200 steps, 200 are drawn.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt, nn, plots
    >>> y, _ = nn.RNN(3, 4)(tr.randn(10, 1, 3))
    >>> plots.jacobian_eigenvalues(bptt.jacobians(y)).get_xlabel()
    'real part'
    """
    _check(jacobians)
    steps = numpy.array(jacobians.steps)
    chosen = numpy.unique(numpy.linspace(0, len(steps) - 1, FEW).astype(int)) if len(steps) > FEW else numpy.arange(len(steps))
    chosen = chosen[numpy.isfinite(jacobians.matrices[chosen]).all(axis=(1, 2))]
    values = numpy.linalg.eigvals(jacobians.matrices[chosen])
    when = numpy.repeat(steps[chosen] + 1, values.shape[1])
    ax = canvas(ax, (5.2, 4.4))
    angle = numpy.linspace(0, 2 * numpy.pi, 200)
    ax.plot(numpy.cos(angle), numpy.sin(angle), color=INK, linewidth=0.8, linestyle=":")
    points = ax.scatter(values.real.ravel(), values.imag.ravel(), c=when, cmap="cividis_r", s=10, linewidths=0, alpha=0.8)
    ax.set_aspect("equal", adjustable="datalim")
    plain(ax, "real part", "imaginary part")
    whole_numbers(colour_bar(ax, points, "time step t").yaxis)
    return ax


def _drawable(singular: numpy.ndarray) -> numpy.ndarray:
    """Singular values that are more than rounding and neither 0 nor infinite; NaN in place of the others."""
    with numpy.errstate(invalid="ignore"):
        known = numpy.isfinite(singular) & (singular > 0) & (singular > 1e-15 * singular[:, :1])
    return numpy.where(known, singular, numpy.nan)


def _check(*given: Any) -> None:
    for one in given:
        if not isinstance(one, Jacobians):
            raise TypeError(f"expected what bptt.jacobians returns, not {type(one).__name__}")
