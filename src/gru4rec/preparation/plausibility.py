"""Whether times can be what their unit says: a log's events lie between 1971 and 2100."""

from datetime import UTC, datetime
from typing import Any, cast

import ibis.expr.types as ir

from gru4rec.errors import DataError
from gru4rec.preparation.engine.functions import is_infinite
from gru4rec.preparation.queries import fetch_row

DAY = 86_400.0
UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_YEAR_1971 = 31_536_000
_YEAR_2100 = 4_102_444_800
_MOST = 0.9
_RARE, _MANY = 0.01, 0.1


def date_text(seconds: float | None) -> str:
    """Says epoch seconds as a date and time in UTC, ISO 8601; empty text for None."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return "beyond the year 9999"


def is_plausible(seconds: float | None) -> bool:
    """Tells whether a number is a time between 1971 and 2100, in seconds since 1970."""
    return seconds is not None and _YEAR_1971 <= seconds <= _YEAR_2100


def lies_outside(numbers: ir.NumericColumn, unit: str) -> ir.BooleanColumn:
    """True where a number, in the unit, is no time between 1971 and 2100."""
    scale = UNITS_PER_SECOND.get(unit, 1)
    return ~cast(ir.BooleanColumn, numbers.between(_YEAR_1971 * scale, _YEAR_2100 * scale))


def find_unit(numbers: ir.NumericColumn) -> tuple[str | None, str]:
    """Finds the unit in which most numbers are times between 1971 and 2100.

    Returns:
        The unit, or None if none fits most; and what fits how many, in words.
    """
    facts = _count_units(numbers, "s")
    best, _ = _rank_units(facts)
    return (best if _fits_most(facts, best) else None), _describe(facts)


def refuse_outside(numbers: ir.NumericColumn, name: str, unit: str) -> None:
    """Refuses times outside 1971 to 2100, with what they look like.

    Args:
        numbers: The times in their unit, of which some lie outside.
        name: How the column is called by the user.
        unit: `time_unit`.

    Raises:
        DataError: Always.
    """
    facts = _count_units(numbers, unit)
    if facts["lowest"] is None:  # the statistics in a Parquet file may deny values that are there
        raise DataError(
            f"The time column {name!r} has other values at each reading; its file is damaged, "
            "export it again"
        )
    shown = " and ".join(dict.fromkeys(_say(facts[end], unit) for end in ("lowest", "highest")))
    zeros = f" ({facts['zeros']:,} of them are 0)" if facts["zeros"] else ""
    raise DataError(
        f"The time column {name!r} has {facts['outside']:,} of {facts['total']:,} times that as "
        f"time_unit {unit!r} lie outside the years 1971 to 2100{zeros}, such as {shown}. "
        f"{_advise(facts, unit)}"
    )


def _count_units(numbers: ir.NumericColumn, unit: str) -> dict[str, Any]:
    table = numbers.name("number").as_table()
    numbers = cast(ir.NumericColumn, table["number"])
    outside = lies_outside(numbers, unit)
    real = cast(ir.FloatingColumn, numbers.cast("float64"))
    finite = ~(real.isnan() | is_infinite(real))
    fits = {f"fits_{name}": (~lies_outside(numbers, name)).sum() for name in UNITS_PER_SECOND}
    return fetch_row(
        table.aggregate(
            total=numbers.count(),
            zeros=(numbers == 0).sum(),
            outside=outside.sum(),
            kinds=numbers.nunique(where=outside),
            lowest=numbers.min(where=outside & finite),
            highest=numbers.max(where=outside & finite),
            **fits,
        )
    )


def _rank_units(facts: dict[str, Any]) -> tuple[str, str]:
    """The unit that fits most numbers, and the next."""
    first, second, *_ = sorted(UNITS_PER_SECOND, key=lambda name: -(facts[f"fits_{name}"] or 0))
    return first, second


def _fits_most(facts: dict[str, Any], unit: str) -> bool:
    """Zeros are in no unit, so they do not count."""
    n = facts["total"] - (facts["zeros"] or 0)
    return bool(n and (facts[f"fits_{unit}"] or 0) >= _MOST * n)


def _advise(facts: dict[str, Any], unit: str) -> str:
    best, second = _rank_units(facts)
    if unit not in UNITS_PER_SECOND:
        return (
            "Mend or drop these rows; with drop_missing: true, rows are dropped that have, as "
            "time, session or item, a value that is listed in missing of the section 'loading' "
            "(such as '9999-12-31 00:00:00')"
        )
    if _are_mixed(facts, second):
        return (
            f"The log mixes units: {_describe(facts)}. Bring all times to one unit before they "
            "are loaded"
        )
    if _fits_most(facts, best) and best != unit:
        return f"Set time_unit: {best} in the section 'loading': {_describe(facts)}"
    if facts[f"fits_{best}"]:
        return (
            f"Mend or drop these rows ({_describe(facts)}); with drop_missing: true, rows are "
            "dropped that have, as time, session or item, a value that is listed in missing of "
            "the section 'loading'"
        )
    return (
        "No other unit fits, either. Set time_unit: ordinal in the section 'loading' if they are "
        "no clock (a number that only orders events), or mend them"
    )


def _are_mixed(facts: dict[str, Any], second: str) -> bool:
    share = (facts[f"fits_{second}"] or 0) / facts["total"]
    # one value that comes now and then stands for "never" or "unknown", and is no other unit
    return bool(share > (_RARE if facts["kinds"] > 1 else _MANY))


def _describe(facts: dict[str, Any]) -> str:
    fitting = {name: facts[f"fits_{name}"] or 0 for name in UNITS_PER_SECOND}
    said = [f"{name} fits {n:,}" for name, n in fitting.items() if n]
    return f"{', '.join(said) or 'no unit fits any'} of {facts['total']:,}"


def _say(number: float, unit: str) -> str:
    date = date_text(number / UNITS_PER_SECOND.get(unit, 1))
    return date if unit == "timestamp" else f"{number:.15g} ({date})"
