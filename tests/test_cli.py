"""The command line: what each command writes, its exit codes, and errors in one line that say what to do."""

import subprocess
import sys

import pytest

from tinyrnn import backend, cli, doctor

CELLS = """
import tinyrnn as tr
from tinyrnn import nn

class Leaky(nn.Module):
    def __init__(self, inputs, hidden):
        self.W, self.U = tr.Parameter(nn.init.glorot(inputs, hidden)), tr.Parameter(nn.init.orthogonal(hidden, hidden))
    def forward(self, x, h):
        (h,) = tr.named(h=0.9 * h + 0.1 * tr.tanh(x @ self.W + h @ self.U))
        return h

class Pair(Leaky):
    def forward(self, x, state):
        h, c = state
        return tr.tanh(x @ self.W + c @ self.U), h

class Begins(Pair):
    def initial_state(self, batch, dtype=None, device=None):
        return tr.zeros(batch, 4), tr.ones(batch, 4)

class Small(nn.Module):
    def __init__(self):
        pass

number = 3
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in a folder of its own, where the user's cells are; returns the exit code, the output and the errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "mycells", raising=False)
    (tmp_path / "mycells.py").write_text(CELLS)

    def run(line):
        try:
            code = cli.main(line.split())
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    sys.modules.pop("mycells", None)


@pytest.mark.parametrize(
    "line, file",
    [
        ("unroll --cell lstm --steps 4 --level gates -o four.svg", "four.svg"),
        ("unroll --cell gru", "gru.svg"),
        ("unroll --cell rnn --layers 2 --bidirectional --batch 3 --loss last --shapes --values --gradients", "rnn.svg"),
        ("unroll --view rolled --background none -o rolled.svg", "rolled.svg"),
        ("unroll --cell rnn --passes both -o both.svg", "both.svg"),
        ("unroll --cell mycells:Leaky --steps 9 --fold 4", "leaky.svg"),
        ("unroll --cell mycells:Begins", "begins.svg"),
        ("unroll --cell mycells:Leaky --layers 2 --bidirectional", "leaky.svg"),
        *((f"unroll --cell {name}", f"{name}.svg") for name in cli.CELLS),
        ("unroll --cell projection --layers 2 --bidirectional", "projection.svg"),
        ("explore --cell rnn --steps 2", "rnn.html"),
        ("explore --cell rnn --steps 8 --level cells --fold 4 -o page.html", "page.html"),
    ],
)
def test_drawings_go_into_a_file_whose_name_is_printed(run, tmp_path, line, file):
    assert run(line) == (0, f"{file}\n", "")
    text = (tmp_path / file).read_text("utf-8")
    assert "<svg" in text and ("<html" in text) == file.endswith("html")


def test_the_seed_decides(run, tmp_path):
    drawings = []
    for seed in (1, 1, 2):
        run(f"unroll --cell rnn --values --seed {seed}")
        drawings.append((tmp_path / "rnn.svg").read_text())
    assert drawings[0] == drawings[1] != drawings[2]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mgu", "peephole", "mycells:Leaky"])
def test_explain_derives_both_passes(run, tmp_path, cell):
    code, out, err = run(f"explain --cell {cell} --loss last")
    assert (code, err) == (0, "")
    assert "hₜ" in out and "δhₜ" in out and "∂L/∂" in out
    code, latex, _ = run(f"explain --cell {cell} --loss last --latex")
    assert code == 0 and r"\partial" in latex and "hₜ" not in latex
    assert run(f"explain --cell {cell} --loss last --out it.txt") == (0, "it.txt\n", "")
    assert (tmp_path / "it.txt").read_text("utf-8") == out


def test_explain_shows_what_no_gradient_needs(run):
    """0.9 h₀ at the first step, where h₀ is 0, is written like 0.9 hₜ₋₁ at all others."""
    assert "        hₜ = 0.9 hₜ₋₁ + 0.1 tanh(aₜ)\n" in run("explain --cell mycells:Leaky")[1]


def test_flow_compares_cells(run, tmp_path):
    code, out, err = run("flow --cells rnn,lstm,mycells:Leaky --steps 20 --hidden 5")
    assert (code, err) == (0, "")
    assert out.count("error at the end") == 3 and "LSTM.layer0, t = 1 … 20" in out


def test_flow_plots_on_request(run, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, _ = run("flow --cells rnn,gru --steps 5 -o norms.png")
    assert code == 0 and out.endswith("\nnorms.png\n")
    assert (tmp_path / "norms.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("unroll --cell foo", "no cell 'foo': expected rnn, lstm, gru, irnn, mgu, peephole, projection, normalised-lstm,"),
        ("unroll --cell nowhere:Leaky", "no module 'nowhere': it is looked for in"),
        ("unroll --cell mycells:Leak", "mycells has no class 'Leak'; its modules are: Leaky, Pair, Begins, Small"),
        ("unroll --cell mycells:number", "mycells:number is no cell: expected a class derived from tinyrnn.nn.Module"),
        ("unroll --cell mycells:Small", "Small(input_size, hidden_size) = Small(3, 4) failed: TypeError"),
        ("unroll --cell mycells:Pair", "let it say how wide they are: self.state_sizes = hidden, hidden"),
        ("unroll -o a.jpg", "the suffix says what to write"),
        ("unroll --passes both --view rolled", "view='rolled'"),
        ("unroll -o nowhere/a.svg", "nowhere/a.svg: no such file or directory"),
        ("explore -o page.svg", "its name ends in .html"),
        ("flow --cells ,", "--cells names no cell"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run, line, complaint):
    code, out, err = run(line)
    assert (code, out) == (1, "")
    assert err.startswith(f"tinyrnn {line.split()[0]}: ") and err.count("\n") == 1 and complaint in err


def test_a_module_that_cannot_be_imported_is_named(run, tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_of_that_name")
    assert "broken needs a module 'nothing_of_that_name'" in run("unroll --cell broken:Cell")[2]
    (tmp_path / "wrong.py").write_text("1 / 0")
    assert "wrong could not be imported: ZeroDivisionError: division by zero" in run("unroll --cell wrong:Cell")[2]


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("unroll --steps 0", "expected a whole number from 1 on, not '0'"),
        ("unroll --level gate", "invalid choice: 'gate'"),
        ("draw", "invalid choice: 'draw'"),
        ("", "required: command"),
    ],
)
def test_wrong_options_exit_with_2(run, line, complaint):
    code, _, err = run(line)
    assert code == 2 and complaint in err


@pytest.mark.parametrize("line", ["--help", "unroll --help", "explain --help", "flow --help", "explore --help", "doctor --help"])
def test_help_has_examples(run, line):
    code, out, _ = run(line)
    assert code == 0 and f"examples:\n  tinyrnn {line.split()[0].replace('--help', 'unroll')}" in out


def test_the_version_is_that_of_the_installed_package(run, monkeypatch):
    monkeypatch.setattr(doctor, "version_of", {"tinyrnn": "7.8.9"}.get)
    assert run("--version") == (0, "tinyrnn 7.8.9\n", "")


def test_examples_of_the_help_are_commands_that_run(run):
    pytest.importorskip("matplotlib")
    for line in cli.EXAMPLES.splitlines()[1:]:
        command = line.partition("#")[0].split()[1:]
        if not any(word.endswith(".pdf") for word in command):
            assert run(" ".join(command))[0] == 0, line


def test_doctor_says_what_is_there_and_how_to_get_the_rest(run, monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda package: {"numpy": "9.9"}.get(package))
    monkeypatch.setattr(doctor.shutil, "which", lambda program: None)
    monkeypatch.setattr(doctor, "find_spec", lambda package: None)
    code, out, err = run("doctor")
    assert (code, err) == (0, "")
    lines = {line[2:].split("  ")[0].strip(): line for line in out.splitlines()}
    assert lines["numpy"].startswith("✓") and "9.9" in lines["numpy"]
    assert lines["pdf, png"].startswith("—") and 'pip install "tinyrnn[demos]"' in lines["pdf, png"]
    assert 'pip install "tinyrnn[plots]"' in lines["matplotlib"] and 'pip install "tinyrnn[io]"' in lines["safetensors"]
    assert "cpu" in lines["default device"]


def test_doctor_finds_gpus(run, fake_cupy):
    assert doctor.backend is backend
    found = {name: (there, what) for name, there, what in doctor.examine()}
    there, what = found["GPUs (cupy)"]
    assert there and what.startswith(f"cupy {fake_cupy.__version__}: 2")


def test_it_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tinyrnn", "unroll", "--cell", "cells.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("tinyrnn unroll: no cell 'cells.py'")
