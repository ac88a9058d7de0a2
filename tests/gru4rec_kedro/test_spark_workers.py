"""What Spark's workers compute is what the pipelines compute in one process."""

import gc
import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from gru4rec import DataConfig, DataError, GRU4Rec, LoadingConfig, read_log
from gru4rec.preparation.engine.spark_errors import first_line
from gru4rec_kedro.options.parameters import RecommendationConfig
from gru4rec_kedro.pipelines.recommendation.nodes import recommend_items
from gru4rec_kedro.pipelines.vectors.nodes import make_session_vectors
from gru4rec_kedro.reading import Piece
from gru4rec_kedro.spark_workers import _work, map_sessions

ROWS_OF_A_BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"
LOADING = LoadingConfig(order_key="Step")


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    """Forty sessions of up to 12 events, some at equal times; rows in no order."""
    rng = np.random.default_rng(3)
    sessions = np.repeat(np.arange(40) * 7, rng.integers(1, 13, 40))
    n = len(sessions)
    log = pd.DataFrame(
        {
            "SessionId": sessions,
            "ItemId": rng.integers(100, 130, n),
            "Time": 1_600_000_000 + rng.integers(0, 40, n),
            "Step": rng.permutation(n),
        }
    )
    return log.sample(frac=1, random_state=3, ignore_index=True)


def train(log: pd.DataFrame, items: type = int) -> GRU4Rec:
    """Knows two thirds of the items."""
    known = log[log["ItemId"] < 120].drop(columns="Step").astype({"ItemId": items})
    return GRU4Rec(layers=[8], n_sample=4, n_epochs=3, device="cpu").fit(known)


@pytest.fixture(scope="module")
def gru(log: pd.DataFrame) -> GRU4Rec:
    return train(log)


@pytest.fixture
def small_batches(spark_backend: Any) -> Any:
    """The backend, where workers get five rows at a time: less than many a session."""
    spark_backend.session.conf.set(ROWS_OF_A_BATCH, "5")
    yield spark_backend
    spark_backend.session.conf.unset(ROWS_OF_A_BATCH)


def both_ways(log: pd.DataFrame, folder: Path, backend: Any, node: Any, *arguments: Any) -> Any:
    """What a node makes of a log in a file on Spark, and in this process."""
    path = folder / "log.parquet"
    log.to_parquet(path)
    table = node(backend.read_parquet(str(path)), *arguments)
    assert table.get_backend() is backend
    on_spark = table.to_pandas()
    order = [name for name in ("session", "rank") if name in on_spark]
    parts = [part.make() for part in node(read_log(str(path)), *arguments)]
    here = pd.concat([part.to_pandas() for part in parts], ignore_index=True)
    return on_spark.sort_values(order, ignore_index=True), here


