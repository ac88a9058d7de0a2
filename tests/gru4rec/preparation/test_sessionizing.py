import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.preparation import load_events

T0 = 1_500_000_000
KEYS = DataConfig(session_key="user", item_key="item", time_key="time")


def sessionize(frame: pd.DataFrame, **options: object) -> pd.DataFrame:
    return load_events(frame, KEYS, LoadingConfig.parse(options, "test"))


def frame(rows: list[tuple[object, int, float]]) -> pd.DataFrame:
    raw = pd.DataFrame(rows, columns=["user", "item", "time"])
    return raw.assign(time=raw["time"] + T0)


def test_a_pause_longer_than_the_gap_starts_a_session() -> None:
    events = sessionize(
        frame([("a", 1, 0), ("a", 2, 60), ("a", 3, 121), ("b", 4, 0)]), session_gap=60
    )
    assert events["SessionId"].tolist() == [1, 1, 2, 3]
    assert events["SessionId"].dtype == "int64"


@pytest.mark.parametrize(("moment", "sessions"), [("before", [1, 2]), ("after", [1, 1])])
def test_events_that_are_filtered_away_bridge_a_pause_only_if_filtered_after(
    moment: str, sessions: list[int]
) -> None:
    raw = frame([(1, 1, 0), (1, 2, 50), (1, 3, 100)]).assign(kind=["view", "scroll", "view"])
    raw["item"] = raw["item"].astype("Int64")
    raw.loc[1, "item"] = pd.NA  # what is filtered away may have no item
    events = sessionize(
        raw, session_gap=60, event_key="kind", event_types=["view"], filter_events=moment
    )
    assert events["SessionId"].tolist() == sessions
    assert events["ItemId"].tolist() == [1, 3]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 12)), min_size=1, max_size=30
    ),
    st.randoms(use_true_random=False),
)
def test_equals_a_walk_over_the_sorted_rows_whatever_their_order(
    rows: list[tuple[int, int, int]], random: object
) -> None:
    random.shuffle(rows)  # type: ignore[attr-defined]
    expected = []
    session, last = 0, (None, 0)
    for user, item, time in sorted(rows, key=lambda row: (row[0], row[2])):
        session += user != last[0] or time - last[1] > 2
        last = (user, time)
        expected.append((session, time + T0, item))
    events = sessionize(frame(rows), session_gap=2)
    found = list(events[["SessionId", "Time", "ItemId"]].itertuples(index=False, name=None))
    assert found == expected
