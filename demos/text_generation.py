"""Train a character-level recurrent network on text, sample from it, and draw what it does.

    python demos/text_generation.py                          an LSTM on Python's own language reference, about a minute
    python demos/text_generation.py --text novel.txt --cell gru --hidden 256 --layers 2 --steps 5000
    python demos/text_generation.py --resume --steps 1600    go on from the checkpoint, bit for bit

The text is laid out in parallel streams.  Training reads them window by window: the state at the end of one window is where
the next begins, but gradients stop there.  That is truncated backpropagation through time; inside a window, autograd alone
unrolls the network and sends gradients back.

In --out it leaves samples.txt, hidden_states.png, unrolled.svg, loss.png and checkpoint.safetensors.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import itertools
import math
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

# These matrices are small: a second BLAS thread gains little, and beside other work on the machine the two wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy is imported

import numpy as np

import tinyrnn as tr
from tinyrnn import backend, data, io, nn, optim, plots

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
PACKAGES = ("matplotlib", "pygraphviz", "safetensors", "tqdm")

# What a run is made of.  It is kept in the checkpoint, so that --resume goes on with the same.
SETTINGS = {
    **{"cell": "lstm", "text": "", "hidden": 128, "layers": 1, "dropout": 0.0, "embedding": 64},
    **{"batch": 32, "window": 64, "lr": 0.01, "clip": 1.0, "seed": 0, "quick": False},
}
STEPS = 800
QUICK = {"hidden": 32, "embedding": 16, "batch": 8, "window": 16, "lr": 0.03}  # --quick has other defaults,
QUICK_STEPS, QUICK_TEXT = 80, 40_000  # and reads the beginning of the text only
CHECKPOINT = "checkpoint.safetensors"
WARM_UP = 100  # steps until the learning rate is at its height
VALIDATE_EVERY = 100  # steps


class Mistake(Exception):
    """What the user asked for cannot be done; the message says why, in one line."""


# -- text --------------------------------------------------------------------------------------------------------


def language_reference() -> str:
    """Python's own documentation of the language.  Topics quote each other: every paragraph is taken once."""
    from pydoc_data.topics import topics

    return "\n\n".join(dict.fromkeys("\n\n".join(topics.values()).split("\n\n")))


