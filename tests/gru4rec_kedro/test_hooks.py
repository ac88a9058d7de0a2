import duckdb
import pytest
from kedro.io import DatasetError
from kedro.pipeline import Node

from gru4rec import DataError
from gru4rec_kedro.hooks import ProjectHooks, RunError


def wrapped(cause: Exception) -> DatasetError:
    try:
        raise DatasetError("as Kedro wraps it") from cause
    except DatasetError as error:
        return error


def test_a_mistake_of_the_user_is_told_once(caplog):
    error = wrapped(DataError("no items"))
    ProjectHooks().on_node_error(error, Node(len, "a", "b", name="count"))
    assert caplog.messages == []
    with pytest.raises(RunError, match=r"^no items$"):
        ProjectHooks().on_pipeline_error(error)


def test_too_little_memory_names_the_limit(caplog):
    error = wrapped(duckdb.OutOfMemoryException("could not allocate\n\nPossible solutions:"))
    ProjectHooks().on_node_error(error, Node(len, "a", "b", name="count"))
    assert caplog.messages == []
    with pytest.raises(
        RunError, match=r"raise memory_limit in globals.yml \(could not allocate\)$"
    ):
        ProjectHooks().on_pipeline_error(error)


def test_any_other_error_names_its_node_and_goes_on(caplog):
    error = wrapped(KeyError("x"))
    ProjectHooks().on_node_error(error, Node(len, "a", "b", name="count"))
    assert caplog.messages == ["Node count failed: as Kedro wraps it"]
    ProjectHooks().on_pipeline_error(error)
