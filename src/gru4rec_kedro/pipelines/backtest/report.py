"""What a backtest says: a page, and a few sentences."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gru4rec import ModelConfig
from gru4rec.evaluation import METRICS, check_metric
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.reporting.page import as_cells, as_html, render_page

_DOES = {"retrain": "retraining", "continue": "continuing", "once": "leaving the model as it is"}
_NTHS = ("third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_PARTS = dict(enumerate(["half", *(f"a {nth}" for nth in _NTHS)], 2))
_AGES = {1.0: "a day", 7.0: "a week"}


def write_backtest_report(
    backtest_metrics: pd.DataFrame,
    backtest: BacktestConfig,
    model: ModelConfig,
    **figures: go.Figure,
) -> str:
    """Writes one self-contained HTML page.

    Args:
        backtest_metrics: A row a window, strategy and cutoff.
        backtest: What was measured.
        model: Options of the models.
        figures: By the names that the page has places for.
    """
    metric, k = check_metric(backtest.metric, "backtest.metric")
    label = f"{METRICS[metric].label}@{k}"
    table = backtest_metrics[backtest_metrics["k"] == k]
    return render_page(
        "gru4rec_kedro.pipelines.backtest",
        "report.html",
        "GRU4Rec backtest",
        over=table["over"].dropna().iloc[0] if "over" in table else "",
        sentences=summarise_backtest(backtest_metrics, backtest),
        windows=as_cells(_tabulate_windows(table)),
        results=as_cells(_tabulate_results(table, metric, label)),
        figures={name: as_html(figure) for name, figure in figures.items()},
        options={**backtest.model_dump(), "model": model.model_dump()},
    )


def summarise_backtest(backtest_metrics: pd.DataFrame, backtest: BacktestConfig) -> list[str]:
    """Says what retraining and continuing are worth, as soon and as late as was measured."""
    metric, k = check_metric(backtest.metric, "backtest.metric")
    label = f"{METRICS[metric].label}@{k}"
    table = backtest_metrics[backtest_metrics["k"] == k]
    windows = sorted(table.loc[table["window"] > 1, "window"].unique())
    sentences = []
    for window in dict.fromkeys([windows[0], windows[-1]]):
        rows = table[table["window"] == window].set_index("strategy")
        gains = [
            f"{_DOES[strategy]} {_gain(rows.loc[strategy], metric)}"
            for strategy in ("retrain", "continue")
            if strategy in rows.index and pd.notna(rows.loc[strategy].get(f"{metric}_ahead"))
        ]
        if gains:
            first, *others = gains
            told = "; ".join([f"{first} in {label} over {_reference(rows)}", *others])
            sentences.append(f"{_when(rows)}, {told}{_times(rows)}.")
    return sentences


def _gain(row: "pd.Series[Any]", metric: str) -> str:
    ahead, low, high = (float(row[f"{metric}_ahead{bound}"]) for bound in ("", "_low", "_high"))
    if ahead < 0:
        return f"loses {-ahead:.4f} ({-high:.4f} to {-low:.4f})"
    return f"gains {ahead:.4f} ({low:.4f} to {high:.4f})"


def _when(rows: pd.DataFrame) -> str:
    if "once" not in rows.index:
        return f"In window {rows['window'].iloc[0]}"
    [days] = rows.loc[["once"], "age_days"]
    after = _AGES.get(days, f"{days:g} days")
    return f"{after[0].upper()}{after[1:]} after training"


def _reference(rows: pd.DataFrame) -> str:
    [over] = rows["over"].dropna().unique()
    return _DOES[over]


def _times(rows: pd.DataFrame) -> str:
    """How long continuing takes beside retraining, where both are told, continuing last."""
    if not {"retrain", "continue"} <= set(rows.index) or rows["over"].eq("continue").any():
        return ""
    seconds = rows["training_seconds"]
    return f", and takes {_time_of(seconds['continue'], seconds['retrain'])}"


def _time_of(seconds: float, other: float) -> str:
    """How long something takes beside something else, in words."""
    ratio = seconds / max(other, 1e-9)
    if ratio > 1.5:
        return f"{ratio:.1f} times as long"
    n = round(1 / max(ratio, 1e-9))
    if n == 1:
        return "about as long"
    return f"{_PARTS[n]} of the time" if n in _PARTS else f"{ratio:.1%} of the time"


def _tabulate_windows(table: pd.DataFrame) -> pd.DataFrame:
    names = ["window", "start", "end", "sessions", "targets", "new_events"]
    shown = table.drop_duplicates("window")[names]
    return shown.assign(new_events=shown["new_events"].map("{:.1%}".format))


def _tabulate_results(table: pd.DataFrame, metric: str, label: str) -> pd.DataFrame:
    shown = table[["window", "strategy", "age_days"]].copy()
    shown["age_days"] = shown["age_days"].map("{:g}".format)
    shown["missed"] = table["missed"].map("{:.1%}".format)
    shown[label] = table[metric]
    shown[f"95 % of {label}"] = _intervals(table, metric, "{:.4f} – {:.4f}")
    if f"{metric}_ahead" in table:
        shown["ahead"] = table[f"{metric}_ahead"].map("{:+.4f}".format, na_action="ignore")
        shown["95 % of ahead"] = _intervals(table, f"{metric}_ahead", "{:+.4f} to {:+.4f}")
        shown["p"] = table[f"{metric}_p"].map("{:.3f}".format, na_action="ignore")
    shown["training_events"] = table["training_events"]
    shown["training, s"] = table["training_seconds"].map("{:,.1f}".format)
    return shown


def _intervals(table: pd.DataFrame, name: str, pattern: str) -> list[str]:
    bounds = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return ["" if pd.isna(low) else pattern.format(low, high) for low, high in bounds]
