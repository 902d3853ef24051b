"""Which language is a name from?  A bidirectional LSTM reads it letter by letter, against pairs of letters that are counted.

    python demos/names_to_language.py                        18 languages; a minute or two
    python demos/names_to_language.py --quick                a small network, for a try
    python demos/names_to_language.py --names Grünwald Petrović "O'Malley"

The names are the given names and surnames in Faker's lists, one locale for each language, at most 1,500 of each, drawn at
random.  All are in Latin script, so that letters alone do not give the language away, although some do (ð is Icelandic).  A
name counts once, and is either learnt from, or chosen by, or tested on: nothing in the test was read in training, except
relatives (Novák and Nováková are two names).  A name of several languages, like Martin, is kept: what is learnt is that each
of them is as probable, and an answer is right if it is one of them.

The baseline is naive Bayes over pairs of letters: the probability of a name is that of its letters, each given the one
before, in the language; the counts are smoothed by a number that suits the validation names best.  In --out it leaves

    confusion.png    which language is taken for which
    loss.png         how the network learnt
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the matrices are small; read when NumPy is imported

import numpy as np

import tinyrnn as tr
from tinyrnn import backend, data, nn, optim

LANGUAGES = {  # relatives side by side
    **{"is_IS": "Icelandic", "da_DK": "Danish", "sv_SE": "Swedish", "de_DE": "German", "nl_NL": "Dutch", "en_GB": "English"},
    **{"ga_IE": "Irish", "fr_FR": "French", "it_IT": "Italian", "es_ES": "Spanish", "ro_RO": "Romanian", "cs_CZ": "Czech"},
    **{"hr_HR": "Croatian", "hu_HU": "Hungarian", "fi_FI": "Finnish", "tr_TR": "Turkish", "az_AZ": "Azerbaijani"},
    **{"id_ID": "Indonesian"},
}
LISTS = [f"{kind}_names{of}" for kind in ("first", "last") for of in ("", "_male", "_female")]
ALPHAS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # what may be added to each count of the baseline
SETTINGS = {"most": 1500, "embedding": 48, "hidden": 128, "epochs": 20}
BATCH, RATE = 32, 0.006  # names in a step; of learning, at its height
QUICK = {"most": 150, "embedding": 16, "hidden": 32, "epochs": 4}


# -- the names ---------------------------------------------------------------------------------------------------


def names_of(locale: str) -> list[str]:
    """The names in the lists of one of Faker's locales, in small letters, each once."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
    lists = (vars(provider).get(name, ()) for name in LISTS)  # not those it inherits, which are Jane and John Doe
    return sorted({unicodedata.normalize("NFC", name.lower()) for of_list in lists for name in of_list})


class Names:
    """Names, and for each of them how probable each language is: (N, languages), one language or equal shares of several."""

    def __init__(self, names: list[str], languages: np.ndarray) -> None:
        self.names, self.languages = names, languages

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, numbers: np.ndarray) -> Names:
        return Names([self.names[number] for number in numbers], self.languages[numbers])

    def right(self, scores: np.ndarray) -> float:
        """How often the language of the highest score is one of the name's."""
        return float((self.languages[np.arange(len(self)), scores.argmax(axis=-1)] > 0).mean())


def collect(most: int, seed: int) -> list[Names]:
    """Names to learn from (three quarters), to choose by, and to test on."""
    generator = np.random.default_rng(seed)
    found: dict[str, list[int]] = defaultdict(list)  # name -> its languages
    for number, locale in enumerate(LANGUAGES):
        for name in generator.permutation(names_of(locale))[:most].tolist():
            found[name].append(number)
    languages = np.zeros((len(found), len(LANGUAGES)), "float32")
    for row, numbers in zip(languages, found.values()):
        row[numbers] = 1 / len(numbers)
    everything, eighth = Names(list(found), languages), len(found) // 8
    test, validation, train = np.split(generator.permutation(len(found)), [eighth, 2 * eighth])
    return [everything[part] for part in (train, validation, test)]


# -- the baseline ------------------------------------------------------------------------------------------------


