"""Tables of a run as plain text, at most 80 characters wide."""

import pandas as pd

from gru4rec.evaluation import METRICS, of_ranks
from gru4rec_kedro.reporting.results import metrics_in


def rows_as_text(frame: pd.DataFrame) -> str:
    """Returns rows with their columns' names above, numbers at the right."""
    return frame.to_string(index=False, max_colwidth=40, float_format=lambda value: f"{value:.4f}")


def baselines_table(metrics: pd.DataFrame) -> str:
    """Returns each baseline's metrics of ranks at the largest cutoff, the first's best first.

    Args:
        metrics: A row a baseline and cutoff, with `model`, `k`, each metric and its bounds `_low`
            and `_high`.
    """
    k = metrics["k"].max()
    names = of_ranks(metrics_in(metrics))
    at_k = metrics[metrics["k"] == k].sort_values(names[:1], ascending=False)
    table = pd.DataFrame({"baseline": at_k["model"]})
    for name in names:
        table[f"{METRICS[name].label}@{k}"] = at_k[name]
    for name in names[:1]:
        low, high = (at_k[f"{name}_{bound}"].map("{:.4f}".format) for bound in ("low", "high"))
        table.insert(2, "95 % interval", low + "-" + high)
    table["seconds"] = (at_k["fit_seconds"] + at_k["evaluation_seconds"]).map("{:.1f}".format)
    return rows_as_text(table)


def parts_table(statistics: pd.DataFrame) -> str:
    """Returns how large each part of a log is, and from when to when it is.

    Args:
        statistics: A row a part, see `gru4rec.preparation.describe_parts`.
    """
    table = statistics[["part"]].copy()
    for name in ("events", "sessions", "items"):
        table[name] = statistics[name].map("{:,}".format)
    for name in ("first_date", "last_date"):  # empty where times are only an order
        if statistics[name].notna().all():
            table[name.replace("_date", "")] = statistics[name].astype(str).str[:10]
    return rows_as_text(table)
