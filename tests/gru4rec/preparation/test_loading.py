import logging
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import ConfigError, DataError
from gru4rec.preparation import (
    load_events,
    load_items,
    local_connection,
    private_connection,
    read_log,
)

KEYS = DataConfig(session_key="s", item_key="i", time_key="t")
T0 = 1_500_000_000


def load(frame: pd.DataFrame, **loading: object) -> pd.DataFrame:
    return load_events(frame, KEYS, LoadingConfig.parse(loading, "test"))


def log(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"s": [1, 1], "i": [5, 6], "t": [T0, T0 + 1]} | columns)


def load_text(folder: Path, text: str, **loading: object) -> dict[str, list[object]]:
    path = folder / "log.csv"
    path.write_text(text, encoding="utf-8")
    table = load_events(read_log(path), KEYS, LoadingConfig.parse(loading, "test"))
    return table.order_by("SessionId", "Time", "ItemId").to_pyarrow().to_pydict()


def test_picks_and_renames_and_sorts_without_touching_the_input() -> None:
    raw = log(s=[2, 1], other=["x", "y"])
    before = raw.copy()
    events = load(raw)
    pd.testing.assert_frame_equal(
        events, pd.DataFrame({"SessionId": [1, 2], "ItemId": [6, 5], "Time": [T0 + 1, T0]})
    )
    pd.testing.assert_frame_equal(raw, before)


def test_a_table_comes_back_as_a_table_on_its_connection() -> None:
    con = local_connection()
    table = con.create_table("loading_kind", pa.Table.from_pandas(log()), temp=True)
    events = load_events(table, KEYS, LoadingConfig())
    assert events.get_backend() is con
    assert events.columns == ("SessionId", "ItemId", "Time")
    con.drop_table("loading_kind")


# ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([2**63 - 1, 2**53 + 1], [2**53 + 1, 2**63 - 1]),
        ([7.0, 2.0**53 - 1], [7, 2**53 - 1]),
        (["007", "7"], ["007", "7"]),
        (pd.Series([3, 4], dtype="uint8"), [3, 4]),
        (pd.Series([3, 4], dtype="uint64"), [3, 4]),
        (pd.Series([3, 4], dtype="Int64"), [3, 4]),
        (pd.Series(["b", "a"], dtype="category"), ["a", "b"]),
    ],
)
def test_ids_are_exact(ids: object, expected: list[object]) -> None:
    events = load(log(s=ids))
    assert events["SessionId"].tolist() == expected
    assert events["SessionId"].dtype == ("int64" if isinstance(expected[0], int) else "str")


@pytest.mark.parametrize(
    ("ids", "value"),
    [
        ([1.5, 2.0], "1.5"),
        ([1.0, 2.0**53], "9007199254740992"),
        (pd.Series([1, 2**63], dtype="uint64"), "9223372036854775808"),
    ],
)
def test_ids_that_no_integer_holds_are_refused(ids: object, value: str) -> None:
    with pytest.raises(DataError, match=r"'i'.* 1 ids such as " + value + ".*store the column as"):
        load(log(i=ids))


def test_decimal_ids() -> None:
    con = local_connection()
    for largest, fits in ((2**63 - 1, True), (2**63, False)):
        table = con.create_table(
            "decimals",
            pa.table({"s": pa.array([1, largest], pa.decimal128(38)), "i": [1, 2], "t": [T0, T0]}),
            temp=True,
            overwrite=True,
        )
        if fits:
            events = load_events(table, KEYS, LoadingConfig())
            assert events.order_by("SessionId").to_pyarrow()["SessionId"].to_pylist()[1] == largest
        else:
            with pytest.raises(DataError, match=f"'s'.*{largest}"):
                load_events(table, KEYS, LoadingConfig())
    con.drop_table("decimals")


def test_ids_of_another_kind_are_refused() -> None:
    with pytest.raises(DataError, match=r"'i' holds boolean values; ids are integers or text"):
        load(log(i=[True, False]))
    with pytest.raises(DataError, match=r"'i' mixes kinds of values"):
        load(log(i=[1, "a"]))


