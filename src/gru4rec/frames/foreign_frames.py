"""Tables of other libraries as DataFrames, through the interface that Arrow gives them."""

from typing import Any

import pandas as pd

from gru4rec.errors import DataError

# by the method that makes of a table what is read here
_WAYS_OUT = {
    "collect": "call .collect() first, which runs the query",
    "to_pandas": "call .to_pandas() first",
    "toPandas": "call .toPandas() first",
    "compute": "call .compute() first, which runs the query",
}


def as_frame(data: Any) -> pd.DataFrame:
    """Returns a table of events as a DataFrame; a DataFrame is returned as it is.

    Args:
        data: A DataFrame, or what has Arrow's interface `__arrow_c_stream__`: tables of polars,
            pyarrow, Ibis or DuckDB. Values stay exact: integers with gaps do not become floats.

    Raises:
        DataError: It is something else; the message says what to do.
    """
    if isinstance(data, pd.DataFrame):
        return data
    kind = f"{type(data).__module__}.{type(data).__qualname__}"
    if not hasattr(data, "__arrow_c_stream__") or isinstance(data, type):
        raise DataError(f"A table of events is expected, not {kind}: {_way_out(data)}")
    import pyarrow as pa  # noqa: PLC0415  (a third of a second that others need not wait)

    try:
        frame: pd.DataFrame = pa.table(data).to_pandas(integer_object_nulls=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"{kind} cannot be read as a table of events ({error}); make it a pandas DataFrame"
        ) from None
    return frame


def _way_out(data: object) -> str:
    if not isinstance(data, type):
        for method, way_out in _WAYS_OUT.items():
            if callable(getattr(data, method, None)):
                return way_out
    if isinstance(data, str | bytes) or hasattr(data, "__fspath__"):
        return "read the file first, e.g. with pandas.read_parquet, or gru4rec.read_log"
    if isinstance(data, list | tuple | dict) or type(data).__module__ == "numpy":
        return "make it one with pandas.DataFrame(…), with a name for each column"
    return "a DataFrame of pandas or polars, an Arrow table, or what has __arrow_c_stream__"
