"""Plots of recurrent networks, with matplotlib: each takes Tensors, arrays or results of bptt, and returns its Axes."""

from .attention_maps import attention
from .lines import contributions, gradient_norms, loss_curve
from .maps import contribution_matrix, heatmap
from .next_symbol import distribution
from .spectra import jacobian_eigenvalues, jacobian_spectrum
from .text import text

__all__ = [
    "attention",
    "contribution_matrix",
    "contributions",
    "distribution",
    "gradient_norms",
    "heatmap",
    "jacobian_eigenvalues",
    "jacobian_spectrum",
    "loss_curve",
    "text",
]
