"""Time of events: from the log's unit into seconds since 1970 (UTC)."""

from collections.abc import Mapping
from typing import Any, cast

import ibis
import ibis.expr.types as ir

from gru4rec.config import LoadingConfig
from gru4rec.frames.exactness import largest_exact
from gru4rec.preparation.formats import (
    DAY_FORMAT,
    is_zoned,
    read_formats,
    read_iso,
    refuse_abbreviations,
)
from gru4rec.preparation.missing import is_missing
from gru4rec.preparation.plausibility import UNITS_PER_SECOND, lies_outside
from gru4rec.preparation.time_checks import counts_from_1970, refuse_bad_times


def measure_time(column: ir.Column, loading: LoadingConfig) -> dict[str, ir.Scalar]:
    """Says what must be known of a time column before `read_time` can read it.

    Args:
        column: The raw times.
        loading: `time_unit`, `time_format` and `date_key`.

    Returns:
        Aggregates: `broken` values (cannot be read), an `example` of them, `infinite` and
        `negative` values, those `outside` the years that a log may be of, `inexact` ones,
        `earliest` and `latest` in the unit, whether all are `integral`, and the number of times
        `zoned` otherwise than in UTC.
    """
    numbers = _read_numbers(column, loading)
    present = ~is_missing(column)
    broken = present & numbers.isnull()
    reals = cast(ir.FloatingColumn, numbers.cast("float64"))
    infinite = present & (reals.isinf() | reals.isnan())
    facts = {
        "broken": broken.sum(),
        "example": column.cast("string").min(where=broken),
        "infinite": infinite.sum(),
        "negative": (numbers < 0).sum(),
        "earliest": numbers.min(where=~infinite),
        "latest": numbers.max(where=~infinite),
    }
    if counts_from_1970(loading):
        facts["outside"] = lies_outside(numbers, loading.time_unit).sum()
    if loading.time_unit != "timestamp":
        facts["integral"] = (_is_integer(column) | ~present).all()
    elif column.type().is_string() and not loading.time_format:
        facts["zoned"] = is_zoned(_as_text(column)).sum()
    if (limit := largest_exact(str(column.type()))) is not None:
        facts["inexact"] = (reals.abs() >= limit).sum()
    return facts


def read_time(
    column: ir.Column,
    name: str,
    loading: LoadingConfig,
    facts: Mapping[str, Any],
    start: ir.IntegerColumn | None = None,
) -> ir.Column:
    """Reads times as seconds: int64 where the log has whole seconds, else float64.

    Args:
        column: The raw times.
        name: How the column is called by the user.
        loading: `time_unit`, `time_format` and `whole_seconds`.
        facts: The values of `measure_time`.
        start: Seconds since 1970 that the times count from; None: they count from 1970.

    Raises:
        DataError: A time is unreadable, negative, inexact or not finite, or the unit is
            implausible.
    """
    unit, whole = loading.time_unit, loading.whole_seconds
    refuse_bad_times(column, _read_numbers(column, loading), name, loading, facts)
    if unit == "timestamp":
        zoned = bool(facts.get("zoned"))
        if zoned or any("%Z" in layout for layout in loading.time_format):
            refuse_abbreviations(_as_text(column), name)
        moments = _read_moments(column, loading, zoned)
        seconds = _seconds(moments)
        return seconds if whole else cast(ir.Column, seconds + moments.microsecond() / 1e6)
    integral = bool(facts["integral"])
    raw = cast(ir.NumericColumn, column.cast("int64" if integral else "float64"))
    if start is not None:
        raw = raw + start * UNITS_PER_SECOND[unit]
    if unit == "ordinal" or (unit == "s" and (integral or not whole)):
        return raw
    scale = UNITS_PER_SECOND[unit]
    if not whole:
        return raw.cast("float64") / scale
    # without its remainder an integer divides exactly, also one of more than 53 bits
    return ((raw - raw % scale) / scale if integral else (raw / scale).floor()).cast("int64")


def _formats(loading: LoadingConfig) -> list[str]:
    """Formats of times, behind their date where `join_date` set one there."""
    if loading.date_key is None:
        return loading.time_format
    return [f"{DAY_FORMAT} {clock}" for clock in loading.time_format]


def _read_numbers(column: ir.Column, loading: LoadingConfig) -> ir.NumericColumn:
    """Reads times as numbers in their unit; null where that fails."""
    if loading.time_unit == "timestamp":
        return _seconds(_read_moments(column, loading, zoned=None))
    numbers = column.try_cast("float64") if column.type().is_string() else column.cast("float64")
    return cast(ir.NumericColumn, numbers)


def _as_text(column: ir.Column) -> ir.StringColumn:
    return cast(ir.StringColumn, column.cast("string"))


def _is_integer(column: ir.Column) -> ir.BooleanValue:
    kind = column.type()
    if kind.is_string():
        digits = column.try_cast("int64").cast("string")
        # blanks around a number do not count, and mostly there are none
        whole = ibis.cases((digits == column, True), else_=digits == column.strip())
        return cast(ir.BooleanValue, whole.fill_null(False))
    return ibis.literal(kind.is_integer() or (kind.is_decimal() and kind.scale == 0))


def _read_moments(column: ir.Column, loading: LoadingConfig, zoned: bool | None) -> Any:
    if layouts := _formats(loading):
        return read_formats(_as_text(column), layouts)
    if column.type().is_string():
        return read_iso(_as_text(column), zoned)
    # a column with a zone comes out in UTC, one without is taken as UTC
    return column.cast("timestamp('UTC')").cast("timestamp")


def _seconds(moments: Any) -> ir.IntegerColumn:
    # DuckDB's epoch has a fraction, other backends' has not
    return cast(ir.IntegerColumn, moments.truncate("s").epoch_seconds().cast("int64"))
