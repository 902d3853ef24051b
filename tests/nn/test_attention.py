"""Attention: against plain NumPy and Keras; nothing of a padded place is looked at, not even a NaN; derivatives to order 2."""

import os

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

Q, K, A, E, S, N, T = 4, 3, 5, 6, 7, 3, 2
LENGTHS = [7, 3, 1]
ATTENTIONS = {
    "additive": lambda: nn.AdditiveAttention(Q, K, A),
    "dot": lambda: nn.DotAttention(Q),  # keys of size Q
    "general": lambda: nn.DotAttention(Q, K, score_mode="general"),
}


def setting(kind, seed=0):
    """An attention in float64, queries (T, N, Q), keys (S, N, K) and values (S, N, E)."""
    tr.manual_seed(seed)
    attention = ATTENTIONS[kind]().to(dtype="float64")
    rng = np.random.default_rng(seed)
    return attention, *(rng.normal(size=shape) for shape in ((T, N, Q), (S, N, attention.key_size), (S, N, E)))


def score(attention, q, k):
    """The score of one query and one key, by the formula."""
    p = {name: parameter.numpy() for name, parameter in attention.named_parameters()}
    if isinstance(attention, nn.AdditiveAttention):
        return np.tanh(q @ p["W_q"] + k @ p["W_k"]) @ p["v"][:, 0]
    return q @ (k @ p["W"] if "W" in p else k)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_against_the_formulas_one_sequence_and_query_at_a_time(kind):
    attention, queries, keys, values = setting(kind)
    context, weights = attention(queries, attention.memory(values, keys, lengths=LENGTHS))
    assert context.shape == (T, N, E) and weights.shape == (T, N, S)
    for t in range(T):
        for n, length in enumerate(LENGTHS):
            e = np.exp([score(attention, queries[t, n], keys[j, n]) for j in range(length)])
            np.testing.assert_allclose(weights.numpy()[t, n, :length], e / e.sum(), rtol=1e-12)
            np.testing.assert_allclose(context.numpy()[t, n], e / e.sum() @ values[:length, n], rtol=1e-12)
            assert (weights.numpy()[t, n, length:] == 0).all()


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_queries_one_by_one_and_together(kind):
    attention, queries, keys, values = setting(kind)
    memory = attention.memory(values, keys, lengths=LENGTHS)
    context, weights = attention(queries, memory)
    for t in range(T):
        c, w = attention(queries[t], memory)
        np.testing.assert_allclose(c.numpy(), context.numpy()[t], rtol=1e-12)
        np.testing.assert_allclose(w.numpy(), weights.numpy()[t], rtol=1e-12)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_keys_are_the_values_by_default(kind):
    attention, queries, keys, _ = setting(kind)
    for ours, theirs in zip(attention(queries, attention.memory(keys)), attention(queries, attention.memory(keys, keys))):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.fixture(scope="module")
def keras():
    os.environ["KERAS_BACKEND"] = "torch"
    return pytest.importorskip("keras", reason="the comparison with Keras needs it: pip install 'tinyrnn[keras]' torch")


@pytest.mark.parametrize("kind", ATTENTIONS)
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # within Keras
def test_against_keras(kind, lengths, keras):
    attention, queries, keys, values = setting(kind)
    layer = keras.layers.AdditiveAttention(dtype="float64") if kind == "additive" else keras.layers.Attention(dtype="float64")
    q, k = queries, keys  # what Keras does not project
    if kind == "additive":
        q, k = queries @ attention.W_q.numpy(), keys @ attention.W_k.numpy()
    if kind == "general":
        k = keys @ attention.W.numpy()
    batch_first = [np.ascontiguousarray(x.transpose(1, 0, 2)) for x in (q, values, k)]
    if kind == "additive":
        layer.build([x.shape for x in batch_first])
        layer.set_weights([attention.v.numpy()[:, 0]])
    mask = None if lengths is None else [None, np.arange(S) < np.array(lengths)[:, None]]
    theirs = layer(batch_first, mask=mask, return_attention_scores=True)
    for ours, other in zip(attention(queries, attention.memory(values, keys, lengths=lengths)), theirs):
        np.testing.assert_allclose(ours.numpy(), keras.ops.convert_to_numpy(other).transpose(1, 0, 2), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ATTENTIONS)
