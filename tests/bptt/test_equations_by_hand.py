"""The derived equations beside those of the papers, written here by hand in NumPy: the same numbers, and the same lines."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import bptt, nn

from .networks import CELLS, NETWORKS, D, H, N, double, sequence

T = 7


def rnn_by_hand(x, W_x, W_h, b):
    """Backpropagation through time (Werbos 1990; Pascanu, Mikolov & Bengio 2013) for L = mean of all h².

    ∂L/∂hₜ = (∂L/∂hₜ)⁺ + ∂L/∂hₜ₊₁ · ∂hₜ₊₁/∂hₜ, where ∂hₜ₊₁/∂hₜ = diag(1 − hₜ₊₁²) W_hᵀ in column notation.
    """
    h = np.zeros((T + 1, N, H))
    for t in range(1, T + 1):
        h[t] = np.tanh(x[t - 1] @ W_x + h[t - 1] @ W_h + b)
    gradients = [np.zeros_like(W) for W in (W_x, W_h, b)]
    through_time = np.zeros((N, H))
    for t in range(T, 0, -1):
        immediate = 2 * h[t] / (T * N * H)
        da = (immediate + through_time) * (1 - h[t] ** 2)
        for total, share in zip(gradients, (x[t - 1].T @ da, h[t - 1].T @ da, da.sum(0))):
            total += share
        through_time = da @ W_h.T
    return np.mean(h[1:] ** 2), gradients


def lstm_by_hand(x, W_x, W_h, b):
    """The gradients of an LSTM with forget gates (Gers, Schmidhuber & Cummins 2000), not truncated, gates as i, f, g, o."""

    def squash(a):
        return 1 / (1 + np.exp(-a))

    h, c = np.zeros((T + 1, N, H)), np.zeros((T + 1, N, H))
    gates = [None] * (T + 2)
    for t in range(1, T + 1):
        a = x[t - 1] @ W_x + h[t - 1] @ W_h + b
        i, f, g, o = squash(a[:, :H]), squash(a[:, H : 2 * H]), np.tanh(a[:, 2 * H : 3 * H]), squash(a[:, 3 * H :])
        gates[t] = i, f, g, o
        c[t] = f * c[t - 1] + i * g
        h[t] = o * np.tanh(c[t])
    gradients = [np.zeros_like(W) for W in (W_x, W_h, b)]
    dh_later, dc_later = np.zeros((N, H)), np.zeros((N, H))
    for t in range(T, 0, -1):
        i, f, g, o = gates[t]
        dh = 2 * h[t] / (T * N * H) + dh_later
        dc = dc_later + dh * o * (1 - np.tanh(c[t]) ** 2)
        blocks = dc * g * i * (1 - i), dc * c[t - 1] * f * (1 - f), dc * i * (1 - g**2), dh * np.tanh(c[t]) * o * (1 - o)
        da = np.concatenate(blocks, axis=1)
        for total, share in zip(gradients, (x[t - 1].T @ da, h[t - 1].T @ da, da.sum(0))):
            total += share
        dh_later, dc_later = da @ W_h.T, dc * f
    return np.mean(h[1:] ** 2), gradients


@pytest.mark.parametrize(("make", "by_hand"), [(nn.RNN, rnn_by_hand), (nn.LSTM, lstm_by_hand)])
def test_the_numbers_are_those_derived_by_hand(make, by_hand):
    layer = double(make(D, H))
    y, _ = layer(sequence(T))
    loss = tr.mean(y * y)
    value, gradients = bptt.equations(loss).run()
    expected, by_paper = by_hand(sequence(T).numpy(), *(p.numpy() for p in layer.parameters()))
    assert abs(value - expected) < 1e-14
    for found, right in zip(gradients.values(), by_paper, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-11, atol=1e-14)


# -- and the lines: what a reader sees ---------------------------------------------------------------------------

FORWARD = {
    "RNN": """
        aₜ = xₜ Wₓ + hₜ₋₁ Wₕ + b
        hₜ = tanh(aₜ)""",
    "RNN, relu": """
        aₜ = xₜ Wₓ + hₜ₋₁ Wₕ + b
        hₜ = relu(aₜ)""",
    "LSTM": """
        aₜ = [aⁱₜ  aᶠₜ  aᵍₜ  aᵒₜ] = xₜ Wₓ + hₜ₋₁ Wₕ + b
        iₜ = σ(aⁱₜ)
        fₜ = σ(aᶠₜ)
        gₜ = tanh(aᵍₜ)
        oₜ = σ(aᵒₜ)
        cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ
        hₜ = oₜ ⊙ tanh(cₜ)""",
    "GRU": """
        pₜ = [pʳₜ  pᶻₜ  pⁿₜ] = xₜ Wₓ + b
        qₜ = [qʳₜ  qᶻₜ  qⁿₜ] = hₜ₋₁ Wₕ + bₕ
        aʳₜ = pʳₜ + qʳₜ
        rₜ = σ(aʳₜ)
        aᶻₜ = pᶻₜ + qᶻₜ
        zₜ = σ(aᶻₜ)
        aⁿₜ = pⁿₜ + rₜ ⊙ qⁿₜ
        nₜ = tanh(aⁿₜ)
        hₜ = (1 − zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁""",
    "GRU, reset before": """
        aⁿₜ = pⁿₜ + uₜ Wₙ
        nₜ = tanh(aⁿₜ)
        hₜ = (1 − zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁""",
}
BACKWARD = {
    "RNN": """
    δa_{T+1} = 0
    for t = T … 1:
        δhₜ = 2/n hₜ + δaₜ₊₁ Wₕᵀ
        δaₜ = δhₜ ⊙ (1 − hₜ²)
Gradients
    ∂L/∂Wₓ = Σₜ xₜᵀ δaₜ
    ∂L/∂Wₕ = Σₜ hₜ₋₁ᵀ δaₜ
    ∂L/∂b = Σₜ 1ᵀ δaₜ""",
    "RNN, relu": """
        δaₜ = δhₜ ⊙ [aₜ > 0]""",
    "LSTM": """
        δhₜ = 2/n hₜ + δaₜ₊₁ Wₕᵀ
        δcₜ = δcₜ₊₁ ⊙ fₜ₊₁ + δhₜ ⊙ oₜ ⊙ (1 − tanh²(cₜ))
        δaⁱₜ = δcₜ ⊙ gₜ ⊙ iₜ ⊙ (1 − iₜ)
        δaᶠₜ = δcₜ ⊙ cₜ₋₁ ⊙ fₜ ⊙ (1 − fₜ)
        δaᵍₜ = δcₜ ⊙ iₜ ⊙ (1 − gₜ²)
        δaᵒₜ = δhₜ ⊙ tanh(cₜ) ⊙ oₜ ⊙ (1 − oₜ)
        δaₜ = [δaⁱₜ  δaᶠₜ  δaᵍₜ  δaᵒₜ]
Gradients
    ∂L/∂Wₓ = Σₜ xₜᵀ δaₜ
    ∂L/∂Wₕ = Σₜ hₜ₋₁ᵀ δaₜ
    ∂L/∂b = Σₜ 1ᵀ δaₜ""",
    "GRU": """
        δhₜ = 2/m hₜ + δhₜ₊₁ ⊙ zₜ₊₁ + δqₜ₊₁ Wₕᵀ
        δaⁿₜ = δhₜ ⊙ (1 − zₜ) ⊙ (1 − nₜ²)
        δqⁿₜ = δaⁿₜ ⊙ rₜ
        δaᶻₜ = δhₜ ⊙ (hₜ₋₁ − nₜ) ⊙ zₜ ⊙ (1 − zₜ)
        δaʳₜ = δaⁿₜ ⊙ qⁿₜ ⊙ rₜ ⊙ (1 − rₜ)
        δqₜ = [δaʳₜ  δaᶻₜ  δqⁿₜ]
        δpₜ = [δaʳₜ  δaᶻₜ  δaⁿₜ]""",
    "GRU, reset before": """
        δhₜ = 2/m hₜ + δhₜ₊₁ ⊙ zₜ₊₁ + δuₜ₊₁ ⊙ rₜ₊₁ + δqₜ₊₁ Wₕᵀ""",
}


@pytest.mark.parametrize("name", CELLS)
def test_the_lines_are_those_of_a_textbook(name):
    text = str(bptt.equations(CELLS[name](10)))
    forward, backward = text.split("Backward, δv = ∂L/∂v")
    assert FORWARD[name] in forward
    assert BACKWARD[name] in backward


def test_the_error_of_a_softmax_is_prediction_minus_truth():
    text = str(bptt.equations(NETWORKS["language model"](10)))
    assert "L = −mean(ln softmax(q)[y])" in text
    assert "δq = 1/n (softmax(q) − onehot(y))" in text


def test_a_loss_of_the_last_step_begins_the_backward_pass():
    text = str(bptt.equations(NETWORKS["last step"](10)))
    assert "L = mean(h_T²)" in text
    assert "    δh_T = 2/n h_T\n    for t = T … 1:\n        δhₜ = δaₜ₊₁ Wₕᵀ    (t < T)\n" in text


def test_attention_reads_as_in_the_paper():
    text = str(bptt.equations(NETWORKS["attention"](10)))
    assert "α⁽²⁾ₜ = softmaxᵢ(Σⱼ q⁽²⁾ₜ)" in text
    assert "δq⁽²⁾ₜ = (δα⁽²⁾ₜ − 1ᵀ (δα⁽²⁾ₜ ⊙ α⁽²⁾ₜ)) ⊙ α⁽²⁾ₜ" in text  # the Jacobian of a softmax


def test_an_encoder_hands_its_last_state_to_the_decoder():
    text = str(bptt.equations(NETWORKS["encoder and decoder"](10)))
    assert "h⁽²⁾₀ = h⁽¹⁾_T\n    for t = 1 … S:" in text
    assert "δh⁽¹⁾_T = δh⁽²⁾₁ ⊙ z⁽²⁾₁ + δq⁽²⁾₁ Wₕ⁽²⁾ᵀ\n    for t = T … 1:" in text


def test_a_tie_gives_half_the_gradient():
    assert "δq = δu ⊙ [q < 0.5] + 0.5 δu ⊙ [q = 0.5]" in str(bptt.equations(NETWORKS["huber"](10)))


OWN = {
    "peephole LSTM": """
        δcₜ = δcₜ₊₁ ⊙ fₜ₊₁ + δaᶠₜ₊₁ ⊙ p_f + δaⁱₜ₊₁ ⊙ p_i + δhₜ ⊙ oₜ ⊙ (1 − tanh²(cₜ)) + δaᵒₜ ⊙ p_o""",
    "minimal gated": """
        δhₜ = 2/m hₜ + δhₜ₊₁ ⊙ (1 − fₜ₊₁) + δpₜ₊₁ ⊙ fₜ₊₁ + δaᶠₜ₊₁ U_fᵀ
        δaⁿₜ = δhₜ ⊙ fₜ ⊙ (1 − nₜ²)
        δpₜ = δaⁿₜ U_hᵀ
        δaᶠₜ = (δhₜ ⊙ (nₜ − hₜ₋₁) + δpₜ ⊙ hₜ₋₁) ⊙ fₜ ⊙ (1 − fₜ)""",
    "fast weights": """
        Aₜ = 0.9 Aₜ₋₁ + xₜ K ⊗ xₜ V
        aₜ = xₜ W + hₜ₋₁ Aₜ
        hₜ = tanh(aₜ)""",
}


@pytest.mark.parametrize("name", OWN)
def test_cells_of_ones_own_read_like_any_other(name):
    assert OWN[name] in str(bptt.equations(NETWORKS[name](10)))
