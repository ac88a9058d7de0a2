"""From a DataFrame to a table of DuckDB, values exact."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend

from gru4rec.errors import DataError
from gru4rec.frames.events import pick_columns
from gru4rec.frames.exactness import largest_exact, refuse_inexact

_KINDS = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_timestamp,
    pa.types.is_date,
    pa.types.is_time,
)


def frame_to_table(connection: Backend, frame: pd.DataFrame, names: Collection[str]) -> ir.Table:
    """Copies columns of a DataFrame, values exact, into a table of the connection.

    Raises:
        DataError: A column is missing, is there twice, mixes kinds of values, or has values that
            are neither numbers nor text nor timestamps.
    """
    columns = pick_columns(frame, names)
    arrays = {name: _as_arrow(column, name) for name, column in columns.items()}
    return connection.create_table(ibis.util.gen_name("frame"), pa.table(arrays), temp=True)


def _as_arrow(values: "pd.Series[Any]", name: str) -> pa.Array:
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, UnicodeError) as error:
        raise DataError(
            f"The column {name!r} mixes kinds of values or has some that cannot be kept exact: "
            f"{error}. Convert it to one kind first, e.g. df[{name!r}].astype(str)"
        ) from None
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if isinstance(array.type, pa.UuidType):
        array = pa.array([None if value is None else str(value) for value in array.to_pylist()])
    if pa.types.is_float16(array.type):
        _refuse_inexact_halves(array.to_numpy(zero_copy_only=False), name)
    _refuse_mixed_dates(array, values, name)
    # DuckDB has neither half floats nor columns of nothing
    stored_as = {pa.float16(): pa.float32(), pa.null(): pa.string()}.get(array.type, array.type)
    if not any(is_kind(stored_as) for is_kind in _KINDS):
        raise DataError(
            f"The column {name!r} holds {array.type} values; numbers, text or timestamps are "
            "expected"
        )
    return array.cast(stored_as)


def _refuse_inexact_halves(values: npt.NDArray[np.float16], name: str) -> None:
    limit = largest_exact(values.dtype) or 0
    beyond = values[np.abs(values) >= limit]
    refuse_inexact(name, values.dtype, limit, len(beyond), max(beyond, default=0))


def _refuse_mixed_dates(array: pa.Array, values: "pd.Series[Any]", name: str) -> None:
    """Refuses a column of dates in which Arrow has cut the time off some."""
    if pa.types.is_date(array.type) and any(isinstance(value, datetime) for value in values):
        raise DataError(
            f"The column {name!r} mixes dates with dates and times; pd.to_datetime makes one kind "
            "of them"
        )
