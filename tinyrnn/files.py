"""Files that are there as a whole, or not at all, even if the program is killed while it writes."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def target(what: str, path: str | os.PathLike) -> Path:
    """A path at which a file can be written.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    IsADirectoryError
        If it is a folder; the message begins with `what` wants to write.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{what}: there is no folder {str(path.parent)!r} to write {path.name!r} into")
    if path.is_dir():
        raise IsADirectoryError(f"{what}: {str(path)!r} is a folder: name a file in it")
    return path


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Write a file under another name, which then replaces the old file: a break in between leaves that as it was.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "greeting.txt"
    >>> with replacing(path) as file:
    ...     _ = file.write(b"hello")
    >>> path.read_bytes()
    b'hello'
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(draft, "x+b") as file:
            begun = os.fstat(file.fileno()).st_mtime
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _remove_drafts(path, begun)
    if os.name == "posix":  # the new name must survive a power failure, too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove_drafts(path: Path, before: float) -> None:
    """Remove what saves of this file left behind when they were killed; a draft touched since then may still be written."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.part")
    for other in path.parent.iterdir():
        with suppress(OSError):  # it may belong to somebody else, or be gone by now
            if ours.fullmatch(other.name) and other.stat().st_mtime < before:
                other.unlink()
