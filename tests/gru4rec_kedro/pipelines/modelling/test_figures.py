import pandas as pd
import pytest

from gru4rec_kedro.options.parameters import PublishedConfig
from gru4rec_kedro.pipelines.modelling.figures import (
    plot_breakdowns,
    plot_metrics,
    plot_training,
)

METRICS = {
    "recall@20": 1 / 2,
    "recall_low@20": 0.4,
    "recall_high@20": 0.7,
    "mrr@20": 1 / 5,
    "mrr_low@20": 0.18,
    "mrr_high@20": 0.22,
    "recall@5": 1 / 4,
    "mrr@5": 1 / 8,
}


def values(figure):
    return {trace.name: list(trace.y) for trace in figure.data}


def test_training_has_a_curve_for_each_measure():
    history = [
        {"epoch": 1, "loss": 3.0, "recall@20": 0.1},
        {"epoch": 2, "loss": 2.0, "recall@20": 0.2},
    ]
    assert values(plot_training({"history": history})) == {
        "loss": [3.0, 2.0],
        "recall@20": [0.1, 0.2],
    }


def test_one_epoch_is_a_point():
    figure = plot_training({"history": [{"epoch": 1, "loss": 3.0}]})
    assert values(figure) == {"loss": [3.0]}
    assert "markers" in figure.data[0].mode


def test_metrics_are_in_order_of_the_cutoff_with_intervals():
    figure = plot_metrics(METRICS, PublishedConfig())
    assert values(figure) == {"recall": [1 / 4, 1 / 2], "MRR": [1 / 8, 1 / 5]}
    assert figure.data[0].error_y.array[1] == pytest.approx(0.7 - 1 / 2)
    assert figure.data[0].error_y.arrayminus[1] == pytest.approx(1 / 2 - 0.4)


def test_published_values_stand_beside():
    figure = plot_metrics(METRICS, PublishedConfig(recall={10: 0.3}, mrr={20: 0.25}))
    assert values(figure)["recall, published"] == [0.3]
    assert list(figure.data[3].x) == [20]


def test_breakdowns_have_a_figure_each():
    bounds = {"recall_low": 0.1, "recall_high": 0.3, "mrr_low": 0.0, "mrr_high": 0.1}
    rows = [
        {"by": by, "group": group, "targets": 5, "k": 20, "recall": 0.2, "mrr": 0.05, **bounds}
        for by, group in [
            ("position", "1"),
            ("position", "2"),
            ("session_length", "2"),
            ("item_popularity", "to 50 %"),
        ]
    ]
    items = pd.DataFrame(
        {"ItemId": [7, 8], "training_events": [3, 1], "place": [1, 2], "recommended": [0, 4]}
    )
    position, length, popularity, recommended = plot_breakdowns(pd.DataFrame(rows), items)
    assert values(position) == {"recall@20": [0.2, 0.2], "MRR@20": [0.05, 0.05]}
    assert list(position.data[0].x) == ["1", "2"]
    assert list(length.data[0].x) == ["2"]
    assert list(popularity.data[1].x) == ["to 50 %"]
    assert values(recommended) == {
        "catalogue": [1 / 2, 1 / 2],
        "training events": [3 / 4, 1 / 4],
        "targets": [1, 0],
        "recommended": [0, 1],
    }
