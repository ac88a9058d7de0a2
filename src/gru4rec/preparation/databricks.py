"""Tables on Databricks, as a DataFrame."""

import os
import re
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
from ibis.backends import BaseBackend

from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.errors import DatabricksError, DataError, shown
from gru4rec.frames.events import require_columns
from gru4rec.preparation.engine.spark import find_session
from gru4rec.preparation.engine.spark_errors import first_line

_VARIABLES = ("DATABRICKS_SERVER_HOSTNAME", "DATABRICKS_HTTP_PATH", "DATABRICKS_TOKEN")


def load_databricks_table(
    table: str,
    *,
    session_key: str = SESSION,
    item_key: str = ITEM,
    time_key: str = TIME,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    rows: int | None = None,
    connection: BaseBackend | None = None,
) -> pd.DataFrame:
    """Loads events from a table on Databricks; only the needed columns travel.

    Args:
        table: `catalog.schema.table`, `schema.table` or `table`.
        session_key: Column of session ids.
        item_key: Column of item ids.
        time_key: Column of times.
        columns: Load these columns instead of the three.
        where: A condition of SQL, in the words of the engine, that rows must meet:
            `day >= '2024-05-01'`. It may use all columns of the table.
        rows: Load at most so many rows, for a look: any of them, so sessions are cut.
        connection: An Ibis connection. None takes the active Spark session, else connects as
            `DATABRICKS_SERVER_HOSTNAME`, `DATABRICKS_HTTP_PATH` and `DATABRICKS_TOKEN` say.

    Returns:
        The columns under the names given here; integers exact. Moments are in UTC, whatever the
        zone of the session; a `timestamp_ntz` stays as it is. Decimals are int64 or float64, dates
        datetime64. The rows of a table have no order: where events of a session share their time,
        sort them by a column that orders them.

    Raises:
        DatabricksError: There is no way to reach Databricks, or the table cannot be read.
        DataError: A column is missing, or an integer column has nulls (pandas would turn its
            values into floats), or `rows` is no whole number from 1 on.
    """
    if rows is not None and (not isinstance(rows, Integral) or rows < 1):
        raise DataError(f"rows is {shown(rows)}; a whole number of rows, at least one, is expected")
    parts = _split_name(table)
    names = list(dict.fromkeys(columns or (session_key, item_key, time_key)))
    if connection is None:
        session = find_session()
        if session is not None:
            return _load_with_spark(session, parts, names, where, rows)
        connection = _connect()
    return _load_with_ibis(connection, parts, names, where, rows)


def _split_name(table: str) -> list[str]:
    parts = table.split(".") if isinstance(table, str) else [""]
    if len(parts) > 3 or not all(re.fullmatch(r"[\w-]+", part) for part in parts):
        raise DatabricksError(
            f"{table!r} is not the name of a table; expected catalog.schema.table or schema.table "
            "of letters, digits, _ and -"
        )
    return parts


def _load_with_spark(
    session: Any, parts: list[str], names: list[str], where: str | None, rows: int | None
) -> pd.DataFrame:
    table = ".".join(parts)
    try:
        source = session.table(".".join(map(_quoted, parts)))
        found = _find_columns(source.columns, names, table)
        if where is not None:
            source = source.filter(where)
        if rows is not None:
            source = source.limit(rows)
        columns = (f"{_quoted(of)} AS {_quoted(name)}" for name, of in found.items())
        arrow = source.selectExpr(*columns).toArrow()
    except DataError:
        raise
    except Exception as error:  # Spark raises Py4J, Connect and analysis errors of many kinds
        raise _unreadable(table, error) from _without_token(error)
    return _as_frame(arrow, table)


