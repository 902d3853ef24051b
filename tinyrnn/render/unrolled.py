"""The unrolled drawing: one cell repeated over time, and the arrows between the steps.

Inside a step every position comes from its `Cell`; everything between the steps is drawn here, as axis-parallel lines with
rounded corners that keep to free ground: the sides of a row, the channels between two rows, the gutters between two steps,
and buses below and above the steps for what enters and leaves the time loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import curve, style
from .assembly import INSET, TITLE_SIZE, lay_out
from .cell import Block, Cell, sizes_of, weight
from .curve import Chain, Point
from .drawing import Arrow, Box, Drawing, Frame, Text
from .picture import AFTER, BEFORE, Column, Link, Mark, Picture, Slot

CAPTION, LANE = 15.0, 7.0  # the height of "t = 1", from one arrow of a gutter to the next
CLEARANCE = 6.0  # between two beginnings, one above the other
LOW, HIGH = -5.5, 2.5  # where the arrow to the next step and that to the bus leave a mark that has both


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

    def end(self, slot: Slot, side: int, shift: float) -> list[Point]:
        """From a mark out at its left (−1) or right (+1); over the row, if something stands in the way."""
        (x, y), (wide, high) = self.centre(slot), self.cell.size[slot]
        if self.cell.clear(slot, side):
            return [(x + side * wide / 2, y + shift)]
        x += side * wide / 4
        return [(x, y + high * 0.43), (x, self.y + self.cell.channel(slot, +1) + 7.0)]

    def entrance(self, slot: Slot, side: int, lane: int) -> list[Point]:
        """Into a mark from its left (−1) or right (+1); from under its row, if something stands in the way."""
        (x, y), (wide, high) = self.centre(slot), self.cell.size[slot]
        if self.cell.clear(slot, side):
            return [(x + side * wide / 2, y)]
        x += side * wide * 0.33
        return [(x, self.y + self.cell.channel(slot, -1) - 7.0 - 2.0 * min(lane, 4)), (x, y - high * 0.38)]


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
        leaving = [link for link in self.links if link.head.column != link.tail.column]
        ways = {(link.tail.slot, link.tail.initial, bool(self.bus(link))) for link in leaving}
        self.forked = {(slot, initial) for slot, initial, by_bus in ways if by_bus and (slot, initial, False) in ways}
        self.lanes = self._number_lanes()
        self.gutter = 12.0 + lane * max(1, len(set(self.lanes.values())) + len(self.buses))
        self.places = self._set_places()
        self.top = self.cell.height

    def _lay_out_step(self) -> Cell:
        marks = [m for m in self.marks if isinstance(m.column, int) and not m.initial]
        inside = [link for link in self.links if link.tail.column == link.head.column and link.head.column in self.steps]
        return lay_out(marks, [link for link in self.links if link.recurrent], inside)

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
        taken = dict.fromkeys((link.tail.slot, bus) for link in self.links if (bus := self.bus(link)))
        return {thing: number for number, thing in enumerate(taken)}

    def _number_lanes(self) -> dict[Slot, int]:
        """For each slot that an arrow through a gutter leads to, its lane: one for each state, the highest one leftmost."""
        crossing = [link for link in self.links if link.recurrent and not self.bus(link)]
        crossing.sort(key=lambda link: -self.height(link.tail, link.head))
        lane = {slot: number for number, slot in enumerate(dict.fromkeys(link.tail.slot for link in crossing))}
        return {
            link.head.slot: lane[link.tail.slot] for link in sorted(crossing, key=lambda link: link.tail.initial, reverse=True)
        }

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
        edges = {
            (link.tail.slot, link.head.slot): weight(link) for link in self.links if link.head.column == link.tail.column == where
        }
        return Block(sizes_of(marks), edges).lay_out() if marks else None

    def _beginnings(self, column: int) -> Cell | None:
        """The states from before the first step, each at the height of those that follow it."""
        marks = [m for m in self.marks if m.initial and m.column == column]
        if not marks:
            return None
        sizes = sizes_of(marks)
        readers = {link.tail: link.head for link in reversed(self.links) if link.tail in marks}
        wide = max(width for width, _ in sizes.values())
        centre: dict[Slot, Point] = {}
        ceiling = self.cell.height
        for mark in sorted(marks, key=lambda mark: -self.height(mark, readers[mark])):
            half = sizes[mark.slot][1] / 2
            y = min(self.height(mark, readers[mark]), ceiling - half)
            centre[mark.slot] = wide / 2, y
            ceiling = y - half - CLEARANCE
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
            return self._by_bus(source, target, link, bus)
        way = 1 if source.x < target.x else -1
        number = self.lanes[head]
        x = (target.x if way > 0 else source.x) - self.gutter + self.lane * (number + 1)
        out = source.end(tail, way, LOW if (tail, link.tail.initial) in self.forked else 0.0)
        into = target.entrance(head, -way, number)
        return curve.rounded([*out, (x, out[-1][1]), (x, into[0][1]), *into])

    def _by_bus(self, source: Place, target: Place, link: Link, bus: str) -> Chain:
        tail, number = link.tail.slot, self.buses[link.tail.slot, bus]
        lane = self.lane * (len(set(self.lanes.values())) + number + 1)
        up, down = source.right + lane, target.x - self.gutter + lane
        out = source.end(tail, +1, HIGH if (tail, link.tail.initial) in self.forked else 0.0)
        into = target.entrance(link.head.slot, -1, 0)
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
    for link in sorted(unrolled.links, key=lambda link: link.kind == "recurrent"):  # these lie on top
        ends = f"m{link.tail.number}", f"m{link.head.number}"
        drawing.arrows.append(Arrow(unrolled.chain(link), style.ARROWS[link.kind], ends=ends))
    titles = [_title(unrolled.cell, name) for name in unrolled.cell.frames]
    for t in unrolled.steps:
        x = unrolled.places[t].x
        drawing.texts.append(Text(x + unrolled.cell.width / 2, -CAPTION / 2, f"t = {t + 1}"))
        drawing.texts += [title._replace(x=x + title.x) for title in titles]


def _title(cell: Cell, name: str) -> Text:
    """The name of a module, in the upper left corner of its frame, or in the right one if an arrow runs through it."""
    x0, _, x1, y1 = cell.frames[name]
    left = Text(x0 + INSET, y1 - TITLE_SIZE, name, "start", TITLE_SIZE)
    points = [p for chain in cell.curves.values() for p in curve.sampled(chain)]
    crossed = any(x < left.x + left.width + LANE and abs(y - left.y) < TITLE_SIZE for x, y in points)
    return left._replace(x=x1 - INSET, anchor="end") if crossed else left
