"""What is refused of a split, with the way out."""

import math
from collections.abc import Mapping
from typing import Any

import ibis.expr.types as ir

from gru4rec.errors import DataError
from gru4rec.preparation.plausibility import date_text, is_plausible
from gru4rec.preparation.queries import fetch_row

_FEW = 10  # sessions that start together, in times that are no clock's


def refuse_empty(
    counts: Mapping[str, int],
    boundaries: Mapping[str, float],
    sessions: ir.Table,
    facts: Mapping[str, Any],
) -> None:
    """Checks that no part that was asked for is empty.

    Args:
        counts: Events of each part.
        boundaries: Where parts start; infinity for a part that was not asked for.
        sessions: First and last time of each session.
        facts: Their number `n`, and the `first` and `last` time of all.

    Raises:
        DataError: One is.
    """
    wanted = [name for name in counts if boundaries.get(name) != math.inf]
    empty = [name for name in wanted if counts[name] == 0]
    if not empty:
        return
    cuts = [f"{name} from {_say(start)}" for name, start in boundaries.items() if start < math.inf]
    hint = _find_reason(sessions, min(boundaries.values()), facts)
    raise DataError(
        f"The split leaves {', '.join(empty)} empty. Boundaries: {', '.join(cuts) or 'none'}. "
        f"Events: {', '.join(f'{name} {count:,}' for name, count in counts.items())}. The log has "
        f"{facts['n']:,} session(s) from {_say(facts['first'])} to {_say(facts['last'])}. {hint}"
    )


def _find_reason(sessions: ir.Table, boundary: float, facts: Mapping[str, Any]) -> str:
    """Says what leaves a part empty, and the way out."""
    if facts["n"] == 1:
        return "The log has one session only, and a session is never in two parts"
    if facts["first"] == facts["last"]:
        return "All events have the same time, so nothing says which sessions are newer"
    early = sessions.filter(sessions["first"] <= boundary)
    found = fetch_row(
        early.aggregate(
            n=early.count(),
            straddling=(early["last"] >= boundary).sum(),
        )
    )
    starts = sessions.select("first").nunique().to_pyarrow().as_py()
    if starts == 1 or (not is_plausible(facts["last"]) and starts * _FEW < facts["n"]):
        return (
            f"The {facts['n']:,} sessions start at {starts:,} time(s) only, so nothing says which "
            "are newer: the times look like positions within the session. Bring in a column with "
            "the time or number of each session: with load_events, set time_key to it (time_unit: "
            "ordinal for a number) and loading.order_key to the positions, or loading.date_key to "
            "a column of dates; in pandas, df['Time'] += df['SessionNumber'] * 1_000_000, where "
            "that number grows with time"
        )
    if found["n"] and found["straddling"] > found["n"] / 2:
        return (
            f"{found['straddling']:,} of the {found['n']:,} sessions that begin by then go on "
            "after it, as whole histories of users do: cut them into sessions with "
            "loading.session_gap (load_events; 3600 ends one after an hour without an event), or "
            "choose boundaries after which enough sessions begin (test_from, valid_from)"
        )
    return "Choose other boundaries or fractions in the section 'data_split'"


def _say(time: float) -> str:
    """A time, with its date where it may be one: times may also only order events."""
    return f"{time:.15g}" + (f" ({date_text(time)})" if is_plausible(time) else "")
