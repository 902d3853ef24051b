"""An LSTM learns to continue a sine: one step ahead, and, fed with its own forecasts, as far as one likes.

    python demos/sine_forecast.py                            1,000 steps of a sine, some seconds
    python demos/sine_forecast.py --quick                    a smaller network, for a try
    python demos/sine_forecast.py --steps 2000 --window 60 --epochs 50

The first two thirds of the series are learnt from, window by window, each with the step after it; the last third is held
out.  In --out it leaves

    forecast.png    the series with the forecasts one step ahead, on both parts; what the network makes of its own forecasts
                    where the series is no longer shown to it; and the loss of each step of training

and its last line gives the mean squared error on the part that was held out, beside that of persistence: the next step is
forecast to be as the last.
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

STEP = 0.2  # of the angle: 31.4 steps a period, so that no two periods are alike
DEFAULT = {"steps": 1000, "window": 40, "hidden": 32, "epochs": 20}
QUICK = {"steps": 400, "window": 20, "hidden": 16, "epochs": 20}


class Forecaster(nn.Module):
    """A window of the series (N, T, 1) to the value after it, (N, 1)."""

    def __init__(self, hidden: int) -> None:
        self.layer = nn.LSTM(1, hidden, batch_first=True, return_sequences=False, return_state=False)
        self.value = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.value(self.layer(x))


class Forecast:
    """A series, a network that has learnt its first part, and what it forecasts."""

    def __init__(self, steps: int, window: int, hidden: int, epochs: int, seed: int) -> None:
        tr.manual_seed(seed)
        self.series = np.sin(STEP * np.arange(steps)).astype("float32")
        self.border, self.window = data.time_split(steps, test=1 / 3).test.start, window
        x, y = data.windows(self.series, window)
        learnt = slice(0, self.border - window)  # the windows whose targets are learnt from
        model = Forecaster(hidden)
        self.trainer = tr.Trainer(model, nn.mse, optim.Adam(model.parameters(), lr=0.01), clip_norm=1.0)
        self.history = self.trainer.fit(x[learnt], y[learnt, :, 0], epochs=epochs)
        self.one_ahead = self.trainer.predict(x)[:, 0]  # of step `window` and all after it

    def free(self) -> np.ndarray:
        """From the border on the network sees what it forecast itself, in place of the series."""
        known = list(self.series[self.border - self.window : self.border])
        for _ in range(len(self.series) - self.border):
            latest = np.array(known[-self.window :], np.float32)[None, :, None]
            known.append(self.trainer.predict(latest).item())
        return np.array(known[self.window :])

    def errors(self) -> dict[str, float]:
        """Mean squared errors one step ahead: of the network on both parts, and of persistence on the one held out."""
        wrong = (self.one_ahead - self.series[self.window :]) ** 2
        unchanged = (self.series[self.border - 1 : -1] - self.series[self.border :]) ** 2
        held_out = self.border - self.window
        return {
            "train": float(wrong[:held_out].mean()),
            "test": float(wrong[held_out:].mean()),
            "persistence": float(unchanged.mean()),
        }


def draw(forecast: Forecast, free: np.ndarray, path: Path) -> None:
    """Forecasts one step ahead, forecasts of forecasts, and the loss."""
    from matplotlib.figure import Figure

    border, window, series = forecast.border, forecast.window, forecast.series
    figure = Figure(figsize=(11, 9), layout="constrained")
    one_ahead, alone, loss = figure.subplots(3, 1)
    steps = np.arange(len(series))
    for axes in (one_ahead, alone):
        axes.plot(steps, series, color="0.75", linewidth=4, label="the series")
        axes.vlines(border, -1.15, 1.15, color="0.3", linewidth=1, linestyle=":")
        axes.set_xlabel("step")
        axes.spines[["top", "right"]].set_visible(False)
    one_ahead.plot(steps[window:border], forecast.one_ahead[: border - window], color="#0072B2", label="forecast, training part")
    one_ahead.plot(steps[border:], forecast.one_ahead[border - window :], color="#D55E00", label="forecast, held out")
    one_ahead.set_title("one step ahead")
    alone.plot(steps[border:], free, color="#009E73", label="forecast out of its own forecasts")
    alone.set_title("free running: after the dotted line the network no longer sees the series")
    alone.set_xlim(border - 3 * window, len(series))
    for axes in (one_ahead, alone):
        axes.set_ylim(-1.15, 1.6)  # room for the legend
        axes.legend(frameon=False, loc="upper left", ncols=3)
    forecast.history.plot(log=True, ax=loss)
    loss.set_ylabel("mean squared error")
    figure.savefig(path, dpi=100)


def positive(number: str) -> int:
    """A whole number from 1."""
    value = int(number)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a whole number from 1")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Read the options, learn, forecast, draw; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in DEFAULT.items():
        parser.add_argument(f"--{name}", type=positive, help=f"default: {value}, with --quick {QUICK[name]}")
    parser.add_argument("--quick", action="store_true", help="a shorter series and a smaller network")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/sine_forecast"), metavar="DIR")
    options = parser.parse_args(arguments)
    given = {name: getattr(options, name) or value for name, value in (QUICK if options.quick else DEFAULT).items()}
    if given["steps"] < 3 * (given["window"] + 1):
        parser.error(f"--steps must be at least {3 * (given['window'] + 1)}, three times a window and the step after it")
    start = perf_counter()
    try:
        tr.use(options.device)
        options.out.mkdir(parents=True, exist_ok=True)
        forecast = Forecast(**given, seed=options.seed)
        free = forecast.free()
        draw(forecast, free, options.out / "forecast.png")
    except (tr.DeviceError, ImportError, OSError) as error:
        print(f"sine_forecast.py: {error}", file=sys.stderr)
        return 2
    errors = forecast.errors()
    held_out = forecast.series[forecast.border :]
    print(f"wrote {options.out / 'forecast.png'}\n")
    print(f"mean squared error on the part that was learnt from {errors['train']:.1e}")
    print(f"free running over {len(free)} steps {float(((free - held_out) ** 2).mean()):.1e}")
    print(
        f"test mse {errors['test']:.1e} one step ahead (persistence {errors['persistence']:.1e}) "
        f"in {perf_counter() - start:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
