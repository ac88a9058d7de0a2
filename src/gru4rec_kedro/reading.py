"""Parts of a log into memory; for nodes of more than one pipeline."""

import ibis.expr.types as ir
import pandas as pd

from gru4rec import DataError


def read_part(parts: dict[str, ir.Table], name: str) -> pd.DataFrame:
    """Reads one of the parts.

    Raises:
        DataError: It is empty.
    """
    frame: pd.DataFrame = parts[name].to_pandas()
    if frame.empty:
        raise DataError(
            f"the part {name!r} is empty: change the section 'data_split', or, where the section "
            "'experiment' names the part, name another"
        )
    return frame


def sum_up(part: pd.DataFrame) -> int:
    """Sums up the events of a part, in whatever order: other events have another sum."""
    return int(pd.util.hash_pandas_object(part, index=False).sum())
