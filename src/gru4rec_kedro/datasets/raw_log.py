"""The raw log as its owner keeps it."""

from typing import Any

import ibis.expr.types as ir

from gru4rec import MissingLogError, read_log
from gru4rec.addresses import Location
from gru4rec.preparation import has_log, private_connection
from gru4rec_kedro.datasets.never_saved import NeverSaved
from gru4rec_kedro.datasets.previews import json_table, small
from gru4rec_kedro.kedro_internals import TablePreview


class RawLogDataset(NeverSaved[ir.Table]):
    r"""A log in text files, JSON lines or Parquet files; read only.

    Args:
        filepath: One file, a folder of them, a glob such as `data/01_raw/clicks_*.csv`, or
            several that belong together such as `data/01_raw/2019-{Oct,Nov}.csv`; here, or in a
            store (`s3://bucket/clicks_*.csv`); of `https://` one file.
        source: What to download, from whom, and under which name it is expected; shown when the
            file is missing.
        delimiter: Of text files: up to four bytes, or `\s+` for runs of blanks and tabs; None finds
            out by the first lines.
        column_names: Of text files without a header: a list, or text with blanks between them.
        skip_lines: Lines of each text file before its header, or its first row.
        comment: Lines of text files that begin with it are left out.
        memory_limit: What queries on it may use, such as `256MB`, before they spill to disk;
            None leaves it to DuckDB.
        credentials: Options of the store, where the log is in one.
        metadata: For plugins.
    """

    _file: Location
    _why = "is a raw log and is never written"

    def __init__(
        self,
        *,
        filepath: str,
        source: str = "",
        delimiter: str | None = None,
        column_names: list[str] | str | None = None,
        skip_lines: int = 0,
        comment: str | None = None,
        memory_limit: str | None = None,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, credentials=credentials, metadata=metadata)
        self._source = source.strip()
        names = column_names.split() if isinstance(column_names, str) else column_names
        self._options: dict[str, Any] = {
            "delimiter": delimiter,
            "column_names": names,
            "skip_lines": skip_lines,
            "comment": comment,
        }
        self._memory_limit = memory_limit

    def load(self) -> ir.Table:
        """Returns the log as an Ibis table that reads when it is executed.

        Raises:
            MissingLogError: No file is there; the message says where to get it, if known.
        """
        try:
            return read_log(
                self._file,
                **self._options,
                connection=private_connection(self._memory_limit) if self._memory_limit else None,
            )
        except MissingLogError as error:
            if not self._source:
                raise
            raise MissingLogError(f"{error}\n{self._source}") from None

    @small
    def preview(self, nrows: int = 10) -> TablePreview:
        """Shows the first rows in kedro-viz."""
        return TablePreview(json_table(self.load().limit(nrows).to_pandas()))

    def _exists(self) -> bool:
        return has_log(self._file)

    def _describe(self) -> dict[str, Any]:
        return super()._describe() | self._options
