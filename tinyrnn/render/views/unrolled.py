"""The unrolled drawing: one cell repeated over time, and the arrows between the steps.

Inside a step every position comes from its `Cell`; everything between the columns is drawn here, as axis-parallel lines with
rounded corners that keep to free ground: the sides of a row, the channels between two rows, the gutters between two columns,
and buses below and above them (see `routes`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .. import curve, cuts, style
from ..curve import Chain
from ..drawing import Arrow, Box, Drawing, Frame, Text
from ..levels.frames import titles
from ..picture import AFTER, Axis, Column, Link, Mark, Picture, Scope, Where
from ..step import lay_out
from ..step.cell import Cell
from ..step.nested import INSET, TITLE_SIZE
from ..step.shafts import dig
from .columns import Place, beginnings, in_order
from .routes import Route, Routes, leaves, thing

CAPTION, LANE = 15.0, 7.0  # the height of "t = 1", from one arrow of a gutter to the next
GAP, PAUSE = 74.0, 24.0  # the room for the steps left out, and between two time axes


class Unrolled:
    """The columns side by side.  Asked for a mark's box or a link's way, it gives them with coordinates.

    Parameters
    ----------
    picture : Picture
    lane : float
        From one arrow of a gutter to the next.
    cells : dict, optional
        The layout of a step of each axis, where it is known.

    Attributes
    ----------
    places : dict
        For each column, `mark.where`, its place on paper.
    gaps : dict
        For each axis with steps left out, where on the page they would be: from x to x.
    """

    def __init__(self, picture: Picture, lane: float = LANE, cells: dict[int, Cell] | None = None) -> None:
        self.marks, self.links, self.axes, self.lane = picture.marks, picture.links, picture.axes, lane
        self.framed = picture.framed
        self.order = in_order(self.marks)
        self.cells = cells or {axis.number: self._lay_out_step(axis) for axis in self.axes}
        self.places = self._stand_up()
        self.routes = Routes(self.links, self.order, self.places, alike=cells is None)
        self.gaps: dict[int, tuple[float, float]] = {}
        self._spread_out()
        self.bottom = -CAPTION * (2 if len(self.axes) > 1 else 1)
        self.routes.number_tracks(self.links, self._legs)
        self._templates: dict[tuple, Chain] = {}
        self._tops = {  # of all that a bus passes over
            name: max(self.places[where].top for where in self.order[first : last + 1])
            for name, (first, last) in self.routes.spans.items()
        }

    # -- columns -------------------------------------------------------------------------------------------------

    def _lay_out_step(self, axis: Axis) -> Cell:
        marks = [m for m in self.marks if m.axis == axis.number and isinstance(m.column, int) and not m.initial]
        links = [link for link in self.links if link.tail.axis == link.head.axis == axis.number]
        inside = [link for link in links if not leaves(link) and isinstance(link.head.column, int)]
        cell = lay_out(marks, [link for link in links if link.recurrent], inside, self.framed.get((axis.number, None), ()))
        cell.widen(Text(0.0, 0.0, axis.name).width)
        dig(cell, marks)
        return cell

    def _stand_up(self) -> dict[Where, Place]:
        """The columns, each at its height."""
        initial, outside = defaultdict(list), defaultdict(list)
        for mark in self.marks:
            if mark.initial:
                initial[mark.where].append(mark)
            elif isinstance(mark.column, str):
                outside[mark.where].append(mark)
        places = {}
        for where in self.order:
            axis, column = where
            if where in outside:
                cell = self._lay_out_block(outside[where])
            elif where in initial:
                cell = beginnings(initial[where], self.links, self.cells[axis])
            else:
                cell = self.cells[axis]
            top = self.cells[axis].height if column == AFTER and axis in self.cells else 0.0
            places[where] = Place(0.0, max(0.0, top - cell.height), cell)
        return places

    def _lay_out_block(self, marks: list[Mark]) -> Cell:
        where = marks[0].where
        inside = [link for link in self.links if link.tail.where == link.head.where == where]
        return lay_out(marks, [], inside, self.framed.get(marks[0].part, ()))

    def _spread_out(self) -> None:
        """Set the columns side by side."""
        first_hidden = {axis.number: min(set(axis.steps).difference(axis.drawn)) for axis in self.axes if axis.hidden}
        right, before = 0.0, None
        for where in self.order:
            axis, column = where
            x = right + (self.gutter(where) if before else 0.0)
            if before and before[0] != axis:
                x += PAUSE
            elif before and axis in first_hidden and _comes(before[1], first_hidden[axis], column):
                wide = max(GAP, Text(0.0, 0.0, left_out(self.axes[axis])).width + 10.0)
                self.gaps[axis] = right, right + wide
                x += wide
            self.places[where].x = x
            right, before = self.places[where].right, where

    def gutter(self, where: Where) -> float:
        """How wide the gutter to the left of a column is."""
        return 12.0 + self.lane * max(1, self.routes.width[self.routes.gutters[self.routes.position[where]]])

    # -- shapes --------------------------------------------------------------------------------------------------

    def box(self, mark: Mark) -> Box:
        place = self.places[mark.where]
        size = place.cell.size[mark.slot]  # as large at every step
        return Box(*place.centre(mark.slot), *size, mark.role, mark.label, mark.time, mark.rows, mark.tip, f"m{mark.number}")

    def bus(self, link: Link) -> str | None:
        """Which bus an arrow takes, if any: BEFORE is the lower one, AFTER the upper one."""
        return self.routes.of(link).bus if leaves(link) else None

    def chain(self, link: Link) -> Chain:
        """The way of an arrow, from the edge of its tail to the edge of its head."""
        if not leaves(link):
            place = self.places[link.tail.where]
            return curve.moved(place.cell.curves[link.tail.slot, link.head.slot], place.x, place.y)
        route = self.routes.of(link)
        if not route.direct or link.over:
            return self._way(link, route)
        kind, x = self.routes.kind(link), self.places[link.tail.where].x
        if kind not in self._templates:  # the same at every step
            self._templates[kind] = curve.moved(self._way(link, route), -x)
        return curve.moved(self._templates[kind], x)

    def _way(self, link: Link, route: Route) -> Chain:
        source, target = self.places[link.tail.where], self.places[link.head.where]
        out = self.routes.exit(link, source)
        into = self.routes.entrance(link, target)
        up, down = self._legs(link, route)
        over = [] if route.direct else [(up, self._height(link, route)), (down, self._height(link, route))]
        return curve.rounded([*out, (up, out[-1][1]), *over, (down, into[0][1]), *into])

    def _legs(self, link: Link, route: Route) -> tuple[float, float]:
        """Where between the columns an arrow goes up or down after its tail, and before its head."""
        if route.direct:
            x = self._lane(link.head.where if route.way > 0 else link.tail.where, -1, route.out)
            return x, x
        return self._lane(link.tail.where, route.way, route.out), self._lane(link.head.where, -route.way, route.into)

    def _lane(self, where: Where, side: int, lane: tuple) -> float:
        """Where a lane to the right (+1) or left (−1) of a column is."""
        place, number = self.places[where], self.routes.lanes[lane]
        return (place.right if side > 0 else place.x - self.gutter(where)) + self.lane * (number + 1)

    def _height(self, link: Link, route: Route) -> float:
        """The height of an arrow's track on its bus."""
        distance = self.lane * (self.routes.track(link, route) + 1)
        if route.bus != AFTER:
            return self.bottom - distance
        return self._tops[thing(route)] + 4.0 + distance

    def frames(self) -> list[Frame]:
        """A frame around every step, and those of modules."""
        frames = []
        for axis, column in self.places:
            place = self.places[axis, column]
            if place.cell is self.cells.get(axis):
                frames.append(Frame(place.x, 0.0, place.right, place.cell.height, style.PAPER))
            fill = "#FFFFFF" if place.cell is self.cells.get(axis) else style.PAPER
            frames += [
                Frame(place.x + x0, place.y + y0, place.x + x1, place.y + y1, fill)
                for x0, y0, x1, y1 in place.cell.frames.values()
            ]
        return frames

    def steps(self, axis: Axis) -> dict[float, int]:
        """Where the steps of an axis begin, each with its number."""
        drawn = [(axis.number, t) for t in axis.drawn if (axis.number, t) in self.places]
        return {self.places[where].x: where[1] for where in drawn}


