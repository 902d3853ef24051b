"""Plots of recurrent networks, with matplotlib: each takes Tensors, arrays or results of bptt, and returns its Axes."""

from .lines import contributions, gradient_norms, loss_curve
from .maps import attention, contribution_matrix, heatmap
from .spectra import jacobian_eigenvalues, jacobian_spectrum
from .text import text

__all__ = [
    "attention",
    "contribution_matrix",
    "contributions",
    "gradient_norms",
    "heatmap",
    "jacobian_eigenvalues",
    "jacobian_spectrum",
    "loss_curve",
    "text",
]
