import ibis
import pandas as pd
import pytest

from gru4rec import LoadingConfig
from gru4rec.preparation.session_spans import find_long_sessions

T0 = 1_500_000_000
DAY = 86_400


def find(n_long: int, n_short: int, loading: LoadingConfig, step: float = 1) -> str | None:
    """What is said of sessions of two events, and of many of one event."""
    spans = [DAY + step] * n_long + [DAY] * n_short
    rows = [(f"s{n}", n, T0) for n in range(40)]
    rows += [(f"s{n}", 99, T0 + span) for n, span in enumerate(spans)]
    frame = pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])
    return find_long_sessions(ibis.memtable(frame), loading)


@pytest.mark.parametrize("step", [1, 0.5])
def test_sessions_of_days_are_told_where_they_are_not_few(
    caplog: pytest.LogCaptureFixture, step: float
) -> None:
    assert find(3, 17, LoadingConfig(), step) == (
        "sessions longer than a day: 3 of 20 sessions of two events or more (15.0%), as of users "
        "whose events nothing cuts"
    )
    [warning] = caplog.messages
    assert warning.startswith("3 of 20 sessions of two events or more (15.0%) last longer than a ")
    assert "the longest 1 days: session_key of the section 'data' may name users" in warning
    assert "session_gap" in warning


@pytest.mark.parametrize(
    ("n_long", "loading"),
    [
        (0, LoadingConfig()),
        (2, LoadingConfig()),
        (20, LoadingConfig(session_gap=2 * DAY)),
        (20, LoadingConfig(time_unit="ordinal")),
    ],
    ids=["none", "few", "cut", "no clock"],
)
def test_nothing_is_said_elsewhere(
    caplog: pytest.LogCaptureFixture, n_long: int, loading: LoadingConfig
) -> None:
    assert find(n_long, 20 - n_long, loading) is None
    assert not caplog.messages


def test_sessions_of_one_event_last_no_time() -> None:
    assert find(0, 0, LoadingConfig()) is None
