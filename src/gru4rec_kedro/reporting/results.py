"""Metrics as a table and as a sentence."""

import textwrap
from typing import Any

import pandas as pd

from gru4rec_kedro.options.parameters import PublishedConfig

_WIDTH = 80


def metrics_by_cutoff(metrics: dict[str, Any]) -> pd.DataFrame:
    """Returns a row a cutoff: k; recall, recall_low, recall_high; mrr, mrr_low, mrr_high.

    The bounds are those of the 95 % confidence intervals; NaN in metrics that have none.
    """
    cutoffs = sorted(int(name.partition("@")[2]) for name in metrics if name.startswith("recall@"))
    names = ["recall", "recall_low", "recall_high", "mrr", "mrr_low", "mrr_high"]
    rows = [(k, *(metrics.get(f"{name}@{k}", float("nan")) for name in names)) for k in cutoffs]
    return pd.DataFrame(rows, columns=["k", *names])


def results_table(metrics: dict[str, Any], published: PublishedConfig) -> str:
    """Returns the results as a few lines of plain text, at most 80 characters wide."""
    has_published = bool(published.recall or published.mrr)
    header = f"{'k':>5} {'recall@k':>9} {'95 % interval':>15} {'MRR@k':>9} {'95 % interval':>15}"
    lines = [header + (f" {'published':>16}" if has_published else "")]
    for k, recall, *bounds, mrr, low, high in metrics_by_cutoff(metrics).itertuples(index=False):
        line = f"{k:>5} {recall:>9.4f} {bounds[0]:>8.4f}-{bounds[1]:.4f}"
        line += f" {mrr:>9.4f} {low:>8.4f}-{high:.4f}"
        theirs = [by_cutoff.get(k) for by_cutoff in (published.recall, published.mrr)]
        if any(theirs):
            line += "".join(f" {value:>8.4f}" if value else f" {'':>8}" for value in theirs)
        lines.append(line.rstrip())
    if has_published and published.source:
        lines += textwrap.wrap(f"Published: {published.source}", _WIDTH)
    lines += textwrap.wrap(f"{describe_run(metrics)}.", _WIDTH)
    return "\n".join(lines)


def describe_run(metrics: dict[str, Any]) -> str:
    """Says in one sentence what was trained and measured on what."""
    epochs = metrics["epochs"]
    # files of earlier versions do not say what they were trained on
    trained_on = metrics["trained_on"] or "an unknown part"
    return (
        f"Trained on {trained_on} for {epochs} {'epoch' if epochs == 1 else 'epochs'} in "
        f"{metrics['training_seconds']:.0f} s; {metrics['targets']:,} targets of "
        f"{metrics['evaluated_on']} ranked against {metrics['items']:,} items "
        f"({metrics['unknown_events']:,} events on unknown items left out)"
    )
