"""Text, each character coloured by what a unit of the network does when it reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from ..nn.distributions import visible
from .canvas import MISSING, canvas, colour_bar, numbers

LINES = 60  # that one figure has room for


def text(
    characters: Sequence[str], activation: Any, *, width: int = 80, limit: float | None = None, label: str = "", ax: Any = None
) -> Any:
    """A text on a ground that shows the activation of one unit at each character (Karpathy, Johnson & Fei-Fei 2015).

    Blue is positive, red negative, white 0; NaN is grey.  A line ends where the text has a line break, or at `width`.

    Parameters
    ----------
    characters : str or sequence of str
        T characters, or T words.
    activation : Tensor or array, (T,)
        Of one unit, at each of them: ``y[:, 0, 7]``.
    width : int
        The most characters in a line.
    limit : float, optional
        The value of the deepest colour; by default the largest there is.
    label : str
        What the activation is called.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If there are not as many activations as characters, or none.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn, plots
    >>> y, _ = nn.LSTM(3, 4)(tr.randn(11, 1, 3))
    >>> ax = plots.text("hello world", y[:, 0, 2], label="unit 2")
    >>> len(ax.texts)
    11
    """
    values = numbers(activation)
    if values.ndim != 1 or len(values) != len(characters) or not len(values):
        raise ValueError(
            f"the activation has shape {values.shape}, expected ({len(characters)},), a number for each character or word"
        )
    placed, lines, width = _places(characters, width)
    shown = min(lines, LINES)
    ax = canvas(ax, (0.115 * max(width, 12) + 1.2, 0.26 * shown + 0.6))

    import matplotlib
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import Normalize
    from matplotlib.patches import Rectangle

    finite = values[numpy.isfinite(values)]
    top = limit if limit is not None else float(abs(finite).max(initial=0.0)) or 1.0
    colours = matplotlib.colormaps["RdBu"].with_extremes(bad=MISSING)
    norm = Normalize(-top, top)
    kept = [(word, value, line, start) for word, value, (line, start) in zip(characters, values, placed) if line < LINES]
    boxes = [Rectangle((start, line), len(_seen(word)), 1) for word, _, line, start in kept]
    ground = PatchCollection(boxes, cmap=colours, norm=norm, linewidths=0)
    ground.set_array(numpy.ma.masked_invalid([value for _, value, _, _ in kept]))
    ax.add_collection(ground)
    for word, value, line, start in kept:
        dark = numpy.isfinite(value) and abs(value) > 0.6 * top
        written = ax.text(start + len(_seen(word)) / 2, line + 0.55, _seen(word), ha="center", va="center", family="monospace")
        written.set(fontsize=9, color="white" if dark else "black", clip_on=True, parse_math=False)
        written.set_in_layout(False)
    ax.set(xlim=(0, width), ylim=(shown, 0), xticks=[], yticks=[])
    if lines > LINES:
        ax.set_xlabel(f"… and {lines - LINES} more lines")
    ax.spines[:].set_visible(False)
    colour_bar(ax, ground, label, ticks=[-top, 0, top], format="%.3g")
    return ax


def _seen(word: str) -> str:
    """A character, or a word, with its white space made visible."""
    return visible(word) or " "


def _places(words: Sequence[str], width: int) -> tuple[list[tuple[int, int]], int, int]:
    """The line and the column where each begins, the number of lines, and the length of the longest."""
    places, line, column, longest = [], 0, 0, 0
    for word in words:
        wide = len(_seen(word))
        if column and column + wide > width:
            line, column = line + 1, 0
        places.append((line, column))
        column += wide
        longest = max(longest, column)
        if str(word).endswith("\n"):
            line, column = line + 1, 0
    return places, places[-1][0] + 1, longest
