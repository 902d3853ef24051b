"""What a tape, its fold, and the check of the fold cost per node, at three lengths."""

import gc
from itertools import pairwise
from time import process_time

import tinyrnn as tr
from tinyrnn import nn
from tinyrnn.tape import faithful

LENGTHS = {10: 20, 1_000: 3, 20_000: 1}  # how often each is repeated


def stages(cell, steps):
    """Nodes, operations, and the seconds of tape, fold, unroll and compare, of a recorded training step."""
    layer = cell(2, 2)
    y, _ = layer(tr.ones(steps, 1, 2))
    loss = tr.mean(y * y)
    gradients = tr.grad(loss, list(layer.parameters()), create_graph=True)
    clock = [process_time()]
    graph = tr.tape(loss, *gradients)
    clock.append(process_time())
    fold = graph.fold()
    clock.append(process_time())
    assert faithful(fold, graph)
    clock.append(process_time())
    return len(graph.nodes), len(fold.operations), [after - before for before, after in pairwise(clock)]


def test_folding(report):
    rows = [
        "**Folding** a recorded training step, forward and backward, loss = mean(y²): processor time, µs per node, with Python's "
        "cyclic garbage collector off.\n",
        "| layer | T | nodes | folded | tape | fold | unroll and compare | fold in all, s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    stages(nn.RNN, 100)  # warm up
    gc.disable()
    try:
        for cell in (nn.RNN, nn.LSTM):
            for steps, repeats in LENGTHS.items():
                runs = [stages(cell, steps) for _ in range(repeats)]
                nodes, operations, _ = runs[0]
                best = [min(seconds) for seconds in zip(*(run[2] for run in runs))]
                tape, fold, check = (f"{1e6 * seconds / nodes:.1f}" for seconds in best)
                rows.append(
                    f"| {cell.__name__} | {steps:,} | {nodes:,} | {operations} | {tape} | {fold} | {check} | {best[1]:.3g} |"
                )
                del runs
                gc.collect()
    finally:
        gc.enable()
    report("\n".join(rows) + "\n")
