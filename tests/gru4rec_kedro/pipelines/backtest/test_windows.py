import ibis
import pandas as pd
import pytest

from gru4rec import DataError
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.pipelines.backtest import windows
from gru4rec_kedro.pipelines.backtest.windows import (
    DAY,
    Window,
    before_end,
    cut,
    find_windows,
    keep_newest,
)

# by session: the days of its events
DAYS = {1: [0, 0.1], 2: [1, 1.5], 3: [1.9, 2.1, 2.2], 4: [2.5, 2.6], 5: [3.1, 3.9], 6: [3.5, 4]}


def log(days):
    rows = [(session, time * DAY) for session, times in days.items() for time in times]
    table = pd.DataFrame(rows, columns=["SessionId", "Time"])
    return ibis.memtable(table.assign(ItemId=table.index))


@pytest.fixture
def events():
    return log(DAYS)


@pytest.fixture
def few_suffice(monkeypatch):
    monkeypatch.setattr(windows, "FEWEST_SESSIONS", 1)


def days_of(table):
    by_session = (table.to_pandas().groupby("SessionId")["Time"].agg(sorted)).to_dict()
    return {session: [time / DAY for time in times] for session, times in by_session.items()}


@pytest.mark.usefixtures("few_suffice")
@pytest.mark.parametrize(
    ("options", "starts"),
    [
        ({"n_windows": 2, "window_days": 1}, [2, 3]),  # the log ends on day 4
        ({"n_windows": 3, "window_days": 1}, [1, 2, 3]),
        ({"n_windows": 2, "window_days": 1, "until": 3 * DAY}, [1, 2]),
    ],
)
def test_windows_end_with_the_log_or_where_they_are_to(events, options, starts):
    backtest = BacktestConfig(**options)
    found = find_windows(before_end(events, backtest), backtest)
    ends = [start * DAY for start in starts[1:]]
    assert [window.start for window in found] == [start * DAY for start in starts]
    assert [window.end for window in found] == [*ends, None]
    assert [window.number for window in found] == list(range(1, len(starts) + 1))


def test_a_window_has_the_sessions_that_start_in_it_up_to_its_end(events):
    before, inside = cut(events, Window(1, 1 * DAY, 2 * DAY))
    assert days_of(before) == {1: [0, 0.1]}
    assert days_of(inside) == {2: [1, 1.5]}  # session 3 has one event until then
    before, inside = cut(events, Window(2, 2 * DAY, None))
    assert days_of(before) == {1: [0, 0.1], 2: [1, 1.5]}
    assert days_of(inside) == {4: [2.5, 2.6], 5: [3.1, 3.9], 6: [3.5, 4]}


def test_what_is_trained_anew_may_learn_from_the_newest_days_only(events):
    window = Window(2, 3 * DAY, None)
    before, _ = cut(events, window)
    assert days_of(keep_newest(before, window, None)) == days_of(before)
    assert days_of(keep_newest(before, window, 1.5)) == {3: [1.9, 2.1, 2.2], 4: [2.5, 2.6]}


def test_windows_with_too_few_sessions_are_refused_in_one_message(events, monkeypatch):
    monkeypatch.setattr(windows, "FEWEST_SESSIONS", 2)
    backtest = BacktestConfig(n_windows=3, window_days=1, train_days=1)
    with pytest.raises(DataError) as caught:
        find_windows(events, backtest)
    message = str(caught.value)
    assert "window 1 from 1970-01-02 00:00: 1 to train on; window 2" in message
    assert "window 2 from 1970-01-03 00:00: 1 to measure; window 3" in message
    assert "window 3 from 1970-01-04 00:00: 1 to train on. The log has 6, which start" in message
    assert "from 1970-01-01 00:00 to 1970-01-04 12:00 (UTC): choose other windows" in message


def test_times_that_are_no_clock_are_told_as_they_are():
    assert windows.say_time(1e18) == "1e+18"


def test_a_log_of_lone_events_is_refused():
    with pytest.raises(DataError, match="no session of two events"):
        find_windows(log({1: [0], 2: [1]}), BacktestConfig())
