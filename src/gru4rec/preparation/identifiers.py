"""Ids of sessions and items: exact, as 64-bit integers or as text."""

import logging
import reprlib
from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from gru4rec.errors import DataError
from gru4rec.preparation.missing import is_missing, without_point_zero

_LARGEST_INT = 2**63 - 1
# from here on a float may stand for several whole numbers
LARGEST_EXACT = {dt.Float16: 2**11, dt.Float32: 2**24, dt.Float64: 2**53}
_LEADING_ZERO = r"^[+-]?0[0-9]+$"
_EXPONENT = r"^[+-]?[0-9]+([.,][0-9]*)?[eE][+]?[0-9]+$"

_log = logging.getLogger(__name__)


def measure_ids(column: ir.Column, name: str) -> dict[str, ir.Scalar]:
    """Says what must be known of a column before `read_ids` can read it.

    Args:
        column: The raw ids; null where they are missing.
        name: How the column is called by the user.

    Returns:
        Aggregates. Of text: `present` values, how many of them are `whole` numbers, written plainly
        or `alike` (` 10`, `10.0`), how many have blanks around them (`blank`), and `odd` ones,
        among them with a `zero` in front or an `exponent`. Of numbers: `odd` counts those that are
        no 64-bit integer. Each with an example.

    Raises:
        DataError: The column holds neither numbers nor text.
    """
    if column.type().is_string():
        return _measure_text(column)
    odd = _is_odd(column, name)
    if odd is None:
        return {}
    odd &= ~is_missing(column)
    return {"odd": odd.sum(), "example": column.cast("string").min(where=odd)}


def _measure_text(column: ir.Column) -> dict[str, ir.Scalar]:
    number = column.try_cast("int64")
    plain = (number.cast("string") == column).fill_null(False)
    # what is written plainly, as most ids are, needs no second look
    bare = ibis.cases((~plain, column.strip()))
    digits = without_point_zero(bare)
    number = digits.try_cast("int64")
    exact = (digits == bare) | (number.abs() < LARGEST_EXACT[dt.Float64])
    whole = ((number.cast("string") == digits) & exact).fill_null(False)
    odd = bare.notnull() & (bare != "") & ~whole
    zero, exponent = odd & bare.re_search(_LEADING_ZERO), odd & bare.re_search(_EXPONENT)
    blank = (bare != column).fill_null(False)
    counted = {"alike": whole, "odd": odd, "blank": blank, "zero": zero, "exponent": exponent}
    facts = {"present": (plain | (bare != "").fill_null(False)).sum(), "whole": plain.sum()}
    for fact, values in counted.items():
        facts[fact] = values.sum()
        facts[f"{fact}_example"] = column.min(where=values)
    return facts


def as_written(column: ir.Column) -> ir.Column:
    """Ids as `read_ids` reads them, but not turned from text into numbers; refuses nothing."""
    return without_point_zero(column.strip()) if column.type().is_string() else column


def _is_odd(column: ir.Column, name: str) -> ir.BooleanColumn | None:
    """True where a number is no 64-bit integer; None where that is no question."""
    kind = column.type()
    if kind.is_floating():
        # not floor(), which is a 64-bit integer in DuckDB and fails on infinity
        return (column % 1 != 0) | (column.abs() >= LARGEST_EXACT[type(kind)])
    if kind.is_decimal():
        return (column % 1 != 0) | (column.abs() > _LARGEST_INT)
    if kind == dt.uint64:
        return column > _LARGEST_INT
    if kind.is_integer() or kind.is_uuid():
        return None
    raise DataError(f"The column {name!r} holds {kind} values; ids are integers or text")


def read_ids(
    column: ir.Column, name: str, facts: Mapping[str, Any], from_text_file: bool
) -> ir.Column:
    """Reads ids as int64 where they are whole numbers, else as text.

    What is certainly the same id becomes one: blanks around ids go, and where most ids are whole
    numbers, `10.0` is `10`. What remains odd among whole numbers is told in a log line.

    Args:
        column: The raw ids; null where they are missing.
        name: How the column is called by the user.
        facts: The values of `measure_ids`.
        from_text_file: Its values are text only because of the file's format.

    Raises:
        DataError: Some ids are numbers that a 64-bit integer cannot hold.
    """
    kind = column.type()
    if kind.is_string():
        return _read_text(column, name, facts, from_text_file)
    if kind.is_uuid():
        return column.cast("string")
    if facts.get("odd"):
        exact = LARGEST_EXACT[type(kind)] if kind.is_floating() else 0
        why = f" ({kind} holds whole numbers below {exact:,} exactly)" if exact else ""
        raise DataError(
            f"The column {name!r} of type {kind} has {facts['odd']:,} ids such as "
            f"{facts['example']} that cannot be kept exact as 64-bit integers{why}; store the "
            "column as text or as integers"
        )
    return column.cast("int64")


def _read_text(
    column: ir.Column, name: str, facts: Mapping[str, Any], from_text_file: bool
) -> ir.Column:
    present, plain, alike, odd, blank = (
        facts[fact] or 0 for fact in ("present", "whole", "alike", "odd", "blank")
    )
    mostly_numbers = 2 * (plain + alike + (facts["exponent"] or 0)) > present
    _tell_of_odd_ids(name, facts, mostly_numbers)
    as_numbers = from_text_file and not odd
    if not alike and not blank:
        return column.cast("int64") if as_numbers else column
    bare = column.strip()
    if mostly_numbers:
        bare = without_point_zero(bare)
    return bare.cast("int64") if as_numbers else bare


def _tell_of_odd_ids(name: str, facts: Mapping[str, Any], mostly_numbers: bool) -> None:
    if facts["blank"] and facts["blank"] != facts["alike"]:
        _log.warning(
            "The column %r has %s ids with blanks around them, such as %s; they are read without",
            name,
            f"{facts['blank']:,}",
            reprlib.repr(facts["blank_example"]),
        )
    if not mostly_numbers:
        return
    if facts["alike"]:
        _log.warning(
            "The column %r has %s ids such as %s; they are read as the whole numbers that they are",
            name,
            f"{facts['alike']:,}",
            reprlib.repr(facts["alike_example"]),
        )
    if facts["odd"]:
        kinds = {"zero": "with a zero in front", "exponent": "of which an exponent hides digits"}
        told = [
            f"{facts[kind]:,} {what}, such as {reprlib.repr(facts[f'{kind}_example'])}"
            for kind, what in kinds.items()
            if facts[kind]
        ]
        _log.warning(
            "The column %r holds whole numbers, but is kept as text because of %s of %s ids, such "
            "as %s%s. Where they should be numbers, mend them: 7 and 007 are two ids, and what a "
            "spreadsheet wrote as 1.2E+15 has lost its last digits",
            name,
            f"{facts['odd']:,}",
            f"{facts['present']:,}",
            reprlib.repr(facts["odd_example"]),
            f" ({'; '.join(told)})" if told else "",
        )
