"""Times written as text: by a format or as ISO 8601, in whatever zone."""

import re
from collections.abc import Sequence
from typing import Any, cast

import ibis
import ibis.expr.types as ir

from gru4rec.errors import DataError
from gru4rec.preparation.engine.functions import (
    engine_of,
    is_on_spark,
    names_a_zone,
    parse_format,
    read_moment,
)

# Abbreviations that DuckDB knows as some zone, but that others mean otherwise (BST is Dhaka's time
# there, not London's) or that leave open whether summer time counts. UTC, GMT, EST, MST, HST and
# JST mean one offset all the year.
_AMBIGUOUS = (
    "ACT AET AGT ART AST BET BST CAT CET CNT CST CTT EAT ECT EET IET IST MET MIT NET NST PLT PNT "
    "PRT PST SST VST WET"
)
_ABBREVIATION = rf"(?i)(^|[^/\w])({'|'.join(_AMBIGUOUS.split())})([^/\w]|$)"
DAY_FORMAT = "%Y-%m-%d"
_WIDTHS = {"%Y": 4, "%j": 3, **dict.fromkeys(["%y", "%m", "%d", "%H", "%I", "%M", "%S"], 2)}


def read_formats(text: ir.StringColumn, formats: Sequence[str]) -> ir.TimestampColumn:
    """Reads text as moments in UTC, by the first format that fits; null where none does.

    Raises:
        DataError: The text is not on DuckDB.
    """
    if (engine := engine_of(text)) != "duckdb":
        raise DataError(
            f"time_format and date_format are read by DuckDB, but this log is a table of {engine}; "
            "turn the column into timestamps there (a view does), and set time_unit: timestamp "
            "alone"
        )
    # %f is of up to six digits, DuckDB's %n of up to nine
    variants = [v for f in formats for v in dict.fromkeys([f, f.replace("%f", "%n")])]
    return cast(ir.TimestampColumn, ibis.coalesce(*(_read_one(text, v) for v in variants)))


def _read_one(text: ir.StringColumn, layout: str) -> Any:
    if has_zone(layout):
        return parse_format(text, layout, zoned=True).cast("timestamp")
    moments = parse_format(text, layout, zoned=False).cast("timestamp")
    width = width_of(layout)
    # digits without anything between them are read from the left, however many there are
    return moments if width is None else ibis.cases((text.length() == width, moments))


def width_of(layout: str) -> int | None:
    """The length of what a format with adjacent numbers writes; None where it is not fixed."""
    parts = re.findall("%.|[^%]", layout)
    if not re.search("%[a-zA-Z]%[a-zA-Z]", layout) or any(
        part[0] == "%" and part not in _WIDTHS for part in parts
    ):
        return None
    return sum(_WIDTHS.get(part, 1) for part in parts)


def has_zone(layout: str) -> bool:
    """Tells whether a format has the offset or the name of a zone."""
    return bool(re.search("%[zZ]", layout.replace("%%", "")))


def read_iso(text: ir.StringColumn, zoned: bool | None = True) -> ir.TimestampColumn:
    """Reads ISO 8601 text as moments in UTC; null where it is none.

    Args:
        text: Dates, with or without a time; a time may end in an offset or the name of a zone.
        zoned: Whether some have a zone other than UTC (see `is_zoned`). False is faster; so is
            None, which may be hours off for times without a zone where others name one.
    """
    if zoned is None or is_on_spark(text):  # where each time is read by itself
        return read_moment(text)
    naive = text.try_cast("timestamp")  # reads past an offset, and is null with a name
    if not zoned:
        return cast(ir.TimestampColumn, naive)
    # After the name of a zone DuckDB reads times without one in that zone, too; so those are never
    # left to it.
    without = naive.notnull() & ~text.re_search(r":\d\d.*[+-]")
    return cast(ir.TimestampColumn, ibis.cases((without, naive), else_=read_moment(text)))


def is_zoned(text: ir.StringColumn) -> ir.BooleanColumn:
    """True where ISO 8601 text may have a zone other than UTC."""
    moments = read_moment(text)
    if is_on_spark(text):
        return cast(ir.BooleanColumn, moments.notnull() & names_a_zone(text))
    naive = read_iso(text, False)
    return cast(ir.BooleanColumn, moments.notnull() & (naive.isnull() | (naive != moments)))


def refuse_abbreviations(text: ir.StringColumn, name: str) -> None:
    """Checks text with names of zones for abbreviations that do not say the offset.

    Raises:
        DataError: There are some.
    """
    table = text.name("text").as_table()
    found = table["text"].re_search(_ABBREVIATION)
    facts = table.aggregate(n=found.sum(), example=table["text"].min(where=found))
    row = facts.to_pyarrow().to_pylist()[0]
    if row["n"]:
        raise DataError(
            f"The time column {name!r} has {row['n']:,} values such as {row['example']!r}, whose "
            "zone is an abbreviation that does not say for sure how far it is from UTC; write an "
            "offset (+01:00) or the name of a region (Europe/Berlin) instead"
        )