def test_text_file_ids_become_integers_only_if_all_round_trip(tmp_path: Path) -> None:
    whole = load_text(tmp_path, f"s,i,t\n9223372036854775807,-7,{T0}\n")
    assert (whole["SessionId"], whole["ItemId"]) == ([2**63 - 1], [-7])
    for odd in ("007", "9223372036854775808", "1.5", "+1", "-0", "1.2E+15", "9007199254740992.0"):
        mixed = load_text(tmp_path, f"s,i,t\n1,{odd},{T0}\n2,3,{T0}\n")
        assert mixed["ItemId"] == [odd, "3"], odd
        assert mixed["SessionId"] == [1, 2]


# time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "values", "whole", "expected"),
    [
        ("s", [T0, T0 + 1], False, [T0, T0 + 1]),
        ("s", [T0 + 0.5, T0 + 1.75], False, [T0 + 0.5, T0 + 1.75]),
        ("s", [T0 + 0.5, T0 + 1.75], True, [T0, T0 + 1]),
        ("s", [str(T0), str(T0 + 1)], False, [T0, T0 + 1]),
        ("s", [str(T0), f"{T0}.5"], False, [float(T0), T0 + 0.5]),
        ("ms", [T0 * 1000 + 277, T0 * 1000 + 999], False, [T0 + 0.277, T0 + 0.999]),
        ("ms", [T0 * 1000 + 277, T0 * 1000 + 1999], True, [T0, T0 + 1]),
        ("ms", [str(T0 * 1000), str(T0 * 1000 + 1)], False, [float(T0), T0 + 0.001]),
        ("us", [T0 * 10**6 + 1, T0 * 10**6 + 2], False, [T0 + 1e-6, T0 + 2e-6]),
        ("ns", [T0 * 10**9 + 999_999_999, (T0 + 1) * 10**9], True, [T0, T0 + 1]),
        ("ordinal", [1, 2], False, [1, 2]),
        ("ordinal", [1.5, 2.5], True, [1.5, 2.5]),
    ],
)
def test_numbers_become_seconds(
    unit: str, values: list[object], whole: bool, expected: list[float]
) -> None:
    events = load(log(t=values), time_unit=unit, whole_seconds=whole)
    assert events["Time"].tolist() == expected
    assert events["Time"].dtype == ("int64" if isinstance(expected[0], int) else "float64")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2014-04-07T10:51:09.277Z", "2014-04-07T10:51:10Z"], [1396867869.277, 1396867870.0]),
        (["2019-10-01 00:00:00 UTC", "2019-10-01 00:00:01"], [1569888000.0, 1569888001.0]),
        (["2019-10-01T02:00:00+02:00", "2019-10-02"], [1569888000.0, 1569974400.0]),
        (pd.to_datetime(["2019-10-01", "2019-10-02"]), [1569888000.0, 1569974400.0]),
        (
            pd.to_datetime(["2019-10-01 02:00:00.5", "2019-10-02 02:00:00.0"]).tz_localize(
                "Etc/GMT-2"
            ),
            [1569888000.5, 1569974400.0],
        ),
        (
            pd.Series(pd.to_datetime(["2019-10-01", "2019-10-02"])).astype("datetime64[ns]"),
            [1569888000.0, 1569974400.0],
        ),
        (  # one zone a value; without one it is UTC
            pd.Series(
                [
                    datetime(2019, 10, 1, 2, tzinfo=timezone(timedelta(hours=2))),
                    datetime(2019, 10, 2),
                ],
                dtype=object,
            ),
            [1569888000.0, 1569974400.0],
        ),
    ],
)
def test_timestamps_become_seconds(values: object, expected: list[float]) -> None:
    assert load(log(t=values), time_unit="timestamp")["Time"].tolist() == expected
    whole = load(log(t=values), time_unit="timestamp", whole_seconds=True)["Time"]
    assert whole.tolist() == [int(value) for value in expected]
    assert whole.dtype == "int64"


