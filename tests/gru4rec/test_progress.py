import io
import logging

import pytest

from gru4rec import progress
from gru4rec.progress import ProgressDisplay


class Clock:
    """A time that a test sets."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_log_lines_are_throttled(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), ProgressDisplay("Epoch 1", 1000) as display:
        for done in (100, 200, 300, 400):
            clock.now += 20
            display.update(done, f"loss {done}")

    # after 40 and 80 seconds, at five events a second
    assert caplog.messages == [
        "Epoch 1: 20 %, 5 events/s, 160 s left loss 200",
        "Epoch 1: 40 %, 5 events/s, 120 s left loss 400",
    ]


def test_what_is_short_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), ProgressDisplay("Epoch 1", 10) as display:
        display.update(10)

    assert caplog.messages == []


def test_a_terminal_has_a_bar(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    with caplog.at_level(logging.INFO), ProgressDisplay("Epoch 1", 10) as display:
        clock.now += 100
        display.update(10, "loss 1.5")

    assert "Epoch 1" in terminal.getvalue()
    assert caplog.messages == []
