import duckdb
import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Node, Pipeline

from gru4rec import DataError
from gru4rec_kedro.datasets import EventsDataset
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.running.failures import FailureHooks

NODE = Node(len, "a", "b", name="count")
EMPTY = DataCatalog({})


def wrapped(cause: Exception) -> DatasetError:
    try:
        raise DatasetError("as Kedro wraps it") from cause
    except DatasetError as error:
        return error


def test_a_mistake_of_the_user_is_told_once(caplog):
    error = wrapped(DataError("no items"))
    FailureHooks().on_node_error(error, NODE, EMPTY)
    assert caplog.messages == []
    with pytest.raises(RunError, match=r"^no items$"):
        FailureHooks().on_pipeline_error(error, Pipeline([NODE]), EMPTY)


def test_too_little_memory_names_the_limit(caplog):
    error = wrapped(duckdb.OutOfMemoryException("could not allocate\n\nPossible solutions:"))
    FailureHooks().on_node_error(error, NODE, EMPTY)
    assert caplog.messages == []
    with pytest.raises(
        RunError, match=r"raise memory_limit in globals.yml \(could not allocate\)$"
    ):
        FailureHooks().on_pipeline_error(error, Pipeline([NODE]), EMPTY)


def test_a_full_spill_disk_is_told_apart_from_too_little_memory():
    said = "failed to offload data block of size 256.0 KiB (35.8 MiB/36.0 MiB used)."
    error = wrapped(duckdb.OutOfMemoryException(f"{said}\n\nPossible solutions:"))
    with pytest.raises(RunError, match=r"cannot write what exceeds its memory to .*duckdb \(fail"):
        FailureHooks().on_pipeline_error(error, Pipeline([NODE]), EMPTY)


def test_any_other_error_names_its_node_and_goes_on(caplog):
    error = wrapped(KeyError("x"))
    FailureHooks().on_node_error(error, NODE, EMPTY)
    assert caplog.messages == ["Node count failed: as Kedro wraps it"]
    FailureHooks().on_pipeline_error(error, Pipeline([NODE]), EMPTY)


def test_a_query_on_a_damaged_file_of_the_catalog_names_it(caplog, tmp_path):
    catalog = DataCatalog({name: EventsDataset(filepath=str(tmp_path / name)) for name in "ab"})
    node = Node(lambda a: a.count().to_pyarrow(), "a", "b", name="count")
    catalog.save("a", pd.DataFrame({"SessionId": range(100)}))
    content = bytearray((tmp_path / "a").read_bytes())
    content[4:60] = b"\xff" * 56
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(duckdb.Error) as caught:
        catalog.load("a").SessionId.sum().to_pyarrow()
    error = wrapped(caught.value)
    FailureHooks().on_node_error(error, node, catalog)
    assert caplog.messages == []
    with pytest.raises(
        RunError, match=rf"^{tmp_path}/a is damaged \(.*\); run the pipeline again that makes it$"
    ):
        FailureHooks().on_pipeline_error(error, Pipeline([node]), catalog)


def test_a_query_that_fails_on_sound_files_keeps_its_traceback(caplog, tmp_path):
    catalog = DataCatalog({"a": EventsDataset(filepath=str(tmp_path / "a"))})
    catalog.save("a", pd.DataFrame({"SessionId": range(100)}))
    error = wrapped(duckdb.BinderException("no such column"))
    FailureHooks().on_node_error(error, NODE, catalog)
    assert caplog.messages == ["Node count failed: as Kedro wraps it"]
    FailureHooks().on_pipeline_error(error, Pipeline([NODE]), catalog)
