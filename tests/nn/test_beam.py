"""Beam search: against exhaustive search, against greedy decoding, and what it promises about its end."""

import itertools

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

from .seq2seq_models import END, LENGTHS, MODELS, START, batch, model_of

VOCABULARY, STEPS = 3, 4


def random_model(seed, states=4):
    """Logits that depend on a hidden number, which every symbol changes: ``model(codes, state)`` and ln P of a sequence."""
    rng = np.random.default_rng(seed)
    logits, moves = 2.0 * rng.normal(size=(states, VOCABULARY)), rng.integers(states, size=(states, VOCABULARY))

    def model(codes, state):
        hidden = state.numpy()[:, 0]
        found = []
        for symbols in codes.numpy():
            hidden = moves[hidden, symbols]
            found.append(logits[hidden])
        return tr.tensor(np.stack(found)), tr.tensor(hidden[:, None])

    def log_p(sequence, hidden, first):
        total, previous = 0.0, first
        for symbol in sequence:
            hidden = moves[hidden, previous]
            total += logits[hidden, symbol] - np.log(np.exp(logits[hidden]).sum())
            previous = symbol
        return total

    return model, log_p


def exhaustive(log_p, hidden, first, alpha, end):
    """The best of all sequences that end within STEPS; with its score."""
    best, score = None, -np.inf
    for length in range(1, STEPS + 1):
        for before in itertools.product([s for s in range(VOCABULARY) if s != end], repeat=length - 1):
            value = log_p((*before, end), hidden, first) / ((5 + length) / 6) ** alpha
            if value > score:
                best, score = (*before, end), value
    return best, score


@pytest.mark.parametrize("alpha", [0.0, 0.6, 3.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_wide_beam_finds_what_exhaustive_search_finds(seed, alpha):
    model, log_p = random_model(seed)
    hidden, first = np.array([0, 1, 2]), np.array([0, 1, 0])
    end = 2
    sequences, scores = nn.beam_search(
        model, first[None], STEPS, state=tr.tensor(hidden[:, None]), end=end, width=VOCABULARY**STEPS, alpha=alpha
    )
    for n in range(3):
        best, score = exhaustive(log_p, hidden[n], first[n], alpha, end)
        found = sequences.numpy()[:, n]
        assert tuple(found[: len(best)]) == best and (found[len(best) :] == end).all()
        np.testing.assert_allclose(scores.numpy()[n], score, rtol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_no_beam_scores_better_than_exhaustive_search_and_its_score_is_right(seed):
    model, log_p = random_model(seed)
    _, best = exhaustive(log_p, 0, 0, 0.6, 2)
    for width in (1, 2, 3):
        sequences, scores = nn.beam_search(model, [[0]], STEPS, state=tr.tensor([[0]], dtype=int), end=2, width=width)
        found = sequences.numpy()[:, 0]
        np.testing.assert_allclose(scores.item(), log_p(found, 0, 0) / ((5 + len(found)) / 6) ** 0.6, rtol=1e-12)
        assert found[-1] != 2 or scores.item() <= best + 1e-12


def test_the_length_penalty_favours_longer_sequences():
    lengths = [len(found_with(alpha)) for alpha in (0.0, 1.0, 5.0)]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]


def found_with(alpha):
    def model(codes, state):  # the end has a fifth of the probability, always
        return tr.tensor(np.log(np.broadcast_to([0.75, 0.05, 0.2], (*codes.shape, 3)))), state

    return nn.beam_search(model, [[0]], 12, end=2, width=4, alpha=alpha)[0].numpy()[:, 0]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("seed", [0, 3])
def test_a_beam_of_width_1_is_greedy_decoding(kind, seed):
    model = model_of(kind, seed=seed)
    source, _ = batch()
    options = {"start": START, "end": END, "max_length": 7, "lengths": LENGTHS}
    greedy, beam = model.generate(source, **options), model.beam_search(source, **options, width=1, alpha=0.0)
    np.testing.assert_array_equal(beam.sequences.numpy(), greedy.sequences.numpy())
    np.testing.assert_allclose(beam.scores.numpy(), greedy.scores.numpy(), rtol=1e-9)
    np.testing.assert_array_equal(beam.lengths.numpy(), greedy.lengths.numpy())
    if kind != "plain":
        np.testing.assert_allclose(beam.attention_scores.numpy(), greedy.attention_scores.numpy(), rtol=1e-9)


def test_it_stops_when_nothing_can_be_better():
    calls = []

    def model(codes, state):
        calls.append(codes.shape)
        return tr.tensor(np.log(np.broadcast_to([0.02, 0.08, 0.9], (*codes.shape, 3)))), state

    sequences, _ = nn.beam_search(model, [[0, 1], [0, 0]], 50, end=2, width=2)
    assert calls == [(2, 4)] and sequences.numpy().tolist() == [[2, 2]]


def test_what_does_not_end_is_cut_off():
    def model(codes, state):
        return tr.tensor(np.log(np.broadcast_to([0.7, 0.3, 0.0 + 1e-300], (*codes.shape, 3)))), state

    sequences, scores = nn.beam_search(model, [[1]], 3, end=2, width=2, alpha=1.0)
    assert sequences.numpy().ravel().tolist() == [0, 0, 0]
    np.testing.assert_allclose(scores.item(), 3 * np.log(0.7) / (8 / 6), rtol=1e-6)


def test_a_layers_state_has_its_batch_on_axis_1():
    tr.manual_seed(0)
    embedding, layer, scores = nn.Embedding(5, 4), nn.LSTM(4, 6), nn.Linear(6, 5)

    def model(codes, state):
        y, state = layer(embedding(codes), state)
        return 3.0 * scores(y), state

    together, of_all = nn.beam_search(model, [[0, 3, 4]], 6, end=1, width=3, state_axis=1)
    for n, first in enumerate([0, 3, 4]):
        alone, score = nn.beam_search(model, [[first]], 6, end=1, width=3, state_axis=1)
        np.testing.assert_array_equal(together.numpy()[: len(alone), n], alone.numpy()[:, 0])
        np.testing.assert_allclose(of_all.numpy()[n], score.item(), rtol=1e-5)


def test_mistakes_are_explained():
    model, _ = random_model(0)
    for wrong, message in (({"width": 0}, "width must be a whole number from 1"), ({"alpha": -1.0}, "alpha must be from 0")):
        with pytest.raises(ValueError, match=message):
            nn.beam_search(model, [[0]], 3, end=2, **wrong)
    with pytest.raises(ValueError, match="steps must be a whole number from 1"):
        nn.beam_search(model, [[0]], 0, end=2)
    with pytest.raises(ValueError, match=r"expected \(P, N\)"):
        nn.beam_search(model, [0, 1], 3, end=2)
    with pytest.raises(TypeError, match="symbols must be integers"):
        nn.beam_search(model, [[0.5]], 3, end=2)


@pytest.mark.parametrize("wrong", [[np.nan, 0.0, 0.0], [np.inf, 0.0, 0.0]])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_logits_without_a_distribution_are_refused(wrong):
    with pytest.raises(ValueError, match="of symbol 1 the model's logits hold NaN or"):
        nn.beam_search(lambda codes, state: (tr.tensor(np.full((*codes.shape, 3), wrong)), state), [[0]], 4, end=2)


def test_a_batch_of_no_sequences():
    sequences, scores = nn.beam_search(lambda codes, state: (tr.zeros(*codes.shape, 3), state), np.zeros((1, 0), int), 4, end=2)
    assert sequences.shape[1] == 0 and scores.shape == (0,)
