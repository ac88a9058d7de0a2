"""The pipelines recommendation and vectors on Spark, as their users run them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gru4rec import GRU4Rec
from gru4rec_kedro.errors import RunError

VERSION = "2024-01-01T00.00.00.000Z"


@pytest.fixture(scope="module")
def log(new_project: Any) -> pd.DataFrame:
    return pd.read_csv(new_project() / "data/01_raw/sample_clicks.csv").head(3000)


@pytest.fixture(scope="module")
def project(new_project: Any, log: pd.DataFrame) -> Path:
    path: Path = new_project()
    folder = path / "data/spark/06_models/gru4rec.pth" / VERSION
    folder.mkdir(parents=True)
    gru = GRU4Rec(layers=[8], n_epochs=1, n_sample=32, device="cpu").fit(log.head(2000))
    gru.save(folder / "gru4rec.pth")
    return path


def recommend(run: Any, project: Path, *pipelines: str, **params: Any) -> None:
    options = {"k": 5, "sessions_per_part": 100}
    params = {"sessions": "visits", "recommendation": options, **params}
    run(project, params, env="spark", pipeline_names=pipelines or ["recommendation"])


def test_recommendations_and_vectors_are_tables(
    spark_backend: Any, project: Path, run: Any, log: pd.DataFrame, tmp_path: Path
) -> None:
    log.to_parquet(tmp_path / "log.parquet")
    visits = spark_backend.read_parquet(str(tmp_path / "log.parquet"))
    spark_backend.create_table("visits", visits, overwrite=True)
    gru = GRU4Rec.load(project / f"data/spark/06_models/gru4rec.pth/{VERSION}/gru4rec.pth", "cpu")

    recommend(run, project, "recommendation", "vectors")

    items = log[log["ItemId"].isin(gru.vocabulary.ids)].groupby("SessionId")["ItemId"].agg(list)
    sessions = {session: items.get(session, []) for session in sorted(set(log["SessionId"]))}
    found = spark_backend.table("gru4rec_recommendations").to_pandas()
    found = found.sort_values(["session", "rank"], ignore_index=True)
    expected = gru.recommend(sessions, 5)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=0, atol=1e-5)
    vectors = spark_backend.table("gru4rec_session_vectors").to_pandas()
    matrix = np.stack(vectors.sort_values("session")["vector"].to_list())
    expected = gru.session_vectors(sessions)
    np.testing.assert_allclose(matrix, np.stack(expected["vector"].to_list()), rtol=0, atol=1e-5)


def test_a_mistake_is_one_message_and_leaves_what_was_there(
    spark_backend: Any, project: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spark_backend.table("gru4rec_recommendations").to_pandas()
    for params, message in (
        ({"sessions": "no_such_table"}, "there is no table no_such_table in Spark's catalog"),
        ({"candidates": "none.txt"}, "No file is at"),
    ):
        with pytest.raises(RunError, match=message):
            recommend(run, project, **params)
    # what a worker is sent is no model file, and no worker has it already
    monkeypatch.setattr(GRU4Rec, "digest", "of another")
    monkeypatch.setattr(GRU4Rec, "save", lambda _, file, **__: file.write(b"no model"))
    message = r"^Spark: ModelFileError: the stream BytesIO .* \(in Python on a worker of Spark\)"
    with pytest.raises(RunError, match=message):
        recommend(run, project)
    after = spark_backend.table("gru4rec_recommendations").to_pandas()
    pd.testing.assert_frame_equal(after, before)
