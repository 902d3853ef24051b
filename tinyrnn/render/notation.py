"""How an operation and a name are written on paper: σ, ×, 1−, W_h."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import accumulate
from typing import Any

from ..tape import Constant, Node
from .picture import Label

SYMBOLS = {
    **{"add": "+", "total": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−", "matmul": "@", "sum": "Σ"},
    **{"stack": "⋮", "concatenate": "∥", "sigmoid": "σ", "sqrt": "√", "abs": "|·|", "getitem": "pick"},
    **{"maximum": "max", "minimum": "min", "where": "mask"},
}
ARITHMETIC = {"add", "total", "sub", "mul", "div", "neg", "pow", "matmul", "sum", "stack", "concatenate"}
_SUPERSCRIPTS = str.maketrans("-−+0123456789.", "⁻⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹·")
_LONGEST, LONGEST_TITLE = 9, 24  # letters in a mark, and on a frame


def operation(node: Node) -> str:
    """The symbol of an operation, with the number that it takes: ×2 , 1− , (·)²."""
    symbol = SYMBOLS.get(node.op or "", node.op or "")
    numbers = [number(i.value) if isinstance(i, Constant) else None for i in node.inputs]
    if node.op not in ARITHMETIC or len(numbers) != 2:
        return symbol
    left, right = numbers
    if node.op == "pow":
        return f"(·){superscript(right)}" if right else f"{left or '·'}^"
    if node.op == "mul" and node.inputs[0] is node.inputs[1]:
        return "(·)²"
    return f"{left or ''}{symbol}{right or ''}"


def number(value: Any) -> str:
    """To three significant digits; — where there is none."""
    return "—" if value is None else f"{float(value) + 0.0:.3g}".replace("-", "−")


def superscript(exponent: object) -> str:
    """A number as an exponent: ⁻²."""
    return str(exponent).translate(_SUPERSCRIPTS)


def name(text: str, timed: bool = False) -> Label:
    """Wx, W_x and W_hh read W with a subscript, what is too long is cut, everything else reads as it is."""
    text = printable(text)
    parts = re.fullmatch(r"([A-Za-zα-ωℓ])_?([a-z]{1,2}|[a-z]?_?\d{1,2})", text) or re.fullmatch(r"([^_]{1,9})_(\w{1,3})", text)
    if parts:
        return Label(cut(parts[1]), parts[2].strip("_"), timed)
    return Label(cut(text), "", timed)


def cut(text: str, longest: int = _LONGEST) -> str:
    """A text, or its beginning and … if it takes more columns than `longest`; · if nothing can be seen of it."""
    text = printable(text).strip() or "·"
    if sum(map(columns, text)) <= longest:
        return text
    ends = accumulate(map(columns, text))
    return "".join(char for char, end in zip(text, ends) if end < longest) + "…"


def printable(text: str) -> str:
    """A text without what no file of XML may hold, and without what would turn the text around it (left to right)."""
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(char: str) -> str:
    return char if char.isprintable() else "" if unicodedata.category(char) == "Cf" else " "


@lru_cache(maxsize=4096)
def columns(char: str) -> int:
    """How many letters wide a character is: two in Chinese, none if it is set over another one."""
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shape(node: Node) -> str:
    """2×4; a scalar has none."""
    return "×".join(map(str, node.shape)) if node.shape else ""
