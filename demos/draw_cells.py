"""Draw the cells of the textbook unrolled over time, with the gradients that flow back.

    python demos/draw_cells.py                               rnn.svg, lstm.svg and gru.svg, three steps of each
    python demos/draw_cells.py --cell lstm --steps 8 --format pdf --out pictures

The pictures go into the folder --out, which is made if it is not there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import tinyrnn as tr
from tinyrnn import nn

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
INPUTS, HIDDEN, BATCH = 3, 4, 2


def loss_of(cell: str, steps: int) -> tr.Tensor:
    """The mean square of the outputs of a layer on a random sequence."""
    x = tr.tensor(nn.init.normal(steps, BATCH, INPUTS), name="x")
    y, _ = CELLS[cell](INPUTS, HIDDEN)(x)
    return tr.mean(y * y)


def main() -> None:
    """Read the options, draw each cell, and print where."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cell", choices=CELLS, nargs="+", default=list(CELLS))
    options.add_argument("--steps", type=int, default=3, help="how many time steps (default: 3)")
    options.add_argument("--format", choices=["svg", "pdf", "png"], default="svg")
    options.add_argument("--shapes", action="store_true", help="write the shapes under the names")
    options.add_argument("--values", action="store_true", help="write the norms of values and gradients under the names")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=Path("out"), metavar="DIR")
    chosen = options.parse_args()
    if chosen.steps < 1:
        options.error("--steps must be at least 1")
    chosen.out.mkdir(parents=True, exist_ok=True)
    for cell in chosen.cell:
        tr.manual_seed(chosen.seed)
        graph = tr.tape(loss_of(cell, chosen.steps))
        path = chosen.out / f"{cell}.{chosen.format}"
        try:
            print(graph.render(path, gradients=True, shapes=chosen.shapes, values=chosen.values))
        except (ValueError, RuntimeError) as error:
            options.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
