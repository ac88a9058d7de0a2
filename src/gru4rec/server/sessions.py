"""Sessions of the server: read from the store, moved on by clicks, written back."""

import json
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gru4rec.errors import DataError
from gru4rec.server.clock import Clock
from gru4rec.server.models import Served
from gru4rec.server.stores.base import SessionStore, StoreAwayError
from gru4rec.serving.live import LiveSession

logger = logging.getLogger(__name__)

# ids of the last events are kept, to know one that comes again
_EVENTS = 64
_ATTEMPTS = 100


class Click(NamedTuple):
    """An item, and the id of the event if it has one."""

    item: Any
    event: str | None = None


@dataclass
class Outcome:
    """What clicks have done.

    Attributes:
        live: The session after them.
        n_known: Clicks on items that the model knows.
        n_unknown: Clicks on others.
        n_repeated: Clicks whose event was there before, and which changed nothing.
    """

    live: LiveSession
    n_known: int = 0
    n_unknown: int = 0
    n_repeated: int = 0


class ServerSessions:
    """Sessions in a store.

    Args:
        store: Keeps them.
        max_items: So many last items are kept of each.
    """

    def __init__(self, store: SessionStore, max_items: int) -> None:
        self._store, self._max_items = store, max_items

    def read(self, served: Served, session: str, clock: Clock) -> LiveSession:
        """Returns a session as it is; one that is not there has just begun.

        Raises:
            StoreAwayError: The store does not answer.
        """
        with clock.span("store"):
            record = self._store.get(session)
        with clock.span("model"):
            return _open(served, session, record)[0]

    def add(self, served: Served, session: str, clicks: Sequence[Click], clock: Clock) -> Outcome:
        """Adds clicks to a session, all or none, and returns when the store has them.

        Raises:
            DataError: An item is of another kind than the model's; nothing was added.
            StoreAwayError: The store does not answer, or the session is changed all the time; the
                clicks may come again, with ids of events in any case without counting twice.
        """
        for attempt in range(_ATTEMPTS):
            with clock.span("store"):
                old = self._store.get(session)
            with clock.span("model"):
                live, events = _open(served, session, old)
                outcome = _add(live, events, clicks)
            if not outcome.n_known + outcome.n_unknown:
                return outcome
            state = live.state()
            state["items"] = state["items"][-self._max_items :]
            record = {"state": state, "events": events[-_EVENTS:]}
            new = json.dumps(record, separators=(",", ":")).encode()
            with clock.span("store"):
                if self._store.replace(session, old, new):
                    return outcome
                time.sleep(random.uniform(0, 0.001 * min(attempt, 20)))  # noqa: S311
        raise StoreAwayError("others change this session all the time; try again")

    def forget(self, session: str) -> None:
        """Forgets a session, if it is there.

        Raises:
            StoreAwayError: The store does not answer.
        """
        self._store.delete(session)


def _open(served: Served, session: str, record: bytes | None) -> tuple[LiveSession, list[str]]:
    live = served.gru.live_session(session)
    if record is None:
        return live, []
    try:
        content = json.loads(record)
        live.restore(content["state"])
        return live, list(content["events"])
    except (DataError, ValueError, KeyError, TypeError) as error:
        # of a server with another kind of ids, or damaged: it would be in the way for ever
        logger.warning("a session cannot go on and begins anew: %s", error)
        return served.gru.live_session(session), []


def _add(live: LiveSession, events: list[str], clicks: Sequence[Click]) -> Outcome:
    """Adds clicks and the ids of their events."""
    outcome, known = Outcome(live), set(events)
    for click in clicks:
        if click.event in known:
            outcome.n_repeated += 1
            continue
        if live.add(click.item):
            outcome.n_known += 1
        else:
            outcome.n_unknown += 1
        if click.event is not None:
            known.add(click.event)
            events.append(click.event)
    return outcome
