"""Training: the Trainer with its history, metrics, callbacks and logs."""

from .callbacks import Callback
from .history import History
from .metrics import Metric, accuracy, binary_accuracy, bits_per_character, mae, mse, perplexity
from .run import Run
from .trainer import Trainer

__all__ = [
    "Callback",
    "History",
    "Metric",
    "Run",
    "Trainer",
    "accuracy",
    "binary_accuracy",
    "bits_per_character",
    "mae",
    "mse",
    "perplexity",
]
