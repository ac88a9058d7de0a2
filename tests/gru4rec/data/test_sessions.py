from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.data.sessions import Sessions, order_sessions
from gru4rec.errors import DataError

KEYS = ("SessionId", "ItemId", "Time")
EVENTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(-3, 3), st.integers(0, 4)), min_size=1, max_size=30
)


def frame(rows: list[tuple[Any, Any, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(KEYS))


def lists_of(sessions: Sessions) -> dict[Any, list[Any]]:
    ends = sessions.offsets[1:-1]
    parts = np.split(sessions.items, ends)
    return {
        key: part.tolist() for key, part in zip(sessions.session_ids.tolist(), parts, strict=True)
    }


@given(EVENTS)
def test_events_are_ordered_by_session_time_and_row(rows: list[tuple[int, int, int]]) -> None:
    sessions = order_sessions(frame(rows), *KEYS)

    in_order = sorted(rows, key=lambda row: (row[0], row[2]))
    expected: dict[int, list[int]] = {}
    for session, item, _ in in_order:
        expected.setdefault(session, []).append(item)
    assert lists_of(sessions) == expected
    assert sessions.lengths.tolist() == [len(items) for items in expected.values()]


@given(EVENTS)
def test_sessions_are_walked_oldest_first(rows: list[tuple[int, int, int]]) -> None:
    sessions = order_sessions(frame(rows), *KEYS)

    first = {s: min(t for other, _, t in rows if other == s) for s, _, _ in rows}
    by_age = sorted(first, key=lambda session: (first[session], session))
    assert sessions.session_ids[sessions.oldest_first].tolist() == by_age


@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_of_distinct_times_never_matters(
    rows: list[tuple[int, int, int]], random: Any
) -> None:
    rows = list({(session, time): (session, item, time) for session, item, time in rows}.values())
    other_rows = list(rows)
    random.shuffle(other_rows)

    one, other = order_sessions(frame(rows), *KEYS), order_sessions(frame(other_rows), *KEYS)

    assert lists_of(one) == lists_of(other)
    assert one.oldest_first.tolist() == other.oldest_first.tolist()


def test_text_is_ordered_like_text() -> None:
    rows = [
        ("b", "y", 5),
        ("b", "x", 5),
        ("a", "z", 5),
        ("B", "x", 9),
        ("10", "x", 9),
        ("9", "-", 9),
    ]

    sessions = order_sessions(frame(rows), *KEYS)

    assert lists_of(sessions) == {"10": ["x"], "9": ["-"], "B": ["x"], "a": ["z"], "b": ["y", "x"]}
    assert sessions.session_ids[sessions.oldest_first].tolist() == ["a", "b", "10", "9", "B"]


def test_neighbouring_large_ids_are_two_sessions() -> None:
    largest = 2**63 - 1
    rows = [(largest, 1, 0), (largest - 1, 2, 0), (-largest, 3, 0)]

    sessions = order_sessions(frame(rows), *KEYS)

    assert lists_of(sessions) == {-largest: [3], largest - 1: [2], largest: [1]}


@pytest.mark.parametrize(
    "times",
    [
        [30, 10, 20],
        [3.5, 0.25, 3.25],
        pd.to_datetime(["2020-01-03", "2020-01-01", "2020-01-02"]),
        pd.to_datetime(["2020-01-03", "2020-01-01", "2020-01-02"], utc=True),
        pd.to_datetime(["1969-01-03", "1969-01-01", "1969-01-02"]),
        pd.array(
            pd.to_datetime(["2020-01-03", "2020-01-01", "2020-01-02"]).date, "date32[pyarrow]"
        ),
        pd.array([30, 10, 20], dtype="Int64"),
        pd.array([3.5, 0.25, 3.25], dtype="Float64"),
        pd.array([30, 10, 20], dtype="int64[pyarrow]"),
        pd.array(pd.to_datetime([30, 10, 20], unit="s"), dtype="timestamp[us][pyarrow]"),
        np.array([30, 10, 20], dtype=np.uint64),
        # as 64-bit floats these are all equal
        [2**60 + 2, 2**60, 2**60 + 1],
    ],
)
def test_times_are_numbers_or_timestamps(times: Any) -> None:
    data = pd.DataFrame({"SessionId": [1, 1, 1], "ItemId": [1, 2, 3], "Time": times})

    assert order_sessions(data, *KEYS).items.tolist() == [2, 3, 1]


def test_keeping_some_events() -> None:
    sessions = order_sessions(frame([(1, 7, 0), (1, 8, 1), (2, 7, 2), (3, 9, 3)]), *KEYS)

    kept = sessions.keep(sessions.items != 7)

    assert lists_of(kept) == {1: [8], 2: [], 3: [9]}
    assert kept.session_of_event.tolist() == [0, 2]


def test_columns_may_have_other_names() -> None:
    data = pd.DataFrame({"user": [1], "news": [5], "ts": [0]})

    assert order_sessions(data, "user", "news", "ts").items.tolist() == [5]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2], "A table of events is expected, not builtins.list: make it one"),
        (
            pd.DataFrame({"session": [1], "ItemId": [1]}),
            "lacks the column 'SessionId'.*, 'Time'; it has session, ItemId",
        ),
        (frame([]), "The table of events is empty"),
        (frame([(None, 1, 1)]), "Missing values .*'SessionId' has 1"),
        (frame([(1, None, 1)]), "Missing values .*'ItemId' has 1"),
        (frame([(1, 1, None), (1, 1, 5)]), "Missing values .*'Time' has 1"),
        (frame([(1, 1, pd.NaT), (1, 1, pd.Timestamp(0))]), "Missing values .*'Time' has 1"),
        (
            frame([(1, 1, "noon")]),
            "'Time' holds .* such as 'noon'; numbers or timestamps",
        ),
        (
            frame([(1, 1, True)]),
            "'Time' holds bool values such as .*True.*; numbers or",
        ),
        (frame([(1, 1, np.inf)]), r"'Time' has 1 values that .* not finite .*first: inf"),
        (frame([(1, 1, -5)]), r"'Time' has 1 values that are negative.*first: -5"),
        (frame([("a", " ", 5), ("a", "", 6)]), "Missing values .*'ItemId' has 2"),
        (frame([(1, 1.5, 5)]), "column 'ItemId' holds .*1.5.* as a floating-point number"),
    ],
)
def test_what_is_no_log_is_refused(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        order_sessions(data, *KEYS)


def test_one_column_for_two_keys_is_refused() -> None:
    with pytest.raises(DataError, match="are 'SessionId', 'SessionId', 'Time'; each names a col"):
        order_sessions(frame([(1, 1, 1)]), "SessionId", "SessionId", "Time")


def test_places_order_equal_times_whatever_the_order_of_the_rows() -> None:
    data = frame([(1, 7, 5), (1, 8, 5), (1, 9, 4)]).assign(PlaceInSession=[2, 1, 0])

    assert order_sessions(data, *KEYS).items.tolist() == [9, 8, 7]


def test_many_equal_times_deserve_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    rows = [(session, item, session * 100 + item) for session in range(20) for item in range(2)]
    order_sessions(frame(rows), *KEYS)
    order_sessions(frame([*rows, (0, 5, 1)]), *KEYS)  # 2 of 41 are less than 5 %
    assert not caplog.records

    order_sessions(frame([*rows, (0, 5, 1), (0, 6, 1)]), *KEYS)

    assert "3 of 42 events share their time with another of their session" in caplog.text


def test_a_column_name_that_occurs_twice_is_refused() -> None:
    data = pd.DataFrame([[1, 2, 3, 4]], columns=["SessionId", "ItemId", "Time", "Time"])
    with pytest.raises(DataError, match="2 columns named 'Time'; keep one"):
        order_sessions(data, "SessionId", "ItemId", "Time")
