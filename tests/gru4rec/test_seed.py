"""The snippets of the requirements, as they are written there."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

MakeEvents = Callable[..., pd.DataFrame]
MakeSessions = Callable[..., list[list[int]]]

EXAMPLE = Path(__file__).parents[2] / "conf" / "example.yaml"


@pytest.fixture
def df(make_events: MakeEvents, make_random_sessions: MakeSessions) -> pd.DataFrame:
    """A log of 100 sessions of two events or more in 2020."""
    sessions = [[*session, 1] for session in make_random_sessions(100, 20)]
    events = make_events(sessions)
    return events.assign(Time=events["Time"] + 1_577_836_800)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the configuration file where the requirements say."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "example.yaml").write_text(EXAMPLE.read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_metric(values: Any, cutoffs: list[int]) -> bool:
    return list(values) == cutoffs and all(0 <= value <= 1 for value in values.values())


def test_splitting(df: pd.DataFrame) -> None:
    before = df.copy(deep=True)

    from gru4rec import train_valid_test_split

    train, valid, test = train_valid_test_split(df)

    pd.testing.assert_frame_equal(df, before)
    assert [part["SessionId"].nunique() for part in (train, valid, test)] == [80, 10, 10]
    assert train["Time"].max() < valid["Time"].min()
    assert valid["Time"].max() < test["Time"].min()


def test_configuration(df: pd.DataFrame) -> None:
    from gru4rec import (
        build_model,
        evaluate,
        load_config,
        split_data,
    )

    config = load_config("config/example.yaml")
    train, valid, test = split_data(df, config)
    gru = build_model(config)
    gru.fit(train, **config["training"], **config["data"])
    recall, mrr = evaluate(gru, test, config)

    assert is_metric(recall, [20])
    assert is_metric(mrr, [20])
    # fewer than 20 items are known, or as many
    assert recall[20] == 1
    assert not valid.empty


def test_training(df: pd.DataFrame) -> None:
    train, test = df[df["SessionId"] < 90], df[df["SessionId"] >= 90]

    from gru4rec import GRU4Rec

    gru = GRU4Rec(layers=[100])
    gru.fit(train)

    from gru4rec import evaluation

    recall, mrr = evaluation.batch_eval(gru, test)
    assert is_metric(recall, [20])
    assert is_metric(mrr, [20])


def test_saving_and_loading(df: pd.DataFrame, folder: Path) -> None:
    from gru4rec import build_model, evaluate, load_config, load_model, save_model

    config = load_config("config/example.yaml")
    gru = build_model(config)
    gru.fit(df, **config["training"], **config["data"])
    save_model(gru, config)

    loaded = load_model(config)

    assert (folder / "model.pth").is_file()
    assert evaluate(loaded, df, config) == evaluate(gru, df, config)
    loaded.fit(df, **config["training"], **config["data"])
    assert loaded.history["epoch"].tolist() == [1, 2]


def test_a_table_in_databricks_needs_a_way_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DATABRICKS_"):
            monkeypatch.delenv(name)

    from gru4rec import DatabricksError, load_databricks_table
    from gru4rec.preparation import databricks

    # another test may have left a session of Spark in this process
    monkeypatch.setattr(databricks, "find_session", lambda: None)
    with pytest.raises(DatabricksError, match=r"(?s)Spark.*DATABRICKS_"):
        load_databricks_table("schema.table")
