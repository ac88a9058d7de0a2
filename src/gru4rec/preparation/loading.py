"""From a raw log to events: three columns with known names, exact ids and time in seconds."""

import logging
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

import duckdb
import ibis
import ibis.expr.types as ir

from gru4rec.columns import ITEM, PLACE, SESSION, TIME
from gru4rec.config import MISSING_WORDS, DataConfig, LoadingConfig
from gru4rec.errors import ConfigError, DataError
from gru4rec.frames.events import refuse_missing, refuse_no_rows, require_columns
from gru4rec.frames.foreign_frames import as_frame
from gru4rec.preparation.connection import private_connection, say_cannot_spill
from gru4rec.preparation.dates import join_date, measure_dates, read_dates
from gru4rec.preparation.events import EVENT_COLUMNS, Events, columns_of, table_to_frame
from gru4rec.preparation.identifiers import as_written, measure_ids, read_ids, tell_of_odd_ids
from gru4rec.preparation.memory_tables import frame_to_table
from gru4rec.preparation.missing import (
    is_missing,
    without_words,
    words_that_are_no_numbers,
)
from gru4rec.preparation.ordering import (
    FINE,
    ORDER,
    ROW,
    add_place,
    has_order,
    judge_ties,
    measure_order,
    measure_ties,
    read_order,
    with_rows,
)
from gru4rec.preparation.plausibility import DAY
from gru4rec.preparation.queries import count_rows, fetch_row
from gru4rec.preparation.reading import find_damaged, is_text_log, parquet_files
from gru4rec.preparation.sessionizing import cut_at_gaps
from gru4rec.preparation.time_checks import refuse_other_kind
from gru4rec.preparation.timestamps import measure_time, read_time

_KEPT = "_kept"
_DATE = "_date"
_UNREADABLE = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.IOException,
    duckdb.SerializationException,
)

_ADVICE = (
    "mend these rows, or drop them, which drop_missing: true of the section 'loading' does; where "
    "a word that stands for nothing is an id, leave it out of the list 'missing' there"
)

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
    loading = _use_own_place(frame, loading)
    names = _names_of(data, loading)
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
    loading = _use_own_place(log, loading)
    require_columns(log.columns, _names_of(data, loading), "The log")
    _refuse_no_sessions(data, loading)
    rows = _pick_columns(log, data, loading)
    refuse_other_kind(rows[TIME], data.time_key, loading)
    facts = _collect_facts(rows, data, loading)
    _refuse_nothing(log, loading, facts["rows"], facts["kept"])
    _refuse_missing(log, data, loading, facts)
    for name, key in ((SESSION, str(data.session_key)), (ITEM, data.item_key)):
        tell_of_odd_ids(key, _facts_of(facts, name))
    events = _read_columns(rows, data, loading, facts)
    ties = fetch_row(measure_ties(events.filter(_KEPT)))
    ordered = has_order(log)
    told = judge_ties(ties, loading, ordered)
    if ties["tied"]:
        _warn_of_copies(events, ties["events"])
    if ties["tied"] or {ORDER, FINE} & set(events.columns):
        if ordered and loading.ties != "item":
            rows = _pick_columns(with_rows(log), data, loading)
        events = add_place(_read_columns(rows, data, loading, facts))
    if loading.session_gap is not None:
        events = cut_at_gaps(events, loading.session_gap)
    return events.filter(_KEPT).select(*columns_of(events)), told


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
    rows = log.filter(~is_missing(log[name], missing))
    facts = _measure(rows.aggregate(rows=rows.count(), **measure_ids(rows[name], name)))
    tell_of_odd_ids(name, facts)
    return rows.select(read_ids(rows[name], name, facts, is_text_log(rows)).name(ITEM))


def _read_columns(
    rows: ir.Table, data: DataConfig, loading: LoadingConfig, facts: Mapping[str, Any]
) -> ir.Table:
    start = _find_start(rows, loading, _facts_of(facts, _DATE))
    keys, is_text = _column_keys(data, loading), is_text_log(rows)
    if facts["lacking"]:
        rows = rows.filter(~_lacks_value(rows, keys, loading))
    read = {
        # without a column of sessions, all events are of one
        name: read_ids(rows[name], keys[name], _facts_of(facts, name), is_text)
        if name in keys
        else rows[name]
        for name in (SESSION, ITEM)
    }
    read[TIME] = read_time(rows[TIME], data.time_key, loading, _facts_of(facts, TIME), start)
    fine = _find_finer(rows[TIME], data.time_key, loading, _facts_of(facts, TIME))
    if fine is not None:
        read[FINE] = fine
    if loading.order_key is not None:
        read[ORDER] = read_order(rows[ORDER], loading.order_key, _facts_of(facts, ORDER))
    further = [_KEPT, *([ROW] if ROW in rows.columns else [])]
    return rows.select(*further, **read)


