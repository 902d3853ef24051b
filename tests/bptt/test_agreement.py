"""The recorded backward pass, contributions and the flow of gradients are readings of one record: they agree to the last bit."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import bptt, nn

from .models import run


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "GRU, reset before", "bidirectional LSTM of two layers"])
def test_contributions_are_the_terms_that_the_backward_graph_adds_up(name):
    layer, _, loss = run(name)
    graph = tr.tape(loss, backward=True, values=True)
    for parameter in layer.parameters():
        sums = [n for n in graph.nodes if n.adjoint is not None and n.adjoint.op is None and n.adjoint.value is parameter.data]
        assert len(sums) == 1 and len(sums[0].inputs) >= 5
        terms = np.zeros((5, *parameter.shape))
        for term in sums[0].inputs:
            terms[term.step] += term.value
        np.testing.assert_array_equal(terms, bptt.contributions(loss, parameter))


def test_norms_are_those_of_the_adjoints_in_the_backward_graph():
    _, _, loss = run("LSTM")
    graph, track = tr.tape(loss, backward=True, values=True), bptt.flow(loss)[0]
    for name in ("h", "c", "i", "f", "g", "o"):
        found = {n.adjoint.step: n.value for n in graph.nodes if n.adjoint is not None and n.adjoint.name == name}
        norms = {**track.states, **track.gates}[name]
        np.testing.assert_allclose([np.linalg.norm(found[t]) for t in range(5)], norms, rtol=1e-14)


def test_a_loss_made_of_gradients_has_contributions_too():
    """A penalty on ∂L/∂x (Gulrajani et al. 2017): the uses of the weight in the recorded backward pass count as well."""
    layer = nn.GRU(3, 4).to(dtype="float64")
    x = tr.Tensor(np.random.default_rng(0).normal(size=(4, 2, 3)), requires_grad=True)
    y, _ = layer(x)
    slope = tr.grad((y * y).sum(), x, create_graph=True)
    penalty = (slope * slope).sum()
    parts = bptt.contributions(penalty, layer.layer0.W_h)
    np.testing.assert_allclose(parts.sum(axis=0), tr.grad(penalty, layer.layer0.W_h).numpy(), rtol=1e-10, atol=1e-13)
    assert [t.module for t in bptt.flow(penalty).tracks] == ["GRU.layer0"]


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_contributions_add_up_to_the_gradients_of_the_derived_program(name):
    layer, _, loss = run(name)
    _, gradients = bptt.equations(loss).run()
    for symbol, parameter in layer.named_parameters():
        np.testing.assert_allclose(bptt.contributions(loss, parameter).sum(axis=0), gradients[symbol], rtol=0, atol=1e-14)
