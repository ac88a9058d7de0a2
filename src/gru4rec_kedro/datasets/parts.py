"""A table in parts, of which a rerun makes only those that are not there yet."""

import contextlib
import glob
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import AbstractDataset

from gru4rec import ConfigError, DataError
from gru4rec.addresses import (
    Location,
    brief,
    exists,
    is_remote,
    locate_writable,
    matching,
    reaching,
    show,
)
from gru4rec.files import make_folders, remove_stale, written_whole
from gru4rec.preparation import open_parquet
from gru4rec_kedro.datasets.previews import json_table, small
from gru4rec_kedro.errors import FolderInUseError, MissingFileError, UnwritableError
from gru4rec_kedro.kedro_internals import TablePreview
from gru4rec_kedro.locking import FolderLock, notes_of

logger = logging.getLogger(__name__)

_COMPLETE = "_SUCCESS"  # what Spark calls it, too
_KEY = b"made_from"


class Part(NamedTuple):
    """One part.

    Attributes:
        key: Stands for all that the part is made from: with an equal key it would be the same.
        make: Makes it.
    """

    key: str
    make: Callable[[], pa.Table]


class Parts:
    """All parts, in order.

    Args:
        walk: Starts a walk over them.
    """

    # Kedro would save the parts of a bare generator one by one, and never tell which is the last
    def __init__(self, walk: Callable[[], Iterator[Part]]) -> None:
        self._walk = walk

    def __iter__(self) -> Iterator[Part]:
        return self._walk()


class PartsDataset(AbstractDataset[Parts, ir.Table]):
    """A table in a folder of Parquet files `part-00000.parquet`, ….

    Each file is written whole or not at all and holds the key of its part in its metadata
    (`made_from`), so a run that was ended, or that is repeated with a part of the same input, goes
    on where work is left. `_SUCCESS` is there once all parts are. A lock beside the folder keeps
    two from writing it at once; where the file system has none, or in a store from two machines,
    parts of different runs are told by their keys, and do not end under one `_SUCCESS` unless one
    is killed just when it has written a part.

    Args:
        path: The folder, a path or an address; it should hold nothing else.
        credentials: Options of the store, where it is in one.
        metadata: For plugins.
    """

    def __init__(
        self,
        *,
        path: str,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._path = locate_writable(path, ConfigError, credentials)
        self.metadata = metadata

    def load(self) -> ir.Table:
        """Returns the parts as one Ibis table.

        Raises:
            MissingFileError: Not all of them are there.
        """
        if not self._exists():
            raise MissingFileError(
                f"{show(self._path)} is not complete; run the pipeline that makes it, which goes "
                "on where it was ended"
            )
        return open_parquet(self._parts())

    def _parts(self) -> list[Location]:
        return matching(f"{glob.escape(str(self._path))}/part-*.parquet", self._path)

    def save(self, data: Parts) -> None:
        """Makes and writes the parts that are not there yet, and removes those of earlier runs.

        Raises:
            DataError: What is saved is a table, such as one of Spark, or the folder has parts of
                somebody else.
            FolderInUseError: Another process writes the folder.
            UnwritableError: The folder or a file in it cannot be written.
        """
        if not isinstance(data, Parts):
            raise DataError(
                f"{self._path} takes parts of a table, not a table: what Spark computes is saved "
                "by a SparkTableDataset (conf/spark/catalog.yml)"
            )
        with FolderLock(self._path, notes_of(self._path)):
            self._write(data)

    def _write(self, data: Parts) -> None:
        keys: dict[Location, str] = {}
        n_made = 0
        with self._writing():
            there = self._begin()
        for part in data:
            path = self._path / f"part-{len(keys):05d}.parquet"
            keys[path] = part.key
            if there.get(path) == part.key:
                continue
            table = part.make().replace_schema_metadata({_KEY: part.key})
            with self._writing(), written_whole(path) as temporary:
                pq.write_table(table, temporary)
                self._mark_incomplete()  # another that is not kept out may have ended by now
            with self._writing():
                self._mark_incomplete()  # or while the part was uploaded
            n_made += 1
        with self._writing():
            self._end(keys)
        kept = f" ({len(keys) - n_made} were there)" if n_made < len(keys) else ""
        logger.info("%d part(s)%s: %s", len(keys), kept, brief(self._path))

    def _begin(self) -> dict[Location, str | None]:
        """Makes the folder ready; returns the keys of the parts that are there."""
        make_folders(self._path)
        there = {path: _read_key(path) for path in self._parts()}
        for path, key in there.items():
            if key == "":
                raise DataError(
                    f"{show(path)} is none of the parts that are written here, and these take the "
                    "place of all others: remove it, or name another folder"
                )
        self._mark_incomplete()
        if not is_remote(self._path):  # to a store nothing is uploaded under such a name
            remove_stale(self._path.glob(".part-*"))
        return there

    def _mark_incomplete(self) -> None:
        with reaching(self._path):
            (self._path / _COMPLETE).unlink(missing_ok=True)

    def _end(self, keys: dict[Location, str]) -> None:
        for left_by_a_longer_run in set(self._parts()).difference(keys):
            with reaching(self._path):
                left_by_a_longer_run.unlink()
        for path, key in keys.items():
            if _read_key(path) != key:
                self._mark_incomplete()
                raise FolderInUseError(
                    f"{path} is of another run, which has written it in the meantime; run this "
                    "again when no other writes there"
                )
        with reaching(self._path):
            (self._path / _COMPLETE).write_bytes(b"")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnwritableError(
                f"cannot write {show(self._path)}: {error}; check the path in the catalog, its "
                "rights and the space on the disk"
            ) from error

    @small
    def preview(self, nrows: int = 10) -> TablePreview:
        """Shows the first rows in kedro-viz."""
        return TablePreview(json_table(self.load().limit(nrows).to_pandas()))

    def _exists(self) -> bool:
        return exists(self._path / _COMPLETE)

    def _describe(self) -> dict[str, Any]:
        return {"path": show(self._path)}


def _read_key(path: Location) -> str | None:
    """Reads what a part was made from; None where there is no part, "" where it is none of ours."""
    try:
        with reaching(path), path.open("rb") as file:
            metadata = pq.read_schema(file).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    key: str = metadata.get(_KEY, b"").decode()
    return key
