"""Events of a session that share their time."""

import logging
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gru4rec import GRU4Rec, columns
from gru4rec.config import DataConfig, DataSplitConfig, LoadingConfig, SessionFilterConfig
from gru4rec.data.sessions import order_sessions
from gru4rec.errors import DataError
from gru4rec.preparation import (
    filter_sessions,
    load_and_describe,
    load_events,
    private_connection,
    read_log,
    split_sessions,
    stream_sessions,
)
from gru4rec.preparation.memory_tables import frame_to_table

KEYS = ["SessionId", "ItemId", "Time"]
DAY = 86_400
T0 = 1_500_000_000 // DAY * DAY


def log_of(sessions: list[list[int]], times: list[int] | None = None) -> pd.DataFrame:
    rows = [
        (number, item, T0 + (times[place] if times else 0))
        for number, items in enumerate(sessions)
        for place, item in enumerate(items)
    ]
    return pd.DataFrame(rows, columns=KEYS)


def load(log: Any, **loading: object) -> Any:
    return load_events(log, DataConfig(), LoadingConfig.parse(loading, "test"))


def items_of(frame: pd.DataFrame) -> list[int]:
    """Items in the order in which a model reads them."""
    return order_sessions(frame, *KEYS).items.tolist()


def test_equal_times_keep_the_order_of_the_rows_in_a_frame() -> None:
    log = log_of([[9, 3, 5], [4, 2]])
    events = load(log)
    assert events["ItemId"].tolist() == [9, 3, 5, 4, 2]
    assert list(events) == KEYS
    assert items_of(log) == [9, 3, 5, 4, 2]
    assert load(log, ties="refuse" if log.empty else "file").equals(events)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_equal_times_keep_the_order_of_the_rows_in_files(tmp_path: Path, suffix: str) -> None:
    parts = [log_of([[9, 3]]), log_of([[5, 1, 7]]), log_of([[8, 2]])]  # of one session
    for number, part in enumerate(parts):
        path = tmp_path / f"log{number}{suffix}"
        part.to_csv(path, index=False) if suffix == ".csv" else part.to_parquet(path)
    events = load(read_log(tmp_path))
    assert events.columns == (*KEYS, columns.PLACE)
    expected = [9, 3, 5, 1, 7, 8, 2]
    assert items_of(events.to_pyarrow().to_pandas()) == expected
    assert next(stream_sessions(events, 10))["ItemId"].tolist() == expected


def test_order_of_many_rows_of_several_files_and_threads(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    log = pd.DataFrame(
        {
            "SessionId": rng.integers(0, 20_000, 300_000),
            "ItemId": rng.permutation(300_000),
            "Time": T0,
        }
    )
    for number, part in enumerate(np.array_split(np.arange(len(log)), 3)):
        log.iloc[part].to_csv(tmp_path / f"log{number}.csv", index=False)
    events = load(read_log(tmp_path)).to_pyarrow().to_pandas()
    assert items_of(events) == items_of(log)


def test_distinct_times_need_no_place_and_may_be_shuffled() -> None:
    log = log_of([[9, 3, 5], [4, 2, 8]], times=[0, 10, 20])
    con = private_connection()
    told = []
    for seed in (1, 2):
        table = frame_to_table(con, log.sample(frac=1, random_state=seed), KEYS)
        events, line = load_and_describe(table, DataConfig(), LoadingConfig(ties="refuse"))
        assert events.columns == tuple(KEYS)
        assert items_of(events.to_pyarrow().to_pandas()) == [9, 3, 5, 4, 2, 8]
        told.append(line)
    assert told == ["equal times in a session: none"] * 2


def test_item_is_the_order_of_the_published_recipes() -> None:
    log = log_of([[9, 3, 5]], times=[0, 0, 10])
    assert load(log)["ItemId"].tolist() == [9, 3, 5]
    few = pd.concat([log, log_of([[7, 6]] * 3, times=[0, 1]).assign(SessionId=range(1, 7))])
    assert load(few, ties="item")["ItemId"].tolist()[:3] == [3, 9, 5]


@pytest.mark.parametrize("kind", ["int64", "float64", "str", "datetime64[s]"])
def test_an_order_key_orders_equal_times(kind: str) -> None:
    log = log_of([[9, 3, 5]]).assign(position=[10, 9, 100])
    as_written = log.astype({"position": kind})
    assert load(as_written, order_key="position", ties="refuse")["ItemId"].tolist() == [3, 9, 5]


def test_what_an_order_key_leaves_equal_is_ordered_by_ties() -> None:
    log = log_of([[9, 3, 5, 4]]).assign(page=[2, 1, 2, 1])
    assert load(log, order_key="page")["ItemId"].tolist() == [3, 4, 9, 5]
    with pytest.raises(DataError, match=r"4 of 4 events .* share their time and order_key with"):
        load(log, order_key="page", ties="refuse")


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (["1", "b", "3"], r"'position' \(order_key of the section 'loading'\) .*such as 'b'"),
        ([True, False, True], r"'position' .*holds boolean values"),
        (["1", None, "3"], r"'position' has 1.*first in row 2"),
    ],
)
def test_an_order_key_that_orders_nothing_is_refused(positions: list[Any], message: str) -> None:
    log = log_of([[9, 3, 5]]).assign(position=positions)
    with pytest.raises(DataError, match=message):
        load(log, order_key="position")
    with pytest.raises(DataError, match=r"lacks the column 'posision' \(did you mean 'position'"):
        load(log, order_key="posision")


