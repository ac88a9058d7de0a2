"""Where queries run: DuckDB inside this process, and the way from pandas to Ibis and back."""

import contextlib
import functools
import os
import threading
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import platformdirs
import pyarrow as pa
from ibis.backends.duckdb import Backend

from gru4rec.columns import ITEM, PLACE, SESSION, TIME, refuse_places
from gru4rec.errors import ConfigError, DataError
from gru4rec.frames.exactness import largest_exact
from gru4rec.frames.foreign_frames import as_frame
from gru4rec.frames.headers import hint_at_header
from gru4rec.preparation.local_backend import LocalBackend
from gru4rec.preparation.missing import is_missing

Events = TypeVar("Events", ir.Table, pd.DataFrame)

DAY = 86_400.0
LATEST_TIME = 2**63 - 1
EVENT_COLUMNS = (SESSION, ITEM, TIME)

_LOCK = threading.Lock()

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


def require_columns(present: Collection[object], wanted: Iterable[str], origin: str) -> None:
    """Checks that columns are there.

    Raises:
        DataError: One or more are missing; the message lists those present.
    """
    names = [str(name) for name in present]
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    lines = []
    for name in missing:
        close = get_close_matches(name, names, n=1)
        lines.append(f"{name!r}" + (f" (did you mean {close[0]!r}?)" if close else ""))
    raise DataError(
        f"{origin} lacks the column {', '.join(lines)}; it has {', '.join(names) or 'no columns'}. "
        + (
            hint_at_header(names)
            or "Set session_key, item_key and time_key of the section 'data' to the names in use"
        )
    )


def frame_to_table(connection: Backend, frame: pd.DataFrame, names: Collection[str]) -> ir.Table:
    """Copies columns of a DataFrame, values exact, into a table of the connection.

    Raises:
        DataError: A column is missing, is there twice, mixes kinds of values, or has values that
            are neither numbers nor text nor timestamps.
    """
    require_columns(frame.columns, names, "The DataFrame")
    columns = {name: _as_arrow(frame[name], name) for name in dict.fromkeys(names)}
    return connection.create_table(ibis.util.gen_name("frame"), pa.table(columns), temp=True)


def _as_arrow(values: "pd.Series[Any] | pd.DataFrame", name: str) -> pa.Array:
    if isinstance(values, pd.DataFrame):
        raise DataError(f"The DataFrame has {values.shape[1]} columns named {name!r}; keep one")
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
        _refuse_inexact_halves(array, name)
    _refuse_mixed_dates(array, values, name)
    # DuckDB has neither half floats nor columns of nothing
    stored_as = {pa.float16(): pa.float32(), pa.null(): pa.string()}.get(array.type, array.type)
    if not any(is_kind(stored_as) for is_kind in _KINDS):
        raise DataError(
            f"The column {name!r} holds {array.type} values; numbers, text or timestamps are "
            "expected"
        )
    return array.cast(stored_as)


def _refuse_inexact_halves(array: pa.Array, name: str) -> None:
    beyond = array.to_numpy(zero_copy_only=False)
    beyond = beyond[np.abs(beyond) >= largest_exact("float16")]
    if len(beyond):
        raise DataError(
            f"The column {name!r} of type float16 has {len(beyond):,} values such as {beyond[0]} "
            "that cannot be kept exact (float16 holds whole numbers below 2,048); store the "
            "column as text or as integers"
        )


def _refuse_mixed_dates(array: pa.Array, values: "pd.Series[Any]", name: str) -> None:
    """Refuses a column of dates in which Arrow has cut the time off some."""
    if pa.types.is_date(array.type) and any(isinstance(value, datetime) for value in values):
        raise DataError(
            f"The column {name!r} mixes dates with dates and times; pd.to_datetime makes one kind "
            "of them"
        )


