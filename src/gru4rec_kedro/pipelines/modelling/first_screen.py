"""What a reader of the report sees first: what this is about, and four numbers."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from gru4rec.evaluation import METRICS, of_ranks
from gru4rec_kedro.reporting.page import as_date
from gru4rec_kedro.reporting.results import lead_of, metrics_by_cutoff, metrics_in

_MOST = 2  # metrics with cards of their own


def describe_run_at_a_glance(
    metrics: dict[str, Any],
    metrics_history: dict[str, dict[str, Any]],
    split_statistics: pd.DataFrame,
    origins: dict[str, Any],
) -> dict[str, str]:
    """Says what the page is about, by name; what nobody noted is left out."""
    versions = [name for name, other in metrics_history.items() if other == metrics]
    facts = {
        "Data set": (metrics.get("origin") or {}).get("log") or origins.get("log") or "",
        # that of the parts, which may be of other events than the metrics
        "Period": "" if origins["mixed"] else _period(split_statistics),
        "Model trained": as_date(str(metrics.get("trained_at") or "at an unknown time")),
        "Version": versions[-1] if versions else "",
        "Page written": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "Code": f"gru4rec-kedro {metrics['code']}",
        "Environment": metrics.get("environment") or "",
    }
    return {name: fact for name, fact in facts.items() if fact}


def make_cards(metrics: dict[str, Any], comparison: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the cards of each cutoff, the largest last, and those of all (`k` is None).

    A card: `k`, `title`, `value`, and a `note` below.
    """
    table = metrics_by_cutoff(metrics)
    names = of_ranks(metrics_in(table))[:_MOST]
    cards = [card for row in table.to_dict("records") for card in _cards_of(row, names, comparison)]
    speed = metrics["training_events_per_second"]
    epochs = "1 epoch" if metrics["epochs"] == 1 else f"{metrics['epochs']} epochs"
    note = f"{metrics['training_seconds']:,.0f} s for {epochs}"
    return [
        *cards,
        {"k": None, "title": "Training, events/s", "value": f"{speed:,.0f}", "note": note},
    ]


def _cards_of(
    row: dict[Any, Any], names: list[str], comparison: pd.DataFrame
) -> list[dict[str, Any]]:
    k = int(row["k"])
    cards = [
        {
            "k": k,
            "title": f"{_capital(METRICS[name].label)}@{k}",
            "value": f"{row[name]:.4f}",
            "note": f"95 %: {row[f'{name}_low']:.4f} – {row[f'{name}_high']:.4f}",
        }
        for name in names
    ]
    lead = lead_of(comparison, names[0], k) if names and names[0] in comparison else None
    if lead:
        cards.append(
            {
                "k": k,
                "title": f"Lead over {lead.over}, {METRICS[names[0]].label}@{k}",
                "value": f"{lead.ahead:+.4f}",
                "note": f"95 %: {lead.low:+.4f} to {lead.high:+.4f}; the best baseline",
            }
        )
    return cards


def _capital(label: str) -> str:
    return label[0].upper() + label[1:]


def _period(statistics: pd.DataFrame) -> str:
    if "first_date" not in statistics or statistics[["first_date", "last_date"]].isna().any(
        axis=None
    ):
        return ""
    dates = [date[:10] for date in (statistics["first_date"].min(), statistics["last_date"].max())]
    return " to ".join(dates) if all(dates) else ""
