"""Steps of the record, counted from 0, as steps on paper: from 1, and near the end of a sequence from its length T."""

from __future__ import annotations

from collections.abc import Iterable

from ...tape import Graph
from .algebra import PRESENT, Index, Span

LETTERS = "TSRKM"


class Clock:
    """Knows how long each run through time is, and what its length is called.

    Parameters
    ----------
    graph : Graph
    folded : ints
        The runs that are folded: only what is the same at every step may be said of any length.

    Attributes
    ----------
    lengths : dict
        The letter of each length, and the number it stands for in the record.
    """

    def __init__(self, graph: Graph, folded: Iterable[int | None]) -> None:
        self._last: dict[int | None, int] = {}
        names = {node.name for node in graph.nodes}
        runs = [(node.moment.run[0], node.moment.step) for node in graph.nodes if node.moment is not None]
        for loop, step in runs:
            self._last[loop] = max(step, self._last.get(loop, 0))
        free = (letter for letter in (*LETTERS, *(f"T{k}" for k in range(2, 1000))) if letter not in names)
        self.lengths: dict[str, int] = {}
        self._letters: dict[int | None, str] = {}
        for loop in dict.fromkeys(loop for loop, _ in runs if loop in set(folded)):
            length = self._last[loop] + 1
            known = [letter for letter, other in self.lengths.items() if other == length]
            self._letters[loop] = known[0] if known else next(free)
            self.lengths[self._letters[loop]] = length

    def at(self, step: int, loop: int | None) -> Index:
        """A step of the record, in one of its runs."""
        count, letter = step + 1, self._letters.get(loop, "")
        length = self._last[loop] + 1
        return Index(count - length, 0, letter) if letter and count > length // 2 else Index(count)

    def step(self, index: Index) -> int:
        """The step of the record that an index means that does not depend on t."""
        return index.offset + self.lengths.get(index.length, 0) - 1

    def span(self, steps: Iterable[int], loop: int | None) -> Span:
        steps = list(steps)
        return Span(self.at(steps[0], loop), self.at(steps[-1], loop))

    def affine(self, slope: int, offset: int, loop: int | None) -> Index:
        """Where `slope · step + offset` counts entries of an array from 0: the number of that entry, counted from 1."""
        if slope == 1:
            return Index(offset, 1)
        constant, length = offset + 1 - slope, self._last[loop] + 1
        letter = self._letters.get(loop, "") if slope == -1 else ""
        return Index(constant - length if letter else constant, slope, letter)


def delayed(delay: int) -> Index:
    """So many steps ago."""
    return PRESENT.shifted(-delay)
