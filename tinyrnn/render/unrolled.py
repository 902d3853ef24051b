"""The unrolled drawing: one cell repeated over time, and the arrows between the steps.

Inside a step every position comes from its `Cell`; everything between the steps is drawn here, as axis-parallel lines with
rounded corners that keep to free ground: the sides of a row, the channels between two rows, the gutters between two steps,
and buses below and above the steps for what enters and leaves the time loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import curve, style
from .cell import Block, Cell, sizes_of, weight
from .curve import Chain, Point
from .drawing import Arrow, Box, Drawing, Frame, Text
from .picture import AFTER, BEFORE, Column, Link, Mark, Picture, Slot
from .storeys import lay_out

CAPTION, LANE = 15.0, 7.0  # the height of "t = 1", from one arrow of a gutter to the next


@dataclass
class Place:
    """A cell that has a place on paper: a step, or what runs before or after the loop."""

    x: float
    y: float
    cell: Cell

    @property
    def right(self) -> float:
        return self.x + self.cell.width

    def centre(self, slot: Slot) -> Point:
        x, y = self.cell.centre[slot]
        return x + self.x, y + self.y

    def end(self, slot: Slot, side: int) -> list[Point]:
        """From a mark out at its left (−1) or right (+1); over the row, if something stands in the way."""
        (x, y), (wide, high) = self.centre(slot), self.cell.size[slot]
        if self.cell.clear(slot, side):
            return [(x + side * wide / 2, y)]
        x += side * wide / 4
        return [(x, y + high * 0.43), (x, self.y + self.cell.channel(slot, +1) + 7.0)]

    def entrance(self, slot: Slot, side: int, lane: int) -> list[Point]:
        """Into a mark from its left (−1) or right (+1); from under its row, if something stands in the way."""
        (x, y), (wide, high) = self.centre(slot), self.cell.size[slot]
        if self.cell.clear(slot, side):
            return [(x + side * wide / 2, y)]
        x += side * wide * 0.33
        return [(x, self.y + self.cell.channel(slot, -1) - 7.0 - 3.0 * lane), (x, y - high * 0.38)]


class Unrolled:
    """The places side by side.  Asked for a mark's box or a link's way, it gives them with coordinates.

    Parameters
    ----------
    picture : Picture
    lane : float
        From one arrow of a gutter to the next.
    """

    def __init__(self, picture: Picture, lane: float = LANE) -> None:
        self.marks, self.links, self.lane = picture.marks, picture.links, lane
        self.steps = sorted({m.column for m in self.marks if isinstance(m.column, int) and not m.initial})
        self.cell = self._lay_out_step()
        self.buses = self._number_buses()
        self.lanes = self._number_lanes()
        self.gutter = 12.0 + lane * max(1, len(set(self.lanes.values())) + len(self.buses))
        self.places = self._set_places()
        self.top = self.cell.height

    def _lay_out_step(self) -> Cell:
        marks = [m for m in self.marks if isinstance(m.column, int) and not m.initial]
        inside = [l for l in self.links if l.tail.column == l.head.column and isinstance(l.head.column, int) and not l.tail.initial]
        return lay_out(marks, [l for l in self.links if l.recurrent], inside)

    def neighbours(self, link: Link) -> bool:
        """Does it lead from one step to the next, or back to the one before?"""
        order = [self.steps[0] - 1, *self.steps, self.steps[-1] + 1] if self.steps else []
        ends = link.tail.column, link.head.column
        return all(end in order for end in ends) and abs(order.index(ends[0]) - order.index(ends[1])) == 1  # type: ignore[arg-type]

    def bus(self, link: Link) -> str | None:
        """Which bus it takes, if any: what comes from before the loop the lower one, what leaves or leaps the upper one."""
        if link.tail.column == link.head.column or self.neighbours(link):
            return None
        return BEFORE if link.tail.column == BEFORE else AFTER

    def _number_buses(self) -> dict[tuple[Slot, str], int]:
        """A bus for each thing that enters or leaves the loop."""
        taken = dict.fromkeys((l.tail.slot, bus) for l in self.links if (bus := self.bus(l)))
        return {thing: number for number, thing in enumerate(taken)}

    def _number_lanes(self) -> dict[Slot, int]:
        """For each slot that an arrow through a gutter leads to, its lane: one for each state, the highest one leftmost."""
        crossing = [l for l in self.links if l.recurrent and not self.bus(l)]
        states = dict.fromkeys(l.tail.slot for l in sorted(crossing, key=lambda l: -self.height(l.tail, l.head)))
        lane = {slot: number for number, slot in enumerate(states)}
        return {l.head.slot: lane[l.tail.slot] for l in sorted(crossing, key=lambda l: l.tail.initial, reverse=True)}

    def height(self, mark: Mark, reader: Mark) -> float:
        """At which height of the step it stands; a beginning without a state of its own at that of its reader."""
        return self.cell.centre.get(mark.slot, self.cell.centre[reader.slot])[1]

    # -- columns -------------------------------------------------------------------------------------------------

    def _set_places(self) -> dict[Column, Place]:
        places: dict[Column, Place] = {}
        outside = {where: self._block(where) for where in (BEFORE, AFTER)}
        order: list[tuple[Column, Cell | None]] = [(BEFORE, outside[BEFORE])]
        if self.steps:
            order.append((self.steps[0] - 1, self._beginnings(self.steps[0] - 1)))
            order += [(t, self.cell) for t in self.steps]
            order.append((self.steps[-1] + 1, self._beginnings(self.steps[-1] + 1)))
        order.append((AFTER, outside[AFTER]))
        x, top = 0.0, self.cell.height if self.steps else 0.0
        for column, cell in order:
            if cell is not None:
                places[column] = Place(x, max(0.0, top - cell.height) if column == AFTER else 0.0, cell)
                x += cell.width + self.gutter
        return places

    def _block(self, where: str) -> Cell | None:
        marks = [m for m in self.marks if m.column == where]
        edges = {(l.tail.slot, l.head.slot): weight(l) for l in self.links if l.head.column == l.tail.column == where}
        return Block(sizes_of(marks, style.size), edges).lay_out() if marks else None

    def _beginnings(self, column: int) -> Cell | None:
        """The states from before the first step, each at the height of those that follow it."""
        marks = [m for m in self.marks if m.initial and m.column == column]
        if not marks:
            return None
        sizes = sizes_of(marks, style.size)
        readers = {l.tail: l.head for l in reversed(self.links) if l.tail in marks}
        wide = max(width for width, _ in sizes.values())
        centre = {m.slot: (wide / 2, self.height(m, readers[m])) for m in marks}
        return Cell(wide, self.cell.height, centre, sizes)

    # -- shapes --------------------------------------------------------------------------------------------------

    def box(self, mark: Mark) -> Box:
        place = self.places[mark.column]
        size = place.cell.size[mark.slot]  # as large at every step
        return Box(*place.centre(mark.slot), *size, mark.role, mark.label, mark.time, mark.rows, mark.tip, f"m{mark.number}")

    def chain(self, link: Link) -> Chain:
        """The way of an arrow, from the edge of its tail to the edge of its head."""
        source, target = self.places[link.tail.column], self.places[link.head.column]
        tail, head = link.tail.slot, link.head.slot
        if source is target:
            return curve.moved(source.cell.curves[tail, head], source.x, source.y)
        bus = self.bus(link)
        if bus:
            return self._by_bus(source, target, tail, head, bus)
        way = 1 if source.x < target.x else -1
        number = self.lanes[head]
        x = (target.x if way > 0 else source.x) - self.gutter + self.lane * (number + 1)
        out, into = source.end(tail, way), target.entrance(head, -way, number)
        return curve.rounded([*out, (x, out[-1][1]), (x, into[0][1]), *into])

    def _by_bus(self, source: Place, target: Place, tail: Slot, head: Slot, bus: str) -> Chain:
        number = self.buses[tail, bus]
        lane = self.lane * (len(set(self.lanes.values())) + number + 1)
        up, down = source.right + lane, target.x - self.gutter + lane
        out, into = source.end(tail, +1), target.entrance(head, -1, 0)
        height = self.top + 4.0 + self.lane * (number + 1) if bus == AFTER else -CAPTION - self.lane * (number + 1)
        over = [] if abs(up - down) < 1.0 else [(up, height), (down, height)]  # neighbours need no bus
        return curve.rounded([*out, (up, out[-1][1]), *over, (down, into[0][1]), *into])

    def frames(self) -> list[Frame]:
        """A frame around every step, and one around every module where a step has several."""
        frames = []
        for t in self.steps:
            x = self.places[t].x
            frames.append(Frame(x, 0.0, x + self.cell.width, self.cell.height, style.PAPER))
            frames += [Frame(x + x0, y0, x + x1, y1, "#FFFFFF") for x0, y0, x1, y1 in self.cell.frames.values()]
        return frames


def draw(drawing: Drawing, unrolled: Unrolled) -> None:
    """Draw the forward pass."""
    drawing.frames += unrolled.frames()
    drawing.boxes += [unrolled.box(mark) for mark in unrolled.marks]
    for link in sorted(unrolled.links, key=lambda l: l.kind == "recurrent"):  # these lie on top
        ends = f"m{link.tail.number}", f"m{link.head.number}"
        drawing.arrows.append(Arrow(unrolled.chain(link), style.ARROWS[link.kind], ends=ends))
    titles = _titles(list(unrolled.cell.frames))
    for t in unrolled.steps:
        x = unrolled.places[t].x
        drawing.texts.append(Text(x + unrolled.cell.width / 2, -CAPTION / 2, f"t = {t + 1}"))
        for scope, (x0, _, _, y1) in unrolled.cell.frames.items():
            drawing.texts.append(Text(x + x0 + 6.0, y1 - 8.0, titles[scope], "start", 8.0))


def _titles(scopes: list[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The names of modules, without what all of them begin with."""
    common = 0
    while len({scope[: common + 1] for scope in scopes}) == 1 and all(len(scope) > common + 1 for scope in scopes):
        common += 1
    return {scope: ".".join(scope[common:]) for scope in scopes}
