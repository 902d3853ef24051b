"""One long sequence, learnt in a process of its own whose memory is measured.

    python long_sequence.py WAY T

An nn.RNN(8, 8) reads one sequence of T steps, which comes out of a generator; the loss is mean(y²).  WAY is one of `WAYS`, or
"whole": the sequence in one piece.  The output is the greatest memory of the process, in MiB, and its seconds of the processor.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import numpy as np

import tinyrnn as tr
from tinyrnn import nn, optim

WAYS = {
    "windows": {"k1": 100},
    "overlapping": {"k1": 50, "k2": 100},
    "sliding": {"k1": 50, "k2": 100, "sliding": True},
}


def pieces(steps: int) -> Iterator[np.ndarray]:
    """The sequence, which is nowhere in memory as a whole."""
    random = np.random.default_rng(0)
    for _ in range(0, steps, 50):
        yield random.standard_normal((50, 1, 8), dtype="float32")


def learn(way: str, steps: int) -> None:
    """Read the sequence once."""
    layer = nn.RNN(8, 8)
    optimizer = optim.SGD(layer.parameters(), lr=0.01)
    if way == "whole":
        y, _ = layer(np.concatenate(list(pieces(steps))))
        tr.mean(y * y).backward()
        optimizer.step()
        return
    for window in nn.truncated_bptt(layer, pieces(steps), **WAYS[way]):
        tr.mean(window.y * window.y).backward()
        if way != "sliding":  # there the gradients add up until the end
            optimizer.step()
            optimizer.zero_grad()


def greatest_memory() -> float:
    """Of this process so far, in MiB, as Linux counts it (`getrusage` would count that of the process that started it, too)."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


if __name__ == "__main__":
    learn(sys.argv[1], int(sys.argv[2]))
    print(greatest_memory(), process_time())
