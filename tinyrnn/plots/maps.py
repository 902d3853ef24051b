"""Maps: hidden states and gates over a sequence, and who taught whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from ..bptt import ContributionMatrix
from ..nn.distributions import visible
from .canvas import MISSING, at_t, canvas, colour_bar, numbers, one_sequence, whole_numbers

FEW = 120  # steps, or units, that may have a label each
RANGE = 1e-12  # of the largest: what is smaller has the palest colour of a logarithmic map
GAP = 0.07  # inches: smaller cells have no lines between them


def heatmap(
    values: Any,
    *,
    label: str = "h",
    text: Sequence[str] | None = None,
    units: int | Sequence[int] | None = None,
    sequence: int = 0,
    limit: float | None = None,
    ax: Any = None,
) -> Any:
    """Hidden states or gates over a sequence: a column for each time step, a row for each unit.

    Blue is positive, red negative, white 0; NaN is grey.

    Parameters
    ----------
    values : Tensor or array, (T, N, H) or (T, H)
        The outputs of a layer; or what `bptt.trace` returns for a gate.
    label : str
        What the values are called.
    text : sequence of str, optional
        What was read at each step, T characters or words, written under the columns.
    units : int or sequence of int, optional
        Which units, in this order; a number k: the k that change least from step to step compared with how far they range,
        the slowest first (such a unit keeps something in mind).  By default all.
    sequence : int
        Which one of a batch.
    limit : float, optional
        The value of the deepest colour; by default the largest there is.
    ax : matplotlib Axes, optional
        By default those of a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If the values are no map, or the text or the units do not fit.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import nn, plots
    >>> y, _ = nn.GRU(3, 8)(tr.randn(20, 1, 3))
    >>> plots.heatmap(y, units=4).get_xlabel()
    'time step t'
    """
    states = one_sequence(values, sequence, "values")
    steps, size = states.shape
    if text is not None and len(text) != steps:
        raise ValueError(f"text has {len(text)} characters or words, but the values have {steps} steps: one for each")
    kept = _units(states, units)
    ax = canvas(ax, (float(numpy.clip(0.16 * steps + 1.6, 4, 14)), float(numpy.clip(0.16 * len(kept) + 1.0, 2, 8))))
    draw_map(ax, states[:, kept].T, at_t(label), limit, below=text is not None)
    ax.set_xlabel("time step t" if text is None else "read at each step")
    ax.set_ylabel("unit" if units is None else f"{len(kept)} of {size} units")
    if text is None:
        whole_numbers(ax.xaxis)
    elif steps <= FEW:
        write_words(ax.xaxis, [visible(word) for word in text])
    if len(kept) <= FEW and (units is None or not isinstance(units, int)):
        _some_ticks(ax.yaxis, [str(unit) for unit in kept])
    else:
        ax.set_yticks([])
    return ax


def contribution_matrix(matrix: ContributionMatrix | Any, *, of: str = "norms", ax: Any = None) -> Any:
    """How much the error at each step taught a weight at each step: a row for each loss, a column for each use.

    Parameters
    ----------
    matrix : ContributionMatrix or array, (S, T)
        What `bptt.contribution_matrix` returns.
    of : {"norms", "fractions"}
        Norms on a logarithmic scale of at most twelve decades, white where they are exactly 0; or the signed parts of the
        whole gradient, blue along it and red against it.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt, nn, plots
    >>> layer = nn.RNN(3, 4)
    >>> y, _ = layer(tr.randn(10, 1, 3))
    >>> matrix = bptt.contribution_matrix((y * y).sum(axis=(1, 2)), layer.layer0.W_h)
    >>> plots.contribution_matrix(matrix).get_ylabel()
    'error at step s'
    """
    if of not in ("norms", "fractions"):
        raise ValueError(f"of={of!r}: expected 'norms' or 'fractions'")
    from_bptt = isinstance(matrix, ContributionMatrix)
    values = numbers(getattr(matrix, of) if from_bptt else matrix)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"the matrix must be (S, T), a row for each loss and a column for each use, not {values.shape}")
    ax = canvas(ax, (5.6, 4.6))
    if of == "norms":
        label = "norm of the contribution"
        draw_map(ax, values, label, None, logarithmic=True, signed=False)
    else:
        draw_map(ax, values, "part of the whole gradient", None, signed=True)
    if from_bptt:
        _some_ticks(ax.xaxis, [str(step + 1) for step in matrix.steps])
        _some_ticks(ax.yaxis, [str(step + 1) for step in matrix.loss_steps])
    ax.set(xlabel="weight used at step t", ylabel="error at step s")
    return ax


def _units(states: numpy.ndarray, units: int | Sequence[int] | None) -> numpy.ndarray:
    """The numbers of the units that are shown."""
    size = states.shape[1]
    if units is None:
        return numpy.arange(size)
    if not isinstance(units, int):
        chosen = numpy.asarray(units, dtype=int)
        if chosen.ndim != 1 or not chosen.size or chosen.min() < 0 or chosen.max() >= size:
            raise ValueError(f"units={list(units)}: there are units 0 to {size - 1}")
        return chosen
    if units < 1:
        raise ValueError(f"units={units}: expected how many to show, from 1")
    change, spread = abs(numpy.diff(states, axis=0)).sum(axis=0), states.std(axis=0)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        speed = change / spread
    return numpy.argsort(numpy.where(numpy.isfinite(speed), speed, numpy.inf), kind="stable")[:units]


def draw_map(
    ax: Any,
    values: numpy.ndarray,
    label: str,
    limit: float | None,
    *,
    logarithmic: bool = False,
    signed: bool | None = None,
    below: bool = False,
    bar: bool = True,
) -> None:
    """A map with its colour bar; step t is at x = t, counted from 1."""
    import matplotlib
    from matplotlib.colors import ListedColormap, LogNorm, Normalize

    rows, columns = values.shape
    finite = values[numpy.isfinite(values)]
    if signed is None:
        signed = bool((finite < 0).any())
    colours = matplotlib.colormaps["RdBu" if signed else "Blues"].with_extremes(bad=MISSING)
    top = limit if limit is not None else float(abs(finite).max(initial=0.0)) or 1.0
    norm: Any = Normalize(-top if signed else 0.0, top)
    if logarithmic:
        positive = finite[finite > 0]
        top = float(positive.max(initial=0.0)) or 1.0
        bottom = max(float(positive.min(initial=top)), top * RANGE)
        norm = LogNorm(bottom if bottom < top else top / 10, top)
        shades = colours(numpy.linspace(0.15, 1.0, 256))  # the palest is not white, which is 0
        colours = ListedColormap(shades).with_extremes(bad=MISSING, under="white")
        values = numpy.where(values <= 0, norm.vmin / 10, numpy.where(values < norm.vmin, norm.vmin, values))
    image = ax.imshow(
        values,
        cmap=colours,
        norm=norm,
        aspect="auto",  # constrained layout cuts labels off beside Axes of a fixed aspect
        extent=(0.5, columns + 0.5, rows + 0.5, 0.5),
        interpolation="nearest" if max(rows, columns) <= 2000 else "antialiased",
    )
    inches = ax.bbox.width / ax.figure.dpi / columns, ax.bbox.height / ax.figure.dpi / rows  # of one cell
    if min(inches) > GAP:
        for axis, count in ((ax.xaxis, columns), (ax.yaxis, rows)):
            axis.set_ticks(numpy.arange(1, count) + 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=0.4)
    ax.tick_params(which="minor", length=0)
    ax.tick_params(length=0 if below else 3)
    ax.spines[:].set_visible(False)
    for axis in (ax.xaxis, ax.yaxis):
        whole_numbers(axis)
    if bar:
        colour_bar(ax, image, label)


def write_words(axis: Any, words: Sequence[str]) -> None:
    """A word at every row or column."""
    axis.set_ticks(numpy.arange(1, len(words) + 1), words)
    for tick in axis.get_ticklabels():
        tick.set(parse_math=False, family="monospace", fontsize=9 if len(words) <= 100 else 7)


def _some_ticks(axis: Any, labels: Sequence[str], most: int = 10) -> None:
    """Labels at as many rows or columns as are easily read."""
    every = max(1, -(-len(labels) // most))
    axis.set_ticks(numpy.arange(1, len(labels) + 1)[::every], labels[::every])
