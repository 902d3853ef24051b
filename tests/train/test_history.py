"""The History: its tables, as a dictionary, a file and a picture."""

import csv

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn, optim


@pytest.fixture
def history():
    model = nn.Linear(1, 1)
    x = np.ones((10, 1))
    return tr.Trainer(model, nn.mse, optim.SGD(model.parameters(), lr=0.1)).fit(
        x, 2 * x, epochs=3, batch_size=4, validation_split=0.2
    )


def test_as_a_dictionary(history):
    assert list(history.history) == ["epoch", "step", "loss", "lr", "val_loss"]
    assert history["loss"] == history.history["loss"] and len(history["loss"]) == 3
    assert "3 epochs, 6 steps" in repr(history)
    with pytest.raises(KeyError, match="no 'accuracy' was measured: there is epoch, step, loss"):
        history["accuracy"]


def test_as_a_file(history, tmp_path):
    for of, table in (("epochs", history.history), ("steps", history.steps)):
        history.to_csv(tmp_path / "log.csv", of)
        with open(tmp_path / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {name: [float(row[name]) for row in rows] for name in table} == table
    with pytest.raises(ValueError, match="expected 'epochs' or 'steps'"):
        history.to_csv(tmp_path / "log.csv", "days")
    with pytest.raises(FileNotFoundError, match=r"to_csv: there is no folder .*away' to write 'log.csv' into"):
        history.to_csv(tmp_path / "away" / "log.csv")


def test_as_a_picture(history):
    pytest.importorskip("matplotlib")
    training, validation = history.plot().get_lines()
    assert training.get_ydata().tolist() == pytest.approx(history.steps["loss"])
    assert validation.get_xdata().tolist() == [2, 4, 6] and validation.get_ydata().tolist() == history["val_loss"]
    assert tr.History().plot().get_lines()  # of nothing, an empty one


def test_numbers_of_numpy_and_tensors_are_saved_as_numbers(tmp_path):
    pytest.importorskip("safetensors")

    class Largest(tr.train.Callback):
        def on_epoch_end(self, run):
            if run.epoch > 1:  # a column with a gap
                run.history.note(largest=abs(run.model.W.numpy()).max(), first=run.model.b[0])
            run.history.note(score=np.float32(-run.epoch))

    model, x = nn.Linear(1, 1), np.ones((4, 1))
    saving = tr.train.Checkpoint(tmp_path / "run", best=tmp_path / "best", monitor="score")
    history = tr.Trainer(model, nn.mse, optim.SGD(model.parameters(), lr=0.1)).fit(x, x, epochs=2, callbacks=[Largest(), saving])
    assert {type(number) for name in ("largest", "first", "score") for number in history[name]} == {float, type(None)}
    assert tr.io.metadata(tmp_path / "best") == {"epoch": 2, "score": -2.0}


def test_what_a_row_lacks_is_none():
    table = tr.train.history.Table()
    table.append({"a": 1})
    table.append({"a": 2, "b": 3})
    table.append({"b": 4})
    assert table.columns == {"a": [1, 2, None], "b": [None, 3, 4]} and len(table) == 3
