from datetime import UTC, datetime, timedelta, timezone

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation import load_events
from gru4rec.preparation.formats import read_formats

KEYS = DataConfig(session_key="s", item_key="i", time_key="t")
JULY = datetime(2020, 7, 1, tzinfo=UTC).timestamp()
MARCH = datetime(2020, 3, 9, tzinfo=UTC).timestamp()


def load(times: list[str], **loading: object) -> list[float]:
    """Times in the order of the rows."""
    frame = pd.DataFrame({"s": range(len(times)), "i": 1, "t": times})
    options = LoadingConfig.parse({"time_unit": "timestamp", **loading}, "test")
    return load_events(frame, KEYS, options)["Time"].tolist()


_DATES = ["%d/%m/%Y", "%m/%d/%y", "%Y%m%d", "%d %b %Y", "%d.%m.%Y", "%B %d, %Y", "%a, %d %b %Y"]
_CLOCKS = [" %H:%M:%S", ":%H:%M:%S.%f", " %I:%M:%S %p", "T%H%M%S", "-%H.%M.%S,%f"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.datetimes(datetime(1972, 1, 1), datetime(2068, 1, 1)), min_size=1, max_size=4),
    st.sampled_from(_DATES),
    st.sampled_from(_CLOCKS),
    st.sampled_from(["", "Z", " %z", "%z"]),
    st.integers(-12 * 60, 14 * 60),
)
def test_a_format_reads_what_python_writes_with_it(
    moments: list[datetime], date: str, clock: str, zone: str, offset: int
) -> None:
    layout = date + clock + zone
    if "z" in zone:
        moments = [moment.replace(tzinfo=timezone(timedelta(minutes=offset))) for moment in moments]
    else:
        moments = [moment.replace(tzinfo=UTC) for moment in moments]
    if "%f" not in clock:
        moments = [moment.replace(microsecond=0) for moment in moments]
    texts = [moment.strftime(layout) for moment in moments]
    assert load(texts, time_format=layout) == [moment.timestamp() for moment in moments]


@pytest.mark.parametrize(
    ("text", "layout", "expected"),
    [
        ("1.7.2020 0:00", "%d.%m.%Y %H:%M", JULY),
        ("1/Jul/2020:02:00:00 +0200", "%d/%b/%Y:%H:%M:%S %z", JULY),
        ("01.07.2020 00:00 America/New_York", "%d.%m.%Y %H:%M %Z", JULY + 4 * 3600),
        ("01.01.2020 00:00 America/New_York", "%d.%m.%Y %H:%M %Z", JULY - 182 * 86_400 + 5 * 3600),
        ("01.07.2020 00:00 UTC", "%d.%m.%Y %H:%M %Z", JULY),
        ("01.07.2020 00:00:00,1234567", "%d.%m.%Y %H:%M:%S,%f", JULY + 0.123456),
        ("183/2020", "%j/%Y", JULY),
    ],
)
def test_what_python_does_not_write(text: str, layout: str, expected: float) -> None:
    assert load([text], time_format=layout) == [expected]


def test_several_formats_are_tried_in_order() -> None:
    texts = ["02/01/2020", "20 Jan 2020", "2020-01-02 UTC"]
    layouts = ["%d/%m/%Y", "%m/%d/%Y", "%d %b %Y", "%Y-%m-%d %Z"]
    second, twentieth = (datetime(2020, 1, day, tzinfo=UTC).timestamp() for day in (2, 20))
    assert load(texts, time_format=layouts) == [second, twentieth, second]


def test_numbers_may_be_the_digits_of_dates() -> None:
    assert load([20200701], time_format="%Y%m%d") == [JULY]
    with pytest.raises(DataError, match=r"1 values such as '2020071' that are not"):
        load(["20200701", "2020071"], time_format="%Y%m%d")


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("America/New_York", 4),
        ("Europe/Berlin", -2),
        ("Etc/GMT-2", -2),
        ("UTC", 0),
        ("GMT", 0),
        ("EST", 5),
        ("JST", -9),
        ("+02", -2),
        ("+0200", -2),
        ("-03:30", 3.5),
        ("Z", 0),
    ],
)
@pytest.mark.parametrize("zone_first", [True, False])
def test_a_zone_is_that_of_its_own_row(text: str, hours: float, zone_first: bool) -> None:
    between = "" if text[0] in "+-Z" else " "
    times = [f"2020-07-01 00:00:00{between}{text}", "2020-03-09 00:00:00", "2020-03-09"]
    expected = [JULY + hours * 3600, MARCH, MARCH]
    if not zone_first:
        times, expected = times[::-1], expected[::-1]
    assert load(times) == expected


@pytest.mark.parametrize("abbreviation", ["BST", "CET", "IST", "PST", "cst"])
@pytest.mark.parametrize("loading", [{}, {"time_format": "%Y-%m-%d %H:%M:%S %Z"}])
def test_an_ambiguous_abbreviation_is_refused(
    abbreviation: str, loading: dict[str, object]
) -> None:
    message = rf"'t' has 1 values such as '.* {abbreviation}', whose zone is an abbreviation"
    with pytest.raises(DataError, match=message):
        load([f"2020-07-01 00:00:00 {abbreviation}", "2020-07-01 00:00:00 UTC"], **loading)


def test_names_of_months_and_days_are_no_abbreviations() -> None:
    assert load(["WED 01-JUL-2020 UTC"], time_format="%a %d-%b-%Y %Z") == [JULY]


def test_formats_of_another_engine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ibis.memtable({"t": ["1.7.2020"]})["t"]
    engine = type("Engine", (), {"name": "pyspark"})()
    monkeypatch.setattr(type(text), "get_backend", lambda _: engine)
    with pytest.raises(DataError, match=r"a table of pyspark.*timestamps there .*timestamp alone"):
        read_formats(text, ["%d.%m.%Y"])
