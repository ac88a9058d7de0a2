import io
import logging
import sys
from types import SimpleNamespace
from typing import Any

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


class ZMQInteractiveShell:
    """Named as the shell of notebooks."""


def test_a_notebook_has_a_bar_of_its_own(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    class Place:
        def update(self, bundle: dict[str, str], raw: bool) -> None:
            assert raw
            shown.append(bundle["text/html"])

    def display(*_: Any, **__: Any) -> Place:
        return Place()

    ipython = SimpleNamespace(
        get_ipython=ZMQInteractiveShell, display=SimpleNamespace(display=display)
    )
    monkeypatch.setitem(sys.modules, "IPython", ipython)

    with caplog.at_level(logging.INFO), ProgressDisplay("Epoch <1>", 1000) as display_:
        clock.now += 100
        display_._bar.mininterval = 0
        display_.update(250, "loss 1.5")

    [half] = [bar for bar in shown if 'value="250" max="1000"' in bar]
    assert "Epoch &lt;1&gt;:  25 %, 250 of 1.00k events" in half
    assert "loss 1.5" in half
    assert shown[-1] == ""  # and goes when it is done
    assert caplog.messages == []
