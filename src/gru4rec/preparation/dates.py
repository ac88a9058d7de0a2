"""Dates in a column of their own, beside times that have none."""

from collections.abc import Mapping
from typing import Any, cast

import ibis
import ibis.expr.types as ir

from gru4rec.config import LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation.formats import DAY_FORMAT, read_formats, read_iso, width_of
from gru4rec.preparation.missing import is_missing
from gru4rec.preparation.proposals import advise_format
from gru4rec.preparation.time_checks import keep_broken, say_formats
from gru4rec.preparation.timestamps import measure_time, read_time


def measure_dates(column: ir.Column, loading: LoadingConfig) -> dict[str, ir.Scalar]:
    """Says what must be known of a column of dates before `read_dates` can read it."""
    return measure_time(column, _as_dates(loading))


def read_dates(column: ir.Column, loading: LoadingConfig, facts: Mapping[str, Any]) -> ir.Column:
    """Reads the column `date_key`, given as text, as seconds since 1970; a time stays in them.

    Raises:
        DataError: Some are no dates, or are outside of the years that a log may be of.
    """
    options, name = _as_dates(loading), str(loading.date_key)
    if facts["broken"]:
        expected = f"of date_format {say_formats(options.time_format)}"
        advice = advise_format(
            keep_broken(column, _read_days(column, loading)),
            options,
            option="date_format",
            all_times=facts["latest"] is None,
        )
        raise DataError(
            f"The date column {name!r} has {facts['broken']:,} values such as {facts['example']!r} "
            f"that are not {expected if options.time_format else 'dates (ISO 8601)'}; "
            f"{advice or 'mend these rows, or set date_key to another column'}"
        )
    return read_time(column, name, options, facts)


def _as_dates(loading: LoadingConfig) -> LoadingConfig:
    return LoadingConfig(time_unit="timestamp", whole_seconds=True, time_format=loading.date_format)


def join_date(dates: ir.Column, clock: ir.Column, name: str, loading: LoadingConfig) -> ir.Column:
    """Writes the clock times of a log behind their dates, as text for `read_time`.

    Args:
        dates: The raw dates, as text.
        clock: The raw clock times.
        name: How their column is called by the user.
        loading: `date_format`, if the dates are not ISO 8601, and what is `missing`.

    Returns:
        Text; null where either is missing.

    Raises:
        DataError: The times are no clock times.
    """
    kind = clock.type()
    if not (kind.is_string() or kind.is_time() or (kind.is_integer() and loading.time_format)):
        advice = (
            "times that have a date need no date_key"
            if kind.is_timestamp() or kind.is_date()
            else "for counts since the start of the session set time_unit to their unit; for "
            "digits of a clock, such as 105109, set time_format: '%H%M%S'"
        )
        raise DataError(
            f"With date_key, time_unit 'timestamp' reads clock times such as 10:51:09, but the "
            f"time column {name!r} holds {kind} values; {advice}"
        )
    # what is no date stays as it is, to be counted and shown
    day = ibis.coalesce(_read_days(dates, loading).strftime(DAY_FORMAT), dates)
    joined = day + " " + _as_clock(clock, loading)
    missing = is_missing(dates, loading.missing) | is_missing(clock, loading.missing)
    return cast(ir.Column, ibis.cases((~missing, joined)))


def _as_clock(clock: ir.Column, loading: LoadingConfig) -> ir.StringColumn:
    """Clock times as text; integers have lost the zeros in front, 93000 is 09:30:00."""
    text = cast(ir.StringColumn, clock.cast("string"))
    widths = {width_of(layout) for layout in loading.time_format}
    if clock.type().is_integer() and len(widths) == 1 and (width := widths.pop()):
        return text.lpad(width, "0")
    return text


def _read_days(dates: ir.Column, loading: LoadingConfig) -> ir.TimestampColumn:
    text = cast(ir.StringColumn, dates)
    return read_formats(text, loading.date_format) if loading.date_format else read_iso(text)
