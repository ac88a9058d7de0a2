"""From a raw log to events: three columns with known names, exact ids and time in seconds."""

import logging
from collections.abc import Collection
from typing import cast

import ibis.expr.types as ir

from gru4rec.columns import ITEM
from gru4rec.config import MISSING_WORDS, DataConfig, LoadingConfig
from gru4rec.frames.events import require_columns
from gru4rec.frames.foreign_frames import as_frame
from gru4rec.preparation.engine.connection import private_connection
from gru4rec.preparation.events import EVENT_COLUMNS, Events, columns_of, table_to_frame
from gru4rec.preparation.first_reading import fetch_facts
from gru4rec.preparation.identifiers import IdColumn
from gru4rec.preparation.memory_tables import frame_to_table
from gru4rec.preparation.named_columns import use_own_place, used_names
from gru4rec.preparation.ordering import FINE, ORDER, add_place, judge_ties, measure_ties
from gru4rec.preparation.queries import fetch_row
from gru4rec.preparation.raw_log import KEPT, RawLog
from gru4rec.preparation.sessionizing import cut_at_gaps

_log = logging.getLogger(__name__)


def load_events(log: Events, data: DataConfig, loading: LoadingConfig) -> Events:
    """Reads the events of a raw log.

    Args:
        log: The raw log: an Ibis table, a DataFrame, or a table of polars or Arrow; other columns
            than those named are ignored.
        data: Names of the three columns.
        loading: Unit of time, order of equal times, missing values, filter of event types, cutting
            into sessions.

    Returns:
        `SessionId`, `ItemId` (int64 or text, values exact) and `Time` (seconds; int64 or
        float64): an Ibis table of one, else a DataFrame. A table is checked now, but computed when
        used; where events of a session share their time, it also has `PlaceInSession`, which orders
        them. A DataFrame is in the order of session, time and place.

    Raises:
        DataError: The log is empty or unreadable, a column is missing or of the wrong kind, ids
            or times are missing, the times cannot be what `time_unit` says, or equal times leave
            the order open and `ties` refuses that.
    """
    if isinstance(log, ir.Table):
        return cast(Events, load_and_describe(log, data, loading)[0])
    frame = as_frame(log)
    names = used_names(data, use_own_place(frame.columns, loading))
    table = frame_to_table(private_connection(), frame, names)
    return table_to_frame(load_and_describe(table, data, loading)[0])


def load_and_describe(
    log: ir.Table, data: DataConfig, loading: LoadingConfig
) -> tuple[ir.Table, str]:
    """Reads the events of a raw log, and says how those in equal times are ordered.

    Args:
        log: See `load_events`.
        data: Likewise.
        loading: Likewise.

    Returns:
        What `load_events` returns, and a line of text.
    """
    raw = RawLog(log, data, loading)
    rows = raw.rows()
    facts = raw.measure(rows)
    raw.check(rows, facts)
    events = raw.read(rows, facts)
    ties = fetch_row(measure_ties(events.filter(KEPT)))
    told = judge_ties(ties, raw.loading, raw.ordered)
    if ties["tied"]:
        _warn_of_copies(events, ties["events"])
    if ties["tied"] or {ORDER, FINE} & set(events.columns):
        if raw.ordered and loading.ties != "item":
            events = raw.read(raw.rows(numbered=True), facts)
        events = add_place(events)
    if loading.session_gap is not None:
        events = cut_at_gaps(events, loading.session_gap)
    return events.filter(KEPT).select(*columns_of(events)), told


def load_items(log: ir.Table, item_key: str, missing: Collection[str] = MISSING_WORDS) -> ir.Table:
    """Reads a list of items, with ids as `load_events` reads them; empty lines do not count.

    Args:
        log: A table with the column of items; others are ignored.
        item_key: Name of that column; without it, `ItemId` is taken.
        missing: Words that stand for nothing, see `LoadingConfig`.

    Returns:
        A table of `ItemId`, int64 or text.

    Raises:
        DataError: The column is missing, or holds other than ids.
    """
    name = ITEM if item_key not in log.columns and ITEM in log.columns else item_key
    require_columns(log.columns, [name], "The list of items")
    column = IdColumn(ITEM, name, missing)
    rows = log.select(**{ITEM: log[name]})
    rows = rows.filter(~column.is_missing(rows))
    facts = fetch_facts(rows, {ITEM: column.measure(rows)})
    column.check(rows, facts)
    return rows.select(**column.read(rows, facts))


def _warn_of_copies(events: ir.Table, kept: int) -> None:
    distinct = events.filter(KEPT).select(*EVENT_COLUMNS).distinct().count()
    copies = kept - distinct.to_pyarrow().as_py()
    if copies:
        _log.warning(
            "The log has %s rows that are exact copies of another (session, item and time). They "
            "are kept here; the filter of sessions drops those that follow each other if "
            "drop_repeats is set",
            f"{copies:,}",
        )
