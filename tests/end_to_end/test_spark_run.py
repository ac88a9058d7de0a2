"""Data engineering on Spark, and training without it, give what one machine gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gru4rec.preparation.engine import spark as engine

PARTS = ("train", "valid", "test", "train_full")
# the rows of a table have no order
OPTIONS = {
    "loading": {"ties": "item"},
    "data_split": {"known_items_only": True},
    "model": {"layers": [8], "n_sample": 32, "n_epochs": 1},
}


@pytest.fixture(scope="module")
def project(new_project: Callable[[], Path], spark: Any, run: Callable[..., Any]) -> Path:
    path = new_project()
    log = pd.read_csv(path / "data/01_raw/sample_clicks.csv").head(4000)
    log.to_csv(path / "data/01_raw/sample_clicks.csv", index=False)
    spark.createDataFrame(log).write.saveAsTable("clicks")
    engine._shared.clear()
    run(path, OPTIONS, pipeline_names=["data_engineering"])
    run(path, OPTIONS, env="spark", pipeline_names=["data_engineering"])
    return path


def rows(folder: Path, part: str) -> pd.DataFrame:
    frame = pd.read_parquet(folder / f"05_model_input/{part}.parquet")
    return frame.sort_values(list(frame.columns), ignore_index=True)


def test_the_parts_are_equal_row_for_row(project: Path) -> None:
    for part in PARTS:
        on_spark, local = (rows(project / f"data/{env}", part) for env in ("spark", "test"))
        assert len(local)
        pd.testing.assert_frame_equal(on_spark, local)
        assert (project / f"data/spark/05_model_input/{part}.parquet/_SUCCESS").exists()


@pytest.mark.parametrize(
    "report",
    [
        "02_intermediate/log_counts.csv",
        "03_primary/filter_report.csv",
        "08_reporting/data_quality.csv",
        "08_reporting/split_statistics.csv",
    ],
)
def test_the_reports_are_equal(project: Path, report: str) -> None:
    on_spark, local = ((project / f"data/{env}" / report).read_text() for env in ("spark", "test"))
    assert on_spark == local


def test_training_reads_the_parts_without_spark(
    project: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project, OPTIONS, pipeline_names=["modelling"])

    def refuse() -> None:
        raise AssertionError("Spark is asked for")

    monkeypatch.setattr("gru4rec_kedro.datasets.spark_table.spark_connection", refuse)
    run(project, OPTIONS, env="spark", pipeline_names=["modelling"])
    found = [
        json.loads(max((project / f"data/{env}/08_reporting/metrics.json").glob("*/*")).read_text())
        for env in ("spark", "test")
    ]
    assert found[0] == found[1]
    ranks = [
        pd.read_parquet(project / f"data/{env}/07_model_output/ranked_events.parquet")
        for env in ("spark", "test")
    ]
    pd.testing.assert_frame_equal(*ranks)
