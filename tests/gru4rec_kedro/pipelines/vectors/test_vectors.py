"""Vectors are written as any store of vectors reads them."""

from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gru4rec import DataConfig, GRU4Rec, LoadingConfig
from gru4rec_kedro.datasets import Parts, PartsDataset
from gru4rec_kedro.options.parameters import RecommendationConfig
from gru4rec_kedro.pipelines.vectors.nodes import make_item_vectors, make_session_vectors

BY_SEVEN = RecommendationConfig(sessions_per_part=7)


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    items = rng.permutation(120) % 20
    return pd.DataFrame({"SessionId": np.arange(120) // 4, "ItemId": items, "Time": range(120)})


@pytest.fixture(scope="module", params=[False, True], ids=["integers", "text"])
def gru(request: pytest.FixtureRequest, log: pd.DataFrame) -> GRU4Rec:
    if request.param:
        log = log.astype({"ItemId": str})
    return GRU4Rec(layers=[4], n_sample=4, n_epochs=1, device="cpu").fit(log)


def of_sessions(gru: GRU4Rec, log: pd.DataFrame) -> Parts:
    return make_session_vectors(
        ibis.memtable(log), gru, DataConfig(), LoadingConfig(time_unit="ordinal"), BY_SEVEN
    )


def saved(folder: Path, parts: Parts) -> tuple[pa.Table, int]:
    """What is on the disk, and in how many files."""
    PartsDataset(path=str(folder)).save(parts)
    files = sorted(folder.glob("part-*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files]), len(files)


def matrix_of(table: pa.Table) -> Any:
    vectors = table["vector"].combine_chunks()
    return vectors.flatten().to_numpy().reshape(len(table), -1)


def test_items_are_lists_of_fixed_size(gru: GRU4Rec, tmp_path: Path) -> None:
    table, n_files = saved(tmp_path / "items", make_item_vectors(gru, BY_SEVEN))
    assert n_files == 3
    expected = gru.item_vectors()
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 5)
    assert table["item"].to_pylist() == expected["item"].tolist()
    assert np.array_equal(matrix_of(table), np.stack(expected["vector"].to_list()))


def test_sessions_are_those_of_the_log_in_order(
    gru: GRU4Rec, log: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = log.assign(SessionId=log["SessionId"] + 0)
    log.loc[log["SessionId"] == 3, "ItemId"] = 999  # a session of unknown items only
    table, n_files = saved(tmp_path / "sessions", of_sessions(gru, log.sample(frac=1)))
    assert n_files == 5
    assert "4 of 120 events are on items that the model does not know" in caplog.text
    items = log.astype({"ItemId": str}) if gru.vocabulary.holds_text else log
    expected = gru.session_vectors(items.groupby("SessionId")["ItemId"].agg(list))
    assert table.schema == pa.schema(
        [("session", pa.int64()), ("vector", pa.list_(pa.float32(), 5))]
    )
    assert table["session"].to_pylist() == expected["session"].tolist()
    vectors = np.stack(expected["vector"].to_list())
    np.testing.assert_allclose(matrix_of(table), vectors, atol=1e-6)
    assert matrix_of(table)[3].tolist() == [0, 0, 0, 0, 1]


def test_only_what_has_changed_is_made_again(
    gru: GRU4Rec, log: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    def is_made_again(folder: str, parts: Parts) -> bool:
        caplog.clear()
        _, n_files = saved(tmp_path / folder, parts)
        return f"({n_files} were there)" not in caplog.text

    fewer = GRU4Rec.load(_file_of(gru, tmp_path), device="cpu")
    fewer.retire_items(gru.vocabulary.ids[:1])
    for model, expected in ((gru, True), (gru, False), (fewer, True)):
        assert is_made_again("items", make_item_vectors(model, BY_SEVEN)) == expected
        assert is_made_again("sessions", of_sessions(model, log)) == expected
    assert is_made_again("sessions", of_sessions(fewer, log.iloc[1:]))


def _file_of(gru: GRU4Rec, folder: Path) -> Path:
    gru.save(folder / "model.pth")
    return folder / "model.pth"


def test_the_table_loads_and_previews(gru: GRU4Rec, tmp_path: Path) -> None:
    dataset = PartsDataset(path=str(tmp_path / "items"))
    dataset.save(make_item_vectors(gru, BY_SEVEN))
    assert dataset.load().count().execute() == 20
    assert dataset.preview(2)
