"""Tables on Databricks, as a DataFrame."""

import os
import re
from collections.abc import Sequence
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
from ibis.backends import BaseBackend

from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.errors import DatabricksError, DataError
from gru4rec.frames.events import require_columns

_VARIABLES = ("DATABRICKS_SERVER_HOSTNAME", "DATABRICKS_HTTP_PATH", "DATABRICKS_TOKEN")
_SPARK_INTEGERS = {"tinyint", "smallint", "int", "bigint"}


def load_databricks_table(
    table: str,
    *,
    session_key: str = SESSION,
    item_key: str = ITEM,
    time_key: str = TIME,
    columns: Sequence[str] | None = None,
    connection: BaseBackend | None = None,
) -> pd.DataFrame:
    """Loads events from a table on Databricks; only the needed columns travel.

    Args:
        table: `catalog.schema.table`, `schema.table` or `table`.
        session_key: Column of session ids.
        item_key: Column of item ids.
        time_key: Column of times.
        columns: Load these columns instead of the three.
        connection: An Ibis connection. None takes the active Spark session, else connects as
            `DATABRICKS_SERVER_HOSTNAME`, `DATABRICKS_HTTP_PATH` and `DATABRICKS_TOKEN` say.

    Returns:
        The columns under their own names; integers exact. The rows of a table have no order: where
        events of a session share their time, sort them by a column that orders them.

    Raises:
        DatabricksError: There is no way to reach Databricks, or the table cannot be read.
        DataError: A column is missing, or an integer column has nulls (pandas would turn its
            values into floats).
    """
    parts = _split_name(table)
    names = list(dict.fromkeys(columns or (session_key, item_key, time_key)))
    if connection is None:
        session = _find_spark_session()
        if session is not None:
            return _load_with_spark(session, parts, names)
        connection = _connect()
    return _load_with_ibis(connection, parts, names)


def _split_name(table: str) -> list[str]:
    parts = table.split(".") if isinstance(table, str) else [""]
    if len(parts) > 3 or not all(re.fullmatch(r"[\w-]+", part) for part in parts):
        raise DatabricksError(
            f"{table!r} is not the name of a table; expected catalog.schema.table or schema.table "
            "of letters, digits, _ and -"
        )
    return parts


def _find_spark_session() -> Any:
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415  (optional)
    except ImportError:
        return None
    return SparkSession.getActiveSession()


def _load_with_spark(session: Any, parts: list[str], names: list[str]) -> pd.DataFrame:
    table = ".".join(parts)
    try:
        rows = session.table(".".join(f"`{part}`" for part in parts))
        require_columns(rows.columns, names, f"The table {table}")
        rows = rows.select(*(f"`{name}`" for name in names))
        kinds = dict(rows.dtypes)
        frame: pd.DataFrame = rows.toPandas()
    except DataError:
        raise
    except Exception as error:  # Spark raises Py4J, Connect and analysis errors of many kinds
        raise _unreadable(table, error) from None
    integers = [name for name in names if kinds[name] in _SPARK_INTEGERS]
    _refuse_nulls(table, {name: int(frame[name].isna().sum()) for name in integers})
    return frame


def _load_with_ibis(connection: BaseBackend, parts: list[str], names: list[str]) -> pd.DataFrame:
    table = ".".join(parts)
    try:
        # the parts before the name are (catalog, schema) or (schema)
        place: Any = tuple(parts[:-1]) if len(parts) == 3 else (parts[0] if parts[1:] else None)
        source = connection.table(parts[-1], database=place)
        require_columns(source.columns, names, f"The table {table}")
        rows: pa.Table = source.select(*names).to_pyarrow()
    except DataError:
        raise
    except Exception as error:  # each backend has its own errors
        raise _unreadable(table, error) from None
    integers = [name for name in names if pa.types.is_integer(rows.schema.field(name).type)]
    _refuse_nulls(table, {name: rows[name].null_count for name in integers})
    frame: pd.DataFrame = rows.to_pandas()
    return frame


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
    reason = (_hide_token(str(error)).strip().splitlines() or [""])[0]
    return DatabricksError(
        f"Cannot read the table {table} ({type(error).__name__}: {reason}); check its name and "
        "that you may SELECT from it"
    )


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
