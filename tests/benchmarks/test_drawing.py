"""What a drawing costs, by the length of the sequence: by its ends, in full, and rolled."""

import gc
from statistics import median
from time import process_time

import tinyrnn as tr
from tinyrnn import nn, render

TURNS = {10: 9, 100: 7, 1_000: 5, 10_000: 3}  # how often each is measured


def seconds(run, turns):
    """The median time of a run, and its latest result."""
    times = []
    for _ in range(turns):
        gc.collect()
        start = process_time()
        result = run()
        times.append(process_time() - start)
    return median(times), result


def test_drawing(report):
    rows = [
        "**Drawing an LSTM of T steps**: seconds of the processor, and megabytes of SVG.  Medians over turns.\n",
        "| T | nodes | recording | tape | by its ends | tape and ends | MB | in full | MB | rolled |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    layer = nn.LSTM(3, 4)

    def record(x):
        y, _ = layer(x)
        return tr.mean(y * y)

    render.svg(tr.tape(record(tr.randn(10, 1, 3))))  # everything imported, the step laid out
    for steps, turns in TURNS.items():
        x = tr.randn(steps, 1, 3)
        recording, loss = seconds(lambda x=x: record(x), turns)
        taping, graph = seconds(lambda loss=loss: tr.tape(loss), turns)
        ends, short = seconds(lambda graph=graph: render.svg(graph, fold=4), turns)
        full, whole = seconds(lambda graph=graph, steps=steps: render.svg(graph, fold=steps), min(turns, 10_000 // steps))
        rolled, once = seconds(lambda graph=graph: render.svg(graph, view="rolled"), turns)
        assert f"× {steps}" in once and whole.count("<title>h_") == steps + 1 and short.count("<title>h_") == 5
        rows.append(
            f"| {steps:,} | {len(graph.nodes):,} | {recording:.3f} | {taping:.3f} | {ends:.3f} | **{taping + ends:.3f}** | "
            f"{len(short) / 1e6:.2f} | **{full:.3f}** | {len(whole) / 1e6:.2f} | {rolled:.3f} |"
        )
    report("\n".join(rows) + "\n")
