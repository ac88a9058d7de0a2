"""Whether sessions last as long as sessions do: those of days may be whole histories of users."""

import logging

import ibis.expr.types as ir
from ibis import _

from gru4rec.columns import SESSION, TIME
from gru4rec.config import LoadingConfig
from gru4rec.preparation.plausibility import DAY
from gru4rec.preparation.queries import fetch_row

_FEW = 0.1

_log = logging.getLogger(__name__)


def find_long_sessions(events: ir.Table, loading: LoadingConfig) -> str | None:
    """Says how many sessions last longer than a day, and warns, where these are not few.

    Args:
        events: With canonical columns.
        loading: Whether times are a clock's, and whether sessions were cut.

    Returns:
        A line of text; None where there is nothing to say.
    """
    if loading.session_gap is not None or loading.time_unit == "ordinal":
        return None
    spans = events.group_by(SESSION).agg(n=_.count(), span=_[TIME].max() - _[TIME].min())
    spans = spans.filter(_.n > 1)
    facts = fetch_row(
        spans.aggregate(n=_.count(), long=(_.span > DAY).sum().fill_null(0), longest=_.span.max())
    )
    if facts["long"] <= _FEW * facts["n"]:
        return None
    share = facts["long"] / facts["n"]
    told = f"{facts['long']:,} of {facts['n']:,} sessions of two events or more ({share:.1%})"
    _log.warning(
        "%s last longer than a day, the longest %s days: session_key of the section 'data' may "
        "name users. Where it does, session_gap of the section 'loading' cuts their events into "
        "sessions (3600 ends one after an hour without an event)",
        told,
        f"{facts['longest'] / DAY:,.0f}",
    )
    return f"sessions longer than a day: {told}, as of users whose events nothing cuts"
