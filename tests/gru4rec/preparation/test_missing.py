"""Values that are not there, and ids that look alike."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gru4rec.config import DataConfig, DataSplitConfig, LoadingConfig, SessionFilterConfig
from gru4rec.errors import ConfigError, DataError
from gru4rec.preparation import (
    account_for_events,
    count_log,
    filter_sessions,
    load_events,
    load_items,
    private_connection,
    read_log,
    split_sessions,
)
from gru4rec.preparation.memory_tables import frame_to_table

KEYS = ["SessionId", "ItemId", "Time"]
T0 = 1_500_000_000


def load(log: Any, **loading: object) -> pd.DataFrame:
    if isinstance(log, Path):
        log = read_log(log)
    events = load_events(log, DataConfig(), LoadingConfig.parse(loading, "test"))
    return events if isinstance(events, pd.DataFrame) else events.order_by("Time").to_pandas()


def written(folder: Path, items: list[Any], suffix: str) -> Any:
    """A log with these items, one a second, in a kind of file or as a frame."""
    frame = pd.DataFrame({"SessionId": 1, "ItemId": items, "Time": range(T0, T0 + len(items))})
    if suffix == "frame":
        return frame
    path = folder / f"log{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", "frame"])
@pytest.mark.parametrize(
    "word", ["NULL", "null", "nan", "NaN", "None", "NA", "N/A", r"\N", "-", " ", " NULL ", "<NA>"]
)
def test_words_for_nothing_are_missing(tmp_path: Path, word: str, suffix: str) -> None:
    log = written(tmp_path, ["10", word, "11", word], suffix)
    with pytest.raises(DataError, match=r"'ItemId' has 2\b.*first in row 2, 4.*drop_missing: true"):
        load(log)
    assert load(log, drop_missing=True)["ItemId"].astype(str).tolist() == ["10", "11"]


def test_the_words_are_a_choice(tmp_path: Path) -> None:
    log = written(tmp_path, ["NA", "DE", "none"], ".csv")
    assert load(log, missing=[])["ItemId"].tolist() == ["NA", "DE", "none"]
    assert load(log, missing="DE", drop_missing=True)["ItemId"].tolist() == ["NA", "none"]
    with pytest.raises(DataError, match=r"blank text"):
        load(written(tmp_path, ["NA", "", "x"], ".csv"), missing=[])


@pytest.mark.parametrize("items", [[-1, 5, 7], ["-1", "5", "7"], [-1.0, 5.0, 7.0]])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", "frame"])
def test_numbers_may_stand_for_nothing(tmp_path: Path, items: list[Any], suffix: str) -> None:
    log = written(tmp_path, items, suffix)
    found = load(log, missing=[-1, "NULL"], drop_missing=True)
    assert found["ItemId"].astype(int).tolist() == [5, 7]


def test_every_column_counts_and_words_of_others_do_not(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "SessionId,ItemId,Time,other\n"
        f"1,10,{T0},NULL\nNULL,11,{T0 + 1},x\n1,12,null,x\n1,13,{T0 + 3},\n"
    )
    with pytest.raises(DataError, match=r"'SessionId' has 1 \(such as 'NULL'\), 'Time' has 1"):
        load(path)
    assert load(path, drop_missing=True)["ItemId"].tolist() == [10, 13]


def test_a_log_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"drops each of the 2 events, .*'ItemId' has 2"):
        load(written(tmp_path, ["NULL", "nan"], ".csv"), drop_missing=True)


def test_what_is_dropped_is_accounted_for() -> None:
    rows = [("a", "1", 0), ("a", "2", 1), (None, "2", 2), ("b", " 2", 3), ("b", "1", 4)]
    rows += [("b", "NULL", 5), ("c", "1.0", 6), ("c", "2", 7)]
    frame = pd.DataFrame(rows, columns=KEYS).assign(Time=lambda log: log["Time"] + T0)
    raw = frame_to_table(private_connection(), frame, KEYS)
    loading = LoadingConfig(drop_missing=True)
    events = load_events(raw, DataConfig(), loading)
    filtered, report = filter_sessions(
        events, SessionFilterConfig(min_item_support=1, until_stable=False)
    )
    options = DataSplitConfig(valid_fraction=0)
    counts = count_log(raw, DataConfig(), loading)
    parts = split_sessions(filtered, options)
    found = account_for_events(counts, report, filtered, parts, options, loading)
    assert found.to_numpy().tolist()[:3] == [
        ["log", 0, 0, 0, 8, 3, 2],
        ["missing values", 2, 0, 0, 6, 3, 2],
        ["repeats", 0, 0, 0, 6, 3, 2],
    ]


def test_a_list_of_items_has_none_of_these_words(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("ItemId\n 7\nNULL\n8.0\n\n9\n")
    assert load_items(read_log(path), "ItemId").to_pyarrow()["ItemId"].to_pylist() == [7, 8, 9]


# ids that look alike -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet", "frame"])
def test_what_is_certainly_one_id_is_one_item(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = load(written(tmp_path, ["10", "10.0", " 10", "10 ", "10.", "\t10.00 "], suffix))
    assert found["ItemId"].tolist() == [10 if suffix == ".csv" else "10"] * 6
    assert "5 ids such as '\\t10.00 '; they are read as the whole numbers" in caplog.text


def test_floats_in_one_of_two_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"SessionId,ItemId,Time\n1,10,{T0}\n1,11,{T0 + 1}\n")
    (tmp_path / "b.csv").write_text(
        f"SessionId,ItemId,Time\n1.0,10.0,{T0 + 2}\n2.0,11.0,{T0 + 3}\n"
    )
    found = load(tmp_path)
    assert found["ItemId"].tolist() == [10, 11, 10, 11]
    assert found["SessionId"].tolist() == [1, 1, 1, 2]


def test_odd_ids_among_whole_numbers_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = ["10", "11", "7", "007", "1.23457E+15", "12.0", "13", "14"]
    found = load(written(tmp_path, items, ".csv"))
    assert found["ItemId"].tolist() == [*items[:5], "12", "13", "14"]
    message = next(r.getMessage() for r in caplog.records if "kept as text" in r.getMessage())
    assert "1 with a zero in front, such as '007'; 1 with an exponent, such as '1.23" in message
    assert "1 ids such as '12.0'; they are read as the whole numbers" in caplog.text


def test_versions_among_names_stay_as_they_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = ["v10", "10.0", "10", "a", "b"]
    assert load(written(tmp_path, items, ".csv"))["ItemId"].tolist() == items
    caplog.clear()
    load(written(tmp_path, ["v10", "10", "a", "b"], ".csv"))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert load(written(tmp_path, ["a", " a ", "b"], ".csv"))["ItemId"].tolist() == ["a", "a", "b"]
    assert "1 ids such as ' a '; they are read without the blanks around them" in caplog.text


@pytest.mark.parametrize(
    ("kind", "limit"), [("float16", 2**11), ("float32", 2**24), ("float64", 2**53)]
)
def test_floats_are_exact_up_to_where_their_type_is(tmp_path: Path, kind: str, limit: int) -> None:
    for suffix in ("frame",) if kind == "float16" else ("frame", ".parquet"):
        fits = np.array([limit - 1, limit - 2], kind)
        assert load(written(tmp_path, list(fits), "frame").assign(ItemId=fits))[
            "ItemId"
        ].tolist() == [limit - 1, limit - 2]
        beyond = written(tmp_path, [1, 2], "frame").assign(ItemId=np.array([limit, 5], kind))
        if suffix == ".parquet":
            beyond.to_parquet(tmp_path / "beyond.parquet")
            beyond = tmp_path / "beyond.parquet"
        with pytest.raises(
            DataError, match=rf"'ItemId' of type {kind} has 1 (ids|values) .*{limit:,}"
        ):
            load(beyond)


# a log of one person -----------------------------------------------------------------------------


def test_a_log_of_one_person_is_cut_at_gaps() -> None:
    log = pd.DataFrame({"ItemId": [5, 6, 7, 8], "Time": [T0, T0 + 10, T0 + 5000, T0 + 5010]})
    keys = DataConfig(session_key=None)
    found = load_events(log, keys, LoadingConfig(session_gap=3600))
    assert found["SessionId"].tolist() == [1, 1, 2, 2]
    table = frame_to_table(private_connection(), log, ["ItemId", "Time"])
    counts = count_log(table, keys, LoadingConfig(session_gap=3600))
    assert counts.to_numpy().tolist() == [["log", 4, 1, 4]]
    with pytest.raises(ConfigError, match=r"session_key .* is null, .*set session_gap"):
        load_events(log, keys, LoadingConfig())


def test_arrow_kinds_of_text_are_alike() -> None:
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        items = pa.array(["10", "NULL", "10.0"]).cast(kind)
        table = pa.table({"SessionId": [1, 1, 1], "ItemId": items, "Time": [T0, T0 + 1, T0 + 2]})
        found = load(table.to_pandas(types_mapper=pd.ArrowDtype), drop_missing=True)
        assert found["ItemId"].tolist() == ["10", "10"], kind


def test_a_word_may_begin_with_a_digit(tmp_path: Path) -> None:
    log = written(tmp_path, ["1n/a", "10", "9999-x", "2"], ".csv")
    found = load(log, missing=["1n/a", "9999-x"], drop_missing=True)
    assert found["ItemId"].tolist() == [10, 2]


@pytest.mark.parametrize("kind", ["text", "datetime64[s]", "datetime64[ns]"])
def test_a_date_may_stand_for_never(kind: str) -> None:
    times = ["2020-01-01 00:00:00", "2200-12-31 00:00:00", "2020-01-02 00:00:00"]
    log = written(Path(), ["1", "2", "3"], "frame").assign(Time=times)
    log = log if kind == "text" else log.assign(Time=log["Time"].astype(kind))
    with pytest.raises(DataError, match=r"1 of 3 times .*drop_missing: true"):
        load(log, time_unit="timestamp")
    found = load(log, time_unit="timestamp", missing=[times[1]], drop_missing=True)
    assert found["ItemId"].tolist() == ["1", "3"]


def test_numbers_that_stand_for_nothing_are_none_among_positions() -> None:
    log = pd.DataFrame(
        {"SessionId": [1, 1, 2], "ItemId": ["a", "b", "0"], "Time": T0, "Pos": [0, 1, 2]}
    )
    found = load(log, missing=["0"], drop_missing=True, order_key="Pos")
    assert found["ItemId"].tolist() == ["a", "b"]
    placed = log.rename(columns={"Pos": "PlaceInSession"})
    assert load(placed, missing=["0"], drop_missing=True)["ItemId"].tolist() == ["a", "b"]


def test_what_is_dropped_is_no_copy(caplog: pytest.LogCaptureFixture) -> None:
    log = pd.DataFrame({"SessionId": 1, "ItemId": ["a", "b", "NULL", "NULL"], "Time": T0})
    load(log, drop_missing=True)
    assert "2 of 4 rows are dropped, because values are missing: 'ItemId' has 2" in caplog.text
    assert "exact copies" not in caplog.text


def test_nothing_left_of_the_types_that_count_is_refused() -> None:
    log = pd.DataFrame(
        {"SessionId": 1, "ItemId": ["NULL", "b"], "Time": [T0, T0 + 1], "kind": ["view", "x"]}
    )
    types = {"event_key": "kind", "event_types": ["view"], "filter_events": "after"}
    with pytest.raises(DataError, match="drop_missing drops each of the 1 events"):
        load(log, drop_missing=True, session_gap=60, **types)


def test_blanks_around_types_do_not_count() -> None:
    log = written(Path(), ["1", "2", "3", "4"], "frame")
    log["kind"] = ["view ", "view", " view", "buy"]
    found = load(log, event_key="kind", event_types="view")
    assert found["ItemId"].tolist() == ["1", "2", "3"]


def test_the_words_of_a_list_of_items_are_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("ItemId\nNA\nA\n-\n")
    assert load_items(read_log(path), "ItemId", ["-"]).to_pandas()["ItemId"].tolist() == ["NA", "A"]


def test_whole_numbers_among_names_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(written(tmp_path, ["10", "10.0", "a", "b", "c"], ".csv"))
    assert "1 ids such as '10.0'; 10.0 and 10 are two ids here" in caplog.text
