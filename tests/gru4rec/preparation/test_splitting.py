import math

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gru4rec.config import DataSplitConfig
from gru4rec.errors import DataError
from gru4rec.preparation import split_sessions

DAY = 86_400
T0 = 1_500_000_000
ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 12)), min_size=1, max_size=50
)


def frame(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])


def options(**given: object) -> DataSplitConfig:
    return DataSplitConfig.parse(given, "test")


def sessions_of(events: pd.DataFrame) -> list[int]:
    return sorted(events["SessionId"].unique().tolist())


def tables_in(connection: ibis.BaseBackend) -> list[str]:
    # list_tables of ibis 12 warns on duckdb 1.5
    return [name for (name,) in connection.raw_sql("SHOW TABLES").fetchall()]


def cut(events: pd.DataFrame, boundary: float, whole: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The specification of one cut, in pandas."""
    times = events.groupby("SessionId")["Time"]
    is_late = times.transform("max" if whole else "min") >= boundary
    early = events[~is_late & (whole | (events["Time"] < boundary))]
    early = early[early.groupby("SessionId")["Time"].transform("size") > 1]
    return early, events[is_late]


def known(part: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    part = part[part["ItemId"].isin(training["ItemId"])]
    return part[part.groupby("SessionId")["Time"].transform("size") > 1]


@settings(max_examples=25, deadline=None)
@given(ROWS, st.integers(0, 13), st.integers(0, 13), st.booleans(), st.booleans())
def test_fixed_boundaries_equal_the_specification(
    rows: list[tuple[int, int, int]], first: int, second: int, whole: bool, known_items: bool
) -> None:
    valid_from, test_from = min(first, second), max(first, second) + 1
    events = frame(rows)
    train_full, test = cut(events, test_from, whole)
    train, valid = cut(train_full, valid_from, whole)
    if known_items:
        valid, test = known(valid, train), known(test, train_full)
    wanted = (train, valid, test, train_full)
    chosen = options(
        valid_from=valid_from,
        test_from=test_from,
        whole_sessions=whole,
        known_items_only=known_items,
    )
    if any(part.empty for part in wanted):
        with pytest.raises(DataError, match="empty"):
            split_sessions(events, chosen)
        return
    for found, part in zip(split_sessions(events, chosen), wanted, strict=True):
        order = ["SessionId", "Time", "ItemId"]
        pd.testing.assert_frame_equal(found, part.sort_values(order).reset_index(drop=True))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=8, max_size=20),
    st.sampled_from([0.1, 0.25, 0.3]),
    st.sampled_from([0.0, 0.1, 0.25]),
)
def test_fractions_take_the_newest_sessions(
    spans: list[tuple[int, int]], test_fraction: float, valid_fraction: float
) -> None:
    rows = [(s, i, start + i * length) for s, (start, length) in enumerate(spans) for i in (0, 1)]
    starts = sorted((start for start, _ in spans), reverse=True)
    boundary = starts[max(1, round(test_fraction * len(spans))) - 1]
    train_full, test = cut(frame(rows), boundary, False)
    before = sorted(train_full.groupby("SessionId")["Time"].min(), reverse=True)
    wanted = max(1, round(valid_fraction * len(spans)))
    if len(before) < wanted:
        return
    train, valid = cut(train_full, before[wanted - 1] if valid_fraction else math.inf, False)
    chosen = options(test_fraction=test_fraction, valid_fraction=valid_fraction)
    if train.empty or train_full.empty:
        with pytest.raises(DataError, match=r"leaves .*train.* empty"):
            split_sessions(frame(rows), chosen)
        return
    parts = split_sessions(frame(rows), chosen)
    assert sessions_of(parts.test) == sessions_of(test)
    assert sessions_of(parts.valid) == sessions_of(valid)
    assert sessions_of(parts.train) == sessions_of(train)
    assert parts.train_full["Time"].max() < boundary


def test_a_straddling_session_loses_its_tail_and_goes_if_one_event_is_left() -> None:
    events = frame([(1, 1, 0), (1, 2, 1), (1, 3, 9), (2, 1, 5), (2, 2, 9), (3, 1, 8), (3, 2, 9)])
    parts = split_sessions(events, options(test_from=8, valid_fraction=0))
    assert parts.train_full.to_numpy().tolist() == [[1, 1, 0], [1, 2, 1]]
    assert sessions_of(parts.test) == [3]
    assert parts.valid.empty
    pd.testing.assert_frame_equal(parts.train, parts.train_full)


# six sessions of two events within a second, one starting per day
DAILY = frame([(s, i, s * DAY + i) for s in range(6) for i in (0, 1)])


@pytest.mark.parametrize(
    ("given", "valid", "test"),
    [
        ({"test_days": 1.25}, [3], [4, 5]),
        ({"test_days": 1.25, "valid_fraction": 0.5}, [3], [4, 5]),
        ({"test_days": 0.5, "valid_days": 2}, [3, 4], [5]),
        ({"test_from": 5 * DAY, "valid_days": 2}, [3, 4], [5]),
        ({"test_from": "1970-01-06", "valid_from": "1970-01-04"}, [3, 4], [5]),
        ({"test_from": 4 * DAY, "valid_fraction": 0.34}, [2, 3], [4, 5]),
        ({"test_fraction": 0.34, "valid_fraction": 0.01}, [3], [4, 5]),
        ({"test_fraction": 0.0, "valid_fraction": 0.2}, [5], []),
        ({"test_fraction": 0.0, "valid_days": 2}, [4, 5], []),
        ({"test_fraction": 0.0, "valid_fraction": 0.0}, [], []),
    ],
)
def test_which_option_sets_the_boundary(
    given: dict[str, object], valid: list[int], test: list[int]
) -> None:
    parts = split_sessions(DAILY, options(**given))
    assert sessions_of(parts.valid) == valid
    assert sessions_of(parts.test) == test


def test_the_2023_recipe_counts_days_from_the_test_boundary() -> None:
    # the newest session starts 1 s before the latest time; test from one day before that
    events = frame([(0, 1, 0), (0, 2, 1), (1, 1, 1.2 * DAY), (1, 2, 1.3 * DAY)])
    events = pd.concat([events, frame([(2, 1, 2.5 * DAY), (2, 2, 3 * DAY)])])
    parts = split_sessions(events, options(test_days=1))
    assert (sessions_of(parts.train), sessions_of(parts.valid)) == ([0], [1])
    assert sessions_of(parts.test) == [2]


def test_the_rsc15_recipe_moves_whole_sessions_by_their_last_event() -> None:
    rows = [(0, 1, 0), (0, 2, 1), (1, 1, 1.1 * DAY), (1, 2, 1.6 * DAY), (2, 1, 1.9 * DAY)]
    rows += [(2, 2, 2.1 * DAY), (3, 1, 2.9 * DAY), (3, 9, 3 * DAY), (3, 2, 3 * DAY)]
    parts = split_sessions(
        frame(rows), options(test_days=1, whole_sessions=True, known_items_only=True)
    )
    assert sessions_of(parts.test) == [2, 3]
    assert parts.test["ItemId"].tolist() == [1, 2, 1, 2]  # 9 is not known
    # train_full ends at 1.6 days: validation from 0.6 days on, not from one day on
    assert sessions_of(parts.valid) == [1]
    assert sessions_of(parts.train) == [0]


def test_fractions_of_whole_sessions_go_by_the_last_event() -> None:
    rows = [(s, i, time) for s, times in enumerate([(0, 9), (1, 2), (3, 4), (5, 6)])
            for i, time in enumerate(times)]  # fmt: skip
    parts = split_sessions(
        frame(rows), options(test_fraction=0.25, valid_fraction=0.25, whole_sessions=True)
    )
    assert (sessions_of(parts.test), sessions_of(parts.valid)) == ([0], [3])


def test_fractional_and_whole_seconds_are_both_exact() -> None:
    third = 1_500_000_000.123
    rows = [
        (0, 1, 1e9),
        (0, 2, 1e9 + 1),
        (1, 1, third),
        (1, 2, third + 1),
        (2, 1, 2e9),
        (2, 1, 2e9),
    ]
    parts = split_sessions(frame(rows), options(test_from=2e9, valid_from=third))
    assert parts.valid["Time"].tolist() == [third, third + 1]
    whole = split_sessions(frame(rows).astype("int64"), options(test_from=2e9, valid_from=1.5e9))
    assert whole.valid["Time"].dtype == "int64"


@pytest.mark.parametrize(
    ("rows", "given", "message"),
    [
        (
            DAILY.to_numpy().tolist(),
            {"test_from": "2017-10-16"},
            r"leaves test empty\. Boundaries: test from 1508112000 \(2017-10-16T00:00:00\+00:00\), "
            r"valid from 432000\. Events: train 10, valid 2, test 0, train_full 12.*6 session",
        ),
        ([(1, 1, 5), (1, 2, 6)], {}, r"leaves train, train_full empty.*one session only"),
        ([(1, 1, 5), (1, 2, 6)], {"test_fraction": 0}, r"leaves train empty.*one session only"),
        (
            [(s, i, 5) for s in range(9) for i in (1, 2)],
            {},
            r"train_full empty.*from 5 to 5\. All events have the same time",
        ),
        (
            [(s, i, i) for s in range(9) for i in (0, 1, 2)],
            {},
            r"test from 0\. .*from 0 to 2\. The 9 sessions start at 1 time\(s\) only.* positions "
            r"within the session.*time_key.*order_key.*df\['Time'\] \+=",
        ),
        (  # the first events of some are gone
            [(s, i, i) for s in range(90) for i in (0, 1, 2) if i or s % 9],
            {},
            "The 90 sessions start at 2",
        ),
        (  # all users are there from the first day on
            [(u, i, T0 + u + i * DAY) for u in range(20) for i in range(9)],
            {},
            r"test from 1500000018 \(2017-07-14T02:40:18\+00:00\).* 19 of the 19 sessions that "
            r"begin by then go on after it, .* users.*loading\.session_gap",
        ),
        (DAILY.to_numpy().tolist(), {"test_from": 0}, "leaves train, train_full empty"),
        (
            [(1, 1, 0), (1, 2, 1), (2, 3, 5), (2, 4, 6)],
            {"test_from": 5, "valid_fraction": 0, "known_items_only": True},
            "leaves test empty",
        ),
    ],
)
def test_an_empty_part_is_refused(
    rows: list[tuple[int, int, float]], given: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        split_sessions(frame(rows), options(**given))


def test_the_ways_out_of_positions_lead_out() -> None:
    events = frame([(s, i, i) for s in range(9) for i in (0, 1, 2)])
    events["Time"] += events["SessionId"] * 1_000_000
    parts = split_sessions(events, options())
    assert [sessions_of(part) for part in parts] == [[*range(7)], [7], [8], [*range(8)]]


def test_no_events() -> None:
    with pytest.raises(DataError, match="no events to split"):
        split_sessions(DAILY.head(0), options())


def test_tables_are_lazy_and_leave_little_behind() -> None:
    connection = ibis.duckdb.connect()
    source = connection.create_table("source", pa.Table.from_pandas(DAILY), temp=True)
    parts = split_sessions(source, options(test_days=2))
    rows = {name: connection.table(name).count().to_pyarrow().as_py()
            for name in tables_in(connection)}  # fmt: skip
    # each cut keeps its late sessions and those left alone, not all sessions or events
    assert sorted(count for name, count in rows.items() if name != "source") == [1, 1, 1, 2]
    assert parts.train.get_backend() is connection
    assert parts.train_full.count().to_pyarrow().as_py() == 6
    del parts
    assert tables_in(connection) == ["source"]


def test_a_query_as_input_is_computed_once() -> None:
    connection = ibis.duckdb.connect()
    source = connection.create_table("source", pa.Table.from_pandas(DAILY), temp=True)
    query = source.mutate(ItemId=ibis.random())
    parts = split_sessions(query, options(test_days=2))
    columns = ["SessionId", "Time", "ItemId"]
    once, again = (parts.test.order_by(columns).to_pyarrow().to_pydict() for _ in range(2))
    assert once == again
