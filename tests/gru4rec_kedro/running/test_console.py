import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from gru4rec_kedro.running.console import ConsoleHooks, WrappedFormatter, shape_log_lines
from gru4rec_kedro.running.node_lines import NodeLines

LOGGING = yaml.safe_load((Path(__file__).parents[3] / "conf/logging.yml").read_text())


@pytest.fixture
def shown() -> Iterator[io.StringIO]:
    """What a console shows whose handler is that of the project."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter(*LOGGING["formatters"]["plain"].values()))
    logging.getLogger().addHandler(handler)
    shape_log_lines(NodeLines())
    yield handler.stream
    logging.getLogger().removeHandler(handler)


def test_long_lines_break_between_words_at_80_columns(shown):
    words = " ".join(f"word-{n}" for n in range(60))
    logging.getLogger("gru4rec").warning(words)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0][8:17] == " WARNING "
    assert all(line.startswith(" " * 17 + "word-") for line in lines[1:])
    assert " ".join(lines).split()[2:] == words.split()


def test_lines_of_a_table_keep_their_spaces(shown):
    table = "Results\n     k   recall\n    20      0.5"
    logging.getLogger("gru4rec").warning(table)
    assert shown.getvalue().splitlines()[1:] == table.splitlines()[1:]


def test_paths_and_tracebacks_stay_whole(shown):
    path = "/a-long/path" * 20
    try:
        raise ValueError("x " * 100)
    except ValueError:
        logging.getLogger("gru4rec").exception("see %s", path)
    assert path in shown.getvalue()
    assert "x " * 99 in shown.getvalue().splitlines()[-1]


def test_kedros_advice_to_repeat_a_mistake_is_left_out(shown):
    runner = SequentialRunner()
    runner._suggest_resume_scenario(Pipeline([]), set(), DataCatalog({}))
    logging.getLogger("kedro.runner").warning("There are 3 nodes that have not run.")
    assert [line.split(maxsplit=2)[2] for line in shown.getvalue().splitlines()] == [
        "There are 3 nodes that have not run."
    ]


def test_what_cannot_be_shown_does_not_end_a_run_that_is_done(caplog):
    catalog = DataCatalog({"recommendations": MemoryDataset("of a kind of its own")})
    pipeline = Pipeline([Node(list, None, "recommendations")])
    ConsoleHooks().after_pipeline_run({"recommendations": None}, pipeline, catalog)
    assert "recommendations cannot be shown here: " in caplog.text


def test_a_reloaded_project_shapes_the_lines_once(shown):
    shape_log_lines(NodeLines())
    [handler] = [of for of in logging.getLogger().handlers if getattr(of, "stream", 0) is shown]
    assert len(handler.filters) == 1


def test_other_handlers_stay_as_they_are(caplog):
    before = caplog.handler.formatter
    shape_log_lines(NodeLines())
    assert caplog.handler.formatter is before
    assert not isinstance(before, WrappedFormatter)
