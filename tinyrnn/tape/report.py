"""A fold in words: its sections, what its loops carry from step to step, and what stayed unrolled, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .wires import Loop, Operation, Straight

if TYPE_CHECKING:
    from .folding import Fold

MOST, LINES = 6, 24  # of a kind in one line, and lines of a kind


def describe(fold: Fold) -> str:
    """What `Fold.describe` returns."""
    nodes, operations = len(fold.homes), len(fold.operations)
    lines = [f"{_count(nodes, 'node')} fold{'s' if nodes == 1 else ''} into {_count(operations, 'operation')}"]
    lines += _shortened([_section(section) for section in fold.sections])
    if not fold.loops:
        lines.append("nothing repeats: there is no loop over at least two steps recorded with tr.step, as the layers do")
    if fold.strays:
        lines.append(f"{_count(len(fold.strays), 'operation')} stayed unrolled")
        reasons: dict[str, list[int]] = {}
        for node, reason in fold.strays.items():
            what = f"{node.name or node.op or 'an array'}{'′' if node.backward else ''}: {reason}"
            reasons.setdefault(what, []).append(node.moment.step if node.moment else -1)
        lines += _shortened([_stray(what, steps) for what, steps in reasons.items()])
    return "\n".join(lines)


def _shortened(lines: list[str]) -> list[str]:
    """The first and the last lines, if there are too many."""
    left_out = len(lines) - LINES
    return lines if left_out <= 0 else [*lines[: LINES // 2], f"  … {left_out:,} more …", *lines[-LINES // 2 :]]


def _stray(what: str, steps: list[int]) -> str:
    return f"  step{'s' if len(steps) > 1 else ''} {_listed(sorted(set(steps)))}: {what}"


def _section(section: Loop | Straight) -> str:
    body = section.body
    if isinstance(section, Straight):
        return f"  once: {_count(len(body), 'operation')}, {_listed(_names(body))}"
    first, last = section.steps[0], section.steps[-1]
    line = f"  t = {first} … {last}: {_count(len(body), 'operation')}{', backward' if body[-1].backward else ''}"
    names = dict.fromkeys(".".join(o.scope) for o in body if o.scope)
    modules = [name for name in names if not any(other.startswith(name + ".") for other in names)]
    carried = dict.fromkeys(source for o in body for source, delay in o.reads() if delay and source.loop == o.loop)
    if modules:
        line += f", in {_listed(modules)}"
    if carried:
        line += f"; from step to step: {_listed(map(_carried, carried))}"
    return line


def _carried(o: Operation) -> str:
    """A state by its name, a gradient by that of the value at which it arrives."""
    if o.backward and o.of is not None:
        arrives = o.of if o.into is None else getattr(o.of.wires[o.into], "source", None) if o.into < len(o.of.wires) else None
        if arrives is not None:
            return f"∂L/∂{arrives.name or arrives.op}"
    return o.name or o.op or "an array"


def _names(body: Iterable[Operation]) -> list[str]:
    return list(dict.fromkeys(f"{o.name or o.op or 'an array'}{'′' if o.backward else ''}" for o in body))


def _listed(things: Iterable) -> str:
    """The first few, separated by commas."""
    all_of_them = list(map(str, dict.fromkeys(things)))
    return ", ".join(all_of_them[:MOST]) + (", …" if len(all_of_them) > MOST else "")


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
