"""Runs at the same time in one folder, and clocks that go back."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from gru4rec import GRU4Rec
from gru4rec_kedro.errors import RunError

OUTPUTS = "data/test"
FUTURE = "2999-01-01T00.00.00.000Z"


@pytest.fixture(scope="module")
def project(new_project, run):
    path = new_project()
    run(path)
    return path


def versions(project, name):
    return sorted(path.parent.name for path in (project / OUTPUTS).glob(f"{name}/*/*"))


class OtherRun:
    """Saves a newer model while this run is between training and evaluation."""

    def __init__(self, project):
        self._models = project / OUTPUTS / "06_models/gru4rec.pth"

    @hook_impl
    def before_node_run(self, node):
        if node.name == "evaluate_model":
            first = min(self._models.glob("*/*"))
            (self._models / FUTURE).mkdir()
            shutil.copy(first, self._models / FUTURE / first.name)


def test_a_run_evaluates_and_prints_its_own_version(project, in_folder, caplog):
    in_folder(project)
    bootstrap_project(project)
    params = {"model": {"layers": [8]}}  # 16 in the model of the other run
    with KedroSession.create(project, env="test", runtime_params=params) as session:
        session._hook_manager.register(OtherRun(project))
        with caplog.at_level("INFO", logger="gru4rec_kedro"):
            session.run(pipeline_names=["modelling"])
    newest = versions(project, "08_reporting/metrics.json")[-1]
    assert versions(project, "06_models/gru4rec.pth")[1:] == [newest, FUTURE]
    path = project / OUTPUTS / f"08_reporting/metrics.json/{newest}/metrics.json"
    metrics = json.loads(path.read_text())
    assert metrics["model"]["layers"] == [8]
    assert f"{metrics['recall@20']:.4f}" in caplog.text


def test_after_a_clock_that_went_back_a_run_is_still_the_newest(project, run):
    # the version of the test before is as of a clock that was ahead
    assert versions(project, "06_models/gru4rec.pth")[-1] == FUTURE
    run(project, {"model": {"layers": [4]}}, pipeline_names=["modelling"])
    after = FUTURE.replace("000Z", "001Z")
    assert versions(project, "06_models/gru4rec.pth")[-1] == after
    assert versions(project, "08_reporting/metrics.json")[-1] == after
    newest = project / OUTPUTS / f"06_models/gru4rec.pth/{after}/gru4rec.pth"
    assert GRU4Rec.load(newest).config.layers == [4]


def test_while_a_run_is_at_work_others_are_refused_and_after_its_death_begin(
    project, run, environment
):
    command = [sys.executable, "-m", "kedro", "run", "--from-nodes", "train_model"]
    other = subprocess.Popen(
        [*command, "--params", "model.n_epochs=1000000"], cwd=project, env=environment
    )
    try:
        while other.poll() is None and not list(project.glob(f"{OUTPUTS}/.runs/*.json")):
            time.sleep(0.01)
        for pipeline in ("tuning", "recommendation"):
            with pytest.raises(RunError, match=f"in use by the process {other.pid} on .*kedro run"):
                run(project, pipeline_names=[pipeline])
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    run(project, pipeline_names=["recommendation"])
