import pandas as pd

from gru4rec_kedro.options.parameters import PublishedConfig
from gru4rec_kedro.reporting.results import (
    describe_run,
    leads,
    metrics_by_cutoff,
    results_table,
)

METRICS = {
    "recall@20": 1 / 2,
    "recall@5": 1 / 4,
    "mrr@5": 1 / 8,
    "mrr@20": 1 / 5,
    "recall_low@5": 0.2,
    "recall_high@5": 0.3,
    "recall_low@20": 0.4,
    "recall_high@20": 0.6,
    "mrr_low@5": 0.1,
    "mrr_high@5": 0.15,
    "mrr_low@20": 0.18,
    "mrr_high@20": 0.22,
    "targets": 1004,
    "unknown_events": 1,
    "items": 9,
    "trained_on": "train_full",
    "evaluated_on": "test",
    "epochs": 3,
    "training_seconds": 2.0,
}
PUBLISHED = PublishedConfig(
    source="Somebody et al., A Paper With a Long Title, at a Conference Far Away, 2023, table 4",
    recall={10: 0.3, 20: 0.4},
    mrr={20: 0.25},
)


def test_metrics_by_cutoff_are_in_order():
    table = metrics_by_cutoff(METRICS)
    assert table.to_numpy().tolist() == [
        [5, 1 / 4, 0.2, 0.3, 1 / 8, 0.1, 0.15],
        [20, 1 / 2, 0.4, 0.6, 1 / 5, 0.18, 0.22],
    ]


def test_metrics_of_earlier_versions_have_no_intervals():
    table = metrics_by_cutoff({"recall@20": 1 / 2, "mrr@20": 1 / 5})
    assert table[["k", "recall", "mrr"]].to_numpy().tolist() == [[20, 1 / 2, 1 / 5]]
    assert table["recall_low"].isna().all()


def test_results_are_plain_text_within_80_columns():
    lines = results_table(METRICS, PublishedConfig()).splitlines()
    assert lines[0] == "    k  recall@k   95 % interval     MRR@k   95 % interval"
    assert lines[2].split() == ["20", "0.5000", "0.4000-0.6000", "0.2000", "0.1800-0.2200"]
    assert " ".join(lines[3:]) == f"{describe_run(METRICS)}."
    assert all(len(line) <= 80 for line in lines)


def test_published_results_stand_beside():
    lines = results_table(METRICS, PUBLISHED).splitlines()
    assert lines[0].endswith("published")
    assert lines[1].split()[-1] == "0.1000-0.1500"
    assert lines[2].split()[-2:] == ["0.4000", "0.2500"]
    assert "Published: Somebody et al., A Paper" in lines[3]
    assert all(len(line) <= 80 for line in lines)


def test_what_was_trained_is_told_in_a_sentence():
    assert describe_run(METRICS) == (
        "Trained on train_full for 3 epochs in 2 s; 1,004 targets of test ranked against 9 items "
        "(1 events on unknown items left out)"
    )
    options = {"ranked_targets": "last", "exclude_seen": True, "seen_targets": 1234}
    assert describe_run({**METRICS, **options}).endswith(
        "1,004 targets of test, the last of each session, ranked against 9 items that the session "
        "has not seen (1 events on unknown items and 1,234 targets on seen ones left out)"
    )
    assert ", the first of each session, ranked against 9 items (1 events" in describe_run(
        {**METRICS, "ranked_targets": "first", "exclude_seen": False}
    )
    told = describe_run({**METRICS, "epochs": 1, "trained_on": None})
    assert told.startswith("Trained on an unknown part for 1 epoch in 2 s")


def test_the_best_baseline_of_each_metric_is_what_counts():
    nothing = {"model": "GRU4Rec", "k": 20, "recall": 0.5, "mrr": 0.2}
    one, other = (
        {
            "model": name,
            "k": 20,
            "recall": recall,
            "mrr": mrr,
            "recall_ahead": 0.5 - recall,
            "recall_ahead_low": 0.05,
            "recall_ahead_high": 0.2,
            "recall_p": 0.001,
            "recall_p_holm": 0.004,
            "mrr_ahead": 0.2 - mrr,
            "mrr_ahead_low": -0.1,
            "mrr_ahead_high": -0.01,
            "mrr_p": 0.04,
            "mrr_p_holm": 0.16,
            "novelty": 9.0,
        }
        for name, recall, mrr in (("session_popularity", 0.4, 0.1), ("stan", 0.3, 0.25))
    )
    not_compared = {"model": "sknn", "k": None, "recall": None}
    at_5 = [{**row, "k": 5, "recall": 0.9} for row in (nothing, one, other)]
    assert leads(pd.DataFrame([*at_5, nothing, one, other, not_compared])) == [
        "recall@20 +0.1000 (+0.0500 to +0.2000, Holm p 0.004) over session_popularity",
        "MRR@20 -0.0500 (-0.1000 to -0.0100, Holm p 0.160) over stan",
    ]
    assert leads(pd.DataFrame([nothing, not_compared])) == []
    assert leads(pd.DataFrame([nothing]).iloc[:0]) == []


def test_nothing_leads_where_no_baseline_could_be_compared():
    ours = {"model": "GRU4Rec", "recall": 0.2, "recall_ahead": None}
    rows = [{**ours, "k": 5}, {**ours, "k": 20}, {"model": "sknn", "k": None}]
    assert leads(pd.DataFrame(rows)) == []
    assert leads(pd.DataFrame(columns=["model", "k", "recall"])) == []
