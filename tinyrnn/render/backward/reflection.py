"""What meets each mark of the forward pass on the way back.

copy ↔ +      parts ↔ ∥      × ↔ ×      @ ↔ @      tanh ↔ tanh′      hₜ ↔ δhₜ = ∂L/∂hₜ      W ↔ ΔWₜ, a share of ∂L/∂W
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import replace

from ..notation import SYMBOLS
from ..picture import Label, Mark, Picture, Use

_LINEAR = {"×", "@", "Σ"}  # the derivative of these is of their own kind
_COPIED = {"add", "total", "concatenate", "stack"}  # the gradient of these goes to all of their arguments, whole or in parts


def reflect(picture: Picture, carrying: Container[Use]) -> None:
    """Give every mark the one that meets it on the way back; a parameter with one share only has all of its gradient there."""
    shares = {link.tail for link in picture.links if link.tail.copy_of is None and any(use in carrying for use in link.uses)}
    shares |= {link.head.copy_of for link in picture.links if link.head.copy_of}
    uses = Counter(mark.node for mark in shares if mark.role == "parameter")
    for mark in picture.marks:
        role, label = ("gradient of parameter", whole(mark)) if uses[mark.node] == 1 else _reflection(mark)
        mark.back = replace(mark, role=role, label=label, rows=(), back=None)


def whole(mark: Mark) -> Label:
    """What the gradient of a parameter is called."""
    return Label("∂L/∂" + mark.label.text, mark.label.sub, mark.label.timed)


def _reflection(mark: Mark) -> tuple[str, Label]:
    role, label = mark.role, mark.label
    if role == "bend":
        return role, label
    if role == "copy":
        return "sum", Label(
            "+" if mark.node.shape is not None else SYMBOLS["stack" if mark.node.op == "unstack" else "concatenate"]
        )
    if role == "parameter":
        return "share", Label("Δ" + label.text, label.sub, timed=True)
    if role not in ("arithmetic", "activation"):
        return "gradient", Label("δ" + label.text, label.sub, label.timed)
    if mark.node.op in _COPIED:
        return "copy of gradient", Label("")
    if mark.node.op in ("sub", "neg"):
        return role, Label("−")
    if label.text.strip("0123456789.e−·⁻") in _LINEAR:
        return role, label
    prime = "(·²)′" if label.text == "(·)²" else label.text + "′"
    return role, Label(prime, label.sub)
