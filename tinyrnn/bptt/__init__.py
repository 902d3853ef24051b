"""Backpropagation through time, explained from the record: which step gave what, and how gradients fare on their way."""

from .contributions import Use, contributions, uses
from .derivation import Equations, equations
from .flow import Flow, Saturation, TrackFlow, flow
from .jacobians import Jacobians, growth_rates, jacobians
from .matrix import ContributionMatrix, contribution_matrix
from .trace import trace
from .verdict import Verdict

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
