"""Vocabularies: symbols, characters or words, as numbers from 0 and back."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy

from .. import files
from .arrays import as_array
from .padding import pad

FORMAT = 1
SPECIAL = ("padding", "unknown", "begin", "end")  # in the order of their codes


class Vocabulary:
    """Symbols, which are texts of any kind, and a number for each.

    The special symbols come first, in the order padding, unknown, begin, end, as far as they are given; then the symbols
    in the order in which they are given, from `build` the most frequent first.

    Parameters
    ----------
    symbols : iterable of str
        Each once.
    padding : str, optional
        What fills up the shorter sequences of a batch.
    unknown : str, optional
        What stands for every symbol that is not here; without it such a symbol is an error.
    begin, end : str, optional
        What `encode` puts before and after a sequence when it is asked to.

    Raises
    ------
    ValueError
        If a symbol occurs twice, or a special symbol is one of the others.

    Examples
    --------
    >>> from tinyrnn import data
    >>> notes = data.Vocabulary.build([["C", "E", "G"], ["C", "F"]], unknown="?")
    >>> notes.symbols
    ('?', 'C', 'E', 'F', 'G')
    >>> notes.encode(["C", "H", "G"])
    array([1, 0, 4])
    >>> notes.decode([1, 0, 4])
    ['C', '?', 'G']
    """

    def __init__(
        self,
        symbols: Iterable[str],
        *,
        padding: str | None = None,
        unknown: str | None = None,
        begin: str | None = None,
        end: str | None = None,
    ) -> None:
        self.padding, self.unknown, self.begin, self.end = padding, unknown, begin, end
        special = [symbol for symbol in (padding, unknown, begin, end) if symbol is not None]
        self.symbols = (*special, *symbols)
        self._special = len(special)
        self._code = {symbol: code for code, symbol in enumerate(self.symbols)}
        kind = type(self).__name__
        if wrong := [symbol for symbol in self.symbols if not isinstance(symbol, str) or not symbol]:
            raise ValueError(f"{kind}: a symbol is a text of at least one character, not {wrong[0]!r}")
        if len(self._code) != len(self.symbols):
            twice = [symbol for symbol, number in Counter(self.symbols).items() if number > 1]
            raise ValueError(
                f"{kind}: {twice[0]!r} occurs twice among the symbols"
                + (": spell the special symbol in another way" if twice[0] in special else "")
            )

    @classmethod
    def build(cls, texts: Any, *, min_count: int = 1, max_size: int | None = None, **special: Any) -> Self:
        """The vocabulary of some texts: the most frequent symbols first, equally frequent ones in alphabetical order.

        Parameters
        ----------
        texts : iterable of texts, or a single str
            What `encode` takes; they are read once, one after the other, so they may be more than fits into memory.
        min_count : int
            Leave out what occurs less often.
        max_size : int, optional
            Leave out the least frequent ones, so that there are no more codes than that, the special ones included.
        **special
            As the class takes them: ``padding``, ``unknown``, ``begin``, ``end``.

        Raises
        ------
        ValueError
            If `max_size` leaves room for no symbol, or the texts hold a special symbol.
        """
        empty = cls((), **special)
        counts: Counter[str] = Counter()
        for text in [texts] if isinstance(texts, str) else texts:
            counts.update(empty._split(text))
        if max_size is not None and max_size <= len(empty):
            raise ValueError(f"{cls.__name__}.build: max_size={max_size} leaves no room beside {len(empty)} special symbols")
        found = sorted((symbol for symbol, count in counts.items() if count >= min_count), key=lambda s: (-counts[s], s))
        return cls(found if max_size is None else found[: max_size - len(empty)], **special)

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._code

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} symbols)"

    def code(self, symbol: str) -> int:
        """The number of a symbol; of `unknown` if it is not here.

        Raises
        ------
        KeyError
            If it is not here, and there is no `unknown`.
        """
        found = self._code.get(symbol, self._code.get(self.unknown))  # type: ignore[arg-type]
        if found is None:
            raise KeyError(
                f"{type(self).__name__}: {symbol!r} is none of the {len(self)} symbols, and there is no unknown= to stand for it"
            )
        return found

    def encode(self, text: Any, *, begin: bool = False, end: bool = False) -> numpy.ndarray:
        """The numbers of a text, (T,), on request between `begin` and `end`.

        Raises
        ------
        KeyError
            As `code`.
        ValueError
            If `begin` or `end` is asked for, and the vocabulary has none.
        """
        before, after = self._edge("begin", begin), self._edge("end", end)
        return numpy.concatenate([before, self._encode(self._split(text)), after])

    def decode(self, codes: Any, *, special: bool = False) -> Any:
        """The text of some numbers, (T,): up to `end`, without `begin` and `padding`; with all of them if `special`.

        Raises
        ------
        ValueError
            If there is no symbol with one of the numbers.
        """
        numbers = as_array("decode: codes", codes)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise ValueError(f"decode: expected the numbers of one text, (T,) integers, not {numbers.dtype} {numbers.shape}")
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < len(self)):
            wrong = numbers.min() if numbers.min() < 0 else numbers.max()
            raise ValueError(f"decode: there is no symbol {wrong}: the {len(self)} symbols have the numbers 0 to {len(self) - 1}")
        symbols = [self.symbols[number] for number in numbers]
        if not special:
            if self.end is not None and self.end in symbols:
                symbols = symbols[: symbols.index(self.end)]
            symbols = [symbol for symbol in symbols if symbol is not self.begin and symbol is not self.padding]
        return self._join(symbols)

    def encode_batch(
        self, texts: Iterable[Any], *, begin: bool = False, end: bool = False, batch_first: bool = False
    ) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Several texts side by side, the shorter ones filled up with `padding`.

        Returns
        -------
        codes : integers, (T, N), or (N, T) if `batch_first`
        lengths : (N,) integers

        Raises
        ------
        ValueError
            If the texts have several lengths, and the vocabulary has no padding.
        KeyError
            As `code`.
        """
        codes = [self.encode(text, begin=begin, end=end) for text in texts]
        lengths = sorted({len(text) for text in codes})
        if len(lengths) > 1 and self.padding is None:
            raise ValueError(
                f"{type(self).__name__}.encode_batch: the texts have {lengths[0]} to {lengths[-1]} symbols, and there is no "
                "padding= to fill the shorter ones up with"
            )
        return pad(codes, padding=0, batch_first=batch_first)

    # -- files -----------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it, for the metadata of a checkpoint; `from_dict` is the way back."""
        special = {name: getattr(self, name) for name in SPECIAL if getattr(self, name) is not None}
        kind = {"tinyrnn": "vocabulary", "version": FORMAT, "kind": type(self).__name__}
        return {**kind, "special": special, "symbols": list(self.symbols[self._special :])}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `to_dict` described.

        Raises
        ------
        ValueError
            If it describes none, or one of another kind than this class.
        """
        if not isinstance(given, Mapping) or given.get("tinyrnn") != "vocabulary":
            raise ValueError("this describes no vocabulary of tinyrnn")
        if not isinstance(version := given.get("version"), int) or not 1 <= version <= FORMAT:
            raise ValueError(f"the vocabulary has format {version!r}, this tinyrnn reads up to {FORMAT}: install a newer one")
        kind = _KINDS.get(str(given.get("kind")))
        if kind is None or not issubclass(kind, cls):
            raise ValueError(f"expected a {cls.__name__}, but this is a {given.get('kind')!r}")
        special, symbols = given.get("special"), given.get("symbols")
        if not isinstance(special, Mapping) or not set(special) <= set(SPECIAL) or not isinstance(symbols, list):
            raise ValueError("the vocabulary is damaged: it lacks a list of symbols or the special ones")
        return kind._from_dict(given, special, symbols)

    @classmethod
    def _from_dict(cls, given: Mapping[str, Any], special: Mapping[str, Any], symbols: list) -> Vocabulary:
        return cls(symbols, **special)

    def save(self, path: str | os.PathLike) -> None:
        """Write it into a file that people can read, JSON in UTF-8; a break in between leaves the old file as it was.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        IsADirectoryError
            If `path` is a folder.
        """
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n"
        with files.replacing(files.target(f"{type(self).__name__}.save", path)) as file:
            file.write(text.encode("utf-8", "surrogatepass"))

    @classmethod
    def load(cls, path: str | os.PathLike) -> Vocabulary:
        """Read what `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no vocabulary, is cut off, was written by a newer tinyrnn, or is of another kind than this class.

        Examples
        --------
        >>> import os, tempfile
        >>> from tinyrnn import data
        >>> path = os.path.join(tempfile.mkdtemp(), "characters.json")
        >>> data.CharacterVocabulary.build("hello").save(path)
        >>> data.CharacterVocabulary.load(path).symbols
        ('l', 'e', 'h', 'o')
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no file {str(path)!r}")
        try:
            given = json.loads(Path(path).read_bytes().decode("utf-8", "surrogatepass"))
        except ValueError as error:
            raise ValueError(f"{str(path)!r} is no vocabulary, or it is cut off ({error})") from None
        try:
            return cls.from_dict(given)
        except ValueError as error:
            raise ValueError(f"{str(path)!r}: {error}") from None

    # -- what kinds of vocabularies differ in ----------------------------------------------------

    def _split(self, text: Any) -> Sequence[str]:
        """The symbols that a text consists of."""
        return list(text)

    def _join(self, symbols: list[str]) -> Any:
        """The text that consists of these symbols."""
        return symbols

    def _encode(self, symbols: Sequence[str]) -> numpy.ndarray:
        return numpy.array([self.code(symbol) for symbol in symbols], numpy.int64)

    def _edge(self, name: str, wanted: bool) -> numpy.ndarray:
        """The code of `begin` or `end`, or nothing."""
        if wanted and getattr(self, name) is None:
            raise ValueError(f"{type(self).__name__}: there is no symbol for the {name}: make the vocabulary with {name}=")
        return numpy.array([self._code[getattr(self, name)]] if wanted else [], numpy.int64)


class CharacterVocabulary(Vocabulary):
    """The characters of a text, that is its Unicode code points, and a number for each.  Parameters: see `Vocabulary`.

    What readers take for one character may be several code points: é may be e and an accent, and an emoji or a letter of
    an Indian script often is.  ``unicodedata.normalize("NFC", text)`` joins what has a code point of its own.

    Examples
    --------
    >>> from tinyrnn import data
    >>> characters = data.CharacterVocabulary.build("hello", padding="<pad>", end="<end>")
    >>> characters.symbols
    ('<pad>', '<end>', 'l', 'e', 'h', 'o')
    >>> codes, lengths = characters.encode_batch(["hello", "hell"], end=True)
    >>> codes.T
    array([[4, 3, 2, 2, 5, 1],
           [4, 3, 2, 2, 1, 0]])
    >>> characters.decode(codes[:, 1])
    'hell'
    """

    def __init__(self, symbols: Iterable[str], **special: Any) -> None:
        super().__init__(symbols, **special)
        characters = self.symbols[self._special :]
        if wrong := [symbol for symbol in characters if len(symbol) != 1]:
            raise ValueError(f"CharacterVocabulary: {wrong[0]!r} is not one character")
        known = [symbol for symbol in self.symbols if len(symbol) == 1]
        points = numpy.array([ord(symbol) for symbol in known], numpy.uint32)
        order = numpy.argsort(points)
        self._points, self._codes = points[order], numpy.array([self._code[s] for s in known], numpy.int64)[order]

    def _split(self, text: Any) -> Sequence[str]:
        if not isinstance(text, str):
            raise TypeError(f"CharacterVocabulary: expected a text, not a {type(text).__name__}")
        return text

    def _join(self, symbols: list[str]) -> str:
        return "".join(symbols)

    def _encode(self, symbols: Sequence[str]) -> numpy.ndarray:
        """All at once: where each code point is in the sorted ones."""
        points = numpy.frombuffer(str(symbols).encode("utf-32-le", "surrogatepass"), "<u4")
        if not len(self._points):
            return super()._encode(symbols)
        places = numpy.minimum(numpy.searchsorted(self._points, points), len(self._points) - 1)
        codes, strange = self._codes[places], self._points[places] != points
        if strange.any():
            codes[strange] = self.code(symbols[int(strange.argmax())])
        return codes


class WordVocabulary(Vocabulary):
    r"""The words of a text, and a number for each.

    Parameters
    ----------
    symbols, padding, unknown, begin, end
        See `Vocabulary`.
    pattern : str
        What a word is, as a regular expression; by default what stands between white space.  ``r"\w+|[^\w\s]"`` makes
        punctuation words of their own.  `decode` puts a space between words.

    Examples
    --------
    >>> from tinyrnn import data
    >>> words = data.WordVocabulary.build("to be or not to be", max_size=4, unknown="<unk>")
    >>> words.symbols
    ('<unk>', 'be', 'to', 'not')
    >>> words.decode(words.encode("not to be late"))
    'not to be <unk>'
    """

    PATTERN: ClassVar[str] = r"\S+"

    def __init__(self, symbols: Iterable[str], *, pattern: str = PATTERN, **special: Any) -> None:
        super().__init__(symbols, **special)
        self.pattern = pattern
        try:
            self._word = re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(f"WordVocabulary: pattern={pattern!r} is no regular expression ({error})") from None

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "pattern": self.pattern}

    @classmethod
    def _from_dict(cls, given: Mapping[str, Any], special: Mapping[str, Any], symbols: list) -> Vocabulary:
        return cls(symbols, pattern=given.get("pattern", cls.PATTERN), **special)

    def _split(self, text: Any) -> Sequence[str]:
        if not isinstance(text, str):
            raise TypeError(f"WordVocabulary: expected a text, not a {type(text).__name__}")
        return [match.group() for match in self._word.finditer(text) if match.group()]

    def _join(self, symbols: list[str]) -> str:
        return " ".join(symbols)


_KINDS: dict[str, type[Vocabulary]] = {kind.__name__: kind for kind in (Vocabulary, CharacterVocabulary, WordVocabulary)}