def read(path: str) -> str:
    """The text of a file."""
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise Mistake(f"cannot read the text {path!r}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Mistake(f"cannot read the text {path!r}: it is not UTF-8 (byte {error.start}); convert it first") from None


def on_device(numbers: np.ndarray) -> tr.Tensor:
    """Numbers where the model is."""
    return tr.tensor(numbers, device=backend.default_device())


class Corpus:
    """A text in numbers; its last tenth is kept apart, to validate on what training has not seen."""

    def __init__(self, text: str, batch: int, window: int) -> None:
        self.vocabulary = data.CharacterVocabulary(sorted(set(text)))
        self.encode, self.decode = self.vocabulary.encode, self.vocabulary.decode
        codes = self.encode(text)
        self.size = len(codes)
        split = len(codes) * 9 // 10
        needed = 10 * (batch * window + 1)
        if len(codes) < needed:
            raise Mistake(
                f"the text is too short: {len(codes):,} characters, but --batch {batch} and --window {window} "
                f"need {needed:,}; give a longer text or smaller numbers"
            )
        seen, unseen = (np.bincount(part, minlength=len(self.vocabulary)) + 1 for part in (codes[:split], codes[split:]))
        self.by_frequency = -unseen @ np.log2(seen / seen.sum()) / unseen.sum()  # bits, if a character's frequency predicts it
        self.held_out = text[split:]
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()
        self.train, self.validation = (
            data.Streams(part, streams=batch, window=window, drop_last=True) for part in (codes[:split], codes[split:])
        )


# -- the model, and how well it predicts -------------------------------------------------------------------------


class CharacterModel(nn.Module):
    """Characters in, for each of them scores of what comes next out."""

    def __init__(self, cell: str, characters: int, embedding: int, hidden: int, layers: int, dropout: float) -> None:
        self.embedding = nn.Embedding(characters, embedding)
        self.layers = LAYERS[cell](embedding, hidden, layers, dropout=dropout)
        self.scores = nn.Linear(hidden, characters)

    def forward(self, codes, state=None):
        """Codes (T, N) and a state to scores (T, N, characters) and the state after them."""
        y, state = self.layers(self.embedding(codes), state)
        return self.scores(y), state


def detached(state):
    """The same state, h or (h, c), from which no gradient flows back."""
    return state.detach() if isinstance(state, tr.Tensor) else tuple(part.detach() for part in state)


def bits(nats: float) -> float:
    """A cross-entropy in bits."""
    return nats / math.log(2)


def validate(model: CharacterModel, text: data.Streams) -> float:
    """The mean cross-entropy of a text, in bits per character."""
    model.eval()
    state, losses = None, []
    with tr.no_grad():
        for window in text:
            scores, state = model(on_device(window.x), state)
            losses.append(nn.cross_entropy(scores, on_device(window.y)).item())
    model.train()
    return bits(sum(losses) / len(losses))


# -- training ----------------------------------------------------------------------------------------------------


class Training:
    """A model, its optimiser and how far they are: all that a checkpoint holds."""

    def __init__(self, settings: dict, corpus: Corpus) -> None:
        self.settings, self.corpus = settings, corpus
        tr.manual_seed(settings["seed"])
        sizes = {name: settings[name] for name in ("embedding", "hidden", "layers", "dropout")}
        self.model = CharacterModel(settings["cell"], len(corpus.vocabulary), **sizes)
        self.optimizer = optim.Adam(self.model.parameters(), lr=settings["lr"])
        self.windows = (window for _ in itertools.count() for window in corpus.train)  # the text again and again
        self.state = None  # of the network, at the end of the latest window
        self.losses: list[float] = []  # of each step, in bits per character
        self.validation: dict[int, float] = {}  # step -> bits per character on the text held out
        self.goal = QUICK_STEPS if settings["quick"] else STEPS

    @property
    def step(self) -> int:
        """How many steps have been made."""
        return len(self.losses)

    def learning_rate(self) -> float:
        """Up in a straight line, then down with the root of the steps (Vaswani et al. 2017): good for any number of them."""
        step = self.step + 1
        return self.settings["lr"] * min(step / WARM_UP, math.sqrt(WARM_UP / step))

    def advance(self) -> None:
        """Learn from the next window."""
        window = next(self.windows)
        if self.corpus.train.place == 1:
            self.state = None  # the text begins (again)
        scores, state = self.model(on_device(window.x), self.state)
        loss = nn.cross_entropy(scores, on_device(window.y))

        self.optimizer.zero_grad()
        loss.backward(release=True)  # backpropagation through the time of this window
        optim.clip_grad_norm(self.model.parameters(), self.settings["clip"])
        self.optimizer.lr = self.learning_rate()
        self.optimizer.step()

        self.state = detached(state)  # carried on, but no gradient comes back from the next window
        self.losses.append(bits(loss.item()))

    def run(self, checkpoint: Path) -> None:
        """Train until the goal is reached, or Ctrl-C is pressed.  The progress bar shows on a terminal only."""
        from tqdm import tqdm

        characters = self.settings["window"] * self.settings["batch"]  # in each step
        total, done = self.goal * characters, self.step * characters
        with interruptible() as interrupted, tqdm(total=total, initial=done, unit="char", unit_scale=True, disable=None) as bar:
            while self.step < self.goal and not interrupted:
                self.advance()
                bar.update(characters)
                bar.set_postfix_str(f"step {self.step}, {self.losses[-1]:.2f} bits", refresh=False)
                if self.step % VALIDATE_EVERY == 0 or self.step == self.goal:
                    self.validation[self.step] = validate(self.model, self.corpus.validation)
                    recent = self.losses[-VALIDATE_EVERY:]
                    bar.write(
                        f"step {self.step:5}   training {sum(recent) / len(recent):.3f}   "
                        f"validation {self.validation[self.step]:.3f} bits per character"
                    )
                    self.save(checkpoint)
        self.save(checkpoint)

    def save(self, path: Path) -> None:
        """Write all of it down; a break in between leaves the checkpoint before."""
        run = {
            **{"model": self.model, "optimizer": self.optimizer, "state": self.state, "random": backend.random_state()},
            **{"text": self.corpus.train, "losses": np.array(self.losses), "validation": list(self.validation.items())},
        }
        io.save(path, run, settings=self.settings, goal=self.goal, text=self.corpus.fingerprint)

    def load(self, path: Path) -> None:
        """Go on from where `save` was called."""
        run = io.load(path, into={"model": self.model, "optimizer": self.optimizer, "text": self.corpus.train})
        state = run["state"]
        self.state = tuple(map(on_device, state)) if isinstance(state, list) else on_device(state)
        backend.set_random_state(run["random"])
        self.losses, self.validation = run["losses"].tolist(), dict(run["validation"])


@contextmanager
def interruptible():
    """Ctrl-C fills the list, so that no step is left half done; a second one stops at once."""
    interrupted: list[bool] = []

    def note(*_: object) -> None:
        interrupted.append(True)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


# -- what the network has learnt ---------------------------------------------------------------------------------


def sample(model: CharacterModel, corpus: Corpus, prompt: str, temperatures: list[float], length: int, seed: int) -> list[str]:
    """Let the network write on after the prompt: one text for each temperature, all of them in one batch."""
    random = backend.random_state()  # that of training, which may be gone on with
    tr.manual_seed(seed)
    codes = on_device(np.repeat(corpus.encode(prompt)[:, None], len(temperatures), axis=1))
    model.eval()
    written = nn.generate(model, codes, length, temperature=temperatures).numpy()
    model.train()
    backend.set_random_state(random)
    return [prompt + corpus.decode(text) for text in written.T]


def draw_unrolled(model: CharacterModel, corpus: Corpus, path: Path, steps: int = 3) -> None:
    """The network over a few characters, with the gradients that flow back through time."""
    codes = on_device(corpus.encode(corpus.held_out[: steps + 1])[:, None])
    scores, _ = model(codes[:-1])
    loss = nn.cross_entropy(scores, codes[1:])
    tr.tape(loss).render(path, gradients=True)


def draw_hidden_states(model: CharacterModel, corpus: Corpus, path: Path, characters: int = 90, units: int = 32) -> None:
    """The last layer's h over a stretch of text: a column for each character, a row for each of the units that change least.

    A unit that changes slowly keeps something in mind for many characters.
    """
    start = corpus.held_out.find("\n\n") + 2  # a paragraph begins
    text = corpus.held_out[start : start + characters]
    with tr.no_grad():
        y, _ = model.layers(model.embedding(on_device(corpus.encode(text)[:, None])))
    axes = plots.heatmap(y, text=text, units=units, limit=1.0)
    axes.set_xlabel("the character just read")
    axes.set_ylabel(f"the {min(units, y.shape[2])} slowest of {y.shape[2]} hidden units")
    axes.figure.savefig(path, dpi=150)


def draw_loss(losses: list[float], validation: dict[int, float], path: Path) -> None:
    """Bits per character against steps, on the text that is learnt from and on the text that is not."""
    axes = plots.loss_curve({"training, each window": losses}, validation=validation, label="bits per character")
    axes.figure.savefig(path, dpi=150)


# -- the command line --------------------------------------------------------------------------------------------


def positive(number: str) -> int:
    """A whole number from 1."""
    value = int(number)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a whole number from 1")
    return value


def above_zero(number: str) -> float:
    """A number above 0."""
    value = float(number)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{number} is not a number above 0")
    return value


def rate(number: str) -> float:
    """A number from 0 up to, but not including, 1."""
    value = float(number)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{number} is not from 0 up to 1")
    return value


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options; those of SETTINGS are there only if they were given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    model = {"default": argparse.SUPPRESS}
    add("--cell", choices=LAYERS, help="default: lstm", **model)
    add("--hidden", type=positive, help=f"units in each layer (default: {SETTINGS['hidden']})", **model)
    add("--layers", type=positive, help=f"default: {SETTINGS['layers']}", **model)
    add("--embedding", type=positive, help=f"numbers that stand for a character (default: {SETTINGS['embedding']})", **model)
    add("--dropout", type=rate, help="rate of dropout between layers (default: 0)", **model)
    add("--text", metavar="FILE", help="what to learn, in UTF-8 (default: Python's language reference)", **model)
    add("--batch", type=positive, help=f"streams that are read at once (default: {SETTINGS['batch']})", **model)
    add("--window", type=positive, help=f"characters that gradients flow back over (default: {SETTINGS['window']})", **model)
    add("--lr", type=above_zero, help=f"the learning rate at its height (default: {SETTINGS['lr']})", **model)
    add("--clip", type=above_zero, help=f"the largest norm of a gradient (default: {SETTINGS['clip']:g})", **model)
    add("--seed", type=int, help=f"of all random numbers (default: {SETTINGS['seed']})", **model)
    add("--quick", action="store_true", help="seconds, for a try: a small network, a short text, few steps", **model)
    add("--steps", type=positive, help=f"steps in all, those before --resume included (default: {STEPS})")
    add("--device", default="cpu", help="cpu, cuda or cuda:1 (default: cpu)")
    add("--temperature", type=above_zero, help="one more sample, at this temperature")
    add("--prompt", help="what the samples begin with")
    add("--length", type=positive, default=400, help="characters in each sample (default: 400)")
    add("--out", type=Path, default=Path("out/text_generation"), metavar="DIR", help="default: out/text_generation")
    add("--resume", action="store_true", help="go on from the checkpoint in --out")
    return parser.parse_args(arguments)


def settings_of(options: argparse.Namespace, saved: dict | None) -> dict:
    """What the run is made of: the checkpoint's settings, or the default ones with what was asked for."""
    given = {name: value for name, value in vars(options).items() if name in SETTINGS}
    if "text" in given:
        given["text"] = str(Path(given["text"]).resolve())
    if saved is None:
        return {**SETTINGS, **(QUICK if "quick" in given else {}), **given}
    for name, value in given.items():
        if value != saved[name]:
            raise Mistake(
                f"--{name} {value} does not go with the checkpoint in {options.out}, which was made with {saved[name]!r}: "
                "leave it out, or start anew without --resume"
            )
    return saved


def corpus_of(settings: dict) -> Corpus:
    """The text, read and encoded."""
    text = read(settings["text"]) if settings["text"] else language_reference()
    return Corpus(text[:QUICK_TEXT] if settings["quick"] else text, settings["batch"], settings["window"])


def prompt_of(options: argparse.Namespace, corpus: Corpus) -> str:
    """What the samples begin with: as asked for, or words that the text is sure to spell."""
    if options.prompt is None:
        return "The " if set("The ") <= set(corpus.vocabulary.symbols) else corpus.held_out[:4]
    unknown = sorted(set(options.prompt) - set(corpus.vocabulary.symbols))
    if unknown or not options.prompt:
        known = "".join(corpus.vocabulary.symbols)
        raise Mistake(f"the prompt must be made of the text's characters, which are {known!r}, without {unknown}")
    return options.prompt


def prepare(options: argparse.Namespace) -> tuple[Training, str]:
    """The training, new or resumed, and the prompt: whatever can be wrong with the options shows here, before any work."""
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise Mistake(f"this demo needs {', '.join(missing)}: pip install 'tinyrnn[demos]'")
    path = options.out / CHECKPOINT
    try:
        tr.use(options.device)
        options.out.mkdir(parents=True, exist_ok=True)
        saved = io.metadata(path) if options.resume else None
    except tr.DeviceError as error:
        raise Mistake(str(error)) from None
    except FileNotFoundError:
        raise Mistake(f"cannot resume, for there is no {path}: start without --resume, or give its folder as --out") from None
    except OSError as error:
        raise Mistake(f"cannot write into {options.out}: {error.strerror}") from None
    except ValueError as error:
        raise Mistake(f"cannot resume: {error}") from None

    settings = settings_of(options, saved and saved["settings"])
    corpus = corpus_of(settings)
    prompt = prompt_of(options, corpus)
    training = Training(settings, corpus)
    if saved is not None:
        if saved["text"] != corpus.fingerprint:
            raise Mistake(f"cannot resume: the text is not the one that {path} has learnt from (another file, or another Python)")
        training.load(path)
        training.goal = saved["goal"]
    training.goal = options.steps or training.goal
    return training, prompt


def main(arguments: list[str] | None = None) -> int:
    """Train, then sample and draw; the exit code."""
    options, start = parse(arguments), perf_counter()
    try:
        training, prompt = prepare(options)
    except Mistake as mistake:
        print(f"text_generation.py: {mistake}", file=sys.stderr)
        return 2
    model, corpus, settings, out = training.model, training.corpus, training.settings, options.out.resolve()
    print(
        f"{corpus.size:,} characters of text, {len(corpus.vocabulary)} different ones; the last tenth is kept for validation\n\n"
        f"{model.summary()}\n"
    )
    if training.step >= training.goal:
        print(f"nothing to train: {training.step} steps have been made; to go on, ask for more --steps")
    else:
        training.run(out / CHECKPOINT)
    if training.step < training.goal:
        print(f"stopped after step {training.step}; to go on: python demos/text_generation.py --resume --out {options.out}")
        return 130

    if training.step not in training.validation:  # it was interrupted, and not trained any further now
        training.validation[training.step] = validate(model, corpus.validation)

    temperatures = [0.5, 1.0, 1.5, *([options.temperature] if options.temperature else [])]
    samples = sample(model, corpus, prompt, temperatures, options.length, settings["seed"])
    text = "\n\n".join(f"---- temperature {t:g} ----\n{written}" for t, written in zip(temperatures, samples, strict=True))
    print(f"\n{text}\n")
    (out / "samples.txt").write_text(text + "\n", "utf-8")
    draw_hidden_states(model, corpus, out / "hidden_states.png")
    draw_unrolled(model, corpus, out / "unrolled.svg")
    draw_loss(training.losses, training.validation, out / "loss.png")

    for name in ("samples.txt", "hidden_states.png", "unrolled.svg", "loss.png", CHECKPOINT):
        print(f"wrote {out / name}")
    print(
        f"{training.validation[training.step]:.3f} bits per character on text it has not seen, after {training.step} steps "
        f"(each by its frequency {corpus.by_frequency:.3f}) in {perf_counter() - start:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
