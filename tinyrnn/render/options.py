"""What can be chosen about a drawing."""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

VIEWS = "unrolled", "rolled", "pair"
LEVELS = "primitives", "gates", "cells"
PASSES = "forward", "backward", "both"


@dataclass(frozen=True)
class Options:
    """What can be chosen about a drawing.

    Attributes
    ----------
    view : {"unrolled", "rolled", "pair"}
        The steps side by side; one step with delays for what it hands to the next one; or both, side by side.
    level : {"primitives", "gates", "cells"}
        How much a step shows: every operation; the gates of a cell as one record; or every cell as one box.
    passes : {"forward", "backward", "both"}
        The forward pass, the recorded backward pass as a network of its own, or both, one over the other.
    gradients : bool
        Whether to draw beside every arrow the gradient that flows back along it, as wide as the logarithm of its norm.
    exploding : float
        The norm above which a gradient is drawn as one that explodes.
    shapes : bool
        Whether to write the shape under every name.
    values : bool
        Whether to write under every name the number, or the norm of the array; with `gradients` also that of its gradient
        (of a parameter, the share that arrives through this step).
    fold : int or None
        The most steps of a time axis that are drawn in full: of a longer one its ends, with a gap between them that tells how
        many are left out.  None: all, as long as the drawing has no more than some 300 marks.
    background : str or None
        A colour; None: transparent.
    """

    view: str = "unrolled"
    level: str = "primitives"
    passes: str = "forward"
    gradients: bool = False
    exploding: float = 1e3
    shapes: bool = False
    values: bool = False
    fold: int | None = None
    background: str | None = "white"

    def __post_init__(self) -> None:
        for name, value, known in (("view", self.view, VIEWS), ("level", self.level, LEVELS), ("passes", self.passes, PASSES)):
            if value not in known:
                raise ValueError(f"{name} {value!r}: expected {', '.join(map(repr, known[:-1]))} or {known[-1]!r}")
        if not isinstance(self.exploding, int | float) or not self.exploding > 0:
            raise ValueError(f"exploding: expected a norm above which gradients explode, greater than 0; not {self.exploding!r}")
        if self.passes != "forward" and self.view != "unrolled":
            raise ValueError(f"the backward pass is drawn unrolled: leave view={self.view!r} out, or passes={self.passes!r}")
        if self.passes != "forward" and self.level != "primitives":
            raise ValueError(
                f"the backward pass is drawn of every operation: leave level={self.level!r} out, or passes={self.passes!r}"
            )
        if self.view == "rolled" and (self.gradients or self.values or self.passes != "forward"):
            raise ValueError(
                "gradients and values differ from step to step: draw them unrolled, or with view='pair' beside the rolled drawing"
            )
        if self.background is not None and not isinstance(self.background, str):
            raise TypeError(
                f"background: expected the name or the number of a colour, '#FFFFFF', or None; not {self.background!r}"
            )
        if self.fold is not None and (not isinstance(self.fold, int) or isinstance(self.fold, bool) or self.fold < 2):
            raise ValueError(f"fold: expected the most steps to draw in full, 2 or more, or None; not {self.fold!r}")

    @classmethod
    def of(cls, given: dict[str, Any]) -> Options:
        """The options of these names; TypeError if there is none of a name."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                close = get_close_matches(name, known, 1)
                meant = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
                raise TypeError(f"drawings have no option {name!r}: {meant}")
        return cls(**given)
