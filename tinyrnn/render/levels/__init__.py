"""How much a step shows: every operation, the gates of a cell as one record, or every cell as one box."""

from __future__ import annotations

from ..picture import Picture
from .cells import show_cells
from .frames import with_frames
from .gates import show_gates

_SHOWN = {"primitives": lambda picture: picture, "gates": show_gates, "cells": show_cells}


def at_level(picture: Picture, level: str) -> Picture:
    """The picture of all operations, made coarser; what stays keeps its slot and its looks."""
    picture = with_frames(_SHOWN[level](picture))
    for number, mark in enumerate(picture.marks):
        mark.number = number
    return picture
