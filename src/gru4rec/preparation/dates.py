"""Dates in a column of their own, beside times that have none."""

from collections.abc import Sequence
from typing import Self, cast

import ibis
import ibis.expr.types as ir

from gru4rec.config import LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation.formats import DAY_FORMAT, read_formats, read_iso, width_of
from gru4rec.preparation.missing import is_missing
from gru4rec.preparation.proposals import advise_format
from gru4rec.preparation.raw_columns import Facts
from gru4rec.preparation.time_checks import keep_broken, say_formats
from gru4rec.preparation.timestamps import TimeColumn

DATE = "_date"


class DateColumn(TimeColumn):
    """The column `date_key`, as text; its values are read with the times, not into the events."""

    @classmethod
    def of(cls, loading: LoadingConfig) -> Self:
        """Makes the column that `date_key` and `date_format` describe."""
        options = LoadingConfig(
            time_unit="timestamp", whole_seconds=True, time_format=loading.date_format
        )
        return cls(DATE, str(loading.date_key), loading.missing, options)

    def check(self, rows: ir.Table, facts: Facts) -> None:
        """Refuses what is no date, or is outside of the years that a log may be of."""
        found, layouts = facts[self.name], self.loading.time_format
        if found["broken"]:
            dates = rows[self.name]
            advice = advise_format(
                keep_broken(dates, _read_days(dates, layouts)),
                self.loading,
                option="date_format",
                all_times=found["latest"] is None,
            )
            expected = f"of date_format {say_formats(layouts)}" if layouts else "dates (ISO 8601)"
            raise DataError(
                f"The date column {self.key!r} has {found['broken']:,} values such as "
                f"{found['example']!r} that are not {expected}; "
                f"{advice or 'mend these rows, or set date_key to another column'}"
            )
        super().check(rows, facts)

    def read(self, rows: ir.Table, facts: Facts) -> dict[str, ir.Column]:  # noqa: ARG002
        """Gives nothing: see the `date` of `TimeColumn`."""
        return {}


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
    day = ibis.coalesce(_read_days(dates, loading.date_format).strftime(DAY_FORMAT), dates)
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


def _read_days(dates: ir.Column, layouts: Sequence[str]) -> ir.TimestampColumn:
    text = cast(ir.StringColumn, dates)
    return read_formats(text, layouts) if layouts else read_iso(text)