@pytest.mark.parametrize("padding", [np.nan, np.inf, 1e300])
def test_padding_is_not_looked_at(kind, padding):
    attention, queries, keys, values = setting(kind)
    lengths = [7, 3, 0]
    found = []
    for filling in (0.0, padding):
        filled = []
        for x in (keys, values):
            x = x.copy()
            x[3:, 1] = x[:, 2] = filling
            filled.append(tr.tensor(x, requires_grad=True))
        query = tr.tensor(queries, requires_grad=True)
        with tr.detect_anomaly():
            context, weights = attention(query, attention.memory(filled[1], filled[0], lengths=lengths))
            attention.zero_grad()
            ((context * context).sum() + (weights * weights).sum()).backward()
        assert (weights.numpy()[:, 1, 3:] == 0).all()
        assert (weights.numpy()[:, 2] == 0).all() and (context.numpy()[:, 2] == 0).all()  # a sequence of length 0
        assert (filled[0].grad.numpy()[3:, 1] == 0).all() and (filled[1].grad.numpy()[3:, 1] == 0).all()
        found.append([context, weights, *(x.grad for x in (query, *filled, *attention.parameters()))])
    for clean, other in zip(*found):
        np.testing.assert_array_equal(other.numpy(), clean.numpy())


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_a_sequence_is_what_it_is_alone(kind):
    attention, queries, keys, values = setting(kind)
    context, weights = attention(queries, attention.memory(values, keys, lengths=LENGTHS))
    for n, length in enumerate(LENGTHS):
        one = slice(n, n + 1)
        c, w = attention(queries[:, one], attention.memory(values[:length, one], keys[:length, one]))
        np.testing.assert_allclose(context.numpy()[:, one], c.numpy(), rtol=1e-12)
        np.testing.assert_allclose(weights.numpy()[:, one, :length], w.numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", ATTENTIONS)
@pytest.mark.parametrize("lengths", [None, [7, 3, 0]])
def test_gradcheck_order_2(kind, lengths):
    attention, queries, keys, values = setting(kind)
    inputs = [tr.tensor(x, requires_grad=True) for x in (queries, keys[:, :, :], values)]

    def both(query, keys, values, *parameters):
        context, weights = attention(query, attention.memory(values, keys, lengths=lengths))
        return tr.concatenate(context, weights, axis=-1)

    assert tr.gradcheck(both, [*inputs, *attention.parameters()], order=2)


def test_large_scores_neither_overflow_nor_hide_behind_padding():
    attention = nn.DotAttention(1).to(dtype="float64")
    keys = np.array([[[-800.0]], [[-801.0]], [[5.0]]])
    _, weights = attention(np.ones((1, 1)), attention.memory(keys, lengths=[2]))
    np.testing.assert_allclose(weights.numpy(), [[1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(1.0)), 0.0]], rtol=1e-12)
    _, weights = attention(1e6 * np.ones((1, 1)), attention.memory(keys))
    assert weights.numpy().tolist() == [[0.0, 0.0, 1.0]]


class Scaled(nn.Attention):
    """A user's own score (Vaswani et al. 2017)."""

    query_size = key_size = Q

    def project(self, keys):
        return tr.transpose(keys, axes=(0, 2, 1)) / Q**0.5

    def score(self, queries, keys):
        return queries @ keys


def test_a_score_of_ones_own():
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(T, N, Q)), rng.normal(size=(S, N, Q))
    own, dot = Scaled(), nn.DotAttention(Q)
    found, expected = own(queries, own.memory(keys, lengths=LENGTHS)), dot(queries / 2, dot.memory(keys, lengths=LENGTHS))
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_keys_are_projected_once():
    attention, queries, keys, values = setting("additive")
    memory = attention.memory(values, keys)
    contexts = [attention(q, memory)[0] for q in queries]
    products = [v for v in tr.graph.history(tr.stack(contexts)) if v.op is tr.matmul and any(a is attention.W_k for a in v.args)]
    assert len(products) == 1


def test_float32_stays_float32():
    for make in ATTENTIONS.values():
        attention = make()
        memory = attention.memory(tr.randn(S, N, E), tr.randn(S, N, attention.key_size), lengths=LENGTHS)
        context, weights = attention(tr.randn(N, Q), memory)
        assert context.dtype == weights.dtype == np.float32


def test_mistakes_are_explained():
    attention = nn.DotAttention(4, 3, score_mode="general")
    with pytest.raises(ValueError, match="expected 'dot' or 'general'"):
        nn.DotAttention(4, score_mode="cosine")
    with pytest.raises(ValueError, match="use score_mode='general'"):
        nn.DotAttention(4, 3)
    with pytest.raises(ValueError, match=r"AdditiveAttention: hidden_size must be a whole number from 1"):
        nn.AdditiveAttention(4, 3, 0)
    with pytest.raises(ValueError, match=r"values have shape \(5, 3\), expected \(S, N, E\)"):
        attention.memory(tr.ones(5, 3))
    with pytest.raises(ValueError, match=r"keys have shape \(5, 2, 4\), expected \(S, N, key_size\) = \(5, 2, 3\)"):
        attention.memory(tr.ones(5, 2, 4))
    with pytest.raises(ValueError, match="lengths must be 2 integers"):
        attention.memory(tr.ones(5, 2, 3), lengths=[5])
    memory = attention.memory(tr.ones(5, 2, 3))
    for wrong in ((2, 3), (3, 4), (4,)):
        with pytest.raises(ValueError, match=r"expected \(N, query_size\) = \(2, 4\)"):
            attention(tr.ones(*wrong), memory)
