"""The backward pass as a network of its own: BPTT as a picture.

Backpropagation runs every arrow the other way.  What the forward pass copies, the backward pass adds up; what it adds, the
backward pass copies; every other operation is met by its derivative.  So the backward graph needs no layout of its own: it is
the forward one, its arrows turned round; drawn over the forward pass it stands on its head, the loss in the middle.

One thing has no mirror image: the gradient of a shared weight, a sum over all steps (see `rails`).
"""

from __future__ import annotations

from collections import Counter

from ... import backend
from .. import curve, style
from ..curve import Chain
from ..drawing import Arrow, Box, Drawing, Frame, Text
from ..flow import Flow, Scale, norms
from ..picture import AFTER, Link, Mark, Picture
from ..style import Stroke
from ..views.unrolled import Unrolled
from .adjoints import Adjoints

TURN, ENTRY = 30.0, 18.0  # from the forward pass to the backward one; the arrow into one that stands alone
_SIZED = ("gradient", "share", "sum", "gradient of parameter")
WITHIN, BETWEEN = Stroke(style.GRADIENT, 1.1, "dashed"), Stroke(style.GRADIENT, 1.6, "dashed")  # a step, and two steps


class Mirror:
    """The backward pass of a picture that has been drawn.

    Parameters
    ----------
    picture : Picture
        With copies, and with what meets each mark.
    unrolled : Unrolled
        Where everything is.
    forward : Drawing
        The forward pass.
    flow : Flow
    adjoints : Adjoints
        The recorded backward pass.
    scale : Scale or None
        How wide the arrows are, if their width tells a norm.
    over : bool
        Is it drawn over the forward pass, or in its place?
    """

    def __init__(
        self,
        picture: Picture,
        unrolled: Unrolled,
        forward: Drawing,
        flow: Flow,
        adjoints: Adjoints,
        scale: Scale | None,
        over: bool,
    ) -> None:
        self.unrolled, self.forward, self.adjoints, self.scale, self.over = unrolled, forward, adjoints, scale, over
        self.axis = forward.bounds()[3] + TURN / 2
        self.links = {(f"m{link.tail.number}", f"m{link.head.number}"): link for link in picture.links}
        self.norms = norms(picture.links, flow)
        self.marks = {f"m{mark.number}": mark for link in self.norms for mark in (link.tail, link.head)}
        self.leaving = Counter(link.head for link in self.norms)

    def draw(self) -> Drawing:
        """The backward pass, without the rails."""
        drawing = Drawing()
        drawing.frames = [self.frame(f) for f in self.forward.frames]
        drawing.boxes = [self.box(box) for box in self.forward.boxes if box.name in self.marks]
        for arrow in self.forward.arrows:
            link = self.links.get(arrow.ends) if arrow.ends else None
            if link in self.norms:
                drawing.arrows.append(self.arrow(link, arrow.chain))
        texts = [t for t in self.forward.texts if t.y > 0 or not self.over]  # one "t = 1" is enough
        drawing.texts = [t._replace(y=self.y(t.y)) for t in texts]
        self.turn(drawing)
        return drawing

    def y(self, y: float) -> float:
        """Where something of the forward pass is in the backward one."""
        return 2 * self.axis - y if self.over else y

    # -- shapes ----------------------------------------------------------------------------------------------------

    def frame(self, f: Frame) -> Frame:
        low, high = sorted((self.y(f.y0), self.y(f.y1)))
        return f._replace(y0=low, y1=high)

    def box(self, box: Box) -> Box:
        mark = self.marks[box.name]
        back = mark.back
        assert back is not None  # `reflect` gave every mark one
        role = "bend" if back.role == "copy of gradient" and self.leaving[mark] == 1 else back.role
        return Box(
            box.x, self.y(box.y), box.width, box.height, role, back.label, back.time, back.rows, self.tip(mark), f"b{mark.number}"
        )

    def tip(self, mark: Mark) -> str:
        """What a reader who points at what meets a mark is told: what it is, how it was computed, and how large it is."""
        back, adjoints = mark.back, self.adjoints
        assert back is not None
        name = f"∂L/∂{(mark.copy_of or mark).title}"
        if back.role == "sum":
            what = [f"{name}: {adjoints.terms(mark.node)} shares"]
        else:
            what = [f"{back.title} = {name}" if back.role == "gradient" else back.title or name]
        what += dict.fromkeys(node.op for node in adjoints.shown.get(mark, ()) if node.op)
        size = adjoints.size(mark) if back.role in _SIZED else None
        return "  ·  ".join([*what, f"‖·‖ = {size:.3g}"] if size is not None else what)

    def arrow(self, link: Link, forward: Chain) -> Arrow:
        chain = [(x, self.y(y)) for x, y in reversed(forward)]
        size = self.norms[link]
        what = f"∂L/∂{link.carries}" + (f" through {link.head.title}" if link.uses else "")
        ends = f"b{link.head.number}", f"b{link.tail.number}"
        stroke = self.stroke(size, link.recurrent)
        return Arrow(chain, stroke, f"‖{what}‖ = {size:.3g}", ends, from_tip=self.unrolled.bus(link) != AFTER)

    def stroke(self, size: float, between: bool) -> Stroke:
        """The line of a gradient of that norm, within a step or between two."""
        return self.scale.stroke(size) if self.scale else BETWEEN if between else WITHIN

    def turn(self, drawing: Drawing) -> None:
        """Where the forward pass ends the backward one begins: with ∂L/∂L = 1, or, of a part, with what arrives from outside."""
        boxes = {box.name: box for box in self.forward.boxes}
        for mark in {link.head for link in self.norms} - {link.tail for link in self.norms}:
            box = boxes[f"m{mark.number}"]
            top = box.y + box.height / 2
            ends, corners = None, [(box.x, self.forward.bounds()[3] + ENTRY), (box.x, top)]
            if self.over:
                ends, corners = (box.name, f"b{mark.number}"), [(box.x, top), (box.x, self.y(top))]
            drawing.arrows.append(Arrow(curve.rounded(corners), self.stroke(1.0, between=False), ends=ends))
            y = self.axis if self.over else corners[0][1] - 4.0
            drawing.texts.append(Text(box.x + 5.0, y, _beginning(mark), "start", 8.0))


def _beginning(mark: Mark) -> str:
    """What is written where the backward pass begins."""
    node = mark.node
    seed = node.shape == () and node.gradient is not None and float(backend.to_host(node.gradient)) == 1.0
    return f"∂{mark.title}/∂{mark.title} = 1" if seed else f"∂L/∂{mark.title}"
