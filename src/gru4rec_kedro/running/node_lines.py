"""One line for each node that is done, with its time, in place of Kedro's two without."""

import logging
import time
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from gru4rec_kedro.kedro_internals import RUNNER, RUNNER_DONE, RUNNER_SMALL_TALK

logger = logging.getLogger(__name__)


class NodeLines:
    """Says which node is done, of how many, and how long loading, computing and saving took.

    As a filter of a handler it takes the place of what Kedro's runners say there; other handlers
    show that as it is.
    """

    def __init__(self) -> None:
        self._n_nodes = self._n_done = 0
        self._begun: dict[str, float] = {}

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Counts the nodes of the run."""
        self._n_nodes, self._n_done = len(pipeline.nodes), 0
        self._begun.clear()

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """Notes when a node begins: with the first dataset that it loads."""
        self._begun.setdefault(node.name, time.perf_counter())

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Notes when a node begins that loads nothing."""
        self._begun.setdefault(node.name, time.perf_counter())

    def __call__(self, record: logging.LogRecord) -> bool:
        """Whether a handler shows a record."""
        if not record.name.startswith(RUNNER):
            return True
        if record.msg == RUNNER_DONE:
            self._say_done(record.args)
            return False
        return not str(record.msg).startswith(RUNNER_SMALL_TALK)

    def _say_done(self, arguments: Any) -> None:
        (name,) = arguments
        self._n_done += 1
        begun = self._begun.get(name)  # processes of a ParallelRunner keep it to themselves
        took = f", {time.perf_counter() - begun:.1f} s" if begun is not None else ""
        logger.info("Node %d of %d: %s%s", self._n_done, self._n_nodes, name, took)
