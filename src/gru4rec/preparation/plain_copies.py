"""Copies of text files as DuckDB reads them, in the user's cache folder until the process ends."""

import atexit
import contextlib
import functools
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import platformdirs
from filelock import BaseFileLock, FileLock, Timeout

from gru4rec.errors import DataError
from gru4rec.files import written_whole
from gru4rec.preparation.file_kinds import LogFile

# compressions that DuckDB unpacks itself
_NATIVE = {"none", "gzip", "zstd"}

_PREFIX, _LOCK = "text-", "lock"
_held: list[BaseFileLock] = []  # until the process ends, however it does

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    r"""A text file, and what of it is not for DuckDB.

    Attributes:
        file: The file.
        before: So many lines at its beginning are neither header nor row.
        quoted_before: Whether DuckDB would take a quote in them for the begin of a long value.
        comment: Further lines that begin with it are left out.
        blanks: Columns are separated by runs of blanks and tabs; in a copy by one tab.
    """

    file: LogFile
    before: int = 0
    quoted_before: bool = False
    comment: str | None = None
    blanks: bool = False

    @property
    def obstacle(self) -> str:
        """Why DuckDB cannot read the file as it is; empty text where it can."""
        reasons = {
            "its lines end in different ways": self.file.mixed_line_ends,
            f"DuckDB does not unpack {self.file.compression}": self.file.compression not in _NATIVE,
            "lines before the columns have quotes": self.quoted_before,
            "it has comments": self.comment is not None,
            "a byte order mark is before the JSON": self.file.marked and self.file.kind == "json",
            "runs of blanks separate its columns": self.blanks,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")


def make_readable(sources: Sequence[Source]) -> tuple[list[Path], str]:
    """Finds paths that DuckDB can read: of the files themselves, else of copies.

    Returns:
        A path for each file, and the compression of all of them.

    Raises:
        DataError: A copy cannot be written.
    """
    compressions = {source.file.compression for source in sources}
    if len(compressions) == 1 and not any(source.obstacle for source in sources):
        return [source.file.path for source in sources], compressions.pop()
    paths = []
    for source in sources:
        is_packed = source.file.compression != "none"
        reason = source.obstacle or ("other files are read unpacked" if is_packed else "")
        paths.append(_copy(source, reason) if reason else source.file.path)
    return paths, "none"


def _copy(source: Source, reason: str) -> Path:
    path = source.file.path
    state = path.stat()
    key = repr((path.absolute(), state.st_size, state.st_mtime_ns, source))
    try:
        folder = cache_folder() / hashlib.sha256(key.encode()).hexdigest()[:16]
        copy = folder / f"{path.name}.txt"  # errors of DuckDB tell this name
        if not copy.exists():
            _log.info("%s is rewritten in the cache folder first: %s", path, reason)
            folder.mkdir(exist_ok=True)
            with written_whole(copy) as temporary:
                _write(source, temporary)
    except OSError as error:
        raise DataError(
            f"Cannot read {path}: {reason}, so it must be rewritten in the cache folder, but "
            f"{error}"
        ) from None
    return copy


def _write(source: Source, path: Path) -> None:
    with source.file.open_text() as lines, path.open("w", encoding="utf-8", newline="\n") as copy:
        for _ in range(source.before):
            lines.readline()
            copy.write("\n")
        if source.comment is None and not source.blanks:
            shutil.copyfileobj(lines, copy, 1 << 20)
        else:
            copy.writelines(_convert(lines, source.comment, source.blanks))


@functools.cache
def cache_folder() -> Path:
    """Returns a folder in the user's cache folder that goes when this process ends."""
    cache = Path(platformdirs.user_cache_dir("gru4rec"))
    cache.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        _remove_left(cache)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=cache))
    with contextlib.suppress(OSError):  # some file systems have no locks
        _held.append(FileLock(folder / _LOCK))
        _held[-1].acquire(timeout=0)
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove_left(cache: Path) -> None:
    """Removes the copies of processes that were killed: nobody holds their locks."""
    for lock in cache.glob(f"{_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(Timeout), FileLock(lock, timeout=0):
            shutil.rmtree(lock.parent, ignore_errors=True)


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not where a forked child ends
        shutil.rmtree(folder, ignore_errors=True)


def _convert(lines: TextIO, comment: str | None, blanks: bool) -> Iterator[str]:
    for line in lines:
        if comment is None or not line.startswith(comment):
            yield "\t".join(line.split()) + "\n" if blanks else line
