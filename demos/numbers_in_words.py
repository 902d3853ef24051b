"""Numbers in words, from one language into another, letter by letter: an encoder and a decoder that looks back by attention.

    python demos/numbers_in_words.py                         English into German; about two minutes
    python demos/numbers_in_words.py --quick                 a small network and small numbers, for a try
    python demos/numbers_in_words.py --source de --target fr --numbers 71 1999

num2words spells the numbers.  Of 0 … 99,999 the demo draws 5,200 different ones: it learns from 4,000, watches its loss on 200,
and is tested on 1,000, none of which it has read.  A translation is right if every letter of it is.  The decoder writes the
best letter at each step, or the best of several translations that a beam search follows at once.  In --out it leaves

    attention.png    where the decoder looked while it wrote each letter of a few unseen numbers
    loss.png         how the network learnt

German says the units before the tens: with "einundzwanzig" the map steps back.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the matrices are small; read when NumPy is imported

import numpy as np

import tinyrnn as tr
from tinyrnn import backend, data, nn, optim, plots

SETTINGS = {
    **{"below": 100_000, "train": 4_000, "validation": 200, "test": 1_000},  # numbers
    **{"embedding": 32, "hidden": 128, "batch": 32, "rate": 0.003, "epochs": 5},
}
QUICK = {
    **{"below": 100, "train": 75, "validation": 5, "test": 20},
    **{"embedding": 16, "hidden": 32, "batch": 8, "rate": 0.012, "epochs": 16},
}
BEAM = 5
EXAMPLES = 4  # unseen numbers that are printed and drawn


class Language:
    """Numbers spelt in a language, and its letters in numbers."""

    def __init__(self, name: str, numbers: np.ndarray) -> None:
        self.name = name
        self.letters = data.CharacterVocabulary.build(
            map(self.spell, numbers), padding="<pad>", unknown="<unk>", begin="<", end=">"
        )
        self.begin, self.end = self.letters.code("<"), self.letters.code(">")

    def spell(self, number: int) -> str:
        """A number in words."""
        from num2words import num2words

        return num2words(int(number), lang=self.name)

    def encode(self, numbers: np.ndarray, **edges: bool) -> list[np.ndarray]:
        """The letters of each number in words, as numbers; edges: see `data.Vocabulary.encode`."""
        return [self.letters.encode(self.spell(number), **edges) for number in numbers]


def draw_numbers(settings: dict, seed: int) -> list[np.ndarray]:
    """Different numbers: to learn from, to watch the loss on, and to test on."""
    sizes = [settings[part] for part in ("train", "validation", "test")]
    drawn = np.random.default_rng(seed).choice(settings["below"], sum(sizes), replace=False)
    return np.split(drawn, np.cumsum(sizes)[:-1])


class Translator:
    """The network, with the languages that it reads and writes."""

    def __init__(self, source: Language, target: Language, embedding: int, hidden: int) -> None:
        self.source, self.target = source, target
        encoder = nn.Encoder(nn.Embedding(len(source.letters), embedding), nn.GRU(embedding, hidden // 2, bidirectional=True))
        decoder = nn.LuongDecoder(
            nn.Embedding(len(target.letters), embedding),
            nn.GRUCell(embedding + hidden, hidden),
            nn.Linear(hidden, len(target.letters)),
            attention=nn.DotAttention(hidden, hidden, score_mode="general"),
            combine=nn.Linear(2 * hidden, hidden),
        )
        self.model = nn.Seq2Seq(encoder, decoder, bridge=nn.Bridge(hidden, hidden))

    def batches(self, numbers: np.ndarray, size: int, **options) -> data.BucketBatches:
        """What is read, what the decoder should have written before each letter, and the letter: it learns by teacher forcing."""
        written = self.target.encode(numbers, begin=True, end=True)
        read = self.source.encode(numbers), [letters[:-1] for letters in written]
        return data.BucketBatches(read, [letters[1:] for letters in written], batch_size=size, **options)

    def fit(self, train: np.ndarray, validation: np.ndarray, settings: dict, seed: int) -> tr.History:
        """Learn from some numbers."""
        batches = self.batches(train, settings["batch"], shuffle=True, seed=seed)
        optimizer = optim.Adam(self.model.parameters(), lr=settings["rate"])
        schedule = optim.OneCycleLR(optimizer, settings["rate"], total_steps=settings["epochs"] * len(batches), pct_start=0.2)
        trainer = tr.Trainer(self.model, nn.cross_entropy, optimizer, schedule=schedule, clip_norm=1.0)
        validation_data = self.batches(validation, settings["batch"])
        return trainer.fit(batches, validation_data=validation_data, epochs=settings["epochs"])

    def translate(self, numbers: np.ndarray, beam: int = 1) -> tuple[list[str], np.ndarray]:
        """The translations, and where the decoder looked (target letters, numbers, source letters)."""
        letters, lengths = self.source.letters.encode_batch(map(self.source.spell, numbers))
        options = {"start": self.target.begin, "end": self.target.end, "lengths": lengths, "max_length": 100}
        self.model.eval()
        search = partial(self.model.beam_search, width=beam) if beam > 1 else self.model.generate
        found = search(tr.tensor(letters, device=backend.default_device()), **options)
        return [self.target.letters.decode(column) for column in found.sequences.numpy().T], found.attention_scores.numpy()

    def right(self, numbers: np.ndarray, beam: int = 1) -> float:
        """The share of numbers that are translated without a mistake, a few hundred of them at a time."""
        parts = np.array_split(numbers, -(-len(numbers) // 250))
        found = [text for part in parts for text in self.translate(part, beam)[0]]
        return sum(text == self.target.spell(number) for text, number in zip(found, numbers)) / len(numbers)


# -- what came of it ---------------------------------------------------------------------------------------------


def draw_attention(translator: Translator, numbers: np.ndarray, path: Path) -> None:
    """For each number a map: a row for each letter written, a column for each letter read."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 13), layout="constrained")
    for ax, number in zip(figure.subplots(2, 2).flat, numbers, strict=True):
        (text,), weights = translator.translate(np.array([number]))
        plots.attention(weights[: len(text), 0], queries=text, keys=translator.source.spell(number), ax=ax)
        ax.set(xlabel=f"read ({translator.source.name})", ylabel=f"written ({translator.target.name})", title=f"{number:,}")
    figure.savefig(path, dpi=80)