def _load_with_ibis(
    connection: Any, parts: list[str], names: list[str], where: str | None, rows: int | None
) -> pd.DataFrame:
    table = ".".join(parts)
    try:
        # the parts before the name are (catalog, schema) or (schema)
        place: Any = tuple(parts[:-1]) if len(parts) == 3 else (parts[0] if parts[1:] else None)
        source = connection.table(parts[-1], database=place)
        found = _find_columns(source.columns, names, table)
        if where is not None:
            # the condition is the caller's own SQL
            query = f"SELECT * FROM ({connection.compile(source)}) AS source WHERE {where}"  # noqa: S608
            source = connection.sql(query, schema=source.schema())
        source = source.select(**{name: source[of] for name, of in found.items()})
        arrow = source.limit(rows).to_pyarrow()
    except DataError:
        raise
    except Exception as error:  # each backend has its own errors
        raise _unreadable(table, error) from _without_token(error)
    return _as_frame(arrow, table)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _find_columns(present: Sequence[str], names: list[str], table: str) -> dict[str, str]:
    """Finds columns by name; as in Spark, capitals do not count where only one can be meant."""
    found = {}
    for name in names:
        alike = [column for column in present if column.lower() == name.lower()]
        found[name] = alike[0] if name not in present and len(alike) == 1 else name
    require_columns(present, found.values(), f"The table {table}")
    return found


def _as_frame(arrow: pa.Table, table: str) -> pd.DataFrame:
    """Turns to pandas: integers exact, moments in UTC, dates and decimals not as objects."""
    columns = {name: arrow[name] for name in arrow.column_names}
    whole = [name for name, values in columns.items() if _is_whole(values.type)]
    _refuse_nulls(table, {name: columns[name].null_count for name in whole})
    try:
        plain = {name: values.cast(_plain_type(values.type)) for name, values in columns.items()}
    except pa.ArrowInvalid as error:
        raise DataError(
            f"The table {table} has decimals that are no 64-bit integers ({error}); cast the "
            "column to text in a view"
        ) from None
    frame: pd.DataFrame = pa.table(plain).to_pandas()
    return frame


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(kind):
        return pa.int64() if kind.scale == 0 else pa.float64()
    if pa.types.is_date(kind):
        return pa.timestamp("s")
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    return kind


def _connect() -> BaseBackend:
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if missing:
        raise DatabricksError(
            "No way to reach Databricks. Either run where a Spark session is active (a Databricks "
            f"notebook or job, Databricks Connect), or set {', '.join(_VARIABLES)} to connect to "
            f"a SQL warehouse (not set: {', '.join(missing)})"
        )
    host, path, token = (os.environ[name] for name in _VARIABLES)
    try:
        return ibis.databricks.connect(server_hostname=host, http_path=path, access_token=token)
    except ImportError as error:
        raise DatabricksError(
            f"Connecting to Databricks needs a package that is not installed ({error}); run "
            "pip install 'ibis-framework[databricks]'"
        ) from None
    except Exception as error:
        # here and below, the cause may quote the token, so it is not chained
        message = _hide_token(str(error))
        raise DatabricksError(
            f"Cannot connect to Databricks ({type(error).__name__}: {message}); check "
            f"{', '.join(_VARIABLES)}"
        ) from None


def _unreadable(table: str, error: Exception) -> DatabricksError:
    reason = _hide_token(first_line(error))
    return DatabricksError(
        f"Cannot read the table {table} ({type(error).__name__}: {reason}){_advise(reason)}"
    )


def _advise(reason: str) -> str:
    if "maxResultSize" in reason:
        return (
            "; it is larger than what a query may bring to this process: raise "
            "spark.driver.maxResultSize, load fewer columns, or prepare the log on Spark "
            "(kedro run --env spark)"
        )
    return "; check its name, that you may SELECT from it, and 'where', if you gave one"


def _without_token(error: Exception) -> Exception | None:
    """The cause to show, unless it quotes the token."""
    return error if _hide_token(str(error)) == str(error) else None


def _hide_token(text: str) -> str:
    token = os.environ.get("DATABRICKS_TOKEN")
    return text.replace(token, "***") if token else text


def _refuse_nulls(table: str, counts: dict[str, int]) -> None:
    found = [f"{name!r} has {count:,}" for name, count in counts.items() if count]
    if found:
        raise DataError(
            f"The table {table} has nulls in integer columns: {', '.join(found)}. pandas would "
            "turn the other values into floats; drop or fill these rows in a view"
        )
