"""Backpropagation through time, explained from the record: which step gave what, and how gradients fare on their way."""

from typing import TYPE_CHECKING, Any

from .contributions import Use, contributions, uses
from .flow import Flow, Saturation, TrackFlow, flow
from .jacobians import Jacobians, growth_rates, jacobians
from .matrix import ContributionMatrix, contribution_matrix
from .trace import trace
from .verdict import Verdict

if TYPE_CHECKING:
    from .derivation.equations import Equations, equations

__all__ = [
    "ContributionMatrix",
    "Equations",
    "Flow",
    "Jacobians",
    "Saturation",
    "TrackFlow",
    "Use",
    "Verdict",
    "contribution_matrix",
    "contributions",
    "equations",
    "flow",
    "growth_rates",
    "jacobians",
    "trace",
    "uses",
]


def __getattr__(name: str) -> Any:
    """The derivation of equations is loaded when it is first asked for: it is half of what is here."""
    if name in ("Equations", "equations"):
        from . import derivation

        return getattr(derivation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
