"""Data engineering and recommendation on Spark, and training, give what one machine gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gru4rec.preparation.engine import spark as engine

PARTS = ("train", "valid", "test", "train_full")
# what is measured, and the name of the log
DIFFERENT = ("second", "memory", "trained_at", "history", "origin")
# the rows of a table have no order
OPTIONS = {
    "loading": {"ties": "item"},
    "data_split": {"known_items_only": True},
    "model": {"layers": [8], "n_sample": 32, "n_epochs": 1, "batch_size": 32},
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


@pytest.fixture(scope="module")
def trained(project: Path, run: Callable[..., Any]) -> Path:
    """The project after training from both, which asks nothing of Spark."""
    run(project, OPTIONS, pipeline_names=["modelling"])

    def refuse() -> None:
        raise AssertionError("Spark is asked for")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gru4rec_kedro.datasets.spark_table.spark_connection", refuse)
        run(project, OPTIONS, env="spark", pipeline_names=["modelling"])
    return project


def test_training_reads_the_parts_without_spark(trained: Path) -> None:
    found = [
        json.loads(max((trained / f"data/{env}/08_reporting/metrics.json").glob("*/*")).read_text())
        for env in ("spark", "test")
    ]
    on_spark, local = (
        {name: value for name, value in each.items() if not any(map(name.__contains__, DIFFERENT))}
        for each in found
    )
    assert on_spark == local
    assert {"recall@20", "training_loss", "ranks", "model"} <= local.keys()
    ranks = [
        pd.read_parquet(trained / f"data/{env}/07_model_output/ranked_events.parquet")
        for env in ("spark", "test")
    ]
    pd.testing.assert_frame_equal(*ranks)


def test_recommendations_of_that_model_are_those_of_the_local_run(
    trained: Path, run: Callable[..., Any]
) -> None:
    for env, sessions in (("test", "data/01_raw/sample_clicks.csv"), ("spark", "clicks")):
        options = {**OPTIONS, "sessions": sessions, "recommendation": {"k": 5}}
        run(trained, options, env=env, pipeline_names=["recommendation"])
    local = pd.read_parquet(trained / "data/test/07_model_output/recommendations")
    on_spark = engine.spark_connection().table("gru4rec_recommendations").to_pandas()
    on_spark = on_spark.sort_values(["session", "rank"], ignore_index=True)
    assert len(local) == 5 * len(set(local["session"])) > 0
    pd.testing.assert_frame_equal(on_spark, local, check_dtype=False, rtol=0, atol=1e-5)
