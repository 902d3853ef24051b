"""The distribution of the next symbol, as bars."""

from __future__ import annotations

from typing import Any

import numpy

from ..nn.distributions import Distribution
from .canvas import INK, MISSING, POSITIVE, canvas, plain


def distribution(of: Distribution, *, rows: int = 20, ax: Any = None) -> Any:
    """How probable each symbol is as the next, the most probable on top: blue what top-k and top-p leave, grey what they drop.

    Parameters
    ----------
    of : Distribution
        What `nn.distribution` returns.
    rows : int
        How many symbols are shown at most.
    ax : matplotlib Axes, optional
        By default those of a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError
        If it is no `Distribution`.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> from tinyrnn import nn, plots, tensor
    >>> ax = plots.distribution(nn.distribution(tensor([2.0, 0.0, 1.0]), "abc", top_k=2))
    >>> [tick.get_text() for tick in ax.get_yticklabels()]
    ['a', 'c', 'b']
    """
    if not isinstance(of, Distribution):
        raise TypeError(f"distribution: expected what nn.distribution returns, not a {type(of).__name__}")
    if rows < 1:
        raise ValueError(f"rows={rows}: expected how many symbols to show, from 1")
    shown = min(rows, len(of.codes))
    places = numpy.arange(shown)
    ax = canvas(ax, (5.2, 0.24 * shown + 1.0))
    p = of.probabilities[:shown]
    ax.barh(places, p, color=numpy.where(of.kept[:shown], POSITIVE, MISSING), height=0.8)
    for place, (probability, cumulated) in enumerate(zip(p, of.cumulated)):
        ax.annotate(
            f"{probability:.3f}  Σ {cumulated:.3f}",
            (probability, place),
            **{"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 7, "color": INK},
        )
    if shown < len(of.codes):
        rest = f"and {len(of.codes) - shown} more, together {of.probabilities[shown:].sum():.3f}"
        ax.annotate(rest, (1, 0), xycoords="axes fraction", ha="right", va="bottom", fontsize=7, color=INK)
    plain(ax, "probability of the next symbol (Σ: with all above it)", "")
    ax.grid(axis="y", visible=False)
    ax.set_xlim(0, min(1.0, p[0] * 1.05) * 1.35)  # with room for the numbers
    ax.set_ylim(shown - 0.4, -0.6)
    ax.set_yticks(places, of.symbols[:shown])
    ax.tick_params(axis="y", length=0)
    for tick in ax.get_yticklabels():
        tick.set(parse_math=False, family="monospace", fontsize=9)
    return ax
