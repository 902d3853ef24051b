"""The Trainer: its loop against one written by hand, its means, its predictions, and what it refuses."""

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, optim


class LastStep(nn.Module):
    """Scores of a class for each sequence, from the output after its last step."""

    def __init__(self, inputs=1, hidden=6, classes=2, batch_first=True):
        self.layer = nn.GRU(inputs, hidden, batch_first=batch_first)
        self.scores = nn.Linear(hidden, classes)

    def forward(self, x, lengths=None):
        _, h = self.layer(x, lengths=lengths)
        return self.scores(h[-1])


def trainer_of(model, loss=nn.cross_entropy, lr=0.01, **options):
    return tr.Trainer(model, loss, optim.Adam(model.parameters(), lr=lr), **options)


@pytest.fixture
def parity():
    x = np.random.default_rng(0).integers(0, 2, size=(22, 5, 1)).astype("float32")
    return x, x.sum(axis=(1, 2)).astype(int) % 2


def weights(model):
    return [p.numpy().copy() for p in model.parameters()]


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


# -- the loop ------------------------------------------------------------------------------------------------------


def test_fit_is_the_loop_one_writes_by_hand(parity):
    x, y = parity
    tr.manual_seed(0)
    by_hand = LastStep()
    optimizer = optim.Adam(by_hand.parameters(), lr=0.01)
    losses, norms = [], []
    for _ in range(3):
        for start in range(0, 22, 8):
            loss = nn.cross_entropy(by_hand(x[start : start + 8]), y[start : start + 8])
            optimizer.zero_grad()
            loss.backward()
            norms.append(optim.clip_grad_norm(by_hand.parameters(), 0.1).item())
            optimizer.step()
            losses.append(loss.item())
    tr.manual_seed(0)
    model = LastStep()
    history = trainer_of(model, clip_norm=0.1).fit(x, y, epochs=3, batch_size=8, shuffle=False)
    assert same(weights(model), weights(by_hand))
    assert history.steps["loss"] == losses and history.steps["gradient_norm"] == norms
    sizes = [8, 8, 6]
    assert history["loss"] == pytest.approx([np.average(losses[i : i + 3], weights=sizes) for i in (0, 3, 6)], rel=1e-12)
    assert history["step"] == [3, 6, 9] and history.steps["epoch"] == [1] * 3 + [2] * 3 + [3] * 3


def test_shuffling_follows_the_seed_and_takes_every_sample_once_in_each_epoch():
    x = np.arange(10.0)[:, None]
    seen = []

    class Noting(nn.Linear):
        def forward(self, x):
            seen.extend(x.numpy()[:, 0].tolist())
            return super().forward(x)

    def orders(seed):
        seen.clear()
        tr.manual_seed(seed)
        trainer_of(Noting(1, 1), nn.mse).fit(x, x, epochs=2, batch_size=3)
        return seen[:10], seen[10:]

    first, second = orders(1)
    assert sorted(first) == sorted(second) == x[:, 0].tolist() and first != second
    assert orders(1) == (first, second) and orders(2)[0] != first


def test_time_first_arrays_learn_the_same(parity):
    x, y = parity
    results = []
    for batch_first in (True, False):
        tr.manual_seed(0)
        model = LastStep(batch_first=batch_first)
        trainer = trainer_of(model, batch_axis=0 if batch_first else 1)
        history = trainer.fit(x if batch_first else x.transpose(1, 0, 2), y, epochs=2, batch_size=5, validation_split=0.2)
        results.append((history["val_loss"], trainer.predict(x if batch_first else x.transpose(1, 0, 2), batch_size=4)))
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_batches_of_an_iterable_and_several_inputs():
    class Sum(nn.Module):
        def __init__(self):
            self.w = tr.Parameter([0.0])

        def forward(self, a, b):
            return (a + b) * self.w

    a, b = np.ones((6, 2)), np.full((6, 2), 2.0)
    model = Sum()
    trainer = tr.Trainer(model, nn.mse, optim.SGD(model.parameters(), lr=0.05))
    trainer.fit((a, b), a + b, epochs=20, batch_size=4)
    assert model.w.item() == pytest.approx(1.0, abs=1e-3)
    assert trainer.predict((a, b), batch_size=5).shape == (6, 2)
    history = trainer.fit([((a[:4], b[:4]), a[:4] + b[:4]), tr.data.Batch((a[4:], b[4:]), a[4:] + b[4:])], epochs=2)
    assert len(history.steps["loss"]) == 4


