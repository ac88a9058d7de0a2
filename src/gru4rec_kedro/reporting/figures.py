"""How the figures of all pipelines look."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

BLUE, ORANGE, GREY, LIGHT_GREY = "#1f6f8b", "#d9773b", "#8b95a5", "#c9ced6"
# of each metric: what it is called, and its colour
MEASURES = {"recall": ("recall", BLUE), "mrr": ("MRR", ORANGE)}


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
    }
