import ibis
import pandas as pd
import pytest

from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation import load_events
from gru4rec.preparation.plausibility import refuse_outside

KEYS = DataConfig(session_key="s", item_key="i", time_key="t")
T0 = 1_500_000_000
NEVER = 253_402_300_799  # 9999-12-31T23:59:59


def load(times: list[object], unit: str, **loading: object) -> pd.DataFrame:
    frame = pd.DataFrame({"s": range(1, len(times) + 1), "i": 1, "t": times})
    return load_events(frame, KEYS, LoadingConfig.parse({"time_unit": unit} | loading, "test"))


@pytest.mark.parametrize("as_kind", [int, float, str])
@pytest.mark.parametrize(
    ("unit", "times", "message"),
    [
        ("s", [T0 * 1000] * 2, r"2 of 2 times .*'s' .* such as 1500000000000 .*Set time_unit: ms "),
        ("ms", [T0] * 2, r"such as 1500000000 \(1970-01-18T.*Set time_unit: s .*: s fits 2 of 2$"),
        ("us", [T0 * 10**9], r"Set time_unit: ns "),
        # one value far off is no reason for another unit, and where another fits, is still told
        ("s", [T0] * 99 + [NEVER], r"1 of 100 .* 253402300799 \(9999-12-31T23:59:59.*\)\. Mend or"),
        ("ms", [T0] * 99 + [NEVER], r"99 of 100 times .*Set time_unit: s .*: s fits 99, ms fits 1"),
        ("s", [T0 * 1000] * 99 + [NEVER * 1000], r"Set time_unit: ms .*: ms fits 99, us fits 1"),
        ("s", [T0, T0 + 1, T0 * 1000, T0 * 1000 + 1], r"mixes units: s fits 2, ms fits 2 of 4\. "),
        ("ms", [T0, T0 + 1, T0 * 1000, T0 * 1000 + 1], r"mixes units: s fits 2, ms fits 2 of 4\. "),
        ("s", [T0] * 95 + [T0 * 1000 + i for i in range(5)], r"5 of 100 .*mixes units"),
        ("s", [0] * 3 + [T0] * 9, r"3 of 12 .*\(3 of them are 0\), such as 0 .*Mend or drop"),
        ("s", [0] * 9 + [T0 * 1000] * 9, r"\(9 of them are 0\), .*Set time_unit: ms "),
        ("s", [1, 2, 3], r"such as 1 .* and 3 .*No other unit fits.*time_unit: ordinal"),
    ],
)  # fmt: skip
def test_what_lies_outside_is_counted_and_told(
    unit: str, times: list[int], message: str, as_kind: type
) -> None:
    with pytest.raises(DataError, match=message):
        load([as_kind(time) for time in times], unit)


@pytest.mark.parametrize(
    "odd", ["9999-12-31 23:59:59", "0001-01-01", "1970-01-01", "epoch", "1900-01-01T00:00:00Z"]
)
def test_dates_outside_are_told_as_dates(odd: str) -> None:
    date = "1970-01-01" if odd == "epoch" else odd[:10]
    with pytest.raises(DataError, match=rf"1 of 4 times .*, such as {date}T.*Mend or drop"):
        load(["2019-10-01"] * 3 + [odd], "timestamp")


def test_the_bounds_are_inside() -> None:
    times = ["1971-01-01", "2100-01-01"]
    assert load(times, "timestamp")["Time"].tolist() == [31_536_000, 4_102_444_800]
    assert load([31_536_000_000, 4_102_444_800_000], "ms")["Time"].tolist() == [
        31_536_000,
        4_102_444_800,
    ]


def test_numbers_that_only_order_may_be_any() -> None:
    assert load([0, 1, NEVER], "ordinal")["Time"].tolist() == [0, 1, NEVER]


def test_values_that_stand_for_nothing_can_be_dropped() -> None:
    times = [T0, NEVER, 0, T0 + 1]
    kept = load(times, "s", missing=[0, NEVER], drop_missing=True)
    assert kept["Time"].tolist() == [T0, T0 + 1]


def test_values_that_are_gone_at_the_second_reading_are_of_a_damaged_file() -> None:
    with pytest.raises(DataError, match="'t' has other values at each reading; its file is dam"):
        refuse_outside(ibis.memtable({"t": [T0]})["t"], "t", "s")
