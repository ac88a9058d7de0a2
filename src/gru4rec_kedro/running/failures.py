"""A run that failed: a user's mistake is one message, any other error keeps its traceback."""

import logging
from collections.abc import Iterable
from typing import Any

import duckdb
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Node, Pipeline

from gru4rec import DataError, GRU4RecError, SparkError
from gru4rec.addresses import is_remote
from gru4rec.preparation import find_damaged, say_cannot_spill, say_of_spark
from gru4rec_kedro.datasets import EventsDataset
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.kedro_internals import file_of

logger = logging.getLogger(__name__)


class FailureHooks:
    """Says what failed, and tells a user's mistake apart."""

    @hook_impl
    def on_node_error(
        self, error: Exception, node: Node, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Names the node that failed; a user's mistake is told once, by `on_pipeline_error`."""
        if _find_mistake(error, node.inputs, catalog) is None:
            logger.error("Node %s failed: %s", node.name, error)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Turns an error of `gru4rec` into its message; any other keeps its traceback."""
        mistake = _find_mistake(error, pipeline.datasets(), catalog)
        if mistake is not None:
            raise RunError(str(mistake)) from error


def _find_mistake(
    error: BaseException | None, names: Iterable[str], catalog: CatalogProtocol[Any, Any]
) -> GRU4RecError | None:
    """Looks for a user's mistake behind an error.

    Args:
        error: What was raised, and what it was raised from.
        names: The datasets that may be at fault.
        catalog: Has them.
    """
    while error is not None and not isinstance(error, GRU4RecError):
        if said := say_of_spark(error):
            return SparkError(f"Spark: {said}")
        if isinstance(error, duckdb.Error) and (no_room := say_cannot_spill(error)):
            return DataError(no_room)
        if isinstance(error, duckdb.OutOfMemoryException):
            return DataError(
                "A query needs more memory than DuckDB may use; raise memory_limit in globals.yml "
                f"({str(error).splitlines()[0]})"
            )
        if isinstance(error, duckdb.Error):  # mostly tells neither what it was nor in which file
            datasets = [catalog.get(name) for name in sorted(names)]
            events = [data for data in datasets if isinstance(data, EventsDataset)]
            files = [file_of(data) for data in events if data.exists()]
            damaged = find_damaged(path for path in files if path and not is_remote(path))
            if damaged:
                return DataError(
                    f"{damaged} is damaged ({str(error).splitlines()[0]}); run the pipeline again "
                    "that makes it"
                )
        error = error.__cause__  # Kedro wraps what a dataset raises
    return error
