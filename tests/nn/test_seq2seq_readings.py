"""Encoder-decoders as they are read: folded, drawn, explained by equations that compute what autograd computes."""

import numpy as np
import pytest

import tinyrnn as tr
from tests.render.blemishes import blemishes
from tinyrnn import bptt, nn, render
from tinyrnn.graph import at, here
from tinyrnn.tape import faithful

from .seq2seq_models import MODELS, START, V, W, model_of

KINDS = [kind for kind in MODELS if kind != "plain"]


def loss_of(kind, steps, padded=False, sampling=0.0):
    model, rng = model_of(kind), np.random.default_rng(1)
    source, target = rng.integers(V, size=(steps, 2)), rng.integers(W, size=(steps, 2))
    read = np.concatenate([np.full((1, 2), START), target[:-1]])
    model.sampling = sampling
    with at(here().place):
        return nn.cross_entropy(model(source, read, lengths=[steps, max(1, steps - 2)] if padded else None), target)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fold_does_not_grow_with_the_sequences(kind, padded, backward):
    sizes, loops = [], []
    for steps in (6, 17):
        graph = tr.tape(loss_of(kind, steps, padded), backward=backward)
        fold = graph.fold()
        assert faithful(fold, graph)
        sizes.append(len(fold.operations))
        loops.append([len(loop.steps) for loop in fold.loops])
    assert sizes[0] == sizes[1]
    assert not backward or set(loops[1]) <= {17, 16, 1}
    assert backward or set(loops[1]) == {17}  # no step is left out of the loops: neither the first nor the last


def test_scheduled_sampling_folds_but_for_the_first_step():
    sizes = []
    for steps in (6, 17):
        tr.manual_seed(0)
        graph = tr.tape(loss_of("Luong, dot", steps, sampling=0.5))
        assert faithful(graph.fold(), graph)
        sizes.append(len(graph.fold().operations))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("kind", KINDS)
def test_equations_agree_with_autograd_also_at_another_length(kind, padded):
    equations = bptt.equations(loss_of(kind, 6, padded))
    for steps in (6, 9):
        loss = loss_of(kind, steps, padded)
        there = bptt.equations(loss)
        value, gradients = equations.run(**there.lengths, **there.arguments)
        np.testing.assert_allclose(value, loss.item(), rtol=1e-10)
        leaves = [v for v in tr.graph.history(loss) if v.op is None and v.requires_grad]
        assert len(gradients) == len(leaves)
        for (name, gradient), expected in zip(gradients.items(), tr.grad(loss, leaves)):
            np.testing.assert_allclose(gradient, expected.numpy(), rtol=1e-8, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("steps", [1, 3, 60])
@pytest.mark.parametrize("kind", ["plain", "Bahdanau", "Bahdanau, LSTM", "Luong, dot", "Luong, GRU"])
def test_a_drawing_has_no_blemishes(kind, steps):
    assert list(blemishes(render.draw(tr.tape(loss_of(kind, steps, padded=True))))) == []


def test_a_rolled_drawing_names_what_attention_gives(tmp_path):
    tr.tape(loss_of("Luong, general", 9)).rolled().render(tmp_path / "rolled.svg")
    svg = (tmp_path / "rolled.svg").read_text("utf-8")
    assert "context" in svg and "output" in svg and "attention" in svg
