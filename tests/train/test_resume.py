"""A training that is killed, wherever, goes on bit for bit; a file of something else is refused."""

import os
import random
import signal
import time
from contextlib import suppress

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import backend, files, io, nn, optim

pytest.importorskip("safetensors", reason="checkpoints are written with safetensors: pip install 'tinyrnn[io]'")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the training is killed in a forked process")
EPOCHS = 4


class Model(nn.Module):
    """With all that can make a training differ: dropout, and a state that is carried from batch to batch."""

    def __init__(self):
        self.dropout = nn.Dropout(0.3)
        self.layer = nn.Stateful(nn.LSTM(2, 4), batch_first=True, return_state=False)
        self.scores = nn.Linear(4, 2)

    def forward(self, x):
        return self.scores(self.layer(self.dropout(x)))


def data():
    rng = np.random.default_rng(5)
    return rng.normal(size=(16, 3, 2)), rng.integers(0, 2, (16, 3))


def train(path, *callbacks, seed=0, epochs=EPOCHS, model=Model, rule=optim.Adam, resume=True, stop=True, **options):
    """A whole training; returns the weights, the history and the callback that stops early."""
    tr.manual_seed(seed)
    network = model()
    optimizer = rule(network.parameters(), lr=0.05)
    early = tr.train.EarlyStopping("val_loss", patience=2 if stop else 99)
    trainer = tr.Trainer(
        network,
        nn.cross_entropy,
        optimizer,
        metrics=["accuracy"],
        clip_norm=0.5,
        schedule=optim.OneCycleLR(optimizer, 0.2, 12),
    )
    saving = tr.train.Checkpoint(path, every_steps=2, every_epochs=None, resume=resume)
    given = {"batch_size": 4, "validation_split": 0.25, **options}
    history = trainer.fit(*data(), epochs=epochs, callbacks=[early, tr.train.GradientNorms(), *callbacks, saving], **given)
    return [p.numpy().copy() for p in network.parameters()], history, early


