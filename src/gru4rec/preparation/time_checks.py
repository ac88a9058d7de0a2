"""What is refused of times before they are read, with the options that would read them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import ibis
import ibis.expr.types as ir

from gru4rec.config import LoadingConfig
from gru4rec.errors import DataError
from gru4rec.frames.exactness import largest_exact, refuse_inexact
from gru4rec.preparation.plausibility import UNITS_PER_SECOND, refuse_outside
from gru4rec.preparation.proposals import advise_for_numbers, advise_for_text, advise_format

_YEAR = 366 * 86_400


def counts_from_1970(loading: LoadingConfig) -> bool:
    """Tells times of a clock from such as count from the start of a session, or from anywhere."""
    unit = loading.time_unit
    return unit == "timestamp" or (unit != "ordinal" and loading.date_key is None)


def refuse_other_kind(column: ir.Column, name: str, loading: LoadingConfig) -> None:
    """Checks that a time column is of the kind that the unit says.

    Raises:
        DataError: It is not; the message names the setting that would read it.
    """
    kind, unit = column.type(), loading.time_unit
    if kind.is_string() or (kind.is_integer() and loading.time_format):
        return
    if kind.is_timestamp() or kind.is_date():
        if unit != "timestamp":
            raise DataError(
                f"The time column {name!r} holds {kind} values, but time_unit is {unit!r}; "
                "set time_unit: timestamp in the section 'loading'"
            )
        if loading.time_format:
            raise DataError(
                f"The time column {name!r} holds {kind} values, which need no time_format; leave "
                "it out in the section 'loading'"
            )
    elif kind.is_numeric() and not kind.is_boolean():
        if unit == "timestamp":
            raise DataError(
                f"The time column {name!r} holds {kind} values, but time_unit is 'timestamp'; "
                f"{advise_for_numbers(column, loading)}"
            )
    elif kind.is_time():
        raise DataError(
            f"The time column {name!r} holds {kind} values, which have no date; set date_key to "
            "the column of dates, and time_unit: timestamp, in the section 'loading'"
        )
    else:
        raise DataError(f"The time column {name!r} holds {kind} values; times are expected")


def refuse_bad_times(
    column: ir.Column,
    numbers: ir.NumericColumn,
    name: str,
    loading: LoadingConfig,
    facts: Mapping[str, Any],
) -> None:
    """Checks what was measured of times.

    Args:
        column: The raw times.
        numbers: The same in their unit; null where they cannot be read.
        name: How the column is called by the user.
        loading: How they are read.
        facts: The values of `measure_time`.

    Raises:
        DataError: A time is unreadable, negative, inexact or not finite, or the unit is
            implausible.
    """
    unit = loading.time_unit
    if facts["broken"]:
        advice = advise_for_text(
            keep_broken(column, numbers), loading, all_times=facts["latest"] is None
        )
        raise DataError(
            f"The time column {name!r} has {facts['broken']:,} values such as "
            f"{facts['example']!r} that are not {_expected(loading)}; {advice}"
        )
    if facts["infinite"]:
        raise DataError(
            f"The time column {name!r} has {facts['infinite']:,} values that are not finite; "
            "mend or drop these rows"
        )
    if limit := largest_exact(column.type()):
        refuse_inexact(name, column.type(), limit, facts["inexact"], facts["latest"])
    if facts["latest"] is None:  # the statistics in a Parquet file may deny nulls that are there
        raise DataError(
            f"The time column {name!r} has no value; its file is damaged, export it again"
        )
    if facts["negative"] and unit != "timestamp":
        raise DataError(
            f"The time column {name!r} has {facts['negative']:,} negative times (smallest "
            f"{facts['earliest']:g}); mend or drop these rows"
        )
    if facts.get("outside"):
        if unit != "timestamp":
            _refuse_digits_of_dates(column, name, loading)
        refuse_outside(numbers, name, unit)
    if not counts_from_1970(loading) and unit != "ordinal":
        _refuse_whole_times(name, unit, facts["latest"])


def _expected(loading: LoadingConfig) -> str:
    if loading.time_format:
        return f"of time_format {say_formats(loading.time_format)}"
    if loading.time_unit == "timestamp" and loading.date_key is not None:
        return "a date and a time of the day (such as 10:51:09)"
    return "a date and time (ISO 8601)" if loading.time_unit == "timestamp" else "a number"


def _refuse_digits_of_dates(column: ir.Column, name: str, loading: LoadingConfig) -> None:
    """Refuses numbers such as 20191001, which are dates written without signs between."""
    text = cast(ir.StringColumn, column.cast("string"))
    if advice := advise_format(text, loading, at_least=0.9):
        raise DataError(
            f"The times in the column {name!r} are no time_unit {loading.time_unit!r}, but look "
            f"like the digits of dates; {advice}"
        )


def keep_broken(column: ir.Column, numbers: ir.Column) -> ir.StringColumn:
    """The times that cannot be read, as text; null for the others."""
    return cast(ir.StringColumn, ibis.cases((numbers.isnull(), column.cast("string"))))


def say_formats(formats: Sequence[str]) -> str:
    """Names formats in a message."""
    return " or ".join(map(repr, formats))


def _refuse_whole_times(name: str, unit: str, latest: float) -> None:
    if latest / UNITS_PER_SECOND[unit] >= _YEAR:
        raise DataError(
            f"With date_key, the times in the column {name!r} count from the start of the session, "
            f"but the latest is {latest:.15g}, which as time_unit {unit!r} is more than a year; if "
            "they count from 1970, leave date_key out of the section 'loading'"
        )
