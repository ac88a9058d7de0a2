"""Databricks itself is never reached here.

A DuckDB connection of Ibis stands in for a SQL warehouse, and a module named `pyspark` with the few
calls that are used stands in for Spark.
"""

import sys
import types

import ibis
import pyarrow as pa
import pytest

from gru4rec.errors import DatabricksError, DataError
from gru4rec.preparation import load_databricks_table

VARIABLES = {
    "DATABRICKS_SERVER_HOSTNAME": "host.example",
    "DATABRICKS_HTTP_PATH": "/sql/1",
    "DATABRICKS_TOKEN": "dapi-secret",
}
ROWS = {
    "SessionId": [2**63 - 1, 1],
    "ItemId": [2**53 + 1, 2],
    "Time": [1.5, 2.5],
    "other": [None, 1],
}


@pytest.fixture
def warehouse() -> ibis.BaseBackend:
    """DuckDB instead of a SQL warehouse, with the table `shop.clicks`."""
    connection = ibis.duckdb.connect()
    connection.create_database("shop")
    connection.create_table("clicks", pa.table(ROWS), database="shop")
    return connection


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


class FakeFrame:
    """A Spark DataFrame as far as it is used; notes which columns travel."""

    def __init__(self, rows: dict[str, list[object]]) -> None:
        self.rows = rows

    @property
    def columns(self) -> list[str]:
        return list(self.rows)

    def selectExpr(self, *names: str) -> "FakeFrame":  # noqa: N802
        pairs = [[part.strip("`") for part in name.split(" AS ")] for name in names]
        return FakeFrame({name: self.rows[of] for of, name in pairs})

    def toArrow(self) -> pa.Table:  # noqa: N802
        return pa.table(self.rows)


class FakeSession:
    def __init__(self, rows: dict[str, list[object]]) -> None:
        self.rows = rows
        self.asked: list[str] = []

    def table(self, name: str) -> FakeFrame:
        self.asked.append(name)
        if "missing" in name:
            raise RuntimeError("[TABLE_OR_VIEW_NOT_FOUND] no such table\nplan…")
        return FakeFrame(self.rows)


def activate(monkeypatch: pytest.MonkeyPatch, session: FakeSession | None) -> None:
    package, sql = types.ModuleType("pyspark"), types.ModuleType("pyspark.sql")
    package.SparkContext = types.SimpleNamespace(_active_spark_context=None)  # type: ignore[attr-defined]
    sql.SparkSession = types.SimpleNamespace(getActiveSession=lambda: session)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyspark", package)
    monkeypatch.setitem(sys.modules, "pyspark.sql", sql)


def test_the_active_spark_session_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession(ROWS)
    activate(monkeypatch, session)
    frame = load_databricks_table("main.web-shop.clicks")
    assert session.asked == ["`main`.`web-shop`.`clicks`"]
    assert frame.to_dict("list") == {name: ROWS[name] for name in ("SessionId", "ItemId", "Time")}
    assert frame["ItemId"].dtype == "int64"


def test_spark_nulls_missing_columns_and_missing_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    activate(monkeypatch, FakeSession(ROWS))
    with pytest.raises(DataError, match="nulls in integer columns: 'other' has 1"):
        load_databricks_table("s.clicks", columns=["SessionId", "other"])
    with pytest.raises(
        DataError, match=r"s\.clicks lacks the column 'user'.*has SessionId, ItemId"
    ):
        load_databricks_table("s.clicks", session_key="user")
    with pytest.raises(DatabricksError, match=r"s\.missing \(RuntimeError: .*no such table\);"):
        load_databricks_table("s.missing")


def test_only_the_needed_columns_travel_and_ids_are_exact(warehouse: ibis.BaseBackend) -> None:
    frame = load_databricks_table("shop.clicks", connection=warehouse)
    assert frame.to_dict("list") == {name: ROWS[name] for name in ("SessionId", "ItemId", "Time")}
    one = load_databricks_table("shop.clicks", columns=["ItemId"], connection=warehouse)
    assert list(one) == ["ItemId"]
    assert len(load_databricks_table("memory.shop.clicks", connection=warehouse)) == 2


