"""Events between nodes as tables of Spark's catalog."""

import uuid
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

    The session is taken, or started, when the table is loaded or saved.

    Args:
        table: `catalog.schema.table`, `schema.table` or `table`; what has a slash is Parquet files,
            a folder or a glob of them, which are read only.
        stored_as: Format of its files: `delta` on Databricks.
        metadata: For plugins.
    """

    def __init__(
        self, *, table: str, stored_as: str = "parquet", metadata: dict[str, Any] | None = None
    ) -> None:
        self._table = table
        *place, self._name = table.split(".")
        self._database = ".".join(place) or None
        self._stored_as = stored_as
        self.metadata = metadata

    def load(self) -> ir.Table:
        """Returns the table as an Ibis table that reads when it is executed.

        Raises:
            MissingFileError: It is not there.
        """
        if "/" in self._table:
            return spark_connection().read_parquet(self._table)
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
            DatasetError: The entry is of files.
        """
        if "/" in self._table:
            raise DatasetError(f"{self._table} is of files, which are read only; name a table")
        connection = spark_connection()
        if not isinstance(data, ir.Table) or data.get_backend() is not connection:
            raise DataError(
                f"the table {self._table} of Spark takes what Spark computes: let what it is made "
                "of, such as the entry raw_log or sessions, be a table of Spark, too "
                "(conf/spark/catalog.yml)"
            )
        if self._stored_as == "delta":  # which replaces a table in one step
            self._write(self._name, data)
            return
        name = f"{self._name}_{uuid.uuid4().hex}"
        self._write(name, data)
        connection.drop_table(self._name, database=self._database, force=True)
        connection.raw_sql(f"ALTER TABLE {self._quoted(name)} RENAME TO {self._quoted(self._name)}")

    def _write(self, name: str, data: ir.Table) -> None:
        spark_connection().create_table(
            name, data, database=self._database, overwrite=True, format=self._stored_as
        )

    def _quoted(self, name: str) -> str:
        parts = [*(self._database or "").split("."), name]
        return ".".join(f"`{part}`" for part in parts if part)

    @small
    def preview(self, nrows: int = 10) -> TablePreview:
        """Shows the first rows in kedro-viz."""
        return TablePreview(json_table(self.load().limit(nrows).to_pandas()))

    def _exists(self) -> bool:
        if "/" in self._table:
            return True  # or Spark says that it is not when it is loaded
        return bool(spark_connection().session.catalog.tableExists(self._quoted(self._name)))

    def _describe(self) -> dict[str, Any]:
        return {"table": self._table, "stored_as": self._stored_as}
