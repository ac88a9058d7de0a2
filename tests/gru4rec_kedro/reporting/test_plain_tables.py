import pandas as pd

from gru4rec_kedro.reporting.plain_tables import baselines_table, parts_table


def test_baselines_are_shown_at_the_largest_cutoff_the_best_first():
    metrics = pd.DataFrame(
        {
            "model": ["popularity", "popularity", "sknn", "sknn"],
            "k": [1, 20, 1, 20],
            "recall": [0.9, 0.1, 0.9, 0.25],
            "recall_low": [0.8, 0.05, 0.8, 0.2],
            "recall_high": [1.0, 0.15, 1.0, 0.3],
            "mrr": [0.9, 0.02, 0.9, 0.125],
            "fit_seconds": [1.0, 1.0, 1.5, 1.5],
            "evaluation_seconds": [1.0, 1.0, 0.75, 0.75],
        }
    )
    without = metrics[["model", "k", "fit_seconds", "evaluation_seconds"]].assign(novelty=9.0)
    assert baselines_table(without).splitlines()[0].split() == ["baseline", "seconds"]
    assert [line.split() for line in baselines_table(metrics).splitlines()] == [
        ["baseline", "recall@20", "95", "%", "interval", "MRR@20", "seconds"],
        ["sknn", "0.2500", "0.2000-0.3000", "0.1250", "2.2"],
        ["popularity", "0.1000", "0.0500-0.1500", "0.0200", "2.0"],
    ]


def test_parts_are_shown_with_their_days():
    statistics = pd.DataFrame(
        {
            "part": ["train", "test"],
            "events": [12345, 20],
            "sessions": [1000, 4],
            "items": [50, 10],
            "first_date": ["2024-06-01T00:00:53+00:00", "2024-06-28T10:00:00+00:00"],
            "last_date": ["2024-06-27T23:53:01+00:00", "2024-06-30T00:00:00+00:00"],
        }
    )
    assert [line.split() for line in parts_table(statistics).splitlines()] == [
        ["part", "events", "sessions", "items", "first", "last"],
        ["train", "12,345", "1,000", "50", "2024-06-01", "2024-06-27"],
        ["test", "20", "4", "10", "2024-06-28", "2024-06-30"],
    ]
    orders = statistics.assign(first_date=float("nan"), last_date=float("nan"))
    assert parts_table(orders).splitlines()[0].split() == ["part", "events", "sessions", "items"]
