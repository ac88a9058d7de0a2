import itertools
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ibis
import pandas as pd
import pytest
import torch
import yaml
from kedro.config import OmegaConfigLoader

from gru4rec import GRU4Rec, GRU4RecError, ModelConfig, TrainingConfig, TrainingDivergedError
from gru4rec_kedro.datasets import StudyDataset
from gru4rec_kedro.options.parameters import Parameters
from gru4rec_kedro.options.search_space import TuningConfig, as_option
from gru4rec_kedro.pipelines.tuning import nodes
from gru4rec_kedro.pipelines.tuning.study import (
    finished_trials,
    measure_once,
    open_study,
    run_study,
    starting_point,
)
from gru4rec_kedro.settings import CONFIG_LOADER_ARGS

optuna = pytest.importorskip("optuna")

CONF = Path(__file__).parents[4] / "conf"
PUBLISHED = sorted(
    path.parent.name
    for path in CONF.glob("*/parameters.yml")
    if yaml.safe_load(path.read_text()).get("published", {}).get("source")
)
START = {"model.learning_rate": 0.05}
LEARNING_RATE = {"low": 0.01, "high": 0.2}
TWO_TRIALS = TuningConfig(n_trials=2, search={"model": {"learning_rate": LEARNING_RATE}})


@pytest.fixture
def store(tmp_path):
    return StudyDataset(filepath=f"{tmp_path}/tuning.db").load()


@pytest.fixture
def impatient_store(tmp_path):
    """Takes processes for dead after a second or two."""
    return StudyDataset(filepath=f"{tmp_path}/tuning.db", grace_seconds=1).load()


def run(store, measure):
    study = open_study(store, "study", TWO_TRIALS)
    run_study(study, store, measure, START, TWO_TRIALS, seed=1)
    return [trial.params["model.learning_rate"] for trial in finished_trials(study)]


def learning_rate(options, _):
    return options["model.learning_rate"]


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")  # ask() gives none
@pytest.mark.parametrize("n_looks", [1, 2, 3])
def test_a_trial_that_ends_between_two_looks_leaves_no_place_for_another(
    store, monkeypatch, n_looks
):
    study = open_study(store, "study", TWO_TRIALS)
    other = study.ask()
    look, looks_after_ours = study.get_trials, itertools.count(1)

    def look_and_let_the_other_end(*args, **options):
        found = look(*args, **options)
        ours = [trial for trial in found if trial.number == 1 and trial.state.is_finished()]
        if ours and next(looks_after_ours) == n_looks:
            study.tell(other, 0.1)
        return found

    monkeypatch.setattr(study, "get_trials", look_and_let_the_other_end)
    run_study(study, store, learning_rate, START, TWO_TRIALS, seed=1)
    assert len(look()) == 2


# threads stand for processes, and what one thread ignores another that ends may bring back
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
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


def too_large(_options, _report):
    GRU4Rec(layers=[10**7], batch_size=2, device="cpu").fit(
        pd.DataFrame({"SessionId": [1, 1, 2, 2], "ItemId": [1, 2, 1, 3], "Time": [1, 2, 3, 4]})
    )


def raising(error):
    def measure(*_):
        raise error

    return measure


@pytest.mark.parametrize(
    "measure",
    [
        too_large,
        raising(MemoryError()),
        raising(RuntimeError("not enough memory: you tried to allocate 7 bytes.")),
        raising(RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB)")),
        raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB")),
        raising(TrainingDivergedError("the loss is not finite")),
        raising(GRU4RecError("fit ran out of memory")),
    ],
)
def test_a_trial_that_asks_for_too_much_memory_fails_and_the_study_goes_on(store, measure):
    study = open_study(store, "study", TWO_TRIALS)
    calls = itertools.count()

    def first_fails(options, report):
        return measure(options, report) if next(calls) == 0 else learning_rate(options, report)

    run_study(study, store, first_fails, START, TWO_TRIALS, seed=1)
    failed, complete = finished_trials(study)
    assert (failed.state.name, complete.state.name) == ("FAIL", "COMPLETE")
    assert failed.user_attrs["error"]


