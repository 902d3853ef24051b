"""The command line: draw, explain and explore a recurrent network without writing a program."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import backend, bptt, doctor, nn
from .graph import recording
from .nn.cell import parts, state_sizes
from .ops import mean
from .render.options import LEVELS, PASSES, VIEWS
from .tape import tape
from .tensor import Tensor, tensor

LAYERS: dict[str, Callable[..., Any]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS: dict[str, Callable[..., Any]] = {
    "irnn": nn.IRNNCell,
    "mgu": nn.MGUCell,
    "peephole": nn.PeepholeLSTMCell,
    "projection": lambda inputs, hidden: nn.LSTMCell(inputs, hidden, proj_size=hidden // 2),
    "normalised-lstm": nn.LayerNormLSTMCell,
    "normalised-gru": nn.LayerNormGRUCell,
}
NAMES = ", ".join([*LAYERS, *CELLS])

EXAMPLES = """examples:
  tinyrnn unroll --cell lstm --steps 4 --level gates -o lstm.svg
  tinyrnn unroll --cell gru --passes both --gradients -o gru.pdf
  tinyrnn explain --cell gru
  tinyrnn flow --cells rnn,lstm,gru --steps 100 -o flow.png
  tinyrnn explore --cell lstm --steps 6 -o lstm.html
  tinyrnn unroll --cell mycells:Leaky -o leaky.svg     # a class in mycells.py, made as Leaky(input_size, hidden_size)
  tinyrnn doctor
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, or 1 if it could not be done.  (A wrong option exits with 2.)

    Examples
    --------
    >>> from tinyrnn.cli import main
    >>> import tempfile
    >>> main(["unroll", "--cell", "rnn", "--out", tempfile.gettempdir() + "/rnn.svg"])  # doctest: +ELLIPSIS
    /.../rnn.svg
    0
    """
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.run(chosen)
    except BrokenPipeError:  # what reads the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _failed(chosen, f"{error.filename}: {(error.strerror or str(error)).lower()}")
    except (ValueError, TypeError, RuntimeError, ImportError) as error:
        return _failed(chosen, str(error))


def _failed(chosen: argparse.Namespace, why: str) -> int:
    """Say in one line why a command could not be done."""
    print(f"tinyrnn {chosen.command}: {' '.join(why.split())}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    plain: Any = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(
        prog="tinyrnn", description="Backpropagation through time: drawn, explained, explored.", epilog=EXAMPLES, **plain
    )
    parser.add_argument("--version", action="version", version=f"tinyrnn {doctor.version_of('tinyrnn') or '(not installed)'}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        example = "\n".join(line for line in EXAMPLES.splitlines() if f"tinyrnn {name}" in line)
        made = commands.add_parser(name, help=text, description=text, epilog=f"examples:\n{example}", **plain)
        made.set_defaults(run=run)
        return made

    unroll = command("unroll", _unroll, "draw a network unrolled over time")
    _network_options(unroll, steps=3)
    _drawing_options(unroll)
    unroll.add_argument("-o", "--out", type=Path, metavar="FILE", help="an svg, pdf, png or html (default: CELL.svg)")

    explain = command("explain", _explain, "derive the recurrences of both passes from the record of a network")
    _network_options(explain, steps=4)
    explain.add_argument("--latex", action="store_true", help="for papers and notebooks, instead of text")
    explain.add_argument("-o", "--out", type=Path, metavar="FILE", help="write them there, not to the terminal")

    flow = command("flow", _flow, "compare how far gradients reach back through time")
    _network_options(flow, steps=100, cells=True, hidden=32)
    flow.add_argument("-o", "--out", type=Path, metavar="FILE", help="also plot the norms: png, svg or pdf; needs matplotlib")

    explore = command("explore", _explore, "write a page in which both passes are stepped through")
    _network_options(explore, steps=6)
    explore.add_argument("--level", choices=LEVELS, default="primitives", help="how much a step shows at first")
    explore.add_argument("--fold", type=_count, metavar="N", help="draw at most so many steps in full")
    explore.add_argument("-o", "--out", type=Path, metavar="FILE", help="an html (default: CELL.html)")

    command("doctor", _doctor, "say what is installed, which devices there are, and what is missing")
    return parser


def _network_options(parser: argparse.ArgumentParser, steps: int, cells: bool = False, hidden: int = 4) -> None:
    """Which network is looked at, over how many steps of a random sequence."""
    group = parser.add_argument_group("the network")
    if cells:
        group.add_argument("--cells", default="rnn,lstm,gru", metavar="CELL,…", help=f"with commas: {NAMES} or module:Class")
    else:
        group.add_argument("--cell", default="lstm", help=f"{NAMES} or module:Class (default: lstm)")
    group.add_argument("--steps", type=_count, default=steps, metavar="T", help=f"time steps (default: {steps})")
    group.add_argument("--inputs", type=_count, default=3, metavar="I", help="input_size (default: 3)")
    group.add_argument("--hidden", type=_count, default=hidden, metavar="H", help=f"hidden_size (default: {hidden})")
    group.add_argument("--batch", type=_count, default=1, metavar="N", help="sequences (default: 1)")
    group.add_argument("--layers", type=_count, default=1, metavar="L", help="layers, one after the other (default: 1)")
    group.add_argument("--bidirectional", action="store_true", help="each of them in both directions")
    last = "last" if cells else "every"
    group.add_argument(
        "--loss", choices=["every", "last"], default=last, help=f"mean square of every output, or of the last (default: {last})"
    )
    group.add_argument("--seed", type=int, default=0)


def _drawing_options(parser: argparse.ArgumentParser) -> None:
    """Those of `tinyrnn.render.Options`."""
    group = parser.add_argument_group("the drawing")
    group.add_argument("--view", choices=VIEWS, default="unrolled", help="steps side by side; one step with delays; or both")
    group.add_argument("--level", choices=LEVELS, default="primitives", help="every operation, gates, or a cell as one box")
    group.add_argument("--passes", choices=PASSES, default="forward", help="which pass is drawn")
    group.add_argument("--gradients", action="store_true", help="the gradient beside every arrow, as wide as its norm")
    group.add_argument("--shapes", action="store_true", help="shapes under the names")
    group.add_argument("--values", action="store_true", help="values, or their norms, under the names")
    group.add_argument("--fold", type=_count, metavar="N", help="draw at most so many steps in full")
    group.add_argument("--background", default="white", metavar="COLOUR", help='"none": transparent (default: white)')


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, not {text!r}")
    return int(text)


# -- commands ----------------------------------------------------------------------------------------------------


def _unroll(chosen: argparse.Namespace) -> int:
    names = "view", "level", "passes", "gradients", "shapes", "values", "fold"
    options = {name: getattr(chosen, name) for name in names}
    options["background"] = None if chosen.background == "none" else chosen.background
    path = chosen.out or Path(_file_name(chosen.cell) + ".svg")
    print(tape(_loss(chosen.cell, chosen)).render(str(path), **options))
    return 0


def _explain(chosen: argparse.Namespace) -> int:
    with recording():  # with what no gradient needs, such as 0.9 h₀
        equations = bptt.equations(_loss(chosen.cell, chosen))
    text = equations.latex() if chosen.latex else str(equations)
    if chosen.out:
        chosen.out.write_text(text + "\n", encoding="utf-8")
        print(chosen.out)
    else:
        print(text)
    return 0


def _flow(chosen: argparse.Namespace) -> int:
    cells = [name.strip() for name in chosen.cells.split(",") if name.strip()]
    if not cells:
        raise ValueError("--cells names no cell: names or module:Class, with commas between them, as in rnn,lstm,gru")
    flows = {cell: bptt.flow(_loss(cell, chosen)) for cell in cells}
    print("\n\n".join(map(str, flows.values())))
    if chosen.out:
        from . import plots

        plots.gradient_norms(flows, of="error").figure.savefig(chosen.out)
        print(f"\n{chosen.out}")
    return 0


def _explore(chosen: argparse.Namespace) -> int:
    path = chosen.out or Path(_file_name(chosen.cell) + ".html")
    if path.suffix.lower() != ".html":
        raise ValueError(f"{path}: the page is HTML, so its name ends in .html; `tinyrnn unroll` writes svg, pdf and png")
    print(tape(_loss(chosen.cell, chosen)).render(str(path), level=chosen.level, fold=chosen.fold))
    return 0


def _doctor(chosen: argparse.Namespace) -> int:
    found = list(doctor.examine())
    wide = max(len(name) for name, _, _ in found)
    for name, there, what in found:
        print(f"{'✓' if there else '—'} {name:{wide}}  {what}")
    return 0


# -- the network -------------------------------------------------------------------------------------------------


def _loss(cell: str, chosen: argparse.Namespace) -> Tensor:
    """The loss of a network on a random sequence, recorded."""
    backend.manual_seed(chosen.seed)
    x = tensor(nn.init.normal(chosen.steps, chosen.batch, chosen.inputs), name="x")
    y = _outputs(cell, _layer(cell, chosen), x)
    y = y[-1] if chosen.loss == "last" else y
    return mean(y * y)


def _layer(cell: str, chosen: argparse.Namespace) -> Any:
    """As many layers of this cell as are wanted, in one direction or both."""
    if cell in LAYERS:
        options = {"num_layers": chosen.layers, "bidirectional": chosen.bidirectional}
        return LAYERS[cell](chosen.inputs, chosen.hidden, **options)
    make, inputs, layers = CELLS.get(cell) or _own_cell(cell), chosen.inputs, []
    for _ in range(chosen.layers):
        cells = [make(inputs, chosen.hidden) for _ in range(1 + chosen.bidirectional)]
        inputs = sum(parts(state_sizes(one) or chosen.hidden)[0] for one in cells)
        layers.append(nn.Bidirectional(*cells) if chosen.bidirectional else nn.Recurrent(cells[0]))
    return nn.Stack(*layers) if chosen.layers > 1 else layers[0]


def _own_cell(name: str) -> Callable[[int, int], Any]:
    """What makes an object of the user's class, which is looked for in the current folder, too."""
    module_name, colon, class_name = name.partition(":")
    if not colon or not module_name or not class_name:
        raise ValueError(f"no cell {name!r}: expected {NAMES}, or module:Class for one of your own, as in mycells:Leaky")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.partition(".")[0]:
            raise ImportError(f"{module_name} needs a module {error.name!r} that is not installed") from None
        raise ImportError(f"no module {module_name!r}: it is looked for in {os.getcwd()} and among installed packages") from None
    except Exception as error:
        raise ImportError(f"{module_name} could not be imported: {type(error).__name__}: {error}") from error
    kind: Any = getattr(module, class_name, None)
    if kind is None:
        known = [n for n, v in vars(module).items() if inspect.isclass(v) and issubclass(v, nn.Module)]
        raise ValueError(f"{module_name} has no class {class_name!r}; its modules are: {', '.join(known) or 'none'}")
    if not (inspect.isclass(kind) and issubclass(kind, nn.Module)):
        raise TypeError(f"{name} is no cell: expected a class derived from tinyrnn.nn.Module, with forward(self, x, state)")
    cell: Callable[..., Any] = kind

    def make(inputs: int, hidden: int) -> Any:
        try:
            made = cell(inputs, hidden)
        except Exception as error:
            wanted, why = f"{class_name}(input_size, hidden_size)", f"{type(error).__name__}: {error}"
            raise TypeError(f"{wanted} = {class_name}({inputs}, {hidden}) failed: {why}") from error
        if not hasattr(made, "initial_state") and state_sizes(made) is None:
            made.hidden_size = hidden  # so that it begins with zeros
        return made

    return make


def _outputs(name: str, layer: Any, x: Tensor) -> Tensor:
    try:
        y, _ = layer(x)
    except Exception as error:
        why = "; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
        raise RuntimeError(f"{name} failed on x of shape {x.shape[1:]}: {why}") from error
    return y


def _file_name(cell: str) -> str:
    """What a file is called by default: the cell, or the user's class in small letters."""
    return cell.rpartition(":")[2].lower()
