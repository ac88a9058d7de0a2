"""The verdict as a page."""

from typing import Any

import pandas as pd

from gru4rec_kedro.reporting.page import as_cells, render_page


def write_promotion_report(promotion_table: pd.DataFrame, promotion_verdict: dict[str, Any]) -> str:
    """Writes one self-contained HTML page: the verdict, and the table that it rests on."""
    shown = promotion_table.rename(columns={"model": "new model", "newest": "newest days"})
    numbers = shown.columns[1:]
    shown[numbers] = shown[numbers].map(_format)
    return render_page(
        "gru4rec_kedro.pipelines.promotion",
        "report.html",
        "GRU4Rec promotion",
        verdict=promotion_verdict,
        table=as_cells(shown),
        facts={
            "Measured on": f"{promotion_verdict['events']:,} events in "
            f"{promotion_verdict['sessions']:,} sessions, the newest of test",
            "In service": _name(promotion_verdict, "in_service", "in_service_trained_at"),
            "New model": _name(promotion_verdict, "model", "trained_at"),
        },
    )


def _format(value: float) -> str:
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if value > 1 and float(value).is_integer() else f"{value:,.4f}"


def _name(verdict: dict[str, Any], digest: str, trained_at: str) -> str:
    if verdict[digest] is None:
        return "none"
    return f"{verdict[digest]}, trained at {verdict[trained_at] or 'an unknown time'}"
