"""The pipeline `tuning` as its users run it."""

import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml

from gru4rec_kedro.datasets import StudyDataset
from gru4rec_kedro.errors import RunError

optuna = pytest.importorskip("optuna")

REPORTS = "data/test/08_reporting"
TUNING = ["run", "--pipelines", "tuning"]


@pytest.fixture(scope="module")
def project(new_project, run):
    path = new_project()
    run(path, pipeline_names=["data_engineering", "tuning"])
    return path


@pytest.fixture
def tune(project, run):
    """Runs the pipeline and returns the table of trials."""

    def run_pipeline(**tuning):
        run(project, {"tuning": tuning}, pipeline_names=["tuning"])
        return pd.read_csv(project / REPORTS / "tuning_trials.csv")

    return run_pipeline


def start(project, environment, *params):
    command = [sys.executable, "-m", "kedro", *TUNING, "--params", ",".join(params)]
    return subprocess.Popen(command, cwd=project, env=environment)


def all_trials(project):
    storage = StudyDataset(filepath=f"{project}/data/test/06_models/tuning.db")
    handle = storage.load()
    return {s.study_name: handle.get_all_trials(s._study_id) for s in handle.get_all_studies()}


def test_out_come_trials_best_parameters_figures_and_the_gain(project):
    trials = pd.read_csv(project / REPORTS / "tuning_trials.csv")
    assert trials["state"].tolist() == ["complete"] * 3
    first = trials.iloc[0]  # the parameters of the environment
    assert (first["model.layers"], first["model.batch_size"]) == (16, 128)
    assert first["model.learning_rate"] == 0.05
    best = trials.loc[trials["mrr@20"].idxmax()]
    options = yaml.safe_load((project / REPORTS / "best_parameters.yml").read_text())
    model = options["run"]["params"]["model"]
    assert model["layers"] == [best["model.layers"]]
    assert all(best[f"model.{name}"] == value for name, value in model.items() if name != "layers")
    gain = json.loads((project / REPORTS / "tuning_gain.json").read_text())
    assert len(gain["start"]["values"]) == gain["seeds"] == 2
    assert gain["gain"] == pytest.approx(gain["best"]["mean"] - gain["start"]["mean"])
    for figure in ("history", "importance", "parallel"):
        assert json.loads((project / REPORTS / f"tuning_{figure}.json").read_text())["data"]


def test_best_parameters_are_what_kedro_run_takes(project, kedro):
    path = f"{REPORTS}/best_parameters.yml"
    done = kedro(project, "run", "--config", path, "--pipelines", "modelling")
    assert done.returncode == 0, done.stderr
    (metrics,) = (project / REPORTS / "metrics.json").glob("*/metrics.json")
    trained = json.loads(metrics.read_text())["model"]
    model = yaml.safe_load((project / path).read_text())["run"]["params"]["model"]
    assert trained.items() >= model.items()
    assert trained["n_sample"] == 128  # what was not searched is still that of the environment


def test_a_second_run_resumes_and_adds_what_is_missing(tune, project):
    before = pd.read_csv(project / REPORTS / "tuning_trials.csv")
    pd.testing.assert_frame_equal(tune(), before)
    more = tune(n_trials=5)
    assert len(more) == 5
    pd.testing.assert_frame_equal(more.head(3), before, check_dtype=False)


def test_another_metric_is_another_study(tune, project):
    trials = tune(metric="recall@5", n_trials=1)
    assert trials.columns[2] == "recall@5"
    assert len(trials) == 1


def test_a_diverging_trial_is_recorded_and_does_not_stop_the_study(tune, project):
    only_wild = {"learning_rate": {"choices": [0.05, 1e28, 1e29, 1e30]}}
    trials = tune(n_trials=6, n_startup_trials=6, study="wild", search={"model": only_wild})
    wild = trials["model.learning_rate"] > 1
    assert 0 < wild.sum() < len(trials) == 6
    assert (trials.loc[wild, "state"] == "fail").all()
    assert trials.loc[wild, "error"].str.contains("the loss is not finite").all()
    assert (trials.loc[~wild, "state"] == "complete").all()


def test_hopeless_trials_are_pruned(project, run):
    rates = {"low": 0.0001, "high": 0.1, "log": True}
    tuning = {"study": "long", "n_trials": 10, "repeats": 1}
    tuning["search"] = {"model": {"learning_rate": rates}}
    run(
        project,
        {"model": {"n_epochs": 4}, "tuning": tuning},
        pipeline_names=["tuning"],
    )
    trials = pd.read_csv(project / REPORTS / "tuning_trials.csv").set_index("state")
    assert trials.loc["complete", "epochs"].eq(4).all()
    assert trials.loc[["pruned"], "epochs"].between(2, 4).all()


def test_processes_share_the_trials_and_one_measures_the_gain(project, environment):
    options = ("tuning.study=shared", "tuning.n_trials=8", "tuning.repeats=1")
    processes = [start(project, environment, *options) for _ in range(2)]
    assert [process.wait(timeout=200) for process in processes] == [0, 0]
    (shared,) = (t for name, t in all_trials(project).items() if name.startswith("shared-"))
    assert len([trial for trial in shared if trial.value is not None]) == 8
    proposed = [tuple(sorted(trial.params.items())) for trial in shared]
    assert len(set(proposed)) == len(proposed)
    (gain,) = (t for name, t in all_trials(project).items() if name.startswith("gain-shared-"))
    assert [trial.state.name for trial in gain].count("COMPLETE") == 1


def test_a_killed_run_goes_on(project, environment, tune):
    options = ("tuning.study=killed", "tuning.n_trials=1000")

    def killed_trials():
        found = all_trials(project).items()
        return next((trials for name, trials in found if name.startswith("killed-")), [])

    process = start(project, environment, *options)
    while process.poll() is None and len(killed_trials()) < 4:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = killed_trials()
    finished = sum(trial.state.is_finished() for trial in before)
    assert finished >= 2
    # the trial that was running never ends, which is known when its sign of life is too old
    catalog = yaml.safe_load((project / "conf/base/catalog.yml").read_text())
    entry = catalog["study_store"] | {"grace_seconds": 2}
    (project / "conf/test/catalog.yml").write_text(yaml.safe_dump({"study_store": entry}))
    assert len(tune(study="killed", n_trials=finished + 2, repeats=1)) == finished + 2
    states = [trial.state for trial in killed_trials()]
    assert optuna.trial.TrialState.RUNNING not in states


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ({"search": {"model": {"layer": {"low": 1, "high": 2}}}}, "did you mean 'layers'"),
        ({"study": "wilder", "n_trials": 1, "search": {"model": {"learning_rate":
          {"choices": [1e30]}}}}, "none of 1 trials .* is complete; the last failed because"),
    ],
    ids=["space", "nothing complete"],
)  # fmt: skip
def test_mistakes_are_one_message(tune, tuning, message):
    with pytest.raises(RunError, match=message):
        tune(**tuning)
