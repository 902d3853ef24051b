"""Callbacks: when they are told, early stopping, schedules, and what they write down."""

import csv
import struct

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, optim


class Script(tr.train.Callback):
    """Puts given numbers into the history, in place of what a validation measures."""

    def __init__(self, *values):
        self.values = values

    def on_epoch_end(self, run):
        run.history.note(score=self.values[run.epoch - 1])


def fit(*callbacks, epochs=6, model=None, **options):
    model = model or nn.Linear(1, 1)
    x = np.arange(6.0)[:, None]
    trainer = tr.Trainer(model, nn.mse, optim.SGD(model.parameters(), lr=0.01))
    return trainer.fit(x, 2 * x, epochs=epochs, batch_size=4, callbacks=callbacks, **options), model


def test_the_order_of_events():
    told = []

    class Noting(tr.train.Callback):
        def on_fit_begin(self, run):
            told.append("begin")

        def on_backward(self, run):
            told.append(("backward", run.step, run.model.W.grad is not None))

        def on_step_end(self, run):
            told.append(("step", run.step, run.place, len(run.history.steps["loss"])))

        def on_epoch_end(self, run):
            told.append(("epoch", run.epoch, len(run.history["loss"])))

        def on_fit_end(self, run):
            told.append("end")

    fit(Noting(), epochs=1)
    assert told == [
        *["begin", ("backward", 0, True), ("step", 1, 1, 1), ("backward", 1, True), ("step", 2, 2, 2)],
        *[("epoch", 1, 1), "end"],
    ]


def test_a_callback_may_end_the_training_in_the_middle_of_an_epoch():
    class Enough(tr.train.Callback):
        def on_step_end(self, run):
            if run.step == 3:
                run.stop()

    history, _ = fit(Enough())
    assert history.steps["step"] == [1, 2, 3] and history["epoch"] == [1] and not history.interrupted


# -- early stopping ------------------------------------------------------------------------------------------------


def test_patience_and_the_best_weights():
    kept = {}

    class Keep(tr.train.Callback):
        def on_epoch_end(self, run):
            kept[run.epoch] = run.model.state_dict()

    stop = tr.train.EarlyStopping("score", patience=2)
    history, model = fit(Script(3.0, 1.0, 2.0, 1.5, 0.0), stop, Keep())
    assert history["epoch"] == [1, 2, 3, 4] and stop.best_epoch == 2
    assert np.array_equal(model.W.numpy(), kept[2]["W"]) and not np.array_equal(model.W.numpy(), kept[4]["W"])
    stop = tr.train.EarlyStopping("score", patience=2, restore_best=False)
    _, model = fit(Script(3.0, 1.0, 2.0, 1.5, 0.0), stop, Keep())
    assert np.array_equal(model.W.numpy(), kept[4]["W"])


@pytest.mark.parametrize(
    ("options", "scores", "epochs"),
    [
        ({"min_delta": 0.5}, (3.0, 2.7, 2.6, 1.0, 0.0, 0.0), 3),
        ({"mode": "max"}, (3.0, 4.0, 2.0, 1.0, 9.0, 9.0), 4),
        ({}, (3.0, 2.0, 2.0, 2.0, 0.0, 0.0), 4),
        ({}, (3.0, float("nan"), float("nan"), 0.0, 0.0, 0.0), 3),
    ],
)
def test_what_counts_as_better(options, scores, epochs):
    history, _ = fit(Script(*scores), tr.train.EarlyStopping("score", patience=2, **options))
    assert len(history["score"]) == epochs


def test_another_training_begins_anew():
    stop = tr.train.EarlyStopping("score", patience=2)
    for _ in range(2):
        history, _ = fit(Script(3.0, 4.0, 4.0), stop)
        assert history["epoch"] == [1, 2, 3] and stop.best_epoch == 1


def test_more_accuracy_is_better():
    best = tr.train.stopping.Best
    assert best("val_accuracy").sign == best("loss", "max").sign == 1 and best("val_loss").sign == -1


def test_names_that_were_not_measured():
    with pytest.raises(ValueError, match=r"no 'val_loss' was measured in epoch 1, but loss, lr; give fit validation_split"):
        fit(tr.train.EarlyStopping())
    with pytest.raises(ValueError, match=r"no 'acc' was measured in epoch 1, but loss, lr, val_loss$"):
        fit(tr.train.EarlyStopping("acc"), validation_split=0.5)
    with pytest.raises(ValueError, match="mode must be 'min' or 'max', not 'less'"):
        tr.train.EarlyStopping(mode="less")
    with pytest.raises(ValueError, match="patience must be a whole number from 1, not 0"):
        tr.train.EarlyStopping(patience=0)


# -- schedules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("every", "expected"), [("step", [1.0, 0.5, 0.25, 0.125]), ("epoch", [1.0, 1.0, 0.5, 0.5])])
def test_a_schedule_of_steps_or_of_epochs(every, expected):
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.ExponentialLR(optimizer, 0.5)
    trainer = tr.Trainer(model, nn.mse, optimizer, schedule=schedule, schedule_every=every)
    x = np.zeros((4, 1))
    history = trainer.fit(x, x, epochs=2, batch_size=2)
    assert history.steps["lr"] == expected and history["lr"] == expected[1::2]