def test_a_condition_and_a_number_of_rows(warehouse: ibis.BaseBackend) -> None:
    def load(**options: object) -> list[float]:
        frame = load_databricks_table("shop.clicks", connection=warehouse, **options)  # type: ignore[arg-type]
        assert list(frame) == ["SessionId", "ItemId", "Time"]
        return frame["Time"].tolist()

    assert load(where="other = 1") == [2.5]  # of a column that does not travel
    assert load(where='other = 1 OR "Time" < 2') == [1.5, 2.5]
    assert len(load(rows=1)) == 1
    assert load(where="other = 1", rows=5) == [2.5]
    with pytest.raises(DatabricksError, match=r"othre.*and 'where', if you gave one"):
        load(where="othre = 1")
    for rows in (0, 1.5, "2"):
        with pytest.raises(DataError, match=f"rows is {rows!r}; a whole number of rows"):
            load(rows=rows)


def test_nulls_missing_columns_and_missing_tables(warehouse: ibis.BaseBackend) -> None:
    with pytest.raises(DataError, match="nulls in integer columns: 'other' has 1"):
        load_databricks_table("shop.clicks", item_key="other", connection=warehouse)
    with pytest.raises(DataError, match=r"'Items' \(did you mean 'ItemId'\?\); it has SessionId"):
        load_databricks_table("shop.clicks", item_key="Items", connection=warehouse)
    with pytest.raises(DatabricksError, match=r"Cannot read the table shop\.none .*check its name"):
        load_databricks_table("shop.none", connection=warehouse)


@pytest.mark.parametrize("name", ["", "a.b.c.d", "a..b", "a.b;drop table x", "a b", "a.`b`", "a\n"])
def test_what_is_not_a_name_is_refused(name: str, warehouse: ibis.BaseBackend) -> None:
    with pytest.raises(DatabricksError, match="is not the name of a table"):
        load_databricks_table(name, connection=warehouse)


def test_environment_variables_connect(
    monkeypatch: pytest.MonkeyPatch, warehouse: ibis.BaseBackend
) -> None:
    seen: dict[str, str] = {}

    def connect(**options: str) -> ibis.BaseBackend:
        seen.update(options)
        return warehouse

    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(vars(ibis), "databricks", types.SimpleNamespace(connect=connect))
    activate(monkeypatch, None)
    assert len(load_databricks_table("shop.clicks")) == 2
    assert list(seen.values()) == list(VARIABLES.values())


def test_no_way_names_both_and_the_missing_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-secret")
    with pytest.raises(DatabricksError) as caught:
        load_databricks_table("shop.clicks")
    message = str(caught.value)
    assert "Spark session" in message
    assert "(not set: DATABRICKS_SERVER_HOSTNAME, DATABRICKS_HTTP_PATH)" in message
    assert "dapi-secret" not in message


@pytest.mark.parametrize("error", [OSError("refused token dapi-secret"), ImportError("no sql")])
def test_failed_connection_hides_the_token(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def connect(**_: str) -> None:
        raise error

    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(vars(ibis), "databricks", types.SimpleNamespace(connect=connect))
    with pytest.raises(DatabricksError, match=r"databricks\]|check DATABRICKS") as caught:
        load_databricks_table("shop.clicks")
    assert "dapi-secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_failed_query_hides_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("POST /sql/1 with Bearer dapi-secret: 403")

    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-secret")
    activate(monkeypatch, types.SimpleNamespace(table=refuse))  # type: ignore[arg-type]
    for connection in (None, types.SimpleNamespace(table=refuse)):
        with pytest.raises(DatabricksError, match=r"with Bearer \*\*\*: 403") as caught:
            load_databricks_table("shop.clicks", connection=connection)  # type: ignore[arg-type]
        assert caught.value.__suppress_context__
