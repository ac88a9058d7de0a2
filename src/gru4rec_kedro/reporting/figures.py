"""How the figures of all pipelines look."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gru4rec.evaluation import METRICS, of_ranks

# all stand out from a white page and from a dark one, by at least 3:1
BLUE, ORANGE, DARK_GREY, GREY = "#1f7593", "#d9773b", "#66717f", "#8b95a5"
GREEN, VIOLET, RED = "#4d8f5b", "#8264a8", "#bd4c60"


def drawn_metrics(table: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Yields name, label and colour of each metric of ranks that a table has a column of.

    The others are in tables only: they have scales of their own.
    """
    colours = cycle((BLUE, ORANGE, VIOLET, GREEN, RED))
    for name, colour in zip(of_ranks(METRICS), colours, strict=False):
        if name in table:
            yield name, METRICS[name].label, colour


def lay_out(figure: go.Figure, title: str, **layout: Any) -> None:
    """Gives a figure its title and the look that all have.

    Args:
        figure: Is changed.
        title: Stands above it.
        layout: Plotly's options further to that, such as `xaxis_title`.
    """
    figure.update_layout(
        title=title,
        template="plotly_white",
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        **layout,
    )


def error_bars(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Returns Plotly's error bars of a metric with the columns `<name>_low` and `<name>_high`."""
    return {
        "array": table[f"{name}_high"] - table[name],
        "arrayminus": table[name] - table[f"{name}_low"],
        "thickness": 1,
        "color": GREY,
    }


def labels_of(table: pd.DataFrame) -> str:
    """Names the metrics that a table has columns of, as an axis shows them."""
    return ", ".join(label for _, label, _ in drawn_metrics(table))
