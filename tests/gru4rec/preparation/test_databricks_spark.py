"""`load_databricks_table` on a real Spark session, which is in New York."""

import threading
from typing import Any

import pandas as pd
import pytest

from gru4rec import load_databricks_table
from gru4rec.errors import DatabricksError, DataError

ROWS = """
    SELECT 9223372036854775807 AS SessionId,
        CAST(12345678901234567 AS DECIMAL(20, 0)) AS ItemId,
        TIMESTAMP '2020-11-01 05:30:00.000001 UTC' AS Time,
        TIMESTAMP_NTZ '2020-11-01 05:30:00' AS naive,
        DATE '2020-11-01' AS day,
        CAST(1.25 AS DECIMAL(10, 2)) AS price,
        'x' AS `a``b`
"""


@pytest.fixture(scope="module")
def table(spark: Any) -> str:
    spark.sql(ROWS).write.saveAsTable("typed_clicks")
    return "default.typed_clicks"


def test_values_are_exact_and_moments_in_utc(spark: Any, table: str) -> None:
    row = load_databricks_table(
        table, columns=["SessionId", "ItemId", "Time", "naive", "day", "price", "a`b"]
    ).iloc[0]
    assert row.tolist() == [
        2**63 - 1,
        12345678901234567,
        pd.Timestamp("2020-11-01 05:30:00.000001", tz="UTC"),
        pd.Timestamp("2020-11-01 05:30:00"),
        pd.Timestamp("2020-11-01"),
        1.25,
        "x",
    ]
    assert spark.conf.get("spark.sql.session.timeZone") == "America/New_York"


def test_a_condition_and_a_number_of_rows(spark: Any, table: str) -> None:
    def load(**options: Any) -> int:
        return len(load_databricks_table(table, columns=["ItemId"], **options))

    assert load(where="day >= '2020-11-01' AND price > 1", rows=2) == 1
    assert load(where="day > '2020-11-01'") == 0
    with pytest.raises(DatabricksError, match=r"dya.*and 'where', if you gave one"):
        load(where="dya > '2020-11-01'")


def test_no_column_of_objects_arrives(spark: Any, table: str) -> None:
    frame = load_databricks_table(table, columns=["ItemId", "day", "price"])
    assert [kind.kind for kind in frame.dtypes] == ["i", "M", "f"]


def test_capitals_count_only_where_several_could_be_meant(spark: Any, table: str) -> None:
    assert load_databricks_table(table, columns=["sessionID"]).columns.tolist() == ["sessionID"]
    with pytest.raises(DataError, match=r"lacks the column 'user'.*it has SessionId"):
        load_databricks_table(table, columns=["user"])


def test_the_session_of_another_thread_is_found(spark: Any, table: str) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(len(load_databricks_table(table))))
    thread.start()
    thread.join()
    assert found == [1]


def test_the_cause_of_a_failure_is_told_and_kept(spark: Any, table: str) -> None:
    with pytest.raises(DatabricksError, match=r"TABLE_OR_VIEW_NOT_FOUND.*check its name") as caught:
        load_databricks_table("default.nothing")
    assert len(str(caught.value).splitlines()) == 1
    assert type(caught.value.__cause__).__name__ == "AnalysisException"
    spark.sql("SELECT raise_error('broken') AS SessionId").createOrReplaceTempView("failing")
    with pytest.raises(DatabricksError, match="broken"):
        load_databricks_table("failing", columns=["SessionId"])


def test_decimals_beyond_64_bits_are_refused(spark: Any) -> None:
    spark.sql("SELECT CAST(1e20 AS DECIMAL(30, 0)) AS i").createOrReplaceTempView("wide")
    with pytest.raises(DataError, match=r"wide has decimals that are no 64-bit integers"):
        load_databricks_table("wide", columns=["i"])