def report(translator: Translator, numbers: np.ndarray) -> None:
    """A few translations."""
    for number, text in zip(numbers, translator.translate(numbers)[0]):
        right = translator.target.spell(number)
        print(f"{number:8,}  {translator.source.spell(number)}\n{'':10}{text}{'' if text == right else f'   (right: {right})'}")


def language(name: str) -> str:
    """A language that num2words knows."""
    try:
        from num2words import CONVERTER_CLASSES as known
    except ImportError:
        raise argparse.ArgumentTypeError("this demo needs num2words: pip install 'tinyrnn[demos]'") from None
    if name not in known:
        raise argparse.ArgumentTypeError(f"num2words knows no {name!r}, but {', '.join(sorted(known))}")
    return name


def whole_number(number: str) -> int:
    """A whole number from 0."""
    if not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{number} is not a whole number from 0")
    return int(number)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--source", type=language, default="en", metavar="LANGUAGE", help="what is read, as num2words calls it (default: en)"
    )
    parser.add_argument("--target", type=language, default="de", metavar="LANGUAGE", help="what is written (default: de)")
    parser.add_argument("--numbers", nargs="+", type=whole_number, default=[], metavar="N", help="to be translated at the end")
    parser.add_argument("--seed", type=whole_number, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--quick", action="store_true", help="seconds, for a try: a small network, numbers below 100")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1 (default: cpu)")
    parser.add_argument("--out", type=Path, default=Path("out/numbers_in_words"), metavar="DIR")
    return parser.parse_args(arguments)


def prepare(options: argparse.Namespace, settings: dict) -> tuple[list[np.ndarray], Translator]:
    """The numbers and the network, not trained yet."""
    tr.use(options.device)
    tr.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    numbers = draw_numbers(settings, options.seed)
    source, target = (Language(name, numbers[0]) for name in (options.source, options.target))
    return numbers, Translator(source, target, settings["embedding"], settings["hidden"])


def main(arguments: list[str] | None = None) -> int:
    """Learn, translate, draw; the exit code."""
    options, start = parse(arguments), perf_counter()
    settings = QUICK if options.quick else SETTINGS
    try:
        (train, validation, test), translator = prepare(options, settings)
    except (tr.DeviceError, OSError) as error:
        print(f"numbers_in_words.py: {error}", file=sys.stderr)
        return 2
    print(f"{translator.model.summary()}\n")
    history = translator.fit(train, validation, settings, options.seed)
    report(translator, test[:EXAMPLES])
    if options.numbers:
        report(translator, np.array(options.numbers))
    draw_attention(translator, test[:EXAMPLES], options.out / "attention.png")
    history.plot(log=True).figure.savefig(options.out / "loss.png", dpi=100)
    for name in ("attention.png", "loss.png"):
        print(f"wrote {options.out / name}")
    greedy, beam = translator.right(test), translator.right(test, BEAM)
    print(
        f"{100 * greedy:.1f} % of {len(test):,} unseen numbers right to the letter (by a beam of {BEAM} {100 * beam:.1f} %) "
        f"in {perf_counter() - start:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
