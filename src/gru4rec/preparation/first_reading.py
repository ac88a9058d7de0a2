"""The first query that reads a log, and so finds what is unreadable in it."""

import re
from collections.abc import Mapping
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir

from gru4rec.errors import DataError
from gru4rec.preparation.engine.connection import say_cannot_spill
from gru4rec.preparation.engine.spark_errors import say_of_spark
from gru4rec.preparation.queries import fetch_row
from gru4rec.preparation.reading import find_damaged, is_text_log, parquet_files

Groups = Mapping[str, Mapping[str, ir.Scalar]]

_UNREADABLE = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.IOException,
    duckdb.SerializationException,
)


def fetch_facts(rows: ir.Table, groups: Groups) -> dict[str, dict[str, Any]]:
    """Runs aggregates that belong together in groups, in one query; a group may be empty.

    Raises:
        DataError: The log cannot be read, or not with the memory that there is.
    """
    # a count, as a query of nothing is none
    structs = {name: ibis.struct(facts) for name, facts in groups.items() if facts}
    found = _fetch_first(rows.aggregate(_n=rows.count(), **structs))
    return {name: found.get(name, {}) for name in groups}


def _fetch_first(facts: ir.Table) -> dict[str, Any]:
    try:
        return fetch_row(facts)
    except Exception as error:
        if said := say_of_spark(error):
            raise DataError(f"The log cannot be read: {said}") from error
        if not isinstance(error, duckdb.Error):
            raise
        if no_room := say_cannot_spill(error):
            raise DataError(no_room) from None
        if isinstance(error, duckdb.OutOfMemoryException):
            raise DataError(
                "Reading the log needs more memory than DuckDB may use; raise memory_limit, which "
                "is set for the catalog entry or the connection"
            ) from None
        # of damage inside a Parquet file DuckDB mostly tells by the base class of its errors
        if type(error) is not duckdb.Error and not isinstance(error, _UNREADABLE):
            raise
        if ours := re.search(r"The column '.*' has (nested values|fractions of) .*", str(error)):
            raise DataError(ours[0]) from None
        if is_text_log(facts):
            advice = "Mend this row, or set the right delimiter"
        elif damaged := find_damaged(parquet_files(facts)):
            advice = f"{damaged} is damaged; export it again"
        else:
            advice = "A file may have a column of another type than the first file; export it again"
        raise DataError(f"The log cannot be read: {_shorten(str(error))}. {advice}") from None


def _shorten(message: str) -> str:
    """Keeps of DuckDB's page of advice what went wrong and in which file."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    file = [line for line in lines if line.startswith("file =")]
    return "; ".join([*lines[:3], *file])
