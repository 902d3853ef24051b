"""The rolled drawing: one step for all of them, and a delay for everything that it hands to another step.

z⁻¹ stands for what the step before has computed, z⁺¹, where time runs backwards, for what the step after has computed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

from .. import curve, cuts, notation, style
from ..drawing import Arrow, Box, Drawing, Text
from ..picture import Axis, Label, Link, Mark, Picture
from ..reading.beginnings import position
from .routes import LOOP, Route
from .unrolled import CAPTION, Unrolled, module_titles

SIGN, UNROLL = 34.0, style.Stroke(style.CAPTION, 2.5)  # the arrow from the rolled drawing to the unrolled one
DROP, ROOM = 25.0, (26.0, 19.0)  # from one delay to the next one below it, and the size of one


def roll(picture: Picture) -> Picture:
    """The picture with one step of each axis, which stands for all; what it reads of another step it reads of itself, delayed."""
    return _Roller(picture).picture()


class _Roller:
    def __init__(self, picture: Picture) -> None:
        self.old = picture
        self.axis = {axis.number: axis for axis in picture.axes}
        self.model = {axis.number: _model(axis, picture.marks) for axis in picture.axes}
        self.marks: dict[Mark, Mark] = {}
        self.at: dict[tuple, Mark] = {}
        for mark in sorted(picture.marks, key=self.is_repeated):  # what does not occur at that step is taken from another one
            if not self.is_timed(mark):
                self.marks[mark] = self.rolled(mark)
            elif (mark.axis, mark.slot) not in self.at:
                self.marks[mark] = self.at[mark.axis, mark.slot] = self.rolled(mark)
        self.links: dict[tuple, Link] = {}
        self.ends: dict[tuple, list[Link]] = defaultdict(list)  # what an arrow stands for

    def picture(self) -> Picture:
        self.regular = self._regular()
        for link in self.old.links:
            self.roll(link)
        for key, link in self.links.items():
            link.partial = not link.over and self.is_partial(key[0], self.ends[key])
        for number, mark in enumerate(self.marks.values()):
            mark.number = number
        axes = tuple(axis._replace(drawn=(self.model[axis.number],)) for axis in self.old.axes)
        return Picture(list(self.marks.values()), list(self.links.values()), axes, self.old.framed)

    def _regular(self) -> set[tuple]:
        """Of the delayed arrows to an argument the usual one: of several as usual a sum to itself, or else that at the model."""
        delayed = [link for link in self.old.links if self.delay(link)]
        times = Counter(map(self.way, delayed))
        delayed.sort(key=lambda k: (times[self.way(k)], k.tail.slot == k.head.slot, k.head.column == self.model[k.head.axis]))
        return set({position(link): self.way(link) for link in delayed}.values())

    def way(self, link: Link) -> tuple:
        """Which argument of what an arrow leads to, where it comes from, and from how long ago, at any step."""
        return position(link), link.tail.slot, self.delay(link)

    def is_timed(self, mark: Mark) -> bool:
        """Does it belong to a step?"""
        return isinstance(mark.column, int) and not mark.initial

    def is_repeated(self, mark: Mark) -> bool:
        """Does it belong to a step for which another one stands?"""
        return self.is_timed(mark) and mark.column != self.model[mark.axis]

    def rolled(self, mark: Mark) -> Mark:
        """It at step t; states from before the first step keep their times."""
        if isinstance(mark.column, str):
            return replace(mark)
        if mark.initial:
            before = mark.column < min(self.axis[mark.axis].drawn)
            return replace(mark, column=self.model[mark.axis] + (-1 if before else 1))
        late = (mark.time or 0) - mark.column - 1
        clock = f"t{late:+d}".replace("-", "−") if late else "t"
        label = Label(mark.label.text, mark.label.at(clock))
        return replace(mark, label=label, column=self.model[mark.axis], time=None)

    def roll(self, link: Link) -> None:
        tail, head = (self.marks.get(mark) or self.at.get((mark.axis, mark.slot)) for mark in (link.tail, link.head))
        if tail is None or head is None:
            return
        delay = self.delay(link)
        if delay and self.way(link) not in self.regular:
            return
        key = (tail, head), link.detached, delay
        self.links.setdefault(key, replace(link, tail=tail, head=head, over=-delay))
        self.ends[key].append(link)

    def delay(self, link: Link) -> int:
        """How many steps ago was computed what an arrow from step to step carries?  Of any other arrow, 0."""
        inside = self.is_timed(link.tail) and self.is_timed(link.head) and link.tail.axis == link.head.axis
        return link.delay if inside else 0

    def is_partial(self, ends: tuple[Mark, Mark], links: list[Link]) -> bool:
        """Do these arrows, all from and to the same mark, run at the first or at the last step only?"""
        for end, other, olds in zip(ends, ends[::-1], ({k.tail for k in links}, {k.head for k in links})):
            begins = other.initial and other.axis == end.axis
            if self.is_timed(end) and not begins and self.model[end.axis] not in {mark.column for mark in olds}:
                return True
        return False


def _model(axis: Axis, marks: list[Mark]) -> int:
    """The step that stands for all: if possible one with a past and a future, and with as many marks as any of these."""
    many = Counter(mark.column for mark in marks if mark.axis == axis.number and not mark.initial)
    return max(axis.drawn[1:-1] or axis.drawn, key=lambda t: (many[t], t))


def _is_running_sum(link: Link) -> bool:
    """Does a sum go on with what it was at the step before?"""
    return link.tail.label.text == "+" and link.tail is link.head


class Rolled(Unrolled):
    """The columns of a rolled drawing: the cell of each axis once, arranged as in the unrolled one.

    Parameters
    ----------
    picture : Picture
        That of the unrolled drawing.
    unrolled : Unrolled
    prefix : str
        What the names of its boxes begin with.
    """

    def __init__(self, picture: Picture, unrolled: Unrolled, prefix: str = "m") -> None:
        self.prefix = prefix
        self.steps_of = {axis.number: axis.steps for axis in picture.axes}
        rolled = roll(picture)
        axes = tuple(axis._replace(steps=axis.drawn) for axis in rolled.axes)
        super().__init__(rolled._replace(axes=axes), unrolled.lane, unrolled.cells)

    def box(self, mark: Mark) -> Box:
        tip = mark.tip.removesuffix(f"t = {mark.column + 1}") + "every t" if isinstance(mark.column, int) else mark.tip
        return super().box(mark)._replace(tip=mark.tip if mark.initial else tip, name=f"{self.prefix}{mark.number}")

    def _height(self, link: Link, route: Route) -> float:
        if route.bus != LOOP:
            return super()._height(link, route)
        return self.bottom + 6.0 - DROP * (self.routes.track(link, route) + 1)

    def loops(self) -> dict[tuple, list[Link]]:
        """The arrows from a step to another one, by what they carry and from when."""
        found = defaultdict(list)
        for link in self.links:
            if link.over:
                found[link.tail, link.over].append(link)
        return found

    def delay(self, link: Link, name: str) -> Box:
        """What stands on the way of such an arrow."""
        route = self.routes.of(link)
        steps = f"{abs(link.delay)} step{'s' * (abs(link.delay) > 1)} {'earlier' if link.delay > 0 else 'later'}"
        label = Label("z" + notation.superscript(f"{-link.delay:+d}"))
        x = sum(self._legs(link, route)) / 2
        return Box(x, self._height(link, route), *ROOM, "delay", label, None, (), f"{link.tail.label.text}, {steps}", name)

    def name_after(self, link: Link, delay: Box) -> Text:
        """What an arrow carries after the delay: hₜ₋₁, or Σₜ₋₁ if it is a running sum."""
        label, way = link.tail.label, self.routes.of(link).way
        label = Label("Σ", "t") if _is_running_sum(link) else label
        edge = delay.x - way * (delay.width / 2 + 4.0)
        return Text(
            edge,
            delay.y + 8.0,
            label.text,
            "end" if way > 0 else "start",
            color=style.ARROWS[link.kind].color,
            sub=f"{label.sub}{-link.delay:+d}".replace("-", "−"),
        )

    def through(self, link: Link, delay: Box) -> tuple[curve.Chain, curve.Chain]:
        """The way from a mark to its delay, and the way on from there."""
        route = self.routes.of(link)
        here = self.places[link.tail.where]
        out = self.routes.exit(link, here)
        into = self.routes.entrance(link, here)
        (first, last), y, half = self._legs(link, route), delay.y, route.way * delay.width / 2
        return (
            curve.rounded([*out, (first, out[-1][1]), (first, y), (delay.x + half, y)]),
            curve.rounded([(delay.x - half, y), (last, y), (last, into[0][1]), *into]),
        )


def beside(drawing: Drawing, picture: Picture, unrolled: Unrolled) -> Drawing:
    """The rolled drawing, and to the right of it the unrolled one."""
    left = Drawing(drawing.background)
    draw(left, Rolled(picture, unrolled, prefix="r"))
    edge, y = left.bounds()[2], max((frame.y1 for frame in left.frames), default=0.0) / 2
    both = left.beside(drawing, 3 * SIGN)
    both.arrows.append(Arrow(curve.rounded([(edge + SIGN, y), (edge + 2 * SIGN, y)]), UNROLL))
    both.texts.append(Text(edge + 1.5 * SIGN, y + 10.0, "unroll"))
    return both


def draw(drawing: Drawing, rolled: Rolled) -> None:
    """Draw it; what runs at some steps only has dashes of its own."""
    name = {mark: rolled.box(mark).name for mark in rolled.marks}
    drawing.frames += rolled.frames()
    drawing.boxes += [rolled.box(mark) for mark in rolled.marks]
    for link in sorted(rolled.links, key=lambda link: (link.kind == "recurrent", link.kind)):
        if not link.over:
            stroke = style.ARROWS[link.kind]
            if link.partial and link.kind != "severed":
                stroke = stroke._replace(dash="dash-dotted")
            drawing.arrows.append(Arrow(rolled.chain(link), stroke, ends=(name[link.tail], name[link.head])))
    for number, ((tail, _), links) in enumerate(rolled.loops().items()):
        delay = rolled.delay(links[0], f"{rolled.prefix}z{number}")
        drawing.boxes.append(delay)
        if tail.label.sub.endswith("t") or _is_running_sum(links[0]):  # what comes out of it is hₜ₋₁
            drawing.texts.append(rolled.name_after(links[0], delay))
        stroke = style.ARROWS[links[0].kind]
        drawing.arrows.append(Arrow(rolled.through(links[0], delay)[0], stroke, ends=(name[tail], delay.name)))
        for link in links:
            drawing.arrows.append(Arrow(rolled.through(link, delay)[1], stroke, ends=(delay.name, name[link.head])))
    for axis in rolled.axes:
        _caption(drawing, rolled, axis)
    drawing.texts += module_titles(rolled.places.values())
    cuts.draw(drawing)


def _caption(drawing: Drawing, rolled: Rolled, axis: Axis) -> None:
    """Write under the step how often it runs."""
    cell, steps = rolled.cells[axis.number], rolled.steps_of[axis.number]
    (x,) = rolled.steps(axis)
    middle = x + cell.width / 2
    drawing.texts.append(Text(middle, -CAPTION / 2, f"× {len(steps)}", size=12.0))
    if axis.name:
        drawing.texts.append(Text(middle, -CAPTION * 1.5, axis.name))
