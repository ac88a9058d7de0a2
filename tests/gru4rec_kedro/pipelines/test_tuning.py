import threading

import pytest

from gru4rec_kedro.datasets import study as study_dataset
from gru4rec_kedro.pipelines.tuning.study import finished_trials, open_study, run_study
from gru4rec_kedro.search_space import TuningConfig

optuna = pytest.importorskip("optuna")

START = {"model.learning_rate": 0.05}
LEARNING_RATE = {"low": 0.01, "high": 0.2}
TWO_TRIALS = TuningConfig(n_trials=2, search={"model": {"learning_rate": LEARNING_RATE}})


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(study_dataset, "GRACE_SECONDS", 1)
    return study_dataset.StudyDataset(filepath=f"{tmp_path}/tuning.db").load()


def run(store, measure):
    study = open_study(store, "study", TWO_TRIALS)
    run_study(study, store, measure, START, TWO_TRIALS, seed=1)
    return [trial.params["model.learning_rate"] for trial in finished_trials(study)]


def learning_rate(options, _):
    return options["model.learning_rate"]


def test_of_two_processes_that_begin_at_once_one_measures_the_starting_point(store):
    both_measure = threading.Barrier(2, timeout=30)

    def measure(options, report):
        both_measure.wait()
        return learning_rate(options, report)

    other = threading.Thread(target=run, args=(store, measure))
    other.start()
    rates = run(store, measure)
    other.join()
    assert len(set(rates)) == len(rates) == 2
    assert 0.05 in rates


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")  # ask() gives none
@pytest.mark.parametrize("n_killed", [1, 2])
def test_trials_that_died_before_their_first_sign_of_life_are_replaced(store, n_killed):
    study = open_study(store, "study", TWO_TRIALS)
    for _ in range(n_killed):
        study.ask()  # as a process that is killed right then leaves it
    rates = run(store, learning_rate)
    assert len(rates) == 2
