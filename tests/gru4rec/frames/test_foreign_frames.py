from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gru4rec import (
    Config,
    DataConfig,
    DataSplitConfig,
    GRU4Rec,
    LoadingConfig,
    SessionFilterConfig,
    baselines,
    batch_eval,
    evaluate,
    filter_sessions,
    load_events,
    rank_events,
    split_data,
    split_sessions,
    train_valid_test_split,
)
from gru4rec.errors import DataError
from gru4rec.frames.foreign_frames import as_frame
from gru4rec.preparation import describe_parts


class Stream:
    """What polars, DuckDB and others give: nothing but the interface of Arrow."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def a_log() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "SessionId": np.repeat(np.arange(40), 5) + 2**60 + 1,
            "ItemId": [f"i{item}" for item in generator.integers(0, 9, 200)],
            "Time": np.arange(200) + 1_600_000_000,
        }
    )


def as_views(table: pa.Table) -> pa.Table:
    """Text as polars has it."""
    return table.set_column(1, "ItemId", table["ItemId"].cast(pa.string_view()))


OTHERS: dict[str, Callable[[pa.Table], Any]] = {
    "arrow": lambda table: table,
    "reader": lambda table: table.to_reader(),
    "stream": Stream,
    "views": lambda table: Stream(as_views(table)),
    "ibis": ibis.memtable,
}


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest) -> Callable[[], Any]:
    table = pa.Table.from_pandas(a_log(), preserve_index=False)
    return lambda: OTHERS[request.param](table)


def test_frames_of_others_are_split_like_those_of_pandas(other: Callable[[], Any]) -> None:
    for split in (train_valid_test_split, lambda log: split_data(log, Config())):
        for part, expected in zip(split(other()), split(a_log()), strict=True):
            pd.testing.assert_frame_equal(part, expected)


def test_a_model_reads_frames_of_others_like_those_of_pandas(other: Callable[[], Any]) -> None:
    def train(log: Callable[[], Any]) -> GRU4Rec:
        gru = GRU4Rec(layers=[4], n_epochs=1, n_sample=4, device="cpu")
        return gru.fit(log(), valid=log())

    gru, expected = train(other), train(a_log)
    columns = ["loss", "recall@20"]
    pd.testing.assert_frame_equal(gru.history[columns], expected.history[columns])
    assert batch_eval(gru, other()) == batch_eval(expected, a_log())
    assert evaluate(gru, other(), Config()) == evaluate(expected, a_log(), Config())
    ranked = rank_events(baselines.Popularity().fit(other()), other())
    expected_ranked = rank_events(baselines.Popularity().fit(a_log()), a_log())
    assert np.array_equal(ranked.ranks, expected_ranked.ranks)


@pytest.mark.parametrize("kind", ["arrow", "reader", "stream", "views"])
def test_preparation_makes_data_frames_of_frames_of_others(kind: str) -> None:
    table = pa.Table.from_pandas(a_log(), preserve_index=False)

    def log() -> Any:
        return OTHERS[kind](table)

    loaded = load_events(log(), DataConfig(), LoadingConfig())
    pd.testing.assert_frame_equal(loaded, load_events(a_log(), DataConfig(), LoadingConfig()))
    split = split_sessions(log(), DataSplitConfig())
    for part, expected in zip(split, split_sessions(a_log(), DataSplitConfig()), strict=True):
        pd.testing.assert_frame_equal(part, expected)
    kept, _ = filter_sessions(log(), SessionFilterConfig())
    pd.testing.assert_frame_equal(kept, filter_sessions(a_log(), SessionFilterConfig())[0])
    assert describe_parts({"train": log()})["events"].tolist() == [200]


def test_integers_with_gaps_stay_exact() -> None:
    frame = as_frame(Stream(pa.table({"a": [2**53 + 1, None]})))
    assert frame["a"].tolist() == [2**53 + 1, None]


def test_a_data_frame_is_itself() -> None:
    frame = a_log()
    assert as_frame(frame) is frame


class Lazy:
    def collect(self) -> None: ...


class Spark:
    toPandas = print  # noqa: N815


class Dask:
    compute = print


class DataFrame: ...


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Lazy(), r"test_foreign_frames\.Lazy: call \.collect\(\) first"),
        (Spark(), r"Spark: call \.toPandas\(\) first"),
        (Dask(), r"Dask: call \.compute\(\) first"),
        (a_log()["ItemId"], r"Series cannot be read as a table of events \(.*make it a pandas"),
        (DataFrame(), r"test_foreign_frames\.DataFrame: a DataFrame of pandas or polars, an Arrow"),
        (pd.DataFrame, r"builtins\.type: a DataFrame of pandas"),
        (None, r"builtins\.NoneType: a DataFrame of pandas"),
        ([{"ItemId": 1}], r"builtins\.list: make it one with pandas\.DataFrame"),
        ({"ItemId": [1]}, r"builtins\.dict: make it one with pandas\.DataFrame"),
        (np.ones((2, 3)), r"numpy\.ndarray: make it one with pandas\.DataFrame"),
        ("log.csv", r"builtins\.str: read the file first"),
        (Path("log.csv"), r"Path: read the file first"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_is_no_table_is_told_what_to_do(data: Any, message: str) -> None:
    for call in (
        train_valid_test_split,
        GRU4Rec(layers=[4], device="cpu").fit,
        lambda log: load_events(log, DataConfig(), LoadingConfig()),
        lambda log: filter_sessions(log, SessionFilterConfig()),
    ):
        with pytest.raises(DataError, match=message):
            call(data)
