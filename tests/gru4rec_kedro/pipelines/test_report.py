import pandas as pd
import plotly.graph_objects as go
import pytest

from gru4rec_kedro.pipelines.modelling.report import write_report

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
