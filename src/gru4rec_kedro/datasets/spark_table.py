"""Events between nodes as tables of Spark's catalog."""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import ibis.expr.types as ir
from kedro.io import AbstractDataset, DatasetError

from gru4rec import DataError
from gru4rec.preparation import spark_connection
from gru4rec_kedro.datasets.previews import json_table, small
from gru4rec_kedro.errors import MissingFileError
from gru4rec_kedro.kedro_internals import TablePreview


class SparkTableDataset(AbstractDataset[ir.Table, ir.Table]):
    """A table in the catalog of Spark, such as that of Databricks; written whole or not at all.

    The session is taken, or started, when the table is loaded or saved. A save writes a table of
    another name, and renames. A process that is killed between the two renames leaves the table
    under neither name: `<table>_old_<hex>` is then the one before, `<table>_new_<hex>` the one that
    was saved, and `ALTER TABLE … RENAME TO …` makes either the table again. Delta needs no renames.

    Args:
        table: `catalog.schema.table`, `schema.table` or `table`; in `catalog.yml` what has a slash
            is a `filepath`.
        filepath: In place of a table Parquet files, a folder or a glob of them: they are only read.
        stored_as: Format of its files: `delta` on Databricks.
        metadata: For plugins.
    """

    def __init__(
        self,
        *,
        table: str = "",
        filepath: str | None = None,
        stored_as: str = "parquet",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        if bool(table) == bool(filepath) or "/" in table:
            raise ValueError(
                f"name a table or a filepath (table: {table!r}, filepath: {filepath!r})"
            )
        self._table, self._filepath = table, filepath
        *place, self._name = table.split(".")
        self._database = ".".join(place) or None
        self._stored_as = stored_as
        self.metadata = metadata

    def load(self) -> ir.Table:
        """Returns the table as an Ibis table that reads when it is executed.

        Raises:
            MissingFileError: It is not there.
        """
        if self._filepath:
            return spark_connection().read_parquet(self._filepath)
        if not self._exists():
            raise MissingFileError(
                f"there is no table {self._table} in Spark's catalog; run the pipeline that makes "
                "it first, or name another in catalog.yml"
            )
        return spark_connection().table(self._name, database=self._database)

    def save(self, data: ir.Table) -> None:
        """Replaces the table.

        Raises:
            DataError: What is saved is no table of Spark.
            AnalysisException: Of Spark: the name is that of a view.
            DatasetError: The entry is of files.
        """
        if self._filepath:
            raise DatasetError(f"{self._filepath} is of files, which are read only; name a table")
        connection = spark_connection()
        if not isinstance(data, ir.Table) or data.get_backend() is not connection:
            raise DataError(
                f"the table {self._table} of Spark takes what Spark computes: let what it is made "
                "of, such as the entry raw_log or sessions, be a table of Spark, too "
                "(conf/spark/catalog.yml)"
            )
        rows = connection.rows(data)
        if self._stored_as == "delta":  # which replaces a table in one step
            rows.write.saveAsTable(self._quoted(self._name), format="delta", mode="overwrite")
            return
        new = f"{self._name}_new_{uuid.uuid4().hex}"
        try:
            # empty first: what is written into a table goes with it, also where writing fails
            rows.limit(0).write.saveAsTable(self._quoted(new), format=self._stored_as)
            rows.write.insertInto(self._quoted(new))
            with self._set_aside():
                self._rename(new, self._name)
        finally:
            self._drop(new)

    @contextlib.contextmanager
    def _set_aside(self) -> Iterator[None]:
        """Renames the table for a block that makes another; back where that fails."""
        if not self._exists():
            yield
            return
        old = f"{self._name}_old_{uuid.uuid4().hex}"
        try:
            self._rename(self._name, old)
            yield
        except BaseException:  # Ctrl-C does not stop what Java does meanwhile
            if self._has(old) and not self._has(self._name):
                self._rename(old, self._name)
            raise
        finally:
            if self._has(self._name):
                self._drop(old)

    def _rename(self, name: str, to: str) -> None:
        spark_connection().raw_sql(f"ALTER TABLE {self._quoted(name)} RENAME TO {self._quoted(to)}")

    def _drop(self, name: str) -> None:
        spark_connection().raw_sql(f"DROP TABLE IF EXISTS {self._quoted(name)}")

    def _quoted(self, name: str) -> str:
        parts = [*(self._database or "").split("."), name]
        return ".".join(f"`{part}`" for part in parts if part)

    @small
    def preview(self, nrows: int = 10) -> TablePreview:
        """Shows the first rows in kedro-viz."""
        return TablePreview(json_table(self.load().limit(nrows).to_pandas()))

    def _exists(self) -> bool:
        if self._filepath:
            return True  # or Spark says that it is not when it is loaded
        return self._has(self._name)

    def _has(self, name: str) -> bool:
        return bool(spark_connection().session.catalog.tableExists(self._quoted(name)))

    def _describe(self) -> dict[str, Any]:
        place = {"filepath": self._filepath} if self._filepath else {"table": self._table}
        return {**place, "stored_as": self._stored_as}
