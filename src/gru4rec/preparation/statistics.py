"""What is in each part of a log."""

from collections.abc import Mapping
from typing import Any

import ibis.expr.types as ir
import pandas as pd
from ibis import _

from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.preparation.events import Events, as_events_table
from gru4rec.preparation.plausibility import date_text, is_plausible
from gru4rec.preparation.queries import fetch_row

# what a part's items are compared with: the first of these that is there
_TRAINED_ON = {"test": ("train_full", "train"), "valid": ("train",)}


def describe_parts(parts: Mapping[str, Events], *, dated: bool = True) -> pd.DataFrame:
    """Counts what is in each part.

    Args:
        parts: Events with canonical columns by name of the part: `train`, `valid`, `test` and
            `train_full`, or any others.
        dated: Whether times are seconds since 1970; times that only order events have no dates,
            nor has what is no time between 1971 and 2100.

    Returns:
        A row per part: `part`, `events`, `sessions`, `items`, `mean_length` (events per session),
        `first_time` and `last_time` (epoch seconds), `first_date` and `last_date` (the same in
        ISO 8601, UTC), `unknown_items` and `unknown_events`: how many of its items do not occur
        in the part that a model tested on it is trained on, and the events on them. That part is
        `train_full` (else `train`) for `test` and `train` for `valid`; elsewhere both are 0. An
        empty part has counts of 0, NaN for numbers and empty text for dates.
    """
    tables = {name: as_events_table(part, f"The part {name!r}") for name, part in parts.items()}
    described = pd.DataFrame([_describe(name, tables) for name in tables])
    return described if dated else described.assign(first_date="", last_date="")


def _describe(name: str, tables: Mapping[str, ir.Table]) -> dict[str, Any]:
    part = tables[name]
    facts = fetch_row(
        part.aggregate(
            events=part.count(),
            sessions=part[SESSION].nunique(),
            items=part[ITEM].nunique(),
            first_time=part[TIME].min(),
            last_time=part[TIME].max(),
        )
    )
    lengths = facts["events"] / facts["sessions"] if facts["sessions"] else float("nan")
    return {
        "part": name,
        "events": facts["events"],
        "sessions": facts["sessions"],
        "items": facts["items"],
        "mean_length": lengths,
        "first_time": facts["first_time"],
        "last_time": facts["last_time"],
        "first_date": _say_date(facts["first_time"]),
        "last_date": _say_date(facts["last_time"]),
        **_count_unknown(name, tables),
    }


def _say_date(time: float | None) -> str:
    return date_text(time) if is_plausible(time) else ""


def _count_unknown(name: str, tables: Mapping[str, ir.Table]) -> dict[str, int]:
    reference = next((known for known in _TRAINED_ON.get(name, ()) if known in tables), None)
    if reference is None:
        return {"unknown_items": 0, "unknown_events": 0}
    # both distinct sets are small, and may lie on different connections
    supports = tables[name].group_by(ITEM).agg(n=_.count()).to_pyarrow().to_pandas()
    known = tables[reference].select(ITEM).distinct().to_pyarrow().to_pandas()[ITEM]
    unknown = supports[~supports[ITEM].isin(known)]
    return {"unknown_items": len(unknown), "unknown_events": int(unknown["n"].sum())}
