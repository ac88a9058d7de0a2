"""Values that are not there: null, NaN, blank text, and words that mean nothing."""

from collections.abc import Collection
from datetime import datetime

import ibis
import ibis.expr.types as ir

from gru4rec.preparation.blanks import begins_with_blank, without_blanks


def is_missing(column: ir.Column, words: Collection[str] = ()) -> ir.BooleanColumn:
    """True where a value is null, NaN, blank text or one of the words.

    Args:
        column: Of any kind; numbers are compared with the words that are whole numbers, and
            timestamps with those that are dates.
        words: Such as `NULL`; blanks around them do not count.
    """
    kind = column.type()
    if kind.is_string():
        return column.isnull() | _is_word(column, words)
    missing = column.isnull()
    if kind.is_floating():
        missing |= column.isnan()
    numbers = [int(word) for word in words if _is_whole(word)]
    if numbers and (kind.is_integer() or kind.is_floating() or kind.is_decimal()):
        missing |= column.isin(numbers).fill_null(False)
    moments = [moment for word in words if (moment := _as_moment(word))]
    if moments and (kind.is_timestamp() or kind.is_date()):
        missing |= column.cast("timestamp").isin(moments).fill_null(False)
    return missing


def _as_moment(word: str) -> datetime | None:
    try:
        return datetime.fromisoformat(word).replace(tzinfo=None)
    except ValueError:
        return None


def _is_word(column: ir.StringColumn, words: Collection[str]) -> ir.BooleanColumn:
    bare = without_blanks(column)
    if any(_is_whole(word) for word in words):
        return without_point_zero(bare).isin(["", *words])
    # of most values the first character or the length tells, at a tenth of the cost
    first = column.ascii_str()
    firsts = [ord("0"), *(ord(word[0]) for word in words if word[:1].isdecimal())]
    longest = max(map(len, words), default=0)
    return ibis.cases(
        (first.between(max(firsts) + 1, ord("9")), False),
        (~begins_with_blank(column) & (column.length() > longest), False),
        else_=bare.isin(["", *words]),
    )


def _is_whole(word: str) -> bool:
    return word.removeprefix("-").isdecimal()


def words_that_are_no_numbers(words: Collection[str]) -> list[str]:
    """Those that stand for nothing also where numbers count from 0, such as positions."""
    return [word for word in words if not _is_whole(word)]


def without_words(column: ir.Column, words: Collection[str]) -> ir.Column:
    """Puts null where a value is missing, see `is_missing`."""
    return ibis.cases((is_missing(column, words), None), else_=column)


def without_point_zero(text: ir.StringColumn) -> ir.StringColumn:
    """Writes whole numbers plainly: 10.0 and 10. are 10."""
    is_one = ibis.cases((text.contains("."), text.re_search(r"^-?[0-9]+\.0*$")), else_=False)
    return ibis.cases((is_one, text.re_replace(r"\.0*$", "")), else_=text)
