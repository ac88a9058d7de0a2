"""The gate: what every table of events must have, and the words in which it is refused."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import pandas as pd
from pandas.api import types

from gru4rec.columns import PLACE
from gru4rec.errors import DataError
from gru4rec.frames.foreign_frames import as_frame
from gru4rec.frames.headers import hint_at_header

TABLE = "The table of events"

_NAMED_BY_KEYS = "Set session_key, item_key and time_key of the section 'data' to the names in use"


def require_columns(
    present: Collection[object], wanted: Iterable[str], origin: str, advice: str = _NAMED_BY_KEYS
) -> None:
    """Checks that columns are there.

    Args:
        present: Names of the columns that are there.
        wanted: Names of those that must be.
        origin: What the table is, for the message.
        advice: What to do, unless the names look like data.

    Raises:
        DataError: One or more are missing; the message lists those present.
    """
    names = [str(name) for name in present]
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    lines = []
    for name in missing:
        close = get_close_matches(name, names, n=1)
        lines.append(f"{name!r}" + (f" (did you mean {close[0]!r}?)" if close else ""))
    raise DataError(
        f"{origin} lacks the column {', '.join(lines)}; it has {', '.join(names) or 'no columns'}. "
        + (hint_at_header(names) or advice)
    )


def pick_columns(
    data: Any, names: Iterable[str], origin: str = TABLE
) -> "dict[str, pd.Series[Any]]":
    """Takes columns of a table.

    Args:
        data: A DataFrame, or what `as_frame` makes one of.
        names: Of the columns.
        origin: What the table is, for messages.

    Returns:
        The columns by name.

    Raises:
        DataError: It is no table, or a column is missing or there several times.
    """
    frame = as_frame(data)
    names = list(dict.fromkeys(names))
    require_columns(frame.columns, names, origin)
    columns = {name: frame[name] for name in names}
    for name, column in columns.items():
        if isinstance(column, pd.DataFrame):
            raise DataError(f"{origin} has {column.shape[1]} columns named {name!r}; keep one")
    return columns


def pick_events(data: Any, names: Iterable[str], optional: str = "") -> "dict[str, pd.Series[Any]]":
    """Takes columns of a table of events that have a value in every row.

    Args:
        data: See `pick_columns`.
        names: Of the columns.
        optional: One more, taken if it is there.

    Returns:
        The columns by name.

    Raises:
        DataError: See `pick_columns`; or there are no rows, or values are missing.
    """
    frame = as_frame(data)
    columns = pick_columns(frame, [*names, *([optional] if optional in frame.columns else [])])
    refuse_no_rows(len(frame), TABLE)
    refuse_missing({name: _count_missing(column) for name, column in columns.items()})
    return columns


def refuse_no_rows(n_rows: int, origin: str) -> None:
    """Checks the number of rows.

    Raises:
        DataError: It is 0.
    """
    if n_rows == 0:
        raise DataError(f"{origin} is empty: it has columns but no rows; check where it comes from")


def _count_missing(column: "pd.Series[Any]") -> int:
    n_missing = int(column.isna().sum())
    if types.is_numeric_dtype(column.dtype) or types.is_datetime64_any_dtype(column.dtype):
        return n_missing
    try:
        blank = [text for text in column.unique() if isinstance(text, str) and not text.strip()]
    except TypeError:  # lists and the like are refused by whatever reads the column
        return n_missing
    return n_missing + int(column.isin(blank).sum())


def refuse_missing(
    counts: Mapping[str, int],
    examples: Mapping[str, str] | None = None,
    rows: Sequence[int] = (),
    advice: str = "mend or drop these rows",
) -> None:
    """Checks counts of missing values.

    Args:
        counts: Missing values by the user's name of the column.
        examples: A word that stands for nothing in a column, by that name.
        rows: Numbers of the first rows concerned, from 1; empty where rows have no order.
        advice: What to do.

    Raises:
        DataError: There are some.
    """
    if counts.get(PLACE):
        raise DataError(
            f"column {PLACE!r} has {counts[PLACE]:,} missing value(s), as where events with it "
            "are put together with such as have none; it orders a session's events in equal times: "
            "number all of them, or drop the column, and the order of the rows counts"
        )
    found = [
        f"{name!r} has {count:,}" + (f" (such as {example!r})" if example else "")
        for name, count in counts.items()
        if count
        for example in [(examples or {}).get(name)]
    ]
    if found:
        first = f"; first in row {', '.join(f'{row:,}' for row in rows)}" if rows else ""
        raise DataError(
            f"Missing values (null, NaN or blank text): {', '.join(found)}{first}. Ids and times "
            f"must be there in every row: {advice}"
        )
