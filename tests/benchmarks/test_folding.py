"""What a tape, its fold, and the check of the fold cost per node, at three lengths."""

from functools import partial
from itertools import pairwise
from time import process_time

import tinyrnn as tr
from tests.tape.networks import NETWORKS
from tinyrnn import nn
from tinyrnn.tape import faithful

LENGTHS = {10: 20, 1_000: 3, 20_000: 1}  # how often each is repeated


def training(cell, steps):
    """The loss of a layer."""
    y, _ = cell(2, 2)(tr.ones(steps, 1, 2))
    return tr.mean(y * y)


def stages(loss):
    """Nodes, operations, and the seconds of tape, fold, unroll and compare, of a recorded training step."""
    leaves = [value for value in tr.graph.history(loss) if value.op is None and value.requires_grad]
    gradients = tr.grad(loss, leaves, create_graph=True)
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
        "**Folding** a recorded training step, forward and backward, loss = mean(y²): processor time, µs per node.  The last "
        "network does something else at half of its steps, picked at random.\n",
        "| layer | T | nodes | folded | tape | fold | unroll and compare | fold in all, s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    stages(training(nn.RNN, 100))  # warm up
    cases = [(cell.__name__, steps, partial(training, cell)) for cell in (nn.RNN, nn.LSTM) for steps in LENGTHS]
    cases += [("RNN, changed at random", steps, NETWORKS["changed at random"]) for steps in (10, 1_000, 4_000)]
    for name, steps, network in cases:
        runs = [stages(network(steps)) for _ in range(LENGTHS.get(steps, 1))]
        nodes, operations, _ = runs[0]
        best = [min(seconds) for seconds in zip(*(run[2] for run in runs))]
        tape, fold, check = (f"{1e6 * seconds / nodes:.1f}" for seconds in best)
        rows.append(f"| {name} | {steps:,} | {nodes:,} | {operations:,} | {tape} | {fold} | {check} | {best[1]:.3g} |")
    report("\n".join(rows) + "\n")
