"""Sessions from a stream of events: a pause ends a session."""

import ibis
import ibis.expr.types as ir

from gru4rec.columns import SESSION, TIME
from gru4rec.preparation.engine.functions import is_on_spark

_START = "_start"


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
    starts = events.mutate(**{_START: ibis.cases((is_start, 1))})
    numbered = _number_by_key(starts) if is_on_spark(starts) else _number(starts)
    return numbered.select(*events.columns)


# Of both: ranges, not rows, so that events of one key at one time are peers and get the same count,
# however two windows order them. Counts, not sums: DuckDB's sum is a 128-bit integer.


def _number(starts: ir.Table) -> ir.Table:
    """Counts the starts in the order of key and time; on DuckDB in half the time of the other."""
    so_far = ibis.range_window(order_by=[SESSION, TIME], preceding=None, following=0)
    return starts.mutate(**{SESSION: starts[_START].count().over(so_far)})


def _number_by_key(starts: ir.Table) -> ir.Table:
    """Counts the starts of each key, and then on from key to key.

    Spark brings what is not grouped to one worker: a row a key here, not a row an event.
    """
    of_one_key = ibis.range_window(group_by=SESSION, order_by=TIME, preceding=None, following=0)
    nth = starts.mutate(_nth=starts[_START].count().over(of_one_key))
    counts = starts.group_by(SESSION).agg(n=starts[_START].count())
    so_far = ibis.window(order_by=SESSION, preceding=None, following=0)
    before = counts.select(SESSION, _before=counts["n"].sum().over(so_far) - counts["n"])
    joined = nth.join(before, SESSION)
    return joined.mutate(**{SESSION: joined["_before"] + joined["_nth"]})
