"""Attention maps: which query looks at which key, in one picture or several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from ..nn.distributions import visible
from .canvas import canvas, numbers
from .maps import FEW, draw_map, write_words

CELL = 0.3  # inches
LETTER = 0.085  # inches, of the labels
LARGEST = 9.0  # inches


def attention(
    weights: Any,
    *,
    queries: Sequence[str] | Mapping | None = None,
    keys: Sequence[str] | Mapping | None = None,
    sequence: int = 0,
    ax: Any = None,
) -> Any:
    """Attention: a row for each query, a column for each key that it may look at.

    Parameters
    ----------
    weights : Tensor or array, (Q, K) or (Q, N, K); or a mapping of titles to them
        From 0 to 1; each row adds up to 1.  Several (heads, or examples) are drawn side by side.
    queries, keys : sequence of str, optional
        The words or characters of both sides: of a translation, target and source.  Of several maps one for all, or a
        mapping with the same titles.
    sequence : int
        Which one of a batch.
    ax : matplotlib Axes, optional
        By default those of a new figure; of several maps a sequence of them.

    Returns
    -------
    matplotlib Axes, or an array of them, one for each title

    Raises
    ------
    ValueError
        If the weights are no map, or the words do not fit.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import tinyrnn as tr
    >>> from tinyrnn import plots
    >>> plots.attention(tr.softmax(tr.randn(3, 4)), queries="abc", keys="wxyz").get_xlabel()
    'key'
    >>> maps = {"head 1": tr.softmax(tr.randn(3, 4)), "head 2": tr.softmax(tr.randn(3, 4))}
    >>> [ax.get_title() for ax in plots.attention(maps, queries="abc", keys="wxyz")]
    ['head 1', 'head 2']
    """
    several = isinstance(weights, Mapping)
    given = weights if several else {"": weights}
    maps = {title: _map(of_one, sequence) for title, of_one in given.items()}
    names = {title: (_words(queries, title), _words(keys, title)) for title in maps}
    for title, array in maps.items():
        for words, count, what in zip(names[title], array.shape, ("queries", "keys")):
            if words is not None and len(words) != count:
                raise ValueError(f"{len(words)} {what} are named, but the weights have {count}")
    sizes = [_size(array.shape, *names[title]) for title, array in maps.items()]
    if not several:
        axes = numpy.array([canvas(ax, sizes[0])])
    elif ax is None:
        axes = _side_by_side(sizes)
    else:
        axes = numpy.ravel(ax)
        if len(axes) != len(maps):
            raise ValueError(f"ax: there are {len(axes)} Axes for {len(maps)} maps")
    for one, (title, array) in zip(axes, maps.items()):
        _draw_one(one, array, title, *names[title], bar=one is axes[-1])
    return axes if several else axes[0]


def _map(weights: Any, sequence: int) -> numpy.ndarray:
    """The weights of one sequence, (Q, K)."""
    array = numbers(weights)
    if array.ndim == 3:
        if not 0 <= sequence < array.shape[1]:
            raise ValueError(f"sequence={sequence}: weights are those of {array.shape[1]} sequences, numbered from 0")
        array = array[:, sequence]
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"weights must be (queries, keys) or (queries, N, keys), but have shape {array.shape}")
    return array


def _words(given: Any, title: str) -> list[str] | None:
    words = given.get(title) if isinstance(given, Mapping) else given
    return None if words is None else [visible(word) for word in words]


def _longest(words: list[str] | None) -> int:
    return max(map(len, words), default=0) if words else 3


def _size(shape: tuple[int, ...], queries: list[str] | None, keys: list[str] | None) -> tuple[float, float]:
    """Inches for a map with its labels, its cells square if it is not too large."""
    rows, columns = shape
    below = LETTER * _longest(keys) if _longest(keys) > 2 else 0.2
    wide = min(LARGEST, CELL * columns) + LETTER * _longest(queries) + 1.3
    return max(wide, 2.6), max(min(LARGEST, CELL * rows) + below + 0.9, 2.2)


def _side_by_side(sizes: list[tuple[float, float]]) -> numpy.ndarray:
    """The Axes of a new figure, one for each size."""
    canvas_size = sum(wide for wide, _ in sizes), max(high for _, high in sizes)
    first = canvas(None, canvas_size)  # asks for matplotlib
    figure = first.figure
    first.remove()
    return numpy.ravel(figure.subplots(1, len(sizes), width_ratios=[wide for wide, _ in sizes]))


def _draw_one(ax: Any, array: numpy.ndarray, title: str, queries: list | None, keys: list | None, *, bar: bool) -> None:
    draw_map(ax, array, "attention", 1.0, below=keys is not None, bar=bar)
    ax.set(xlabel="key", ylabel="query")
    if title:
        ax.set_title(title, parse_math=False)
    for axis, words in ((ax.xaxis, keys), (ax.yaxis, queries)):
        if words is not None and len(words) <= FEW:
            write_words(axis, words)
    if keys is not None and _longest(keys) > 2:
        ax.tick_params(axis="x", rotation=90)
