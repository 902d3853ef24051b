"""A simple recurrent network, an LSTM and a GRU learn the same task, side by side.

    python demos/compare_cells.py                            the adding problem over 50 steps, a minute or two
    python demos/compare_cells.py --task parity --length 40  does the sequence so far hold an odd number of ones?
    python demos/compare_cells.py --quick                    short sequences, small networks, for a try

Each network learns from the same batches, from several seeds.  The demo prints what each has: parameters, speed, the loss
that it reaches on sequences it has not seen, and how much of an error at the last step is left at the first one, before and
after.  In --out it leaves

    learning.png         the loss on unseen sequences over the steps of training: the median of the seeds, and their range
    gradient_flow.png    how much the last answer depends on each step before it, in the untrained and the trained networks
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the matrices are small; read when NumPy is imported

import numpy as np

import tinyrnn as tr
from tinyrnn import backend, bptt, data, nn, optim, plots
from tinyrnn.plots.canvas import plain, style_of

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
NAMES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
FULL = {"length": 50, "hidden": 32, "steps": 600, "seeds": 3}
QUICK = {"length": 10, "hidden": 12, "steps": 60, "seeds": 2}
BATCH, UNSEEN, LR, CLIP = 32, 256, 0.01, 1.0
EVERY = 20  # steps from one look at the unseen sequences to the next


# -- the tasks: batches of sequences x (T, N, I), and the right answers (1, N, 1) or, at every step, (T, N, 1) -------


def adding(rng: np.random.Generator, length: int, batch: int) -> data.Batch:
    """The sum of the two numbers that are marked, out of a long sequence (Hochreiter & Schmidhuber 1997)."""
    numbers = rng.random((length, batch))
    marks = rng.permuted(np.arange(length)[:, None].repeat(batch, axis=1), axis=0) < 2
    return data.Batch(np.stack([numbers, marks], axis=2), (numbers * marks).sum(axis=0)[None, :, None])


def parity(rng: np.random.Generator, length: int, batch: int) -> data.Batch:
    """Is the number of ones so far odd?  Asked at every step."""
    bits = rng.integers(2, size=(length, batch, 1)).astype(float)
    return data.Batch(bits, bits.cumsum(axis=0) % 2)


@dataclass(frozen=True)
class Task:
    """What to learn, how an answer is judged, and how good an answer is that remembers nothing."""

    draw: Callable[[np.random.Generator, int, int], data.Batch]
    inputs: int
    every_step: bool
    loss: Callable[..., tr.Tensor]
    measure: str
    guess: str
    baseline: float


TASKS = {
    "adding": Task(adding, 2, False, nn.mse, "mean squared error", "always 1", 1 / 6),
    "parity": Task(parity, 1, True, nn.binary_cross_entropy, "cross-entropy", "guessing", math.log(2)),
}


@dataclass
class Fresh:
    """So many batches, never the same twice."""

    task: Task
    length: int
    seed: int
    epoch: int = 0

    def __iter__(self) -> Iterator[data.Batch]:
        self.epoch += 1
        rng = np.random.default_rng([self.seed, self.epoch])
        return (self.task.draw(rng, self.length, BATCH) for _ in range(EVERY))


# -- a network, and what is found out about it ---------------------------------------------------------------------


class Network(nn.Module):
    """A recurrent layer, and an answer from each of its outputs that is asked for."""

    def __init__(self, cell: str, task: Task, hidden: int) -> None:
        self.every_step = task.every_step
        self.layer, self.answer = CELLS[cell](task.inputs, hidden), nn.Linear(hidden, 1)

    def forward(self, x):
        y, _ = self.layer(x)
        return self.answer(y if self.every_step else y[-1:])


class Clock(tr.train.Callback):
    """When each step was done, by the clock of the processor, so that other work does not count; and a bar that shows it."""

    def __init__(self, bar) -> None:
        self.bar, self.times = bar, [process_time()]

    def on_step_end(self, run) -> None:
        self.times.append(process_time())
        self.bar.update()

    def steps_per_second(self) -> float:
        """Of the median step, for some have an evaluation after them."""
        return 1 / median(np.diff(self.times).tolist())


@dataclass
class Comparison:
    """What was found out about one cell: a number, or a curve, for each seed."""

    name: str
    parameters: int = 0
    curves: list[list[float]] = field(default_factory=list)  # the loss on unseen sequences
    speeds: list[float] = field(default_factory=list)  # steps of training in a second of the processor
    before: list[bptt.TrackFlow] = field(default_factory=list)  # gradients in the untrained network
    after: list[bptt.TrackFlow] = field(default_factory=list)  # … and in the trained one

    @property
    def reached(self) -> float:
        """The loss at the end, the median of the seeds."""
        return median(curve[-1] for curve in self.curves)

    def row(self) -> list[str]:
        """For the table."""
        losses = ", ".join(f"{curve[-1]:.2g}" for curve in self.curves)
        left = [f"{median(flow.error[0] / flow.error[-1] for flow in flows):.0e}" for flows in (self.before, self.after)]
        return [self.name, f"{self.parameters:,}", f"{median(self.speeds):.0f}", losses, *left]


def flow_of(network: Network, x: np.ndarray) -> bptt.TrackFlow:
    """How much the last answer depends on every state before it."""
    answers = network(tr.tensor(x, dtype="float32", device=backend.default_device()))
    return bptt.flow(answers[-1].mean())[0]


def compare(cell: str, task: Task, length: int, hidden: int, steps: int, seeds: range, bar) -> Comparison:
    """Train one cell from every seed."""
    found = Comparison(NAMES[cell])
    for seed in seeds:
        bar.set_description(f"{found.name}, seed {seed}", refresh=False)
        tr.manual_seed(seed)
        network = Network(cell, task, hidden)
        unseen = task.draw(np.random.default_rng([seed, 0]), length, UNSEEN)  # Fresh begins with [seed, 1]
        found.before.append(flow_of(network, unseen.x))
        trainer = tr.Trainer(network, task.loss, optim.Adam(network.parameters(), lr=LR), clip_norm=CLIP)
        clock = Clock(bar)
        history = trainer.fit(
            Fresh(task, length, seed), epochs=steps // EVERY, validation_data=[unseen], callbacks=[clock], verbose=False
        )
        found.parameters = sum(p.size for p in network.parameters())
        found.curves.append(history["val_loss"])
        found.speeds.append(clock.steps_per_second())
        found.after.append(flow_of(network, unseen.x))
    return found


# -- what is shown -------------------------------------------------------------------------------------------------


def table(comparisons: list[Comparison], measure: str) -> str:
    """A row for each cell."""
    rows = [
        ["cell", "parameters", "steps/s", f"{measure}, each seed", "left before", "and after"],
        *(c.row() for c in comparisons),
    ]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows)


def draw_learning(comparisons: list[Comparison], task: Task, path: Path) -> None:
    """The loss on unseen sequences: the median of the seeds, and between the lowest and the highest a band."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.4), layout="constrained")
    ax = figure.subplots()
    for number, c in enumerate(comparisons):
        at, style = EVERY * np.arange(1, len(c.curves[0]) + 1), style_of(number)
        ax.plot(at, np.median(c.curves, axis=0), label=c.name, linewidth=1.8, **style)
        ax.fill_between(at, np.min(c.curves, axis=0), np.max(c.curves, axis=0), color=style["color"], alpha=0.2, linewidth=0)
    ax.axhline(task.baseline, color="black", linewidth=0.8, label=task.guess)
    ax.set(xlim=(0, at[-1]), yscale="log")
    plain(ax, "step of training", f"{task.measure} on unseen sequences")
    ax.legend(frameon=False)
    figure.savefig(path, dpi=120)


