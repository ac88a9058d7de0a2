"""Ids of sessions and items: exact, as 64-bit integers or as text."""

import logging
import reprlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from gru4rec.errors import DataError
from gru4rec.frames.exactness import LARGEST_EXACT_DOUBLE, largest_exact
from gru4rec.preparation.blanks import has_blanks, without_blanks
from gru4rec.preparation.missing import is_missing, without_point_zero
from gru4rec.preparation.raw_columns import Facts, RawColumn
from gru4rec.preparation.reading import is_text_log

_LARGEST_INT = 2**63 - 1
_KINDS = ("whole", "alike", "zero", "exponent", "other")
_LONGEST_NUMBER = len(str(-(2**63)))
_LEADING_ZERO = r"^[+-]?0[0-9]+$"
_EXPONENT = r"^[+-]?[0-9]+([.,][0-9]*)?[eE][+]?[0-9]+$"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IdColumn(RawColumn):
    """Ids of sessions or items: int64 where they are whole numbers, else text.

    What is certainly the same id becomes one: blanks around ids go, and where most ids are whole
    numbers, `10.0` is `10`.
    """

    def measure(self, rows: ir.Table) -> dict[str, ir.Scalar]:
        """Says what must be known before the ids can be checked and read.

        Returns:
            Aggregates. Of text: how many values are `whole` numbers, written plainly, or `alike`
            (` 10`, `10.0`), have a `zero` in front, an `exponent`, or are `other` text, and how
            many have blanks around them (`blank`); each with an example. Of numbers: `odd` counts
            those that are no 64-bit integer, with an example.

        Raises:
            DataError: The column holds neither numbers nor text.
        """
        column = rows[self.name]
        if column.type().is_string():
            kinds = _kind_of(column, self.words)
            found = {kind: kinds == number for number, kind in enumerate(_KINDS)}
            found["blank"] = ~self.is_missing(rows) & has_blanks(column)
            return {fact: values.sum() for fact, values in found.items()} | {
                f"{fact}_example": column.min(where=values) for fact, values in found.items()
            }
        odd = _is_odd(column, self.key)
        if odd is None:
            return {}
        odd &= ~self.is_missing(rows)
        return {"odd": odd.sum(), "example": column.cast("string").min(where=odd)}

    def check(self, rows: ir.Table, facts: Facts) -> None:
        """Refuses numbers that a 64-bit integer cannot hold; tells what becomes of odd text."""
        found, kind = facts[self.name], rows[self.name].type()
        if "whole" in found:
            _tell_of_odd_ids(self.key, found)
        if found.get("odd"):
            exact = _largest_exact(kind) if kind.is_floating() else 0
            why = f" ({kind} holds whole numbers below {exact:,} exactly)" if exact else ""
            raise DataError(
                f"The column {self.key!r} of type {kind} has {found['odd']:,} ids such as "
                f"{found['example']} that cannot be kept exact as 64-bit integers{why}; store the "
                "column as text or as integers"
            )

    def read(self, rows: ir.Table, facts: Facts) -> dict[str, ir.Column]:
        """Reads the ids."""
        column = rows[self.name]
        if column.type().is_string():
            return {self.name: _read_text(column, facts[self.name], is_text_log(rows))}
        return {self.name: column.cast("string" if column.type().is_uuid() else "int64")}


def _kind_of(column: ir.StringColumn, words: Collection[str]) -> ir.IntegerColumn:
    """The place of each value in `_KINDS`; null for a missing one. What is cheap comes first."""
    bare = without_blanks(column)
    plain = without_point_zero(bare)
    number = plain.try_cast("int64")
    exact = (plain == bare) | (number.abs() < LARGEST_EXACT_DOUBLE)
    whole, alike, zero, exponent, other = range(len(_KINDS))
    return ibis.cases(
        (is_missing(column, words), None),
        ((column.length() > _LONGEST_NUMBER) & ~has_blanks(column), other),
        (column.try_cast("int64").cast("string") == column, whole),
        (bare.ascii_str() > ord("9"), other),
        ((number.cast("string") == plain) & exact, alike),
        (bare.re_search(_LEADING_ZERO), zero),
        (bare.re_search(_EXPONENT), exponent),
        else_=other,
    )


def as_written(column: ir.Column) -> ir.Column:
    """Ids as `IdColumn` reads them, but not turned from text into numbers; refuses nothing."""
    return without_point_zero(without_blanks(column)) if column.type().is_string() else column


def _largest_exact(kind: dt.DataType) -> int:
    return largest_exact(kind) or LARGEST_EXACT_DOUBLE


def _is_odd(column: ir.Column, name: str) -> ir.BooleanColumn | None:
    """True where a number is no 64-bit integer; None where that is no question."""
    kind = column.type()
    if kind.is_floating():
        # not floor(), which is a 64-bit integer in DuckDB and fails on infinity
        return (column % 1 != 0) | (column.abs() >= _largest_exact(kind))
    if kind.is_decimal():
        return (column % 1 != 0) | (column.abs() > _LARGEST_INT)
    if kind == dt.uint64:
        return column > _LARGEST_INT
    if kind.is_integer() or kind.is_uuid():
        return None
    raise DataError(f"The column {name!r} holds {kind} values; ids are integers or text")


def _read_text(column: ir.Column, facts: Mapping[str, Any], from_text_file: bool) -> ir.Column:
    as_numbers = from_text_file and not any(facts[kind] for kind in ("zero", "exponent", "other"))
    if not facts["alike"] and not facts["blank"]:
        return column.cast("int64") if as_numbers else column
    bare = without_blanks(column)
    if _are_mostly_numbers(facts):
        bare = without_point_zero(bare)
    return bare.cast("int64") if as_numbers else bare


def _are_mostly_numbers(facts: Mapping[str, Any]) -> bool:
    n = {kind: facts[kind] or 0 for kind in _KINDS}
    return bool(n["whole"] + n["alike"] + n["exponent"] > n["zero"] + n["other"])


def _tell_of_odd_ids(name: str, facts: Mapping[str, Any]) -> None:
    """Tells in log lines what becomes of text that is odd."""
    mostly_numbers = _are_mostly_numbers(facts)

    def such_as(fact: str, what: str) -> str:
        return f"{facts[fact]:,} {what} such as {reprlib.repr(facts[f'{fact}_example'])}"

    if mostly_numbers and facts["alike"]:
        _log.warning(
            "The column %r has %s; they are read as the whole numbers that they are",
            name,
            such_as("alike", "ids"),
        )
    elif facts["blank"]:
        _log.warning(
            "The column %r has %s; they are read without the blanks around them",
            name,
            such_as("blank", "ids"),
        )
    if not mostly_numbers and (facts["alike"] or 0) > (facts["blank"] or 0):
        _log.warning(
            "The column %r has %s; 10.0 and 10 are two ids here, because most ids are no numbers",
            name,
            such_as("alike", "ids"),
        )
    odd = {"zero": "with a zero in front,", "exponent": "with an exponent,", "other": "others,"}
    found = [such_as(kind, what) for kind, what in odd.items() if facts[kind]]
    if mostly_numbers and found:
        _log.warning(
            "The column %r holds whole numbers, but is kept as text because of ids that are none: "
            "%s. Where they should be numbers, mend them: 7 and 007 are two ids, and what a "
            "spreadsheet wrote as 1.2E+15 has lost its last digits",
            name,
            "; ".join(found),
        )
