"""Ibis on Spark, where what is stored for a while is cut off from what it was made of."""

from typing import Any

import ibis.expr.types as ir
from ibis.backends.pyspark import Backend
from ibis.formats.pyarrow import PyArrowData


class SparkBackend(Backend):  # type: ignore[misc]  # Ibis has no types
    """Ibis on Spark; `Table.cache` stores a table at once, and its plan is to read it.

    Ibis leaves the plan as it is. Where tables are made of stored tables over many rounds, as in
    filtering, the plan grows with each, at worst to twice its size.
    """

    @property
    def session(self) -> Any:
        """The Spark session."""
        return self._session

    def rows(self, table: ir.Table, *, params: Any = None, limit: Any = None) -> Any:
        """Returns a query as a DataFrame of Spark, which is computed when it is used."""
        self._run_pre_execute_hooks(table)
        return self._session.sql(self.compile(table, params=params, limit=limit))

    def to_pyarrow(self, expr: ir.Expr, /, *, params: Any = None, limit: Any = None) -> Any:
        """Runs a query; integers stay exact, which pandas, that Ibis takes, makes floats of."""
        table = expr.as_table()
        rows = self.rows(table, params=params, limit=limit)
        return expr.__pyarrow_result__(PyArrowData.convert_table(rows.toArrow(), table.schema()))

    def _create_cached_table(self, name: str, expr: ir.Table) -> ir.Table:
        rows = self.rows(expr)
        rows = rows.checkpoint() if self._keeps_checkpoints() else rows.localCheckpoint()
        rows.createOrReplaceTempView(name)
        return self.table(name)

    def _drop_cached_table(self, name: str) -> None:
        # Spark's own cleaner takes the rows, once nothing refers to them; those in a folder of
        # checkpoints only with spark.cleaner.referenceTracking.cleanCheckpoints
        self._session.catalog.dropTempView(name)

    def _keeps_checkpoints(self) -> bool:
        """Whether a folder is set for them, where they outlive a lost executor."""
        context = getattr(self._session, "_sc", None)
        return context is not None and context.getCheckpointDir() is not None
