"""Ids of sessions and items: exact, as 64-bit integers or as text."""

from collections.abc import Mapping
from typing import Any

import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from gru4rec.errors import DataError

_LARGEST_INT = 2**63 - 1
_LARGEST_EXACT_FLOAT = 2**53


def is_missing(column: ir.Column) -> ir.BooleanColumn:
    """True where a value is null, NaN or empty text."""
    kind = column.type()
    if kind.is_string():
        return column.isnull() | (column == "")
    if kind.is_floating():
        return column.isnull() | column.isnan()
    return column.isnull()


def measure_ids(column: ir.Column, name: str, from_text_file: bool) -> dict[str, ir.Scalar]:
    """Says what must be known of a column before `read_ids` can read it.

    Args:
        column: The raw ids.
        name: How the column is called by the user.
        from_text_file: Its values are text only because of the file's format.

    Returns:
        Aggregates: `odd` counts the values that are no 64-bit integer, `example` is one of them.

    Raises:
        DataError: The column holds neither numbers nor text.
    """
    odd = _is_odd(column, name, from_text_file)
    if odd is None:
        return {}
    odd &= ~is_missing(column)
    return {"odd": odd.sum(), "example": column.cast("string").min(where=odd)}


def _is_odd(column: ir.Column, name: str, from_text_file: bool) -> ir.BooleanColumn | None:
    """True where a value is no 64-bit integer; None where that is no question."""
    kind = column.type()
    if kind.is_string():
        if not from_text_file:
            return None
        number = column.try_cast("int64")
        return number.isnull() | (number.cast("string") != column)
    if kind.is_floating():
        # not floor(), which is a 64-bit integer in DuckDB and fails on infinity
        return (column % 1 != 0) | (column.abs() >= _LARGEST_EXACT_FLOAT)
    if kind.is_decimal():
        return (column % 1 != 0) | (column.abs() > _LARGEST_INT)
    if kind == dt.uint64:
        return column > _LARGEST_INT
    if kind.is_integer() or kind.is_uuid():
        return None
    raise DataError(f"The column {name!r} holds {kind} values; ids are integers or text")


def read_ids(column: ir.Column, name: str, facts: Mapping[str, Any]) -> ir.Column:
    """Reads ids as int64 where they are whole numbers, else as text.

    Args:
        column: The raw ids.
        name: How the column is called by the user.
        facts: The values of `measure_ids`.

    Raises:
        DataError: Some ids are numbers that a 64-bit integer cannot hold.
    """
    odd = facts.get("odd") or 0
    if column.type().is_string():
        whole = "odd" in facts and odd == 0
        return column.cast("int64") if whole else column.cast("string")
    if column.type().is_uuid():
        return column.cast("string")
    if odd:
        raise DataError(
            f"The column {name!r} of type {column.type()} has {odd:,} ids such as "
            f"{facts['example']} that cannot be kept exact as 64-bit integers (a float holds whole "
            "numbers below 2**53); store the column as text or as integers"
        )
    return column.cast("int64")
