"""What a run shows on the console: log lines readable at 80 columns, and at the end its results."""

import logging
import textwrap
from collections.abc import Callable
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from gru4rec.addresses import brief
from gru4rec_kedro.kedro_internals import file_of
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.options.parameters import PublishedConfig
from gru4rec_kedro.pipelines.backtest.report import summarise_backtest
from gru4rec_kedro.reporting.plain_tables import baselines_table, parts_table, rows_as_text
from gru4rec_kedro.reporting.results import leads, results_table
from gru4rec_kedro.running.node_lines import NodeLines
from gru4rec_kedro.running.project_logging import use_project_logging

logger = logging.getLogger(__name__)

_WIDTH = 80
_PAGES = ("report", "backtest_report", "promotion_report")
_INDENT = " " * len("12:34:56 WARNING ")


class ConsoleHooks(NodeLines):
    """Wraps long lines, says how far a run is, and closes it with its results."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Shapes what is logged from now on."""
        use_project_logging(context.project_path)
        shape_log_lines(self)

    @hook_impl
    def after_pipeline_run(
        self, run_result: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Closes with what the run was for and the place of the report, if anything ran."""
        if not run_result:  # --only-missing-outputs, and nothing was missing
            return
        outputs = pipeline.all_outputs()
        for name, tell in _ENDINGS.items():
            if name in outputs:
                try:
                    logger.info("Results\n%s%s", _warn(catalog, outputs), tell(catalog, outputs))
                except Exception as error:  # all work is done, and an entry may be the user's own
                    logger.warning("%s cannot be shown here: %s", name, error)
                break
        for name in _PAGES:
            if name in outputs and (path := file_of(catalog.get(name))):
                logger.info("Report: %s", brief(path))


def _warn(catalog: CatalogProtocol[Any, Any], outputs: set[str]) -> str:
    """A line above the results where they do not belong together."""
    if "origins" not in outputs or not catalog.load("origins")["mixed"]:
        return ""
    return "NOT OF ONE MAKING: the warnings above say what does not belong together\n"


def _tell_metrics(catalog: CatalogProtocol[Any, Any], outputs: set[str]) -> str:
    published = PublishedConfig.parse(catalog.load("params:published"), "published")
    results = [results_table(catalog.load("metrics"), published)]
    if "baseline_comparison" in outputs:
        lead = leads(catalog.load("baseline_comparison"))
        results += ["Against the best baseline:", *lead] if lead else []
    return "\n".join(results)


def _tell_baselines(catalog: CatalogProtocol[Any, Any], _outputs: set[str]) -> str:
    return baselines_table(catalog.load("baseline_metrics"))


def _tell_recommendations(catalog: CatalogProtocol[Any, Any], _outputs: set[str]) -> str:
    return rows_as_text(catalog.load("recommendations").limit(5).to_pandas())


def _tell_backtest(catalog: CatalogProtocol[Any, Any], _outputs: set[str]) -> str:
    options = BacktestConfig.parse(catalog.load("params:backtest"), "backtest")
    sentences = summarise_backtest(catalog.load("backtest_metrics"), options)
    return "\n".join(line for told in sentences for line in textwrap.wrap(told, _WIDTH))


def _tell_promotion(catalog: CatalogProtocol[Any, Any], _outputs: set[str]) -> str:
    return "\n".join(textwrap.wrap(f"{catalog.load('promotion_verdict')['reason']}.", _WIDTH))


def _tell_parts(catalog: CatalogProtocol[Any, Any], _outputs: set[str]) -> str:
    return parts_table(catalog.load("split_statistics"))


# what a run that makes a dataset ends with; of several the first
_ENDINGS: dict[str, Callable[[CatalogProtocol[Any, Any], set[str]], str]] = {
    "metrics": _tell_metrics,
    "recommendations": _tell_recommendations,
    "backtest_metrics": _tell_backtest,
    "promotion_verdict": _tell_promotion,
    "baseline_metrics": _tell_baselines,
    "split_statistics": _tell_parts,
}


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


def shape_log_lines(node_lines: NodeLines) -> None:
    """Gives the console handler of `conf/logging.yml`, where Kedro refuses other classes, ours.

    Args:
        node_lines: Says in the place of Kedro's runners what is done.
    """
    for handler in logging.getLogger().handlers:
        plain = handler.formatter
        # not for handlers of other kinds, such as those of notebooks and tests
        if type(handler) is logging.StreamHandler and type(plain) is logging.Formatter:
            handler.setFormatter(WrappedFormatter(plain))
            handler.addFilter(node_lines)
        elif type(plain).__name__ == WrappedFormatter.__name__:  # of before %reload_kedro, too
            for other in [of for of in handler.filters if hasattr(of, "before_pipeline_run")]:
                handler.removeFilter(other)
            handler.addFilter(node_lines)


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
