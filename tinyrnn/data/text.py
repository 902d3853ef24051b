"""Text larger than memory: encoded once, chunk by chunk, into a file beside it, which is then mapped into memory."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy

from .. import files
from .vocabulary import CharacterVocabulary

FORMAT = 1
CHUNK = 1 << 17  # bytes that are read at a time
HEADER = 1024  # bytes before the codes: JSON, filled up with spaces


def text_chunks(path: str | os.PathLike, size: int = CHUNK) -> Iterator[str]:
    """A text in UTF-8, piece by piece, line ends as they are.

    Parameters
    ----------
    path : path
    size : int
        About how many bytes a piece has; no character is cut in two.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not UTF-8; the message says where.

    Examples
    --------
    The vocabulary of a text of any size:

    >>> import os, tempfile
    >>> from tinyrnn import data
    >>> path = os.path.join(tempfile.mkdtemp(), "text.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("so it goes " * 1000)
    >>> data.CharacterVocabulary.build(data.text_chunks(path, size=100)).symbols
    (' ', 'o', 's', 'e', 'g', 'i', 't')
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _opened(path) as file:
        while chunk := file.read(size):
            yield _decoded(decoder, chunk, path, file)
        _decoded(decoder, b"", path, file, final=True)


def map_bytes(path: str | os.PathLike) -> numpy.ndarray:
    """A file as the numbers of its bytes, (T,) from 0 to 255, mapped into memory; nothing has to be encoded.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    with _opened(path) as file:
        empty = not os.fstat(file.fileno()).st_size  # which cannot be mapped
    return numpy.zeros(0, numpy.uint8) if empty else numpy.memmap(path, numpy.uint8, "r")


def map_text(
    path: str | os.PathLike, vocabulary: CharacterVocabulary, *, cache: str | os.PathLike | None = None
) -> numpy.ndarray:
    """The codes of a text in UTF-8, mapped into memory.

    They are computed once and kept in a file, with a fingerprint of the text and of the vocabulary.  If that does not match,
    or the file is damaged, it is written anew.

    Parameters
    ----------
    path : path
    vocabulary : CharacterVocabulary
        Of words a chunk could hold a half only.
    cache : path, optional
        By default beside the text, with ``.codes`` after its name.

    Returns
    -------
    (T,) unsigned integers
        As small as the number of symbols permits; the array cannot be written to.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the text is not UTF-8, or changes while it is read.
    KeyError
        If it holds a character that the vocabulary has no code for, and the vocabulary has no `unknown`.
    TypeError
        If the vocabulary is not one of characters.
    PermissionError
        If nothing may be written beside the text.

    Notes
    -----
    The fingerprint of the text is its size and when it was last changed, so that it need not be read again; the codes are
    checked by their sum (CRC-32), which is read once when they are opened.

    Examples
    --------
    >>> import os, tempfile
    >>> from tinyrnn import data
    >>> path = os.path.join(tempfile.mkdtemp(), "text.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("so it goes " * 1000)
    >>> characters = data.CharacterVocabulary.build(data.text_chunks(path))
    >>> codes = data.map_text(path, characters)
    >>> len(codes), characters.decode(codes[:10])
    (11000, 'so it goes')
    >>> batches = data.Streams(codes, streams=8, window=50)
    """
    if not isinstance(vocabulary, CharacterVocabulary):
        raise TypeError(f"map_text: expected a CharacterVocabulary, not a {type(vocabulary).__name__}")
    path = Path(path)
    wanted = _fingerprint(path, vocabulary)
    cache = files.target("map_text", path.with_name(path.name + ".codes") if cache is None else cache)
    codes = _cached(cache, wanted)
    if codes is None:
        try:
            _encode(path, vocabulary, cache, wanted)
        except PermissionError:
            raise PermissionError(
                f"map_text: may not write {str(cache)!r}: name another place for the codes, cache=..."
            ) from None
        codes = _cached(cache, wanted)
        if codes is None:
            raise ValueError(f"{str(cache)!r} is not what was just written into it: is another program writing it?")
    return codes


# -- what is kept beside a text ------------------------------------------------------------------------------------


def _fingerprint(path: Path, vocabulary: CharacterVocabulary) -> dict[str, Any]:
    """What the codes depend on."""
    with _opened(path) as file:
        status = os.fstat(file.fileno())
    symbols = json.dumps(vocabulary.to_dict(), sort_keys=True)
    return {
        "tinyrnn": "codes",
        "version": FORMAT,
        "text": [status.st_size, status.st_mtime_ns, status.st_ctime_ns],
        "vocabulary": hashlib.sha256(symbols.encode()).hexdigest(),
        "dtype": numpy.min_scalar_type(max(0, len(vocabulary) - 1)).newbyteorder("<").str,
    }


def _cached(cache: Path, wanted: dict[str, Any]) -> numpy.ndarray | None:
    """The codes, if the file holds those that are wanted, all of them and undamaged."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError), open(cache, "rb") as file:
        header = json.loads(file.read(HEADER))
        count, sum_of_codes, dtype = header["count"], header["crc32"], numpy.dtype(wanted["dtype"])
        if header != {**wanted, "count": count, "crc32": sum_of_codes}:
            return None
        if os.fstat(file.fileno()).st_size != HEADER + count * dtype.itemsize:
            return None
        found = 0
        while chunk := file.read(CHUNK):
            found = zlib.crc32(chunk, found)
        if found == sum_of_codes:
            return numpy.memmap(cache, dtype, "r", HEADER, (count,)) if count else numpy.zeros(0, dtype)
    return None


def _encode(path: Path, vocabulary: CharacterVocabulary, cache: Path, wanted: dict[str, Any]) -> None:
    """Write the codes of a text, chunk by chunk, behind a header that says what they are."""
    count = sum_of_codes = 0
    with files.replacing(cache) as file:
        file.write(b" " * HEADER)
        for text in text_chunks(path):
            codes = vocabulary.encode(text).astype(wanted["dtype"])
            count += len(codes)
            sum_of_codes = zlib.crc32(codes.data, sum_of_codes)
            file.write(codes.data)
        if _fingerprint(path, vocabulary) != wanted:
            raise ValueError(f"{str(path)!r} has changed while it was read: try again when nothing writes it")
        file.seek(0)
        file.write(json.dumps({**wanted, "count": count, "crc32": sum_of_codes}).encode())


# -- reading -------------------------------------------------------------------------------------------------------


def _opened(path: str | os.PathLike) -> IO[bytes]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    return open(path, "rb")


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, path: Any, file: IO[bytes], final: bool = False) -> str:
    held = len(decoder.getstate()[0])  # the beginning of a character, from the chunk before
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        place = file.tell() - len(chunk) - held + error.start
        raise ValueError(
            f"{str(path)!r} is not UTF-8: byte {place} begins no character; convert it, or read it with data.map_bytes"
        ) from None
