"""What an operation computes, as a short formula: c₂ = f₂ ⊙ c₁ + i₂ ⊙ g₂, through all that has no name of its own."""

from __future__ import annotations

from ...tape import Constant, Node
from .. import notation
from ..picture import Picture

Formula = list[str]  # text, subscript, text, subscript, …

SUM, PRODUCT, SIGN, ATOM = range(4)  # how tightly it binds
_SILENT = {"reshape", "broadcast_to", "sum_to", "cast", "move", "squeeze", "expand_dims"}
_INFIX = {"add": (" + ", SUM), "sub": (" − ", SUM), "mul": (" ⊙ ", PRODUCT), "div": (" / ", PRODUCT), "matmul": (" ", PRODUCT)}
_LARGEST = 16  # names in a formula; beyond them it is cut


class Formulas:
    """Formulas of the operations of a graph, in the symbols of its pictures."""

    def __init__(self, pictures: list[Picture]) -> None:
        self.symbols: dict[int, tuple[str, str]] = {}
        self.sequences: dict[int, tuple[str, str]] = {}  # a leaf that holds all steps: x, of which xₜ is one
        for mark in (mark for picture in pictures for mark in picture.marks if mark.label.text):
            node, time = mark.node, "" if mark.time is None else str(mark.time)
            if mark.role in ("activation", "gate", "arithmetic", "loss") and mark.label.text == notation.operation(node):
                if node.name and node.index not in self.symbols:
                    self.symbols[node.index] = notation.printable(node.name), time
            elif mark.role not in ("arithmetic", "module", "copy"):
                symbol = mark.label.text, mark.label.subscript(mark.time)
                if self.symbols.setdefault(node.index, symbol) != symbol:
                    self.sequences[node.index] = mark.label.text, mark.label.sub
        self.symbols |= self.sequences
        self.left = 0

    def name(self, node: Node) -> Formula:
        """Its symbol; without one, nothing."""
        return list(self.symbols.get(node.index, ()))

    def of(self, node: Node) -> Formula:
        """symbol = expression; of a leaf the symbol alone."""
        self.left = _LARGEST
        symbol = self.name(node)
        if node.op is None:
            return symbol or [node.name or "array", ""]
        expression = self._expression(node)[0]
        return _joined(symbol, [" = ", ""], expression) if symbol else expression

    def _term(self, argument: Node | Constant, binds: int) -> Formula:
        """An argument, in parentheses if it binds less tightly than what it stands in."""
        formula, tightness = self._argument(argument)
        return formula if tightness >= binds else _joined(["(", ""], formula, [")", ""])

    def _argument(self, argument: Node | Constant) -> tuple[Formula, int]:
        """An argument by its symbol, or else by its own expression."""
        if isinstance(argument, Constant):
            return [notation.number(argument.value), ""], ATOM
        self.left -= 1
        if argument.index in self.symbols:
            return self.name(argument), ATOM
        if argument.op is None:
            return [notation.printable(argument.name or "array"), ""], ATOM
        if argument.name and argument.step is not None:  # of a step that is not drawn
            return [notation.printable(argument.name), str(argument.step + 1)], ATOM
        return (["…", ""], ATOM) if self.left <= 0 else self._expression(argument)

    def _expression(self, node: Node) -> tuple[Formula, int]:
        op, inputs = node.op or "", node.inputs
        if op in _SILENT:
            return self._argument(inputs[0])
        if op in _INFIX and len(inputs) == 2:
            sign, binds = _INFIX[op]
            if op == "mul" and inputs[0] is inputs[1]:
                return _joined(self._term(inputs[0], ATOM), ["²", ""]), SIGN
            if op == "mul" and any(isinstance(i, Constant) for i in inputs):
                sign = " "
            right = binds + (op in ("sub", "div"))
            return _joined(self._term(inputs[0], binds), [sign, ""], self._term(inputs[1], right)), binds
        if op == "total":
            return _between([self._term(i, SUM) for i in inputs], " + "), SUM
        if op == "neg":
            return _joined(["−", ""], self._term(inputs[0], PRODUCT)), SIGN
        if op == "pow" and isinstance(inputs[1], Constant):
            power = notation.superscript(notation.number(inputs[1].value))
            return _joined(self._term(inputs[0], ATOM), [power, ""]), SIGN
        if op == "sum":
            return _joined(["Σ ", ""], self._term(inputs[0], PRODUCT)), PRODUCT
        if op == "transpose":
            return _joined(self._term(inputs[0], ATOM), ["ᵀ", ""]), ATOM
        if op == "part" or (op == "getitem" and isinstance(node.attrs.get("index"), int)):
            return self._element(node)
        if op in ("stack", "concatenate") and len(inputs) > 3:
            ends = [self._term(inputs[0], SUM), self._term(inputs[1], SUM), ["…", ""], self._term(inputs[-1], SUM)]
            return _joined([f"{op}(", ""], _between(ends, ", "), [")", ""]), ATOM
        symbol = notation.SYMBOLS["sigmoid"] if op == "sigmoid" else op
        arguments = _between([self._term(i, SUM) for i in inputs], ", ")
        return _joined([f"{symbol}(", ""], arguments, [")", ""]), ATOM

    def _element(self, node: Node) -> tuple[Formula, int]:
        """One of several: hₜ of stacked states, xₜ of a sequence x, or a[2/4], the second of four equal blocks of a."""
        whole, k = node.inputs[0], node.attrs["index"]
        blocks = len(whole.attrs.get("sizes", ())) if isinstance(whole, Node) else 0
        if node.op == "part":
            whole = whole.inputs[0]  # type: ignore[union-attr]
        if isinstance(whole, Node) and whole.op == "stack" and not whole.attrs.get("axis"):
            return self._argument(whole.inputs[k])
        if isinstance(whole, Node) and whole.index in self.sequences:
            text, below = self.sequences[whole.index]
            return [text, f"{below},{k + 1}".lstrip(",")], ATOM
        return _joined(self._term(whole, ATOM), [f"[{k + 1}/{blocks}]" if blocks else f"[{k + 1}]", ""]), ATOM


def _between(formulas: list[Formula], sign: str) -> Formula:
    parts: list[Formula] = []
    for formula in formulas:
        parts += [[sign, ""], formula] if parts else [formula]
    return _joined(*parts)


def _joined(*formulas: Formula) -> Formula:
    """One after the other; texts that meet become one."""
    joined: Formula = []
    for formula in formulas:
        for text, below in zip(formula[::2], formula[1::2]):
            if joined and not joined[-1]:
                joined[-2:] = [joined[-2] + text, below]
            else:
                joined += [text, below]
    return joined