def test_many_equal_times_are_told(caplog: pytest.LogCaptureFixture) -> None:
    distinct = log_of([[1, 2]] * 30, times=[0, 10])
    two = pd.concat([distinct, log_of([[3, 4]]).assign(SessionId=99)])
    con = private_connection()
    assert (
        load_and_describe(frame_to_table(con, two, KEYS), DataConfig(), LoadingConfig())[1]
        == "equal times in a session: 2 events (3.23%), ordered as the rows of the log are"
    )
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    load(pd.concat([two, log_of([[3, 4]]).assign(SessionId=100)]))
    assert "4 of 64 events (6.2%) share their time with another of their session" in caplog.text
    assert "date_key" in caplog.text
    assert "order_key" in caplog.text


def test_many_equal_times_are_not_put_in_order_of_items() -> None:
    log = log_of([[3, 1, 2], [5, 4]])
    with pytest.raises(DataError, match=r"5 of 5 events \(100.0%\).*would learn that order"):
        load(log, ties="item")
    with pytest.raises(DataError, match=r"5 of 5 events \(100.0%\).*ties: file takes the order"):
        load(log, ties="refuse")


def test_a_table_without_an_order_of_rows_says_what_it_does(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as a table of a warehouse
    monkeypatch.setattr("gru4rec.preparation.raw_log.has_order", lambda _: False)
    log = log_of([[9, 3], [5, 4], [1, 2]], times=[0, 10]).assign(position=[2, 1] * 3)
    log.loc[1, "Time"] = T0
    assert load(log)["ItemId"].tolist() == [3, 9, 5, 4, 1, 2]
    assert "They are ordered by item id" in caplog.text
    assert load(log, order_key="position")["ItemId"].tolist()[:2] == [3, 9]
    backwards = log.assign(position=-log["position"])
    assert load(backwards, order_key="position")["ItemId"].tolist()[:2] == [9, 3]
    with pytest.raises(DataError, match="The rows of this table have no order"):
        load(log.assign(Time=T0))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 3)), min_size=8, max_size=60
    )
)
def test_the_order_survives_filters_splits_and_parquet(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int]]
) -> None:
    log = pd.DataFrame(
        [(session, item, T0 + session * 3 + time) for session, item, time in rows], columns=KEYS
    )
    folder = tmp_path_factory.mktemp("parts")
    log.to_csv(folder / "log.csv", index=False)
    filters = SessionFilterConfig(min_session_length=1, min_item_support=1, drop_repeats=True)
    options = DataSplitConfig(test_fraction=0.3, valid_fraction=0)
    try:
        table, _ = filter_sessions(load(read_log(folder / "log.csv")), filters)
        parts = split_sessions(table, options)
    except DataError:
        return
    in_order = log.sort_values(["SessionId", "Time"], kind="stable")
    changed = (in_order["ItemId"] != in_order["ItemId"].shift()) | (
        in_order["SessionId"] != in_order["SessionId"].shift()
    )
    expected = in_order[changed]
    for name, part in parts._asdict().items():
        part.to_parquet(folder / f"{name}.parquet")
        stored = pd.read_parquet(folder / f"{name}.parquet").sample(frac=1, random_state=1)
        of_part = expected[expected["SessionId"].isin(stored["SessionId"])]
        if not stored.empty and len(of_part) == len(stored):  # no session was cut
            assert items_of(stored) == of_part["ItemId"].tolist()
            # fed in again, the file has the order that it was written with
            assert items_of(load(stored)) == of_part["ItemId"].tolist()
    filtered, _ = filter_sessions(load(log), filters)
    assert filtered["ItemId"].tolist() == expected["ItemId"].tolist()


