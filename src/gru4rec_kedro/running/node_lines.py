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
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Counts the nodes of the run; the runner leaves out those whose outputs are there."""
        is_known = not run_params.get("only_missing_outputs")
        self._n_nodes, self._n_done = len(pipeline.nodes) if is_known else 0, 0
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
        of = f" of {self._n_nodes}" if self._n_nodes else ""
        logger.info("Node %d%s: %s%s", self._n_done, of, name, took)
