"""Encoder-decoders: by hand, alone and in a batch, step by step, with teacher forcing and without."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, optim

from .seq2seq_models import END, LENGTHS, MODELS, START, D, H, N, S, T, V, W, batch, luong, model_of


@pytest.mark.parametrize("kind", MODELS)
def test_a_padded_batch_gives_what_each_sequence_gives_alone(kind):
    model = model_of(kind)
    source, target = batch()
    logits, weights = model(source, target, lengths=LENGTHS, return_attention_scores=True)
    assert logits.shape == (T, N, W) and (weights is None) == (kind == "plain")
    greedy = model.generate(source, start=START, end=END, max_length=6, lengths=LENGTHS)
    beam = model.beam_search(source, start=START, end=END, max_length=6, lengths=LENGTHS, width=3)
    for n, length in enumerate(LENGTHS):
        one, its = source[:length, n : n + 1], slice(n, n + 1)
        alone, w = model(one, target[:, its], return_attention_scores=True)
        np.testing.assert_allclose(logits.numpy()[:, its], alone.numpy(), rtol=1e-9, atol=1e-12)
        if weights is not None:
            np.testing.assert_allclose(weights.numpy()[:, its, :length], w.numpy(), rtol=1e-9)
            assert (weights.numpy()[:, n, length:] == 0).all()
        for found, again in (
            (greedy, model.generate(one, start=START, end=END, max_length=6)),
            (beam, model.beam_search(one, start=START, end=END, max_length=6, width=3)),
        ):
            written = len(again.sequences)
            np.testing.assert_array_equal(found.sequences.numpy()[:written, n], again.sequences.numpy()[:, 0])
            assert (found.sequences.numpy()[written:, n] == END).all()
            assert found.lengths.numpy()[n] == again.lengths.numpy()[0]
            np.testing.assert_allclose(found.scores.numpy()[n], again.scores.numpy()[0], rtol=1e-9)


@pytest.mark.parametrize("kind", MODELS)
def test_padding_of_the_source_may_be_any_symbol(kind):
    model = model_of(kind)
    source, target = batch()
    other = np.where(np.arange(S)[:, None] < LENGTHS, source, 5)
    found = []
    for given in (source, other):
        model.zero_grad()
        logits = model(given, target, lengths=LENGTHS)
        (logits * logits).sum().backward()
        found.append([logits, *(p.grad for p in model.parameters())])
    for a, b in zip(*found):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("kind", MODELS)
def test_symbol_by_symbol_is_the_same_as_all_at_once(kind):
    model = model_of(kind)
    source, target = batch()
    logits, weights = model(source, target, lengths=LENGTHS, return_attention_scores=True)
    state, memory = model.encode(source, LENGTHS)
    for t in range(T):
        one, state, w = model.decoder(target[t : t + 1], state, memory)
        np.testing.assert_allclose(one.numpy()[0], logits.numpy()[t], rtol=1e-12)
        if weights is not None:
            np.testing.assert_allclose(w.numpy()[0], weights.numpy()[t], rtol=1e-12)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(x, h, p):
    """One step of a GRU, in NumPy."""
    r_x, z_x, n_x = np.split(x @ p["W_x"] + p["b"], 3, axis=-1)
    r_h, z_h, n_h = np.split(h @ p["W_h"] + p["b_h"], 3, axis=-1)
    z = sigmoid(z_x + z_h)
    return (1 - z) * np.tanh(n_x + sigmoid(r_x + r_h) * n_h) + z * h


def lstm(x, state, p):
    h, c = state
    i, f, g, o = np.split(x @ p["W_x"] + h @ p["W_h"] + p["b"], 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def attend(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


def numbers(module):
    return {name: p.numpy() for name, p in module.named_parameters()}


def test_bahdanau_by_hand():
    model = model_of("Bahdanau")
    source, target = batch()
    e, d, a = (numbers(m) for m in (model.encoder, model.decoder, model.decoder.attention))
    cells = [{k.rpartition(".")[2]: v for k, v in e.items() if f"layer.layer0{way}." in k} for way in ("", "_reverse")]
    bridge = numbers(model.bridge)
    logits = model(source, target, lengths=LENGTHS).numpy()
    for n, length in enumerate(LENGTHS):
        x = e["embedding.W"][source[:length, n]]
        there, back = [np.zeros(H)], [np.zeros(H)]
        for t in range(length):
            there.append(gru(x[t], there[-1], cells[0]))
            back.append(gru(x[length - 1 - t], back[-1], cells[1]))
        y = np.concatenate([there[1:], back[:0:-1]], axis=1)
        h = np.tanh(np.concatenate([there[-1], back[-1]]) @ bridge["linear.W"] + bridge["linear.b"])
        for t in range(T):
            weights = attend(np.tanh(h @ a["W_q"] + y @ a["W_k"]) @ a["v"][:, 0])
            seen = np.concatenate([d["embedding.W"][target[t, n]], weights @ y])
            h = gru(seen, h, {k.removeprefix("cell."): v for k, v in d.items()})
            by_hand = np.concatenate([h, seen]) @ d["scores.W"] + d["scores.b"]
            np.testing.assert_allclose(logits[t, n], by_hand, rtol=1e-9)


def test_luong_by_hand():
    model = model_of("Luong, general")
    source, target = batch()
    e, d = numbers(model.encoder), numbers(model.decoder)
    encoder, decoder = ({k.rpartition(".")[2]: v for k, v in p.items() if "embedding" not in k} for p in (e, d))
    decoder |= {k.removeprefix("cell."): v for k, v in d.items() if k.startswith("cell.")}
    logits = model(source, target, lengths=LENGTHS).numpy()
    for n, length in enumerate(LENGTHS):
        state, y = (np.zeros(H), np.zeros(H)), []
        for t in range(length):
            state = lstm(e["embedding.W"][source[t, n]], state, encoder)
            y.append(state[0])
        output = np.zeros(5)
        for t in range(T):
            state = lstm(np.concatenate([d["embedding.W"][target[t, n]], output]), state, decoder)
            context = attend(np.stack(y) @ d["attention.W"] @ state[0]) @ np.stack(y)
            output = np.tanh(np.concatenate([state[0], context]) @ d["combine.W"] + d["combine.b"])
            np.testing.assert_allclose(logits[t, n], output @ d["scores.W"] + d["scores.b"], rtol=1e-9)


@pytest.mark.parametrize("kind", ["Bahdanau, a user's cell", "Luong, dot"])
def test_gradcheck_order_2(kind):
    """Of the first parameters and of those in the middle: their gradients have passed through all the others."""
    model = model_of(kind)
    source, target = batch(steps=2)
    chosen = [model.encoder.embedding.W, *model.decoder.attention.parameters()]
    assert tr.gradcheck(lambda *_: model(source[:2, :2], target[:, :2], lengths=[2, 1]), chosen, order=2)


# -- scheduled sampling ----------------------------------------


def test_always_sampling_is_greedy_decoding():
    model = model_of("Luong, dot")
    source, _ = batch()
    state, memory = model.encode(source, LENGTHS)
    read = np.full((6, N), START)
    logits, _, _ = model.decoder(read, state, memory, sampling=1.0)
    written = logits.numpy().argmax(axis=-1)
    fed = np.concatenate([read[:1], written[:-1]])
    np.testing.assert_allclose(model.decoder(fed, state, memory)[0].numpy(), logits.numpy(), rtol=1e-12)
    greedy = model.generate(source, start=START, end=END, max_length=6, lengths=LENGTHS)
    for n, length in enumerate(greedy.lengths.tolist()):
        np.testing.assert_array_equal(greedy.sequences.numpy()[:length, n], written[:length, n])


def test_sampling_acts_in_training_only_by_sequence_and_step():
    model = model_of("Bahdanau")
    rng = np.random.default_rng(0)
    source, target = rng.integers(3, V, size=(S, 400)), rng.integers(3, W, size=(3, 400))
    forced = model(source, target).numpy()
    model.sampling = 0.25
    tr.manual_seed(1)
    sampled = model(source, target).numpy()
    tr.manual_seed(1)
    np.testing.assert_array_equal(model(source, target).numpy(), sampled)
    np.testing.assert_array_equal(model.eval()(source, target).numpy(), forced)
    same = (sampled == forced).all(axis=2)
    assert same[0].all()  # the first step reads the start symbol
    own = forced.argmax(axis=2)
    differs = own[0] != target[1]  # only there does it matter which is read
    assert abs((~same[1][differs]).mean() - 0.25) < 0.08
    assert ((~same[1]) <= differs).all()


def test_a_probability_is_asked_for():
    model = model_of("plain")
    model.sampling = 1.5
    with pytest.raises(ValueError, match=r"scheduled sampling: 1.5 is not a probability"):
        model(*batch())


# -- states ----------------------------------------


def test_an_lstm_hands_h_and_c_over():
    model = model_of("plain")
    source, _ = batch()
    _, (h, c) = model.encoder(source)
    state, memory = model.encode(source)
    assert memory is None
    np.testing.assert_array_equal(state.cell[0].numpy(), h.numpy()[0])
    np.testing.assert_array_equal(state.cell[1].numpy(), c.numpy()[0])


def test_a_bridge_takes_all_parts_layers_and_directions():
    encoder, bridge = nn.LSTM(D, H, 2, bidirectional=True), nn.Bridge(2 * 4 * H, 5, 6)
    _, (h, c) = encoder(tr.randn(S, N, D))
    made = bridge((h, c))
    flat = np.concatenate([part.numpy().transpose(1, 0, 2).reshape(N, -1) for part in (h, c)], axis=1)
    expected = np.tanh(flat @ bridge.linear.W.numpy() + bridge.linear.b.numpy())
    np.testing.assert_allclose(np.concatenate([part.numpy() for part in made], axis=1), expected, rtol=1e-5, atol=1e-6)
    assert [part.shape for part in made] == [(N, 5), (N, 6)]


def test_any_layer_reads():
    """A stack of layers, whose state is nested, and which runs both ways; in float64, alone and padded."""
    tr.manual_seed(0)
    layer = nn.Stack(nn.GRUCell(D, D), nn.Residual(nn.LSTMCell(D, D)), nn.LSTM(D, H, bidirectional=True))
    bridge = nn.Bridge(D + 2 * D + 2 * 2 * H, H)
    model = nn.Seq2Seq(nn.Encoder(nn.Embedding(V, D), layer), model_of("Bahdanau").decoder, bridge).to(dtype="float64")
    source, target = batch()
    logits = model(source, target, lengths=LENGTHS).numpy()
    for n, length in enumerate(LENGTHS):
        alone = model(source[:length, n : n + 1], target[:, n : n + 1]).numpy()
        np.testing.assert_allclose(logits[:, n : n + 1], alone, rtol=1e-9, atol=1e-12)


def test_the_cell_begins_once_for_each_sequence():
    begun = []

    class Masked(nn.GRUCell):
        def begin(self, x, state):
            begun.append((x.shape, state.shape))
            return self.forward

    model = model_of("Luong, GRU")
    source, target = batch()
    expected = model(source, target).numpy()
    old, model.decoder.cell = model.decoder.cell, Masked(D + 5, H).to(dtype="float64")
    model.decoder.cell.load_state_dict(old.state_dict())
    np.testing.assert_array_equal(model(source, target).numpy(), expected)
    assert begun == [((N, D + 5), (N, H))]


def test_a_state_that_does_not_fit_is_explained():
    encoder = nn.Encoder(nn.Embedding(V, D), nn.LSTM(D, H))
    model = nn.Seq2Seq(encoder, luong(cell=nn.GRUCell).decoder)
    with pytest.raises(ValueError, match=r"state must be h \(N, hidden_size\) = \(3, 4\)"):
        model(*batch())
    both_ways = nn.Encoder(nn.Embedding(V, D), nn.LSTM(D, H, bidirectional=True))
    with pytest.raises(ValueError, match=r"keys have shape \(5, 3, 8\), expected \(S, N, key_size\) = \(5, 3, 4\)"):
        nn.Seq2Seq(both_ways, luong().decoder)(*batch())


def test_what_is_missing_is_named():
    model = model_of("Luong, dot")
    source, target = batch()
    with pytest.raises(ValueError, match=r"the symbols have shape \(0, 3\), expected \(T, N\)"):
        model(source, target[:0])
    with pytest.raises(ValueError, match=r"the symbols have shape \(4,\), expected \(T, N\)"):
        model(source, target[:, 0])
    with pytest.raises(ValueError, match="there is no memory to look at"):
        model.decoder(target, model.encode(source)[0])
    model.encoder = nn.Encoder(nn.Embedding(V, D), nn.LSTM(D, H, return_state=False))
    with pytest.raises(TypeError, match=r"must return \(y, state\): make its layer with return_state=True"):
        model(source, target)


# -- decoding ----------------------------------------


@pytest.mark.parametrize("kind", MODELS)
def test_scores_and_attention_are_those_of_teacher_forcing(kind):
    model = model_of(kind, seed=3)
    source, _ = batch()
    greedy = model.generate(source, start=START, end=END, max_length=8, lengths=LENGTHS)
    read = np.concatenate([np.full((1, N), START), greedy.sequences.numpy()[:-1]])
    logits, weights = model(source, read, lengths=LENGTHS, return_attention_scores=True)
    log_p = tr.log_softmax(logits).numpy()
    for n, length in enumerate(greedy.lengths.tolist()):
        symbols = greedy.sequences.numpy()[: length + 1, n]
        assert (symbols[:length] != END).all() and (length == 8 or symbols[length] == END)
        np.testing.assert_array_equal(symbols, log_p[: length + 1, n].argmax(axis=-1))
        expected = log_p[np.arange(len(symbols)), n, symbols].sum()
        np.testing.assert_allclose(greedy.scores.numpy()[n], expected, rtol=1e-9)
    if kind != "plain":
        np.testing.assert_allclose(greedy.attention_scores.numpy(), weights.numpy(), rtol=1e-9)
    assert not greedy.scores.requires_grad


def test_sampled_sequences_follow_the_seed():
    model = model_of("Luong, dot")
    source, _ = batch()
    options = {"start": START, "end": END, "max_length": 12, "temperature": 2.0}
    tr.manual_seed(5)
    first = model.generate(source, **options).sequences.numpy()
    tr.manual_seed(5)
    np.testing.assert_array_equal(model.generate(source, **options).sequences.numpy(), first)
    assert model.generate(source, **options).sequences.numpy().tolist() != first.tolist()


# -- training ----------------------------------------


def test_the_trainer_takes_source_and_target():
    rng = np.random.default_rng(0)
    source = rng.integers(3, V, size=(3, 60))
    lengths = rng.integers(1, 4, size=60)
    source[np.arange(3)[:, None] >= lengths] = 0
    target = np.concatenate([np.where(source > 0, (source - 3) % 3 + 3, 0), np.zeros((1, 60), int)])
    target[lengths, np.arange(60)] = END
    read = np.concatenate([np.full((1, 60), START), target[:-1]])
    model = model_of("Luong, dot", dtype="float32")
    trainer = tr.Trainer(
        model,
        lambda logits, y: nn.cross_entropy(logits, y, ignore_index=0),
        optim.Adam(model.parameters(), lr=0.03),
        batch_axis=1,
    )
    history = trainer.fit((source, read), target, lengths=lengths, epochs=15, batch_size=20)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert trainer.predict((source, read), lengths=lengths).shape == (4, 60, W)


def test_scheduled_sampling_is_resumed_bit_for_bit(tmp_path):
    class Sampling(tr.train.Callback):
        def on_fit_begin(self, run):
            run.model.sampling = 0.3 * run.epoch

        on_epoch_end = on_fit_begin

    class Stop(tr.train.Callback):
        def on_step_end(self, run):
            if run.step == 5:
                run.interrupted = True

    rng = np.random.default_rng(0)
    source, target = rng.integers(3, V, size=(3, 12)), rng.integers(3, W, size=(4, 12))
    read = np.concatenate([np.full((1, 12), START), target[:-1]])

    def train(name, *callbacks):
        tr.manual_seed(0)
        model = model_of("Luong, dot", dtype="float32")
        trainer = tr.Trainer(model, nn.cross_entropy, optim.Adam(model.parameters(), lr=0.01), batch_axis=1)
        saving = tr.train.Checkpoint(tmp_path / name, every_steps=1, resume=True)
        return trainer.fit((source, read), target, epochs=3, batch_size=4, callbacks=[Sampling(), *callbacks, saving])

    whole = train("whole.safetensors")
    train("broken.safetensors", Stop())
    assert train("broken.safetensors")["loss"] == whole["loss"]
