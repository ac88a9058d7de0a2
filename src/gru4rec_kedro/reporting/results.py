"""Metrics as a table and as a sentence."""

import math
import textwrap
from typing import Any, NamedTuple

import pandas as pd

from gru4rec.evaluation import METRICS, of_ranks
from gru4rec_kedro.options.parameters import PublishedConfig

_WIDTH = 80
_OF_LEADS = ("_ahead", "_ahead_low", "_ahead_high", "_p_holm")
_BESIDE = 2  # so many metrics fit into that width, with published values


def metrics_by_cutoff(metrics: dict[str, Any]) -> pd.DataFrame:
    """Turns values such as `recall@20` and `recall_low@20` into a table.

    Returns:
        A row a cutoff: `k`, and of each metric, in the order of measuring, value and bounds, such
        as `mrr`, `mrr_low`, `mrr_high`. The bounds are those of the 95 % confidence intervals; NaN
        in metrics that have none.
    """
    split = [name.partition("@") for name in metrics]
    cutoffs = sorted({int(k) for name, _, k in split if name in METRICS})
    measured = dict.fromkeys(name for name, _, _ in split if name in METRICS)
    table = pd.DataFrame({"k": cutoffs})
    for name in measured:
        for column in (name, f"{name}_low", f"{name}_high"):
            table[column] = [metrics.get(f"{column}@{k}", float("nan")) for k in cutoffs]
    return table


def metrics_in(table: pd.DataFrame) -> list[str]:
    """Returns the names of the metrics that a table has a column of, in its order."""
    return [name for name in table if name in METRICS]


def results_table(metrics: dict[str, Any], published: PublishedConfig) -> str:
    """Returns the results as a few lines of plain text, at most 80 characters wide."""
    table = metrics_by_cutoff(metrics)
    names = metrics_in(table)
    lines = []
    for first in range(0, len(names), _BESIDE):
        lines += _lines(table, names[first : first + _BESIDE], published.by_metric)
    if published.by_metric and published.source:
        lines += textwrap.wrap(f"Published: {published.source}", _WIDTH)
    lines += textwrap.wrap(f"{describe_run(metrics)}.", _WIDTH)
    return "\n".join(lines)


def _lines(
    table: pd.DataFrame, names: list[str], published: dict[str, dict[int, float]]
) -> list[str]:
    """Some metrics beside each other, a line a cutoff."""
    has_published = any(name in published for name in names)
    headings = {name: f"{METRICS[name].label + '@k':>9}" for name in names}
    header = f"{'k':>5}" + "".join(f" {of} {'95 % interval':>15}" for of in headings.values())
    lines = [header + (f" {'published':>{9 * len(names) - 2}}" if has_published else "")]
    for row in table.to_dict(orient="records"):
        line = f"{row['k']:>5}"
        for name, of in headings.items():
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            interval = "" if math.isnan(low) else f"{low:.4f}-{high:.4f}"
            line += f" {row[name]:>{len(of)}.4f} {interval:>15}"
        for name in names if has_published else ():
            value = published.get(name, {}).get(row["k"])
            line += f" {value:>8.4f}" if value else f" {'':>8}"
        lines.append(line.rstrip())
    return lines


class Lead(NamedTuple):
    """How far the model is ahead of the best baseline by one metric at one cutoff."""

    over: str
    ahead: float
    low: float
    high: float
    p_holm: float


def lead_of(comparison: pd.DataFrame, metric: str, k: int) -> Lead | None:
    """Finds the baseline that is best by a metric; None where none was compared.

    Args:
        comparison: The model and baselines, see `compare_with_baselines`; those that could not be
            compared have no `k`.
        metric: Its name.
        k: The cutoff.
    """
    baselines = comparison[comparison["k"] == k].iloc[1:]
    if baselines.empty:
        return None
    best = baselines.iloc[baselines[metric].to_numpy(float).argmax()]
    ahead, low, high, p = (best[f"{metric}{of}"] for of in _OF_LEADS)
    return Lead(str(best["model"]), float(ahead), float(low), float(high), float(p))


def leads(comparison: pd.DataFrame) -> list[str]:
    """Says for each metric of ranks how far the model is ahead of the best baseline, a line each.

    That is at the largest cutoff.

    Args:
        comparison: See `lead_of`.
    """
    k = comparison["k"].max()
    found = {name: lead_of(comparison, name, k) for name in of_ranks(metrics_in(comparison))}
    return [
        f"{METRICS[name].label}@{k:.0f} {lead.ahead:+.4f} ({lead.low:+.4f} to {lead.high:+.4f}, "
        f"Holm p {lead.p_holm:.3f}) over {lead.over}"
        for name, lead in found.items()
        if lead
    ]


def describe_run(metrics: dict[str, Any]) -> str:
    """Says in one sentence what was trained and measured on what."""
    epochs = metrics["epochs"]
    # files of earlier versions do not say what they were trained on
    trained_on = metrics["trained_on"] or "an unknown part"
    best = metrics.get("best_epoch", epochs)
    kept = f", of which epoch {best} is kept," if best != epochs else ""
    protocol = {"first": ", the first of each session,", "last": ", the last of each session,"}
    which = protocol.get(metrics.get("ranked_targets", "all"), "")
    unseen, left_out = "", f"{metrics['unknown_events']:,} events on unknown items"
    if metrics.get("exclude_seen"):
        unseen = " that the session has not seen"
        left_out += f" and {metrics['seen_targets']:,} targets on seen ones"
    return (
        f"Trained on {trained_on} for {epochs} {'epoch' if epochs == 1 else 'epochs'}{kept} in "
        f"{metrics['training_seconds']:.0f} s; {metrics['targets']:,} targets of "
        f"{metrics['evaluated_on']}{which} ranked against {metrics['items']:,} items{unseen} "
        f"({left_out} left out)"
    )
