"""The tape: a frozen snapshot of a history, all that drawing, explaining and compiling ever see of a computation."""

from .snapshot import Constant, Graph, Node, tape

__all__ = ["Constant", "Graph", "Node", "tape"]
