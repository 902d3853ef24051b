"""Records in a layout: slots that stand side by side, each with its own arrows.

The engine arranges a record as one slot.  Its fields then stand in it in the order in which what reads them stands, so that
their arrows do not cross, and each arrow is led from, or to, its own field.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate

from ..curve import Chain, Point
from ..picture import Mark, Slot
from .cell import Block, Cell, Edge, Size

RECORD = "record"
SEAM = 0.02  # between two fields, so that rounding makes none overlap
Record = tuple[Slot, ...]


def of(marks: Iterable[Mark]) -> list[Record]:
    """The records that marks are fields of."""
    return list(dict.fromkeys(mark.record for mark in marks if mark.record))


def lay_out(block: Block, records: Iterable[Record]) -> Cell:
    """The layout of a block some of whose slots are the fields of records."""
    present = [fields for record in records if (fields := tuple(slot for slot in record if slot in block.size))]
    if not present:
        return block.lay_out()
    home = {field: (RECORD, "activation", fields) for fields in present for field in fields}
    return _expanded(block, home, _contracted(block, home).lay_out())


def _contracted(block: Block, home: dict[Slot, Slot]) -> Block:
    """The block with one slot in place of each record."""
    sizes: dict[Slot, Size] = {}
    for slot, size in block.size.items():
        at = home.get(slot, slot)
        wide, high = sizes.get(at, (-SEAM, 0.0)) if slot in home else (0.0, 0.0)
        sizes[at] = (wide + SEAM + size[0], max(high, size[1])) if slot in home else size
    edges: dict[Edge, int] = {}
    for (tail, head), weight in block.edges.items():
        edge = home.get(tail, tail), home.get(head, head)
        edges[edge] = max(weight, edges.get(edge, 0))
    sides = [{home.get(slot, slot) for slot in side} for side in (block.left, block.right)]
    order = [(home.get(a, a), home.get(b, b)) for a, b in block.order]
    joints = {(home.get(a, a), home.get(b, b)): joint for (a, b), joint in block.joints.items()}
    return replace(block, size=sizes, edges=edges, left=sides[0], right=sides[1], order=order, joints=joints)


def _expanded(block: Block, home: dict[Slot, Slot], cell: Cell) -> Cell:
    """The layout with the fields in the places of their records."""
    centre = {slot: place for slot, place in cell.centre.items() if slot in block.size}
    for record in dict.fromkeys(home.values()):
        fields = _in_order(record[2], block, home, cell)
        (x, y), (wide, _) = cell.centre[record], cell.size[record]
        ends = accumulate((block.size[field][0] + SEAM for field in fields), initial=x - wide / 2)
        centre |= {field: (left + block.size[field][0] / 2, y) for field, left in zip(fields, ends)}
    curves = {}
    for tail, head in block.edges:
        chain = cell.curves[home.get(tail, tail), home.get(head, head)]
        if tail in home:
            chain = led_from((centre[tail][0], centre[tail][1] + block.size[tail][1] / 2), chain)
        if head in home:
            low = centre[head][0], centre[head][1] - block.size[head][1] / 2
            chain = led_from(low, chain[::-1])[::-1]
        curves[tail, head] = chain
    return replace(cell, centre=centre, size=block.size, curves=curves)


def _in_order(fields: Record, block: Block, home: dict[Slot, Slot], cell: Cell) -> list[Slot]:
    """The fields from left to right: as their arrows leave."""
    places: dict[Slot, list[float]] = defaultdict(list)
    for tail, head in block.edges:
        if tail in fields:
            chain = cell.curves[home[tail], home.get(head, head)]
            places[tail].append(chain[3][0])
    middle = cell.centre[home[fields[0]]][0]
    return sorted(fields, key=lambda field: sum(places[field]) / len(places[field]) if places[field] else middle)


def led_from(start: Point, chain: Chain) -> Chain:
    """The chain from another point, whence it leaves upright."""
    x, y = start
    return [start, (x, y + 0.4 * (chain[3][1] - y)), *chain[2:]]