# -- means ---------------------------------------------------------------------------------------------------------


def test_means_count_places_not_batches():
    """Unequal batches with masks: as if all were computed at once."""
    rng = np.random.default_rng(0)
    model = nn.Linear(3, 4)
    x, y = rng.normal(size=(7, 5, 3)).astype("float32"), rng.integers(0, 4, (7, 5))
    mask = rng.random((7, 5)) < 0.5
    trainer = trainer_of(model, metrics=["accuracy", "perplexity", "bits_per_character"])
    found = trainer.evaluate(x, y, mask=mask, batch_size=3)
    loss = nn.cross_entropy(model(x), y, mask=mask).item()
    hits = (model(x).numpy().argmax(-1) == y)[mask].mean()
    assert found == pytest.approx(
        {"loss": loss, "accuracy": hits, "perplexity": np.exp(loss), "bits_per_character": loss / np.log(2)}, rel=1e-6
    )
    assert trainer.evaluate(x, y, mask=np.zeros_like(mask)) == dict.fromkeys(found)  # nothing counts: no mean


@pytest.mark.parametrize("tenths", range(1, 10))
def test_a_validation_split_is_that_share_of_the_samples(tenths):
    """Also where the floats of 1 − 0.8 and 1 − 0.9 are a little too small."""
    x = np.ones((10, 1))
    history = trainer_of(nn.Linear(1, 1), loss=nn.mse).fit(x, x, validation_split=tenths / 10, batch_size=1)
    assert len(history.steps["loss"]) == 10 - tenths


def test_metrics_of_numbers_and_of_yes_or_no():
    target = np.array([[0.0, 1.0], [1.0, 3.0]], "float32")
    assert tr.train.mae(target + 0.5, target) == 0.5 and tr.train.mse(target + 0.5, target) == 0.25
    assert tr.train.binary_accuracy(tr.tensor([1.0, -1.0, 2.0]), [1.0, 1.0, 1.0]) == pytest.approx(2 / 3)
    assert tr.train.accuracy(tr.tensor([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.0, 1.0], [0.2, 0.8]])) == 0.5
    assert tr.train.accuracy(tr.tensor([[1.0, 2.0], [3.0, 0.0]]), [1, 1], mask=[True, False]) == 1.0
    with pytest.raises(ValueError, match="use binary_accuracy"):
        tr.train.accuracy(tr.zeros(3, 1), np.zeros((3, 1), int))


# -- what is refused -----------------------------------------------------------------------------------------------


