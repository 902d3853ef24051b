"""The backward pass as a network: what it claims, checked against the record; and that it is legible."""

import pytest

import tinyrnn as tr
from tinyrnn import render

from .blemishes import blemishes
from .models import MODELS


def every_model(*steps):
    return [pytest.param(MODELS[name], t, id=f"{name}-{t}") for name in MODELS for t in (steps if name != "plain" else (1,))]


@pytest.mark.parametrize("model, steps", every_model(1, 3))
@pytest.mark.parametrize("passes", ["backward", "both"])
def test_nothing_overlaps(model, steps, passes):
    assert list(blemishes(render.draw(tr.tape(model(steps)), passes=passes))) == []


def test_an_unknown_pass_is_refused():
    with pytest.raises(ValueError, match="passes: expected 'forward', 'backward', 'both', not 'sideways'"):
        render.draw(tr.tape(MODELS["rnn"](2)), passes="sideways")
