"""What a run shows on the console: log lines readable at 80 columns, and at the end its results."""

import logging
import os
import textwrap
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from gru4rec_kedro.kedro_internals import ADVICE_TO_REPEAT, file_of
from gru4rec_kedro.options.parameters import PublishedConfig
from gru4rec_kedro.reporting.results import leads, results_table

logger = logging.getLogger(__name__)

_WIDTH = 80
_INDENT = " " * len("12:34:56 WARNING ")


class ConsoleHooks:
    """Wraps long lines, and closes a run with its results."""

    @hook_impl
    def after_context_created(self) -> None:
        """Wraps what is logged from now on."""
        wrap_log_lines()

    @hook_impl
    def after_pipeline_run(
        self, run_result: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Closes with the results and the place of the report, if anything ran."""
        if not run_result:  # --only-missing-outputs, and nothing was missing
            return
        if "metrics" in pipeline.all_outputs():
            published = PublishedConfig.parse(catalog.load("params:published"), "published")
            results = [results_table(catalog.load("metrics"), published)]
            if "baseline_comparison" in pipeline.all_outputs():
                lead = leads(catalog.load("baseline_comparison"))
                results += ["Against the best baseline:", *lead] if lead else []
            logger.info("Results\n%s", "\n".join(results))
        if "report" in pipeline.all_outputs() and (path := file_of(catalog.get("report"))):
            logger.info("Report: %s", os.path.relpath(path))


class WrappedFormatter(logging.Formatter):
    """Breaks the long lines of another formatter between words.

    Tracebacks and what has no spaces, such as paths, stay whole.

    Args:
        plain: Formats a message and its time.
    """

    def __init__(self, plain: logging.Formatter) -> None:
        super().__init__(datefmt=plain.datefmt)
        self._plain = plain

    def usesTime(self) -> bool:  # noqa: N802  (logging's names)
        """Whether the other formatter shows the time."""
        return self._plain.usesTime()

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Returns the line or lines of a message."""
        lines = self._plain.formatMessage(record).splitlines()
        return "\n".join(line for long in lines for line in _wrap(long))


def _is_good_advice(record: logging.LogRecord) -> bool:
    # after a mistake the same command would only meet it again
    return not record.getMessage().startswith(ADVICE_TO_REPEAT)


def wrap_log_lines() -> None:
    """Gives the console handler of `conf/logging.yml`, where Kedro refuses other classes, this.

    The handler also leaves out what Kedro's runners advise where no node ran.
    """
    for handler in logging.getLogger().handlers:
        plain = handler.formatter
        # not for handlers of other kinds, such as those of notebooks and tests
        if type(handler) is logging.StreamHandler and type(plain) is logging.Formatter:
            handler.setFormatter(WrappedFormatter(plain))
            handler.addFilter(_is_good_advice)


def _wrap(line: str) -> list[str]:
    if len(line) <= _WIDTH:
        return [line]
    return textwrap.wrap(
        line,
        _WIDTH,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
