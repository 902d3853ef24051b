"""Sampling: draws follow the distribution that they should, what is dropped is never drawn, seeds are kept to."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

P = np.array([0.05, 0.4, 0.15, 0.3, 0.1])
DRAWS = 40_000


def frequencies(**options):
    tr.manual_seed(0)
    codes = nn.sample(np.broadcast_to(np.log(P), (DRAWS, 5)), **options).numpy()
    return np.bincount(codes, minlength=5) / DRAWS


def normalised(p):
    return np.array(p) / np.sum(p)


CASES = {
    "plain": ({}, P),
    "hot": ({"temperature": 2.0}, normalised(P**0.5)),
    "cold": ({"temperature": 0.5}, normalised(P**2)),
    "greedy": ({"temperature": 0.0}, [0, 1, 0, 0, 0]),
    "top_k": ({"top_k": 2}, normalised([0, 0.4, 0, 0.3, 0])),
    "more than there are": ({"top_k": 9}, P),
    "top_p": ({"top_p": 0.71}, normalised([0, 0.4, 0.15, 0.3, 0])),
    "top_p just reached": ({"top_p": 0.69}, normalised([0, 0.4, 0, 0.3, 0])),
    "top_p below the best": ({"top_p": 0.1}, [0, 1, 0, 0, 0]),
    "all of it": ({"top_p": 1.0}, P),
    "the nucleus of what top-k leaves": ({"top_k": 3, "top_p": 0.8}, normalised([0, 0.4, 0, 0.3, 0])),
    "the nucleus after the temperature": ({"temperature": 0.5, "top_p": 0.85}, normalised([0, 0.16, 0, 0.09, 0])),
}


@pytest.mark.parametrize("case", CASES)
def test_draws_follow_the_distribution_and_the_table_says_so(case):
    options, expected = CASES[case]
    found = frequencies(**options)
    np.testing.assert_allclose(found, expected, atol=0.012)  # five standard deviations
    assert (found[np.array(expected) == 0] == 0).all()
    table = nn.distribution(np.log(P), **options)
    np.testing.assert_allclose(table.drawn[np.argsort(table.codes)], expected, atol=1e-12)


def test_the_kept_are_exactly_k_even_if_scores_are_equal():
    tr.manual_seed(0)
    assert set(nn.sample(np.zeros((500, 6)), top_k=2).tolist()) == {0, 1}
    assert set(nn.sample(np.zeros((2000, 6)), top_p=0.5).tolist()) == {0, 1, 2}


def test_a_temperature_for_each_place():
    tr.manual_seed(0)
    codes = nn.sample(np.broadcast_to(np.log(P), (3000, 3, 5)), temperature=[0.0, 1.0, 1e-9]).numpy()
    assert (codes[:, [0, 2]] == 1).all() and len(set(codes[:, 1])) == 5


def test_shapes_seeds_and_dtypes():
    logits = tr.randn(4, 3, 7)
    tr.manual_seed(1)
    first = nn.sample(logits)
    tr.manual_seed(1)
    assert first.shape == (4, 3) and first.dtype == np.int64
    np.testing.assert_array_equal(nn.sample(logits).numpy(), first.numpy())
    assert nn.sample(logits[0, 0]).shape == ()
    assert not nn.sample(tr.tensor([1.0, 2.0], requires_grad=True)).requires_grad


def test_what_is_impossible_is_never_drawn():
    logits = np.full((5000, 4), -np.inf)
    logits[:, 2] = -1e6
    assert (nn.sample(logits).numpy() == 2).all()
    assert (nn.sample(logits, top_k=3).numpy() == 2).all() and (nn.sample(logits, top_p=0.9).numpy() == 2).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature -1.0: expected numbers from 0"),
        ({"temperature": np.nan}, "expected numbers from 0"),
        ({"temperature": [1.0, 2.0, 3.0]}, r"shape \(3,\), which does not broadcast to \(2,\)"),
        ({"top_k": 0}, "top_k must be a whole number from 1, not 0"),
        ({"top_k": 2.5}, "top_k must be a whole number"),
        ({"top_p": 0.0}, "top_p must be above 0 and at most 1"),
        ({"top_p": 1.5}, "top_p must be above 0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        nn.sample(np.zeros((2, 5)), **options)


def test_logits_that_are_none():
    for wrong in ([np.nan, 1.0], [-np.inf, -np.inf], [np.inf, 1.0]):
        with pytest.raises(ValueError, match=r"the logits are NaN or \+∞, or all of them are −∞"):
            nn.sample(np.array([[0.0, 1.0], wrong]))
    with pytest.raises(TypeError, match=r"the logits must be floats \(\.\.\., V\)"):
        nn.sample(np.array([1, 2]))


# -- the table ----------------------------------------


def test_the_table():
    table = nn.distribution(np.log(P), ["a", " ", "\n", "the", "<unknown>"], top_k=2)
    assert table.symbols == ("·", "the", "↵", "<unknown>", "a")
    np.testing.assert_array_equal(table.codes, [1, 3, 2, 4, 0])
    np.testing.assert_allclose(table.cumulated, [0.4, 0.7, 0.85, 0.95, 1.0])
    lines = str(table).splitlines()
    assert lines[0].split() == ["symbol", "code", "probability", "cumulated", "drawn"]
    assert lines[2].split() == ["·", "1", "0.4000", "0.4000", "0.571"]
    assert set(lines[4]) == {"-"} and lines[5].split() == ["↵", "2", "0.1500", "0.8500", "—"]
    assert table.table(rows=3).splitlines()[-1] == "and 2 more, together 0.1500"


def test_a_table_of_one_place_only():
    with pytest.raises(ValueError, match=r"shape \(2, 5\), expected \(V,\)"):
        nn.distribution(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="there are 3 symbols, but the logits are those of 5"):
        nn.distribution(np.zeros(5), "abc")


# -- writing on ----------------------------------------


class Characters(nn.Module):
    def __init__(self):
        self.embedding, self.layer, self.scores = nn.Embedding(6, 4), nn.LSTM(4, 5), nn.Linear(5, 6)

    def forward(self, codes, state=None):
        y, state = self.layer(self.embedding(codes), state)
        return 4.0 * self.scores(y), state


def test_greedy_writing_is_reading_again_what_was_written():
    tr.manual_seed(0)
    model, prompt = Characters(), np.array([[0, 1, 2], [3, 4, 5]])
    written = nn.generate(model, prompt, 8, temperature=0.0).numpy()
    assert written.shape == (8, 3)
    logits, _ = model(np.concatenate([prompt, written]))
    np.testing.assert_array_equal(logits.numpy()[1:-1].argmax(axis=-1), written)
    np.testing.assert_array_equal(nn.generate(model, prompt[:, 1], 8, temperature=0.0).numpy(), written[:, 1])


def test_a_state_is_gone_on_with():
    tr.manual_seed(0)
    model = Characters()
    _, state = model(np.array([[0], [3]]))
    whole = nn.generate(model, [0, 3, 1], 6, temperature=0.0).tolist()
    assert nn.generate(model, [1], 6, temperature=0.0, state=state).tolist() == whole


def test_the_end_symbol_ends():
    calls = []

    def countdown(codes, state):  # n, n − 1, …, 0, and on
        calls.append(1)
        return 50.0 * tr.one_hot((codes.numpy() - 1) % 5, 5), state

    assert nn.generate(countdown, [[3, 1, 4]], 9, end=0).numpy().T.tolist() == [[2, 1, 0, 0], [0, 0, 0, 0], [3, 2, 1, 0]]
    assert len(calls) == 4
    assert nn.generate(countdown, [[3, 1]], 2).numpy().T.tolist() == [[2, 1], [0, 4]]
    assert nn.generate(countdown, [3], 0).shape == (0,)


def test_nothing_is_remembered_of_writing():
    model = Characters()
    parameters = list(model.parameters())
    tr.manual_seed(3)
    first = nn.generate(model, [0], 20)
    tr.manual_seed(3)
    assert nn.generate(model, [0], 20).tolist() == first.tolist()
    assert not first.requires_grad and all(p.grad is None for p in parameters)


def test_prompts_that_are_none():
    model = Characters()
    with pytest.raises(ValueError, match=r"the prompt has shape \(0,\), expected \(P, N\)"):
        nn.generate(model, np.zeros(0, int), 3)
    with pytest.raises(TypeError, match="symbols must be integers, not float"):
        nn.generate(model, [0.5], 3)
    with pytest.raises(ValueError, match="steps must be a whole number from 0"):
        nn.generate(model, [0], -1)


@pytest.mark.parametrize("options", [{}, {"top_k": 2}, {"top_p": 0.9}])
def test_a_temperature_near_0_takes_the_best(options):
    """3 / 1e-310 and 5 / 1e-310 are both ∞: only their distance from the best may be divided."""
    assert nn.sample(tr.tensor([[0.0, 3.0, 5.0]] * 20), temperature=1e-310, **options).tolist() == [2] * 20
    assert nn.distribution(tr.tensor([0.0, 3.0, 5.0]), temperature=1e-310, **options).drawn.tolist() == [1.0, 0.0, 0.0]
