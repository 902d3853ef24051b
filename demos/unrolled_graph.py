"""Draw the gallery: every kind of drawing of seven networks, and the page of the documentation that shows them.

    python demos/unrolled_graph.py                                        docs/gallery.md and docs/gallery/
    python demos/unrolled_graph.py --out out                              the same in another folder
    python demos/unrolled_graph.py --network lstm --kind gates rolled --out out --format png

All random numbers begin at seed 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import tinyrnn as tr
from tinyrnn import nn

INPUTS, HIDDEN, BATCH = 3, 4, 2


class LeakyCell(nn.Module):
    """A cell of one's own: a leaky integrator whose gate sees the past."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        self.W = tr.Parameter(nn.init.glorot(input_size, hidden_size))
        self.U = tr.Parameter(nn.init.orthogonal(hidden_size, hidden_size))
        self.V = tr.Parameter(nn.init.glorot(input_size, hidden_size))
        self.p = tr.Parameter(nn.init.zeros(hidden_size))

    def forward(self, x: Any, s: Any) -> Any:
        (k,) = tr.named(k=tr.sigmoid(x @ self.V + self.p * s))
        (s,) = tr.named(s=s + k * (tr.tanh(x @ self.W + s @ self.U) - s))
        return s

    def initial_state(self, batch: int, dtype: Any = "float32", device: Any = None) -> Any:
        return tr.zeros(batch, self.p.shape[0], dtype=dtype, device=device)


def layer(make: Callable[[], nn.Module]) -> Callable[[int], tr.Tensor]:
    """The mean square of a layer's outputs."""

    def loss(steps: int) -> tr.Tensor:
        y, _ = make()(tr.randn(steps, BATCH, INPUTS))
        return tr.mean(y * y)

    return loss


def encoder_decoder(steps: int) -> tr.Tensor:
    """A sequence goes in, and its summary is unfolded into another one, of another length: two time axes."""
    encoder, decoder = nn.GRU(INPUTS, HIDDEN), nn.RNNCell(HIDDEN, HIDDEN)
    encoder.name, decoder.name = "encoder", "decoder"
    _, summary = encoder(tr.randn(steps, BATCH, INPUTS))
    state, outputs = summary[0], []
    for t in range(max(1, steps - 1)):
        with tr.step(t):
            state = decoder(state, state)
            outputs.append(state)
    y = tr.stack(outputs)
    return tr.mean(y * y)


def truncated(steps: int) -> tr.Tensor:
    """A loss at every step, and a cut behind every second one."""
    cell = nn.GRUCell(INPUTS, HIDDEN)
    state, total = cell.initial_state(BATCH), 0.0
    for t, x in enumerate(tr.randn(steps, BATCH, INPUTS)):
        if t % 2 == 0:
            state = state.detach()
        with tr.step(t):
            state = cell(x, state)
            total = total + tr.sum(state * state)
    return total


NETWORKS: dict[str, tuple[str, Callable[[int], tr.Tensor]]] = {
    "rnn": ("A simple recurrent network", layer(lambda: nn.RNN(INPUTS, HIDDEN))),
    "lstm": ("Long short-term memory", layer(lambda: nn.LSTM(INPUTS, HIDDEN))),
    "gru": ("Gated recurrent units", layer(lambda: nn.GRU(INPUTS, HIDDEN))),
    "bidirectional": (
        "An LSTM in two layers and both directions",
        layer(lambda: nn.LSTM(INPUTS, HIDDEN, 2, bidirectional=True)),
    ),
    "encoder_decoder": ("An encoder and a decoder", encoder_decoder),
    "own_cell": ("A cell of one's own", layer(lambda: nn.Recurrent(LeakyCell(INPUTS, HIDDEN)))),
    "truncated": ("Truncated backpropagation: a GRU whose history is cut behind every second step", truncated),
}


class Kind(NamedTuple):
    """A kind of drawing: what it shows, how long the sequence is, and the options that draw it."""

    caption: str
    steps: int = 3
    options: dict[str, Any] = {}


KINDS = {
    "unrolled": Kind("Unrolled, every operation"),
    "gates": Kind("The gates as one record", options={"level": "gates"}),
    "cells": Kind("One box for each cell", options={"level": "cells"}),
    "rolled": Kind("Rolled up: one step and its delays", options={"view": "rolled"}),
    "pair": Kind("Rolled and unrolled", options={"view": "pair", "level": "gates"}),
    "long": Kind("A hundred steps, folded", 100),
    "gradients": Kind("The gradients that flow back along every arrow", options={"gradients": True}),
    "values": Kind("Norms of values and of gradients", options={"values": True, "gradients": True}),
    "backward": Kind("The backward pass as the network that it is: BPTT", options={"passes": "backward"}),
    "both": Kind("Both passes", options={"passes": "both"}),
    "part": Kind("A part: steps 2 and 3 of a longer sequence, and what they read", 6),
    "explorer": Kind("To explore: one page that works without a network", 6),
}
PAGE = "gallery.md"
HEAD = """\
# Gallery

Every kind of drawing, of seven networks. `python demos/unrolled_graph.py` draws all of them and writes this page;
[drawing](drawing.md) explains the options, [explorer](explorer.md) the pages to explore.
"""


def draw(network: str, kind: str, path: Path) -> None:
    """Draw one picture."""
    tr.manual_seed(0)
    _, loss = NETWORKS[network]
    graph = tr.tape(loss(KINDS[kind].steps))
    if kind == "part":
        graph = graph.subgraph(steps=(1, 2))
    graph.render(path, **KINDS[kind].options)


def page(networks: Iterable[str], kinds: Iterable[str], name: Callable[[str, str], str]) -> str:
    """The page that shows the pictures."""
    parts = [HEAD]
    for network in networks:
        title, _ = NETWORKS[network]
        parts.append(f"## {title}\n")
        for kind in kinds:
            caption, file = KINDS[kind].caption, name(network, kind)
            if file.endswith(".html"):
                parts.append(f"[{caption}]({file}): {title}, {KINDS[kind].steps} steps.\n")
            else:
                parts.append(f"### {caption}\n\n![{title}. {caption}]({file})\n")
    return "\n".join(parts)


def main() -> None:
    """Draw what is asked for."""
    docs = Path(__file__).resolve().parents[1] / "docs"
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--network", choices=NETWORKS, nargs="+", default=list(NETWORKS))
    options.add_argument("--kind", choices=KINDS, nargs="+", default=list(KINDS))
    options.add_argument("--format", choices=["svg", "pdf", "png"], default="svg")
    options.add_argument("--out", type=Path, default=docs, metavar="DIR", help="default: docs")
    chosen = options.parse_args()

    def name(network: str, kind: str) -> str:
        return f"gallery/{network}-{kind}.{'html' if kind == 'explorer' else chosen.format}"

    start = perf_counter()
    (chosen.out / "gallery").mkdir(parents=True, exist_ok=True)
    for network in chosen.network:
        for kind in chosen.kind:
            path = chosen.out / name(network, kind)
            try:
                draw(network, kind, path)
            except RuntimeError as error:
                options.exit(1, f"{error}\n")
            print(path)
    path = chosen.out / PAGE
    path.write_text(page(chosen.network, chosen.kind, name), encoding="utf-8")
    print(path)
    print(f"{len(chosen.network) * len(chosen.kind)} drawings in {perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
