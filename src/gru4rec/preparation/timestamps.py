"""Time of events: from the log's unit into seconds since 1970 (UTC)."""

from dataclasses import dataclass
from typing import Any, cast

import ibis
import ibis.expr.types as ir

from gru4rec.columns import SESSION
from gru4rec.config import LoadingConfig
from gru4rec.frames.exactness import largest_exact
from gru4rec.preparation.engine.functions import is_infinite, microsecond, read_number
from gru4rec.preparation.formats import (
    DAY_FORMAT,
    is_zoned,
    read_formats,
    read_iso,
    refuse_abbreviations,
)
from gru4rec.preparation.missing import is_missing
from gru4rec.preparation.ordering import FINE
from gru4rec.preparation.plausibility import DAY, UNITS_PER_SECOND, lies_outside
from gru4rec.preparation.raw_columns import Facts, RawColumn
from gru4rec.preparation.time_checks import counts_from_1970, refuse_bad_times, refuse_other_kind


@dataclass(frozen=True)
class TimeColumn(RawColumn):
    """Times of events: seconds, int64 where the log has whole ones, else float64.

    Attributes:
        loading: `time_unit`, `time_format`, `whole_seconds` and `date_key`.
        date: The column of dates that they belong to; None where they count from 1970.
    """

    loading: LoadingConfig
    date: "TimeColumn | None" = None

    def measure(self, rows: ir.Table) -> dict[str, ir.Scalar]:
        """Says what must be known before the times can be checked and read.

        Returns:
            Aggregates: `broken` values (cannot be read), an `example` of them, `infinite` and
            `negative` values, those `outside` the years that a log may be of, `inexact` ones,
            `earliest` and `latest` in the unit, whether all are `integral`, and the number of
            times `zoned` otherwise than in UTC.

        Raises:
            DataError: The column is not of the kind that the unit says.
        """
        refuse_other_kind(rows[self.name], self.key, self.loading)
        column = self.present(rows)
        numbers = _read_numbers(column, self.loading)
        present = ~is_missing(column)
        broken = present & numbers.isnull()
        reals = cast(ir.FloatingColumn, numbers.cast("float64"))
        infinite = present & (is_infinite(reals) | reals.isnan())
        facts = {
            "broken": broken.sum(),
            "example": column.cast("string").min(where=broken),
            "infinite": infinite.sum(),
            "negative": (numbers < 0).sum(),
            "earliest": numbers.min(where=~infinite),
            "latest": numbers.max(where=~infinite),
        }
        if counts_from_1970(self.loading):
            facts["outside"] = lies_outside(numbers, self.loading.time_unit).sum()
        if self.loading.time_unit != "timestamp":
            facts["integral"] = (_is_integer(column) | ~present).all()
        elif column.type().is_string() and not self.loading.time_format:
            facts["zoned"] = is_zoned(_as_text(column)).sum()
        if (limit := largest_exact(column.type())) is not None:
            facts["inexact"] = (reals.abs() >= limit).sum()
        return facts

    def check(self, rows: ir.Table, facts: Facts) -> None:
        """Refuses times that are unreadable, negative, inexact, not finite, or of another unit."""
        column, found = rows[self.name], facts[self.name]
        numbers = _read_numbers(column, self.loading)
        refuse_bad_times(column, numbers, self.key, self.loading, found)
        names_zones = any("%Z" in layout for layout in self.loading.time_format)
        if self.loading.time_unit == "timestamp" and (found.get("zoned") or names_zones):
            refuse_abbreviations(_as_text(column), self.key)

    def read(self, rows: ir.Table, facts: Facts) -> dict[str, ir.Column]:
        """Reads the times, and `FINE` where reading them makes different ones equal."""
        if self.loading.time_unit == "timestamp":
            times = self.as_seconds(rows, facts, self.loading.whole_seconds)
        else:
            times = self._count_seconds(rows, facts)
        finer = self._find_finer(rows, facts)
        return {self.name: times} | ({} if finer is None else {FINE: finer})

    def as_seconds(self, rows: ir.Table, facts: Facts, whole: bool) -> ir.Column:
        """Reads moments as seconds since 1970."""
        moments = _read_moments(rows[self.name], self.loading, bool(facts[self.name].get("zoned")))
        seconds = _seconds(moments)
        return seconds if whole else cast(ir.Column, seconds + microsecond(moments) / 1e6)

    def _count_seconds(self, rows: ir.Table, facts: Facts) -> ir.Column:
        """Reads numbers of any unit, behind the date of their session where they have one."""
        unit, whole = self.loading.time_unit, self.loading.whole_seconds
        integral = bool(facts[self.name]["integral"])
        raw = cast(ir.NumericColumn, rows[self.name].cast("int64" if integral else "float64"))
        if self.date is not None:
            dates = cast(ir.IntegerColumn, self.date.as_seconds(rows, facts, whole=True))
            earliest = cast(ir.IntegerColumn, dates.min().over(ibis.window(group_by=SESSION)))
            start = earliest - earliest % int(DAY)  # a date may come with a time
            raw = raw + start * UNITS_PER_SECOND[unit]
        if unit == "ordinal" or (unit == "s" and (integral or not whole)):
            return raw
        scale = UNITS_PER_SECOND[unit]
        if not whole:
            return raw.cast("float64") / scale
        # without its remainder an integer divides exactly, also one of more than 53 bits
        return ((raw - raw % scale) / scale if integral else (raw / scale).floor()).cast("int64")

    def _find_finer(self, rows: ir.Table, facts: Facts) -> ir.Column | None:
        """Times that order events which are in equal seconds once read; None if none are."""
        loading, column = self.loading, rows[self.name]
        kind = column.type()
        if loading.ties == "item" or loading.date_key is not None or loading.time_unit == "ordinal":
            return None
        in_nanoseconds = loading.time_unit == "ns" or (kind.is_timestamp() and kind.scale == 9)
        if not (loading.whole_seconds or in_nanoseconds):
            return None
        if loading.time_unit != "timestamp":
            return column.cast("int64" if facts[self.name]["integral"] else "float64")
        return column if kind.is_timestamp() else self.as_seconds(rows, facts, whole=False)


def _formats(loading: LoadingConfig) -> list[str]:
    """Formats of times, behind their date where `join_date` set one there."""
    if loading.date_key is None:
        return loading.time_format
    return [f"{DAY_FORMAT} {clock}" for clock in loading.time_format]


def _read_numbers(column: ir.Column, loading: LoadingConfig) -> ir.NumericColumn:
    """Reads times as numbers in their unit; null where that fails."""
    if loading.time_unit == "timestamp":
        return _seconds(_read_moments(column, loading, zoned=None))
    if column.type().is_string():
        return read_number(cast(ir.StringColumn, column))
    return cast(ir.NumericColumn, column.cast("float64"))


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
