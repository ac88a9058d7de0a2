"""Windows of time: what comes before each, and what is in it."""

from datetime import UTC, datetime
from typing import NamedTuple

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

from gru4rec import DataError, DataSplitConfig, columns, split_sessions
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.reading import DAY, FEWEST_SESSIONS


class Window(NamedTuple):
    """A stretch of time; the number counts from 1, and the last one has no end but the log's."""

    number: int
    start: float
    end: float | None

    @property
    def span(self) -> tuple[float, float | None]:
        """Start and end: what is in a window, whatever its number."""
        return self.start, self.end


def before_end(events: ir.Table, options: BacktestConfig) -> ir.Table:
    """Leaves out what is after the last window."""
    return events if options.until is None else events.filter(events[columns.TIME] < options.until)


def find_windows(events: ir.Table, options: BacktestConfig) -> list[Window]:
    """Finds the windows, and sees whether all have enough to train on and to measure.

    Args:
        events: The log, to the end of the last window.
        options: How many windows there are, and how long.

    Raises:
        DataError: Some have too few sessions.
    """
    sessions = events.group_by(columns.SESSION).agg(
        first=events[columns.TIME].min(), length=events.count()
    )
    firsts = np.sort(sessions.filter(sessions["length"] > 1)["first"].to_pandas().to_numpy())
    last = events[columns.TIME].max().to_pandas() if options.until is None else options.until
    if not len(firsts):
        raise DataError("backtest: the log has no session of two events, so nothing to measure")
    step = options.window_days * DAY
    starts = [float(last - step * back) for back in range(options.n_windows, 0, -1)]
    ends = [*starts[1:], None]
    windows = [Window(i, *ends_of) for i, ends_of in enumerate(zip(starts, ends, strict=True), 1)]
    _refuse_few(windows, firsts, options)
    return windows


def cut(events: ir.Table, window: Window) -> tuple[ir.Table, ir.Table]:
    """Cuts a log as `split_sessions` does.

    Returns:
        The events before a window; and the sessions that start in it, without what they have after
        it.
    """
    if window.end is None:
        options = DataSplitConfig(test_from=window.start, valid_fraction=0)
        split = split_sessions(events, options)
        return split.train_full, split.test
    options = DataSplitConfig(test_from=window.end, valid_from=window.start)
    split = split_sessions(events, options)
    return split.train, split.valid


def keep_newest(before: ir.Table, window: Window, days: float | None) -> ir.Table:
    """Keeps the sessions that start in the days before a window; None: all."""
    if days is None:
        return before
    firsts = before.group_by(columns.SESSION).agg(first=before[columns.TIME].min())
    return before.semi_join(
        firsts.filter(firsts["first"] >= window.start - days * DAY), columns.SESSION
    )


def say_time(time: float) -> str:
    """A time as a date, where it may be one: times may also only order events."""
    try:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return f"{time:.15g}"


def _refuse_few(
    windows: list[Window], firsts: npt.NDArray[np.floating], options: BacktestConfig
) -> None:
    few = []
    for window in windows:
        begin = -np.inf if options.train_days is None else window.start - options.train_days * DAY
        end = np.inf if window.end is None else window.end
        first, own, after = np.searchsorted(firsts, [begin, window.start, end])
        counts = {"to train on": own - first, "to measure": after - own}
        told = [f"{n} {what}" for what, n in counts.items() if n < FEWEST_SESSIONS]
        if told:
            few.append(f"window {window.number} from {say_time(window.start)}: {', '.join(told)}")
    if few:
        raise DataError(
            f"backtest: too few sessions of two events or more; at least {FEWEST_SESSIONS} are "
            f"needed for each. {'; '.join(few)}. The log has {len(firsts):,}, which start from "
            f"{say_time(firsts[0])} to {say_time(firsts[-1])} (UTC): choose other windows with "
            "backtest.n_windows, window_days or until, or more train_days"
        )