# session 1 has an event of the day after its start: 2017-07-14 is day 17,361 since 1970
DAYS = [17_361 * 86_400, 17_361 * 86_400, 17_364 * 86_400]


@pytest.mark.parametrize(
    "dates",
    [
        ["2017-07-15", "2017-07-14", "2017-07-17"],
        pd.to_datetime(["2017-07-15", "2017-07-14", "2017-07-17"]),
        pd.to_datetime(["2017-07-15", "2017-07-14", "2017-07-17"]).date,
        ["2017-07-15T08:00", "2017-07-14 23:59:59", "2017-07-17"],
    ],
    ids=["text", "timestamps", "dates", "with a time"],
)
def test_times_count_from_the_earliest_date_of_their_session(dates: object) -> None:
    raw = pd.DataFrame({"s": [1, 1, 2], "i": [5, 6, 7], "t": [86_400_277, 5000, 0], "day": dates})
    options = {"time_unit": "ms", "date_key": "day"}
    exact = load(raw, **options).sort_values("ItemId")["Time"]
    assert exact.tolist() == [DAYS[0] + 86_400.277, DAYS[1] + 5, DAYS[2]]
    whole = load(raw, **options, whole_seconds=True).sort_values("ItemId")["Time"]
    assert whole.tolist() == [DAYS[0] + 86_400, DAYS[1] + 5, DAYS[2]]
    assert whole.dtype == "int64"


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (["2017-07-15", "yesterday"], r"'day' has 1 values such as 'yesterday' that are not dates"),
        ([17_361, 17_362], r"'day' has 2 values such as '17361' that are not dates"),
        (["2017-07-15", None], r"Missing values .*'day' has 1"),
    ],
    ids=["no date", "numbers", "missing"],
)
def test_bad_dates_are_refused(dates: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(log(t=[0, 1], day=dates), time_unit="ms", date_key="day")


def test_dates_need_their_column_and_times_to_add() -> None:
    with pytest.raises(DataError, match="lacks the column 'day'"):
        load(log(), time_unit="ms", date_key="day")
    with pytest.raises(ConfigError, match="time_unit is 'ordinal'; change either"):
        load(log(), time_unit="ordinal", date_key="t")


@pytest.mark.parametrize(
    ("unit", "values", "message"),
    [
        ("s", [1, 2], r"1970-01-01T00:00:02\+00:00.*time_unit: ordinal"),
        ("timestamp", pd.to_datetime(["1970-02-01"] * 2), "1970-02-01T"),
        ("timestamp", [T0, T0], r"'t' holds int64 values, but time_unit is 'timestamp'.*unit: s "),
        ("timestamp", pd.period_range("2020", periods=2), r"'t' holds .*period.* values"),
        ("timestamp", pd.to_timedelta([1, 2], unit="s"), r"'t' holds duration.* values"),
        (
            "timestamp",
            [date(2020, 1, 1), datetime(2020, 1, 1, 5)],
            "'t' mixes dates with dates and times; pd.to_datetime",
        ),
        ("timestamp", [time(10, 51), time(10, 52)], "'t' holds time.* have no date; set date_key"),
        ("timestamp", [3, 4], r"time_unit: ordinal"),
        ("s", pd.to_datetime(["2019-10-01"] * 2), r"time_unit is 's'; set time_unit: timestamp"),
        ("s", ["2019-10-01", str(T0)], r"1 values such as '2019-10-01' that are not a number"),
        ("timestamp", [str(T0), "2019-10-01"], r"such as '1500000000' that are not a date"),
        ("s", [-1, T0], r"'t' has 1 negative times \(smallest -1\)"),
        ("ordinal", [-1.5, 1], r"1 negative times \(smallest -1.5\)"),
        ("s", [float("inf"), T0], r"'t' has 1 values that are not finite"),
        ("s", ["infinity", str(T0)], r"'t' has 1 values that are not finite"),
        ("s", [True, False], r"'t' holds boolean values"),
    ],
)
def test_bad_times_are_refused(unit: str, values: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(log(t=values), time_unit=unit)


# what else can be wrong --------------------------------------------------------------------------


def test_missing_column_names_it_and_those_present() -> None:
    with pytest.raises(DataError, match=r"lacks the column 't'; it has s, i, when\."):
        load(log().rename(columns={"t": "when"}))
    with pytest.raises(DataError, match=r"'time' \(did you mean 'times'\?\)"):
        load_events(log(times=1), DataConfig(time_key="time", session_key="s"), LoadingConfig())


def test_column_there_twice() -> None:
    with pytest.raises(DataError, match="2 columns named 's'"):
        load(pd.concat([log(), log()[["s"]]], axis=1))


def test_empty_log(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The log is empty"):
        load(log().head(0))
    with pytest.raises(DataError, match="The log is empty"):
        load_text(tmp_path, "s,i,t\n")


def test_nulls_are_counted_per_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'s' has 1, 't' has 2"):
        load(log(s=[None, 2], t=[float("nan"), None]))
    with pytest.raises(DataError, match=r"'s' has 1, 'i' has 2"):
        load_text(tmp_path, f's,i,t\n,"",{T0}\n2,,{T0}\n')
    with pytest.raises(DataError, match=r"'i' has 1"):
        load(log(i=["", "a"]))


def test_exact_copies_are_kept_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        events = load(log(i=[5, 5], t=[T0, T0]))
    assert len(events) == 2
    assert "1 rows that are exact copies" in caplog.text
    assert "drop_repeats" in caplog.text


def test_ragged_text_file_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read: .*Line: 3.*log\.csv") as caught:
        load_text(tmp_path, f"s,i,t\n1,2,{T0}\n1,2\n")
    assert caught.value.__cause__ is None


def test_too_little_memory_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("s,i,t\n" + f"1,2,{T0}\n" * 1000)
    raw = read_log(tmp_path / "log.csv", connection=private_connection("1MB"))
    with pytest.raises(DataError, match="needs more memory than DuckDB may use; raise memory_lim"):
        load_events(raw, KEYS, LoadingConfig())


# lists of items ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i,name\n7,a\n\n5,b\n,c\n", [7, 5]),
        ("i\n07\n5\n", ["07", "5"]),
        ("ItemId\nx\n", ["x"]),
        ("i\n", []),
    ],
    ids=["integers", "text", "canonical name", "empty"],
)
def test_lists_of_items_are_read_exactly(tmp_path: Path, text: str, expected: list[object]) -> None:
    (tmp_path / "items.csv").write_text(text)
    items = load_items(read_log(tmp_path / "items.csv"), "i")
    assert items.to_pyarrow()["ItemId"].to_pylist() == expected


def test_a_list_of_items_needs_its_column(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("123\n456\n")
    with pytest.raises(DataError, match="The list of items lacks the column 'i'; it has 123"):
        load_items(read_log(tmp_path / "items.csv"), "i")


# event types -------------------------------------------------------------------------------------


def test_only_events_of_the_types_stay() -> None:
    raw = log(kind=["view", "buy"])
    assert load(raw, event_key="kind", event_types=["view"])["ItemId"].tolist() == [5]
    assert len(load(raw, event_key="kind", event_types=["view", "buy"])) == 2


@pytest.mark.parametrize("moment", ["before", "after"])
def test_no_event_of_the_types_lists_those_present(moment: str) -> None:
    options = {"event_key": "kind", "event_types": ["click"], "session_gap": 60}
    with pytest.raises(DataError, match="event_types click; the column 'kind' has buy, view"):
        load(log(kind=["view", "buy"]), **options, filter_events=moment)
    with pytest.raises(DataError, match="lacks the column 'kind'"):
        load(log(), **options, filter_events=moment)
    with pytest.raises(DataError, match="The log is empty"):
        load(log(kind="a").head(0), **options, filter_events=moment)
