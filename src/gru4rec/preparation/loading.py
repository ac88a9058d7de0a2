"""From a raw log to events: three columns with known names, exact ids and time in seconds."""

import logging
from collections.abc import Mapping
from typing import Any, cast

import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd

from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation.connection import (
    DAY,
    EVENT_COLUMNS,
    Events,
    fetch_row,
    frame_to_table,
    private_connection,
    refuse_nulls,
    refuse_other_types,
    require_columns,
    table_to_frame,
)
from gru4rec.preparation.identifiers import is_missing, measure_ids, read_ids
from gru4rec.preparation.reading import find_damaged, is_text_log, parquet_files
from gru4rec.preparation.sessionizing import cut_at_gaps
from gru4rec.preparation.timestamps import measure_time, read_time, refuse_other_kind

_KEPT = "_kept"
_DATE = "_date"
_UNREADABLE = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.IOException,
    duckdb.SerializationException,
)
_AS_DATE = LoadingConfig(time_unit="timestamp", whole_seconds=True)

_log = logging.getLogger(__name__)


def load_events(log: Events, data: DataConfig, loading: LoadingConfig) -> Events:
    """Reads the events of a raw log.

    Args:
        log: The raw log; other columns than those named are ignored.
        data: Names of the three columns.
        loading: Unit of time, filter of event types, cutting into sessions.

    Returns:
        `SessionId`, `ItemId` (int64 or text, values exact) and `Time` (seconds; int64 or
        float64), of the same kind as the input. A table is checked now, but computed when used;
        a DataFrame is in the order of session, time and item.

    Raises:
        DataError: The log is empty or unreadable, a column is missing or of the wrong kind, ids
            or times are missing, or the times cannot be what `time_unit` says.
    """
    further: list[str] = [key for key in (loading.event_key, loading.date_key) if key is not None]
    names = [data.session_key, data.item_key, data.time_key, *further]
    refuse_other_types(log)
    if not isinstance(log, pd.DataFrame):
        require_columns(log.columns, names, "The log")
        return _load(log, data, loading)
    table = frame_to_table(private_connection(), log, names)
    return table_to_frame(_load(table, data, loading))


def load_items(log: ir.Table, item_key: str) -> ir.Table:
    """Reads a list of items, with ids as `load_events` reads them; empty lines do not count.

    Args:
        log: A table with the column of items; others are ignored.
        item_key: Name of that column; without it, `ItemId` is taken.

    Returns:
        A table of `ItemId`, int64 or text.

    Raises:
        DataError: The column is missing, or holds other than ids.
    """
    name = ITEM if item_key not in log.columns and ITEM in log.columns else item_key
    require_columns(log.columns, [name], "The list of items")
    rows = log.filter(~is_missing(log[name]))
    facts = _measure(
        rows.aggregate(rows=rows.count(), **measure_ids(rows[name], name, is_text_log(rows)))
    )
    return rows.select(read_ids(rows[name], name, facts).name(ITEM))


def _load(log: ir.Table, data: DataConfig, loading: LoadingConfig) -> ir.Table:
    rows = _pick_columns(log, data, loading)
    refuse_other_kind(rows[TIME], data.time_key, loading.time_unit)
    facts = _collect_facts(rows, data, loading)
    _refuse_nothing(log, loading, facts["rows"], facts["kept"])
    keys = _column_keys(data, loading)
    refuse_nulls({key: facts[f"{name}_missing"] for name, key in keys.items()})
    start = _find_start(rows, loading.date_key, _facts_of(facts, _DATE))
    events = rows.select(
        _KEPT,
        read_ids(rows[SESSION], data.session_key, _facts_of(facts, SESSION)).name(SESSION),
        read_ids(rows[ITEM], data.item_key, _facts_of(facts, ITEM)).name(ITEM),
        read_time(rows[TIME], data.time_key, loading, _facts_of(facts, TIME), start).name(TIME),
    )
    _warn_of_copies(events, facts["kept"])
    if loading.session_gap is not None:
        events = cut_at_gaps(events, loading.session_gap)
    return events.filter(_KEPT).select(*EVENT_COLUMNS)


def _find_start(
    rows: ir.Table, date_key: str | None, facts: Mapping[str, Any]
) -> ir.IntegerColumn | None:
    """Seconds from 1970 to the earliest date of each row's session; None without dates."""
    if date_key is None:
        return None
    if facts["broken"]:
        raise DataError(
            f"The date column {date_key!r} has {facts['broken']:,} values such as "
            f"{facts['example']!r} that are not dates (ISO 8601); mend these rows, or set date_key "
            "of the section 'loading' to another column"
        )
    dates = cast(ir.IntegerColumn, read_time(rows[_DATE], date_key, _AS_DATE, facts))
    earliest = cast(ir.IntegerColumn, dates.min().over(ibis.window(group_by=SESSION)))
    return cast(ir.IntegerColumn, earliest - earliest % int(DAY))  # a date may come with a time