def _comes(before: Column, hidden: int, after: Column) -> bool:
    """Does a hidden step come between these columns?"""
    return isinstance(before, int) and isinstance(after, int) and before < hidden < after


def left_out(axis: Axis) -> str:
    """What is written where steps are left out."""
    return f"⋯ {axis.hidden} step{'s' * (axis.hidden > 1)} ⋯"


def draw(drawing: Drawing, unrolled: Unrolled) -> None:
    """Draw the forward pass."""
    drawing.frames += unrolled.frames()
    drawing.boxes += [unrolled.box(mark) for mark in unrolled.marks]
    for link in sorted(unrolled.links, key=lambda link: (link.kind == "recurrent", link.kind)):  # the recurrent ones lie on top
        ends = f"m{link.tail.number}", f"m{link.head.number}"
        stroke = style.ARROWS[link.kind]
        if link.over and link.kind != "severed":
            stroke = stroke._replace(dash="dashed")
        drawing.arrows.append(Arrow(unrolled.chain(link), stroke, ends=ends))
    for axis in unrolled.axes:
        _caption(drawing, unrolled, axis)
    drawing.texts += module_titles(unrolled.places.values())
    cuts.draw(drawing)


def _caption(drawing: Drawing, unrolled: Unrolled, axis: Axis) -> None:
    """Write the time under each step, how many are left out, and the name of the axis."""
    cell, steps = unrolled.cells[axis.number], unrolled.steps(axis)
    for x, t in steps.items():
        drawing.texts.append(Text(x + cell.width / 2, -CAPTION / 2, f"t = {t + 1}"))
    if axis.number in unrolled.gaps:
        drawing.texts.append(Text(sum(unrolled.gaps[axis.number]) / 2, -CAPTION / 2, left_out(axis)))
    if axis.name:
        middle = sorted(steps)[(len(steps) - 1) // 2]  # not between two steps: there may be arrows
        drawing.texts.append(Text(middle + cell.width / 2, -CAPTION * 1.5, axis.name))


def module_titles(places: Iterable[Place]) -> list[Text]:
    """The names of the modules, at the same spot of every step."""
    at: dict[int, list[Text]] = {}
    texts = []
    for place in places:
        if id(place.cell) not in at:
            at[id(place.cell)] = [_title(place.cell, module, name) for module, name in titles(place.cell.frames).items()]
        texts += [name._replace(x=place.x + name.x, y=place.y + name.y) for name in at[id(place.cell)]]
    return texts


def _title(cell: Cell, module: Scope, name: str) -> Text:
    """The name of a module, in the upper left corner of its frame, or in the right one if an arrow runs through it."""
    x0, _, x1, y1 = cell.frames[module]
    left = Text(x0 + INSET, y1 - TITLE_SIZE, name, "start", TITLE_SIZE, tip=".".join(module))
    points = [p for chain in cell.curves.values() for p in curve.sampled(chain)]
    end = left.x + left.width + LANE
    crossed = any(x0 < x < end and abs(y - left.y) < TITLE_SIZE for x, y in points)
    return left._replace(x=x1 - INSET, anchor="end") if crossed else left