def same(a, b):
    """Equal bit for bit: weights, all records, and when it stopped."""
    (weights, history, early), (others, other, late) = a, b
    return (
        all(np.array_equal(p, q) for p, q in zip(weights, others, strict=True))
        and history.history == other.history
        and history.steps == other.steps
        and early.best_epoch == late.best_epoch
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The training without a break."""
    result = train(tmp_path_factory.mktemp("whole") / "run.safetensors")
    assert len(result[1]["loss"]) >= 3 and result[2].best_epoch
    return result


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def in_a_process(work, wait=None):
    """Run it in a child that is killed: by itself, or after some seconds.  Was it?"""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    if wait is not None:
        time.sleep(wait)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


class DieAt(tr.train.Callback):
    """Killed when it is told something for the n-th time."""

    def __init__(self, number):
        self.left = number

    def on_backward(self, run):
        self.left -= 1
        if self.left < 0:
            die()

    on_fit_begin = on_step_end = on_epoch_end = on_fit_end = on_backward


@needs_fork
@pytest.mark.parametrize("moment", range(0, 23, 2))
def test_killed_at_each_moment(whole, path, moment):
    assert in_a_process(lambda: train(path, DieAt(moment)))
    seed = 99 if path.exists() else 0  # what follows depends on the file alone
    assert same(train(path, seed=seed), whole)


@needs_fork
def test_killed_at_random_again_and_again(whole, path):
    rng = random.Random(7)
    waits = [0.01, *(rng.uniform(0.02, 0.12) for _ in range(15))]
    killed = [in_a_process(lambda: train(path, seed=99 if path.exists() else 0), wait) for wait in waits]
    assert killed[0]
    assert same(train(path, seed=99 if path.exists() else 0), whole)


class Dying:
    """A file whose writing ends half way, with the process."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def write(self, content):
        self._file.write(content[: len(content) // 2])
        self._file.flush()
        die()


@needs_fork
@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_killed_in_the_middle_of_a_save(whole, path, where, number):
    def work():
        saves = 0

        def count(call, then):
            def counted(*given, **options):
                nonlocal saves
                saves += 1
                return then(*given, **options) if saves == number else call(*given, **options)

            return counted

        if where == "write":
            files.open = count(open, lambda *given: Dying(open(*given)))  # noqa: SIM115
        else:
            setattr(files.os, where, count(getattr(os, where), die))
        train(path)

    assert in_a_process(work)
    assert path.exists() == (number > 1 or (where == "fsync" and number > 1))
    assert same(train(path, seed=99 if path.exists() else 0), whole)
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # no draft is left over


# -- in one process ------------------------------------------------------------------------------------------------


class Press(tr.train.Callback):
    """Ctrl-C in the middle of a step."""

    def __init__(self, step):
        self.step = step

    def on_backward(self, run):
        if run.step + 1 == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("step", [1, 3, 5])
def test_ctrl_c_saves_and_goes_on(whole, path, step):
    _, history, _ = train(path, Press(step))
    assert history.interrupted and len(history.steps["loss"]) == step
    assert same(train(path, seed=99), whole)


def test_more_epochs_than_at_first(path, tmp_path):
    expected = train(tmp_path / "other.safetensors", stop=False, epochs=5)
    train(path, stop=False, epochs=2)
    assert same(train(path, stop=False, epochs=5, seed=99), expected)


def test_a_training_that_had_ended_changes_nothing(whole, path):
    train(path)
    before = path.read_bytes()
    assert same(train(path, seed=99), whole)
    assert path.read_bytes() == before


def test_batches_of_an_iterable_without_a_state(path, tmp_path):
    """What was given out before is passed over."""
    x, y = data()
    batches = [(x[i : i + 4], y[i : i + 4]) for i in range(0, 16, 4)]

    def run(path, *callbacks, seed=0):
        tr.manual_seed(seed)
        model = Model()
        trainer = tr.Trainer(model, nn.cross_entropy, optim.Adam(model.parameters()))
        saving = tr.train.Checkpoint(path, every_steps=1, resume=True)
        history = trainer.fit(batches, epochs=3, callbacks=[*callbacks, saving])
        return model.state_dict(), history.steps, history.history

    expected = run(tmp_path / "other.safetensors")
    run(path, Press(6))
    found = run(path, seed=99)
    assert all(np.array_equal(found[0][name], expected[0][name]) for name in expected[0]) and found[1:] == expected[1:]


@pytest.mark.parametrize("step", [2, 5, 9])
def test_buckets_a_plateau_and_padding(path, tmp_path, step):
    rng = np.random.default_rng(2)
    sequences = [rng.integers(0, 5, rng.integers(1, 9)) for _ in range(30)]

    def run(path, *callbacks, seed=0):
        tr.manual_seed(seed)
        layer = nn.GRU(3, 4, return_state=False)
        model = nn.Sequential(nn.Embedding(5, 3), nn.Dropout(0.2), layer, nn.Linear(4, 5))
        optimizer = optim.RMSprop(model.parameters(), lr=0.01)
        schedule = optim.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, threshold=0.5)
        trainer = tr.Trainer(model, nn.cross_entropy, optimizer, metrics=["perplexity"], schedule=schedule)
        batches = tr.data.BucketBatches(sequences, sequences, batch_size=6, boundaries=[4], shuffle=True, seed=3)
        saving = tr.train.Checkpoint(path, every_steps=2, resume=True)
        history = trainer.fit(batches, epochs=3, callbacks=[*callbacks, saving])
        return model.state_dict(), history.history, history.steps

    weights, *records = run(tmp_path / "other.safetensors")
    assert len(set(records[0]["lr"])) > 1
    run(path, Press(step))
    others, *found = run(path, seed=99)
    assert found == records and all(np.array_equal(others[name], weights[name]) for name in weights)


def test_the_random_generator_goes_on(path):
    train(path)
    after = tr.randn(3).tolist()
    tr.manual_seed(99)
    train(path)
    assert tr.randn(3).tolist() == after and backend.random_state()["seed"] == 0


def test_the_best_model_is_kept(tmp_path):
    best = tmp_path / "best.safetensors"
    model = nn.Linear(1, 1)
    x = np.ones((4, 1))
    trainer = tr.Trainer(model, nn.mse, optim.SGD(model.parameters(), lr=3.0))  # gets worse
    first = model.state_dict()
    saving = tr.train.Checkpoint(tmp_path / "run.safetensors", best=best, monitor="val_loss")
    history = trainer.fit(x, x, epochs=3, validation_data=(x, x), callbacks=saving)
    assert io.metadata(best) == {"epoch": 1, "val_loss": history["val_loss"][0]}
    other = nn.Linear(1, 1)
    io.load(best, into=other)
    assert nn.mse(other(x), x).item() == pytest.approx(history["val_loss"][0], rel=1e-5)
    assert not np.array_equal(other.W.numpy(), first["W"])


# -- what is refused -----------------------------------------------------------------------------------------------


class Wider(Model):
    def __init__(self):
        super().__init__()
        self.scores = nn.Linear(4, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": Wider}, "model was Model, is Wider"),
        ({"rule": optim.SGD}, r"optimizer was Adam\(betas=\(0.9, 0.999\), eps=1e-08, weight_decay=0.0\), is SGD"),
        ({"batch_size": 5}, "data: batch_size was 4, is 5"),
        ({"shuffle": False}, "data: shuffle was True, is False"),
        ({"validation_split": 0.5}, r"data: x was \[\[12, 3, 2\]\], is \[\[8, 3, 2\]\]"),
    ],
)
def test_a_file_of_something_else(path, options, message):
    train(path, epochs=1)
    with pytest.raises(ValueError, match=f"(?s)cannot resume from .*{message}.*as it was, or begin anew"):
        train(path, **options)


def test_other_data_of_the_same_shape(path, monkeypatch):
    train(path, epochs=1)
    x, y = data()
    x[3, 1] += 0.01
    monkeypatch.setitem(globals(), "data", lambda: (x, y))
    with pytest.raises(ValueError, match="data: checksum was"):
        train(path)


@pytest.mark.parametrize("make", [lambda codes: tr.data.Streams(codes, streams=2, window=4), lambda codes: [(codes, codes)]])
def test_other_batches_of_the_same_shape(path, make):
    def run(codes):
        model = nn.Sequential(nn.Embedding(3, 3))
        trainer = tr.Trainer(model, nn.cross_entropy, optim.SGD(model.parameters(), lr=0.1))
        return trainer.fit(make(codes), epochs=1, callbacks=tr.train.Checkpoint(path, resume=True))

    codes = np.arange(40) % 3
    assert run(codes).steps == run(codes).steps
    with pytest.raises(ValueError, match="data: checksum was"):
        run(codes[::-1])


def test_a_model_of_another_size(path):
    train(path, epochs=1)
    with pytest.raises(ValueError, match=r"training of another model.*\n.*scores.W is \(4, 2\), expected \(4, 3\)"):
        train(path, model=type("Model", (Wider,), {}))


def test_files_that_are_no_training(path):
    io.save(path, nn.Linear(2, 2), trained_on="Shakespeare")
    with pytest.raises(ValueError, match="holds no training"):
        train(path)
    train(path, epochs=1, resume=False)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cut off"):
        train(path)


def test_a_folder_that_is_not_there_shows_before_the_work(tmp_path):
    class NoStep(tr.train.Callback):
        def on_backward(self, run):
            raise AssertionError("the work has begun")

    with pytest.raises(FileNotFoundError, match="there is no folder"):
        train(tmp_path / "nowhere" / "run.safetensors", NoStep())


def test_what_is_no_interval(path):
    with pytest.raises(ValueError, match="every_steps must be a whole number from 1, or None, not 0"):
        tr.train.Checkpoint(path, every_steps=0)
