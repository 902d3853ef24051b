"""Layers that carry their state from batch to batch (see `nn.Stateful`): reset, set aside, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..nn import Module


def carrying(model: Module) -> list[Any]:
    """The modules of a model that carry a state: those with a `memory` and a `reset`."""
    return [module for _, module in model.modules() if hasattr(module, "memory") and hasattr(module, "reset")]


def memories(model: Module) -> list[Any]:
    """What they carry, each with a `state_dict` and a `load_state_dict`."""
    return [module.memory for module in carrying(model)]


def forget(model: Module) -> None:
    """Begin anew, as at the beginning of an epoch."""
    for module in carrying(model):
        module.reset()


@contextmanager
def set_aside(model: Module) -> Iterator[None]:
    """Begin anew inside; afterwards go on from where they were."""
    before = [memory.state_dict() for memory in memories(model)]
    forget(model)
    try:
        yield
    finally:
        for memory, state in zip(memories(model), before):
            memory.load_state_dict(state)
