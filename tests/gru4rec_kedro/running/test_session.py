"""Names that there are not are one message, and nothing runs."""

from pathlib import Path

import pytest
from kedro.framework.project import settings
from kedro.framework.startup import bootstrap_project

from gru4rec_kedro.errors import RunError
from gru4rec_kedro.running.session import Session

ROOT = Path(__file__).parents[3]


@pytest.fixture
def session(monkeypatch):
    monkeypatch.chdir(ROOT)
    bootstrap_project(ROOT)
    return Session.create(ROOT, env="test")


def test_it_is_what_kedro_runs(session):
    assert settings.SESSION_CLASS.__qualname__ == Session.__qualname__


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"from_nodes": ["evaluate_modl"]}, "node 'evaluate_modl' .* mean 'evaluate_model'"),
        ({"node_names": ("split_log",)}, "node 'split_log' .* mean 'preparation.split_log'"),
        (
            {"to_nodes": ["zzz"]},
            "node 'zzz' .*; there are choose_examples, evaluate_baselines, evaluate_model, ",
        ),
        ({"to_nodes": ["measure_gain"]}, "node 'measure_gain' .* in tuning: name that with --pip"),
        ({"to_outputs": ["metrcs"]}, "dataset 'metrcs' .* mean 'metrics'"),
        ({"load_versions": {"modl": "2020"}}, "dataset 'modl' .* mean 'model'"),
        ({"namespaces": ["reportin"]}, "namespace 'reportin' .* mean 'reporting'"),
        ({"tags": ["evaluate"]}, "tag 'evaluate' .* mean 'evaluation'"),
        ({"pipeline_names": ["modeling"]}, "pipeline 'modeling'; did you mean 'modelling'"),
        ({"pipeline_name": "zzz"}, "pipeline 'zzz'; there are .*data_engineering.*"),
    ],
)
def test_a_name_that_there_is_not_is_refused(session, given, message):
    with pytest.raises(RunError, match=f"^There is no {message}"):
        session.run(**given)


def test_names_are_those_of_the_pipelines_that_run(session):
    with pytest.raises(RunError, match=r"'metrics' .* it is in .*modelling"):
        session.run(pipeline_names=["data_engineering"], to_outputs=["metrics"])


def test_a_second_run_says_how_to_begin_another(session, monkeypatch):
    monkeypatch.setattr(session, "_run_called", True)
    with pytest.raises(RunError, match=r"one run .* %reload_kedro begins another"):
        session.run()
