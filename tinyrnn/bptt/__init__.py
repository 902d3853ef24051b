"""Backpropagation through time, explained from the record: which step gave what, and how gradients fare on their way."""

from .contributions import Use, contributions, uses
from .matrix import ContributionMatrix, contribution_matrix

__all__ = ["ContributionMatrix", "Use", "contribution_matrix", "contributions", "uses"]
