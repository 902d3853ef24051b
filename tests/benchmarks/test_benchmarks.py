"""Speed, as ratios (`python -m pytest tests/benchmarks -q`): nothing is asserted but that all candidates compute the same."""

import gc
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import pytest

THREADS = 2
SIZES = {"small": (16, 32, 32, 32), "medium": (32, 64, 128, 128), "large": (64, 128, 256, 512)}  # N, T, I, H
TURNS = {"small": (15, 10), "medium": (9, 3), "large": (5, 1)}  # how many turns, and steps in each


class Candidate:
    """A process that waits, and runs its step when told to."""

    def __init__(self, name: str, cell: str, size: tuple[int, ...]) -> None:
        arguments = [name, cell, *map(str, size), str(THREADS)]
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("candidate.py")), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.loss = self._answer()

    def _answer(self) -> float:
        line = self.process.stdout.readline()
        assert line, "the candidate has ended: see its error above"
        return float(line)

    def seconds(self, repeats: int) -> float:
        """The time of one step, the mean of so many."""
        sleep(0.05)  # let the threads of the candidate before go to sleep
        self.process.stdin.write(f"{repeats}\n")
        self.process.stdin.flush()
        return self._answer()

    def __enter__(self) -> "Candidate":
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


def in_turns(names: list[str], cell: str, size: str) -> dict[str, list[float]]:
    """The times of each candidate, turn by turn, so that what disturbs one turn disturbs them all."""
    pytest.importorskip("torch", reason="the comparison is with PyTorch: pip install torch")
    turns, repeats = TURNS[size]
    with ExitStack() as processes:
        candidates = [processes.enter_context(Candidate(name, cell, SIZES[size])) for name in names]
        for candidate in candidates:
            assert candidate.loss == pytest.approx(candidates[0].loss, rel=1e-4)
            candidate.seconds(1)  # warm up
        rounds = [[candidate.seconds(repeats) for candidate in candidates] for _ in range(turns)]
    return dict(zip(names, map(list, zip(*rounds))))


def ratio(times: dict[str, list[float]], of: str, to: str) -> float:
    return median(a / b for a, b in zip(times[of], times[to]))


def test_training_step(report):
    rows = [
        f"**A training step**, {THREADS} threads: forward, loss = mean(y²), backward; float32.  Ratios: the median over turns.\n",
        "| layer | size | N, T, I, H | tinyrnn, ms | PyTorch from primitives, ms | ratio | PyTorch's own layer, ms | ratio |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    for cell in ("LSTM", "GRU", "RNN"):
        for size, shape in SIZES.items():
            times = in_turns(["tinyrnn", "torch", "fused"], cell, size)
            ms = {name: f"{1000 * median(ts):,.1f}" for name, ts in times.items()}
            rows.append(
                f"| {cell} | {size} | {', '.join(map(str, shape))} | {ms['tinyrnn']} | {ms['torch']} | "
                f"**{ratio(times, 'tinyrnn', 'torch'):.2f}** | {ms['fused']} | {ratio(times, 'tinyrnn', 'fused'):.2f} |"
            )
    report("\n".join(rows) + "\n")


IMPORT = "import time, numpy; start = time.perf_counter(); import tinyrnn; print(time.perf_counter() - start)"


def test_import(report):
    seconds = [
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout)
        for _ in range(11)
    ]
    report(f"**Importing tinyrnn**, when NumPy is there already: {1000 * median(seconds):.0f} ms (median of {len(seconds)}).\n")


def test_long_sequences(report):
    import tinyrnn as tr
    from tinyrnn import nn

    layer = nn.LSTM(8, 8)

    def seconds_per_step(steps: int, repeats: int) -> float:
        x = tr.randn(steps, 1, 8)
        start = perf_counter()
        for _ in range(repeats):
            layer.zero_grad()
            y, _ = layer(x)
            tr.mean(y * y).backward()
        del y
        return (perf_counter() - start) / (steps * repeats)

    def compared() -> str:
        short, long = zip(*((seconds_per_step(1_000, 10), seconds_per_step(100_000, 1)) for _ in range(3)))
        ratio = median(b / a for a, b in zip(short, long))
        return f"{1e6 * median(short):.0f} µs a step at T = 1,000, {1e6 * median(long):.0f} µs at T = 100,000, ratio {ratio:.2f}"

    seconds_per_step(1000, 1)
    gc.disable()
    try:
        without = compared()
    finally:
        gc.enable()
    report(
        f"**Long sequences**, nn.LSTM(8, 8), one sequence, forward, backward and release: {without}, with Python's cyclic "
        f"garbage collector off; {compared()}, with it on.  A history has no cycles, but the collector looks for them.\n"
    )
