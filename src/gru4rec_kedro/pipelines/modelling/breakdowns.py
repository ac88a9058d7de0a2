"""Metrics of groups of targets."""

from typing import Any

import numpy as np
import pandas as pd

from gru4rec import EvaluationConfig, columns
from gru4rec.evaluation import measure, of_ranks

# last number of each group but the last; the first is a group of its own
_POSITIONS_UP_TO = [1, 2, 3, 4, 5, 10, 20]
_LENGTHS_UP_TO = [2, 3, 4, 5, 10, 20, 50]
# share of the catalogue, the most popular items first
_POPULARITY = {"top 1 %": 0.01, "to 5 %": 0.05, "to 20 %": 0.2, "to 50 %": 0.5, "rest": 1.0}


def break_down(
    ranked_events: pd.DataFrame, item_statistics: pd.DataFrame, evaluation: EvaluationConfig
) -> pd.DataFrame:
    """Measures groups of targets at the largest cutoff.

    Returns:
        A row for each group that has targets: `by` (`position`: events of the session before the
        target; `session_length`: known events of the session; `item_popularity`: the target's
        place among the items by training events), `group`, `targets`, `k`, and the metrics of ranks
        with the bounds of their 95 % intervals (`recall`, `recall_low`, ...): NaN where the group
        is of one session, of which nothing follows for others.
    """
    lengths = ranked_events.groupby(columns.SESSION)[columns.ITEM].transform("size") + 1
    popularity = popularity_groups(item_statistics).set_axis(item_statistics[columns.ITEM])
    groups = {
        "position": _number_groups(ranked_events["position"], _POSITIONS_UP_TO),
        "session_length": _number_groups(lengths, _LENGTHS_UP_TO),
        "item_popularity": ranked_events[columns.ITEM].map(popularity).astype(popularity.dtype),
    }
    k, names = max(evaluation.cutoff), of_ranks(evaluation.metrics)
    rows = [
        {"by": by, "group": group, **_measure(targets, k, names)}
        for by, labels in groups.items()
        for group, targets in ranked_events.groupby(labels, observed=True)
    ]
    return pd.DataFrame(rows)


def popularity_groups(item_statistics: pd.DataFrame) -> "pd.Series[Any]":
    """Returns the popularity group of each item, an ordered category; shape (n_items,)."""
    share = item_statistics["place"] / len(item_statistics)
    return pd.cut(share, [0, *_POPULARITY.values()], labels=list(_POPULARITY))


def popularity_shares(item_statistics: pd.DataFrame, breakdowns: pd.DataFrame) -> pd.DataFrame:
    """Compares what is recommended with what there is.

    Returns:
        A row a popularity group, in order, with its share of all `items`, `training_events`,
        `targets` and `recommended` items.
    """
    grouped = item_statistics.groupby(popularity_groups(item_statistics), observed=True)
    shares = grouped.agg(
        items=(columns.ITEM, "size"),
        training_events=("training_events", "sum"),
        recommended=("recommended", "sum"),
    )
    targets = breakdowns[breakdowns["by"] == "item_popularity"].set_index("group")["targets"]
    shares.insert(2, "targets", targets.reindex(shares.index, fill_value=0))
    return (shares / shares.sum()).rename_axis("group").reset_index()


def _measure(targets: pd.DataFrame, k: int, metrics: list[str]) -> dict[str, Any]:
    measured = measure(targets[columns.SESSION], targets[columns.RANK], k, metrics=metrics)
    if len(pd.unique(targets[columns.SESSION])) == 1:
        measured[[f"{name}_{bound}" for name in metrics for bound in ("low", "high")]] = np.nan
    return {"targets": len(targets)} | {str(name): measured[name].iloc[0] for name in measured}


def _number_groups(numbers: "pd.Series[int]", up_to: list[int]) -> "pd.Series[Any]":
    """Labels numbers as `3`, `6–10` and `21+`."""
    begins = [up_to[0], *(last + 1 for last in up_to)]
    labels = [
        str(last) if first >= last else f"{first}–{last}"
        for first, last in zip(begins, up_to, strict=False)
    ]
    return pd.cut(numbers, [0, *up_to, np.inf], labels=[*labels, f"{begins[-1]}+"])
