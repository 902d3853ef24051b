"""Diagrams over time: norms of gradients, contributions to them, and losses over training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from ..bptt import Flow, TrackFlow
from .canvas import NEGATIVE, POSITIVE, at_t, canvas, edges, numbers, on_a_log_scale, over_steps, plain, style_of

FEW = 100  # steps that have a bar each


def gradient_norms(flows: Any, *, of: str | None = None, ax: Any = None) -> Any:
    """How gradients fare on their way back through time: norms on a logarithmic scale, one line for each network.

    A step where the gradient is exactly 0 is marked by a triangle at the lower edge, one where it is infinite at the upper
    edge; where it is missing the line has a gap.

    Parameters
    ----------
    flows : Flow, TrackFlow, array (T,), or a mapping of names to them
        What `bptt.flow` returns, for one network or for several that are compared.
    of : str, optional
        Which gradient: the name of a state or a gate ("h", "c", "f", …), or "error" for what is left of the error of the
        last step alone, which verdicts are read off.  By default "h", or the one state there is.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If there is no such state or gate.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt, nn, plots
    >>> flows = {}
    >>> for layer in (nn.RNN(3, 8), nn.LSTM(3, 8), nn.GRU(3, 8)):
    ...     y, _ = layer(tr.randn(30, 1, 3))
    ...     flows[type(layer).__name__] = bptt.flow((y[-1] * y[-1]).sum())
    >>> ax = plots.gradient_norms(flows)
    >>> ax.get_yscale(), len(ax.get_lines())
    ('log', 3)
    """
    lines = _lines(flows, of)
    ax = canvas(ax)
    symbol = of or next((name for _, _, _, name in lines if name), "h")
    on_a_log_scale(ax, [norms for _, _, norms, _ in lines])
    for number, (label, steps, norms, _) in enumerate(lines):
        style = style_of(number)
        shown = numpy.where(numpy.isfinite(norms) & (norms > 0), norms, numpy.nan)
        marker = {"marker": "o", "markersize": 3} if len(steps) <= 30 else {}
        ax.plot(steps, shown, linewidth=1.6, label=label, **style, **marker)
        edges(ax, steps, norms, style["color"])
    what = "the error of the last step" if symbol == "error" else rf"$\partial L/\partial\,${at_t(symbol)}"
    plain(ax, "time step t", f"norm of {what}")
    over_steps(ax, [steps for _, steps, _, _ in lines])
    if any(label for label, *_ in lines):
        ax.legend(frameon=False)
    return ax


def contributions(parts: Any, *, of: str = "norms", steps: Sequence[int] | None = None, ax: Any = None) -> Any:
    """What each time step gave to the gradient of a shared weight: a bar for each step.

    Parameters
    ----------
    parts : array or Tensor, (T, …)
        What `bptt.contributions` returns.
    of : {"norms", "fractions"}
        The norm of each contribution; or how far it goes along the whole gradient, ⟨part, g⟩ / ⟨g, g⟩: these add up to 1.
    steps : sequence of int, optional
        The time steps of the rows, counted from 0; by default 0, 1, 2, ….
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If there are no steps, or another number of them.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import bptt, nn, plots
    >>> layer = nn.RNN(3, 4)
    >>> y, _ = layer(tr.randn(10, 1, 3))
    >>> ax = plots.contributions(bptt.contributions((y * y).sum(), layer.layer0.W_h))
    >>> len(ax.patches)
    10
    """
    array = numbers(parts)
    if of not in ("norms", "fractions"):
        raise ValueError(f"of={of!r}: expected 'norms' or 'fractions'")
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"parts must be (T, …), the contribution of each time step, but have shape {array.shape}")
    if steps is not None and len(steps) != len(array):
        raise ValueError(f"there are {len(steps)} steps, but {len(array)} contributions")
    rows = array.reshape(len(array), -1)
    whole = rows.sum(axis=0)
    with numpy.errstate(invalid="ignore", divide="ignore", over="ignore"):
        heights = numpy.linalg.norm(rows, axis=1) if of == "norms" else rows @ whole / (whole @ whole)
    at = numpy.arange(len(rows)) + 1 if steps is None else numpy.asarray(steps) + 1
    ax = canvas(ax)
    colours = numpy.where(heights < 0, NEGATIVE, POSITIVE)
    if len(at) <= FEW:
        ax.bar(at, heights, color=colours, width=0.8)
    else:
        for color in (POSITIVE, NEGATIVE):
            ax.fill_between(at, numpy.where(colours == color, heights, 0.0), step="mid", color=color, linewidth=0)
    plain(ax, "time step t", "norm of the contribution" if of == "norms" else "part of the whole gradient")
    over_steps(ax, [at])
    if of == "fractions":
        ax.axhline(0, color="black", linewidth=0.8)
    return ax


def loss_curve(
    losses: Any, *, validation: Mapping[int, float] | None = None, label: str = "loss", log: bool = False, ax: Any = None
) -> Any:
    """The loss over the steps of training.

    Parameters
    ----------
    losses : sequence of numbers, or a mapping of names to such sequences
        One number for each step; several runs are compared.
    validation : mapping of step to loss, optional
        On what was not learnt from.
    label : str
        What the numbers are, with their unit: "bits per character".
    log : bool
        Whether the scale is logarithmic.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from tinyrnn import plots
    >>> plots.loss_curve([2.0, 1.2, 0.9], validation={3: 1.0}, label="bits per character").get_ylabel()
    'bits per character'
    """
    runs = dict(losses) if isinstance(losses, Mapping) else {"training": losses}
    ax = canvas(ax)
    curves = {name: numbers(run) for name, run in runs.items()}
    for name, curve in curves.items():
        if curve.ndim != 1:
            raise ValueError(f"losses must be one number for each step, but {name!r} has shape {curve.shape}")
    seen = list(curves.values()) + ([numbers(list(validation.values()))] if validation else [])
    if log:
        on_a_log_scale(ax, seen)
    for number, (name, curve) in enumerate(curves.items()):
        only = {"marker": "o", "markersize": 4} if len(curve) == 1 else {}
        ax.plot(numpy.arange(len(curve)) + 1, curve, label=name, linewidth=1.0, alpha=0.75, **style_of(number), **only)
    if validation:
        colour = style_of(len(curves))["color"]
        ax.plot(list(validation), list(validation.values()), "o-", color=colour, markersize=4, label="validation")
    plain(ax, "step of training", label)
    over_steps(ax, [*(numpy.arange(len(curve)) + 1 for curve in curves.values()), numpy.array(list(validation or ()))])
    if len(curves) > 1 or validation:
        ax.legend(frameon=False)
    return ax


def _lines(flows: Any, of: str | None) -> list[tuple[str, numpy.ndarray, numpy.ndarray, str]]:
    """For each line its label, its steps counted from 1, its norms, and what they are the norms of."""
    named = dict(flows) if isinstance(flows, Mapping) else {"": flows}
    found = []
    for name, given in named.items():
        tracks = given.tracks if isinstance(given, Flow) else [given]
        for track in tracks:
            label = " ".join(part for part in (str(name), _module(track) if len(tracks) > 1 or not name else "") if part)
            if isinstance(track, TrackFlow):
                symbol = of or ("h" if "h" in track.states else next(iter(track.states)))
                found.append((label, numpy.array(track.steps) + 1, _norms(track, symbol), symbol))
                continue
            norms = numbers(track)
            if norms.ndim != 1 or not norms.size:
                raise ValueError(f"norms must be one number for each step, (T,), but have shape {norms.shape}")
            found.append((label, numpy.arange(len(norms)) + 1, norms, ""))
    return found


def _module(track: Any) -> str:
    return getattr(track, "module", "")


def _norms(track: TrackFlow, symbol: str) -> numpy.ndarray:
    known = {**track.gates, **track.states, "error": track.error}
    if symbol not in known:
        raise ValueError(f"{track.module} has no {symbol!r}: it has {', '.join(known)}")
    return known[symbol]