def test_a_model_is_the_same_from_a_file_and_from_its_frame(tmp_path: Path) -> None:
    log = log_of([[3, 1, 2], [1, 3, 2], [2, 3, 1], [5, 4, 1]])
    log.to_csv(tmp_path / "log.csv", index=False)
    options = {"layers": [4], "n_sample": 4, "n_epochs": 2, "device": "cpu"}
    from_frame = GRU4Rec(**options).fit(log)
    from_file = GRU4Rec(**options).fit(load(read_log(tmp_path / "log.csv")).to_pandas())
    assert from_file.vocabulary.ids.tolist() == [3, 1, 2, 5, 4]
    assert from_frame.history["loss"].tolist() == from_file.history["loss"].tolist()


def test_an_order_key_may_have_fractions(tmp_path: Path) -> None:
    log = log_of([[1, 2, 3]]).assign(Pos=[1.4, 1.2, 1.3])
    log.to_csv(tmp_path / "log.csv", index=False)
    found = load(read_log(tmp_path / "log.csv"), order_key="Pos", ties="refuse").to_pandas()
    assert items_of(found) == [2, 3, 1]


def test_times_that_reading_makes_equal_keep_their_order() -> None:
    log = log_of([[30, 20, 10, 5]]).assign(
        Time=[1_500_000_000_000 + t for t in (900, 500, 100, 2000)]
    )
    assert load(log, time_unit="ms", whole_seconds=True)["ItemId"].tolist() == [10, 20, 30, 5]
    text = log.assign(Time=log["Time"].astype(str))
    assert load(text, time_unit="ms", whole_seconds=True)["ItemId"].tolist() == [10, 20, 30, 5]
    stamps = log.assign(Time=pd.to_datetime(log["Time"], unit="ms"))
    found = load(stamps, time_unit="timestamp", whole_seconds=True, ties="refuse")
    assert found["ItemId"].tolist() == [10, 20, 30, 5]
    iso = stamps.assign(Time=stamps["Time"].astype(str))
    found = load(iso, time_unit="timestamp", whole_seconds=True, ties="refuse")
    assert found["ItemId"].tolist() == [10, 20, 30, 5]


@pytest.mark.parametrize("unit", ["ns", "timestamp"])
def test_nanoseconds_order_events(unit: str) -> None:
    log = log_of([[3, 2, 1]]).assign(Time=[T0 * 10**9 + t for t in (300, 200, 100)])
    if unit == "timestamp":
        log = log.assign(Time=pd.to_datetime(log["Time"], unit="ns"))
    assert load(log, time_unit=unit, ties="refuse")["ItemId"].tolist() == [1, 2, 3]


def test_what_groups_or_joins_has_no_order(caplog: pytest.LogCaptureFixture) -> None:
    table = frame_to_table(private_connection(), log_of([[9, 3], [5, 4]], [0, 10]), KEYS)
    few = table.mutate(Time=ibis.cases((table.ItemId == 3, T0), else_=table.Time))
    load(few.filter(few.ItemId > 0))
    assert "as the rows of the log are" in caplog.text
    caplog.clear()
    load(few.distinct())
    assert "They are ordered by item id" in caplog.text


def test_places_that_are_missing_are_refused() -> None:
    log = log_of([[9, 3]]).assign(PlaceInSession=[0, None])
    for call in (
        lambda: load(log),
        lambda: load(log, drop_missing=True),
        lambda: order_sessions(log, *KEYS),
        lambda: filter_sessions(log, SessionFilterConfig(min_item_support=1)),
        lambda: filter_sessions(
            frame_to_table(private_connection(), log, list(log)), SessionFilterConfig()
        ),
    ):
        with pytest.raises(DataError, match=r"'PlaceInSession' has 1 missing .*or drop the column"):
            call()
    twice = pd.concat([log_of([[9, 3]]), log[["PlaceInSession"]], log[["PlaceInSession"]]], axis=1)
    with pytest.raises(DataError, match="2 columns named 'PlaceInSession'"):
        order_sessions(twice, *KEYS)
