"""Where queries run: DuckDB inside this process."""

import contextlib
import functools
import os
import threading
from pathlib import Path

import duckdb
import platformdirs
from ibis.backends.duckdb import Backend

from gru4rec.errors import ConfigError
from gru4rec.preparation.engine.local_backend import LocalBackend

_LOCK = threading.Lock()


def local_connection(memory_limit: str | None = None) -> Backend:
    """Returns the DuckDB connection that this process shares, one for each memory limit.

    It lives in memory; a query that needs more than that spills into the user's cache folder. A
    forked child has its own.

    Args:
        memory_limit: See `private_connection`.
    """
    with _LOCK:  # or two threads would make one each
        return _shared_connection(memory_limit)


@functools.cache
def _shared_connection(memory_limit: str | None) -> Backend:
    return private_connection(memory_limit)


def _share_anew() -> None:
    global _LOCK  # noqa: PLW0603  (another thread of the parent may hold the one before)
    _LOCK = threading.Lock()
    _shared_connection.cache_clear()


if hasattr(os, "register_at_fork"):  # Windows starts processes anew
    os.register_at_fork(after_in_child=_share_anew)


def private_connection(memory_limit: str | None = None) -> Backend:
    """Returns a DuckDB connection of its own; its memory is free when its last table is gone.

    Args:
        memory_limit: Of its queries, such as `256MB`; what does not fit spills to disk. None
            leaves it to DuckDB: most of the memory there is.

    Raises:
        ConfigError: DuckDB cannot work with the limit.
    """
    spill = _spill_folder()
    with contextlib.suppress(OSError):  # a query that spills will say so
        # DuckDB creates its own folder when it spills, but none above it
        spill.parent.mkdir(parents=True, exist_ok=True)
    if memory_limit is None:
        return LocalBackend().connect(temp_directory=str(spill))
    try:
        # each thread needs memory of its own
        return LocalBackend().connect(
            temp_directory=str(spill), memory_limit=memory_limit, threads=2
        )
    except duckdb.Error as error:
        raise ConfigError(
            f"memory_limit is {memory_limit!r} in globals.yml, the catalog entry or the call; "
            f"write it like 4GB or 512MiB ({str(error).splitlines()[0]})"
        ) from None


def _spill_folder() -> Path:
    return Path(platformdirs.user_cache_dir("gru4rec")) / "duckdb"


def say_cannot_spill(error: duckdb.Error) -> str | None:
    """Says what to do where a query had no room to spill; None where it failed for another reason.

    DuckDB calls that too little memory, or an error of the file that it would have written.
    """
    said, folder = str(error).partition("\n")[0].rstrip("."), _spill_folder()
    if not any(sign in said for sign in ("failed to offload", "duckdb_temp_", str(folder))):
        return None
    return (
        f"A query cannot write what exceeds its memory to {folder} ({said}). Make room there, or "
        "raise memory_limit: what queries may use, such as 4GB, before they write to that folder. "
        "It lies in the user's cache folder, which XDG_CACHE_HOME moves on Linux"
    )
