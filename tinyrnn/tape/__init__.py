"""The tape: a frozen snapshot of a history, all that drawing, explaining and compiling ever see; and its fold over time."""

from .folding import Fold, fold
from .keys import Moment
from .nodes import Constant, Node
from .snapshot import Graph, tape
from .unrolling import Call, faithful, unroll
from .wires import Affine, At, Delayed, Every, Fixed, Loop, Operation, Past, Straight, Table

__all__ = [
    *("Affine", "At", "Call", "Constant", "Delayed", "Every", "Fixed", "Fold", "Graph", "Loop", "Moment", "Node", "Operation"),
    *("Past", "Straight", "Table", "faithful", "fold", "tape", "unroll"),
]