def test_an_error_that_other_options_would_not_mend_ends_the_study(store):
    study = open_study(store, "study", TWO_TRIALS)
    measure = raising(RuntimeError("a shape is wrong"))
    with pytest.raises(RuntimeError, match="a shape is wrong"):
        run_study(study, store, measure, START, TWO_TRIALS, seed=1)


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")  # ask() gives none
@pytest.mark.parametrize("n_killed", [1, 2])
def test_trials_that_died_before_their_first_sign_of_life_are_replaced(impatient_store, n_killed):
    study = open_study(impatient_store, "study", TWO_TRIALS)
    for _ in range(n_killed):
        study.ask()  # as a process that is killed right then leaves it
    rates = run(impatient_store, learning_rate)
    assert len(rates) == 2


@pytest.mark.parametrize("environment", PUBLISHED)
def test_published_options_are_in_the_search_space(environment):
    loader = OmegaConfigLoader(str(CONF), env=environment, **CONFIG_LOADER_ARGS)
    parameters = Parameters.parse(loader["parameters"], environment)
    tuning = parameters.tuning
    names = [name.partition(".")[::2] for name in tuning.search.options]
    options = {f"{section}.{name}": parameters[section][name] for section, name in names}
    start = starting_point(options, tuning)
    assert {name: as_option(name, value) for name, value in start.items()} == options


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")  # ask() gives none
def test_processes_that_begin_the_last_trial_at_once_make_no_trial_too_many(store, monkeypatch):
    study = open_study(store, "study", TWO_TRIALS)
    look, looks = study.get_trials, itertools.count()
    others = []

    def look_and_let_others_begin(*args, **options):
        found = look(*args, **options)
        if next(looks) == 1:  # the first counts what is there before this process begins
            others.extend(study.ask() for _ in range(2))
        return found

    monkeypatch.setattr(study, "get_trials", look_and_let_others_begin)
    monkeypatch.setattr("time.sleep", lambda _: [study.tell(others.pop(), 0.1)] if others else None)
    run_study(study, store, raising(AssertionError("is one too many")), START, TWO_TRIALS, seed=1)
    assert [trial.number for trial in finished_trials(study)] == [0, 1]
    assert [trial.state.name for trial in look()] == ["COMPLETE", "COMPLETE", "FAIL"]


# threads stand for processes
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_one_of_several_processes_measures_and_all_have_what_it_found(store):
    calls, all_begin = itertools.count(), threading.Barrier(3, timeout=30)

    def measure():
        return {"best": [0.5 + next(calls)]}

    def want(_):
        all_begin.wait()
        return measure_once(store, "gain", TWO_TRIALS, measure)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(want, range(3))) == [{"best": [0.5]}] * 3


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")  # ask() gives none
def test_a_measurement_whose_process_was_killed_is_made_by_another(impatient_store):
    open_study(impatient_store, "gain", TWO_TRIALS).ask()
    found = measure_once(impatient_store, "gain", TWO_TRIALS, lambda: {"best": [0.5]})
    assert found == {"best": [0.5]}


def measure_gain(store, monkeypatch, best, repeats):
    """Of a start that is worth 0.5."""
    monkeypatch.setattr(
        nodes, "_measure", lambda *args: best if "model.momentum" in args[3] else 0.5
    )
    part = ibis.memtable({"SessionId": [1], "ItemId": [1], "Time": [1]})
    return nodes.measure_gain(
        store,
        {"run": {"params": {"model": {"momentum": 0.3}}}},
        part,
        part,
        ModelConfig(),
        TrainingConfig(),
        TuningConfig(repeats=repeats),
    )


@pytest.mark.parametrize(("best", "is_told"), [(0.4, True), (0.5, True), (0.6, False)])
def test_best_options_that_gain_nothing_are_told(store, monkeypatch, caplog, best, is_told):
    gain = measure_gain(store, monkeypatch, best, repeats=2)
    assert gain["gain"] == pytest.approx(best - 0.5)
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [message.partition(":")[0] for message in told] == [
        "The best options of the study are no better than the starting point with other seeds"
    ] * is_told


def test_one_repeat_has_no_deviation(store, monkeypatch, caplog):
    with caplog.at_level(logging.INFO):
        gain = measure_gain(store, monkeypatch, 0.6, repeats=1)
    assert "1 seed(s): start 0.5000, best 0.6000" in caplog.text
    assert gain["best"]["deviation"] is None
    json.dumps(gain, allow_nan=False)
