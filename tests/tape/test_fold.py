"""Folding over time: faithful at every length, and of one size at all but the shortest."""

import pytest

import tinyrnn as tr
from tests.render.models import MODELS
from tinyrnn.tape import faithful

LENGTHS = (1, 2, 3, 4, 7, 40)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("name", MODELS)
def test_a_fold_is_the_graph_and_no_larger_when_the_sequence_is_longer(name, backward):
    sizes = {}
    for steps in LENGTHS:
        graph = tr.tape(MODELS[name](steps), backward=backward)
        fold = graph.fold()
        assert fold is graph.fold()
        assert faithful(fold, graph)
        sizes[steps] = len(fold.operations)
    assert sizes[7] == sizes[40]
