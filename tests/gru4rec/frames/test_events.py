"""The same mistake is refused in the same words wherever a table of events comes in."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from gru4rec.config import DataConfig, DataSplitConfig, LoadingConfig
from gru4rec.data.sessions import order_sessions
from gru4rec.errors import DataError
from gru4rec.preparation import load_events, split_sessions, train_valid_test_split

KEYS = ("SessionId", "ItemId", "Time")
DOORS: list[Callable[[Any], Any]] = [
    lambda log: order_sessions(log, *KEYS),
    train_valid_test_split,
    lambda log: load_events(log, DataConfig(), LoadingConfig(time_unit="ordinal")),
    lambda log: split_sessions(log, DataSplitConfig()),
]
LOG = pd.DataFrame({"SessionId": ["a", "a"], "ItemId": ["x", "y"], "Time": [1, 2]})


@pytest.mark.parametrize("door", DOORS, ids=["arrays", "pandas split", "loading", "split"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda log: log.rename(columns={"ItemId": "Item"}),
            r"lacks the column 'ItemId' \(did you mean 'Item'\?\); it has SessionId, Item, Time\.",
        ),
        (
            lambda log: log.set_axis(["1", "2", "1600000000"], axis=1),
            r"lacks the column .*The first line \(1, 2, 1600000000\) looks like data",
        ),
        (
            lambda log: pd.concat([log, log[["ItemId"]]], axis=1),
            "has 2 columns named 'ItemId'; keep one",
        ),
        (
            lambda log: log.assign(ItemId=["x", None], SessionId=["", " "]),
            r"Missing values \(null, NaN or blank text\): 'SessionId' has 2.*, 'ItemId' has 1",
        ),
        (lambda log: log.assign(Time=[1, None]), r"Missing values .*: 'Time' has 1"),
        (list, "A table of events is expected, not builtins.list"),
    ],
    ids=["no column", "no header", "twice", "no ids", "no time", "no table"],
)
def test_one_mistake_has_one_message(
    door: Callable[[Any], Any], change: Callable[[pd.DataFrame], Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        door(change(LOG))


@pytest.mark.parametrize("door", DOORS[:3], ids=["arrays", "pandas split", "loading"])
def test_no_rows_are_refused(door: Callable[[Any], Any]) -> None:
    with pytest.raises(DataError, match="is empty: it has columns but no rows"):
        door(LOG.head(0))
