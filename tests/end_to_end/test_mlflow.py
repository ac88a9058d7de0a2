"""Runs tracked with MLflow, where it is installed and asked for."""

import json
import shutil
import sqlite3
import sys
from importlib.util import find_spec

import pytest

from gru4rec_kedro.errors import RunError

OPTIONS = "conf/{}/mlflow.yml"


def ask_for_tracking(project):
    # any environment may do as conf/mlflow does
    shutil.copy(project / OPTIONS.format("mlflow"), project / OPTIONS.format("test"))


def test_mlflow_is_needed_only_where_it_is_asked_for(new_project, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)  # importing it fails
    project = new_project()
    run(project)
    ask_for_tracking(project)
    with pytest.raises(RunError, match=r"tracking, which mlflow.yml asks for, .*pip install -e"):
        run(project)


def test_wrong_options_are_refused(new_project, run):
    project = new_project()
    (project / OPTIONS.format("test")).write_text("tracking_url: sqlite:///runs.db")
    with pytest.raises(RunError, match="did you mean 'tracking_uri'"):
        run(project)


@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed")
def test_run_is_tracked(new_project, kedro):
    project = new_project()
    ask_for_tracking(project)
    done = kedro(project, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    failed = kedro(project, "run", "--params", "events=nowhere.csv")
    assert failed.returncode == 1

    outputs = project / "data/test"
    assert {path.name for path in project.iterdir()} == {
        ".viz", "conf", "data", "notebooks", "pyproject.toml", "src"
    }  # fmt: skip
    with sqlite3.connect(outputs / "mlflow.db") as store:
        runs = store.execute("select run_uuid, status from runs order by start_time").fetchall()
        (run_id, status), (_, failed_status) = runs
        assert (status, failed_status) == ("FINISHED", "FAILED")
        where = "where run_uuid = ?"
        parameters = dict(
            store.execute(f"select key, value from params {where}", (run_id,))  # noqa: S608
        )
        tracked = {
            (key, step): value
            for key, step, value in store.execute(
                f"select key, step, value from metrics {where}",  # noqa: S608
                (run_id,),
            )
        }
    assert parameters["model.layers"] == "[16]"
    assert parameters["data_split.test_fraction"] == "0.1"
    metrics = json.loads(next(outputs.glob("08_reporting/metrics.json/*/*")).read_text())
    assert tracked["recall_at_20", 0] == metrics["recall@20"]
    assert tracked["training/loss", 1] == pytest.approx(metrics["training_loss"])
    artifacts = {path.name for path in (outputs / "mlflow_artifacts").rglob("*") if path.is_file()}
    assert {"gru4rec.pth", "report.html", "MLmodel", "input_example.json"} <= artifacts
    assert not any(name.endswith(".pkl") for name in artifacts)