@pytest.mark.parametrize(
    ("change", "options", "allowed"),
    [
        (lambda log: log, {}, None),
        (lambda log: log.assign(SessionId="ä" + log["SessionId"].astype(str)), {}, [101, 105, 7]),
        # neighbours beyond what a float keeps, whose sessions are longer than many batches
        (lambda log: log.assign(SessionId=2**60 + log["SessionId"] // 140), {}, None),
        (lambda log: log.head(14).assign(SessionId=-1), {"exclude_seen": True}, None),
        (lambda log: log.assign(ItemId=log["ItemId"] + 900), {"k": 30}, None),
    ],
    ids=["short sessions", "text and candidates", "two long ones", "a single one", "unknown items"],
)
def test_spark_recommends_the_same(
    log: pd.DataFrame,
    gru: GRU4Rec,
    tmp_path: Path,
    small_batches: Any,
    caplog: pytest.LogCaptureFixture,
    change: Any,
    options: dict[str, Any],
    allowed: list[int] | None,
) -> None:
    candidates = None
    if allowed:
        pd.DataFrame({"ItemId": allowed}).to_parquet(tmp_path / "allowed.parquet")
        candidates = read_log(str(tmp_path / "allowed.parquet"))
    recommendation = RecommendationConfig(**{"k": 4, "sessions_per_part": 3, **options})
    arguments = (gru, candidates, DataConfig(), LOADING, recommendation)
    spark, here = both_ways(change(log), tmp_path, small_batches, recommend_items, *arguments)
    assert len(here) > 0
    pd.testing.assert_frame_equal(spark, here, rtol=0, atol=1e-5)
    told = [line for line in caplog.messages if "events are on items that the model" in line]
    assert len(told) == 2
    assert told[0] == told[1]


def test_text_items_that_look_like_integers(
    log: pd.DataFrame, tmp_path: Path, small_batches: Any
) -> None:
    arguments = (train(log, str), None, DataConfig(), LOADING, RecommendationConfig(k=3))
    spark, here = both_ways(log, tmp_path, small_batches, recommend_items, *arguments)
    assert set(spark["item"]) <= {str(item) for item in range(100, 120)}
    pd.testing.assert_frame_equal(spark, here, rtol=0, atol=1e-5)


def test_vectors_of_sessions_are_the_same(
    log: pd.DataFrame, gru: GRU4Rec, tmp_path: Path, small_batches: Any
) -> None:
    options = RecommendationConfig(sessions_per_part=3)
    arguments = (gru, DataConfig(), LOADING, options)
    spark, here = both_ways(log, tmp_path, small_batches, make_session_vectors, *arguments)
    assert spark["session"].tolist() == here["session"].tolist()
    matrix, expected = (np.stack(frame["vector"].to_list()) for frame in (spark, here))
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=1e-5)


SCHEMA = pa.schema([("n", pa.int32())])


def test_mistakes_are_told_before_a_worker_begins(
    log: pd.DataFrame, gru: GRU4Rec, tmp_path: Path, spark_backend: Any
) -> None:
    path = tmp_path / "log.parquet"
    text = "x" + log["ItemId"].astype(str)
    for broken, message in (
        (log.assign(ItemId=text), "knows its items by integers, but text"),
        (log.head(0), "The log is empty"),
    ):
        broken.to_parquet(path)
        arguments = (gru, None, DataConfig(), LOADING, RecommendationConfig())
        with pytest.raises(DataError, match=message):
            recommend_items(spark_backend.read_parquet(str(path)), *arguments)


@pytest.fixture
def events(log: pd.DataFrame, tmp_path: Path, spark_backend: Any) -> Any:
    log.to_parquet(tmp_path / "log.parquet")
    return spark_backend.read_parquet(str(tmp_path / "log.parquet"))


def test_an_error_on_a_worker_is_one_line(events: Any, gru: GRU4Rec) -> None:
    def fail(piece: Piece, model: GRU4Rec) -> pa.Table:
        raise DataError("no such thing")

    with pytest.raises(Exception, match="Traceback") as error:
        map_sessions(events, gru, fail, SCHEMA, 3).to_pyarrow()
    assert first_line(error.value) == "DataError: no such thing (in Python on a worker of Spark)"


def test_what_is_computed_goes_when_nothing_needs_it(
    events: Any, gru: GRU4Rec, spark_backend: Any
) -> None:
    counts = map_sessions(events, gru, _counting(), SCHEMA, 3)
    name = counts.get_name()
    some = counts.filter(counts["n"] == 3)
    del counts
    gc.collect()
    assert 33 <= some.to_pandas()["n"].sum() <= 39
    assert name in spark_backend.list_tables()
    del some
    gc.collect()
    assert name not in spark_backend.list_tables()


def _counting() -> Any:
    # workers cannot import this module, but are sent what is made in a function
    def count(piece: Piece, model: GRU4Rec) -> pa.Table:
        return pa.table({"n": [piece.n_sessions]})

    return count


def test_a_worker_reads_a_model_once(
    log: pd.DataFrame, gru: GRU4Rec, two_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = GRU4Rec.load

    def counted(place: Any, device: str) -> GRU4Rec:
        read.append(device)
        return load(place, device)

    monkeypatch.setattr(GRU4Rec, "load", counted)
    events = pa.Table.from_pandas(log.sort_values("SessionId")[["SessionId", "ItemId"]])
    threads: list[int] = []
    counting = _counting()

    def see(piece: Piece, model: GRU4Rec) -> pa.Table:
        threads.append(torch.get_num_threads())
        return counting(piece, model)

    other = train(log.head(100))
    for model, n_read in ((gru, 1), (gru, 1), (other, 2), (gru, 3)):
        packed = io.BytesIO()
        model.save(packed, with_optimizer=False)
        work = partial(_work, model.digest, packed.getvalue(), see, SCHEMA, 3)
        assert list(work(iter([]))) == []
        found = pa.Table.from_batches(work(iter(events.to_batches(5))))
        assert found["n"].to_pylist() == [3] * 13 + [1]
        assert read == ["cpu"] * n_read
    assert set(threads) == {1}
    assert torch.get_num_threads() == two_threads