def _find_finer(
    times: ir.Column, name: str, loading: LoadingConfig, facts: Mapping[str, Any]
) -> ir.Column | None:
    """Times that order events which are in equal seconds once they are read; None if none are."""
    kind = times.type()
    in_nanoseconds = loading.time_unit == "ns" or (kind.is_timestamp() and kind.scale == 9)
    if loading.ties == "item" or loading.date_key is not None or loading.time_unit == "ordinal":
        return None
    if not (loading.whole_seconds or in_nanoseconds):
        return None
    if loading.time_unit != "timestamp":
        return times.cast("int64" if facts["integral"] else "float64")
    if kind.is_timestamp():
        return times
    return read_time(times, name, loading.model_copy(update={"whole_seconds": False}), facts)


def _find_start(
    rows: ir.Table, loading: LoadingConfig, facts: Mapping[str, Any]
) -> ir.IntegerColumn | None:
    """Seconds from 1970 to the earliest date of each row's session; None where times have dates."""
    if loading.date_key is None:
        return None
    dates = cast(ir.IntegerColumn, read_dates(rows[_DATE], loading, facts))
    if loading.time_unit == "timestamp":  # each clock time was set behind its own date
        return None
    earliest = cast(ir.IntegerColumn, dates.min().over(ibis.window(group_by=SESSION)))
    return cast(ir.IntegerColumn, earliest - earliest % int(DAY))  # a date may come with a time


def read_raw(log: ir.Table, data: DataConfig, loading: LoadingConfig) -> ir.Table:
    """Reads all rows of a raw log for counting, without checks.

    Returns:
        `SessionId` and `ItemId`, null where they are missing; `kept`: the event is of a type that
        counts; `lacks_value`: `drop_missing` drops the row.
    """
    rows = _name_columns(log, data, loading)
    return rows.select(
        as_written(without_words(rows[SESSION], loading.missing)).name(SESSION),
        as_written(without_words(rows[ITEM], loading.missing)).name(ITEM),
        kept=rows[_KEPT],
        lacks_value=_lacks_value(rows, _column_keys(data, loading), loading),
    )


def _use_own_place(log: Events, loading: LoadingConfig) -> LoadingConfig:
    """Takes the order of a log that was written by this library."""
    if loading.order_key is not None or PLACE not in log.columns:
        return loading
    return loading.model_copy(update={"order_key": PLACE})


def _column_keys(data: DataConfig, loading: LoadingConfig) -> dict[str, str]:
    """The user's name of each column that must be there in every row."""
    keys = {
        SESSION: data.session_key,
        ITEM: data.item_key,
        TIME: data.time_key,
        _DATE: loading.date_key,
        ORDER: loading.order_key,
    }
    return {name: key for name, key in keys.items() if key is not None}


def _names_of(data: DataConfig, loading: LoadingConfig) -> list[str]:
    """The user's names of all columns that are read."""
    names = list(_column_keys(data, loading).values())
    return [*names, loading.event_key] if loading.event_key is not None else names


def _refuse_no_sessions(data: DataConfig, loading: LoadingConfig) -> None:
    if data.session_key is None and loading.session_gap is None:
        raise ConfigError(
            "session_key of the section 'data' is null, so all events are of one person: set "
            "session_gap of the section 'loading', which cuts them into sessions, or name the "
            "column of sessions or users"
        )


def _name_columns(log: ir.Table, data: DataConfig, loading: LoadingConfig) -> ir.Table:
    """Names the columns and marks the rows that stay."""
    columns = {name: log[key] for name, key in _column_keys(data, loading).items()}
    if data.session_key is None:
        columns = {SESSION: ibis.literal(1, "int64"), **columns}
    if ROW in log.columns:
        columns[ROW] = log[ROW]
    return log.select(**columns, **{_KEPT: select_types(log, loading)})


def _pick_columns(log: ir.Table, data: DataConfig, loading: LoadingConfig) -> ir.Table:
    """Names the columns and marks the rows that stay; drops those that go before sessions form."""
    rows = _name_columns(log, data, loading)
    if loading.date_key is not None:
        # as text, numbers are refused like any other value that is no date
        rows = rows.mutate(**{_DATE: rows[_DATE].cast("string")})
        if loading.time_unit == "timestamp":
            rows = rows.mutate(**{TIME: join_date(rows[_DATE], rows[TIME], data.time_key, loading)})
    if loading.filter_events == "before" or loading.session_gap is None:
        return rows.filter(_KEPT)
    # events that only mark the passing of time often have no item, or one of another kind
    return rows.mutate(**{ITEM: ibis.cases((rows[_KEPT], rows[ITEM]))})


def _lacks_value(rows: ir.Table, names: Iterable[str], loading: LoadingConfig) -> ir.BooleanValue:
    """True for rows in which a value is missing that must be there."""
    lacks: ir.BooleanValue = ibis.literal(False)
    for name in names:
        missing = is_missing(rows[name], _words_of(name, loading))
        lacks |= missing & (rows[_KEPT] if name == ITEM else True)
    return lacks


def _words_of(name: str, loading: LoadingConfig) -> list[str]:
    """What stands for nothing in a column: no number where numbers count from 0."""
    counts = name == ORDER or (name == TIME and loading.date_key is not None)
    return words_that_are_no_numbers(loading.missing) if counts else loading.missing


