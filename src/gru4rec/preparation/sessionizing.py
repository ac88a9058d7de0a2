"""Sessions from a stream of events: a pause ends a session."""

import ibis
import ibis.expr.types as ir

from gru4rec.columns import SESSION, TIME


def cut_at_gaps(events: ir.Table, gap: float) -> ir.Table:
    """Starts a new session wherever more than `gap` seconds pass without an event.

    Args:
        events: Events whose `SessionId` names a user or a session that may be too long.
        gap: Longest pause within a session, in the unit of `Time`.

    Returns:
        The events with new session ids: 1, 2, … in the order of old id and time, whatever the
        order of the rows.
    """
    of_one_key = ibis.window(group_by=SESSION, order_by=TIME)
    pause = events[TIME] - events[TIME].lag().over(of_one_key)
    is_start = (pause > gap).fill_null(True)
    starts = events.mutate(_start=ibis.cases((is_start, 1)))
    # A range, not rows: events of one key at one time are peers and get the same count, however
    # the two windows order them. A count, not a sum: DuckDB's sum is a 128-bit integer.
    so_far = ibis.range_window(order_by=[SESSION, TIME], preceding=None, following=0)
    return starts.mutate(**{SESSION: starts["_start"].count().over(so_far)}).drop("_start")
