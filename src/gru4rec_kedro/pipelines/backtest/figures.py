"""Figures of a backtest."""

from itertools import cycle

import pandas as pd
import plotly.graph_objects as go

from gru4rec.evaluation import METRICS, check_metric
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.reporting.figures import BLUE, GREEN, GREY, ORANGE, error_bars, lay_out

_COLOURS = {"once": ORANGE, "retrain": BLUE, "continue": GREEN}
_DASHES = ("dot", "dash", "dashdot", "longdash")


def plot_backtest(
    backtest_metrics: pd.DataFrame, backtest: BacktestConfig
) -> tuple[go.Figure, go.Figure]:
    """Plots the metric of each strategy and baseline by window, and by the age of the model.

    By age it is how far strategies are ahead of the model that was trained once, on the same
    targets: what one loses by leaving a model as it is. Windows differ in how hard they are, so
    the metric itself says little of age.
    """
    name, k = check_metric(backtest.metric, "backtest.metric")
    table = backtest_metrics[backtest_metrics["k"] == k]
    label = f"{METRICS[name].label}@{k}"
    return _plot_windows(table, name, label), _plot_ages(table, name, label)


def _plot_windows(table: pd.DataFrame, name: str, label: str) -> go.Figure:
    figure = go.Figure()
    dashes = cycle(_DASHES)
    for strategy, rows in table.groupby("strategy", sort=False):
        is_baseline = strategy not in _COLOURS
        figure.add_scatter(
            x=rows["start"],
            y=rows[name],
            error_y=error_bars(rows, name),
            name=str(strategy),
            mode="lines+markers",
            line={
                "color": _COLOURS.get(str(strategy), GREY),
                "dash": next(dashes) if is_baseline else "solid",
            },
        )
    lay_out(
        figure,
        f"{label} by window",
        xaxis={"title": "start of the window (UTC)", "type": "category"},
        yaxis={"title": label, "rangemode": "tozero"},
    )
    return figure


def _plot_ages(table: pd.DataFrame, name: str, label: str) -> go.Figure:
    figure = go.Figure()
    ages = table[table["strategy"] == "once"].set_index("window")["age_days"]
    for strategy in ("retrain", "continue"):
        rows = table[(table["strategy"] == strategy) & table["window"].isin(ages.index)]
        ahead = rows.get(f"{name}_ahead")
        if ahead is None or rows.empty:
            continue
        figure.add_scatter(
            x=rows["window"].map(ages),
            y=ahead,
            error_y=error_bars(rows, f"{name}_ahead"),
            name=strategy,
            mode="lines+markers",
            line_color=_COLOURS[strategy],
        )
    lay_out(
        figure,
        f"What is gained in {label} over a model that was trained once",
        showlegend=True,
        xaxis_title="age of that model when the window begins, days",
        yaxis={"title": f"ahead in {label}", "zeroline": True, "zerolinecolor": GREY},
    )
    return figure
