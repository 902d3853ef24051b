"""Folding over time: faithful at every length, and of one size at all but the shortest."""

import pytest

import tinyrnn as tr
from tests.render.models import MODELS
from tests.tape.networks import NETWORKS
from tinyrnn.graph import at, here
from tinyrnn.tape import faithful

ALL = {**MODELS, **NETWORKS}
LENGTHS = (1, 2, 3, 4, 7, 40)
GROWING = {"no steps", "attention over the past", "truncated often"}  # what differs from step to step stays unrolled


def recorded(name, steps, backward=False):
    with at(here().place):  # no loop of an earlier test is gone on with
        return tr.tape(ALL[name](steps), backward=backward)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("name", ALL)
def test_a_fold_is_the_graph_and_no_larger_when_the_sequence_is_longer(name, backward):
    sizes = {}
    for steps in LENGTHS:
        graph = recorded(name, steps, backward)
        fold = graph.fold()
        assert fold is graph.fold()
        assert faithful(fold, graph)
        sizes[steps] = len(fold.operations)
    assert (sizes[7] == sizes[40]) == (name not in GROWING) or (name == "attention over the past" and not backward)
