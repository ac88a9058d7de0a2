"""JSON lines as a table of text."""

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from gru4rec.frames.exactness import LARGEST_EXACT_DOUBLE
from gru4rec.preparation.file_kinds import LogFile

_SAMPLE = 20_000  # objects that are looked at for names


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def json_type(value: dt.JSON) -> str:  # type: ignore[empty-body]
    """DuckDB's function: `OBJECT`, `ARRAY`, `VARCHAR`, `DOUBLE` and others."""


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def json_extract_string(value: dt.JSON, path: str) -> str:  # type: ignore[empty-body]
    """DuckDB's function: a value as text, without quotes."""


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def error(message: str) -> str:  # type: ignore[empty-body]
    """DuckDB's function: ends the query."""


def open_json(
    connection: Backend, paths: Sequence[Path], compression: str, first: LogFile, name: str
) -> ir.Table:
    """Opens JSON lines, or files that are one array of objects.

    Args:
        connection: DuckDB.
        paths: The files, as DuckDB can read them.
        compression: Of all of them.
        first: The first of them.
        name: Of the view that is made.

    Returns:
        A table of text with a column for each key of the first objects. A value that is used but
        is nested, or a number that was not kept exact, ends the query.

    Raises:
        duckdb.Error: It is no JSON, or no objects.
    """
    files = [glob.escape(str(path)) for path in paths]
    options = {
        "format": _find_format(first),
        "compression": "uncompressed" if compression == "none" else compression,
        "records": "true",
        "hive_partitioning": False,
    }
    names = connection.read_json(
        files, sample_size=_SAMPLE, maximum_depth=1, map_inference_threshold=-1, **options
    ).columns
    values = connection.read_json(
        files, table_name=name, columns=dict.fromkeys(names, "JSON"), **options
    )
    return values.select(**{name: _as_text(values[name], name) for name in names})


def _find_format(file: LogFile) -> str:
    with file.open_text() as text:
        start = text.read(1 << 20).lstrip()
    if start.startswith("["):
        return "array"
    # an object that goes on in further lines is read, too, but not by several threads
    return (
        "newline_delimited" if start.partition("\n")[0].rstrip().endswith("}") else "unstructured"
    )


def _as_text(value: ir.Column, name: str) -> ir.StringColumn:
    kind = json_type(value)
    text = json_extract_string(value, "$")
    is_inexact = (kind == "DOUBLE") & text.re_search("[.e]")
    is_inexact &= text.try_cast("float64").abs() >= LARGEST_EXACT_DOUBLE
    nested = error(f"The column '{name}' has nested values (lists or objects); flatten them first")
    inexact = error(f"The column '{name}' has fractions of 2**53 or more; write them as text")
    return cast(
        ir.StringColumn,
        ibis.cases((kind.isin(["OBJECT", "ARRAY"]), nested), (is_inexact, inexact), else_=text),
    )
