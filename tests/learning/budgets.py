"""How much each network may learn: its size, and how many batches it is shown, the same from every seed."""

from dataclasses import dataclass

SEEDS = range(3)


@dataclass(frozen=True)
class Budget:
    """A network of `hidden` units is shown `steps` batches of `batch` sequences; the learning rate is `lr` at its height."""

    hidden: int
    steps: int
    batch: int
    lr: float
    target: str  # in words, for the table of results


BUDGETS = {
    ("adding", "LSTM"): Budget(32, 700, 32, 0.02, "mse < 0.01"),
    ("adding", "GRU"): Budget(32, 700, 32, 0.02, "mse < 0.01"),
    ("adding", "RNN"): Budget(32, 700, 32, 0.02, "none: mse > 0.1"),
    ("parity", "LSTM"): Budget(32, 400, 64, 0.02, "99 % of sequences right"),
    ("parity", "GRU"): Budget(32, 400, 64, 0.02, "99 % of sequences right"),
    ("sine", "LSTM"): Budget(32, 1000, 64, 0.02, "mse < 0.001"),
    ("copying", "LSTM"): Budget(64, 4500, 64, 0.02, "99 % of symbols right"),
    ("reversal", "GRU, attention"): Budget(64, 1600, 64, 0.003, "99 % of words right"),
}
