"""Training: the Trainer with its history, metrics, callbacks and logs."""

from .callbacks import Callback
from .checkpoint import Checkpoint
from .history import History
from .logs import CSVLog, GradientNorms, TensorBoardLog
from .metrics import Metric, accuracy, binary_accuracy, bits_per_character, mae, mse, perplexity
from .run import Run
from .stopping import EarlyStopping
from .trainer import Trainer

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "GradientNorms",
    "History",
    "Metric",
    "Run",
    "TensorBoardLog",
    "Trainer",
    "accuracy",
    "binary_accuracy",
    "bits_per_character",
    "mae",
    "mse",
    "perplexity",
]