def select_types(log: ir.Table, loading: LoadingConfig) -> ir.BooleanValue:
    """True for the events of the types that count."""
    if loading.event_key is None:
        return ibis.literal(True)
    given, wanted = _event_types(log, loading.event_key), [t.strip() for t in loading.event_types]
    # blanks around them do not count, and mostly there are none
    found = ibis.cases((given.isin(wanted), True), else_=given.strip().isin(wanted))
    return cast(ir.BooleanValue, found.fill_null(False))


def _event_types(log: ir.Table, event_key: str) -> ir.StringColumn:
    types: ir.StringColumn = log[event_key].cast("string")
    return types


def _collect_facts(rows: ir.Table, data: DataConfig, loading: LoadingConfig) -> dict[str, Any]:
    """Measures all that the checks and conversions need, in one pass over the log."""
    keys = _column_keys(data, loading)
    measures = {
        name: measure_ids(rows[name], keys[name], loading.missing)
        for name in (SESSION, ITEM)
        if name in keys
    }
    present = {
        name: without_words(rows[name], _words_of(name, loading))
        for name in (TIME, _DATE, ORDER)
        if name in keys
    }
    measures[TIME] = measure_time(present[TIME], loading)
    if loading.date_key is not None:
        measures[_DATE] = measure_dates(present[_DATE], loading)
    if loading.order_key is not None:
        measures[ORDER] = measure_order(present[ORDER])
    aggregates = {
        f"{name}_{fact}": value for name, of in measures.items() for fact, value in of.items()
    }
    for name in keys:
        aggregates[f"{name}_missing"] = _lacks_value(rows, [name], loading).sum()
    lacks = _lacks_value(rows, keys, loading)
    aggregates["lacking"], aggregates["left"] = lacks.sum(), (rows[_KEPT] & ~lacks).sum()
    return _measure(
        rows.aggregate(rows=rows.count(), kept=rows[_KEPT].sum().fill_null(0), **aggregates)
    )


def _measure(facts: ir.Table) -> dict[str, Any]:
    """Runs the query that reads the log first, and so finds what is unreadable in it."""
    try:
        return fetch_row(facts)
    except duckdb.Error as error:
        if no_room := say_cannot_spill(error):
            raise DataError(no_room) from None
        if isinstance(error, duckdb.OutOfMemoryException):
            raise DataError(
                "Reading the log needs more memory than DuckDB may use; raise memory_limit, which "
                "is set for the catalog entry or the connection"
            ) from None
        # of damage inside a Parquet file DuckDB mostly tells by the base class of its errors
        if type(error) is not duckdb.Error and not isinstance(error, _UNREADABLE):
            raise
        if ours := re.search(r"The column '.*' has (nested values|fractions of) .*", str(error)):
            raise DataError(ours[0]) from None
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
    if rows == 0:
        refuse_no_rows(rows if loading.event_key is None else count_rows(log), "The log")
    types = _event_types(log, str(loading.event_key)).name("type")
    present = log.select(types).distinct().order_by("type").limit(20).to_pyarrow()["type"]
    raise DataError(
        f"No event is of the event_types {', '.join(loading.event_types)}; the column "
        f"{loading.event_key!r} has {', '.join(str(value) for value in present)}"
    )


def _refuse_missing(
    log: ir.Table, data: DataConfig, loading: LoadingConfig, facts: Mapping[str, Any]
) -> None:
    """Refuses missing values, unless they are dropped and something is left."""
    if not facts["lacking"]:
        return
    keys = _column_keys(data, loading)
    counts = {key: facts[f"{name}_missing"] for name, key in keys.items()}
    if loading.drop_missing and not counts.get(PLACE):
        found = ", ".join(f"{key!r} has {count:,}" for key, count in counts.items() if count)
        if facts["left"]:
            _log.warning(
                "%s of %s rows are dropped, because values are missing: %s",
                f"{facts['lacking']:,}",
                f"{facts['rows']:,}",
                found,
            )
            return
        raise DataError(
            f"drop_missing drops each of the {facts['kept']:,} events, because values are missing: "
            f"{found}; check these columns"
        )
    rows = _pick_columns(with_rows(log) if has_order(log) else log, data, loading)
    first = rows.filter(_lacks_value(rows, keys, loading))
    numbers: list[int] = []
    if ROW in first.columns:
        found = first.order_by(ROW).limit(3).to_pyarrow()[ROW].to_pylist()
        numbers = [row + 1 for row in found]
    refuse_missing(counts, _find_words(log, keys.values(), loading), numbers, _ADVICE)


def _find_words(log: ir.Table, keys: Iterable[str], loading: LoadingConfig) -> dict[str, str]:
    """Finds in each column of text a word that stands for nothing."""
    words = {
        key: log[key].min(where=log[key].strip().isin(loading.missing))
        for key in keys
        if log[key].type().is_string()
    }
    return fetch_row(log.aggregate(**words)) if words else {}


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
