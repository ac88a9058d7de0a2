"""The model beside simple baselines, on the same targets."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gru4rec import EvaluationConfig, columns
from gru4rec.evaluation import compare
from gru4rec_kedro.reporting.figures import drawn_metrics, error_bars, labels_of, lay_out
from gru4rec_kedro.reporting.results import metrics_in

_TARGET = [columns.SESSION, "position", columns.ITEM]
_MODEL = "GRU4Rec"
_MEASURED = ("", "_low", "_high")
_COMPARED = ("_ahead", "_ahead_low", "_ahead_high", "_p")
_RESOURCES = ("fit_seconds", "evaluation_seconds", "peak_memory_mb")


def compare_with_baselines(
    metrics: dict[str, Any],
    ranked_events: pd.DataFrame,
    baseline_metrics: pd.DataFrame,
    baseline_ranks: pd.DataFrame,
    evaluation: EvaluationConfig,
) -> tuple[pd.DataFrame, go.Figure]:
    """Sets the baselines beside the model, at the largest cutoff.

    Baselines that were measured on other targets, with other options of the evaluation or after
    another training part are not compared: of them there is only the name.

    Args:
        metrics: Of the model.
        ranked_events: Its rank of each target.
        baseline_metrics: A row a baseline and cutoff; empty where none were measured.
        baseline_ranks: A row a baseline and target; likewise.
        evaluation: The options of this run.

    Returns:
        A row each, the model first: `model`, `k`, metrics with the bounds of their 95 %
        intervals (`recall`, `recall_low`, ...), how far the model is ahead of the baseline
        (`recall_ahead`, with the bounds of its interval and `recall_p`, ...), seconds and peak
        memory; no row without baselines. And a figure of the metrics.
    """
    names = evaluation.metrics
    if baseline_metrics.empty or baseline_ranks.empty:
        nothing = pd.DataFrame(columns=_columns(names))
        return nothing, _plot(nothing)
    k = max(evaluation.cutoff)
    ours: dict[str, Any] = {"model": _MODEL, "k": k}
    ours |= {name: metrics.get(f"{name}@{k}", np.nan) for name in _of_each(names, _MEASURED)}
    ours |= {
        "fit_seconds": metrics["training_seconds"],
        "evaluation_seconds": metrics["evaluation_seconds"],
        "peak_memory_mb": metrics["peak_memory_mb"],
    }
    rows = [ours]
    mine = ranked_events.sort_values(_TARGET, ignore_index=True)
    for name, ranks in baseline_ranks.groupby("model", sort=False):
        theirs = ranks.sort_values(_TARGET, ignore_index=True)
        of_model = baseline_metrics[baseline_metrics["model"] == name]
        row = of_model[of_model["k"] == k]
        if not row.empty and _is_comparable(metrics, mine, row.iloc[0], theirs):
            facts = {str(column): row[column].iloc[0] for column in row}
            ahead = compare(
                mine[columns.SESSION], mine[columns.RANK], theirs[columns.RANK], k, metrics=names
            )
            rows.append(facts | {str(column): ahead[column].iloc[0] for column in ahead})
        else:
            rows.append({"model": name})
    table = pd.DataFrame(rows).reindex(columns=_columns(names))
    return table, _plot(table[table["k"].notna()])


def _columns(names: list[str]) -> list[str]:
    measured, compared = _of_each(names, _MEASURED), _of_each(names, _COMPARED)
    return ["model", "k", *measured, *compared, *_RESOURCES]


def _of_each(names: list[str], what: tuple[str, ...]) -> list[str]:
    """Names of columns of some metrics."""
    return [f"{name}{of}" for name in names for of in what]


def _is_comparable(
    metrics: dict[str, Any], mine: pd.DataFrame, row: "pd.Series[Any]", theirs: pd.DataFrame
) -> bool:
    learnt_from = metrics["trained_on"], metrics["training_events"]
    return (
        learnt_from == (row["trained_on"], row["training_events"])
        and metrics["tie_mode"] == row["tie_mode"]
        and mine[_TARGET].equals(theirs[_TARGET])
    )


def _plot(table: pd.DataFrame) -> go.Figure:
    """Bars for each model, the best on top; the network's name stands out."""
    figure = go.Figure()
    names = metrics_in(table)
    # plotly draws from the bottom
    shown = table.sort_values(names[0]) if names else table
    models = shown["model"].where(shown.index != 0, "<b>" + shown["model"] + "</b>")
    for name, label, colour in drawn_metrics(shown):
        k = "" if shown.empty else f"@{shown['k'].iloc[0]:.0f}"
        figure.add_bar(
            y=models,
            x=shown[name],
            error_x=error_bars(shown, name),
            name=f"{label}{k}",
            marker_color=colour,
            orientation="h",
        )
    lay_out(
        figure,
        "Beside simple baselines",
        xaxis={"title": labels_of(shown), "rangemode": "tozero"},
        yaxis={"automargin": True},
        legend_traceorder="reversed",
        height=120 + 60 * len(shown),
    )
    return figure
