from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation import load_events
from gru4rec.preparation.proposals import propose_formats

KEYS = DataConfig(session_key="s", item_key="i", time_key="t")
T0 = 1_500_000_000


def refusal(times: list[object], **loading: object) -> str:
    frame = pd.DataFrame({"s": range(len(times)), "i": 1, "t": times})
    options = LoadingConfig.parse({"time_unit": "timestamp", **loading}, "test")
    with pytest.raises(DataError) as caught:
        load_events(frame, KEYS, options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13/10/2019 10:00", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"]),
        ("10/13/2019 10:00 PM", ["%d/%m/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"]),
        ("10/13/2019 10:00:01pm", ["%d/%m/%Y %I:%M:%S%p", "%m/%d/%Y %I:%M:%S%p"]),
        ("31 Jul 2020 12:00", ["%d %b %Y %H:%M"]),
        ("July 31, 2020", ["%B %d, %Y"]),
        ("29/Nov/2017:06:58:55 +0000", ["%d/%b/%Y:%H:%M:%S %z"]),
        ("Wed Aug 27 13:08:45 +0000 2008", ["%a %b %d %H:%M:%S %z %Y"]),
        ("Wednesday, 01 Jul 2020 10:00:00 GMT", ["%A, %d %b %Y %H:%M:%S %Z"]),
        ("2020-07-01 10:00 America/New_York", ["%Y-%m-%d %H:%M %Z"]),
        ("20191001T100000Z", ["%Y%m%dT%H%M%SZ"]),
        ("20191001T1000", ["%Y%m%dT%H%M"]),
        ("20191001100000", ["%Y%m%d%H%M%S"]),
        ("2019-10-01 00:00:00,123", ["%Y-%m-%d %H:%M:%S,%f"]),
        ("01-OCT-19 10.51.09 PM", ["%d-%b-%y %I.%M.%S %p"]),
        ("2019_10_01_10_00", ["%Y_%m_%d_%H_%M"]),
        ("1/2/19", ["%d/%m/%y", "%m/%d/%y", "%y/%m/%d"]),
        ("10:51:09.5", ["%H:%M:%S.%f"]),
        ("100% of 2019", []),
        ("20191001 10.51", ["%Y%m%d %H.%M"]),
        ("1500000000", []),
        ("1500000000.5", []),
        ("1.5e+18", []),
        ("1500000000000", []),
        ("yesterday", []),
        ("", []),
        ("31 Okt 2019", []),
        ("01/02/2019 10:51 a.m.", []),
    ],
)
def test_the_format_that_a_text_has(text: str, expected: list[str]) -> None:
    assert propose_formats(text) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(datetime(1972, 1, 1), datetime(2068, 1, 1)),
    st.sampled_from(["%d/%m/%Y", "%Y.%m.%d", "%d %b %Y", "%B %d, %Y", "%Y%m%d", "%m-%d-%y"]),
    st.sampled_from([" %H:%M:%S", "T%H:%M:%S.%f", " %I:%M %p", " %H.%M.%S", ""]),
    st.sampled_from(["", " %z"]),
)
def test_one_of_the_proposals_reads_the_moment_back(
    moment: datetime, date: str, clock: str, zone: str
) -> None:
    layout = date + clock + (zone if ":" in clock else "")
    moment = moment.replace(tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
    text = moment.strftime(layout)
    expected = datetime.strptime(text, layout)
    found = [datetime.strptime(text, proposal) for proposal in _possible(text)]
    assert expected in found


def _possible(text: str) -> list[str]:
    """Proposals that Python can read the text with."""
    possible = []
    for proposal in propose_formats(text):
        try:
            datetime.strptime(text, proposal).replace(tzinfo=UTC)
        except ValueError:
            continue
        possible.append(proposal)
    return possible


@pytest.mark.parametrize(
    ("times", "loading", "advice"),
    [
        (["13/10/2019", "1/10/2019"], {}, "; set time_format: '%d/%m/%Y' in the section 'loading'"),
        (
            ["01/02/2019", "02/01/2019"],
            {},
            "set time_format: '%d/%m/%Y' or '%m/%d/%Y' in the section 'loading'; nothing tells the "
            "day from the month here, so you must know which it is",
        ),
        # the first of a month in both readings: no question
        (["01/01/2019", "02/02/2019"], {}, "set time_format: '%d/%m/%Y' in the section 'loading'"),
        (
            ["13/10/2019"],
            {"time_unit": "s"},
            "not a number; set time_unit: timestamp and time_format: '%d/%m/%Y' in",
        ),
        (["2019-10-01", "2019-10-02 10:00"], {"time_unit": "ms"}, "set time_unit: timestamp in"),
        ([str(T0)], {}, "set time_unit: s (s fits 1 of 1) in"),
        ([str(T0 * 1000)], {}, "set time_unit: ms (ms fits 1 of 1) in"),
        (["2019-10-01", str(T0)], {}, "'1500000000' that are not a date and time (ISO 8601); the "
         "log mixes kinds of times"),
        (["2019-10-01", str(T0)], {"time_unit": "s"}, "'2019-10-01' that are not a number; the log "
         "mixes kinds of times"),
        (
            ["2019-10-01", "13/10/2019"],
            {},
            "set time_format: '%d/%m/%Y' in the section 'loading'; it takes a list, and nothing "
            "else is read then",
        ),
        (
            ["2019-10-01", "13/10/2019"],
            {"time_format": "%d/%m/%Y"},
            "1 values such as '2019-10-01' that are not of time_format '%d/%m/%Y'; add '%Y-%m-%d' "
            "to time_format, which takes a list,",
        ),
        (["2019-10-01"], {"time_format": "%d/%m/%Y"}, "leave time_format out"),
        (["1 Jul 2019", "x"], {}, "'1 Jul 2019' that are not a date and time (ISO 8601); set "
         "time_format: '%d %b %Y' in the section 'loading' (it reads 1 of these 2); it takes a"),
        (["2020-07-01 00:00 PDT"], {}, "the zone is not known by this name; write an offset"),
        (["10:51:09"], {}, "set date_key to the column of dates (these are times of a day), and "
         "time_format: '%H:%M:%S'"),
        (["2019-10-01", "yesterday"], {}, "'yesterday' that are not a date and time (ISO 8601); "
         "check time_unit (now 'timestamp') and time_format in"),
        (["2019-10-01", "infinity"], {}, "'infinity' that are not a date and time (ISO 8601); "
         "check"),
        ([20191001, 20191002], {"time_unit": "s"}, "look like the digits of dates; set time_unit: "
         "timestamp and time_format: '%Y%m%d'"),
        ([20191001, 20191002], {}, "holds int64 values, but time_unit is 'timestamp'; set "
         "time_format: '%Y%m%d'"),
        ([T0 * 10**6], {}, "time_unit is 'timestamp'; set time_unit: us in the section 'loading'"),
    ],
)  # fmt: skip
def test_the_refusal_says_what_would_read_it(
    times: list[object], loading: dict[str, object], advice: str
) -> None:
    assert advice in refusal(times, **loading)
