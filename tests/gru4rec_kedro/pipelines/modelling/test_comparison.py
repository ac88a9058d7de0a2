import math

import pytest

from gru4rec_kedro.options.parameters import PublishedConfig
from gru4rec_kedro.pipelines.modelling.comparison import compare_versions, compare_with_published

METRICS = {
    "recall@5": 1 / 4,
    "mrr@5": 1 / 8,
    "recall@20": 1 / 2,
    "mrr@20": 1 / 5,
    "targets": 40,
    "trained_on": "train_full",
    "evaluated_on": "test",
    "evaluated_events": "0a",
    "model": {"layers": [8], "loss": "bpr-max", "n_epochs": 3},
}


def test_difference_is_relative_to_what_was_published():
    published = PublishedConfig(recall={20: 0.4, 10: 0.3}, mrr={20: 0.25})
    table = compare_with_published(METRICS, published)
    assert table["metric"].tolist() == ["recall@10", "recall@20", "mrr@20"]
    rows = table.set_index("metric").T.to_dict()
    assert rows["recall@20"] == pytest.approx(
        {"value": 1 / 2, "published": 0.4, "difference": 0.1 / 0.4}
    )
    assert rows["mrr@20"]["difference"] == pytest.approx(-0.05 / 0.25)
    assert math.isnan(rows["recall@10"]["value"])
    assert math.isnan(rows["recall@10"]["difference"])


def test_nothing_published_is_an_empty_table():
    assert compare_with_published(METRICS, PublishedConfig()).empty


def test_versions_are_newest_first_and_say_what_differs():
    earlier = {
        **METRICS,
        "recall@20": 0.4,
        "trained_on": "train",
        "model": {**METRICS["model"], "layers": [4]},
    }
    table = compare_versions(METRICS, {"1": earlier, "2": METRICS})
    assert table.to_dict(orient="records") == [
        {
            "version": "2 (this one)",
            "trained on": "train_full",
            "evaluated on": "test",
            "targets": 40,
            "recall@20": 1 / 2,
            "MRR@20": 1 / 5,
            "options of the model": "the same",
        },
        {
            "version": "1",
            "trained on": "train",
            "evaluated on": "test",
            "targets": 40,
            "recall@20": 0.4,
            "MRR@20": 1 / 5,
            "options of the model": "layers: [4]",
        },
    ]


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ("0a", "0a", "test"),
        ("0a", "0b", "test, other events"),
        ("0a", None, "test, events unknown"),
        (None, "0a", "test, events unknown"),
        (None, None, "test, events unknown"),
    ],
)
def test_versions_on_other_events_are_marked(ours, theirs, said):
    metrics, other = (
        {name: value for name, value in {**METRICS, "evaluated_events": sum_}.items() if value}
        for sum_ in (ours, theirs)
    )
    other["epochs"] = 1  # another run
    table = compare_versions(metrics, {"1": other, "2": metrics})
    assert table["evaluated on"].tolist() == ["test", said]


@pytest.mark.parametrize(
    "older", [{}, {"recall@20": "high", "model": 3}, {"recall@20": None, "targets": True}]
)
def test_metrics_of_other_code_leave_gaps(older):
    row = compare_versions(METRICS, {"1": older}).iloc[0]
    assert math.isnan(row["recall@20"])
    assert math.isnan(row["targets"])
    assert row["options of the model"] == "unknown"


def test_only_the_newest_versions_are_compared():
    table = compare_versions(METRICS, {f"{n:02}": {**METRICS, "targets": n} for n in range(30)})
    assert table["targets"].tolist() == list(range(29, 19, -1))


def test_without_versions_there_is_nothing_to_compare():
    assert compare_versions(METRICS, {}).empty
