"""Figures of a training and of an evaluation."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gru4rec_kedro.parameters import PublishedConfig
from gru4rec_kedro.pipelines.modelling.breakdowns import popularity_shares
from gru4rec_kedro.pipelines.modelling.results import metrics_by_cutoff

_COLOURS = {"recall": "#1f6f8b", "mrr": "#d9773b"}
_MEASURES = {"recall": "recall", "mrr": "MRR"}


def plot_training(metrics: dict[str, Any]) -> go.Figure:
    """Plots how the evaluated model was trained.

    That is the loss of each epoch and, where measured, recall and MRR on validation.
    """
    figure = go.Figure()
    history = pd.DataFrame(metrics["history"])
    epochs = history["epoch"]
    figure.add_scatter(x=epochs, y=history["loss"], name="loss", mode="lines+markers")
    for name in history.columns:
        if "@" in name:
            figure.add_scatter(
                x=epochs, y=history[name], name=name, mode="lines+markers", yaxis="y2"
            )
    _lay_out(figure, "Training", "epoch", "mean loss")
    figure.update_xaxes(dtick=max(1, len(epochs) // 10))
    figure.update_layout(
        showlegend=len(figure.data) > 1,
        yaxis2={"title": "validation", "overlaying": "y", "side": "right", "rangemode": "tozero"},
    )
    return figure


def plot_metrics(metrics: dict[str, Any], published: PublishedConfig) -> go.Figure:
    """Plots recall and MRR against the cutoff, with 95 % intervals and published values."""
    figure = go.Figure()
    table = metrics_by_cutoff(metrics)
    for name, colour in _COLOURS.items():
        figure.add_scatter(
            x=table["k"],
            y=table[name],
            error_y=_intervals(table, name),
            name=_MEASURES[name],
            mode="lines+markers",
            line_color=colour,
        )
        theirs = published[name]
        if theirs:
            figure.add_scatter(
                x=list(theirs),
                y=list(theirs.values()),
                name=f"{_MEASURES[name]}, published",
                mode="markers",
                marker={"color": colour, "symbol": "diamond-open", "size": 11},
            )
    _lay_out(figure, "Metrics by cutoff", "cutoff k", "value")
    measured = {*table["k"], *published.recall, *published.mrr}
    figure.update_xaxes(tickvals=sorted(measured))
    return figure


def plot_breakdowns(
    breakdowns: pd.DataFrame, item_statistics: pd.DataFrame
) -> tuple[go.Figure, go.Figure, go.Figure, go.Figure]:
    """Plots recall and MRR of groups of targets, and the popularity of what is recommended.

    Returns:
        Figures by position in the session, by session length, by item popularity; and of the
        shares of the popularity groups.
    """
    return (
        _plot_groups(breakdowns, "position", "position", "events of the session before the target"),
        _plot_groups(breakdowns, "session_length", "session length", "events of the session"),
        _plot_groups(
            breakdowns, "item_popularity", "item popularity", "target among the items by popularity"
        ),
        _plot_shares(popularity_shares(item_statistics, breakdowns)),
    )


def _plot_groups(breakdowns: pd.DataFrame, by: str, title: str, xaxis: str) -> go.Figure:
    figure = go.Figure()
    table = breakdowns[breakdowns["by"] == by]
    k = table["k"].iloc[0]
    for name, colour in _COLOURS.items():
        figure.add_bar(
            x=table["group"].astype(str),
            y=table[name],
            error_y=_intervals(table, name),
            name=f"{_MEASURES[name]}@{k}",
            marker_color=colour,
            customdata=table["targets"],
            hovertemplate="%{y:.4f}, %{customdata:,} targets",
        )
    _lay_out(figure, f"Metrics by {title}", xaxis, "value")
    figure.update_xaxes(type="category")  # plotly takes the group "6–10" for text, "3" for a number
    return figure


def _plot_shares(shares: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    names = {
        "items": ("catalogue", "#c9ced6"),
        "training_events": ("training events", "#8b95a5"),
        "targets": ("targets", "#d9773b"),
        "recommended": ("recommended", "#1f6f8b"),
    }
    for column, (name, colour) in names.items():
        figure.add_bar(
            x=shares["group"].astype(str), y=shares[column], name=name, marker_color=colour
        )
    _lay_out(figure, "Popularity of what is recommended", "items by popularity", "share")
    figure.update_yaxes(tickformat=".0%")
    return figure


def _intervals(table: pd.DataFrame, name: str) -> dict[str, Any]:
    return {
        "array": table[f"{name}_high"] - table[name],
        "arrayminus": table[name] - table[f"{name}_low"],
        "thickness": 1,
    }


def _lay_out(figure: go.Figure, title: str, xaxis: str, yaxis: str) -> None:
    figure.update_layout(
        title=title,
        xaxis={"title": xaxis},
        yaxis={"title": yaxis, "rangemode": "tozero"},
        template="plotly_white",
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
    )