def draw_flow(comparisons: list[Comparison], path: Path) -> None:
    """Left the untrained networks of the first seed, right the trained ones, on one scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for ax, when in zip(figure.subplots(1, 2, sharey=True), ("before", "after")):
        plots.gradient_norms({c.name: getattr(c, when)[0] for c in comparisons}, of="error", ax=ax)
        ax.set_title(f"{when} training")
        ax.set_ylabel("norm of ∂ last answer / ∂ state$_t$" if when == "before" else "")
    figure.savefig(path, dpi=120)


def positive(number: str) -> int:
    """A whole number from 1."""
    value = int(number)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a whole number from 1")
    return value


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, default="adding")
    parser.add_argument("--cells", choices=CELLS, nargs="+", default=list(CELLS))
    parser.add_argument("--length", type=positive, help=f"steps of each sequence, from 2 (default: {FULL['length']})")
    parser.add_argument("--hidden", type=positive, help=f"units (default: {FULL['hidden']})")
    parser.add_argument("--steps", type=positive, help=f"of training, a multiple of {EVERY} (default: {FULL['steps']})")
    parser.add_argument("--seeds", type=positive, help=f"how many (default: {FULL['seeds']})")
    parser.add_argument("--seed", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument(
        "--quick", action="store_true", help="seconds, for a try: " + ", ".join(f"{v} {k}" for k, v in QUICK.items())
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1 (default: cpu)")
    parser.add_argument("--out", type=Path, default=Path("out/compare_cells"), metavar="DIR")
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else FULL).items():
        setattr(options, name, getattr(options, name) or value)
    if options.length < 2:
        parser.error("--length must be at least 2: a gradient flows from one step to another")
    if options.steps % EVERY:
        parser.error(f"--steps must be a multiple of {EVERY}: so often the unseen sequences are looked at")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Train each cell, tell and draw what was found; the exit code."""
    start, options = perf_counter(), parse(arguments)
    missing = [package for package in ("matplotlib", "tqdm") if importlib.util.find_spec(package) is None]
    try:
        if missing:
            raise ImportError(f"this demo needs {' and '.join(missing)}: pip install 'tinyrnn[demos]'")
        tr.use(options.device)
    except (ImportError, tr.DeviceError) as error:
        print(f"compare_cells.py: {error}", file=sys.stderr)
        return 2
    from tqdm import tqdm

    task, cells = TASKS[options.task], list(dict.fromkeys(options.cells))
    seeds = range(options.seed, options.seed + options.seeds)
    with tqdm(total=len(cells) * len(seeds) * options.steps, unit="step", disable=None) as bar:
        found = [compare(cell, task, options.length, options.hidden, options.steps, seeds, bar) for cell in cells]
    print(
        f"{options.task}, {options.length} steps; {options.steps} batches of {BATCH} sequences\n\n{table(found, task.measure)}\n"
    )
    options.out.mkdir(parents=True, exist_ok=True)
    draw_learning(found, task, options.out / "learning.png")
    draw_flow(found, options.out / "gradient_flow.png")
    for name in ("learning.png", "gradient_flow.png"):
        print(f"wrote {options.out / name}")
    reached = ", ".join(f"{c.name} {c.reached:.2g}" for c in found)
    print(f"{task.measure} {reached} ({task.guess} {task.baseline:.2g}) in {perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
