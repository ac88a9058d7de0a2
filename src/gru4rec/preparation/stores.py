"""Logs in stores such as `s3://`: Parquet is read where it is, text is copied to this machine."""

import glob
import hashlib
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import ibis.expr.types as ir
from fsspec import AbstractFileSystem
from ibis.backends.duckdb import Backend
from upath import UPath

from gru4rec.addresses import Location, fetch, is_remote, is_web, path_of, reaching, show
from gru4rec.files import make_folders, written_whole
from gru4rec.preparation.engine.connection import local_connection
from gru4rec.preparation.file_kinds import LogFile, identify
from gru4rec.preparation.plain_copies import cache_folder

_LOCK = threading.Lock()
_numbers: dict[str, int] = {}  # of stores, by their options
_log = logging.getLogger(__name__)


def identify_anywhere(file: Location) -> LogFile:
    """Finds out what a file is, on this machine or in a store; see `identify`.

    Text is copied to the cache folder: it is read to its end several times.

    Raises:
        DataError: As `identify`.
        OSError: The store cannot be reached, or has no such file.
    """
    if not is_remote(file):
        return identify(file)
    # servers of the web need not send a part of a file
    if not is_web(file):
        with reaching(file):
            start = file.fs.cat_file(file.path, start=0, end=4)
        if start == b"PAR1":
            return LogFile(cast(Path, file), "parquet")  # all that is asked of it are its names
    return identify(_fetched(file))


def _fetched(file: UPath) -> Path:
    with reaching(file):
        state = file.fs.info(file.path)
    key = hashlib.sha256(repr((str(file), state)).encode()).hexdigest()[:16]
    # what folders such as `day=2` say counts for DuckDB
    *above, name = path_of(file).split("/")
    folders = [part for part in above if "=" in part]
    copy = cache_folder().joinpath(key, *folders, name or "log")
    if not copy.exists():
        _log.info("%s is copied to the cache folder first", show(file))
        make_folders(copy.parent)
        with written_whole(copy) as temporary:
            fetch(file, temporary)
    return copy


def open_parquet(files: Sequence[Location], connection: Backend | None = None) -> ir.Table:
    """Opens Parquet files, here or in a store; the rows are read when they are needed.

    Args:
        files: With the same columns; folders such as `day=2` above them add none.
        connection: The DuckDB connection that reads; None takes the shared one.
    """
    connection = connection or local_connection()
    # what folders such as `lr=0.1` say is no column of what was saved in them
    return connection.read_parquet(names_for_duckdb(connection, files), hive_partitioning=False)


def names_for_duckdb(connection: Backend, files: Sequence[Location]) -> list[str]:
    """Names Parquet files as a connection reads them."""
    return [
        _name_in_store(connection, file) if is_remote(file) else glob.escape(str(file))
        for file in files
    ]


def _name_in_store(connection: Backend, file: UPath) -> str:
    # a name of our own: DuckDB would load its own client for s3://, and one connection may read
    # from two stores with different options
    options = repr((file.protocol, sorted(file.storage_options.items(), key=str)))
    with _LOCK:
        name = f"{file.protocol}.{_numbers.setdefault(options, len(_numbers) + 1)}"
        if not connection.con.filesystem_is_registered(name):
            connection.con.register_filesystem(_Store(file.fs, name))
    return f"{name}://{file.path}"


class _Store(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A store as DuckDB reads it: files by name.

    Args:
        store: Its client.
        name: What the names of files begin with.
    """

    cachable = False

    def __init__(self, store: AbstractFileSystem, name: str) -> None:
        super().__init__()
        self._store, self.protocol = store, name

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        # DuckDB asks for what it needs; a cache would read whole blocks around that
        return self._store.open(self._inner(path), mode, cache_type="none")

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path]

    def info(self, path: str, **_: Any) -> Any:
        return self._store.info(self._inner(path))

    def modified(self, path: str) -> Any:
        return self._store.modified(self._inner(path))

    def _inner(self, path: str) -> str:
        return path.removeprefix(f"{self.protocol}://")
