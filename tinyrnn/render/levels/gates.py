"""The gates of a cell as one record, fed by one affine map.

    affine maps   x W + h U + b is one mark: a sum together with the products that only it reads
    gates         named functions whose pre-activations are made of the same things stand side by side, as the fields of a
                  record; the affine maps, or sums, that only they read become one

So an LSTM has one record σᵢ | σ_f | tanh_g | σₒ and so has a cell of one's own that computes each gate by itself; the record of
a GRU is σᵣ | σ_z, for its candidate reads r.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ..picture import Label, Link, Mark, Picture, Slot
from ..reading.axes import shared
from .merge import Group, merge

_AFFINE = Label("affine")


def show_gates(picture: Picture) -> Picture:
    """The picture at the level of gates."""
    picture = merge(picture, _affine_maps(picture), _affine)
    records = _records(picture)
    picture = merge(picture, _shared_feeds(picture, records), _one_of)
    for fields in records:
        for mark in fields:
            mark.role, mark.record = "gate", tuple(field.slot for field in fields)
    _unite([mark for fields in records for mark in fields])
    return picture


class _Reading:
    """What each mark of a picture reads, and what reads it."""

    def __init__(self, picture: Picture) -> None:
        self.into: dict[Mark, list[Link]] = defaultdict(list)
        self.out: dict[Mark, list[Link]] = defaultdict(list)
        for link in picture.links:
            self.into[link.head].append(link)
            self.out[link.tail].append(link)

    def is_linear(self, mark: Mark) -> bool:
        """Is it a sum, a product of matrices, or one with a parameter?"""
        if mark.role != "arithmetic":
            return False
        by_parameter = any(link.tail.role == "parameter" for link in self.into[mark])
        return mark.node.op in ("add", "matmul") or (mark.node.op == "mul" and by_parameter)

    def only_reader(self, mark: Mark) -> Mark | None:
        """What reads it, if that is one mark of the same column."""
        readers = {link.head for link in self.out[mark]}
        return next(iter(readers)) if len(readers) == 1 and next(iter(readers)).where == mark.where else None

    def sources(self, mark: Mark) -> frozenset[Mark]:
        """What a pre-activation is made of: the marks behind sums, products and names, without the parameters."""
        found, todo = set(), [mark]
        while todo:
            here = todo.pop()
            tails = [link.tail for link in self.into[here]]
            named = here.role == "value" and len(tails) == 1 and self.is_linear(tails[0])
            if here.where == mark.where and (named or self.is_linear(here)):
                todo += [tail for tail in tails if tail.role != "parameter"]
            else:
                found.add(here)
        return frozenset(found)


def _affine_maps(picture: Picture) -> list[Group]:
    """Sums with the products that only they read, if a parameter is among what they read."""
    reading = _Reading(picture)
    root: dict[Mark, Mark] = {}
    groups: dict[Mark, Group] = defaultdict(list)
    for mark in reversed(picture.marks):  # readers first
        if reading.is_linear(mark):
            reader = reading.only_reader(mark)
            inside = reader is not None and reader in root and mark.scope[: len(reader.scope)] == reader.scope
            root[mark] = root[reader] if inside and reader is not None else mark
            groups[root[mark]].insert(0, mark)
    has_parameter = {root[link.head] for link in picture.links if link.head in root and link.tail.role == "parameter"}
    return [group for top, group in groups.items() if len(group) > 1 and top in has_parameter]


def _affine(group: Group) -> Mark:
    """One mark for an affine map."""
    return _like(group, _AFFINE)


def _records(picture: Picture) -> list[Group]:
    """Named functions, at least two of which have the same things in their pre-activations."""
    reading = _Reading(picture)
    records: dict[tuple, Group] = defaultdict(list)
    for mark in picture.marks:
        if mark.role == "activation" and mark.label.sub and len(reading.into[mark]) == 1:
            before = reading.into[mark][0].tail
            records[mark.scope, mark.where, reading.sources(before)].append(mark)
    return [fields for fields in records.values() if len(fields) > 1]


def _shared_feeds(picture: Picture, records: list[Group]) -> list[Group]:
    """For each record the affine maps, or sums, that nothing but its fields reads."""
    reading = _Reading(picture)
    groups = []
    for fields in records:
        before = dict.fromkeys(reading.into[field][0].tail for field in fields)
        own = [m for m in before if reading.is_linear(m) and all(link.head in fields for link in reading.out[m])]
        if len(own) > 1:
            groups.append([mark for mark in picture.marks if mark in own])
    return groups


def _one_of(group: Group) -> Mark:
    """One mark for several that are alike, or an affine map, if one of them is."""
    labels = {mark.label for mark in group}
    return _like(group, group[-1].label if len(labels) == 1 else _AFFINE)


def _like(group: Group, label: Label) -> Mark:
    """A mark in place of a group, in the module that all of them belong to."""
    last, scope = group[-1], shared([mark.scope for mark in group])
    slot: Slot = ("merged", last.role, *last.slot)
    return Mark(last.role, label, last.column, last.node, scope, last.time, slot, last.axis)


def _unite(fields: Iterable[Mark]) -> None:
    """Records of different steps that have a field in common are one record."""
    record: dict[Slot, tuple[Slot, ...]] = {}
    fields = list(fields)
    for mark in fields:
        assert mark.record is not None
        known = dict.fromkeys(slot for field in mark.record for slot in record.get(field, (field,)))
        record |= dict.fromkeys(known, tuple(known))
    for mark in fields:
        mark.record = record[mark.slot]