def test_a_model_that_returns_its_state(parity):
    model = nn.GRU(1, 2, batch_first=True)
    with pytest.raises(TypeError, match=r"GRU returned a tuple.*return_state=False"):
        trainer_of(model).fit(*parity)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, x, y: t.fit(x, y[:-1]), r"x \(22, 5, 1\) has 22 along axis 0, y \(21,\) has 21"),
        (lambda t, x, y: t.fit(x), "there is no y"),
        (lambda t, x, y: t.fit(x[:0], y[:0]), "nothing to make batches of"),
        (lambda t, x, y: t.fit(x, y, batch_size=0), "batch_size=0: expected a whole number from 1"),
        (lambda t, x, y: t.fit(x, y, epochs=0), "epochs must be a whole number from 1, not 0"),
        (lambda t, x, y: t.fit(x, y, validation_split=1.0), "fraction from 0 up to 1, not 1.0"),
        (lambda t, x, y: t.fit(x, y, validation_split="0.2"), "fraction from 0 up to 1, not '0.2'"),
        (
            lambda t, x, y: t.fit(tr.data.Batches(x, y, batch_size=32, drop_last=True)),
            "there are no batches: the Batches is empty",
        ),
        (lambda t, x, y: t.predict(tr.data.Batches(x, y, batch_size=32, drop_last=True)), "the Batches is empty"),
        (lambda t, x, y: t.fit(x, y, validation_split=0.99), "leaves none on one side"),
        (lambda t, x, y: t.fit(x, y, validation_split=0.1, validation_data=(x, y)), "give one of them"),
        (lambda t, x, y: t.fit(x, y, validation_data=x), "must be .x, y., a Batch"),
        (lambda t, x, y: t.fit([(x, y)], y), "bring their own y"),
        (lambda t, x, y: t.fit([(x, y)], validation_split=0.5), "give validation_data"),
        (lambda t, x, y: t.fit((b for b in [(x, y)]), epochs=2), "used up"),
        (lambda t, x, y: t.fit(iter([x])), "expected batches"),
        (lambda t, x, y: t.fit(x, y, callbacks=[tr.train.Callback]), r"make one, Callback\(\.\.\.\)"),
        (lambda t, x, y: t.fit([["a"]], y), "x: expected numbers"),
    ],
)
def test_data_that_do_not_fit(parity, call, message):
    model = LastStep()
    before = weights(model)
    with pytest.raises((ValueError, TypeError), match=message):
        call(trainer_of(model), *parity)
    assert "used up" in message or same(weights(model), before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: tr.Trainer(abs, nn.mse, optim.SGD(m.parameters(), lr=1)), "must be a Module"),
        (lambda m: tr.Trainer(m, "mse", optim.SGD(m.parameters(), lr=1)), "must be a function"),
        (lambda m: tr.Trainer(m, nn.mse, optim.Adam), r"make one, optim.Adam\(model.parameters\(\)\)"),
        (lambda m: tr.Trainer(m, nn.mse, optim.SGD(nn.Linear(1, 1).parameters(), lr=1)), "none of the model's parameters"),
        (lambda m: trainer_of(m, metrics=["accurracy"]), "no metric 'accurracy': there are accuracy"),
        (lambda m: trainer_of(m, metrics=["mae", tr.train.mae]), "two metrics are called mae"),
        (lambda m: trainer_of(m, clip_norm=0), "above 0"),
        (lambda m: trainer_of(m, batch_axis=2), "batch_axis must be 0"),
    ],
)
def test_a_trainer_that_cannot_be(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(nn.Linear(1, 1))


@pytest.mark.parametrize(("batch_first", "batch_axis"), [(False, 0), (True, 1)])
def test_layers_that_read_along_the_other_axis(parity, batch_first, batch_axis):
    x, y = parity

    class EachStep(nn.Module):
        def __init__(self):
            self.layer = nn.GRU(1, 2, batch_first=batch_first)

        def forward(self, x):
            return self.layer(x)[0]

    x = x if batch_axis == 0 else x.transpose(1, 0, 2)
    y = np.repeat(y[:, None] if batch_axis == 0 else y[None], 5, axis=1 - batch_axis)
    with pytest.raises(ValueError, match=r"batch has 8 samples of 5 steps, but the recurrent layers see 5 sequences of 8"):
        trainer_of(EachStep(), batch_axis=batch_axis).fit(x, y, batch_size=8)


def test_losses_that_are_no_number(parity):
    x, y = parity
    with pytest.raises(ValueError, match=r"must be one number.*not shape \(22,\): take its mean"):
        trainer_of(LastStep(), lambda p, y: nn.cross_entropy(p, y, reduction="none")).fit(x, y)
    with pytest.raises(ValueError, match="not a float"):
        trainer_of(LastStep(), lambda p, y: 1.0).fit(x, y)


def test_lengths_for_a_model_that_takes_none(parity):
    with pytest.raises(TypeError, match="Linear takes none"):
        trainer_of(nn.Linear(1, 2)).fit(*parity, lengths=np.full(22, 5))


def test_padding_that_would_count():
    x, y = np.zeros((4, 3, 1)), np.zeros((4, 3), int)
    trainer = trainer_of(nn.GRU(1, 2, batch_first=True, return_state=False))
    lengths = [3, 1, 2, 3]
    with pytest.raises(ValueError, match=r"give mask=data.length_mask\(lengths, 3, batch_first=True\)"):
        trainer.fit(x, y, lengths=lengths)
    mask = tr.data.length_mask(lengths, 3, batch_first=True)
    trainer.fit(x, y, lengths=lengths, mask=mask)


# -- numbers that are not finite -----------------------------------------------------------------------------------


class Blowing(nn.Module):
    """exp of what may be large, inside of a module."""

    def __init__(self):
        self.inner = nn.Linear(1, 1, bias=False)

    def forward(self, x):
        with tr.scope("exponent"):
            return tr.exp(self.inner(x))


def test_a_loss_that_is_not_finite_names_step_batch_and_module():
    model = Blowing()
    model.inner.W.assign([[1.0]])
    x = np.array([[1.0], [1.0], [1000.0]])
    before = weights(model)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError) as error:
        trainer_of(model, nn.mse).fit(x, np.ones((3, 1)), batch_size=3, shuffle=False)
    assert str(error.value).startswith(
        "the loss is inf in step 1 (batch 1 of epoch 1): exp gave inf (in module 'Blowing.exponent')"
    )
    assert same(weights(model), before)


