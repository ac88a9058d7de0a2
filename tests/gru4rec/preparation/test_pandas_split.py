import numpy as np
import pandas as pd
import pytest

from gru4rec.config import Config
from gru4rec.errors import ConfigError, DataError
from gru4rec.preparation import split_data, train_valid_test_split


def events(sessions: int = 10) -> pd.DataFrame:
    """Two events per session; session s starts at time 10 s; rows shuffled, index of letters."""
    frame = pd.DataFrame(
        {
            "SessionId": np.repeat(np.arange(sessions), 2),
            "ItemId": np.tile([1, 2], sessions),
            "Time": np.repeat(np.arange(sessions) * 10, 2) + np.tile([0, 1], sessions),
        }
    )
    frame["note"] = pd.Categorical(np.tile(["a", "b"], sessions))
    frame["maybe"] = pd.array(np.tile([1, None], sessions), dtype="Int64")
    frame.index = pd.Index([f"row{i}" for i in range(len(frame))], name="key")
    return frame.sample(frac=1, random_state=1)


def test_newest_are_test_then_valid_and_rows_are_the_callers() -> None:
    data = events()
    before = data.copy()
    parts = train_valid_test_split(data)
    pd.testing.assert_frame_equal(data, before)
    for part, sessions in zip(parts, (range(8), [8], [9]), strict=True):
        pd.testing.assert_frame_equal(part, data[data["SessionId"].isin(sessions)])


def test_other_names_fractions_and_kinds_of_ids() -> None:
    data = events().rename(columns={"SessionId": "s", "ItemId": "i", "Time": "t"})
    data["s"] = "user-" + data["s"].astype(str)
    data["i"] = pd.Series(list(zip(data["i"], data["i"], strict=True)), index=data.index)
    train, valid, test = train_valid_test_split(data, 0.2, 0.3, "s", "i", "t")
    assert set(test["s"]) == {"user-7", "user-8", "user-9"}
    assert set(valid["s"]) == {"user-5", "user-6"}
    assert set(train["s"]) == {f"user-{s}" for s in range(5)}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_timestamps(unit: str, zone: str | None) -> None:
    data = events()
    times = pd.to_datetime(data["Time"], unit="D", origin="2019-01-01").dt.as_unit(unit)
    data["Time"] = times.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else times
    options = {"test_from": "2019-03-22", "valid_days": 10}  # session 8 starts on 22 March
    train, valid, test = split_data(data, {"data_split": options})
    assert set(test["SessionId"]) == {8, 9}
    assert set(valid["SessionId"]) == {7}
    assert test["Time"].dtype == data["Time"].dtype
    assert len(train) == 14


def test_split_data_takes_a_config_or_a_mapping() -> None:
    data = events().rename(columns={"Time": "t"})
    sections = {"data": {"time_key": "t"}, "data_split": {"test_fraction": 0.3}}
    by_mapping = split_data(data, sections)
    by_config = split_data(data, Config.parse(sections, "test"))
    assert by_mapping[2]["SessionId"].nunique() == 3
    for one, other in zip(by_mapping, by_config, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_known_items_only_and_straddling_sessions_reach_the_frames() -> None:
    data = events()
    data.loc[(data["SessionId"] == 9) & (data["ItemId"] == 2), "ItemId"] = 77
    config = {"data_split": {"known_items_only": True, "test_fraction": 0.2}}
    assert set(split_data(data, config)[2]["SessionId"]) == {8}
    data = events()
    data.loc[(data["SessionId"] == 0) & (data["ItemId"] == 2), "Time"] = 1000
    train, _, test = train_valid_test_split(data)
    assert 0 not in set(train["SessionId"]) | set(test["SessionId"])


def test_copies_are_separate_rows() -> None:
    data = pd.concat([events(), events()])
    assert [len(part) for part in train_valid_test_split(data)] == [32, 4, 4]


@pytest.mark.parametrize("dtype", ["float16", "uint8", "Int64", "Float32", "int64[pyarrow]"])
def test_times_may_be_of_any_kind_of_numbers(dtype: str) -> None:
    data = events()
    parts = train_valid_test_split(data.astype({"Time": dtype}))
    for part, wanted in zip(parts, train_valid_test_split(data), strict=True):
        pd.testing.assert_frame_equal(part, wanted.astype({"Time": dtype}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop(columns="Time"), "lacks the column 'Time'; it has SessionId, ItemId"),
        (lambda d: d.head(0), "The table of events is empty"),
        (lambda d: d.assign(ItemId=[None, *d["ItemId"][1:]]), "'ItemId' has 1"),
        (lambda d: d.assign(Time=[np.nan, *d["Time"][1:]]), "'Time' has 1"),
        (
            lambda d: d.assign(Time=[np.inf, *d["Time"][1:]]),
            r"'Time' has 1 values that .* not finite .*\(first: inf\)",
        ),
        (
            lambda d: d.assign(Time=np.array([2**63, *d["Time"][1:]], dtype="uint64")),
            r"'Time' has 1 values .* beyond 64-bit integers \(first: 9223372036854775808\)",
        ),
        (
            lambda d: d.assign(Time=d["Time"] - 3),
            r"'Time' has 2 values that are negative.*\(first: -\d\)",
        ),
        (
            lambda d: d.assign(Time="yesterday"),
            "'Time' holds str values such as 'yesterday'",
        ),
        (lambda d: d.assign(Time=True), "'Time' holds bool values"),
        (lambda d: d[d["SessionId"] == 3], "one session only"),
        (lambda d: pd.concat([d, d[["Time"]]], axis=1), "2 columns named 'Time'"),
    ],
)
def test_bad_data(change: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        train_valid_test_split(change(events()))  # type: ignore[operator]


def test_impossible_fractions_are_reported_together() -> None:
    with pytest.raises(ConfigError, match=r"(?s)2 mistake.*valid_fraction.*test_fraction"):
        train_valid_test_split(events(), valid_fraction=-0.1, test_fraction=1.5)
    with pytest.raises(ConfigError, match="must leave something to train on"):
        train_valid_test_split(events(), 0.5, 0.5)
    with pytest.raises(ConfigError, match="must name three columns"):
        train_valid_test_split(events(), session_key="Time")


@pytest.mark.parametrize("data", [None, [1], "log.csv"])
def test_what_is_no_dataframe_is_refused(data):
    with pytest.raises(DataError, match="A table of events is expected, not"):
        train_valid_test_split(data)
