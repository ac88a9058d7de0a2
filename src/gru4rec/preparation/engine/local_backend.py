"""DuckDB for several threads, such as those of `kedro run --async`."""

import ctypes
import functools
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

import duckdb
from ibis.backends.duckdb import Backend

_backends: "weakref.WeakValueDictionary[int, LocalBackend]" = weakref.WeakValueDictionary()


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
        _backends[id(self)] = self

    create_table = _one_at_a_time(Backend.create_table)
    drop_table = _one_at_a_time(Backend.drop_table)
    execute = _one_at_a_time(Backend.execute)
    read_csv = _one_at_a_time(Backend.read_csv)
    read_json = _one_at_a_time(Backend.read_json)
    read_parquet = _one_at_a_time(Backend.read_parquet)
    to_parquet = _one_at_a_time(Backend.to_parquet)
    to_pyarrow = _one_at_a_time(Backend.to_pyarrow)


def _leave_open() -> None:
    """Keeps a forked child from closing its parent's databases, even at its end.

    It has not the threads that would be waited for, and dies of that.
    """
    connections = [backend.con for backend in _backends.values() if hasattr(backend, "con")]
    if connections:
        # DuckDB has one of its own that it needs for what it is given from outside
        connections.append(duckdb.default_connection())
    for connection in connections:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):  # Windows starts processes anew
    os.register_at_fork(after_in_child=_leave_open)
