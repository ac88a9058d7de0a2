"""A metric is one entry: all results, tables and figures have it."""

import dataclasses
import json

import ibis
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs

from gru4rec import EvaluationConfig, ModelConfig, TrainingConfig
from gru4rec.evaluation import METRICS, Metric
from gru4rec_kedro.datasets import MetricsDataset, StudyDataset
from gru4rec_kedro.datasets.metrics_history import MetricsHistoryDataset
from gru4rec_kedro.options.baselines import BaselinesConfig
from gru4rec_kedro.options.parameters import ExperimentConfig, PublishedConfig
from gru4rec_kedro.options.search_space import TuningConfig
from gru4rec_kedro.pipelines.baselines.nodes import evaluate_baselines
from gru4rec_kedro.pipelines.modelling.beside import compare_with_baselines
from gru4rec_kedro.pipelines.modelling.breakdowns import break_down
from gru4rec_kedro.pipelines.modelling.comparison import compare_versions
from gru4rec_kedro.pipelines.modelling.figures import plot_breakdowns, plot_metrics, plot_training
from gru4rec_kedro.pipelines.modelling.nodes import evaluate_model, train_model
from gru4rec_kedro.pipelines.modelling.pipeline import create_pipeline
from gru4rec_kedro.pipelines.modelling.report import write_report
from gru4rec_kedro.pipelines.tuning.nodes import measure_gain
from gru4rec_kedro.reporting.results import results_table

EVALUATION = EvaluationConfig(
    cutoff=[2, 6],
    metrics=["recall", "mrr", "rbp", "novelty", "gini"],
    targets="last",
    exclude_seen=True,
)
RBP = Metric(lambda ranks, k: np.where(ranks <= k, 0.8**ranks, 0.0), "RBP")
OPTIONS = ModelConfig(layers=[4], n_sample=4, n_epochs=2, device="cpu")


@dataclasses.dataclass
class Results:
    metrics: dict
    breakdowns: pd.DataFrame
    items: pd.DataFrame
    history: pd.DataFrame
    baselines: pd.DataFrame
    comparison: pd.DataFrame
    comparison_figure: go.Figure


@pytest.fixture(autouse=True)
def _new_metric(monkeypatch):
    monkeypatch.setitem(METRICS, "rbp", RBP)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    sessions = np.repeat(np.arange(30), 4)
    return ibis.memtable(
        pd.DataFrame(
            {"SessionId": sessions, "ItemId": rng.integers(0, 10, 120), "Time": range(120)}
        )
    )