class Bigrams:
    """P(language | name) ∝ P(language) Π P(letter | the letter before it, language), out of counts."""

    def __init__(self, train: Names) -> None:
        letters = sorted(set("".join(train.names)))
        self.code = {letter: code for code, letter in enumerate(letters, 2)}  # 0 is the edge of a name, 1 an unknown letter
        self.counts = np.zeros((len(letters) + 2, len(letters) + 2, len(LANGUAGES)))
        for name, languages in zip(train.names, train.languages):
            np.add.at(self.counts, self.pairs(name), languages)
        self.prior = np.log(train.languages.mean(axis=0))

    def pairs(self, name: str) -> tuple[list[int], list[int]]:
        """Each letter and the next one, in numbers, with the edges of the name."""
        codes = [0, *(self.code.get(letter, 1) for letter in name), 0]
        return codes[:-1], codes[1:]

    def scores(self, names: list[str], alpha: float) -> np.ndarray:
        """Log-probabilities (N, languages), up to a constant; alpha is added to each count."""
        smooth = self.counts + alpha
        log_p = np.log(smooth / smooth.sum(axis=1, keepdims=True))
        return np.stack([self.prior + log_p[self.pairs(name)].sum(axis=0) for name in names])

    def best_alpha(self, validation: Names) -> float:
        """The alpha that suits these names best."""
        return max(ALPHAS, key=lambda alpha: validation.right(self.scores(validation.names, alpha)))


# -- the network -------------------------------------------------------------------------------------------------


class LanguageModel(nn.Module):
    """Letters in, a score for each language out: made of what each direction knows after its last letter."""

    def __init__(self, letters: int, embedding: int, hidden: int) -> None:
        self.embedding = nn.Embedding(letters, embedding)
        self.dropout = nn.Dropout(0.5)
        self.layer = nn.LSTM(embedding, hidden, bidirectional=True, return_sequences=False, return_state=False)
        self.scores = nn.Linear(2 * hidden, len(LANGUAGES))

    def forward(self, codes, lengths):
        """Codes (T, N) and N lengths to scores (N, languages)."""
        summary = self.layer(self.dropout(self.embedding(codes)), lengths=lengths)
        return self.scores(self.dropout(summary))


class Reader:
    """The network and what it takes for names to become numbers."""

    def __init__(self, train: Names, embedding: int, hidden: int) -> None:
        self.letters = data.CharacterVocabulary.build(train.names, padding="<pad>", unknown="<unk>")
        self.model = LanguageModel(len(self.letters), embedding, hidden)

    def batches(self, names: Names, **options) -> data.BucketBatches:
        """Names of about the same length together, so that little is padded."""
        codes = [self.letters.encode(name) for name in names.names]
        return data.BucketBatches(codes, names.languages, batch_size=BATCH, **options)

    def fit(self, train: Names, validation: Names, epochs: int, seed: int) -> tr.History:
        """Learn; the history."""
        batches = self.batches(train, shuffle=True, seed=seed)
        optimizer = optim.AdamW(self.model.parameters(), lr=RATE, weight_decay=0.05)
        schedule = optim.OneCycleLR(optimizer, RATE, total_steps=epochs * len(batches))
        trainer = tr.Trainer(self.model, nn.cross_entropy, optimizer, schedule=schedule, clip_norm=1.0)
        return trainer.fit(batches, validation_data=self.batches(validation), epochs=epochs)

    def scores(self, names: list[str]) -> np.ndarray:
        """Log-probabilities (N, languages)."""
        codes, lengths = self.letters.encode_batch(names)
        self.model.eval()
        with tr.no_grad():
            scores = self.model(tr.tensor(codes, device=backend.default_device()), lengths=lengths)
            return tr.log_softmax(scores).numpy()


# -- what came of it ---------------------------------------------------------------------------------------------


def confusion(test: Names, scores: np.ndarray) -> np.ndarray:
    """How the names of a language (row) are divided among the answers (columns); a name of several counts in parts."""
    counts = test.languages.T @ np.eye(len(LANGUAGES))[scores.argmax(axis=1)]
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)


