"""The pipelines `backtest` and `promotion` as their users run them."""

import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from gru4rec import GRU4Rec
from gru4rec_kedro.errors import RunError

OUTPUTS = "data/test"


@pytest.fixture(scope="module")
def project(new_project, run):
    path = new_project()
    run(path, pipeline_names=["data_engineering"])
    return path


def test_a_killed_backtest_goes_on(project, kedro, environment):
    store = project / OUTPUTS / "06_models/backtest"
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", "backtest"]
    process = subprocess.Popen(command, cwd=project, env=environment)
    while process.poll() is None and not list(store.glob("*.parquet")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in store.glob("*.parquet")}
    assert 0 < len(before) < 6

    done = kedro(project, "run", "--pipelines", "backtest")

    assert done.returncode == 0, done.stderr
    assert "2 days after training, retraining " in done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(store.glob("*.parquet"))) == 6
    assert not list(store.glob(".*"))
    table = pd.read_csv(project / OUTPUTS / "08_reporting/backtest_metrics.csv")
    assert table.groupby(["window", "strategy"])["k"].agg(list).map(len).eq(4).all()
    assert set(table["strategy"]) == {"once", "retrain", "continue", "popularity"}
    page = (project / OUTPUTS / "08_reporting/backtest.html").read_text()
    assert "2 days after training, retraining " in page


def test_windows_that_are_too_short_are_one_message(project, run):
    with pytest.raises(RunError, match=r"backtest: too few sessions .* window 2 from 2024-06-30"):
        run(project, {"backtest": {"window_days": 0.1}}, pipeline_names=["backtest"])


def test_a_model_goes_into_service_only_if_it_is_not_worse(project, run, kedro):
    service = project / OUTPUTS / "06_models/in_service.pth"
    promotion = ["run", "--pipelines", "modelling,promotion", "--params"]

    run(project, pipeline_names=["modelling", "promotion"])
    first = service.read_bytes()
    assert GRU4Rec.load(service).config.layers == [16]

    done = kedro(project, *promotion, "model.learning_rate=0.0001")
    assert done.returncode == 0, done.stderr
    assert "Not promoted: it is worse" in done.stdout + done.stderr
    verdict = json.loads((project / OUTPUTS / "08_reporting/promotion.json").read_text())
    assert not verdict["promote"]
    assert service.read_bytes() == first
    page = (project / OUTPUTS / "08_reporting/promotion.html").read_text()
    assert verdict["reason"] in page
