import logging
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Node, Pipeline

from gru4rec.preparation.engine import spark as engine
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.running.failures import FailureHooks

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize(("env", "expected"), [("spark", "hive"), ("test", None)])
def test_an_environment_says_what_a_session_is_started_with(env: str, expected: str | None) -> None:
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env=env) as session:
        session.load_context()
    assert engine._options.get("spark.sql.catalogImplementation") == expected


def test_pages_of_spark_are_one_message(
    spark_backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(logging.Logger, "callHandlers", lambda log, _: logged.append(log.name))
    try:
        spark_backend.session.sql("SELECT CAST('a' AS INT)").collect()
    except Exception as error:
        failed = DatasetError("as Kedro wraps it")
        failed.__cause__ = error
    assert "SQLQueryContextLogger" not in logged
    node = Node(len, "a", "b", name="count")
    with pytest.raises(RunError, match=r"^Spark: .*CAST_INVALID_INPUT[^\n]*$"):
        FailureHooks().on_pipeline_error(failed, Pipeline([node]), DataCatalog({}))
