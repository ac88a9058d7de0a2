"""DuckDB for several threads, such as those of `kedro run --async`."""

import functools
import threading
from collections.abc import Callable
from typing import Any

from ibis.backends.duckdb import Backend


def _one_at_a_time(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: "LocalBackend", *args: Any, **kwargs: Any) -> Any:
        with self._one_query:
            return method(self, *args, **kwargs)

    return call


class LocalBackend(Backend):  # type: ignore[misc]  # Ibis has no types
    """Ibis on DuckDB, where threads wait for each other; `to_pyarrow_batches` is for one thread.

    DuckDB ends a connection's query when another thread begins one there, and with a connection
    each, threads would not see each other's views.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._one_query = threading.RLock()

    create_table = _one_at_a_time(Backend.create_table)
    drop_table = _one_at_a_time(Backend.drop_table)
    execute = _one_at_a_time(Backend.execute)
    read_csv = _one_at_a_time(Backend.read_csv)
    read_json = _one_at_a_time(Backend.read_json)
    read_parquet = _one_at_a_time(Backend.read_parquet)
    to_parquet = _one_at_a_time(Backend.to_parquet)
    to_pyarrow = _one_at_a_time(Backend.to_pyarrow)
