"""Parts of a log into memory; for nodes of more than one pipeline."""

from typing import Any

import ibis.expr.types as ir
import numpy.typing as npt
import pandas as pd

from gru4rec import DataError, columns


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


def refuse_untestable(
    tested: pd.DataFrame, name: str, known: npt.NDArray[Any], trained_on: str
) -> None:
    """Checks that a model can be tested, before it is trained.

    Args:
        tested: The part that it is to be tested on.
        name: Name of that part.
        known: Ids of the items that the model will know.
        trained_on: Name of the part that it is to be trained on.

    Raises:
        DataError: No session has two events on known items, so that there is nothing to predict.
    """
    of_known = tested[tested[columns.ITEM].isin(known)]
    if of_known[columns.SESSION].duplicated().any():
        return
    raise DataError(
        f"nothing in the part {name!r} could be predicted after training on {trained_on!r}: of its "
        f"{len(tested):,} events, {len(tested) - len(of_known):,} are on items that are not in "
        f"{trained_on!r}, and no session has two of the others. Change the section 'data_split' "
        "(more days or a larger fraction for this part), or see whether both parts write their "
        "items in the same way"
    )


def sum_up(part: pd.DataFrame) -> int:
    """Sums up the events of a part, in whatever order: other events have another sum."""
    return int(pd.util.hash_pandas_object(part, index=False).sum())
