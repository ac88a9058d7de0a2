from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.preparation import private_connection, stream_sessions

OPTIONS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "5",
    # as many partitions as of a large log
    "spark.sql.shuffle.partitions": "6",
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
}


@pytest.fixture
def in_many_partitions(spark_backend: Any) -> Any:
    conf = spark_backend.session.conf
    before = {name: conf.get(name) for name in OPTIONS}
    for name, value in OPTIONS.items():
        conf.set(name, value)
    yield spark_backend
    for name, value in before.items():
        conf.set(name, value)


@pytest.mark.parametrize("text", [False, True], ids=["integers", "text"])
def test_sessions_come_a_partition_at_a_time_as_from_duckdb(
    in_many_partitions: Any, tmp_path: Path, text: bool
) -> None:
    rng = np.random.default_rng(1)
    sessions = 2**60 + rng.integers(0, 30, 300)
    log = pd.DataFrame(
        {SESSION: sessions, ITEM: rng.integers(0, 9, 300), TIME: rng.integers(0, 99, 300)}
    )
    if text:
        log = log.astype({SESSION: str, ITEM: str})
    log.to_parquet(tmp_path / "log.parquet")
    jobs = in_many_partitions.session.sparkContext.statusTracker().getJobIdsForGroup

    pieces = stream_sessions(in_many_partitions.read_parquet(str(tmp_path / "log.parquet")), 4)
    first = next(pieces)
    n_jobs = len(jobs())
    rest = list(pieces)

    assert len(jobs()) - n_jobs >= 3
    here = private_connection().read_parquet(str(tmp_path / "log.parquet"))
    for piece, expected in zip([first, *rest], stream_sessions(here, 4), strict=True):
        pd.testing.assert_frame_equal(piece, expected)


def test_an_empty_log_has_no_pieces(spark_backend: Any) -> None:
    none = spark_backend.session.range(0)
    none.selectExpr(*(f"id {name}" for name in (SESSION, ITEM, TIME))).createTempView("no_events")
    assert list(stream_sessions(spark_backend.table("no_events"), 4)) == []
    spark_backend.drop_view("no_events")
