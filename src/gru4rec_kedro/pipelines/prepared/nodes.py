"""Takes the four parts of a log as they are, after checking them."""

import ibis.expr.types as ir
import pandas as pd

from gru4rec import DataConfig, DataError, LoadingConfig, columns, load_events
from gru4rec.preparation import describe_parts, require_columns

_NAMES = (columns.SESSION, columns.ITEM, columns.TIME)
# of the times nothing is needed but their order, so numbers may be of any unit
_NUMBERS, _DATES = LoadingConfig(time_unit="ordinal"), LoadingConfig(time_unit="timestamp")
_QUALITY_COLUMNS = ["step"] + [
    f"{of}_{what}" for what in ("removed", "left") for of in ("events", "sessions", "items")
]


def load_prepared(
    train_tr: ir.Table, train_valid: ir.Table, test: ir.Table, train_full: ir.Table
) -> tuple[ir.Table, ir.Table, ir.Table, ir.Table, pd.DataFrame]:
    """Checks the parts that are there.

    Returns:
        train, valid, test and train_full; and an empty table of what was dropped: nothing.

    Raises:
        DataError: A part lacks a column, is empty, or has ids or times that cannot be read; or
            the parts have ids of different kinds.
    """
    raw = {"train_tr": train_tr, "train_valid": train_valid, "test": test, "train_full": train_full}
    parts = {name: _check(name, part) for name, part in raw.items()}
    for key in (columns.SESSION, columns.ITEM):
        kinds = {name: str(part[key].type()) for name, part in parts.items()}
        if len(set(kinds.values())) > 1:
            raise DataError(
                f"{key} is not of one kind in all parts: "
                f"{', '.join(f'{kind} in {name}' for name, kind in kinds.items())}; the same id "
                "would not be the same in each. Store the column as one kind in all four files"
            )
    quality = pd.DataFrame(columns=_QUALITY_COLUMNS)
    return parts["train_tr"], parts["train_valid"], parts["test"], parts["train_full"], quality


def describe_prepared(
    train: ir.Table, valid: ir.Table, test: ir.Table, train_full: ir.Table
) -> pd.DataFrame:
    """Counts events, sessions and items of each part, a row a part; without dates."""
    parts = {"train": train, "valid": valid, "test": test, "train_full": train_full}
    return describe_parts(parts, dated=False)


def _check(name: str, part: ir.Table) -> ir.Table:
    advice = f"Prepared files have the columns {', '.join(_NAMES)}: rename them"
    require_columns(part.columns, _NAMES, f"The prepared part {name}", advice)
    try:
        return load_events(part, DataConfig(), _DATES if _begins_with_a_date(part) else _NUMBERS)
    except DataError as error:
        raise DataError(f"The prepared part {name}: {error}") from None


def _begins_with_a_date(part: ir.Table) -> bool:
    text = part[columns.TIME].cast("string")
    first = part.select(text=text, number=text.try_cast("float64")).limit(1)
    rows = first.to_pyarrow().to_pylist()
    return any(row["text"] is not None and row["number"] is None for row in rows)