def test_the_step_of_a_recurrent_layer_is_named():
    model = nn.RNN(1, 4, batch_first=True, nonlinearity="relu", return_state=False)
    model.layer0.W_x.assign(np.ones((1, 4)))
    model.layer0.W_h.assign(1e20 * np.eye(4))  # 1, 10²⁰, 10⁴⁰ at step 2
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"matmul gave inf \(in module 'RNN.layer0', at step 2\)"),
    ):
        trainer_of(model, nn.mse).fit(np.ones((3, 5, 1)), np.ones((3, 5, 4)))


def test_data_and_parameters_that_were_not_finite():
    model = LastStep()
    x = np.ones((4, 5, 1))
    x[2, 3] = np.nan
    with pytest.raises(FloatingPointError, match=r"step 1 .batch 1 of epoch 1.: an input \(4, 1\) has numbers"):
        trainer_of(model).fit(x, np.zeros(4, int))
    model.scores.W.assign(np.full((6, 2), np.inf))
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"the parameter 'scores.W' \(6, 2\) has numbers"):
        trainer_of(model).fit(np.ones((4, 5, 1)), np.zeros(4, int))


def test_what_a_mask_keeps_out_is_not_blamed():
    x = np.ones((4, 5, 1))
    x[2, 3:] = np.nan  # padding
    model = LastStep()
    trainer = trainer_of(model, lambda p, y: nn.cross_entropy(p, y) + tr.log(p.sum() * 0))
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"the loss is -inf in step 1.*: log gave -inf"):
        trainer.fit(x, np.zeros(4, int), lengths=[5, 5, 3, 5])
    assert np.isfinite(trainer_of(model).fit(x, np.zeros(4, int), lengths=[5, 5, 3, 5])["loss"][0])


def test_a_gradient_that_is_not_finite():
    model = nn.Linear(1, 1)
    before = weights(model)
    trainer = trainer_of(model, lambda p, y: tr.sqrt((p - p.detach()) * 1.0).mean())
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"norm of the gradients is inf in step 1.*sqrt's gradient"),
    ):
        trainer.fit(np.ones((4, 1)), np.ones((4, 1)))
    assert same(weights(model), before)


# -- prediction ----------------------------------------------------------------------------------------------------


def test_predict_is_one_pass_without_dropout():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2))
    x = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")
    found = trainer_of(model).predict(x, batch_size=3)
    assert isinstance(found, np.ndarray) and model.training
    np.testing.assert_allclose(found, model.eval()(x).numpy(), rtol=1e-6)


