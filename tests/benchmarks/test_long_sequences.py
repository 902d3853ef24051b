"""The memory that truncated BPTT needs, up to a million steps: that it does not grow is asserted."""

import subprocess
import sys
from pathlib import Path

LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
WAYS = {
    "windows": "k1 = k2 = 100",
    "overlapping": "k1 = 50, k2 = 100",
    "sliding": "the same, sliding",
    "whole": "in one piece",
}
MOST = {"whole": 100_000}  # a million steps in one piece would need some 3 GB


def measured(way: str, steps: int) -> tuple[float, float]:
    """The greatest memory in MiB, and the seconds of the processor."""
    script = str(Path(__file__).with_name("long_sequence.py"))
    done = subprocess.run([sys.executable, script, way, str(steps)], capture_output=True, text=True, check=True)
    memory, seconds = map(float, done.stdout.split())
    return memory, seconds


def test_long_sequences(report):
    found = {(way, T): measured(way, T) for way in WAYS for T in LENGTHS if MOST.get(way, T) >= T}
    rows = [
        "**A sequence of T steps**, one `nn.RNN(8, 8)`, one sequence, loss mean(y²), the input out of a generator: the greatest "
        "memory of the whole process, Python and NumPy included, in MiB, and its seconds of the processor.\n",
        "| T | " + " | ".join(f"{text}, MiB | s" for text in WAYS.values()) + " |",
        "|--:|" + "--:|--:|" * len(WAYS),
    ]
    for T in LENGTHS:
        cells = [f"**{found[way, T][0]:.0f}** | {found[way, T][1]:.1f}" if (way, T) in found else "— | —" for way in WAYS]
        rows.append(f"| {T:,} | {' | '.join(cells)} |")
    report("\n".join(rows) + "\n")
    for way in WAYS.keys() - MOST.keys():
        assert found[way, LENGTHS[-1]][0] < found[way, LENGTHS[0]][0] + 10, "memory grows with the sequence"
