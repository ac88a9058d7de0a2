"""Figures and the report."""

import platform
from importlib.metadata import version
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
import plotly.io
import yaml
from plotly.offline import get_plotlyjs

_LIBRARIES = ("torch", "pandas", "numpy", "kedro", "ibis-framework", "duckdb")


def plot_training(training_history: pd.DataFrame) -> go.Figure:
    """Plots the loss of each epoch and, where measured, recall and MRR on validation."""
    figure = go.Figure()
    epochs = training_history["epoch"]
    figure.add_scatter(x=epochs, y=training_history["loss"], name="loss", mode="lines+markers")
    for name in training_history.columns:
        if "@" in name:
            figure.add_scatter(
                x=epochs, y=training_history[name], name=name, mode="lines+markers", yaxis="y2"
            )
    figure.update_layout(
        title="Training",
        xaxis={"title": "epoch", "dtick": max(1, len(epochs) // 10)},
        yaxis={"title": "mean loss", "rangemode": "tozero"},
        yaxis2={"title": "validation", "overlaying": "y", "side": "right", "rangemode": "tozero"},
        template="plotly_white",
    )
    return figure


def plot_metrics(metrics: dict[str, Any]) -> go.Figure:
    """Plots recall and MRR against the cutoff."""
    figure = go.Figure()
    table = metrics_by_cutoff(metrics)
    for name in ("recall", "mrr"):
        figure.add_scatter(x=table["k"], y=table[name], name=name, mode="lines+markers")
    figure.update_layout(
        title="Recall and MRR by cutoff",
        xaxis={"title": "cutoff k"},
        yaxis={"title": "value", "rangemode": "tozero"},
        template="plotly_white",
    )
    return figure


def metrics_by_cutoff(metrics: dict[str, Any]) -> pd.DataFrame:
    """Returns k, recall and mrr, a row a cutoff."""
    cutoffs = sorted(int(name.partition("@")[2]) for name in metrics if name.startswith("recall@"))
    rows = [(k, metrics[f"recall@{k}"], metrics[f"mrr@{k}"]) for k in cutoffs]
    return pd.DataFrame(rows, columns=["k", "recall", "mrr"])


def results_table(metrics: dict[str, Any]) -> str:
    """Returns the results as a few lines of plain text."""
    lines = [f"{'k':>6} {'recall@k':>10} {'MRR@k':>10}"]
    for k, recall, mrr in metrics_by_cutoff(metrics).itertuples(index=False):
        lines.append(f"{k:>6} {recall:>10.4f} {mrr:>10.4f}")
    lines.append(describe_run(metrics))
    return "\n".join(lines)


def describe_run(metrics: dict[str, Any]) -> str:
    """Says in one sentence what was trained and measured on what."""
    return (
        f"Trained on {metrics['trained_on']} for {metrics['epochs']} epochs in "
        f"{metrics['training_seconds']:.0f} s; {metrics['targets']} targets of "
        f"{metrics['evaluated_on']} ranked against {metrics['items']} items "
        f"({metrics['unknown_events']} events on unknown items left out)"
    )


def write_report(
    metrics: dict[str, Any],
    split_statistics: pd.DataFrame,
    filter_report: pd.DataFrame,
    training_figure: go.Figure,
    metrics_figure: go.Figure,
    session_length_figure: go.Figure,
    item_popularity_figure: go.Figure,
    parameters: dict[str, Any],
) -> str:
    """Writes one self-contained HTML page: works offline, escapes all that comes from the data."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gru4rec_kedro.pipelines.modelling", "."), autoescape=True
    )
    figures = [training_figure, metrics_figure, session_length_figure, item_popularity_figure]
    return environment.get_template("report.html").render(
        summary=describe_run(metrics),
        results=metrics_by_cutoff(metrics),
        tie_mode=metrics["tie_mode"],
        statistics=split_statistics.drop(columns=["first_time", "last_time"]),
        rounds=filter_report,
        figures=[
            plotly.io.to_html(
                figure, full_html=False, include_plotlyjs=False, config={"responsive": True}
            )
            for figure in figures
        ],
        plotlyjs=get_plotlyjs(),
        # the model may be of an earlier run, with other options than today's
        parameters=yaml.safe_dump(
            {**_plain(parameters), "model": metrics["model"]}, sort_keys=False
        ),
        versions={"python": platform.python_version()} | {n: version(n) for n in _LIBRARIES},
    )


def _plain(value: Any) -> Any:
    """Turns validated sections back into mappings that YAML can show."""
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value
