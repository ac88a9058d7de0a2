"""Figures of a tuning."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gru4rec_kedro.options.search_space import TuningConfig
from gru4rec_kedro.reporting.figures import BLUE, GREY, ORANGE, lay_out


def plot_tuning(
    trials: pd.DataFrame, importance: pd.DataFrame, tuning: TuningConfig
) -> tuple[go.Figure, go.Figure, go.Figure]:
    """Plots the course of a search.

    Returns:
        The value of each complete trial and the best so far; the importance of each option; and
        the options of all complete trials as parallel coordinates.
    """
    complete = trials[trials["state"] == "complete"]
    return (
        _plot_history(complete, tuning.metric),
        _plot_importance(importance),
        _plot_parallel(complete, tuning),
    )


def _plot_history(complete: pd.DataFrame, metric: str) -> go.Figure:
    figure = go.Figure()
    x, y = complete["trial"], complete[metric]
    figure.add_scatter(x=x, y=y, name="trial", mode="markers", marker_color=GREY)
    figure.add_scatter(
        x=x, y=y.cummax(), name="best so far", mode="lines", line={"color": BLUE, "shape": "hv"}
    )
    lay_out(
        figure,
        "Course of the search",
        xaxis_title="trial",
        yaxis_title=f"{metric} on validation",
    )
    return figure


def _plot_importance(importance: pd.DataFrame) -> go.Figure:
    table = importance.sort_values("importance")
    figure = go.Figure(
        go.Bar(x=table["importance"], y=table["option"], orientation="h", marker_color=BLUE)
    )
    lay_out(
        figure,
        "Importance of the options (PED-ANOVA)",
        xaxis={"title": "share", "tickformat": ".0%"},
        yaxis_automargin=True,
    )
    return figure


def _plot_parallel(complete: pd.DataFrame, tuning: TuningConfig) -> go.Figure:
    axes = [_axis(name, complete[name]) for name in tuning.search.options]
    values = complete[tuning.metric]
    figure = go.Figure(
        go.Parcoords(
            dimensions=[*axes, {"label": tuning.metric, "values": values}],
            line={
                "color": values,
                "colorscale": [[0, ORANGE], [1, BLUE]],
                "colorbar": {"title": tuning.metric},
            },
        )
    )
    lay_out(figure, "Options of the complete trials")
    return figure


def _axis(name: str, values: "pd.Series[Any]") -> dict[str, Any]:
    label = name.partition(".")[2]
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return {"label": label, "values": values}
    numbers, names = pd.factorize(values.astype(str), sort=True)
    return {
        "label": label,
        "values": numbers,
        "tickvals": list(range(len(names))),
        "ticktext": list(names),
    }