@pytest.fixture(scope="module")
def results(table):
    """What the pipelines make with the new entry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METRICS, "rbp", RBP)
        experiment = ExperimentConfig(train_on="train", valid_each_epoch=True)
        parts = [table] * 4
        gru, history = train_model(*parts, OPTIONS, TrainingConfig(), EVALUATION, experiment)
        metrics, ranked, items = evaluate_model(gru, table, table, EVALUATION, experiment)
        of_baselines, ranks = evaluate_baselines(
            *parts, BaselinesConfig(models=["sknn"]), EVALUATION, experiment
        )
        comparison, figure = compare_with_baselines(
            metrics, ranked, of_baselines, ranks, EVALUATION
        )
        breakdowns = break_down(ranked, items, EVALUATION)
    return Results(metrics, breakdowns, items, history, of_baselines, comparison, figure)


def test_the_history_of_a_model_has_it(results):
    assert results.history.columns[-2:].tolist() == ["rbp@2", "rbp@6"]
    assert results.history["rbp@6"].between(0, 1).all()
    names = [trace.name for trace in plot_training(results.metrics).data]
    assert names[-2:] == ["rbp@2", "rbp@6"]


def test_the_metrics_file_and_its_versions_have_it(results, tmp_path):
    metrics = results.metrics
    assert 0 < metrics["rbp_low@6"] < metrics["rbp@6"] < metrics["rbp_high@6"]
    MetricsDataset(filepath=str(tmp_path / "metrics.json" / "1" / "metrics.json")).save(metrics)
    versions = MetricsHistoryDataset(filepath=str(tmp_path / "metrics.json"))
    assert versions.load()["1"]["rbp@6"] == metrics["rbp@6"]
    assert "rbp@2" in json.dumps(versions.preview())
    row = compare_versions(metrics, versions.load()).iloc[0]
    assert row["RBP@6"] == metrics["rbp@6"]


def test_breakdowns_and_baselines_have_it(results):
    assert results.breakdowns["rbp"].between(0, 1).all()
    row = results.baselines.set_index("k").loc[6]
    assert row["rbp_low"] < row["rbp"] < row["rbp_high"]
    _, ours, _, theirs = results.comparison.to_dict(orient="records")
    assert theirs["rbp_ahead"] == pytest.approx(ours["rbp"] - theirs["rbp"])
    assert theirs["rbp_ahead_low"] < theirs["rbp_ahead"] < theirs["rbp_ahead_high"]
    assert 0 < theirs["rbp_p"] <= 1


def test_metrics_of_lists_are_measured_and_compared_too(results):
    metrics, row = results.metrics, results.baselines.set_index("k").loc[6]
    assert 1 < metrics["novelty_low@6"] < metrics["novelty@6"] < metrics["novelty_high@6"]
    assert 0 < metrics["gini@6"] < 1
    assert "gini_low@6" not in metrics
    _, ours, _, theirs = results.comparison.to_dict(orient="records")
    for name in ("novelty", "gini"):
        assert theirs[name] == row[name]
        assert theirs[f"{name}_ahead"] == pytest.approx(ours[name] - theirs[name])
    assert 0 < theirs["novelty_p"] <= theirs["novelty_p_holm"] <= 1
    assert np.isnan(theirs["gini_p_holm"])
    assert "novelty" not in results.breakdowns


def test_options_of_the_evaluation_hold_for_baselines_too(results):
    assert results.metrics["targets"] + results.metrics["seen_targets"] == 30
    assert results.metrics["seen_targets"] > 0
    assert set(results.baselines["targets"]) == {results.metrics["targets"]}
    assert results.comparison["recall_ahead"].iloc[2:].notna().all()


def test_figures_have_it_in_a_colour_of_its_own(results):
    figures = [
        results.comparison_figure,
        plot_metrics(results.metrics, PublishedConfig()),
        *plot_breakdowns(results.breakdowns, results.items)[:3],
    ]
    for figure in figures:
        assert [trace.name.partition("@")[0] for trace in figure.data] == ["recall", "MRR", "RBP"]
        colours = [trace.marker.color or trace.line.color for trace in figure.data]
        assert len(set(colours)) == 3


def test_the_lines_at_the_end_have_it(results):
    lines = results_table(results.metrics, PublishedConfig(recall={6: 0.5})).splitlines()
    assert all(len(line) <= 80 for line in lines)
    first = [line.split()[0] for line in lines].index("k", 1)
    headings = [line.split() for line in lines if line.split()[0] == "k"]
    assert headings[1:] == [
        ["k", "RBP@k", "95", "%", "interval", "novelty@k", "95", "%", "interval"],
        ["k", "Gini@k", "95", "%", "interval"],
    ]
    assert lines[first + 2].split()[:2] == ["6", f"{results.metrics['rbp@6']:.4f}"]
    assert lines[first + 5].split() == ["6", f"{results.metrics['gini@6']:.4f}"]


def write_page(metrics, breakdowns, comparison):
    node = next(node for node in create_pipeline().nodes if node.short_name == "write_report")
    page = write_report(
        metrics,
        {"1": {**metrics, "epochs": 9}, "2": metrics},
        breakdowns,
        comparison,
        pd.DataFrame({"part": ["train"], "events": [120]}),
        pd.DataFrame(),
        {},
        {"mixed": [], "options": [], "log": None, "parts": {}},
        {},
        pd.DataFrame({"title": [], "picture": []}),
        {},
        **{name: go.Figure() for name in node.inputs if name.endswith("_figure")},
    )
    return page.replace(get_plotlyjs(), "")


def test_the_report_has_it(results):
    page = write_page(results.metrics, results.breakdowns, results.comparison)
    for heading in ("RBP", "RBP, 95 %", "RBP, ahead", "RBP, p", "RBP@6"):
        assert f'<th scope="col">{heading}</th>' in page
    assert f"<td>{results.metrics['rbp@6']:.4f}</td>" in page


def test_options_are_tuned_by_it(table, tmp_path):
    pytest.importorskip("optuna")
    store = StudyDataset(filepath=f"{tmp_path}/tuning.db").load()
    tuning = TuningConfig.parse({"metric": "rbp@3", "repeats": 1}, "tuning")
    best = {"run": {"params": {"model": {"n_epochs": 1}}}}
    found = measure_gain(store, best, table, table, OPTIONS, TrainingConfig(), tuning)
    assert found["metric"] == "rbp@3"
    assert 0 < found["best"]["mean"] < 1


def test_results_of_before_are_still_reported(results):
    """Files that were written before the entry lack it, and no table or figure misses it."""
    newer = ("rbp", "novelty", "gini")
    older = {name: of for name, of in results.metrics.items() if not name.startswith(newer)}
    lines = results_table(older, PublishedConfig()).splitlines()
    assert [line.split()[0] for line in lines][:4] == ["k", "2", "6", "Trained"]
    assert [trace.name for trace in plot_metrics(older, PublishedConfig()).data] == [
        "recall",
        "MRR",
    ]
    assert np.isnan(compare_versions(results.metrics, {"1": older})["RBP@6"].iloc[0])
    groups = results.breakdowns.drop(columns=["rbp", "rbp_low", "rbp_high"])
    drawn = plot_breakdowns(groups, results.items)[0].data
    assert [trace.name for trace in drawn] == ["recall@6", "MRR@6"]
    without = [name for name in results.comparison if not name.startswith(newer)]
    page = write_page(older, groups, results.comparison[without])
    assert "MRR, 95 %" in page
    assert "RBP" not in page
