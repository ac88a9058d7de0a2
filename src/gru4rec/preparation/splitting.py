"""Where time is cut: training, validation and test."""

import math
from contextlib import ExitStack
from typing import Any, Generic, NamedTuple

import ibis.expr.types as ir
import pandas as pd
from ibis import _

from gru4rec.cards import Card, counted
from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.config import DataSplitConfig
from gru4rec.errors import DataError
from gru4rec.preparation.events import Events, as_events_table, table_to_frame
from gru4rec.preparation.plausibility import DAY
from gru4rec.preparation.queries import count_rows, fetch_row, is_stored
from gru4rec.preparation.split_checks import refuse_empty


class Split(NamedTuple, Generic[Events]):
    """The parts of a log. `train_full` is all before the test part: `train` and `valid`, uncut."""

    train: Events
    valid: Events
    test: Events
    train_full: Events

    def __repr__(self) -> str:
        return self._card().as_text()

    def _repr_html_(self) -> str:
        return self._card().as_html()

    def _card(self) -> Card:
        frames = {n: part for n, part in self._asdict().items() if isinstance(part, pd.DataFrame)}
        if not frames:
            return Card("Split", [f"{', '.join(self._fields)} are tables, computed when used"])
        counts = pd.DataFrame(
            {
                "part": list(frames),
                "events": [len(part) for part in frames.values()],
                "sessions": [part[SESSION].nunique() for part in frames.values()],
                "items": [part[ITEM].nunique() for part in frames.values()],
            }
        )
        facts = [f"{name} {counted(len(part), 'event')}" for name, part in frames.items()]
        return Card("Split", facts, counts)


class _Cut(NamedTuple):
    """Events before and from a boundary on, and the sessions of those before it."""

    early: ir.Table
    late: ir.Table
    early_sessions: ir.Table


def split_sessions(events: Events, options: DataSplitConfig) -> Split[Events]:
    """Cuts events at two points in time.

    The later part of a cut has the sessions that start at or after the boundary. The earlier part
    has the *events* before it; a session that straddles the boundary loses its tail, and goes if
    that leaves one event. With `whole_sessions` a session is where its last event is, uncut.
    The first cut parts `test` from `train_full`, the second `valid` from `train`.

    Args:
        events: Events with canonical columns, in any order.
        options: Where to cut. Fractions count sessions from the newest by start (by last event
            with `whole_sessions`), at least one; those of equal time go together. A fraction of 0
            leaves its part empty. If only `test_days` is set, validation has as many days.

    Returns:
        The parts, of the same kind as the input. Tables are computed when used.

    Raises:
        DataError: The events cannot be used, a part that was asked for is empty, or there is but
            one session.
    """
    parts = split_table(as_events_table(events), options)
    if isinstance(events, ir.Table):
        return parts
    return Split(*(table_to_frame(part) for part in parts))


def split_table(events: ir.Table, options: DataSplitConfig) -> Split[ir.Table]:
    """Does the work of `split_sessions`; further columns stay on their rows."""
    if not is_stored(events):
        events = events.cache()
    with ExitStack() as scratch:
        sessions = scratch.enter_context(_measure_sessions(events, options).cache())
        facts = fetch_row(
            sessions.aggregate(
                n=sessions.count(), first=sessions["first"].min(), last=sessions["last"].max()
            )
        )
        if facts["n"] == 0:
            raise DataError("There are no events to split")
        boundary = _find_test_boundary(sessions, facts, options)
        outer = _cut(events, sessions, boundary, options)
        valid_boundary = _find_valid_boundary(outer.early_sessions, facts, boundary, options)
        inner = _cut(outer.early, outer.early_sessions, valid_boundary, options)
        parts = Split(inner.early, inner.late, outer.late, outer.early)
        if options.known_items_only:
            parts = parts._replace(
                test=_keep_known(parts.test, parts.train_full),
                valid=_keep_known(parts.valid, parts.train),
            )
        counts = {name: count_rows(part) for name, part in parts._asdict().items()}
        refuse_empty(counts, {"test": boundary, "valid": valid_boundary}, sessions, facts)
    return parts


