"""Equations as text for the terminal: unicode sub- and superscripts, one equation a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ... import backend
from ...ops.indexing import ARRAY
from ...tape import Operation
from .algebra import PRESENT, Apply, Expression, Index, Number, Span, Symbol, is_number, is_op, walk
from .naming import Label
from .recurrences import Equation, Section
from .rules import apply
from .values import Gradient
from .writer import Writer, negated

SUPER = dict(
    zip(
        "abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVW0123456789()+−-",
        "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂ⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾⁺⁻⁻",
    )
)
SUB = dict(zip("0123456789+−aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"))
INDENT = "    "
COMPARE = {"equal": "=", "not_equal": "≠", "less": "<", "less_equal": "≤", "greater": ">", "greater_equal": "≥"}


def subscripted(base: str) -> tuple[str, str]:
    """W_x, Wx and h0 as a letter and its subscript."""
    parts = re.fullmatch(r"([A-Z])_?([a-z]{1,2})|([^_]+)_(\w+)|([A-Za-z])(\d+)", base)
    if not parts:
        return base, ""
    letter, sub = [group for group in parts.groups() if group]
    return letter, sub


class Text(Writer):
    """Writes equations as lines of text."""

    templates = {
        **{"add": ("{} + {}", 0, 0, 0), "sub": ("{} − {}", 0, 0, 1), "div": ("{} / {}", 1, 1, 3), "neg": ("−{}", 0, 1)},
        **{
            "matmul": ("{} {}", 2, 2, 3),
            "exp": ("exp({})", 5, 0),
            "log": ("ln({})", 5, 0),
            "sqrt": ("√{}", 4, 5),
            "abs": ("|{}|", 5, 0),
        },
        **{
            "tanh": ("tanh({})", 5, 0),
            "sigmoid": ("σ({})", 5, 0),
            "relu": ("relu({})", 5, 0),
        },
        **{"maximum": ("max({}, {})", 5, 0, 0), "minimum": ("min({}, {})", 5, 0, 0), "sign": ("sign({})", 5, 0)},
        **{
            "detach": ("detach({})", 5, 0),
            "logical_not": ("¬{}", 4, 5),
            "logical_and": ("{} ∧ {}", 1, 2, 2),
            "logical_or": ("{} ∨ {}", 0, 1, 1),
        },
        **{op: (f"[{{}} {sign} {{}}]", 5, 0, 0) for op, sign in COMPARE.items()},
        **{"logsumexp": ("ln Σⱼ exp({})", 4, 0)},
        **{
            "largest": ("maxⱼ {}", 4, 5),
            "exp_shifted": ("exp({0} − maxⱼ {0})", 5, 5),
            "sum_exp": ("Σⱼ exp({0} − maxⱼ {0})", 1, 5),
        },
        **{
            "one_hot": ("onehot({})", 5, 0),
            "pick": ("{}[{}]", 5, 4, 0),
            "arange": ("(0, 1, 2, …)", 5),
            "unstack": ("{}", 5, 5),
            "split": ("{}", 5, 5),
        },
    }

    softmax, softplus, logarithm = "softmax", "softplus", "ln"

    def __init__(self, recurrences: Any) -> None:
        super().__init__(recurrences)
        subscripts = {subscripted(label.base)[1] for label in self.names.label.values()}
        self.small = all(c in SUB for sub in subscripts if len(sub) <= 2 for c in sub)  # or none: W_g beside Wₓ looks wrong

    # -- the page ------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        r = self.recurrences
        tags = ", ".join(f"{self.raised(tag)} {module}" for tag, module in self.names.tags.items())
        forward, backward = ([line for s in r.sections if s.backward == of for line in self.section(s)] for of in (False, True))
        if not isinstance(r.loss, Symbol) or r.loss.index is not None:
            forward.append(f"L = {self.write(r.loss)}")
        gradients = [self.equation(e) for e in r.gradients]
        lines = [tags] * bool(tags)
        for heading, body in (("Forward", forward), ("Backward, δv = ∂L/∂v", backward), ("Gradients", gradients)):
            lines += [heading, *(INDENT + line for line in body)] if body else []
        return "\n".join(lines)

    def section(self, section: Section) -> Iterator[str]:
        beginnings = [self.equation(e) for e in section.beginning if self.says_something(e)]
        beyond = self.beyond_the_ends(section)
        yield from [f"{' = '.join(beyond)} = 0"] * bool(beyond)
        starts = [line for line in beginnings if line.endswith(" = 0")]
        yield from [",  ".join(starts)] * bool(starts)
        yield from (line for line in beginnings if line not in starts)
        if section.loop is not None and section.equations:
            yield f"for t = {self.index(section.loop.first)} … {self.index(section.loop.last)}:"
        for e in section.equations:
            yield INDENT * (section.loop is not None) + self.equation(e, section.loop)

    def beyond_the_ends(self, section: Section) -> list[str]:
        """The gradients that are read at steps at which there are none, so that they count as 0."""
        found: dict[str, None] = {}
        for e in section.equations:
            for term in walk(e.right):
                if is_op(term, "present"):
                    found.update(dict.fromkeys(map(self.symbol, self.recurrences.missing(term))))
        return list(found) if len(found) <= 5 else [*list(found)[:3], "…", list(found)[-1]]

    def says_something(self, e: Equation) -> bool:
        """Is it more than h₀ = h₀?"""
        return self.symbol(e.left) != self.beginning(e.right)

    def beginning(self, e: Expression) -> str:
        """What a state begins with; 0 if all of it is."""
        if isinstance(e, Symbol) and isinstance(e.of, Operation) and e.of.op is None and not e.of.trainable and e.of.loop is None:
            return "0" if not backend.to_host(e.of.node.value).any() else self.symbol(e)
        return self.write(e)

    def equation(self, e: Equation, loop: Span | None = None) -> str:
        left = self.symbol(e.left)
        if e.blocks:
            left += f" = [{'  '.join(self.symbol(block) for block in e.blocks)}]"
        condition = f"{INDENT}({self.condition(e.when, loop, e.without)})" if e.when else ""
        begins = loop is None and e.left.index is not None and e.left.index.steps == 0
        return f"{left} = {self.beginning(e.right) if begins else self.write(e.right)}{condition}"

    def condition(self, when: Span, loop: Span | None, without: tuple[Index, ...] = ()) -> str:
        """t = 3, t < T or t = 2 … 5."""
        gaps = [f"t ≠ {', '.join(map(self.index, without))}"] if without else []
        if when.first == when.last:
            return f"t = {self.index(when.first)}"
        if loop is not None and when.last == loop.last and when.first != loop.first:
            sign = ">" if loop.first == when.first.shifted(-1) else "<"
            return ", ".join([f"t {sign} {self.index(when.first.shifted(-1 if sign == '>' else 1))}", *gaps])
        return ", ".join([f"t = {self.index(when.first)} … {self.index(when.last)}"] * (loop != when) + gaps)

    # -- symbols and numbers -------------------------------------------------------------------------------------

    def symbol(self, s: Symbol) -> str:
        if isinstance(s.of, Gradient):
            return "∂L/∂" + self.symbol(Symbol(s.of.leaf))
        return self.labelled(self.names.label[s.of], s.index)

    def labelled(self, label: Label, index: Index | None) -> str:
        base, sub = subscripted(label.base)
        if sub:
            base += "".join(SUB[c] for c in sub) if self.small and len(sub) <= 2 else f"_{sub}"
        base += self.raised(label.block) + "′" * label.primes + self.raised(label.tag)
        index = label.step or index
        return label.gradient + base + ("" if index is None else self.lowered(index))

    def raised(self, text: str) -> str:
        return "".join(SUPER[c] for c in text) if all(c in SUPER for c in text) else f"^{text}"

    def lowered(self, index: Index) -> str:
        text = self.index(index)
        if all(c in SUB for c in text):
            return "".join(SUB[c] for c in text)
        return f"_{text}" if text.isalnum() else f"_{{{text}}}"

    def decimal(self, value: float) -> str:
        """To six digits: 0.044715, 10⁻⁵."""
        digits, _, power = f"{value:.6g}".replace("inf", "∞").replace("-", "−").partition("e")
        if not power:
            return digits
        sign, zeros = power[0].replace("+", ""), power[1:].lstrip("0")
        return ("" if digits == "1" else f"{digits} · ") + "10" + self.raised(sign + zeros)

    def number(self, e: Number) -> tuple[str, int]:
        value = self.decimal(float(e.value))
        over = " ".join(self.symbol(Symbol(size)) for size in e.over)
        text = f"{value}/{over}" if len(e.over) == 1 else f"{value}/({over})" if over else value
        return text, 0 if text.startswith("−") else 3 if over else 5

    def unknown(self, e: Apply) -> tuple[str, int]:
        return f"{e.op}({', '.join(self.write(a) for a in e.args)})", 5

    # -- operations that no template can write -------------------------------------------------------------------

    def write_mul(self, e: Apply, a: Expression, b: Expression) -> tuple[str, int]:
        if isinstance(a, Number):
            return f"{self.number(a)[0]} {self.write(b, 1)}", 1 if a.value >= 0 else 0
        if a.shape == () or b.shape == ():  # a number times an array, the number first
            return " ".join(self.write(factor, 2) for factor in sorted((a, b), key=lambda factor: factor.shape != ())), 1
        sign = "⊗" if e.shape not in (a.shape, b.shape) else "⊙"  # both are repeated: each number of one times each of the other
        return f"{self.write(a, 1)} {sign} {self.write(b, 1)}", 1

    def write_logaddexp(self, e: Apply, a: Expression, b: Expression) -> tuple[str, int]:
        if is_number(b, 0):
            return f"{self.softplus}({self.write(a)})", 5
        return f"{self.logarithm}(exp({self.write(a)}) + exp({self.write(b)}))", 5

    def write_square(self, e: Apply, a: Expression) -> tuple[str, int]:
        if isinstance(a, Apply) and a.op == "tanh":
            return f"tanh²({self.write(a.args[0])})", 5
        return f"{self.write(a, 5)}²", 4

    def write_pow(self, e: Apply, a: Expression, b: Expression) -> tuple[str, int]:
        power = self.write(b)
        if isinstance(b, Number) and all(c in SUPER for c in power):
            return self.write(a, 5) + self.raised(power), 4
        return f"{self.write(a, 5)}^{self.write(b, 5)}", 4

    def write_total(self, e: Apply, *terms: Expression) -> tuple[str, int]:
        return " + ".join(self.write(a) for a in terms), 0

    def write_masked(self, e: Apply, condition: Expression, a: Expression, *, holds: bool) -> tuple[str, int]:
        mask = self.write(condition if holds else negated(condition), 2)
        if isinstance(a, Number):
            return (mask, 5) if a.value == 1 and not a.over else (f"{self.number(a)[0]} {mask}", 1)
        factors = [self.write(a, 1), mask] if mask.startswith("[") else [mask, self.write(a, 1)]
        return " ⊙ ".join(factors), 1

    def write_where(self, e: Apply, condition: Expression, a: Expression, b: Expression) -> tuple[str, int]:
        yes = apply("where", (condition, a, Number(0)), {}, e.shape)
        no = apply("where", (condition, Number(0), b), {}, e.shape)
        return f"{self.write(yes, 1)} + {self.write(no, 1)}", 0

    def write_present(
        self, e: Apply, a: Expression, *, index: Index, first: Index, last: Index, gaps: tuple, **_: Any
    ) -> tuple[str, int]:
        if self.recurrences.missing(e):
            return self.parts(a)  # where there is no gradient, it is 0, and so is the term
        condition = self.condition(Span(first, last), None, gaps).replace("t", self.index(index))
        return f"[{condition}] {self.write(a, 1)}", 1

    def write_nonzero(self, e: Apply, a: Expression) -> tuple[str, int]:
        return self.parts(a)

    write_broadcast_to = write_reshape = write_cast = write_move = lambda self, e, a, **_: self.parts(a)

    def write_transpose(self, e: Apply, a: Expression, axes: Any = None) -> tuple[str, int]:
        rank = len(e.shape)
        if axes is None or tuple(axes) == (*range(rank - 2), rank - 1, rank - 2):
            return f"{self.write(a, 5)}ᵀ", 4
        return f"permute({self.write(a)}, {', '.join(str(k) for k in axes)})", 5

    def over(self, axis: Any, rank: int) -> str:
        """Σⱼ runs over the last axis, Σᵢ over the first, Σₖ over one between them."""
        axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(k % rank for k in axes)
        if axes in ((), tuple(range(rank))):
            return ""
        letters = {(rank - 1,): "ⱼ", (0,): "ᵢ", **({(1,): "ₖ"} if rank == 3 else {})}
        return letters.get(axes) or f"_{{{','.join(map(str, axes))}}}"

    def reduced(self, name: str, e: Apply, a: Expression, axis: Any) -> tuple[str, int]:
        return f"{name}{self.over(axis, len(a.shape))}({self.write(a)})", 5

    def write_mean(self, e: Apply, a: Expression, axis: Any = None, keepdims: bool = False) -> tuple[str, int]:
        return self.reduced("mean", e, a, axis)

    def write_max(self, e: Apply, a: Expression, axis: Any = None, keepdims: bool = False) -> tuple[str, int]:
        return self.reduced("max", e, a, axis)

    def write_min(self, e: Apply, a: Expression, axis: Any = None, keepdims: bool = False) -> tuple[str, int]:
        return self.reduced("min", e, a, axis)

    def write_all(self, e: Apply, a: Expression, axis: Any = None, keepdims: bool = False) -> tuple[str, int]:
        return self.reduced("all", e, a, axis)

    def write_any(self, e: Apply, a: Expression, axis: Any = None, keepdims: bool = False) -> tuple[str, int]:
        return self.reduced("any", e, a, axis)

    def write_argmax(self, e: Apply, a: Expression, axis: Any = None) -> tuple[str, int]:
        return self.reduced("argmax", e, a, axis)

    def write_softmax(self, e: Apply, a: Expression, *, axis: int) -> tuple[str, int]:
        along = "" if axis in (-1, len(a.shape) - 1) else self.over(axis, len(a.shape))
        return f"{self.softmax}{along}({self.write(a)})", 5

    def write_log_softmax(self, e: Apply, a: Expression, *, axis: int) -> tuple[str, int]:
        return f"{self.logarithm} {self.write_softmax(e, a, axis=axis)[0]}", 4

    def write_sum(self, e: Apply, a: Expression, axis: Any = None, keepdims: bool = False) -> tuple[str, int]:
        return f"Σ{self.over(axis, len(a.shape))} {self.write(a, 1)}", 0

    def write_sum_to(self, e: Apply, a: Expression, **_: Any) -> tuple[str, int]:
        rank = len(a.shape)
        if rank > 1 and tuple(e.shape) in (tuple(a.shape[-1:]), (1, a.shape[-1])):
            return f"1ᵀ {self.write(a, 3)}", 2  # the sum of the rows
        lead = rank - len(e.shape)
        axis = (*range(lead), *(k for k in range(lead, rank) if e.shape[k - lead] != a.shape[k]))
        return f"Σ{self.over(axis, rank) if rank else ''} {self.write(a, 1)}", 0

    def write_count(self, e: Apply, a: Expression, *, axis: Any) -> tuple[str, int]:
        return f"|{self.write(a)}|{self.over(axis, len(a.shape))}", 5

    def write_over_time(self, e: Apply, a: Expression, *, span: Span) -> tuple[str, int]:
        return f"Σₜ {self.write(a, 1)}", 0

    def write_sequence(self, e: Apply, a: Expression, *, span: Span, axis: int) -> tuple[str, int]:
        if isinstance(a, Symbol) and a.index == PRESENT:
            return f"({self.symbol(Symbol(a.of, span.first))}, …, {self.symbol(Symbol(a.of, span.last))})", 5
        return f"({self.write(a)})ₜ", 5

    def write_past(self, e: Apply, a: Symbol, *, first: Index, last: Index) -> tuple[str, int]:
        return f"{self.symbol(Symbol(a.of, first))}, …, {self.symbol(Symbol(a.of, last))}", 5

    def write_at(self, e: Apply, a: Expression, *, axis: int, index: Index) -> tuple[str, int]:
        return self.write(a, 5) + self.lowered(index), 5

    def write_part(self, e: Apply, a: Expression, *, index: int | Index) -> tuple[str, int]:
        return f"{self.write(a, 5)}[{index + 1 if isinstance(index, int) else self.index(index)}]", 5

    def write_concatenate(self, e: Apply, *blocks: Expression, axis: int = 0) -> tuple[str, int]:
        if axis in (-1, len(e.shape) - 1):
            return f"[{'  '.join(self.write(b) for b in blocks)}]", 5
        return f"[{'; '.join(self.write(b) for b in blocks)}]", 5

    def write_stack(self, e: Apply, *entries: Expression, axis: int = 0) -> tuple[str, int]:
        return f"({', '.join(self.write(a) for a in entries)})", 5

    def write_getitem(self, e: Apply, a: Expression, *arrays: Expression, index: Any) -> tuple[str, int]:
        return f"{self.write(a, 5)}[{self.indices(index, arrays)}]", 5

    def write_put(self, e: Apply, g: Expression, *arrays: Expression, index: Any, **_: Any) -> tuple[str, int]:
        if index == (ARRAY,):
            return f"onehot({self.write(arrays[0])})ᵀ {self.write(g, 3)}", 2
        return f"0[{self.indices(index, arrays)} ← {self.write(g)}]", 5

    def indices(self, index: Any, arrays: tuple[Expression, ...]) -> str:
        """The index as one writes it in Python."""
        remaining = iter(arrays)
        return ", ".join(
            self.write(next(remaining)) if i is ARRAY else self.one_index(i)
            for i in (index if isinstance(index, tuple) else (index,))
        )

    def one_index(self, i: Any) -> str:
        if isinstance(i, Index):
            return self.index(i)
        if isinstance(i, slice):
            ends = ["" if k is None else self.one_index(k) for k in (i.start, i.stop)]
            return ":".join([*ends, *([str(i.step)] if i.step is not None else [])])
        return "…" if i is ... else "new" if i is None else str(i)
