"""Progress of something long: a bar on a terminal and in a notebook, log lines elsewhere."""

import html
import io
import logging
import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 30.0
_IN_NOTEBOOKS = (
    "{desc}: {percentage:3.0f} %, {n_fmt} of {total_fmt}{unit}, {elapsed} [{remaining} left, "
    "{rate_fmt}{postfix}]"
)


class NotebookBar(tqdm):  # type: ignore[type-arg]  # generic in its stubs only
    """A bar of a notebook, which needs no widgets: HTML that is shown anew.

    Args:
        show: `IPython.display.display`.
        options: Of `tqdm`.
    """

    def __init__(self, show: Any, **options: Any) -> None:
        self._place = show({"text/html": ""}, raw=True, display_id=True)
        super().__init__(file=io.StringIO(), **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:  # noqa: ARG002
        """Shows how far it is; an empty message takes the bar away."""
        if msg == "":
            self._place.update({"text/html": ""}, raw=True)
            return
        text = self.format_meter(**{**self.format_dict, "bar_format": _IN_NOTEBOOKS})
        bar = f'<progress value="{self.n}" max="{self.total}"></progress> {html.escape(text)}'
        self._place.update({"text/html": bar, "text/plain": text}, raw=True)


def notebook_shell() -> Any:
    """Returns IPython's shell in the kernel of a notebook; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if type(shell).__name__ == "ZMQInteractiveShell" else None


def _make_bar(**options: Any) -> "tqdm[Any] | None":
    """Returns what shows progress here; None where only log lines can."""
    if notebook_shell() is not None:
        return NotebookBar(sys.modules["IPython"].display.display, **options)
    return tqdm(**options) if sys.stderr.isatty() else None


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
        self._bar = _make_bar(total=total, desc=task, unit=f" {unit}", unit_scale=True, leave=False)

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
