"""What writing equations as text, as LaTeX and as a program has in common: the walk over expressions, and how tightly they bind.

A template says how an operation looks, how tightly it binds, and how tightly each argument has to bind to need no
parentheses: 0 a sum, 1 a product of numbers, 2 a product of matrices, 4 a power, 5 an atom.
"""

from __future__ import annotations

from .algebra import Apply, Expression, Index, Number, Symbol
from .recurrences import Recurrences

Template = tuple  # (format, level, level of each argument …)


class Writer:
    """Writes expressions; a method ``write_<operation>`` takes precedence over a template."""

    templates: dict[str, Template] = {}
    minus, plus, times = "−", "+", ""

    def __init__(self, recurrences: Recurrences) -> None:
        self.recurrences, self.names = recurrences, recurrences.names

    def write(self, e: Expression, binding: int = 0) -> str:
        """Expression e, in parentheses if it binds less tightly than `binding`."""
        text, level = self.parts(e)
        return text if level >= binding else self.parentheses(text)

    def parts(self, e: Expression) -> tuple[str, int]:
        """An expression, and how tightly it binds."""
        if isinstance(e, Symbol):
            return self.symbol(e), 5
        if isinstance(e, Number):
            return self.number(e)
        special = getattr(self, "write_" + e.op, None)
        if special is not None:
            return special(e, *e.args, **e.attrs)
        if e.op not in self.templates:
            return self.unknown(e)
        template, level, *bindings = self.templates[e.op]
        return template.format(*(self.write(a, b) for a, b in zip(e.args, bindings))), level

    def unknown(self, e: Apply) -> tuple[str, int]:
        """An operation that is none of the library's."""
        raise NotImplementedError

    def parentheses(self, text: str) -> str:
        return f"({text})"

    def symbol(self, s: Symbol) -> str:
        raise NotImplementedError

    def number(self, e: Number) -> tuple[str, int]:
        raise NotImplementedError

    def index(self, index: Index) -> str:
        """t, t+1, T−1, 3"""
        terms = [(1, index.length)] if index.length else []
        if index.steps:
            terms.append((index.steps, "t" if abs(index.steps) == 1 else f"{abs(index.steps)}{self.times}t"))
        if index.offset or not terms:
            terms.append((index.offset, str(abs(index.offset))))
        terms.sort(key=lambda term: term[0] < 0)  # 5 − t rather than −t + 5
        text = "".join((self.minus if factor < 0 else self.plus) + word for factor, word in terms)
        return text[len(self.plus) :] if terms[0][0] >= 0 else self.minus.strip() + text[len(self.minus) :]


OPPOSITE = {
    **{"equal": "not_equal", "less": "greater_equal", "greater": "less_equal"},
    **{"not_equal": "equal", "greater_equal": "less", "less_equal": "greater"},
}


def negated(condition: Expression) -> Expression:
    """The opposite of a comparison; 1 − m of a mask."""
    if isinstance(condition, Apply) and condition.op in OPPOSITE:
        return Apply(OPPOSITE[condition.op], condition.args, condition.attrs, condition.shape)
    return Apply("sub", (Number(1), condition), {}, condition.shape)