def as_events_table(
    events: ir.Table | pd.DataFrame, origin: str = "The table of events"
) -> ir.Table:
    """Checks events with canonical columns; those of a frame are copied to a private connection.

    A query on a connection, as `load_events` gives one, is not run for that: its values are
    checked already. Rows of a frame in equal times stay in their order; those of a table are in the
    order of `PlaceInSession`, which `load_events` adds where it is needed, or else of item.

    Raises:
        DataError: It is neither a table nor a frame, a column is missing or of a wrong kind, or
            values are missing or impossible.
    """
    if not isinstance(events, ir.Table):
        frame = as_frame(events)
        require_columns(frame.columns, EVENT_COLUMNS, origin)
        refuse_nulls({name: int(frame[[name]].isna().to_numpy().sum()) for name in EVENT_COLUMNS})
        if PLACE not in frame.columns:  # rows in equal times stay in the order that they have
            frame = frame[list(EVENT_COLUMNS)].assign(**{PLACE: np.arange(len(frame))})
        refuse_places(int(frame[[PLACE]].isna().to_numpy().sum()))
        events = frame_to_table(private_connection(), frame, [*EVENT_COLUMNS, PLACE])
    require_columns(events.columns, EVENT_COLUMNS, origin)
    _refuse_other_kinds(events, origin)
    if is_stored(events):
        _refuse_impossible_values(events, origin)
    return events


def _refuse_other_kinds(events: ir.Table, origin: str) -> None:
    for name in (SESSION, ITEM):
        kind = events[name].type()
        if not (kind.is_string() or kind.is_numeric() or kind.is_uuid()) or kind.is_boolean():
            raise DataError(f"{origin} holds {kind} values in {name}; ids are integers or text")
    kind = events[TIME].type()
    if not (kind.is_integer() or kind.is_floating()):
        raise DataError(
            f"{origin} holds {kind} values in {TIME}; seconds as numbers are expected, which "
            "load_events makes of timestamps and text"
        )


def _refuse_impossible_values(events: ir.Table, origin: str) -> None:
    nulls = {name: is_missing(events[name]).sum() for name in EVENT_COLUMNS}
    times = cast(ir.FloatingColumn, events[TIME].cast("float64"))
    impossible = times.isnan() | (times < 0) | (events[TIME] > LATEST_TIME)
    facts = fetch_row(events.aggregate(_impossible=impossible.sum(), **nulls))
    n_impossible = facts.pop("_impossible")
    refuse_nulls({name: n or 0 for name, n in facts.items()})
    if n_impossible:
        raise DataError(
            f"{origin} has {n_impossible:,} times that are negative, not finite or beyond 64-bit "
            "integers; mend or drop these rows"
        )


def refuse_nulls(counts: dict[str, int]) -> None:
    """Checks counts of nulls per column.

    Raises:
        DataError: There are some.
    """
    found = [f"{name!r} has {count:,}" for name, count in counts.items() if count]
    if found:
        raise DataError(
            f"Missing values (null, NaN or empty text): {', '.join(found)}. Ids and times must "
            "be there in every row: fill or drop these rows"
        )


def columns_of(events: ir.Table) -> list[str]:
    """The names of the columns of events, in their order."""
    return [*EVENT_COLUMNS, *([PLACE] if PLACE in events.columns else [])]


def in_order(events: ir.Table) -> list[ir.Column]:
    """The columns that bring events into order: session, time, and place, or else item."""
    last = PLACE if PLACE in events.columns else ITEM
    return [events[SESSION], events[TIME], events[last]]


def table_to_frame(table: ir.Table) -> pd.DataFrame:
    """Runs a query of events; rows in the order of session, time and place, which then goes."""
    rows = table.order_by(*in_order(table))
    frame: pd.DataFrame = rows.select(*EVENT_COLUMNS).to_pyarrow().to_pandas()
    return frame


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


def date_text(seconds: float | None) -> str:
    """Says epoch seconds as a date and time in UTC, ISO 8601; empty text for None."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return "beyond the year 9999"
