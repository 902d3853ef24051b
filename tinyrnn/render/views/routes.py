"""Which way each arrow between two columns takes: through the gutter between neighbours, else along a bus.

What comes from before a loop takes the lower bus, what leaves it or leaps over a step the upper one.  All arrows that carry the
same thing share a lane in the gutters, and a track of their bus.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..curve import Point
from ..lanes import ABOVE, BELOW, Net, arranged
from ..picture import AFTER, BEFORE, Link, Mark, Slot, Where
from .columns import Passed, Place

MOST_APART = 12  # tracks for one thing
LOOP = "loop"  # the bus of what a step hands to another one, where all of them are drawn as one
LOW, HIGH = -5.5, 2.5  # where the arrow to the next step and that to the bus leave a mark that has both
DOORS = 12.0  # from one state that comes into a module to the next
Lane = tuple[int, str, Slot]  # a kind of gutter, a part of the way, and what it carries
Thing = tuple[str, str, Slot]  # at which side it goes along a bus, a part of the way, and what it is


class Route(NamedTuple):
    """The direction of an arrow (+1: to the right), its bus, if any, and its lanes where it leaves and where it arrives."""

    way: int
    bus: str | None
    out: Lane
    into: Lane
    direct: bool = False  # is one gutter enough?


class Routes:
    """The ways between all columns.

    Parameters
    ----------
    links : iterable of Link
    order : list of Where
        The columns from left to right.
    places : dict
        The place of each column; only its height counts.
    alike : bool
        Whether all gutters of an axis have the same lanes, so that its steps look the same.
    """

    def __init__(self, links: Iterable[Link], order: list[Where], places: dict[Where, Place], alike: bool = True) -> None:
        self.gutters = [axis if alike else i for i, (axis, _) in enumerate(order)]
        self.gutters.append(self.gutters[-1] if alike and order else len(order))
        self.order, self.position = order, {where: i for i, where in enumerate(order)}
        links = list(links)
        self.apart = _find_apart(links)
        self.kinds: dict[tuple, Link] = {}  # one for all the arrows that differ by their step only
        for link in links:
            if leaves(link):
                self.kinds.setdefault(self.kind(link), link)
        self.forked = self._find_forks()
        self.passed = {side: self._find_passed(places, side) for side in (+1, -1)}
        self.doors = self._find_doors(places)
        self.lanes = self._number_lanes(places)
        self.width = Counter(gutter for gutter, _, _ in self.lanes)  # how many lanes a gutter has
        self.tracks: dict[Thing, tuple[int, int]] = {}  # of a thing on a bus: its first track, and how many it has
        self.spans: dict[Thing, tuple[int, int]] = {}  # from which to which column it goes

    def kind(self, link: Link) -> tuple:
        """What is the same of all arrows that have the same shape."""
        tail, head = link.tail, link.head
        return tail.slot, tail.initial, head.slot, head.initial, bool(link.over), *self.of(link)

    def of(self, link: Link) -> Route:
        """The way of an arrow from one column to another."""
        tail, head, slot = link.tail, link.head, link.tail.slot
        i, j = self.position[tail.where], self.position[head.where]
        if i == j:
            way, part = (1 if link.delay > 0 else -1), f"{LOOP} {link.delay}"
            return Route(way, LOOP, self._leg(i, way, part, slot), self._leg(i, -way, part, slot))
        way = 1 if i < j else -1
        bus = BEFORE if tail.column == BEFORE else AFTER
        if tail.axis != head.axis or not link.recurrent:
            slot = (slot, head.slot) if slot in self.apart else slot
        if abs(i - j) == 1:
            timed = link.recurrent and tail.axis == head.axis
            leg = self._leg(max(i, j), -1, "state" if timed else bus, slot)
            return Route(way, None if timed else bus, leg, leg, direct=True)
        if link.recurrent and tail.axis == head.axis:
            return Route(way, bus, self._leg(i, way, "leap", slot), self._leg(j, -way, "land", slot))
        return Route(way, bus, self._leg(i, way, bus, slot), self._leg(j, -way, bus, slot))

    def _leg(self, position: int, side: int, part: str, slot: Slot) -> Lane:
        """A lane at one side of a column: the gutter between two columns belongs to the right one."""
        return self.gutters[position + (side > 0)], part, slot

    def entrance(self, link: Link, place: Place) -> list[Point]:
        """The end of an arrow's way, into its head: all arrows to a mark end alike, but a module has a door for each of them."""
        way = self.of(link).way
        return place.entrance(link.head.slot, -way, self.passed[-1].get((link.head.slot, way), (0, 1)), self._door(link))

    def exit(self, link: Link, place: Place) -> list[Point]:
        """The beginning of an arrow's way, out of its tail."""
        route, slot = self.of(link), link.tail.slot
        return place.end(slot, route.way, self.passed[+1].get((slot, route.way), (0, 1)), self.shift(link, route))

    def _find_passed(self, places: dict[Where, Place], side: int) -> dict[tuple[Slot, int], Passed]:
        """For what arrows leave over its row (+1), or enter from under it (−1): how many others of the row they pass.

        With each the number of all in the row.
        """
        rows: dict[tuple, dict[Slot, float]] = defaultdict(dict)
        for link in self.kinds.values():
            mark, way = (link.tail if side > 0 else link.head), self.of(link).way
            cell, slot = places[mark.where].cell, mark.slot
            if not cell.clear(slot, side * way):
                rows[way, frozenset(cell.row(slot))][slot] = -side * way * cell.centre[slot][0]
        ordered = {name: sorted(row, key=row.__getitem__) for name, row in rows.items()}
        return {(slot, way): (i, len(row)) for (way, _), row in ordered.items() for i, slot in enumerate(row)}

    def _door(self, link: Link) -> float:
        """How far above the middle of its head's side an arrow comes in."""
        return self.doors.get((link.head.slot, self.of(link).way, link.tail.slot), 0.0)

    def _find_doors(self, places: dict[Where, Place]) -> dict[tuple[Slot, int, Slot], float]:
        """For what comes into a module from the side its door: the order is that in which they come from above."""
        doors: dict[tuple[Slot, int], dict[Slot, float]] = defaultdict(dict)
        for link in sorted(self.kinds.values(), key=lambda link: link.tail.initial):
            if link.head.role == "module":
                route, slot = self.of(link), link.tail.slot
                height = self.exit(link, places[link.tail.where])[-1][1]
                height = height if route.direct else ABOVE if route.bus == AFTER else BELOW
                doors[link.head.slot, route.way].setdefault(slot, height)
        shifts = {}
        for (head, way), tails in doors.items():
            apart = min(DOORS, 2 * DOORS / max(1, len(tails) - 1))
            for number, slot in enumerate(sorted(tails, key=lambda slot: -tails[slot])):
                shifts[head, way, slot] = apart * ((len(tails) - 1) / 2 - number)
        return shifts

    def shift(self, link: Link, route: Route) -> float:
        """How far above its middle an arrow leaves a mark."""
        if (link.tail.slot, link.tail.initial, route.way) not in self.forked:
            return 0.0
        return HIGH if route.bus == AFTER else LOW

    def _find_forks(self) -> set[tuple]:
        """The sides of marks at which an arrow to the neighbour leaves, and another one upwards."""
        ways = defaultdict(set)
        for link in self.kinds.values():
            route = self.of(link)
            ways[link.tail.slot, link.tail.initial, route.way].add(route.bus == AFTER)
        return {end for end, both in ways.items() if len(both) == 2}

    def _number_lanes(self, places: dict[Where, Place]) -> dict[Lane, int]:
        nets: dict[int, dict[Lane, Net]] = defaultdict(lambda: defaultdict(Net))
        for link in self.kinds.values():
            route = self.of(link)
            out, into = nets[route.out[0]][route.out], nets[route.into[0]][route.into]
            start = self.exit(link, places[link.tail.where])[-1][1]
            goal = self.entrance(link, places[link.head.where])[0][1]
            (out.left if route.way > 0 else out.right).add(start)
            (into.right if route.way > 0 else into.left).add(goal)
            if not route.direct:
                for net in (out, into):
                    net.ends.add(ABOVE if route.bus == AFTER else BELOW)
        return {lane: number for gutter in nets.values() for number, lane in enumerate(arranged(gutter))}

    def number_tracks(self, links: Iterable[Link], legs: Callable[[Link, Route], tuple[float, float]]) -> None:
        """Give each thing on a bus its tracks, the nearest first; `legs` tells where an arrow rises to the bus and leaves it."""
        nets: dict[str, dict[Thing, Net]] = defaultdict(lambda: defaultdict(Net))
        room: dict[Thing, int] = defaultdict(lambda: 1)
        for link in links:
            if leaves(link) and not (route := self.of(link)).direct:
                name = thing(route)
                ends = self.position[link.tail.where], self.position[link.head.where]
                first, last = self.spans.get(name, ends)
                self.spans[name] = min(first, *ends), max(last, *ends)
                nets[name[0]][name].left.update(legs(link, route))
                if route.out[1] == "leap":
                    room[name] = abs(ends[0] - ends[1])
        for things in nets.values():
            for name in arranged(things):
                beside = [n for n in things if n in self.tracks and things[n].overlaps(things[name])]
                first = max((sum(self.tracks[n]) for n in beside), default=0)
                self.tracks[name] = first, room[name]

    def track(self, link: Link, route: Route) -> int:
        """The number of an arrow's track on its bus; leaps from neighbouring steps take turns."""
        first, room = self.tracks[thing(route)]
        return first + min(self.position[link.tail.where], self.position[link.head.where]) % room


def thing(route: Route) -> Thing:
    """What shares a track: all arrows of one kind that carry the same."""
    return AFTER if route.bus == AFTER else BEFORE, *route.out[1:]


def _find_apart(links: list[Link]) -> set[Slot]:
    """What the steps hand on to different marks, if not to too many: on one track nobody could tell which goes where."""
    heads: dict[Slot, dict[Mark, set[Slot]]] = defaultdict(lambda: defaultdict(set))
    for link in links:
        if isinstance(link.tail.column, int) and isinstance(link.head.column, str):
            heads[link.tail.slot][link.tail].add(link.head.slot)
    return {slot for slot, of in heads.items() if 1 < len(of) <= MOST_APART and not set.intersection(*of.values())}


def leaves(link: Link) -> bool:
    """Does an arrow leave its column?"""
    return link.tail.where != link.head.where or bool(link.over)
