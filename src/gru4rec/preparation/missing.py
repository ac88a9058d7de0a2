"""Values that are not there: null, NaN, blank text, and words that mean nothing."""

from collections.abc import Collection, Mapping, Sequence

import ibis
import ibis.expr.types as ir

from gru4rec.errors import DataError


def is_missing(column: ir.Column) -> ir.BooleanColumn:
    """True where a value is null, NaN or blank text."""
    kind = column.type()
    if kind.is_string():
        return column.isnull() | (column.strip() == "")
    if kind.is_floating():
        return column.isnull() | column.isnan()
    return column.isnull()


def without_words(column: ir.Column, words: Collection[str]) -> ir.Column:
    """Puts null where a value is one of the words (blanks around it do not count) or blank.

    Args:
        column: Of any kind; numbers are compared with the words that are whole numbers.
        words: Such as `NULL`.
    """
    kind = column.type()
    numbers = [int(word) for word in words if word.lstrip("-").isdecimal()]
    if kind.is_string() and numbers:
        return ibis.cases(
            (without_point_zero(column.strip()).isin(["", *words]), None), else_=column
        )
    if kind.is_string():
        # most ids are whole numbers, and then there is nothing to look up
        is_number = column.try_cast("int64").notnull()
        emptied = ibis.cases((column.strip().isin(["", *words]), None), else_=column)
        return ibis.cases((is_number, column), else_=emptied)
    if numbers and (kind.is_integer() or kind.is_floating() or kind.is_decimal()):
        return ibis.cases((column.isin(numbers), None), else_=column)
    return column


def without_point_zero(text: ir.StringColumn) -> ir.StringColumn:
    """Writes whole numbers plainly: 10.0 and 10. are 10."""
    plain = text.re_replace(r"\.0*$", "")
    return ibis.cases((text.re_search(r"^-?[0-9]+\.0*$"), plain), else_=text)


def refuse_missing(
    counts: Mapping[str, int], examples: Mapping[str, str] | None = None, rows: Sequence[int] = ()
) -> None:
    """Checks counts of missing values per column.

    Args:
        counts: Missing values by the user's name of the column.
        examples: A word that stands for nothing in a column, by that name.
        rows: Numbers of the first rows concerned, from 1; empty where rows have no order.

    Raises:
        DataError: There are some.
    """
    found = [
        f"{name!r} has {count:,}" + (f" (such as {example!r})" if example else "")
        for name, count in counts.items()
        if count
        for example in [(examples or {}).get(name)]
    ]
    if not found:
        return
    first = f"; first in row {', '.join(f'{row:,}' for row in rows)}" if rows else ""
    raise DataError(
        f"Missing values (null, NaN, blank text or a word that stands for nothing): "
        f"{', '.join(found)}{first}. Ids and times must be there in every row: mend these rows, or "
        "drop them, which drop_missing: true of the section 'loading' does; where such a word is "
        "an id, leave it out of the list 'missing' there"
    )