def _column_keys(data: DataConfig, loading: LoadingConfig) -> dict[str, str]:
    """The user's name of each column that must be there in every row."""
    keys = {SESSION: data.session_key, ITEM: data.item_key, TIME: data.time_key}
    return keys if loading.date_key is None else keys | {_DATE: loading.date_key}


def _pick_columns(log: ir.Table, data: DataConfig, loading: LoadingConfig) -> ir.Table:
    """Names the columns and marks the rows that stay; drops those that go before sessions form."""
    kept = select_types(log, loading)
    columns = [log[key].name(name) for name, key in _column_keys(data, loading).items()]
    rows = log.select(*columns, kept.name(_KEPT))
    if loading.date_key is not None:
        # as text, numbers are refused like any other value that is no date
        rows = rows.mutate(**{_DATE: rows[_DATE].cast("string")})
    if loading.filter_events == "before" or loading.session_gap is None:
        return rows.filter(_KEPT)
    # events that only mark the passing of time often have no item, or one of another kind
    return rows.mutate(**{ITEM: ibis.cases((rows[_KEPT], rows[ITEM]))})


def select_types(log: ir.Table, loading: LoadingConfig) -> ir.BooleanValue:
    """True for the events of the types that count."""
    if loading.event_key is None:
        return ibis.literal(True)
    return _event_types(log, loading.event_key).isin(loading.event_types).fill_null(False)


def _event_types(log: ir.Table, event_key: str) -> ir.StringColumn:
    types: ir.StringColumn = log[event_key].cast("string")
    return types


def _collect_facts(rows: ir.Table, data: DataConfig, loading: LoadingConfig) -> dict[str, Any]:
    """Measures all that the checks and conversions need, in one pass over the log."""
    from_text_file = is_text_log(rows)
    measures = {
        SESSION: measure_ids(rows[SESSION], data.session_key, from_text_file),
        ITEM: measure_ids(rows[ITEM], data.item_key, from_text_file),
        TIME: measure_time(rows[TIME], loading),
    }
    if loading.date_key is not None:
        measures[_DATE] = measure_time(rows[_DATE], _AS_DATE)
    aggregates = {
        f"{name}_{fact}": value for name, of in measures.items() for fact, value in of.items()
    }
    for name in measures:
        expected = is_missing(rows[name]) & (rows[_KEPT] if name == ITEM else True)
        aggregates[f"{name}_missing"] = expected.sum()
    return _measure(
        rows.aggregate(rows=rows.count(), kept=rows[_KEPT].sum().fill_null(0), **aggregates)
    )


def _measure(facts: ir.Table) -> dict[str, Any]:
    """Runs the query that reads the log first, and so finds what is unreadable in it."""
    try:
        return fetch_row(facts)
    except duckdb.OutOfMemoryException:
        raise DataError(
            "Reading the log needs more memory than DuckDB may use; raise memory_limit, which is "
            "set for the catalog entry or the connection"
        ) from None
    except duckdb.Error as error:
        # of damage inside a Parquet file DuckDB mostly tells by the base class of its errors
        if type(error) is not duckdb.Error and not isinstance(error, _UNREADABLE):
            raise
        if is_text_log(facts):
            advice = "Mend this row, or set the right delimiter"
        elif damaged := find_damaged(parquet_files(facts)):
            advice = f"{damaged} is damaged; export it again"
        else:
            advice = "A file may have a column of another type than the first file; export it again"
        raise DataError(f"The log cannot be read: {_shorten(str(error))}. {advice}") from None


def _shorten(message: str) -> str:
    """Keeps of DuckDB's page of advice what went wrong and in which file."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    file = [line for line in lines if line.startswith("file =")]
    return "; ".join([*lines[:3], *file])


def _facts_of(facts: Mapping[str, Any], column: str) -> dict[str, Any]:
    start = f"{column}_"
    return {
        name.removeprefix(start): fact for name, fact in facts.items() if name.startswith(start)
    }


def _refuse_nothing(log: ir.Table, loading: LoadingConfig, rows: int, kept: int) -> None:
    if kept:
        return
    if rows == 0 and (loading.event_key is None or log.count().to_pyarrow().as_py() == 0):
        raise DataError("The log is empty: it has columns but no rows; check where it comes from")
    types = _event_types(log, str(loading.event_key)).name("type")
    present = log.select(types).distinct().order_by("type").limit(20).to_pyarrow()["type"]
    raise DataError(
        f"No event is of the event_types {', '.join(loading.event_types)}; the column "
        f"{loading.event_key!r} has {', '.join(str(value) for value in present)}"
    )


def _warn_of_copies(events: ir.Table, kept: int) -> None:
    distinct = events.filter(_KEPT).select(*EVENT_COLUMNS).distinct().count()
    copies = kept - distinct.to_pyarrow().as_py()
    if copies:
        _log.warning(
            "The log has %s rows that are exact copies of another (session, item and time). They "
            "are kept here; the filter of sessions drops those that follow each other if "
            "drop_repeats is set",
            f"{copies:,}",
        )