def test_a_schedule_on_a_plateau_is_told_the_validation_loss():
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    schedule = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    x = np.zeros((4, 1))
    history = tr.Trainer(model, lambda p, y: (p * 0).mean(), optimizer, schedule=schedule).fit(
        x, x, epochs=6, validation_split=0.5
    )
    assert history["lr"] == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025] and schedule.best == 0


def test_schedules_that_do_not_belong():
    model = nn.Linear(1, 1)
    one, other = (optim.SGD(model.parameters(), lr=0.1) for _ in range(2))
    with pytest.raises(ValueError, match="belongs to another optimizer"):
        tr.Trainer(model, nn.mse, one, schedule=optim.StepLR(other, 2))
    with pytest.raises(ValueError, match="told the loss, of which less is better: make it with mode='min'"):
        tr.Trainer(model, nn.mse, one, schedule=optim.ReduceLROnPlateau(one, mode="max"))
    with pytest.raises(TypeError, match=r"schedule must be one of tinyrnn.optim, not 0.5"):
        tr.Trainer(model, nn.mse, one, schedule=0.5)
    with pytest.raises(ValueError, match="schedule_every must be 'step' or 'epoch'"):
        tr.Trainer(model, nn.mse, one, schedule=optim.StepLR(one, 2), schedule_every="day")


# -- what is written down ------------------------------------------------------------------------------------------


def test_gradient_norms_of_modules():
    model = nn.Sequential(nn.Linear(1, 3), nn.Linear(3, 1))
    model.scale = tr.Parameter(1.0)  # of the model itself, without a gradient
    history, _ = fit(tr.train.GradientNorms(), model=model, epochs=2)
    steps = {name: np.array(column) for name, column in history.steps.items()}
    both = np.hypot(steps["gradient_norm.0"], steps["gradient_norm.1"])
    np.testing.assert_allclose(both, steps["gradient_norm"], rtol=1e-5)
    assert steps["gradient_norm.(self)"].tolist() == [0.0] * 4


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Break(tr.train.Callback):
    """Ends the program, as it were."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, run):
        if run.step == self.step:
            raise RuntimeError("power failure")


@pytest.mark.parametrize("of", ["steps", "epochs"])
def test_a_csv_log_has_each_line_once_even_if_the_training_was_resumed(tmp_path, of):
    pytest.importorskip("safetensors")

    def run(name, *callbacks):
        tr.manual_seed(0)
        saving = tr.train.Checkpoint(tmp_path / f"{name}.safetensors", every_steps=3, every_epochs=None, resume=True)
        return fit(tr.train.CSVLog(tmp_path / f"{name}.csv", of), *callbacks, saving, validation_split=0.2)[0]

    history = run("whole")
    table = history.steps if of == "steps" else history.history
    assert {name: [float(row[name]) for row in rows(tmp_path / "whole.csv")] for name in table} == table
    with pytest.raises(RuntimeError, match="power failure"):
        run("broken", Break(5))
    with open(tmp_path / "broken.csv", "a") as file:
        file.write("5,1,0.3")  # half a line
    run("broken")
    assert (tmp_path / "broken.csv").read_text() == (tmp_path / "whole.csv").read_text()
    with pytest.raises(ValueError, match="expected 'epochs' or 'steps'"):
        tr.train.CSVLog(tmp_path / "log.csv", "days")


def test_logs_write_what_callbacks_behind_them_note(tmp_path):
    fit(tr.train.CSVLog(tmp_path / "log.csv"), Script(*range(6)))
    assert [float(row["score"]) for row in rows(tmp_path / "log.csv")] == [0, 1, 2, 3, 4, 5]


def scalars(folder):
    """{name: [(step, value)]} of all event files, as TensorBoard reads them: a restart takes back what came before."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        content = path.read_bytes()
        while content:  # length, its checksum, the event, its checksum
            (length,) = struct.unpack("<Q", content[:8])
            event, content = Event.FromString(content[12 : 12 + length]), content[16 + length :]
            if event.HasField("session_log"):
                found = {name: [p for p in points if p[0] < event.step] for name, points in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return {name: points for name, points in found.items() if points}


def test_tensorboard_reads_the_history_even_if_the_training_was_resumed(tmp_path):
    pytest.importorskip("tensorboardX")
    pytest.importorskip("safetensors")

    def run(*callbacks):
        tr.manual_seed(0)
        saving = tr.train.Checkpoint(tmp_path / "run.safetensors", every_steps=3, every_epochs=None, resume=True)
        return fit(tr.train.TensorBoardLog(tmp_path / "log"), *callbacks, saving, validation_split=0.2)[0]

    with pytest.raises(RuntimeError, match="power failure"):
        run(Break(5))
    history = run()
    found = scalars(tmp_path / "log")
    assert set(found) == {"step/loss", "step/lr", "step/gradient_norm", "epoch/loss", "epoch/lr", "epoch/val_loss"}
    for group, table in (("step", history.steps), ("epoch", history.history)):
        steps, values = zip(*found[f"{group}/loss"])
        assert list(steps) == table["step"]
        np.testing.assert_allclose(values, table["loss"], rtol=1e-6)


def test_tensorboard_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'tinyrnn\[logs\]'"):
        tr.train.TensorBoardLog("log")
