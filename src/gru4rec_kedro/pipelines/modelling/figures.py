"""Figures of a training and of an evaluation."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gru4rec_kedro.options.parameters import PublishedConfig
from gru4rec_kedro.pipelines.modelling.breakdowns import popularity_shares
from gru4rec_kedro.reporting.figures import (
    BLUE,
    DARK_GREY,
    GREY,
    ORANGE,
    drawn_metrics,
    error_bars,
    labels_of,
    lay_out,
)
from gru4rec_kedro.reporting.results import metrics_by_cutoff


def plot_training(metrics: dict[str, Any]) -> go.Figure:
    """Plots how the evaluated model was trained.

    That is the loss of each epoch and, where measured, the metrics on validation, with the best
    epoch marked; where the model was trained anew for as many epochs, the loss of that, too.
    """
    figure = go.Figure()
    search = metrics.get("search_history")
    history = pd.DataFrame(search or metrics["history"])
    epochs = history["epoch"]
    figure.add_scatter(x=epochs, y=history["loss"], name="loss", mode="lines+markers")
    if search:
        anew = pd.DataFrame(metrics["history"])
        figure.add_scatter(
            x=anew["epoch"], y=anew["loss"], name="loss on train_full", mode="lines+markers"
        )
    if "kept" in history:
        [best] = history.loc[history["kept"] == 1, "epoch"].tail(1)
        figure.add_vline(x=best, line_dash="dot", annotation_text=f"best epoch: {best:.0f}")
    for name in history.columns:
        if "@" in name:
            figure.add_scatter(
                x=epochs, y=history[name], name=name, mode="lines+markers", yaxis="y2"
            )
    lay_out(
        figure,
        "Training",
        showlegend=len(figure.data) > 1,
        xaxis={"title": "epoch", "dtick": max(1, len(epochs) // 10)},
        yaxis={"title": "mean loss"},  # from 0 its changes would not be seen
        yaxis2={"title": "validation", "overlaying": "y", "side": "right", "rangemode": "tozero"},
    )
    return figure


def plot_metrics(metrics: dict[str, Any], published: PublishedConfig) -> go.Figure:
    """Plots the metrics against the cutoff, with 95 % intervals and published values."""
    figure = go.Figure()
    table = metrics_by_cutoff(metrics)
    for name, label, colour in drawn_metrics(table):
        figure.add_scatter(
            x=table["k"],
            y=table[name],
            error_y=error_bars(table, name),
            name=label,
            mode="lines+markers",
            line_color=colour,
        )
        theirs = published.by_metric.get(name)
        if theirs:
            figure.add_scatter(
                x=list(theirs),
                y=list(theirs.values()),
                name=f"{label}, published",
                mode="markers",
                marker={"color": colour, "symbol": "diamond-open", "size": 11},
            )
    measured = {*table["k"], *(k for theirs in published.by_metric.values() for k in theirs)}
    lay_out(
        figure,
        "Metrics by cutoff",
        xaxis={"title": "cutoff k", "tickvals": sorted(measured)},
        yaxis={"title": labels_of(table), "rangemode": "tozero"},
    )
    return figure


def plot_breakdowns(
    breakdowns: pd.DataFrame, item_statistics: pd.DataFrame
) -> tuple[go.Figure, go.Figure, go.Figure, go.Figure]:
    """Plots the metrics of groups of targets, and the popularity of what is recommended.

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
    for name, label, colour in drawn_metrics(table):
        figure.add_bar(
            x=table["group"].astype(str),
            y=table[name],
            error_y=error_bars(table, name),
            name=f"{label}@{k}",
            marker_color=colour,
            customdata=table["targets"],
            hovertemplate="%{y:.4f}, %{customdata:,} targets",
        )
    lay_out(
        figure,
        f"Metrics by {title}",
        # plotly takes the group "6–10" for text, "3" for a number
        xaxis={"title": xaxis, "type": "category"},
        yaxis={"title": labels_of(table), "rangemode": "tozero"},
    )
    return figure


def _plot_shares(shares: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    names = {
        "items": ("catalogue", GREY),
        "training_events": ("training events", DARK_GREY),
        "targets": ("targets", ORANGE),
        "recommended": ("recommended", BLUE),
    }
    for column, (name, colour) in names.items():
        figure.add_bar(
            x=shares["group"].astype(str), y=shares[column], name=name, marker_color=colour
        )
    lay_out(
        figure,
        "Popularity of what is recommended",
        xaxis_title="items by popularity",
        yaxis={"title": "share", "rangemode": "tozero", "tickformat": ".0%"},
    )
    return figure
