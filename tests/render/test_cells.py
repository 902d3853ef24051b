"""Every cell and every wrapper, drawn: nothing overlaps, and the gates are called as in the equations."""

import re

import pytest

import tinyrnn as tr
from tests.tape.networks import CELLS, sequence
from tinyrnn import nn, render

from .blemishes import blemishes

GATES = {
    "peephole LSTM": "ifgo",
    "LSTM with projection": "ifgo",
    "layer-normalised LSTM": "ifgo",
    "layer-normalised GRU": "rzn",
    "MGU": "fn",
    "variational dropout": "rzn",
    "zoneout": "ifgo",
    "weight drop": "ifgo",
}


def loss(name, steps):
    tr.manual_seed(0)
    y, _ = nn.Recurrent(CELLS[name]())(sequence(steps))
    return tr.mean(y * y)


@pytest.mark.parametrize("steps", [2, 4])
@pytest.mark.parametrize("name", CELLS)
def test_nothing_overlaps(name, steps):
    for options in ({}, {"level": "gates", "gradients": True}, {"level": "cells"}, {"passes": "both"}):
        assert list(blemishes(render.draw(tr.tape(loss(name, steps)), **options))) == []


@pytest.mark.parametrize("name", GATES)
def test_gates_have_their_names(name):
    text = re.sub(r"<[^>]*>", " ", render.svg(tr.tape(loss(name, 2)), level="gates"))
    for gate in GATES[name]:
        assert re.search(rf"\b{'tanh' if gate in 'gn' else 'σ'}\s+{gate}\b", text), gate


@pytest.mark.parametrize("name", ["layer-normalised LSTM", "layer-normalised GRU"])
def test_a_normalisation_is_one_mark(name):
    text = render.svg(tr.tape(loss(name, 2)))
    assert text.count(">standardise<") == 2 * sum(isinstance(m, nn.LayerNorm) for _, m in CELLS[name]().modules())
