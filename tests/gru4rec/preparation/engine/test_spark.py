import sys
import threading
from typing import Any

import ibis
import pytest

from gru4rec.errors import MissingExtraError, SparkError
from gru4rec.preparation import configure_spark, spark_connection
from gru4rec.preparation.engine import spark as engine
from gru4rec.preparation.engine.spark_errors import first_line


def test_a_session_that_is_there_is_left_as_it_was(spark: Any, spark_backend: Any) -> None:
    configure_spark({"spark.sql.shuffle.partitions": 3, "spark.driver.memory": "9g"})
    engine._shared.clear()
    own = spark_connection().session
    assert own is not spark
    assert own.conf.get("spark.sql.session.timeZone") == "UTC"
    assert own.conf.get("spark.sql.ansi.enabled") == "true"
    assert own.conf.get("spark.sql.shuffle.partitions") == "3"
    assert spark.conf.get("spark.sql.session.timeZone") == "America/New_York"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"
    assert spark_connection().session is own
    assert type(spark).getActiveSession() is spark
    engine._shared.clear()


def test_the_session_beside_is_where_the_other_is(spark: Any) -> None:
    key = "fs.azure.account.key.shop.dfs.core.windows.net"
    spark.sql("CREATE DATABASE IF NOT EXISTS shop")
    before = spark.catalog.currentDatabase()
    try:
        spark.sql("USE shop")
        spark.conf.set(key, "secret")
        spark.sql("CREATE TABLE here USING parquet AS SELECT 1 AS n")
        engine._shared.clear()
        backend = spark_connection()
        assert backend.table("here").count().to_pyarrow().as_py() == 1
        assert backend.session.conf.get(key) == "secret"
        assert backend.session.conf.get("spark.sql.session.timeZone") == "UTC"
        # a run that begins later finds what was set meanwhile
        spark.sql(f"USE {before}")
        configure_spark({"spark.sql.shuffle.partitions": 5})
        assert spark_connection() is backend
        assert backend.current_database == before
        assert backend.session.conf.get("spark.sql.shuffle.partitions") == "5"
    finally:
        spark.sql(f"USE {before}")
        spark.conf.unset(key)
        spark.sql("DROP DATABASE shop CASCADE")
        engine._shared.clear()


def test_an_option_that_spark_does_not_take_is_one_message(spark_backend: Any) -> None:
    message = r"^spark\.sql\.shuffle\.partitions cannot be 'many' in Spark: .*[^.]$"
    with pytest.raises(SparkError, match=message):
        configure_spark({"spark.sql.shuffle.partitions": "many"})
    configure_spark({})


def test_without_pyspark_it_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_shared", [])
    monkeypatch.setitem(sys.modules, "gru4rec.preparation.engine.spark_backend", None)
    with pytest.raises(MissingExtraError, match=r"install the extra spark: .*\.\[spark\]"):
        spark_connection()


def test_a_session_is_found_in_another_thread(spark: Any) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(engine.find_session()))
    thread.start()
    thread.join()
    assert found == [spark]


def test_what_is_stored_reads_itself_alone(spark_backend: Any) -> None:
    table = ibis.range(10).unnest().name("n").as_table()
    table = spark_backend.create_table("numbers", table, overwrite=True)
    counts = table
    for _ in range(4):  # each round refers twice to the one before
        counts = counts.filter(counts["n"] > 0).union(counts.filter(counts["n"] <= 0)).cache()
    plan = spark_backend.session.sql(spark_backend.compile(counts))._jdf.queryExecution()
    assert str(plan.analyzed()).count("\n") < 8
    assert counts.count().to_pyarrow().as_py() == 10
    counts.release()
    spark_backend.drop_table("numbers")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", "ValueError"),
        ("[TABLE_OR_VIEW_NOT_FOUND] no t.\nplan…", "[TABLE_OR_VIEW_NOT_FOUND] no t"),
        (
            "An error occurred while calling o1.x.\n: org.apache.spark.SparkException: Job aborted."
            "\n\tat a.b\nCaused by: java.lang.ArithmeticException: overflow\n\tat c",
            "ArithmeticException: overflow",
        ),
        (
            "An exception was thrown from the Python worker.\nTraceback (most recent call last):\n"
            "  File a, line 1\n    x\nKeyError: 'b'\n\nDuring handling of it, another:\n\n"
            "Traceback (most recent call last):\n  File c, line 2\n    y\n    ^\n"
            "gru4rec.errors.DataError: no d\n",
            "DataError: no d (in Python on a worker of Spark)",
        ),
    ],
)
def test_pages_of_py4j_become_a_line(said: str, kept: str) -> None:
    assert first_line(ValueError(said)) == kept
