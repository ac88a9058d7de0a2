"""What DuckDB and Spark write, or understand, in different ways: one function for both."""

import math
import string
from typing import Any, cast

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

# What both engines take for a date and time, and read alike. By itself Spark reads 12:34:56 as a
# time of today and 2020 as a day, and reads past some offsets.
_DATE = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"
_CLOCK = r"\d{1,2}:\d{1,2}(:\d{1,2}(\.\d*)?)?"
_ZONE = r"(Z|[+-]\d\d(:?\d\d)?| [A-Z][A-Za-z_]+(/[\w+-]+)*)"
_ISO = rf"^\s*{_DATE}([T\s]{_CLOCK}{_ZONE}?)?\s*$"


def _of_one(value: Any) -> Any:
    """Stands for a function that the engine has."""


def _of_two(value: Any, option: str) -> Any:
    """Likewise, with an option."""


_UTC, _TEXTS = dt.Timestamp("UTC"), (dt.string, dt.string)
_builtin = ibis.udf.scalar.builtin
_trim = _builtin(_of_two, name="trim", signature=(_TEXTS, dt.string))
_try_strptime = _builtin(_of_two, name="try_strptime", signature=(_TEXTS, dt.timestamp))
_try_strptime_zoned = _builtin(_of_two, name="try_strptime", signature=(_TEXTS, _UTC))
_unix_micros = _builtin(_of_one, name="unix_micros", signature=((_UTC,), dt.int64))


def engine_of(value: ir.Expr) -> str:
    """The name of the engine of a table or a column: `duckdb`, `pyspark`, …."""
    name: str = value.get_backend().name
    return name


def is_on_spark(value: ir.Expr) -> bool:
    """Tells what Spark or Databricks computes."""
    return engine_of(value) in {"pyspark", "databricks"}


def strip_blanks(text: ir.StringColumn) -> ir.StringColumn:
    """Takes the blanks around text away: those of ASCII, and U+00A0."""
    if is_on_spark(text):
        # not btrim: of the list of blanks in a query, Spark reads \v and \f as letters
        return text.re_replace(r"^[\s\xA0]+|[\s\xA0]+$", "")
    return cast(ir.StringColumn, _trim(text, string.whitespace + "\u00a0"))


def parse_format(text: ir.StringColumn, layout: str, *, zoned: bool) -> Any:
    """Reads text by a format, null where it is not of it; on DuckDB only."""
    return (_try_strptime_zoned if zoned else _try_strptime)(text, layout)


def read_number(text: ir.StringColumn) -> ir.FloatingColumn:
    """Reads text as a 64-bit float; null where it is none."""
    number = text.try_cast("float64")
    if is_on_spark(text):
        # as Java writes a float or a double, and as DuckDB groups digits
        number = ibis.cases(
            (text.re_search(r"\d\.?[dDfF]\s*$"), None),
            (text.re_search(r"\d_\d"), text.replace("_", "").try_cast("float64")),
            else_=number,
        )
    return cast(ir.FloatingColumn, number)


def read_moment(text: ir.StringColumn) -> ir.TimestampColumn:
    """Reads ISO 8601 text in whatever zone as a moment in UTC; null where it is none."""
    if is_on_spark(text):
        text = ibis.cases((text.re_search(r"^\s*\d{4}/"), text.replace("/", "-")), else_=text)
        text = ibis.cases((text.re_search(_ISO), text), else_=None)
    return cast(ir.TimestampColumn, text.try_cast("timestamp('UTC')").cast("timestamp"))


def names_a_zone(text: ir.StringColumn) -> ir.BooleanColumn:
    """True where text ends in the name of a zone."""
    return cast(ir.BooleanColumn, text.re_search(r"[A-Za-z]{2}"))


def microsecond(moments: ir.TimestampColumn) -> ir.IntegerColumn:
    """The microseconds of a moment's second."""
    if not is_on_spark(moments):
        return moments.microsecond()
    micros = _unix_micros(moments.cast("timestamp('UTC')"))
    return cast(ir.IntegerColumn, (micros % 10**6 + 10**6) % 10**6)


def is_infinite(reals: ir.NumericValue) -> ir.BooleanValue:
    """True for both infinities."""
    # Ibis takes isinf() for false on Spark
    return cast(ir.BooleanValue, reals.abs() == math.inf)
