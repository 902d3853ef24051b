"""A cell, or another module, as one box.

    cells     what computes the states of a module, or of a time loop without one, is one box at each step; the states
              themselves, which other steps read, stay
    modules   of the others the outermost ones that have no cell inside are boxes
    convex    what a module computes from its own results by way of something outside is a second box: no arrow turns back

Parameters belong to the boxes that read them.
"""

from __future__ import annotations

from collections import defaultdict

from .. import notation
from ..picture import Label, Link, Mark, Picture, Scope, Where
from .merge import Group, merge

Key = tuple[Scope, Where, int | None]  # a module, at a step of a run through time


def show_cells(picture: Picture) -> Picture:
    """The picture at the level of cells."""
    return _Boxes(picture).picture()


class _Boxes:
    def __init__(self, picture: Picture) -> None:
        self.before = picture
        self.into: dict[Mark, list[Link]] = defaultdict(list)
        self.out: dict[Mark, list[Link]] = defaultdict(list)
        for link in picture.links:
            self.into[link.head].append(link)
            self.out[link.tail].append(link)
        self.makers = [mark for mark in picture.marks if mark.role == "state" and mark.node.op and not mark.initial]
        self.cells = {mark.scope for mark in self.makers}

    def picture(self) -> Picture:
        self.home, self.number = self._homes(), dict[Mark, int]()
        groups = [group for group in self._groups().values() if len(group) > 1 or self._parameters(group)]
        boxed = {mark for group in groups for mark in group}
        absorbed = [mark for group in groups for mark in self._parameters(group) if self._readers(mark) <= boxed]
        self.names = _names([self.home[group[0]][0] for group in groups])
        self.runs: dict[Scope, list] = defaultdict(list)
        links = [link for link in self.before.links if not self._is_within(link)]
        return merge(self.before._replace(links=links), groups, self._box, drop=absorbed)

    def _is_within(self, link: Link) -> bool:
        """Does a cell read, at the same step, a state that it has just made?"""
        own = self._box_of(link.tail) if link.tail.role == "state" else None
        return own is not None and link.head.where == link.tail.where and own == self.home.get(link.head)

    def _readers(self, mark: Mark) -> set[Mark]:
        return {link.head for link in self.out[mark]}

    def _parameters(self, group: Group) -> list[Mark]:
        return [link.tail for mark in group for link in self.into[mark] if link.tail.role == "parameter"]

    # -- which box a mark belongs to -----------------------------------------------------------------------------

    def _homes(self) -> dict[Mark, Key]:
        """The module that each operation is drawn in."""
        home: dict[Mark, Key] = {}
        for mark in self.before.marks:
            scope = self._cell(mark) or self._module(mark.scope)
            if scope and self._is_operation(mark):
                home[mark] = scope, mark.where, mark.node.loop
        for state in self.makers:
            if not state.scope:
                home |= dict.fromkeys(self._behind(state, home), ((), state.where, state.node.loop))
        return home

    def _cell(self, mark: Mark) -> Scope:
        """The cell that an operation of a step ran in, the innermost if one is inside another."""
        depths = range(len(mark.scope), 0, -1) if isinstance(mark.column, int) else ()
        return next((mark.scope[:depth] for depth in depths if mark.scope[:depth] in self.cells), ())

    def _behind(self, state: Mark, home: dict[Mark, Key]) -> list[Mark]:
        """The operations that compute a state at its step, as far as no module does."""
        found: list[Mark] = []
        todo = [state]
        while todo:
            for tail in (link.tail for link in self.into[todo.pop()]):
                if tail.where == state.where and tail not in home and tail not in found and self._is_operation(tail):
                    found.append(tail)
                    todo.append(tail)
        return found

    def _is_operation(self, mark: Mark) -> bool:
        return mark.node.op is not None and mark.role != "state" and not self._is_output(mark)

    def _is_output(self, mark: Mark) -> bool:
        """Is it the box of a result that somebody asked for?"""
        return mark.role in ("loss", "value") and not self.out[mark]

    def _module(self, scope: Scope) -> Scope:
        """The outermost module without a cell inside; () if there is none."""
        outer = [scope[:depth] for depth in range(1, len(scope) + 1)]
        return next((s for s in outer if not any(cell[: len(s)] == s for cell in self.cells)), ())

    # -- the boxes -----------------------------------------------------------------------------------------------

    def _groups(self) -> dict[tuple, Group]:
        """The members of each box, in the order of the picture; a module that reads its own results has several boxes."""
        groups: dict[tuple, Group] = defaultdict(list)
        behind: dict[Mark, dict[Key, int]] = {}  # for each module, the latest of its boxes that a mark depends on
        for mark in self.before.marks:
            own = self._box_of(mark)
            latest: dict[Key, int] = {}
            for tail in (link.tail for link in self.into[mark] if link.tail.where == mark.where):
                for key, number in behind.get(tail, {}).items():
                    returns = key == own and self._box_of(tail) != key
                    latest[key] = max(latest.get(key, 0), number + returns)
            if own is not None and mark in self.home:
                number = self.number[mark] = latest.setdefault(own, 0)
                groups[own, number].append(mark)
            behind[mark] = latest
        return groups

    def _box_of(self, mark: Mark) -> Key | None:
        """The box of an operation, or the one that a state comes out of."""
        if mark.role == "state" and not mark.initial and mark.node.op:
            return mark.scope, mark.where, mark.node.loop
        return self.home.get(mark)

    def _box(self, group: Group) -> Mark:
        scope, (axis, column), loop = self.home[group[0]]
        runs = self.runs[scope]
        if loop not in runs:
            runs.append(loop)
        last = group[-1]
        label = Label(notation.cut(self.names[scope], 16) if scope else "cell")
        number = self.number[group[0]]
        slot = (axis, "module", label, scope, runs.index(loop), number)
        box = Mark("module", label, column, last.node, scope, None, slot, axis)
        box.inside = tuple(dict.fromkeys(self._parameters(group)))
        return box


def _names(scopes: list[Scope]) -> dict[Scope, str]:
    """What a module is called among these: the last part of the shortest name that no other one begins with."""
    names = {}
    for scope in scopes:
        depth = next(d for d in range(len(scope) + 1) if all(s == scope or s[:d] != scope[:d] for s in scopes) or d == len(scope))
        names[scope] = scope[max(depth, 1) - 1] if scope else ""
    return names
