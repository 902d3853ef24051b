"""How far do gradients reach?  A simple recurrent network, an LSTM and a GRU, looked into side by side.

    python demos/gradient_flow.py                            100 steps, 64 units; some seconds
    python demos/gradient_flow.py --quick                    a small network, for a try
    python demos/gradient_flow.py --cells lstm gru --steps 300

Each network, with its first weights, reads a random sequence; the loss is the mean square of its last output.  The demo
prints the norms of all gradients over time with a verdict on each network, and how fast an error can shrink or grow along
the whole sequence.  In --out it leaves

    gradient_flow.png    gradients, products of Jacobians, what each step gave to the gradient of the recurrent weights, and
                         the gates that decide over it
    error_and_use.png    with a loss at every step: how much the error at step s taught the weight at step t; and the
                         eigenvalues of the Jacobians

and its last line says how much of the error at the last step is left at the first one.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the matrices are small; read when NumPy is imported

import tinyrnn as tr
from tinyrnn import bptt, nn, plots

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
NAMES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
GATES = {"rnn": "h", "lstm": "f", "gru": "z"}  # what is shown of each: the state, or the gate that keeps it
INPUTS, QUICK = 8, {"steps": 30, "hidden": 16}


class Network:
    """One network, run over one sequence, and all that is found out about it."""

    def __init__(self, cell: str, steps: int, hidden: int, seed: int) -> None:
        tr.manual_seed(seed)
        self.cell, self.name = cell, NAMES[cell]
        layer = CELLS[cell](INPUTS, hidden)
        y, _ = layer(tr.randn(steps, 1, INPUTS))
        loss = (y[-1] * y[-1]).mean()
        self.flow = bptt.flow(loss)
        self.jacobians = bptt.jacobians(loss)
        self.contributions = bptt.contributions(loss, layer.layer0.W_h)
        self.matrix = bptt.contribution_matrix((y * y).mean(axis=(1, 2)), layer.layer0.W_h)
        self.trace = bptt.trace(loss)

    def report(self) -> str:
        """The flow of its gradients, and the largest rate at which an error can change, in words."""
        rates = {"": self.jacobians.growth()}
        if self.cell == "lstm":
            rates[" along c alone"] = self.jacobians.path("c").growth()
        lines = [f"  at best an error{where} {changes(rate)} (σ_max, {rate:+.3f} nats a step)" for where, rate in rates.items()]
        return "\n".join([str(self.flow), *lines])


def changes(rate: float) -> str:
    """What a rate in nats per step does, in words."""
    if math.isinf(rate):
        return "is lost" if rate < 0 else "is unbounded"
    verb = "halves" if rate < 0 else "doubles"
    return f"{verb} within {math.log(2) / abs(rate):.3g} steps" if rate else "keeps its size"


def draw_flow(networks: list[Network], path: Path) -> None:
    """The networks compared; below, one column for each of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * max(2, len(networks)), 10), layout="constrained")
    above, contributions, gates = figure.subfigures(3, 1, height_ratios=(1.1, 0.8, 0.9))
    norms, spectrum = above.subplots(1, 2)
    plots.gradient_norms({network.name: network.flow for network in networks}, ax=norms)
    norms.set_title("the gradient of every state")
    jacobians = {network.name: network.jacobians for network in networks}
    jacobians |= {f"{network.name}, along c alone": network.jacobians.path("c") for network in networks if network.cell == "lstm"}
    plots.jacobian_spectrum(jacobians, ax=spectrum)
    spectrum.set_title("the most that is left of an error")
    for network, bars, heat in zip(
        networks, contributions.subplots(1, len(networks), squeeze=False)[0], gates.subplots(1, len(networks), squeeze=False)[0]
    ):
        plots.contributions(network.contributions, ax=bars)
        bars.set_title(f"{network.name}: what each step gave to $W_h$")
        gate = GATES[network.cell]
        plots.heatmap(network.trace[gate], label=gate, ax=heat)
        heat.set_title(f"{network.name}: ${gate}_t$")
    figure.savefig(path, dpi=100)


def draw_matrices(networks: list[Network], path: Path) -> None:
    """Who taught whom, and the eigenvalues of every step; one column for each network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(networks), 8), layout="constrained")
    for network, (matrix, eigenvalues) in zip(networks, figure.subplots(2, len(networks), squeeze=False).T):
        plots.contribution_matrix(network.matrix, ax=matrix)
        matrix.set_title(f"{network.name}: $W_h$")
        plots.jacobian_eigenvalues(network.jacobians, ax=eigenvalues)
        eigenvalues.set_title(rf"{network.name}: eigenvalues of $\partial s_t/\partial s_{{t-1}}$")
    figure.savefig(path, dpi=100)


def positive(number: str) -> int:
    """A whole number from 1."""
    value = int(number)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a whole number from 1")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Read the options, look into each network, draw; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", choices=CELLS, nargs="+", default=list(CELLS))
    parser.add_argument("--steps", type=positive, help="of the sequence, from 2 (default: 100)")
    parser.add_argument("--hidden", type=positive, help="units (default: 64)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK['steps']} steps and {QUICK['hidden']} units")
    parser.add_argument("--out", type=Path, default=Path("out/gradient_flow"), metavar="DIR")
    options = parser.parse_args(arguments)
    default = QUICK if options.quick else {"steps": 100, "hidden": 64}
    steps, hidden = options.steps or default["steps"], options.hidden or default["hidden"]
    if steps < 2:
        parser.error("--steps must be at least 2: a gradient flows from one step to another")
    start, networks = perf_counter(), []
    for cell in dict.fromkeys(options.cells):
        networks.append(Network(cell, steps, hidden, options.seed))
        print(networks[-1].report(), end="\n\n")
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        for draw, name in ((draw_flow, "gradient_flow.png"), (draw_matrices, "error_and_use.png")):
            draw(networks, options.out / name)
            print(f"wrote {options.out / name}")
    except ImportError as error:
        print(f"gradient_flow.py: {error}", file=sys.stderr)
        return 2
    left = ", ".join(f"{network.name} {network.flow.tracks[0].verdict.change:.1g}" for network in networks)
    print(f"left of an error after {steps - 1} steps: {left} in {perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
