"""Which sessions and items stay: no repeats, no short sessions, no rare items."""

import itertools
from contextlib import ExitStack
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from gru4rec.columns import ITEM, SESSION
from gru4rec.config import SessionFilterConfig
from gru4rec.errors import DataError
from gru4rec.preparation.events import Events, as_events_table, order_keys, table_to_frame
from gru4rec.preparation.queries import count_rows, fetch_row, is_stored

_STEP_NAMES = {SESSION: "sessions", ITEM: "items"}
_OTHER = {SESSION: ITEM, ITEM: SESSION}


def filter_sessions(events: Events, options: SessionFilterConfig) -> tuple[Events, pd.DataFrame]:
    """Drops repeats once, then short sessions and rare items in turn.

    Args:
        events: Events with canonical columns, in any order.
        options: What is short and rare, and whether to repeat until nothing changes.

    Returns:
        The events that stay, of the same kind as the input (a table is stored on its connection),
        and a report with a row per step: `round` (0 for repeats), `step`, then `events`,
        `sessions` and `items`, each `_removed` and `_left`. A session whose last event goes with
        a rare item is counted in the step "items", and an item in the step "sessions" likewise.

    Raises:
        DataError: The events cannot be used, or nothing is left; the message has the counts of
            each round.
    """
    table, report = _filter(as_events_table(events), options)
    return (table if isinstance(events, ir.Table) else table_to_frame(table)), report


def _filter(events: ir.Table, options: SessionFilterConfig) -> tuple[ir.Table, pd.DataFrame]:
    with ExitStack() as scratch:
        rounds = _Rounds(events, options, scratch)
        if options.until_stable:
            rounds.run_until_stable()
        else:
            for number, key in ((1, SESSION), (1, ITEM), (2, SESSION)):
                rounds.run_step(number, key)
        report = pd.DataFrame(rounds.report)
        if report["events_left"].iloc[-1] == 0:
            raise DataError(
                f"Nothing is left after filtering with min_session_length "
                f"{options.min_session_length} and min_item_support {options.min_item_support}; "
                f"lower them or bring a larger log:\n{report.to_string(index=False)}"
            )
        return rounds.survivors().cache(), report


def _drop_repeats(events: ir.Table) -> ir.Table:
    """Drops events on the same item as the event before it in its session."""
    by_session = ibis.window(group_by=SESSION, order_by=order_keys(events)[1:])
    marked = events.mutate(_previous=events[ITEM].lag().over(by_session))
    # the first event of a session has no previous one: null, so it stays
    is_new = (marked["_previous"] != marked[ITEM]).fill_null(True)
    return marked.filter(is_new).drop("_previous")


class _Rounds:
    """What is left between two steps, and the report so far.

    The events are stored once and not rewritten in each step: the ids that are gone are noted, and
    the counts of events per session and per item are brought up to date by what a step removes,
    which after the first round is little.
    """

    def __init__(self, events: ir.Table, options: SessionFilterConfig, scratch: ExitStack) -> None:
        self._scratch = scratch
        self._shortest = {
            SESSION: options.min_session_length,
            ITEM: options.min_item_support,
        }
        self._gone: dict[str, list[ir.Table]] = {SESSION: [], ITEM: []}
        self.report: list[dict[str, Any]] = []
        if options.drop_repeats:
            self._events = self._store(_drop_repeats(events))
        else:
            self._events = events if is_stored(events) else self._store(events)
        self._counts = {
            key: self._store(self._events.group_by(key).agg(n=_.count())) for key in (SESSION, ITEM)
        }
        self._left = {_STEP_NAMES[key]: count_rows(of) for key, of in self._counts.items()}
        self._left["events"] = count_rows(self._events)
        if options.drop_repeats:
            repeats = count_rows(events) - self._left["events"]
            self._write_line(0, "repeats", {"events": repeats})

    def run_until_stable(self) -> None:
        """Alternates both steps until one (after the first) finds nothing to remove."""
        for number in itertools.count(1):
            for key in (SESSION, ITEM):
                removed = self.run_step(number, key)
                if not removed and (number, key) != (1, SESSION):
                    return

    def run_step(self, number: int, key: str) -> int:
        """Removes the sessions or the items with too few events; returns how many events went."""
        other = _OTHER[key]
        counts = self._counts[key]
        dropped = self._store(counts.filter(counts["n"] < self._shortest[key]))
        facts = fetch_row(dropped.aggregate(ids=dropped.count(), events=dropped["n"].sum()))
        removed = {_STEP_NAMES[key]: facts["ids"], "events": facts["events"] or 0}
        if facts["ids"]:
            self._replace_counts(key, counts.filter(counts["n"] >= self._shortest[key]))
            lost_events = self._without_gone(self._events.semi_join(dropped, key), other)
            lost = self._store(lost_events.group_by(other).agg(lost=_.count()))
            before = self._left[_STEP_NAMES[other]]
            self._replace_counts(other, _subtract(self._counts[other], lost, other))
            removed[_STEP_NAMES[other]] = before - count_rows(self._counts[other])
            self._gone[key].append(dropped)
        self._left = {name: left - removed.get(name, 0) for name, left in self._left.items()}
        self._write_line(number, _STEP_NAMES[key], removed)
        return int(removed["events"])

    def survivors(self) -> ir.Table:
        """The events of which neither session nor item is gone."""
        return self._without_gone(self._without_gone(self._events, SESSION), ITEM)

    def _without_gone(self, events: ir.Table, key: str) -> ir.Table:
        if not self._gone[key]:
            return events
        return events.anti_join(ibis.union(*self._gone[key]).select(key), key)

    def _store(self, table: ir.Table) -> ir.CachedTable:
        return self._scratch.enter_context(table.cache())

    def _replace_counts(self, key: str, counts: ir.Table) -> None:
        outdated = self._counts[key]
        self._counts[key] = self._store(counts)
        # as large as the sessions are many, so not left until the end
        outdated.release()

    def _write_line(self, number: int, step: str, removed: dict[str, int]) -> None:
        names = ("events", "sessions", "items")
        self.report.append(
            {"round": number, "step": step}
            | {f"{name}_removed": removed.get(name, 0) for name in names}
            | {f"{name}_left": self._left[name] for name in names}
        )


def _subtract(counts: ir.Table, lost: ir.Table, key: str) -> ir.Table:
    """Brings counts up to date; an id that has no event left goes."""
    joined = counts.left_join(lost, key)
    left = joined["n"] - joined["lost"].fill_null(0)
    return joined.select(key, n=left).filter(_["n"] > 0)
