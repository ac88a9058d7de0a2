import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gru4rec.config import SessionFilterConfig
from gru4rec.errors import DataError
from gru4rec.preparation import filter_sessions

ROWS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=40
)


def frame(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])


def options(**given: object) -> SessionFilterConfig:
    return SessionFilterConfig.parse(given, "test")


def tables_in(connection: ibis.BaseBackend) -> list[str]:
    # list_tables of ibis 12 warns on duckdb 1.5
    return [name for (name,) in connection.raw_sql("SHOW TABLES").fetchall()]


def expected(events: pd.DataFrame, chosen: SessionFilterConfig) -> pd.DataFrame:
    """What the specification says, in pandas and without any economy."""
    events = events.sort_values(["SessionId", "Time", "ItemId"])
    if chosen.drop_repeats:
        before = events.groupby("SessionId")["ItemId"].shift()
        events = events[before.isna() | (before != events["ItemId"])]
    least = {"SessionId": chosen.min_session_length, "ItemId": chosen.min_item_support}
    steps = ["SessionId", "ItemId"] * 100 if chosen.until_stable else ["SessionId", "ItemId"]
    for key in [*steps, "SessionId"]:
        events = events[events.groupby(key)["Time"].transform("size") >= least[key]]
    return events.reset_index(drop=True)


@settings(max_examples=25, deadline=None)
@given(ROWS, st.booleans(), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_equals_the_specification(
    rows: list[tuple[int, int, int]], repeats: bool, length: int, support: int, stable: bool
) -> None:
    events = frame(rows)
    chosen = options(
        drop_repeats=repeats,
        min_session_length=length,
        min_item_support=support,
        until_stable=stable,
    )
    wanted = expected(events, chosen)
    if wanted.empty:
        with pytest.raises(DataError, match="Nothing is left"):
            filter_sessions(events, chosen)
        return
    found, report = filter_sessions(events, chosen)
    pd.testing.assert_frame_equal(found, wanted)
    for name, column in (("events", None), ("sessions", "SessionId"), ("items", "ItemId")):
        start = len(events) if column is None else events[column].nunique()
        end = len(wanted) if column is None else wanted[column].nunique()
        left = report[f"{name}_left"]
        assert left.iloc[-1] == end
        assert (start - report[f"{name}_removed"].cumsum() == left).all()


def test_report_of_a_chain_that_unravels() -> None:
    # item 9 occurs once; without it session 3 is short; without that item 2 is rare, and so on
    events = frame([(1, 1, 1), (1, 2, 2), (2, 1, 1), (2, 1, 2), (3, 2, 1), (3, 9, 2), (4, 1, 1)])
    _, report = filter_sessions(events, options(min_item_support=2, min_session_length=1))
    assert report.iloc[0].tolist() == [0, "repeats", 1, 0, 0, 6, 4, 3]
    found, report = filter_sessions(events, options(drop_repeats=False, min_item_support=2))
    assert found["SessionId"].tolist() == [2, 2]
    columns = ["round", "step", "events_removed", "sessions_removed", "items_removed"]
    assert report[columns].to_numpy().tolist() == [
        [1, "sessions", 1, 1, 0],
        [1, "items", 1, 0, 1],
        [2, "sessions", 1, 1, 0],
        [2, "items", 1, 0, 1],
        [3, "sessions", 1, 1, 0],
        [3, "items", 0, 0, 0],
    ]


def test_once_is_sessions_items_sessions() -> None:
    events = frame([(1, 1, 1), (1, 2, 2), (2, 1, 1), (2, 1, 2), (3, 2, 1), (3, 9, 2), (4, 1, 1)])
    found, report = filter_sessions(
        events, options(drop_repeats=False, min_item_support=2, until_stable=False)
    )
    assert found["SessionId"].tolist() == [1, 1, 2, 2]
    assert report[["round", "step"]].to_numpy().tolist() == [
        [1, "sessions"],
        [1, "items"],
        [2, "sessions"],
    ]


def test_repeats_are_neighbours_by_time_then_row_and_go_once() -> None:
    # 5 5 6 5: the second 5 repeats; the last does not, also if 6 goes later
    events = frame([(1, 5, 4), (1, 6, 3), (1, 5, 2), (1, 5, 1), (2, 5, 5), (2, 7, 5), (2, 5, 5)])
    found, _ = filter_sessions(events, options(min_item_support=3, until_stable=False))
    assert found.to_numpy().tolist() == [[1, 5, 1], [1, 5, 4], [2, 5, 5], [2, 5, 5]]


def test_nothing_left_has_the_counts_of_each_round() -> None:
    message = (
        r"Nothing is left .*min_item_support 5;.*\n.*events_removed.*\n.*repeats.*\n.*sessions"
    )
    with pytest.raises(DataError, match=message):
        filter_sessions(frame([(1, 1, 1), (1, 2, 2)]), options())


def test_text_ids_and_unsorted_rows() -> None:
    events = frame([(2, 1, 2), (1, 1, 1), (2, 2, 1), (1, 2, 0)]).astype({"SessionId": str})
    found, _ = filter_sessions(events, options(min_item_support=2))
    assert found["SessionId"].tolist() == ["1", "1", "2", "2"]


def test_a_table_stays_where_it_is_and_only_the_result_is_left_behind() -> None:
    connection = ibis.duckdb.connect()
    source = connection.create_table(
        "source", pa.Table.from_pandas(frame([(1, 1, 1), (1, 2, 2), (2, 1, 1)])), temp=True
    )
    found, _ = filter_sessions(source, options(min_item_support=1))
    assert found.count().to_pyarrow().as_py() == 2
    assert len(tables_in(connection)) == 2
    assert source.count().to_pyarrow().as_py() == 3
    del found
    assert tables_in(connection) == ["source"]


def test_columns_and_nulls_are_checked() -> None:
    with pytest.raises(DataError, match="lacks the column 'Time'; it has SessionId, ItemId"):
        filter_sessions(frame([(1, 1, 1)]).drop(columns="Time"), options())
    with pytest.raises(DataError, match="'ItemId' has 1"):
        filter_sessions(frame([(1, 1, 1)]).assign(ItemId=[None]), options())
