"""The model beside simple baselines, on the same targets."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gru4rec import EvaluationConfig, columns
from gru4rec.evaluation import compare, holm, of_ranks
from gru4rec_kedro.reporting.figures import drawn_metrics, error_bars, labels_of, lay_out
from gru4rec_kedro.reporting.measuring import protocol_of
from gru4rec_kedro.reporting.origins import events_used
from gru4rec_kedro.reporting.results import metrics_in

_TARGET = [columns.SESSION, "position", columns.ITEM]
MODEL = "GRU4Rec"
_MEASURED = ("", "_low", "_high")
_COMPARED = ("_ahead", "_ahead_low", "_ahead_high", "_p", "_p_holm")
_RESOURCES = ("fit_seconds", "evaluation_seconds", "peak_memory_mb")
# exchanges of sessions: the least p, times as many questions as there may be, is still small
_EXCHANGES = 10_000


def compare_with_baselines(
    metrics: dict[str, Any],
    ranked_events: pd.DataFrame,
    baseline_metrics: pd.DataFrame,
    baseline_ranks: pd.DataFrame,
    evaluation: EvaluationConfig,
) -> tuple[pd.DataFrame, go.Figure]:
    """Sets the baselines beside the model, at all cutoffs.

    Baselines that were measured on other targets, with other options of the evaluation or after
    another training part are not compared: of them there is only the name.

    Args:
        metrics: Of the model.
        ranked_events: Its rank of each target, and what its lists are like.
        baseline_metrics: A row a baseline and cutoff; empty where none were measured.
        baseline_ranks: A row a baseline and target; likewise.
        evaluation: The options of this run.

    Returns:
        A row each and cutoff, the model first: `model`, `k`, metrics with the bounds of their 95 %
        intervals (`recall`, `recall_low`, ...), how far the model is ahead of the baseline
        (`recall_ahead`, with the bounds of its interval, `recall_p`, and `recall_p_holm`, which is
        corrected for all questions that the table answers, ...), seconds and peak memory; no row
        without baselines. And a figure of the metrics at the largest cutoff.
    """
    names = evaluation.metrics
    if baseline_metrics.empty or baseline_ranks.empty:
        nothing = pd.DataFrame(columns=_columns(names))
        return nothing, _plot(nothing)
    ours = _describe_model(metrics, evaluation)
    tables = [ours.reset_index()]
    mine = ranked_events.sort_values(_TARGET, ignore_index=True)
    for name, ranks in baseline_ranks.groupby("model", sort=False):
        theirs = ranks.sort_values(_TARGET, ignore_index=True)
        of_model = baseline_metrics[baseline_metrics["model"] == name].set_index("k")
        measured = of_model.reindex(evaluation.cutoff)
        if _is_comparable(metrics, mine, measured, theirs, evaluation):
            ahead = _compare(mine, theirs, evaluation)
            missing = [of for of in names if f"{of}_ahead" not in ahead]
            for of in missing:  # of all lists together: there is no test
                ahead[f"{of}_ahead"] = ours[of] - measured[of]
            tables.append(measured.join(ahead).reset_index())
        else:
            tables.append(pd.DataFrame({"model": [name]}))
    table = pd.concat([of.astype(object) for of in tables]).reset_index(drop=True)
    table = _correct(table.reindex(columns=_columns(names)).infer_objects(), names)
    return table, _plot(table[table["k"] == max(evaluation.cutoff)].reset_index(drop=True))


def _describe_model(metrics: dict[str, Any], evaluation: EvaluationConfig) -> pd.DataFrame:
    """What the table has of the model: a row a cutoff, by cutoff."""
    resources = {
        "fit_seconds": metrics["training_seconds"],
        "evaluation_seconds": metrics["evaluation_seconds"],
        "peak_memory_mb": metrics["peak_memory_mb"],
    }
    measured = _of_each(evaluation.metrics, _MEASURED)
    rows = [
        {"model": MODEL, "k": k, **resources}
        | {name: metrics.get(f"{name}@{k}", np.nan) for name in measured}
        for k in evaluation.cutoff
    ]
    return pd.DataFrame(rows).set_index("k")


def _compare(
    mine: pd.DataFrame, theirs: pd.DataFrame, evaluation: EvaluationConfig
) -> pd.DataFrame:
    return compare(
        mine[columns.SESSION],
        mine[columns.RANK],
        theirs[columns.RANK],
        evaluation.cutoff,
        metrics=evaluation.metrics,
        lists=mine,
        other_lists=theirs,
        n_exchanges=_EXCHANGES,
    ).set_index("k")


def _correct(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Fills in `_p_holm`: all that the table asks is one family of questions."""
    given, corrected = ([f"{name}{of}" for name in names] for of in ("_p", "_p_holm"))
    filled = table.copy()
    filled[corrected] = holm(table[given].to_numpy(dtype=np.float64))
    return filled


def _columns(names: list[str]) -> list[str]:
    measured, compared = _of_each(names, _MEASURED), _of_each(names, _COMPARED)
    return ["model", "k", *measured, *compared, *_RESOURCES]


def _of_each(names: list[str], what: tuple[str, ...]) -> list[str]:
    """Names of columns of some metrics."""
    return [f"{name}{of}" for name in names for of in what]


def _is_comparable(
    metrics: dict[str, Any],
    mine: pd.DataFrame,
    measured: pd.DataFrame,
    theirs: pd.DataFrame,
    evaluation: EvaluationConfig,
) -> bool:
    """Whether a baseline has a row for each cutoff, with each metric, of what the model has."""
    if not {*mine, *evaluation.metrics} <= {*theirs, *measured}:
        return False
    if measured[evaluation.metrics].isna().any(axis=None):
        return False
    used = events_used(metrics)  # files of earlier versions do not tell
    if used and measured.iloc[0].get("events_used", used) != used:
        return False
    must_be_equal = ("trained_on", "training_events", *protocol_of(evaluation))
    row = measured.iloc[0]
    return all(metrics.get(name) == row.get(name) for name in must_be_equal) and bool(
        mine[_TARGET].equals(theirs[_TARGET])
    )


def _plot(table: pd.DataFrame) -> go.Figure:
    """Bars for each model, the best on top; the network's name stands out."""
    figure = go.Figure()
    names = of_ranks(metrics_in(table))
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