def _measure_sessions(events: ir.Table, options: DataSplitConfig) -> ir.Table:
    """First and last time and length of each session, and the `place` that a cut goes by."""
    sessions = events.group_by(SESSION).agg(
        first=events[TIME].min(), last=events[TIME].max(), length=events.count()
    )
    return sessions.mutate(place=sessions["last" if options.whole_sessions else "first"])


def _find_test_boundary(
    sessions: ir.Table, facts: dict[str, Any], options: DataSplitConfig
) -> float:
    if options.test_from is not None:
        return options.test_from
    if options.test_days is not None:
        return float(facts["last"] - options.test_days * DAY)
    return _find_newest(sessions, options.test_fraction, facts["n"])


def _find_valid_boundary(
    sessions: ir.Table, facts: dict[str, Any], boundary: float, options: DataSplitConfig
) -> float:
    if options.valid_from is not None:
        return options.valid_from
    if not options.has_valid:
        return math.inf
    days = options.test_days if options.valid_days is None else options.valid_days
    if days is None:
        return _find_newest(sessions, options.valid_fraction, facts["n"])
    end = min(boundary, facts["last"])
    if options.whole_sessions:
        # the rsc15 recipe does to the training part what it did to the log: its own latest time
        end = sessions["last"].max().to_pyarrow().as_py() or end
    return float(end - days * DAY)


def _find_newest(sessions: ir.Table, fraction: float, n_sessions: int) -> float:
    """Finds the oldest place among the newest sessions; infinity for none of them."""
    if fraction == 0:
        return math.inf
    wanted = min(max(1, round(fraction * n_sessions)), max(1, count_rows(sessions)))
    newest = sessions.order_by(sessions["place"].desc()).limit(wanted)
    # not limit(1, offset=…), which numbers the rows of Spark in no order
    place = newest.aggregate(place=newest["place"].min()).to_pyarrow()["place"].to_pylist()[0]
    return math.inf if place is None else place


def _cut(events: ir.Table, sessions: ir.Table, boundary: float, options: DataSplitConfig) -> _Cut:
    """Cuts events once. Stored are only small tables: late sessions, and those left alone."""
    late_sessions = sessions.filter(sessions["place"] >= boundary).select(SESSION).cache()
    late = events.semi_join(late_sessions, SESSION)
    if options.whole_sessions:
        early = events.anti_join(late_sessions, SESSION)
    else:
        early = events.filter(events[TIME] < boundary)
    alone = _find_alone(early, sessions, boundary).cache()
    early_sessions = sessions.filter(sessions["place"] < boundary).anti_join(alone, SESSION)
    return _Cut(early.anti_join(alone, SESSION), late, early_sessions)


def _find_alone(early: ir.Table, sessions: ir.Table, boundary: float) -> ir.Table:
    """Finds the sessions that have one event before the boundary.

    Only those that straddle it are counted again.
    """
    ended = sessions.filter(sessions["last"] < boundary, sessions["length"] == 1)
    straddling = sessions.filter(sessions["first"] < boundary, sessions["last"] >= boundary)
    lengths = early.semi_join(straddling, SESSION).group_by(SESSION).agg(length=_.count())
    cut = lengths.filter(_["length"] == 1)
    return ended.select(SESSION).union(cut.select(SESSION))


def _keep_known(part: ir.Table, training: ir.Table) -> ir.Table:
    """Drops events on items that training does not have, then sessions left with one event."""
    known = part.semi_join(training.select(ITEM).distinct().cache(), ITEM)
    lengths = known.group_by(SESSION).agg(length=_.count())
    long = lengths.filter(_["length"] >= 2).select(SESSION).cache()
    return known.semi_join(long, SESSION)
