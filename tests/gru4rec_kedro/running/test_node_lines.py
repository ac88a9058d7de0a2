import io
import logging
from collections.abc import Iterator

import pytest
from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner, ThreadRunner

from gru4rec_kedro.running.node_lines import NodeLines

PIPELINE = Pipeline(
    [Node(lambda: 1, None, "one", name="make"), Node(lambda n: n + 1, "one", "two", name="add")]
)


@pytest.fixture
def lines() -> NodeLines:
    """Filters the lines of a handler, which `shown` reads."""
    return NodeLines()


@pytest.fixture
def shown(lines: NodeLines) -> Iterator[io.StringIO]:
    handler = logging.StreamHandler(io.StringIO())
    handler.addFilter(lines)
    names = ("kedro", "gru4rec_kedro")
    for name in names:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).propagate = False  # the console's handler may have such a filter
    yield handler.stream
    for name in names:
        logging.getLogger(name).removeHandler(handler)
        logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger(name).propagate = True


@pytest.mark.parametrize("runner", [SequentialRunner(), ThreadRunner(max_workers=1)])
def test_a_node_is_one_line_with_its_time(runner, lines, shown):
    hooks = _create_hook_manager()
    _register_hooks(hooks, (lines,))
    for _ in range(2):  # a session of a notebook runs again
        hooks.hook.before_pipeline_run(run_params={}, pipeline=PIPELINE, catalog=DataCatalog())
        runner.run(PIPELINE, DataCatalog(), hook_manager=hooks)
    text = shown.getvalue().splitlines()
    assert [line.rpartition(",")[0] for line in text if line.startswith("Node")] == [
        "Node 1 of 2: make",
        "Node 2 of 2: add",
    ] * 2
    assert all(line.endswith(" s") for line in text if line.startswith("Node"))
    assert not any("Completed" in line or "synchronous" in line for line in text)


def test_nobody_knows_how_many_outputs_are_missing(lines, shown):
    lines.before_pipeline_run(run_params={"only_missing_outputs": True}, pipeline=PIPELINE)
    logging.getLogger("kedro.runner").info("Completed node: %s", "make")
    assert shown.getvalue() == "Node 1: make\n"


def test_warnings_of_runners_stay(shown):
    logging.getLogger("kedro.runner").warning("There are 3 nodes that have not run.")
    assert shown.getvalue() == "There are 3 nodes that have not run.\n"
