"""The distribution of the next symbol, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from .. import backend
from ..tensor import as_tensor
from .sampling import kept, tempered

_MARKS = str.maketrans({" ": "\N{MIDDLE DOT}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\t": "\N{RIGHTWARDS ARROW}"})


def visible(symbol: Any) -> str:
    r"""A symbol as text in which white space can be seen.

    Examples
    --------
    >>> from tinyrnn.nn.distributions import visible
    >>> visible("a b"), visible("\n"), visible("\x00")
    ('a·b', '↵', '\\x00')
    """
    text = str(symbol).translate(_MARKS)
    return text if text.isprintable() else repr(text)[1:-1]


@dataclass(frozen=True)
class Distribution:
    r"""What may come next, the most probable first; printed, it is a table."""

    symbols: tuple[str, ...]  # readable
    codes: numpy.ndarray  # (V,)
    probabilities: numpy.ndarray  # (V,), after the temperature
    cumulated: numpy.ndarray  # (V,): each with all before it
    kept: numpy.ndarray  # bools (V,): what top-k and top-p leave, the first few
    drawn: numpy.ndarray  # (V,): the probability with which `sample` draws, 0 of what is not kept

    def table(self, rows: int = 20) -> str:
        """The first rows as text; a line is drawn below what is kept."""
        count = min(rows, len(self.codes))
        wide = max(6, *map(len, self.symbols[:count]))
        lines = [f"{'symbol':<{wide}}  {'code':>6}  probability  cumulated  drawn"]
        lines.append("-" * len(lines[0]))
        for i in range(count):
            if i and self.kept[i - 1] and not self.kept[i]:
                lines.append("-" * len(lines[0]))
            drawn = f"{self.drawn[i]:.3f}" if self.kept[i] else "—"
            numbers = f"{self.codes[i]:>6}  {self.probabilities[i]:>11.4f}  {self.cumulated[i]:>9.4f}  {drawn:>5}"
            lines.append(f"{self.symbols[i]:<{wide}}  {numbers}")
        if count < len(self.codes):
            rest = self.probabilities[count:].sum()
            lines.append(f"and {len(self.codes) - count} more, together {rest:.4f}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()


def distribution(
    logits: Any,
    symbols: Sequence | None = None,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Distribution:
    r"""What may come next, by the scores of one place: how probable each symbol is, and which ones `sample` draws from.

    Parameters
    ----------
    logits : Tensor or array of floats, (V,)
    symbols : sequence of V str, optional
        What the symbols are; by default their numbers.
    temperature, top_k, top_p
        See `sample`.

    Returns
    -------
    Distribution
        `tinyrnn.plots.distribution` draws it.

    Raises
    ------
    ValueError
        If the logits are not those of one place, or the symbols are not as many.

    Examples
    --------
    >>> from tinyrnn import nn, tensor
    >>> logits = tensor([2.0, 0.0, 1.0, -1.0, 1.5])
    >>> print(nn.distribution(logits, ["e", " ", "a", "\n", "the"], top_p=0.8))
    symbol    code  probability  cumulated  drawn
    ---------------------------------------------
    e            0       0.4631     0.4631  0.506
    the          4       0.2809     0.7439  0.307
    a            2       0.1704     0.9143  0.186
    ---------------------------------------------
    ·            1       0.0627     0.9769      —
    ↵            3       0.0231     1.0000      —
    """
    logits = as_tensor(logits)
    if logits.ndim != 1:
        raise ValueError(
            f"distribution: the logits have shape {tuple(logits.shape)}, expected (V,): pick one place, logits[t, n]"
        )
    if symbols is None:
        symbols = [str(code) for code in range(len(logits))]
    if len(symbols) != len(logits):
        raise ValueError(f"there are {len(symbols)} symbols, but the logits are those of {len(logits)}")
    scores, cold = tempered(numpy, as_tensor(backend.to_host(logits.data)), temperature)
    codes = numpy.argsort(-scores, kind="stable")
    e = numpy.where(numpy.arange(len(codes)) == 0, 1.0, 0.0) if cold else numpy.exp(scores[codes] - scores.max())
    left = kept(numpy, scores, top_k, top_p)[codes] & (e > 0)
    return Distribution(
        tuple(visible(symbols[code]) for code in codes),
        codes,
        e / e.sum(),
        (e / e.sum()).cumsum(),
        left,
        e * left / e[left].sum(),
    )
