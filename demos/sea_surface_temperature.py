"""How warm will the sea off Peru be, one to six months ahead?  LSTMs against what the calendar says.

    python demos/sea_surface_temperature.py                  five networks, about half a minute
    python demos/sea_surface_temperature.py --quick          a single small network, for a try

The data are the monthly means of the sea-surface temperature between 0° and 10° south, 80° and 90° west, 1950 to 2010, by
NOAA, from statsmodels.  The ocean warms there every few years: El Niño.  The years are divided in time: those up to 1989 are
learnt from, those up to 1999 say when to stop, and those from 2000 on are looked at once, at the end.

Each calendar month is scaled by its own mean and deviation in the years that are learnt from, which takes the seasons out;
what is left is how unusual a month is.  An LSTM with dropout reads 24 months of that and says how it will change.  Several
networks, from several seeds, are averaged.  Their forecasts are scaled back to °C and compared, by the mean absolute error
over all windows whose six months lie in the years held out, with

    seasonal naive        as in the same month of the year before
    climatology           as in the mean of that month over all years before those held out
    persistence           as in the latest month
    persistent anomaly    as far from that month's mean as the latest month is from its own

The years held out had no great El Niño, so from three months ahead climatology is hard to beat in them.

In --out it leaves

    forecast.png    observed and forecast temperatures of the years held out, and the errors by how far ahead they are
    loss.png        how the first network learnt

and its last line gives the mean error over the six months ahead, beside that of the seasonal naive forecast.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the matrices are small; read when NumPy is imported

import numpy as np

import tinyrnn as tr
from tinyrnn import data, nn, optim

LENGTH, HORIZON, YEAR = 24, 6, 12  # months
HELD_OUT, CHOOSING = 11, 10  # years: from 2000, and the ten before
DEFAULT = {"networks": 5, "hidden": 32, "epochs": 40}
QUICK = {"networks": 1, "hidden": 8, "epochs": 6}
SHOWN = 3  # how many months ahead the forecasts of the figure are


class Sea:
    """The temperatures in °C, (years, 12), which years are for what, and the way to scaled windows and back."""

    def __init__(self) -> None:
        from statsmodels.datasets import elnino

        table = elnino.load_pandas().data.to_numpy()
        self.years, self.celsius = table[:, 0].astype(int), table[:, 1:].astype("float32")
        self.part = data.time_split(len(self.years), validation=CHOOSING, test=HELD_OUT)
        self.scaler = data.StandardScaler().fit(self.celsius[self.part.train])  # a scale for each calendar month

    def windows(self, years: slice) -> tuple[np.ndarray, np.ndarray]:
        """Windows (n, 24, 1) and what follows, (n, 6), scaled; what follows lies in these years, the windows may begin before."""
        begin = max(0, years.start * YEAR - LENGTH)
        x, y = data.windows(self.scaler.transform(self.celsius).ravel()[begin : years.stop * YEAR], LENGTH, HORIZON)
        return x, y[:, :, 0]

    def ahead(self, years: slice) -> np.ndarray:
        """For each window of these years the numbers of the months that follow it, (n, 6), counted from the first of all."""
        first = max(years.start * YEAR, LENGTH)
        return np.arange(first, years.stop * YEAR - HORIZON + 1)[:, None] + np.arange(HORIZON)

    def in_celsius(self, scaled: np.ndarray, months: np.ndarray) -> np.ndarray:
        """Scaled forecasts (n, 6) of these months, in °C."""
        as_each_month = self.scaler.inverse_transform(np.repeat(scaled[..., None], YEAR, axis=-1))
        return np.take_along_axis(as_each_month, months[..., None] % YEAR, axis=-1)[..., 0]

    def baselines(self, months: np.ndarray) -> dict[str, np.ndarray]:
        """Forecasts (n, 6) of these months that need no network, in °C."""
        series, latest = self.celsius.ravel(), months[:, :1] - 1
        means = self.celsius[: self.part.test.start].mean(axis=0)
        return {
            "seasonal naive": series[months - YEAR],
            "climatology": means[months % YEAR],
            "persistence": np.repeat(series[latest], HORIZON, axis=1),
            "persistent anomaly": means[months % YEAR] + series[latest] - means[latest % YEAR],
        }


class Forecaster(nn.Module):
    """Months (N, 24, 1) to the six that follow, (N, 6): as unusual as the latest one, and a change for each."""

    def __init__(self, hidden: int) -> None:
        self.layer = nn.LSTM(1, hidden, batch_first=True, return_sequences=False, return_state=False)
        self.dropout = nn.Dropout(0.3)
        self.change = nn.Linear(hidden, HORIZON)

    def forward(self, x):
        return x[:, -1] + self.change(self.dropout(self.layer(x)))


def learn(sea: Sea, hidden: int, epochs: int, seed: int) -> tuple[tr.Trainer, tr.train.History]:
    """One network, from one seed, as it was when its error on the years to choose by was least."""
    tr.manual_seed(seed)
    model = Forecaster(hidden)
    trainer = tr.Trainer(model, nn.mse, optim.Adam(model.parameters(), lr=0.002), clip_norm=1.0)
    stop = tr.train.EarlyStopping("val_loss", patience=8)
    validation = sea.windows(sea.part.validation)
    history = trainer.fit(*sea.windows(sea.part.train), epochs=epochs, validation_data=validation, callbacks=[stop])
    return trainer, history


def report(errors: dict[str, np.ndarray]) -> str:
    """Mean absolute errors in °C, a row for each forecast, a column for each month ahead."""
    head = "".join(f"{months:>7}" for months in range(1, HORIZON + 1))
    rows = [f"{'months ahead':24}{head}{'mean':>8}"]
    rows += [f"{name:24}" + "".join(f"{e:7.2f}" for e in error) + f"{error.mean():8.2f}" for name, error in errors.items()]
    return "\n".join(rows)


def draw(sea: Sea, months: np.ndarray, forecasts: dict[str, np.ndarray], errors: dict[str, np.ndarray], path: Path) -> None:
    """The years held out, with forecasts so many months ahead; and how the errors grow with the months ahead."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1.2, 1))
    of, ahead = months[:, SHOWN - 1], np.arange(HORIZON) + 1
    when = sea.years[0] + (of + 0.5) / YEAR
    lstm = next(iter(forecasts))
    above.plot(when, sea.celsius.ravel()[of], color="black", linewidth=1.8, label="observed")
    above.plot(when, forecasts["seasonal naive"][:, SHOWN - 1], color="#E69F00", linewidth=1.1, label="seasonal naive")
    above.plot(when, forecasts[lstm][:, SHOWN - 1], color="#0072B2", linewidth=1.8, label=f"{lstm}, {SHOWN} months ahead")
    above.set(ylabel="sea-surface temperature, °C", xlim=(int(when[0]), int(when[-1]) + 1))
    above.set_ylim(above.get_ylim()[0], above.get_ylim()[1] + 1.5)  # room for the legend
    above.set_xticks(range(int(when[0]), int(when[-1]) + 2))
    above.legend(frameon=False, ncols=3, loc="upper left")
    for name, colour, marker in zip(forecasts, ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"), "ov^Ds"):
        label = f"{name} (soon off the scale)" if name == "persistence" else name
        below.plot(ahead, errors[name], color=colour, marker=marker, label=label, linewidth=2.2 if name == lstm else 1.2)
    below.set(xlabel="months ahead", ylabel="mean absolute error, °C", xticks=ahead, ylim=(0, 1.2))
    below.legend(frameon=False, loc="lower right", ncols=2)
    for axes in (above, below):
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


def positive(number: str) -> int:
    """A whole number from 1."""
    value = int(number)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a whole number from 1")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Read the options, learn, forecast, compare, draw; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in DEFAULT.items():
        parser.add_argument(f"--{name}", type=positive, help=f"default: {value}, with --quick {QUICK[name]}")
    parser.add_argument("--quick", action="store_true", help="a single small network")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--seed", type=int, default=0, help="of the first network; the others have the next ones")
    parser.add_argument("--out", type=Path, default=Path("out/sea_surface_temperature"), metavar="DIR")
    options = parser.parse_args(arguments)
    networks, hidden, epochs = (getattr(options, name) or value for name, value in (QUICK if options.quick else DEFAULT).items())
    start = perf_counter()
    try:
        tr.use(options.device)
        options.out.mkdir(parents=True, exist_ok=True)
        sea = Sea()
    except ImportError as error:
        print(f"sea_surface_temperature.py: {error}; pip install 'tinyrnn[demos]'", file=sys.stderr)
        return 2
    except (tr.DeviceError, OSError) as error:
        print(f"sea_surface_temperature.py: {error}", file=sys.stderr)
        return 2
    learnt = [learn(sea, hidden, epochs, options.seed + number) for number in range(networks)]

    months, (x, _) = sea.ahead(sea.part.test), sea.windows(sea.part.test)
    observed = sea.celsius.ravel()[months]
    single = np.array([sea.in_celsius(trainer.predict(x), months) for trainer, _ in learnt])
    lstm = f"{networks} LSTMs, their mean" if networks > 1 else "LSTM"
    forecasts = {lstm: single.mean(axis=0), **sea.baselines(months)}
    errors = {name: abs(forecast - observed).mean(axis=0) for name, forecast in forecasts.items()}
    of_each = abs(single - observed).mean(axis=(1, 2))
    if networks > 1:
        errors = {lstm: errors.pop(lstm), "one LSTM, on average": abs(single - observed).mean(axis=(0, 1)), **errors}

    print(f"mean absolute error in °C, {len(months)} windows, {sea.years[sea.part.test.start]} to {sea.years[-1]}\n")
    print(report(errors) + "\n")
    if networks > 1:
        print(f"one LSTM: {of_each.min():.2f} to {of_each.max():.2f} °C, by its seed\n")
    draw(sea, months, forecasts, errors, options.out / "forecast.png")
    learnt[0][1].plot().figure.savefig(options.out / "loss.png", dpi=100)
    for name in ("forecast.png", "loss.png"):
        print(f"wrote {options.out / name}")
    rest = ", ".join(f"{name} {errors[name].mean():.2f} °C" for name in ("seasonal naive", "climatology", "persistent anomaly"))
    print(f"error 1 to {HORIZON} months ahead {errors[lstm].mean():.2f} °C ({rest}) in {perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
