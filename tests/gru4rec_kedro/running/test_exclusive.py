"""Hooks that keep runs apart; two of them stand for two processes."""

import contextlib
from types import SimpleNamespace

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, Version
from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.datasets import JSONDataset
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.pipelines import backtest, tuning
from gru4rec_kedro.running.exclusive import ExclusiveHooks

PIPELINE = Pipeline([Node(len, "params", "model", name="train")])


class Process:
    """What Kedro calls of a run."""

    def __init__(self, folder, outputs="outputs", parameters=(), others=(), **options):
        self.catalog = DataCatalog(
            {"model": JSONDataset(filepath=f"{folder}/model.json", version=Version(None, "2026"))}
        )
        manager = _create_hook_manager()
        for hooks in (ExclusiveHooks(), *others):
            manager.register(hooks)
        self.hook = manager.hook
        loader = {"globals": {"outputs": outputs, **options}, "parameters": dict(parameters)}
        context = SimpleNamespace(config_loader=loader, project_path=folder)
        self.hook.after_context_created(context=context)

    def begin(self, pipeline=PIPELINE):
        self.hook.before_pipeline_run(run_params={}, pipeline=pipeline, catalog=self.catalog)

    def end(self):
        self.hook.after_pipeline_run(
            run_params={}, run_result={}, pipeline=PIPELINE, catalog=self.catalog
        )

    def fail(self):
        self.hook.on_pipeline_error(
            error=KeyError(), run_params={}, pipeline=PIPELINE, catalog=self.catalog
        )


@pytest.fixture
def process(tmp_path):
    alive = []  # what is collected as garbage holds no lock

    def make(**options):
        alive.append(Process(tmp_path, **options))
        return alive[-1]

    yield make
    alive.clear()


def is_free(process):
    try:
        process.begin()
    except RunError:
        return False
    process.end()
    return True


def test_a_second_run_is_refused_with_what_to_do(process):
    process().begin()
    with pytest.raises(RunError, match=r"outputs is in use by .*--params when_locked=wait, or set"):
        process().begin()


@pytest.mark.parametrize("end", ["end", "fail"])
def test_the_end_of_a_run_frees_the_folder(process, end):
    run = process()
    run.begin()
    getattr(run, end)()
    assert is_free(process())
    assert is_free(run)


def test_the_next_run_after_ctrl_c_is_not_kept_out(process):
    run = process()
    run.begin()  # Kedro calls no hook after KeyboardInterrupt
    run.begin()
    run.end()
    assert is_free(process())


def test_a_run_that_another_hook_refuses_frees_the_folder(process):
    class Refusing:
        @hook_impl
        def before_pipeline_run(self):
            raise RunError("no")

    with pytest.raises(RunError, match="no"):
        process(others=[Refusing()]).begin()
    assert is_free(process())


def test_other_folders_are_other_locks(process):
    process().begin()
    assert is_free(process(outputs="outputs/test"))


def test_what_writes_nothing_takes_no_lock(process, tmp_path):
    process().begin(Pipeline([]))
    assert not list(tmp_path.iterdir())
    assert is_free(process())


@pytest.mark.parametrize(
    ("parameters", "shares"),
    [
        ({}, True),
        ({"tuning": {"n_trials": 7}}, True),
        ({"tuning": {"study": "another"}}, False),
        ({"model": {"n_sample": 7}}, False),
    ],
)
def test_tunings_of_one_study_share_the_folder(process, parameters, shares):
    process().begin(tuning.create_pipeline())
    with contextlib.nullcontext() if shares else pytest.raises(RunError, match="in use"):
        process(parameters=parameters).begin(tuning.create_pipeline())
    assert not is_free(process())


@pytest.mark.parametrize(
    ("parameters", "shares"), [({}, True), ({"backtest": {"window_days": 2}}, False)]
)
def test_processes_of_one_backtest_share_the_folder(process, parameters, shares):
    process().begin(backtest.create_pipeline())
    with contextlib.nullcontext() if shares else pytest.raises(RunError, match="in use"):
        process(parameters=parameters).begin(backtest.create_pipeline())
    with pytest.raises(RunError, match="in use"):
        process().begin(tuning.create_pipeline())


def test_a_waiting_run_begins_when_the_other_has_ended(process, monkeypatch):
    first = process()
    first.begin()
    # what is slept for is the end of the other
    monkeypatch.setattr("gru4rec_kedro.locking.time.sleep", lambda _: first.end())
    for options in ({"when_locked": "wait"}, {"parameters": {"when_locked": "wait"}}):
        second = process(**options)
        second.begin()
        assert not is_free(process())
        second.end()
        first.begin()


def test_a_version_that_stays_the_newest_refuses_the_run_and_frees_the_folder(process, tmp_path):
    run = process()
    run.catalog.get("model")._version = Version(None, "best")
    run.catalog.save("model", 1)
    with pytest.raises(RunError, match="'best'"):
        process().begin()
    assert not list(tmp_path.glob("outputs/.runs/*.json"))
