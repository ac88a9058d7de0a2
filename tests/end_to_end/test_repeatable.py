"""The same again: what changes nothing, in other processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import GRU4Rec, batch_eval

MEASURED = ("seconds", "memory", "per_second", "trained_at")


def run_everything(project: Path, log: pd.DataFrame, hash_seed: str, environment) -> Path:
    path = project / "log.csv"
    log.to_csv(path, index=False)
    pipelines = "data_engineering,modelling,recommendation"
    command = ["run", "--pipelines", pipelines, "--params", f"events={path},sessions={path}"]
    finished = subprocess.run(
        [sys.executable, "-m", "kedro", *command],
        cwd=project,
        env={**environment, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return project / "data/test"


@pytest.fixture(scope="module")
def outputs(new_project, environment) -> list[Path]:
    """Of two processes with other hash seeds, on the same log with its rows in another order.

    Only where a session has equal times, their order is that of the log.
    """
    log = pd.read_csv(Path(__file__).parents[2] / "data/01_raw/sample_clicks.csv", nrows=20_000)
    log["Time"] -= log["Time"] % 60  # many equal times
    keys = ["SessionId", "Time"]
    places = log.sample(frac=1, random_state=1)[keys]
    places["nth"] = places.groupby(keys).cumcount()
    shuffled = places.merge(log.assign(nth=log.groupby(keys).cumcount()), on=[*keys, "nth"])
    shuffled = shuffled[list(log)]
    assert not shuffled.equals(log)
    return [
        run_everything(new_project(), rows, seed, environment)
        for rows, seed in ((log, "1"), (shuffled, "2"))
    ]


def newest(folder: Path) -> Path:
    return max(folder.glob("*/*"))


def test_models_are_identical(outputs):
    one, other = (GRU4Rec.load(newest(path / "06_models/gru4rec.pth")) for path in outputs)
    assert one.vocabulary.ids.tolist() == other.vocabulary.ids.tolist()
    for kind in ("tables", "dense"):
        tensors, others = getattr(one.network, kind), getattr(other.network, kind)
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensors[name], others[name]) for name in tensors)
    assert one.item_counts.tolist() == other.item_counts.tolist()


def without_measured(values: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in values.items() if not any(part in n for part in MEASURED)}


def test_metrics_are_identical(outputs):
    one, other = (
        json.loads(newest(path / "08_reporting/metrics.json").read_text()) for path in outputs
    )
    history, other_history = one.pop("history"), other.pop("history")
    assert [*map(without_measured, history)] == [*map(without_measured, other_history)]
    assert len(without_measured(one)) > 20
    assert without_measured(one) == without_measured(other)


@pytest.mark.parametrize(
    "name",
    [
        "03_primary/filtered_events.parquet",
        "05_model_input/train_full.parquet",
        "05_model_input/test.parquet",
        "07_model_output/ranked_events.parquet",
        "07_model_output/item_statistics.parquet",
        "07_model_output/recommendations",
    ],
)
def test_tables_have_the_same_rows(outputs, name):
    one, other = (pd.read_parquet(path / name) for path in outputs)
    if "events" in name or "input" in name:
        one, other = (f.sort_values(list(f), ignore_index=True) for f in (one, other))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_evaluation_batch_changes_nothing_but_rounding(outputs):
    gru = GRU4Rec.load(newest(outputs[0] / "06_models/gru4rec.pth"))
    test = pd.read_parquet(outputs[0] / "05_model_input/test.parquet")
    measured = [batch_eval(gru, test, cutoff=[1, 20], batch_size=n) for n in (1, 7, 4096)]
    for recall, mrr in measured[1:]:
        for of, first in ((recall, measured[0][0]), (mrr, measured[0][1])):
            np.testing.assert_allclose([*of.values()], [*first.values()], atol=1e-3)
