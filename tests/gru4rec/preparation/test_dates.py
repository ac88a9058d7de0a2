from datetime import time

import pandas as pd
import pytest

from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation import load_events

KEYS = DataConfig(session_key="s", item_key="i", time_key="t")
OCTOBER = 1_569_888_000  # 2019-10-01


def load(times: object, dates: object, **loading: object) -> list[float]:
    """Times in the order of the rows, which are of one session."""
    frame = pd.DataFrame({"s": 1, "t": times, "day": dates})
    frame["i"] = range(len(frame))
    options = {"time_unit": "timestamp", "date_key": "day", **loading}
    events = load_events(frame, KEYS, LoadingConfig.parse(options, "test"))
    return events.sort_values("ItemId")["Time"].tolist()


@pytest.mark.parametrize(
    ("times", "loading"),
    [
        (["10:51:09.5", "00:10", "23:59:59"], {}),
        (["10:51:09.5Z", "02:10:00+02:00", "23:59:59"], {"time_format": None}),
        (["10:51:09.5 AM", "12:10:00.0 AM", "11:59:59.0 PM"], {"time_format": "%I:%M:%S.%f %p"}),
        ([time(10, 51, 9, 500_000), time(0, 10), time(23, 59, 59)], {}),
    ],
    ids=["ISO", "offsets", "twelve hours", "times"],
)
@pytest.mark.parametrize(
    ("dates", "options"),
    [
        (["2019-10-01", "2019-10-02", "2019-10-01"], {}),
        (["01/10/2019", "02/10/2019", "01/10/2019"], {"date_format": "%d/%m/%Y"}),
        (pd.to_datetime(["2019-10-01", "2019-10-02", "2019-10-01"]), {}),
        (pd.to_datetime(["2019-10-01", "2019-10-02", "2019-10-01"]).date, {}),
    ],
    ids=["ISO", "a format", "timestamps", "dates"],
)
def test_a_clock_time_is_of_its_own_date(
    times: list[object], loading: dict[str, object], dates: object, options: dict[str, object]
) -> None:
    assert load(times, dates, **loading, **options) == [
        OCTOBER + 10 * 3600 + 51 * 60 + 9.5,
        OCTOBER + 86_400 + 600,
        OCTOBER + 86_399,
    ]


def test_clock_times_may_be_digits() -> None:
    assert load([105109], ["2019-10-01"], time_format="%H%M%S") == [OCTOBER + 39_069]
    # integers have lost the zeros in front of them
    assert load([93005, 5], ["2019-10-01"] * 2, time_format="%H%M%S") == [
        OCTOBER + 9.5 * 3600 + 5,
        OCTOBER + 5,
    ]


def test_counts_take_dates_in_a_format_too() -> None:
    dates = ["02/10/2019", "01/10/2019"]
    times = load([5000, 7000], dates, date_format="%d/%m/%Y", time_unit="ms")
    assert times == [OCTOBER + 5, OCTOBER + 7]


@pytest.mark.parametrize(
    ("times", "dates", "loading", "message"),
    [
        (["10:51 PM"], ["2019-10-01"], {}, r"'2019-10-01 10:51 PM' .*time of the day .*; set "
         r"time_format: '%I:%M %p' in"),
        (["10:51"], ["13/10/2019"], {}, r"The date column 'day' has 1 values such as '13/10/2019' "
         r"that are not dates \(ISO 8601\); set date_format: '%d/%m/%Y' in"),
        (["10:51"], ["2019-10-01"], {"date_format": "%d/%m/%Y"}, r"not of date_format '%d/%m/%Y'"),
        (["10:51"], ["yesterday"], {}, "'yesterday' that are not dates .*; mend these rows"),
        (["2019-10-01 10:51"], ["2019-10-01"], {}, "not a date and a time of the day"),
        (["10:51", None], ["2019-10-01"] * 2, {}, "Missing values .*'t' has 1"),
        (["10:51", "10:52"], ["2019-10-01", None], {}, "Missing values .*'day' has 1"),
        (["10:51"], ["1900-01-01"], {}, "years 1971 to 2100, such as 1900-01-01T"),
        ([39069], ["2019-10-01"], {}, "'t' holds int64 values; for counts .*'%H%M%S'"),
        (pd.to_datetime(["2019-10-01"]), ["2019-10-01"], {}, "that have a date need no date_key"),
        ([1.5e12], ["2019-10-01"], {"time_unit": "ms"}, "latest is 1500000000000, .* leave "
         "date_key out"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    times: object, dates: object, loading: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(times, dates, **loading)


@pytest.mark.parametrize(
    ("times", "loading"),
    [(["10:51", "NULL", "10:52", "10:53"], {}), ([60, None, 70, 180], {"time_unit": "s"})],
)
def test_rows_without_a_date_or_a_time_can_be_dropped(
    times: list[object], loading: dict[str, object]
) -> None:
    dates = ["2019-10-01", "2019-10-01", "-", "2019-10-01"]
    first, last = load(times, dates, drop_missing=True, **loading)
    assert last - first == 120
