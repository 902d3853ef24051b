"""Which modules get a frame, and what is written on it.

A frame helps where a module is a part of what stands in a column, and shows how it works: not around all of a column, not
around what is one box, not around a single mark, and not around a module that reads its own results by way of others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from .. import notation
from ..picture import Link, Mark, Part, Picture, Scope, Slot

_BARE = {"module", "state", "input"}  # roles that show nothing of how a module works, and operations that do not
_PLUMBING = {"stack", "concatenate", "where"}


def with_frames(picture: Picture) -> Picture:
    """The picture with its frames chosen, and with parameters told apart that share a name and a frame."""
    parts: dict[Part, list[Mark]] = defaultdict(list)
    for mark in picture.marks:
        if not mark.initial:
            parts[mark.part].append(mark)
    framed = {}
    for part, marks in parts.items():
        slots = {mark.slot for mark in marks}
        edges = {(link.tail.slot, link.head.slot) for link in picture.links if _inside(link, slots)}
        framed[part] = _framed(marks, edges)
        _tell_apart(marks, framed[part])
    return picture._replace(framed=framed)


def innermost(scope: Scope, framed: Collection[Scope]) -> Scope:
    """The innermost frame around what ran in a scope; () if there is none."""
    return next((scope[:depth] for depth in range(len(scope), 0, -1) if scope[:depth] in framed), ())


def titles(framed: Iterable[Scope]) -> dict[Scope, str]:
    """What is written on frames: the name inside the next outer frame, or without what all outermost names begin with."""
    framed = list(framed)
    outer = {scope: innermost(scope[:-1], framed) for scope in framed}
    free = [scope for scope in framed if not outer[scope]]
    common = 0
    while len({scope[: common + 1] for scope in free}) == 1 and all(len(scope) > common + 1 for scope in free):
        common += 1
    return {scope: notation.cut(".".join(scope[len(outer[scope]) or common :]), notation.LONGEST_TITLE) for scope in framed}


def _inside(link: Link, slots: set[Slot]) -> bool:
    return link.tail.where == link.head.where and not link.over and link.tail.slot in slots and link.head.slot in slots


def _framed(marks: list[Mark], edges: set[tuple[Slot, Slot]]) -> set[Scope]:
    """The modules of a column that get a frame."""
    members: dict[Scope, set[Slot]] = defaultdict(set)
    computed = {mark.slot for mark in marks if mark.node.op}
    telling = {mark.slot for mark in marks if mark.node.op not in _PLUMBING and mark.node.op and mark.role not in _BARE}
    boxes = {mark.slot for mark in marks if mark.role == "module"}
    for mark in marks:
        for depth in range(1, len(mark.scope) + 1):
            members[mark.scope[:depth]].add(mark.slot)
    wanted = {
        scope
        for scope, slots in members.items()
        if len(slots) > 1 and (slots & telling or len(slots & boxes) > 1) and computed - slots and _is_convex(slots, edges)
    }
    same = {scope for scope in wanted if any(other[:-1] == scope and members[other] == members[scope] for other in wanted)}
    return wanted - same


def _is_convex(slots: set[Slot], edges: set[tuple[Slot, Slot]]) -> bool:
    """Does no way lead out of these slots and back?"""
    after: Mapping[Slot, list[Slot]] = defaultdict(list)
    for tail, head in edges:
        after[tail].append(head)
    todo = [head for slot in slots for head in after[slot] if head not in slots]
    seen = set(todo)
    while todo:
        for head in after[todo.pop()]:
            if head in slots:
                return False
            if head not in seen:
                seen.add(head)
                todo.append(head)
    return True


def _tell_apart(marks: list[Mark], framed: Collection[Scope]) -> None:
    """Parameters that share a name get that of their module as a subscript, unless a frame around the module says it."""
    owners: dict[tuple, set[Scope]] = defaultdict(set)
    parameters = [mark for mark in marks if mark.role == "parameter" and mark.scope]
    for mark in parameters:
        owners[mark.where, mark.label, innermost(mark.scope, framed)].add(mark.scope)
    for mark in [m for m in parameters if len(owners[m.where, m.label, innermost(m.scope, framed)]) > 1]:
        below = notation.cut(mark.scope[-1])
        mark.label = mark.label._replace(sub=f"{mark.label.sub} {below}".strip())
