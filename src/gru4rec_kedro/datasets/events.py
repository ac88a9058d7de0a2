"""Events between nodes: Parquet files, as Ibis tables or DataFrames."""

from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias

import duckdb
import ibis.expr.types as ir
import pandas as pd
from kedro.io import AbstractVersionedDataset, Version

from gru4rec import DataError
from gru4rec.preparation import local_connection, say_cannot_spill
from gru4rec_kedro.datasets.written_whole import WrittenWhole
from gru4rec_kedro.kedro_internals import TablePreview

Events: TypeAlias = ir.Table | pd.DataFrame


class _ParquetEvents(AbstractVersionedDataset[Events, Events]):
    """Reads and writes; see `EventsDataset`."""

    def __init__(
        self,
        *,
        filepath: str,
        load_as: Literal["table", "frame"] = "table",
        memory_limit: str | None = None,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        if load_as not in {"table", "frame"}:
            raise ValueError(f"load_as is {load_as!r}; expected 'table' or 'frame'")
        super().__init__(PurePosixPath(filepath), version)
        self.load_as = load_as
        self.memory_limit = memory_limit
        self.metadata = metadata

    def load(self) -> Events:
        path = self._get_load_path()
        if self.load_as == "frame":
            return pd.read_parquet(path)
        return local_connection(self.memory_limit).read_parquet(str(path))

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

    def _exists(self) -> bool:
        return Path(self._get_load_path()).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "load_as": self.load_as, "version": self._version}


class EventsDataset(WrittenWhole, _ParquetEvents):
    """A log of events in a Parquet file.

    Saves an Ibis table, without bringing it into memory, or a DataFrame; loads as either.

    Args:
        filepath: The file.
        load_as: `table` loads an Ibis table that reads when it is executed, `frame` a DataFrame.
        memory_limit: What queries on it may use, such as `4GB`, before they spill to disk; None
            leaves it to DuckDB. Entries with the same limit share it.
        version: Kedro's version, where the entry is versioned.
        metadata: For plugins.
    """

    def preview(self, nrows: int = 10) -> TablePreview:
        """Shows the first rows in kedro-viz."""
        head = local_connection().read_parquet(str(self._get_load_path())).limit(nrows)
        return TablePreview(json_table(head.to_pandas()))


def json_table(frame: pd.DataFrame) -> dict[str, Any]:
    """Turns a small frame into what kedro-viz shows as a table."""
    # kedro-viz sends it as JSON: no timestamps, no NumPy numbers
    return frame.astype(object).map(_json_value).to_dict(orient="split")


def _json_value(value: object) -> object:
    return value if isinstance(value, bool | int | float | str) else str(value)
