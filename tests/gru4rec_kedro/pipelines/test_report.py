import pandas as pd
import plotly.graph_objects as go
import pytest

from gru4rec_kedro.pipelines.modelling.report import (
    metrics_by_cutoff,
    plot_metrics,
    plot_training,
    results_table,
    write_report,
)

METRICS = {
    "recall@20": 1 / 2,
    "recall@5": 1 / 4,
    "mrr@5": 1 / 8,
    "mrr@20": 1 / 5,
    "targets": 4,
    "unknown_events": 1,
    "items": 9,
    "trained_on": "train_full",
    "evaluated_on": "test",
    "tie_mode": "conservative",
    "epochs": 3,
    "training_seconds": 2.0,
    "model": {"layers": [7], "loss": "</pre>"},
}
STATISTICS = pd.DataFrame({"part": ["<b>train"], "first_time": [1], "last_time": [2]})


def test_metrics_by_cutoff_are_in_order():
    table = metrics_by_cutoff(METRICS)
    assert table.to_numpy().tolist() == [[5, 1 / 4, 1 / 8], [20, 1 / 2, 1 / 5]]


def test_results_table_is_plain_text_within_80_columns():
    lines = results_table(METRICS).splitlines()
    assert lines[0].split() == ["k", "recall@k", "MRR@k"]
    assert lines[2].split() == ["20", "0.5000", "0.2000"]
    assert all(len(line) <= 80 for line in lines[:3])


def test_training_figure_has_a_curve_for_each_measure():
    history = pd.DataFrame({"epoch": [1, 2], "loss": [3.0, 2.0], "recall@20": [0.1, 0.2]})
    figure = plot_training(history)
    assert {trace.name: list(trace.y) for trace in figure.data} == {
        "loss": [3.0, 2.0],
        "recall@20": [0.1, 0.2],
    }


def test_metrics_figure():
    figure = plot_metrics(METRICS)
    assert {trace.name: list(trace.y) for trace in figure.data} == {
        "recall": [1 / 4, 1 / 2],
        "mrr": [1 / 8, 1 / 5],
    }


@pytest.fixture(scope="module")
def page():
    figure = go.Figure()
    return write_report(
        METRICS,
        STATISTICS,
        STATISTICS,
        figure,
        figure,
        figure,
        figure,
        {"model": {"layers": [8]}, "data": {"item_key": "</pre>"}},
    )


def test_report_escapes_what_comes_from_data_and_configuration(page):
    assert "<b>train" not in page
    assert "&lt;b&gt;train" in page
    assert "item_key: &lt;/pre&gt;" in page
    assert "loss: &lt;/pre&gt;" in page


def test_report_shows_the_options_of_the_model_that_was_evaluated(page):
    assert "- 7" in page
    assert "- 8" not in page


def test_report_shows_results_and_versions(page):
    assert "<td>0.5000</td>" in page
    assert "torch " in page
