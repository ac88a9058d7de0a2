"""Progress of something long: a bar on a terminal, a log line now and then elsewhere."""

import logging
import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 30.0


class ProgressDisplay:
    """Shows how far a task is.

    Args:
        task: What is being done.
        total: Units of work.
        unit: Name of a unit.
    """

    def __init__(self, task: str, total: int, unit: str = "events") -> None:
        self._task, self._total, self._unit = task, total, unit
        self._begun = self._last_line = time.monotonic()
        self._done = 0
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=total, desc=task, unit=f" {unit}", unit_scale=True, leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, done: int, note: str = "") -> None:
        """Tells how many units are done in all, and something worth knowing (such as the loss)."""
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._done)
        self._done = done
        now = time.monotonic()
        if self._bar is None and now - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = now
            rate = done / (now - self._begun)
            left = (self._total - done) / max(rate, 1e-9)
            logger.info(
                "%s: %d %%, %.0f %s/s, %.0f s left %s",
                self._task,
                100 * done / max(self._total, 1),
                rate,
                self._unit,
                left,
                note,
            )
