"""Events between nodes: Parquet files, as Ibis tables or DataFrames."""

import glob
from typing import Any, Literal, TypeAlias

import duckdb
import ibis.expr.types as ir
import pandas as pd
from kedro.io import Version

from gru4rec import DataError
from gru4rec.addresses import Location, exists, is_remote, matching, reaching, show
from gru4rec.preparation import (
    is_on_spark,
    local_connection,
    open_parquet,
    order_keys,
    say_cannot_spill,
)
from gru4rec_kedro.datasets.previews import json_table
from gru4rec_kedro.datasets.spark_folder import COMPLETE, in_place_of, write_folder
from gru4rec_kedro.datasets.written_whole import StoredFile, WrittenWhole
from gru4rec_kedro.kedro_internals import TablePreview, location_of

Events: TypeAlias = ir.Table | pd.DataFrame


class _ParquetEvents(StoredFile):
    """Reads and writes; see `EventsDataset`."""

    def __init__(
        self,
        *,
        filepath: str,
        load_as: Literal["table", "frame"] = "table",
        memory_limit: str | None = None,
        credentials: dict[str, Any] | None = None,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        if load_as not in {"table", "frame"}:
            raise ValueError(f"load_as is {load_as!r}; expected 'table' or 'frame'")
        super().__init__(filepath, credentials, version, metadata)
        self.load_as = load_as
        self.memory_limit = memory_limit

    def load(self) -> Events:
        path = location_of(self, self._get_load_path())
        table = open_parquet(_files_of(path), local_connection(self.memory_limit))
        return table.to_pandas() if self.load_as == "frame" else table

    def save(self, data: Events) -> None:
        path = self._get_save_path()
        if isinstance(data, pd.DataFrame):
            data.to_parquet(path, index=False)
            return
        try:
            data.to_parquet(str(path))
        except duckdb.IOException as error:  # such as a full disk
            if no_room := say_cannot_spill(error):
                raise DataError(no_room) from None
            raise OSError(str(error)) from error

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "load_as": self.load_as, "version": self._version}


def _is_folder(path: Location) -> bool:
    with reaching(path):
        return path.is_dir()


def _files_of(path: Location) -> list[Location]:
    if not _is_folder(path):
        return [path]
    files = matching(f"{glob.escape(str(path))}/*.parquet", path)
    if not files or not exists(path / COMPLETE):
        raise DataError(
            f"{show(path)} is a folder, but not one of Parquet files that Spark has completed "
            f"({COMPLETE} is there then): remove it and run the pipeline that makes it"
        )
    return files


class EventsDataset(WrittenWhole, _ParquetEvents):
    """A log of events in a Parquet file; what Spark saves is a folder of them.

    Saves an Ibis table, without bringing it into memory, or a DataFrame; loads as either, through
    DuckDB whoever has saved it.

    Args:
        filepath: The file.
        load_as: `table` loads an Ibis table that reads when it is executed, `frame` a DataFrame.
        memory_limit: What queries on it may use, such as `4GB`, before they spill to disk; None
            leaves it to DuckDB. Entries with the same limit share it.
        credentials: Options of the store, where the file is in one.
        version: Kedro's version, where the entry is versioned.
        metadata: For plugins.
    """

    def _write_whole(self, data: Events, final: Location) -> None:
        of_spark = data if isinstance(data, ir.Table) and is_on_spark(data) else None
        if is_remote(final):
            if of_spark is not None:
                raise DataError(
                    f"Spark writes folders of this machine or of a volume, not {show(final)}: set "
                    "outputs in globals.yml to a path, or copy them there"
                )
            final.fs.invalidate_cache()  # others write there, too
            if _is_folder(final):
                raise DataError(
                    f"{show(final)} is also a folder in the store, whose files would be loaded in "
                    "place of what is saved: remove it there first, or name another path"
                )
            super()._write_whole(data, final)
        elif of_spark is not None:
            # Spark has no order of its own, and training numbers items as they come
            write_folder(of_spark.order_by(*order_keys(of_spark)), final)
        elif final.is_dir():
            with in_place_of(final) as temporary:
                super()._write_whole(data, temporary)
        else:
            super()._write_whole(data, final)

    def preview(self, nrows: int = 10) -> TablePreview:
        """Shows the first rows in kedro-viz."""
        files = _files_of(location_of(self, self._get_load_path()))
        return TablePreview(json_table(open_parquet(files).limit(nrows).to_pandas()))