def draw_confusion(network: np.ndarray, bigrams: np.ndarray, path: Path) -> None:
    """The confusion of the network; beside it how often each language is recognised, by the network and by the baseline."""
    from matplotlib.figure import Figure

    names, places = list(LANGUAGES.values()), np.arange(len(LANGUAGES))
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    matrix, dots = figure.subplots(1, 2, width_ratios=(3, 1))
    image = matrix.imshow(network, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in zip(*np.nonzero(network >= 0.05)):
        share = network[row, column]
        matrix.text(
            column, row, f"{100 * share:.0f}", ha="center", va="center", color="white" if share > 0.5 else "black", fontsize=8
        )
    matrix.set_xticks(places, names, rotation=60, ha="right", rotation_mode="anchor")
    matrix.set_yticks(places, names)
    matrix.set(xlabel="the network's answer", ylabel="a test name of this language", title="percent of its names")
    matrix.spines[:].set_visible(False)
    figure.colorbar(image, ax=matrix, shrink=0.6, format=lambda share, _: f"{100 * share:.0f} %").outline.set_visible(False)
    for shares, marker, label in ((bigrams, "o", "pairs of letters"), (network, "D", "network")):
        dots.plot(100 * shares.diagonal(), places, marker, label=label, fillstyle="none" if marker == "o" else "full")
    dots.hlines(places, *(100 * shares.diagonal() for shares in (bigrams, network)), color="0.7", zorder=0)
    dots.set_yticks(places, [])
    dots.set(ylim=matrix.get_ylim(), xlabel="% recognised")
    dots.grid(alpha=0.25)
    dots.spines[["top", "right"]].set_visible(False)
    dots.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    figure.savefig(path, dpi=100)


def answers(name: str, log_p: np.ndarray, first: int = 3) -> str:
    """The most probable languages of a name."""
    best = np.argsort(-log_p)[:first]
    return f"{name.title():20} " + ", ".join(f"{list(LANGUAGES.values())[number]} {np.exp(log_p[number]):.2f}" for number in best)


def from_zero(number: str) -> int:
    """A whole number from 0."""
    if not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{number} is not a whole number from 0")
    return int(number)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", nargs="+", default=[], metavar="NAME", help="names of your own, to be told the language of")
    parser.add_argument("--seed", type=from_zero, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--quick", action="store_true", help="seconds, for a try: fewer names, a small network")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1 (default: cpu)")
    parser.add_argument("--out", type=Path, default=Path("out/names_to_language"), metavar="DIR")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Learn, test, draw; the exit code."""
    options, start = parse(arguments), perf_counter()
    settings = QUICK if options.quick else SETTINGS
    try:
        tr.use(options.device)
        options.out.mkdir(parents=True, exist_ok=True)
        train, validation, test = collect(settings["most"], options.seed)
    except (tr.DeviceError, OSError) as error:
        print(f"names_to_language.py: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"names_to_language.py: {error}; pip install 'tinyrnn[demos]'", file=sys.stderr)
        return 2
    tr.manual_seed(options.seed)
    print(
        f"{len(train):,} names to learn from, {len(validation):,} to choose by, {len(test):,} to test on; "
        f"{100 * (test.languages.max(axis=1) < 1).mean():.0f} % of these are names of several of the {len(LANGUAGES)} languages\n"
    )
    bigrams, reader = Bigrams(train), Reader(train, settings["embedding"], settings["hidden"])
    print(f"{reader.model.summary()}\n")
    history = reader.fit(train, validation, settings["epochs"], options.seed)

    guesses = {"network": reader.scores(test.names), "bigrams": bigrams.scores(test.names, bigrams.best_alpha(validation))}
    print("test names, what they are, and how probable the network finds it:")
    for name, languages, log_p in zip(test.names[:8], test.languages, guesses["network"]):
        print(f"{answers(name, log_p)}   ({', '.join(np.array(list(LANGUAGES.values()))[languages > 0])})")
    if options.names:
        asked = [unicodedata.normalize("NFC", name.lower()) for name in options.names]
        print("\nas asked for:", *map(answers, asked, reader.scores(asked)), sep="\n")
    print()

    draw_confusion(*(confusion(test, scores) for scores in guesses.values()), options.out / "confusion.png")
    history.plot().figure.savefig(options.out / "loss.png", dpi=100)
    for name in ("confusion.png", "loss.png"):
        print(f"wrote {options.out / name}")
    network, baseline = (test.right(scores) for scores in guesses.values())
    majority = test.right(np.tile(bigrams.prior, (len(test), 1)))
    print(
        f"{100 * network:.1f} % of unseen names right (pairs of letters {100 * baseline:.1f} %, the most frequent language "
        f"{100 * majority:.1f} %) in {perf_counter() - start:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
