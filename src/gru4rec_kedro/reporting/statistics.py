"""What is in the parts of a log, as a table and as figures; nodes of more than one pipeline."""

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from kedro.pipeline import Node

from gru4rec import LoadingConfig, columns
from gru4rec.preparation import describe_parts
from gru4rec_kedro.reporting.figures import BLUE, lay_out

_MOST_POINTS = 500


def describe_log(
    train: ir.Table,
    valid: ir.Table,
    test: ir.Table,
    train_full: ir.Table,
    loading: LoadingConfig,
) -> pd.DataFrame:
    """Counts events, sessions and items of each part, a row a part."""
    return describe_parts(
        {"train": train, "valid": valid, "test": test, "train_full": train_full},
        dated=loading.time_unit != "ordinal",
    )


def plot_session_lengths(train_full: ir.Table) -> go.Figure:
    """Plots how many sessions have how many events."""
    lengths = train_full.group_by(columns.SESSION).agg(length=train_full.count())
    counted = lengths.group_by("length").agg(sessions=lengths.count()).order_by("length")
    frame = counted.to_pandas()
    figure = go.Figure(go.Bar(x=frame["length"], y=frame["sessions"], marker_color=BLUE))
    longest = frame["length"].max()
    # a few very long sessions must not squeeze the others
    shown = frame["length"][frame["sessions"].cumsum() <= 0.99 * frame["sessions"].sum()].max()
    lay_out(
        figure,
        "Length of training sessions",
        xaxis={"title": f"events in the session (longest: {longest})", "range": [0.5, shown + 1.5]},
        yaxis_title="sessions",
    )
    return figure


def plot_item_popularity(train_full: ir.Table) -> go.Figure:
    """Plots the events of each item, most popular first, on logarithmic axes."""
    counts = (
        train_full.group_by(columns.ITEM)
        .agg(events=train_full.count())
        .select("events")
        .to_pandas()
    )
    events = counts["events"].sort_values(ascending=False, ignore_index=True)
    places = np.unique(np.geomspace(1, len(events), _MOST_POINTS).round().astype(int))
    figure = go.Figure(
        go.Scatter(x=places, y=events.iloc[places - 1], mode="lines+markers", line_color=BLUE)
    )
    lay_out(
        figure,
        "Popularity of items in training",
        xaxis={"title": "place of the item by popularity", "type": "log"},
        yaxis={"title": "events", "type": "log"},
    )
    return figure


def figure_nodes() -> list[Node]:
    """Returns the nodes that draw the figures."""
    functions = {
        "session_length_figure": plot_session_lengths,
        "item_popularity_figure": plot_item_popularity,
    }
    return [
        Node(
            function,
            inputs="train_full",
            outputs=figure,
            name=function.__name__,
            namespace="reporting",
            tags="statistics",
        )
        for figure, function in functions.items()
    ]
