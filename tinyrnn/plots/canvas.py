"""What all plots have in common: where they draw, their colours, and numbers from wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from .. import backend
from ..graph import Value

INSTALL = "plots need matplotlib: pip install 'tinyrnn[plots]'"

# Okabe and Ito's colours, to be told apart by the colour-blind; the dashes tell them apart in grey print.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
POSITIVE, NEGATIVE, INK, MISSING = "#0072B2", "#D55E00", "#4D4D4D", "#D9D9D9"


def canvas(ax: Any, size: tuple[float, float] = (6.4, 4.0)) -> Any:
    """The Axes to draw on: those given, or those of a new figure; ImportError if matplotlib is missing."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError(INSTALL) from None
    return pyplot.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def numbers(values: Any) -> numpy.ndarray:
    """The numbers of a Tensor, of an array of any device, or of lists, in float64."""
    if isinstance(values, Value):
        values = values.data
    try:
        return (backend.to_host(values) if backend.is_array(values) else numpy.asarray(values)).astype(float)
    except (TypeError, ValueError):
        raise TypeError(f"expected numbers: a Tensor, an array, or lists of one length; not {values!r:.60}") from None


def one_sequence(values: Any, sequence: int, what: str) -> numpy.ndarray:
    """A map (T, H): the values themselves, or one sequence of a batch (T, N, H)."""
    array = numbers(values)
    if array.ndim == 3:
        if not 0 <= sequence < array.shape[1]:
            raise ValueError(f"sequence={sequence}: {what} are those of {array.shape[1]} sequences, numbered from 0")
        array = array[:, sequence]
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{what} must be (T, N, H) or, of one sequence, (T, H), but have shape {array.shape}")
    return array


def at_t(name: str) -> str:
    """A name as a symbol with the subscript t, if it is one letter; else as it is, whatever characters it has."""
    return f"${name}_t$" if len(name) == 1 and name.isalpha() else name.replace("$", r"\$")


def style_of(number: int) -> dict[str, Any]:
    """The colour and the dashes of line number 0, 1, 2, …."""
    return {"color": PALETTE[number % len(PALETTE)], "linestyle": DASHES[number % len(DASHES)]}


def plain(ax: Any, xlabel: str, ylabel: str) -> None:
    """The frame of a diagram: two axes, a faint grid, labels."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def whole_numbers(axis: Any) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def over_steps(ax: Any, steps: Sequence[numpy.ndarray]) -> None:
    """An x axis of time steps, and of nothing else."""
    found = [of_line for of_line in steps if len(of_line)]
    if found:
        ax.set_xlim(min(map(numpy.min, found)) - 0.6, max(map(numpy.max, found)) + 0.6)
    whole_numbers(ax.xaxis)


def colour_bar(ax: Any, mappable: Any, label: str, **options: Any) -> Any:
    """A bar of colours beside the Axes, as high as they are drawn; its own Axes are returned."""
    wide = ax.bbox.width / ax.figure.dpi  # inches
    beside = ax.inset_axes((1 + 0.1 / wide, 0.0, 0.13 / wide, 1.0))
    bar = ax.figure.colorbar(mappable, cax=beside, label=label, **options)
    bar.outline.set_visible(False)
    return beside


def on_a_log_scale(ax: Any, lines: Sequence[numpy.ndarray]) -> None:
    """A logarithmic y axis, which also works if nothing, or one number alone, can be drawn on it."""
    from matplotlib.ticker import LogLocator, NullFormatter

    drawn = [line[numpy.isfinite(line) & (line > 0)] for line in lines]
    known = numpy.concatenate(drawn) if drawn else numpy.zeros(0)
    ax.set_yscale("log")
    low, high = (known.min(), known.max()) if known.size else (0.1, 1.0)
    if high < 10 * low:  # at least a decade, so that there is a tick
        low, high = low / 3, high * 3
    ax.set_ylim(low * (low / high) ** 0.06, high * (high / low) ** 0.06)
    ax.yaxis.set_major_locator(LogLocator(numticks=9))
    ax.yaxis.set_minor_formatter(NullFormatter())


def edges(ax: Any, x: numpy.ndarray, y: numpy.ndarray, color: str) -> None:
    """Mark what a logarithmic axis has no place for: exactly 0 at its lower edge, infinity at the upper one."""
    for where, height, marker in ((y == 0, 0.0, "v"), (numpy.isposinf(y), 1.0, "^")):
        if where.any():
            every = slice(None, None, max(1, int(where.sum()) // 40))
            ax.plot(
                *(x[where][every], numpy.full(int(where.sum()), height)[every], marker),
                **{"color": color, "markersize": 4, "clip_on": False, "linestyle": "none", "zorder": 3},
                transform=ax.get_xaxis_transform(),
            )