def test_predict_with_lengths_and_time_first():
    layer = LastStep(batch_first=False)
    x = np.random.default_rng(0).normal(size=(5, 7, 1)).astype("float32")
    lengths = np.array([5, 1, 3, 2, 4, 5, 0])
    found = trainer_of(layer, batch_axis=1).predict(x, lengths=lengths, batch_size=3)
    np.testing.assert_allclose(found, layer(x, lengths=lengths).numpy(), rtol=1e-5, atol=1e-7)


def test_predict_joins_each_step_along_the_axis_of_the_samples():
    x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype("float32")
    model = nn.Linear(3, 2)
    found = trainer_of(model, batch_axis=1).predict(x, batch_size=3)
    np.testing.assert_allclose(found, model(x).numpy(), rtol=1e-6)
    uneven = [(x[:4, :2],), (x[:, 2:],)]
    with pytest.raises(ValueError, match="predict batch by batch"):
        trainer_of(model, batch_axis=1).predict(uneven)


@pytest.mark.parametrize("classes", [2, 3])
def test_predict_joins_one_row_for_each_sample_of_time_first_arrays(classes):
    """Also where there are as many classes as samples in a batch."""
    x = np.random.default_rng(0).normal(size=(5, 6, 1)).astype("float32")
    model = LastStep(batch_first=False, classes=classes)
    for batch_size in (3, 4):
        found = trainer_of(model, batch_axis=1).predict(x, batch_size=batch_size)
        np.testing.assert_allclose(found, model(x).numpy(), rtol=1e-5, atol=1e-7)


def test_predict_does_not_guess_along_which_axis_the_samples_lie():
    """One number for each step of time-first sequences, and as many steps as samples in a batch."""

    class OfEachStep(nn.Linear):
        def forward(self, x):
            return super().forward(x)[..., 0]

    model, x = OfEachStep(3, 1), np.random.default_rng(0).normal(size=(4, 8, 3)).astype("float32")
    trainer = trainer_of(model, batch_axis=1)
    for size in (3, 8):
        np.testing.assert_allclose(trainer.predict(x, batch_size=size), model(x).numpy(), rtol=1e-6)
    with pytest.raises(ValueError, match=r"row for each sample, or for each step.* another batch_size than 4"):
        trainer.predict(x, batch_size=4)


def test_floats_take_the_dtype_of_the_model():
    model = nn.Linear(1, 1)
    trainer = trainer_of(model, nn.mse)
    trainer.fit(np.ones((4, 1)), np.ones((4, 1)))
    assert trainer.predict(np.ones((4, 1))).dtype == np.float32
    assert trainer.predict([[1.0], [2.0]]).shape == (2, 1)


# -- what is seen --------------------------------------------------------------------------------------------------


def test_verbose_and_quiet(capsys):
    model = nn.Linear(1, 1)
    trainer = trainer_of(model, nn.mse)
    x = np.ones((4, 1))
    trainer.fit(x, x)
    trainer.fit(x, x, verbose=False)
    assert capsys.readouterr() == ("", "")
    trainer.fit(x, x, epochs=2, validation_split=0.5, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("epoch 1/2: loss ") and ", val_loss " in lines[0]


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    x = np.ones((4, 1))
    trainer_of(nn.Linear(1, 1), nn.mse).fit(x, x, epochs=2, validation_split=0.5)
    assert "epoch 2/2, loss" in capsys.readouterr().err


def test_ctrl_c_ends_the_step_and_returns():
    import signal

    class Press(tr.train.Callback):
        def on_backward(self, run):
            if run.step == 2:
                signal.raise_signal(signal.SIGINT)

    x = np.ones((20, 1))
    before = signal.getsignal(signal.SIGINT)
    history = trainer_of(nn.Linear(1, 1), nn.mse).fit(x, x, epochs=3, batch_size=4, callbacks=Press())
    assert history.interrupted and history.steps["step"] == [1, 2, 3] and history.history == {}
    assert signal.getsignal(signal.SIGINT) is before
