"""Small queries of Ibis tables."""

from typing import Any

import ibis.expr.operations as ops
import ibis.expr.types as ir


def fetch_row(expression: ir.Table) -> dict[str, Any]:
    """Runs a query of one row; integers stay exact (pandas would turn some into floats)."""
    row: dict[str, Any] = expression.to_pyarrow().to_pylist()[0]
    return row


def count_rows(table: ir.Table) -> int:
    """Counts the rows of a table."""
    return int(table.count().to_pyarrow().as_py())


def is_stored(table: ir.Table) -> bool:
    """Tells a table that lies somewhere from a query that is computed at each use."""
    return bool(isinstance(table.op(), ops.PhysicalTable))
