"""Equations as LaTeX: one `aligned` block, which LaTeX (amsmath), MathJax and KaTeX set alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from ...ops.indexing import ARRAY
from .algebra import PRESENT, Apply, Expression, Index, Number, Span, Symbol, is_op
from .naming import Label
from .recurrences import Equation, Section
from .text import Text, subscripted
from .values import Gradient

GREEK = {
    **dict(
        zip(
            "αβγδεζηθικλμ",
            ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"),
        )
    ),
    **dict(zip("νξπρστυφχψω", ("nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"))),
    **dict(zip("ΓΔΘΛΞΠΣΦΨΩ", ("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"))),
}


class LaTeX(Text):
    """Writes what `Text` writes, in commands of LaTeX."""

    minus, softmax, softplus, logarithm = "-", r"\operatorname{softmax}", r"\operatorname{softplus}", r"\ln"
    templates = {
        **Text.templates,
        **{
            "sub": ("{} - {}", 0, 0, 1),
            "div": (r"\frac{{{}}}{{{}}}", 5, 0, 0),
            "neg": ("-{}", 0, 1),
            "matmul": (r"{} \, {}", 2, 2, 3),
        },
        **{
            "exp": (r"\exp({})", 5, 0),
            "log": (r"\ln({})", 5, 0),
            "sqrt": (r"\sqrt{{{}}}", 5, 0),
            "abs": (r"\left|{}\right|", 5, 0),
        },
        **{"tanh": (r"\tanh({})", 5, 0), "sigmoid": (r"\sigma({})", 5, 0), "relu": (r"\operatorname{{relu}}({})", 5, 0)},
        **{"sign": (r"\operatorname{{sign}}({})", 5, 0)},
        **{
            "maximum": (r"\max({}, {})", 5, 0, 0),
            "minimum": (r"\min({}, {})", 5, 0, 0),
            "detach": (r"\operatorname{{detach}}({})", 5, 0),
        },
        **{"logical_not": (r"\lnot {}", 4, 5), "logical_and": (r"{} \land {}", 1, 2, 2), "logical_or": (r"{} \lor {}", 0, 1, 1)},
        **{"equal": ("[{} = {}]", 5, 0, 0), "not_equal": (r"[{} \ne {}]", 5, 0, 0), "less": ("[{} < {}]", 5, 0, 0)},
        **{
            "less_equal": (r"[{} \le {}]", 5, 0, 0),
            "greater": ("[{} > {}]", 5, 0, 0),
            "greater_equal": (r"[{} \ge {}]", 5, 0, 0),
        },
        **{"logsumexp": (r"\ln \textstyle\sum_j \exp({})", 4, 0), "largest": (r"\max_j {}", 4, 5)},
        **{"exp_shifted": (r"\exp({0} - \max_j {0})", 5, 5), "sum_exp": (r"\textstyle\sum_j \exp({0} - \max_j {0})", 1, 5)},
        **{"one_hot": (r"\operatorname{{onehot}}({})", 5, 0), "pick": ("{}_{{{}}}", 5, 5, 0), "arange": (r"(0, 1, 2, \dots)", 5)},
    }

    # -- the page ------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        r = self.recurrences
        rows = [rf"& {self.raised(tag)}\text{{ {_escaped(module)}}}" for tag, module in self.names.tags.items()]
        forward, backward = ([row for s in r.sections if s.backward == of for row in self.section(s)] for of in (False, True))
        if not isinstance(r.loss, Symbol) or r.loss.index is not None:
            forward.append(f"L &= {self.write(r.loss)}")
        parts = [rows, forward, backward, [self.equation(e) for e in r.gradients]]
        between, apart = " \\\\\n", " \\\\[1ex]\n"
        return "\\begin{aligned}\n" + apart.join(between.join(rows) for rows in parts if rows) + "\n\\end{aligned}"

    def section(self, section: Section) -> Iterator[str]:
        beyond = [r"\dots" if symbol == "…" else symbol for symbol in self.beyond_the_ends(section)]
        yield from [f"{' = '.join(beyond)} &= 0"] * bool(beyond)
        yield from (self.equation(e) for e in section.beginning if self.says_something(e))
        if section.loop is not None and section.equations:
            yield rf"&\text{{for }} t = {self.index(section.loop.first)}, \dots, {self.index(section.loop.last)}\text{{:}}"
        yield from (self.equation(e, section.loop) for e in section.equations)

    def equation(self, e: Equation, loop: Span | None = None) -> str:
        blocks = (
            rf"\begin{{bmatrix}} {' & '.join(self.symbol(block) for block in e.blocks)} \end{{bmatrix}} = " if e.blocks else ""
        )
        condition = rf" \qquad ({self.condition(e.when, loop, e.without)})" if e.when else ""
        begins = loop is None and e.left.index is not None and e.left.index.steps == 0
        return f"{self.symbol(e.left)} &= {blocks}{self.beginning(e.right) if begins else self.write(e.right)}{condition}"

    def condition(self, when: Span, loop: Span | None, without: tuple[Index, ...] = ()) -> str:
        return super().condition(when, loop, without).replace("≠", r"\ne").replace("…", r", \dots,")

    def parentheses(self, text: str) -> str:
        return rf"\left({text}\right)"

    # -- symbols and numbers -------------------------------------------------------------------------------------

    def symbol(self, s: Symbol) -> str:
        if isinstance(s.of, Gradient):
            return rf"\frac{{\partial L}}{{\partial {self.symbol(Symbol(s.of.leaf))}}}"
        return super().symbol(s)

    def labelled(self, label: Label, index: Index | None) -> str:
        base, sub = subscripted(label.base)
        index = label.step or index
        below = [_word(sub)] * bool(sub) + ([self.index(index)] if index is not None else [])
        above = [_word(label.block)] * bool(label.block) + [label.tag.replace("−", "-")] * bool(label.tag)
        text = _word(base) + (f"_{{{','.join(below)}}}" if below else "")
        above = [r"\prime" * label.primes, *above]
        text += f"^{{{','.join(part for part in above if part)}}}" if any(above) else ""
        return (r"\delta " if label.gradient else "") + text

    def raised(self, text: str) -> str:
        return f"^{{{text.replace('−', '-')}}}"

    def lowered(self, index: Index) -> str:
        return f"_{{{self.index(index)}}}"

    def number(self, e: Number) -> tuple[str, int]:
        if not e.over:
            text, level = super().number(e)
            return text.replace("∞", r"\infty").replace("−", "-").replace("·", r"\cdot"), level
        sign = "-" if e.value < 0 else ""
        return rf"{sign}\frac{{{abs(e.value):g}}}{{{' '.join(self.symbol(Symbol(size)) for size in e.over)}}}", 0 if sign else 5

    def unknown(self, e: Apply) -> tuple[str, int]:
        return rf"{_word(e.op)}({', '.join(self.write(a) for a in e.args)})", 5

    # -- operations that no template can write -------------------------------------------------------------------

    def write_mul(self, e: Apply, a: Expression, b: Expression) -> tuple[str, int]:
        if isinstance(a, Number):
            return rf"{self.number(a)[0]} \, {self.write(b, 1)}", 1 if a.value >= 0 else 0
        if a.shape == () or b.shape == ():
            return r" \, ".join(self.write(factor, 2) for factor in sorted((a, b), key=lambda factor: factor.shape != ())), 1
        sign = r"\odot" if e.shape in (a.shape, b.shape) else r"\otimes"
        return rf"{self.write(a, 1)} {sign} {self.write(b, 1)}", 1

    def write_logaddexp(self, e: Apply, a: Expression, b: Expression) -> tuple[str, int]:
        return super().write_logaddexp(e, a, b)[0].replace("exp(", r"\exp("), 5

    def write_square(self, e: Apply, a: Expression) -> tuple[str, int]:
        if is_op(a, "tanh"):
            return rf"\tanh^2({self.write(a.args[0])})", 5
        return f"{self.power_base(a)}^2", 4

    def power_base(self, a: Expression) -> str:
        """What a power stands on: never a bare superscript."""
        text = self.write(a, 5)
        return f"{{{text}}}" if isinstance(a, Symbol) and "^" in text else text

    def write_pow(self, e: Apply, a: Expression, b: Expression) -> tuple[str, int]:
        return f"{self.power_base(a)}^{{{self.write(b)}}}", 4

    def write_masked(self, e: Apply, condition: Expression, a: Expression, *, holds: bool) -> tuple[str, int]:
        text, level = super().write_masked(e, condition, a, holds=holds)
        return text.replace("⊙", r"\odot"), level

    def write_transpose(self, e: Apply, a: Expression, axes: Any = None) -> tuple[str, int]:
        rank = len(e.shape)
        if axes is None or tuple(axes) == (*range(rank - 2), rank - 1, rank - 2):
            return f"{self.power_base(a)}^{{\\top}}", 4
        return rf"\operatorname{{permute}}_{{{','.join(map(str, axes))}}}({self.write(a)})", 5

    def over(self, axis: Any, rank: int) -> str:
        return super().over(axis, rank).replace("ⱼ", "_j").replace("ᵢ", "_i").replace("ₖ", "_k")

    def reduced(self, name: str, e: Apply, a: Expression, axis: Any) -> tuple[str, int]:
        command = rf"\{name}" if name in ("max", "min") else rf"\operatorname{{{name}}}"
        return f"{command}{self.over(axis, len(a.shape))}({self.write(a)})", 5

    def write_sum(self, e: Apply, a: Expression, axis: Any = None, keepdims: bool = False) -> tuple[str, int]:
        return rf"\textstyle\sum{self.over(axis, len(a.shape))} {self.write(a, 1)}", 0

    def write_sum_to(self, e: Apply, a: Expression, **_: Any) -> tuple[str, int]:
        text, level = super().write_sum_to(e, a)
        return text.replace("1ᵀ", r"\mathbf{1}^{\top}").replace("Σ", r"\textstyle\sum"), level

    def write_over_time(self, e: Apply, a: Expression, *, span: Span) -> tuple[str, int]:
        return rf"\textstyle\sum_t {self.write(a, 1)}", 0

    def write_sequence(self, e: Apply, a: Expression, *, span: Span, axis: int) -> tuple[str, int]:
        if isinstance(a, Symbol) and a.index == PRESENT:
            return rf"({self.symbol(Symbol(a.of, span.first))}, \dots, {self.symbol(Symbol(a.of, span.last))})", 5
        return rf"\left({self.write(a)}\right)_t", 5

    def write_at(self, e: Apply, a: Expression, *, axis: int, index: Index) -> tuple[str, int]:
        if isinstance(a, Symbol):
            return self.labelled(self.names.label[a.of]._replace(step=index), None), 5
        return self.write(a, 5) + self.lowered(index), 5

    def write_concatenate(self, e: Apply, *blocks: Expression, axis: int = 0) -> tuple[str, int]:
        between = " & " if axis in (-1, len(e.shape) - 1) else r" \\ "
        return rf"\begin{{bmatrix}} {between.join(self.write(b) for b in blocks)} \end{{bmatrix}}", 5

    def write_put(self, e: Apply, g: Expression, *arrays: Expression, index: Any, **_: Any) -> tuple[str, int]:
        if index == (ARRAY,):
            return rf"\operatorname{{onehot}}({self.write(arrays[0])})^{{\top}} \, {self.write(g, 3)}", 2
        place = self.indices(index, arrays) or "()"
        return rf"\operatorname{{put}}_{{{place}}}({self.write(g)})", 5

    def one_index(self, i: Any) -> str:
        return r"\dots" if i is ... else super().one_index(i)


def _word(text: str) -> str:
    """A letter as it is, a Greek one by its name, a word upright."""
    if text in GREEK:
        return "\\" + GREEK[text]
    if len(text) == 1 or text.isdigit():
        return text
    return rf"\mathrm{{{_escaped(text)}}}"


def _escaped(text: str) -> str:
    """Text in which no character is a command."""
    text = "".join(rf"\{GREEK[c]} " if c in GREEK else c for c in unicodedata.normalize("NFC", text))
    return re.sub(r"(?<!\\)([_&%$#{}])", r"\\\1", text)
