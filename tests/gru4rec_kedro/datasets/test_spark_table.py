from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DatasetError

from gru4rec.preparation import local_connection
from gru4rec_kedro.datasets import EventsDataset, SparkTableDataset

FRAME = pd.DataFrame({"SessionId": [1, 2**63 - 1], "ItemId": ["a", "ü"], "Time": [0.5, 2.0]})


@pytest.fixture
def table(spark_backend: Any, tmp_path: Path) -> Any:
    """Events on Spark."""
    FRAME.to_parquet(tmp_path / "given.parquet")
    return SparkTableDataset(filepath=str(tmp_path / "given.parquet")).load()


def test_a_table_is_replaced_and_nothing_else_stays(table: Any, spark_backend: Any) -> None:
    dataset = SparkTableDataset(table="default.saved")
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"there is no table default\.saved in Spark's catalog"):
        dataset.load()
    dataset.save(table)
    dataset.save(table.filter(table["Time"] > 1))
    pd.testing.assert_frame_equal(dataset.load().to_pandas(), FRAME.iloc[1:].reset_index(drop=True))
    assert [name for name in spark_backend.list_tables() if name.startswith("saved")] == ["saved"]
    assert dataset.preview()["data"] == [[2**63 - 1, "ü", 2.0]]
    spark_backend.drop_table("saved")


def test_a_table_of_the_current_database_is_saved_to_another(
    table: Any, spark_backend: Any
) -> None:
    spark_backend.raw_sql("CREATE DATABASE shop2")
    try:
        spark_backend.raw_sql("USE shop2")
        SparkTableDataset(table="clicks2").save(table)
        copy = SparkTableDataset(table="default.copied")
        copy.save(SparkTableDataset(table="clicks2").load())
        assert copy.load().count().to_pyarrow().as_py() == 2
        spark_backend.raw_sql("DROP TABLE default.copied")
    finally:
        spark_backend.raw_sql("USE default")
        spark_backend.raw_sql("DROP DATABASE shop2 CASCADE")


def test_a_failed_save_leaves_the_table_before(table: Any, spark_backend: Any) -> None:
    dataset = SparkTableDataset(table="kept")
    dataset.save(table)
    before = in_warehouse(spark_backend)
    with pytest.raises(DatasetError, match="CAST_INVALID_INPUT"):
        dataset.save(table.mutate(ItemId=table["ItemId"].cast("int64")))
    assert in_warehouse(spark_backend) == before
    assert dataset.load().count().to_pyarrow().as_py() == 2
    spark_backend.drop_table("kept")


def in_warehouse(backend: Any) -> tuple[list[str], list[str]]:
    """Tables, and the folders of all that are or were."""
    folder = Path(backend.session.conf.get("spark.sql.warehouse.dir").removeprefix("file:"))
    return sorted(backend.list_tables()), sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("at", ["kept", "kept_new_"])
def test_a_save_that_ends_between_the_renames_leaves_the_table_before(
    table: Any,
    spark_backend: Any,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[BaseException],
    at: str,
) -> None:
    dataset = SparkTableDataset(table="kept")
    dataset.save(table)
    before = in_warehouse(spark_backend)
    rename = dataset._rename

    def stop(name: str, to: str) -> None:
        if name == "kept":
            rename(name, to)
        if name.startswith(at):
            assert not dataset.exists()
            monkeypatch.undo()
            raise kind

    monkeypatch.setattr(dataset, "_rename", stop)
    with pytest.raises((kind, DatasetError)):
        dataset.save(table.limit(1))
    assert in_warehouse(spark_backend) == before
    assert dataset.load().count().to_pyarrow().as_py() == 2
    spark_backend.drop_table("kept")


def test_a_view_is_not_replaced(table: Any, spark_backend: Any) -> None:
    spark_backend.raw_sql("CREATE VIEW seen AS SELECT 1 AS n")
    before = in_warehouse(spark_backend)
    with pytest.raises(DatasetError, match=r"(?i)view"):
        SparkTableDataset(table="seen").save(table)
    assert in_warehouse(spark_backend) == before
    assert SparkTableDataset(table="seen").load().columns == ("n",)
    spark_backend.drop_view("seen")


def test_only_spark_writes_its_tables(spark_backend: Any, tmp_path: Path) -> None:
    local = local_connection().create_table("of_duckdb", FRAME, temp=True)
    with pytest.raises(DatasetError, match=r"let what it is made of.* be a table of Spark"):
        SparkTableDataset(table="clicks").save(local)
    local_connection().drop_table("of_duckdb")
    with pytest.raises(DatasetError, match="read only; name a table"):
        SparkTableDataset(filepath=f"{tmp_path}/x").save(local)


def test_events_of_spark_are_a_folder_that_duckdb_reads(table: Any, tmp_path: Path) -> None:
    dataset = EventsDataset(filepath=str(tmp_path / "events.parquet"))
    dataset.save(FRAME)  # a file, in whose place a folder comes
    dataset.save(table)
    assert dataset.load().get_backend() is local_connection()
    found = dataset.load().order_by("Time").to_pandas()
    pd.testing.assert_frame_equal(found, FRAME)
    dataset.save(FRAME)
    assert (tmp_path / "events.parquet").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.parquet", "given.parquet"]


def test_a_failed_save_of_events_leaves_what_was_there(table: Any, tmp_path: Path) -> None:
    dataset = EventsDataset(filepath=str(tmp_path / "events.parquet"))
    dataset.save(table)
    with pytest.raises(DatasetError):
        dataset.save(table.mutate(ItemId=table["ItemId"].cast("int64")))
    assert dataset.load().count().to_pyarrow().as_py() == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.parquet", "given.parquet"]
