import pandas as pd
import pytest

from gru4rec import DataError
from gru4rec.config import DataConfig, DataSplitConfig, LoadingConfig, SessionFilterConfig
from gru4rec.preparation import (
    account_for_events,
    count_log,
    filter_sessions,
    load_events,
    local_connection,
    split_sessions,
)

T0 = 1_500_000_000
LOG = pd.DataFrame(
    [
        ("a", 1, 0, "view"),
        ("a", 1, 1, "view"),  # a repeat
        ("a", 2, 2, "view"),
        ("a", 2, 3, "buy"),  # another type
        ("a", 3, 900, "view"),  # after a gap, alone
        ("b", 1, 10, "view"),
        ("b", 2, 20, "view"),
        ("b", 2, 31, "view"),
        ("b", 1, 32, "view"),  # after the boundary
        ("c", 1, 35, "view"),
        ("c", 9, 36, "view"),  # unknown in training
        ("c", 2, 37, "view"),
    ],
    columns=["SessionId", "ItemId", "Time", "kind"],
)


def test_each_reason_has_its_row_and_all_add_up() -> None:
    connection = local_connection()
    raw = connection.create_table("accounted", LOG.assign(Time=LOG["Time"] + T0), temp=True)
    loading = LoadingConfig(event_key="kind", event_types=["view"], session_gap=60)
    options = DataSplitConfig(test_from=T0 + 32, valid_fraction=0, known_items_only=True)
    events = load_events(raw, DataConfig(), loading)
    filtered, report = filter_sessions(
        events, SessionFilterConfig(min_item_support=1, until_stable=False)
    )
    parts = split_sessions(filtered, options)
    counts = count_log(raw, DataConfig(), loading)
    found = account_for_events(counts, report, filtered, parts, options, loading)
    connection.drop_table("accounted")
    assert found.to_numpy().tolist() == [
        ["log", 0, 0, 0, 12, 3, 4],
        ["other event types", 1, 0, 0, 11, 3, 4],
        ["cut at gaps", 0, -1, 0, 11, 4, 4],
        ["repeats", 2, 0, 0, 9, 4, 4],
        ["short sessions, round 1", 1, 1, 1, 8, 3, 3],
        ["rare items, round 1", 0, 0, 0, 8, 3, 3],
        ["short sessions, round 2", 0, 0, 0, 8, 3, 3],
        ["cut at the test boundary", 1, 0, 0, 7, 3, 3],
        ["unknown to train_full", 1, 0, 1, 6, 3, 2],
        ["cut at the validation boundary", 0, 0, 0, 6, 3, 2],
        ["unknown to train", 0, 0, 0, 6, 3, 2],
    ]


def test_counts_of_another_log_are_refused() -> None:
    parts = split_sessions(LOG, DataSplitConfig(test_fraction=0.5, valid_fraction=0))
    filtered, report = filter_sessions(LOG, SessionFilterConfig(min_item_support=1))
    counts = pd.DataFrame([{"step": "log", "events": 11, "sessions": 3, "items": 4}])
    with pytest.raises(DataError, match=r"with 11 events, and filtered with 12: .* load_log"):
        account_for_events(counts, report, filtered, parts, DataSplitConfig(), LoadingConfig())


def test_sessions_of_days_are_a_row_that_removes_nothing() -> None:
    users = LOG.assign(Time=LOG["Time"] * 86_400)
    loading, options = LoadingConfig(), DataSplitConfig(test_from=8 * 86_400, valid_fraction=0)
    filtered, report = filter_sessions(
        local_connection().create_table("users", users, temp=True),
        SessionFilterConfig(min_item_support=1),
    )
    counts = pd.DataFrame(columns=["step", "events", "sessions", "items"])
    parts = split_sessions(filtered, options)
    found = account_for_events(counts, report, filtered, parts, options, loading)
    [row] = found[found["step"].str.startswith("sessions longer than a day: 3 of 3")].index
    assert found["step"][row + 1] == "cut at the test boundary"
    assert not found.filter(like="_removed").loc[row].any()
    local_connection().drop_table("users")


def test_a_log_that_is_loaded_whole_is_not_counted() -> None:
    raw = local_connection().create_table("whole", LOG, temp=True)
    assert count_log(raw, DataConfig(), LoadingConfig()).empty
    local_connection().drop_table("whole")
