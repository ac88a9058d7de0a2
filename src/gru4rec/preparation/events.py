"""Tables of events with canonical columns: how they are checked and ordered."""

from typing import TypeVar, cast

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from gru4rec.columns import ITEM, PLACE, SESSION, TIME
from gru4rec.errors import DataError
from gru4rec.frames.events import TABLE, refuse_missing, require_columns
from gru4rec.frames.foreign_frames import as_frame
from gru4rec.frames.times import LATEST_TIME
from gru4rec.preparation.engine.connection import private_connection
from gru4rec.preparation.memory_tables import frame_to_table
from gru4rec.preparation.missing import is_missing
from gru4rec.preparation.queries import fetch_row, is_stored

Events = TypeVar("Events", ir.Table, pd.DataFrame)

EVENT_COLUMNS = (SESSION, ITEM, TIME)

_NAMED_BY_LOADING = f"load_events names columns {', '.join(EVENT_COLUMNS)}"
_IMPOSSIBLE = "_impossible"


def as_events_table(events: ir.Table | pd.DataFrame, origin: str = TABLE) -> ir.Table:
    """Checks events with canonical columns; those of a frame are copied to a private connection.

    A query on a connection, as `load_events` gives one, is not run for that: its values are
    checked already. Rows of a frame in equal times stay in their order; those of a table are in the
    order of `PlaceInSession`, which `load_events` adds where it is needed, or else of item.

    Raises:
        DataError: It is neither a table nor a frame, a column is missing or of a wrong kind, or
            values are missing or impossible.
    """
    if not isinstance(events, ir.Table):
        events = as_frame(events)
    require_columns(events.columns, EVENT_COLUMNS, origin, _NAMED_BY_LOADING)
    if isinstance(events, pd.DataFrame):
        if PLACE not in events.columns:  # rows in equal times stay in the order that they have
            events = events[list(EVENT_COLUMNS)].assign(**{PLACE: np.arange(len(events))})
        events = frame_to_table(private_connection(), events, [*EVENT_COLUMNS, PLACE])
    # a query's values are checked already
    facts = _measure(events) if is_stored(events) else {}
    n_impossible = facts.pop(_IMPOSSIBLE, 0)
    refuse_missing(facts)
    _refuse_other_kinds(events, origin)
    if n_impossible:
        raise DataError(
            f"{origin} has {n_impossible:,} times that are negative, not finite or beyond 64-bit "
            "integers; mend or drop these rows"
        )
    return events


def _measure(events: ir.Table) -> dict[str, int]:
    """Counts the missing values of each column, and the impossible times."""
    counts = {name: is_missing(events[name]).sum() for name in columns_of(events)}
    if _are_numbers(events[TIME]):
        times = cast(ir.FloatingColumn, events[TIME].cast("float64"))
        impossible = times.isnan() | (times < 0) | (events[TIME] > LATEST_TIME)
        counts[_IMPOSSIBLE] = impossible.sum()
    return {name: count or 0 for name, count in fetch_row(events.aggregate(**counts)).items()}


def _are_numbers(times: ir.Column) -> bool:
    kind = times.type()
    return bool(kind.is_integer() or kind.is_floating())


def _refuse_other_kinds(events: ir.Table, origin: str) -> None:
    for name in (SESSION, ITEM):
        kind = events[name].type()
        if not (kind.is_string() or kind.is_numeric() or kind.is_uuid()) or kind.is_boolean():
            raise DataError(f"{origin} holds {kind} values in {name}; ids are integers or text")
    if not _are_numbers(events[TIME]):
        raise DataError(
            f"{origin} holds {events[TIME].type()} values in {TIME}; seconds as numbers are "
            "expected, which load_events makes of timestamps and text"
        )


def columns_of(events: ir.Table) -> list[str]:
    """The names of the columns of events, in their order."""
    return [*EVENT_COLUMNS, *([PLACE] if PLACE in events.columns else [])]


def order_keys(events: ir.Table) -> list[ir.Column]:
    """The columns that bring events into order: session, time, and place, or else item."""
    last = PLACE if PLACE in events.columns else ITEM
    return [events[SESSION], events[TIME], events[last]]


def table_to_frame(table: ir.Table) -> pd.DataFrame:
    """Runs a query of events; rows in the order of session, time and place, which then goes."""
    rows = table.order_by(*order_keys(table))
    frame: pd.DataFrame = rows.select(*EVENT_COLUMNS).to_pyarrow().to_pandas()
    return frame
