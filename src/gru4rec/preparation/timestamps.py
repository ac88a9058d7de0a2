"""Time of events: from the log's unit into seconds since 1970 (UTC)."""

from collections.abc import Mapping
from typing import Any, cast

import ibis
import ibis.expr.types as ir

from gru4rec.config import LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation.connection import date_text
from gru4rec.preparation.missing import is_missing

_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_YEAR_1971 = 31_536_000
_YEAR_2100 = 4_102_444_800


def refuse_other_kind(column: ir.Column, name: str, unit: str) -> None:
    """Checks that a time column is of the kind that the unit says.

    Raises:
        DataError: It is not; the message names the setting that would read it.
    """
    kind = column.type()
    if kind.is_string():
        return
    if kind.is_timestamp() or kind.is_date():
        if unit != "timestamp":
            raise DataError(
                f"The time column {name!r} holds {kind} values, but time_unit is {unit!r}; "
                "set time_unit: timestamp in the section 'loading'"
            )
    elif kind.is_numeric() and not kind.is_boolean():
        if unit == "timestamp":
            latest = column.cast("float64").max().to_pyarrow().as_py()
            raise DataError(
                f"The time column {name!r} holds {kind} values, but time_unit is 'timestamp'; "
                f"set time_unit: {_fitting_unit(latest) or 'ordinal'} in the section 'loading'"
            )
    else:
        raise DataError(f"The time column {name!r} holds {kind} values; times are expected")


def measure_time(column: ir.Column, loading: LoadingConfig) -> dict[str, ir.Scalar]:
    """Says what must be known of a time column before `read_time` can read it.

    Args:
        column: The raw times.
        loading: `time_unit` and `whole_seconds`.

    Returns:
        Aggregates: `broken` values (cannot be read), an `example` of them, `infinite` and
        `negative` values, `earliest` and `latest` in the unit, and whether all are `integral`.
    """
    numbers = _read_numbers(column, loading)
    present = ~is_missing(column)
    broken = present & numbers.isnull()
    reals = cast(ir.FloatingColumn, numbers.cast("float64"))
    infinite = present & (reals.isinf() | reals.isnan())
    return {
        "broken": broken.sum(),
        "example": column.cast("string").min(where=broken),
        "infinite": infinite.sum(),
        "negative": (numbers < 0).sum(),
        "earliest": numbers.min(where=~infinite),
        "latest": numbers.max(where=~infinite),
        "integral": (_is_integer(column) | ~present).all(),
    }


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
        loading: `time_unit` and `whole_seconds`.
        facts: The values of `measure_time`.
        start: Seconds since 1970 that the times count from; None: they count from 1970.

    Raises:
        DataError: A time is unreadable, negative or not finite, or the unit is implausible.
    """
    unit, whole = loading.time_unit, loading.whole_seconds
    _refuse_bad_times(name, unit, facts)
    if facts["latest"] is None:  # the statistics in a Parquet file may deny nulls that are there
        raise DataError(
            f"The time column {name!r} has no value; its file is damaged, export it again"
        )
    if unit != "ordinal" and start is None:
        _refuse_implausible_unit(name, unit, facts["latest"])
    if unit == "timestamp":
        return _read_timestamps(column, whole)
    integral = bool(facts["integral"])
    raw = cast(ir.NumericColumn, column.cast("int64" if integral else "float64"))
    if start is not None:
        raw = raw + start * _UNITS_PER_SECOND[unit]
    if unit == "ordinal" or (unit == "s" and (integral or not whole)):
        return raw
    scale = _UNITS_PER_SECOND[unit]
    if not whole:
        return raw.cast("float64") / scale
    # without its remainder an integer divides exactly, also one of more than 53 bits
    return ((raw - raw % scale) / scale if integral else (raw / scale).floor()).cast("int64")


def _read_numbers(column: ir.Column, loading: LoadingConfig) -> ir.NumericColumn:
    """Reads times as numbers in their unit; null where that fails."""
    if loading.time_unit == "timestamp":
        seconds = _read_timestamps(column, loading.whole_seconds)
        return cast(ir.NumericColumn, seconds)
    numbers = column.try_cast("float64") if column.type().is_string() else column.cast("float64")
    return cast(ir.NumericColumn, numbers)


def _is_integer(column: ir.Column) -> ir.BooleanValue:
    kind = column.type()
    if kind.is_string():
        return (column.try_cast("int64").cast("string") == column).fill_null(False)
    return ibis.literal(kind.is_integer() or (kind.is_decimal() and kind.scale == 0))


def _read_timestamps(column: ir.Column, whole: bool) -> ir.Column:
    # a zone makes text with an offset come out right; without one, UTC is meant
    zoned = "timestamp('UTC')"
    is_text = column.type().is_string()
    moments: Any = (column.try_cast(zoned) if is_text else column.cast(zoned)).cast("timestamp")
    # DuckDB's epoch has a fraction, other backends' has not
    seconds = moments.truncate("s").epoch_seconds().cast("int64")
    return cast(ir.Column, seconds if whole else seconds + moments.microsecond() / 1e6)


def _refuse_bad_times(name: str, unit: str, facts: Mapping[str, Any]) -> None:
    if facts["broken"]:
        kind = "a date and time (ISO 8601)" if unit == "timestamp" else "a number"
        raise DataError(
            f"The time column {name!r} has {facts['broken']:,} values such as "
            f"{facts['example']!r} that are not {kind}; check time_unit (now {unit!r}) in the "
            "section 'loading', or mend these rows"
        )
    if facts["infinite"]:
        raise DataError(
            f"The time column {name!r} has {facts['infinite']:,} values that are not finite; "
            "mend or drop these rows"
        )
    if facts["negative"]:
        raise DataError(
            f"The time column {name!r} has {facts['negative']:,} negative times (smallest "
            f"{facts['earliest']:g}); mend or drop these rows"
        )


def _refuse_implausible_unit(name: str, unit: str, latest: float) -> None:
    seconds = latest / _UNITS_PER_SECOND.get(unit, 1)
    if _YEAR_1971 <= seconds <= _YEAR_2100:
        return
    fitting = _fitting_unit(latest) if unit in _UNITS_PER_SECOND else None
    hint = (
        f"time_unit: {fitting}" if fitting else "time_unit: ordinal if it is no clock, or mend it"
    )
    raise DataError(
        f"The latest time in the column {name!r} is {latest:.15g}; as time_unit {unit!r} that is "
        f"{date_text(seconds)}, but a log ends between 1971 and 2100. Set {hint} in the "
        "section 'loading'"
    )


def _fitting_unit(latest: float | None) -> str | None:
    """Finds the unit in which a number is a time between 1971 and 2100."""
    for unit, scale in _UNITS_PER_SECOND.items():
        if latest is not None and _YEAR_1971 <= latest / scale <= _YEAR_2100:
            return unit
    return None
