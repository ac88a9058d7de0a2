"""A run beside what others published, and beside earlier versions of itself."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gru4rec.evaluation import METRICS
from gru4rec_kedro.options.parameters import PublishedConfig
from gru4rec_kedro.reporting.results import metrics_by_cutoff, metrics_in

_MOST_VERSIONS = 10


def compare_with_published(metrics: dict[str, Any], published: PublishedConfig) -> pd.DataFrame:
    """Sets published results beside the run's own.

    Returns:
        A row for each published value: `metric` (such as recall@20), `value` (NaN where it was
        not measured), `published`, and `difference`, relative to the published value.
    """
    values = {
        f"{name}@{k}": value
        for name, by_cutoff in published.by_metric.items()
        for k, value in sorted(by_cutoff.items())
    }
    rows = [(name, metrics.get(name, float("nan")), value) for name, value in values.items()]
    table = pd.DataFrame(rows, columns=["metric", "value", "published"])
    return table.assign(difference=table["value"] / table["published"] - 1)


def compare_versions(metrics: dict[str, Any], history: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Sets the newest versions of the metrics beside this one.

    Args:
        metrics: Those of this run.
        history: Metrics by version, oldest first; those of older code may lack some.

    Returns:
        A row a version, newest first: `version` (marked where it is this one), what it was
        `trained on` and `evaluated on` (marked where these are not this run's events, or nobody
        knows, and nothing compares), `targets`, the metrics at the largest cutoff of this run,
        and the `options of the model` that differ from this run's.
    """
    measured = metrics_by_cutoff(metrics)
    k = int(measured["k"].max())
    rows = [
        {
            "version": f"{version} (this one)" if other == metrics else version,
            "trained on": other.get("trained_on"),
            "evaluated on": _evaluated_on(metrics, other),
            "targets": _number(other.get("targets")),
            **{
                f"{METRICS[name].label}@{k}": _number(other.get(f"{name}@{k}"))
                for name in metrics_in(measured)
            },
            "options of the model": _differences(metrics.get("model"), other.get("model")),
        }
        for version, other in list(history.items())[::-1][:_MOST_VERSIONS]
    ]
    return pd.DataFrame(rows)


def _evaluated_on(metrics: dict[str, Any], other: dict[str, Any]) -> str | None:
    part, ours, theirs = (
        other.get("evaluated_on"),
        metrics.get("evaluated_events"),
        other.get("evaluated_events"),
    )
    if part is None or other == metrics:
        return part
    if ours is None or theirs is None:  # of older code
        return f"{part}, events unknown"
    return str(part) if ours == theirs else f"{part}, other events"


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else float("nan")


def _differences(ours: Any, theirs: Any) -> str:
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return "unknown"
    differing = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    return ", ".join(f"{name}: {theirs.get(name)}" for name in differing) or "the same"
