import pytest

from gru4rec_kedro.pipelines.tuning.study import finished_trials, open_study, run_study
from gru4rec_kedro.search_space import TuningConfig

optuna = pytest.importorskip("optuna")

START = {"model.learning_rate": 0.05}
LEARNING_RATE = {"low": 0.01, "high": 0.2}


@pytest.fixture
def new_study():
    storage = optuna.storages.InMemoryStorage()
    return lambda: open_study(storage, "study", tuning(n_trials=1))


def tuning(n_trials):
    return TuningConfig(n_trials=n_trials, search={"model": {"learning_rate": LEARNING_RATE}})


def test_a_process_that_comes_while_the_starting_point_is_measured_takes_another(new_study):
    study = new_study()

    def measure(options, report):
        if options == START and len(study.trials) == 1:
            run_study(new_study(), measure, START, tuning(n_trials=2), seed=1)
        return options["model.learning_rate"]

    run_study(study, measure, START, tuning(n_trials=1), seed=1)
    rates = [trial.params["model.learning_rate"] for trial in study.trials]
    assert rates[0] == 0.05
    assert len(set(rates)) == len(rates) == 2


def test_the_starting_point_is_measured_although_the_first_process_died(new_study):
    study = new_study()
    study.ask()
    study.tell(0, state=optuna.trial.TrialState.FAIL)
    run_study(study, lambda options, _: options["model.learning_rate"], START, tuning(1), seed=1)
    assert [trial.params for trial in finished_trials(study)] == [START]
