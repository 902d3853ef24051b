"""Several marks of a picture drawn as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..picture import Link, Mark, Picture

Group = list[Mark]


def merge(picture: Picture, groups: Iterable[Group], make: Callable[[Group], Mark], drop: Iterable[Mark] = ()) -> Picture:
    """The picture in which one mark stands for each group; links inside a group, and marks to drop, are left out.

    Parameters
    ----------
    picture : Picture
    groups : iterable of list of Mark
        Those of a group in the order of the picture.
    make : callable
        The mark that stands for a group.
    drop : iterable of Mark
    """
    whole: dict[Mark, Mark] = {}
    last: dict[Mark, Mark] = {}  # the member whose place in the picture the new mark takes: what it reads comes before it
    for group in groups:
        mark = make(group)
        mark.inside += tuple(part for member in group for part in (member.inside or (member,)))
        last[group[-1]] = mark
        whole |= dict.fromkeys(group, mark)
    gone = set(drop)
    marks = [last.get(mark, mark) for mark in picture.marks if mark not in gone and (mark in last or mark not in whole)]
    return picture._replace(marks=marks, links=_joined(picture.links, whole, gone))


def _joined(links: Sequence[Link], whole: dict[Mark, Mark], gone: set[Mark]) -> list[Link]:
    """The links with their new ends; those that then join the same marks are one."""
    found: dict[tuple, Link] = {}
    for link in links:
        tail, head = whole.get(link.tail, link.tail), whole.get(link.head, link.head)
        if tail is head or tail in gone or head in gone:
            continue
        key = tail, head, link.detached, link.over
        same = found.setdefault(key, Link(tail, head, [], link.detached, link.over))
        same.uses += [use for use in link.uses if use not in same.uses]
    return list(found.values())
