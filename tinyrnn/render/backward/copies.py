"""Where a value fans out: a dot for each copy, so that every copy of the forward pass can be met by a "+" of the backward one.

The record says what is copied.  A value that several operations read is copied; a bundle (of `split`, `unstack`) is taken
apart, and its gradient put together again: then the shares are concatenated, not added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import replace
from typing import NamedTuple

from ...tape import Node
from ..picture import Label, Link, Mark, Picture, Slot, Use


class Way(NamedTuple):
    """An arrow, and the recorded values that lie on its way from the value that it starts from, the operation included."""

    link: Link
    nodes: tuple[Node, ...]


class Fan(NamedTuple):
    """A value that goes several ways, or one of several: what is copied, where it stands, and its groups of ways."""

    node: Node
    slot: Slot
    groups: list[list[Way]]


def with_copies(picture: Picture, carrying: Container[Use]) -> Picture:
    """The picture with a mark behind every value that is copied.

    Parameters
    ----------
    picture : Picture
        It is changed.
    carrying : container of Use
        The uses that carry a gradient; others are no matter of the backward pass.
    """
    drawn = {mark.node for mark in picture.marks}
    ways: dict[Mark, list[Way]] = defaultdict(list)
    for link in picture.links:
        used = [use for use in link.uses if use in carrying]
        if used and not link.detached:
            argument, result = used[0]
            passed = () if link.over else trail(link.tail.node, argument, drawn)[1:]
            ways[link.tail].append(Way(link, (*passed, result)))
    copied = {fan.slot for mark in ways for fan in _fans(mark, ways[mark]) if len(fan.groups) > 1}
    marks = list(picture.marks)
    first: dict[Link, list[Link]] = defaultdict(list)  # the arrows into copies that go before this one
    for mark, each in ways.items():
        for fan in _fans(mark, each):
            if fan.slot not in copied:
                continue
            role = "bend" if len(fan.groups) == 1 else "copy"
            copy = replace(
                mark, role=role, label=Label(""), node=fan.node, slot=fan.slot, rows=(), copy_of=mark, number=len(marks)
            )
            marks.append(copy)
            members = [way.link for group in fan.groups for way in group]
            first[members[0]].append(Link(members[0].tail, copy))
            for link in members:
                link.tail = copy
    links = [link for each in picture.links for link in (*first.get(each, ()), each)]
    return picture._replace(marks=marks, links=links)


def trail(source: Node, argument: Node, drawn: Container[Node]) -> tuple[Node, ...]:
    """What was computed between a value that is drawn and an argument that shows it: what only moves numbers."""
    trails: list[tuple[Node, ...]] = [(argument,)]
    while trails:
        behind = trails.pop()
        here = behind[0]
        if here is source:
            return behind
        if any(i is source for i in here.inputs):
            return (source, *behind)
        if here in drawn and here is not argument:
            continue
        trails += [(i, *behind) for i in here.inputs if isinstance(i, Node) and i.index > source.index]
    raise ValueError(f"{argument} does not depend on {source}")


def _fans(mark: Mark, ways: list[Way]) -> Iterator[Fan]:
    """Each place behind a mark at which its value may fan out, the nearest first."""
    todo = [(mark.node, ways, 0)]
    while todo:
        node, ways, depth = todo.pop()
        groups: dict[object, list[Way]] = defaultdict(list)
        for way in ways:
            last = len(way.nodes) == depth + 1
            groups[way.link if last else way.nodes[depth]].append(way)
        place = () if node is mark.node else (node.scope, node.ordinal)
        yield Fan(node, (mark.slot[0], "copy", *mark.slot[2:], place), list(groups.values()))
        todo += [(key, group, depth + 1) for key, group in groups.items() if isinstance(key, Node)]
