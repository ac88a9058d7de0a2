"""Sessions of the server: read from the store, moved on by clicks, written back."""

import asyncio
import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gru4rec.errors import DataError
from gru4rec.server.clock import Clock
from gru4rec.server.models import Served
from gru4rec.server.scoring import FEW_STEPS, run
from gru4rec.server.stores.base import SessionStore, StoreAwayError
from gru4rec.serving.live import LiveSession

logger = logging.getLogger(__name__)

# ids of the last events are kept, to know one that comes again
_EVENTS = 64
_ATTEMPTS = 100
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_KINDS = ("known", "unknown", "repeated")


class Click(NamedTuple):
    """An item, and the id of the event if it has one."""

    item: Any
    event: str | None = None


@dataclass
class Outcome:
    """What clicks have done.

    Attributes:
        live: The session after them.
        counts: Clicks on items that the model knows ("known"), clicks on others ("unknown"), and
            those whose event was there before ("repeated") and which changed nothing.
    """

    live: LiveSession
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))


class ServerSessions:
    """Sessions in a store.

    Args:
        store: Keeps them.
        max_items: So many last items are kept of each.
    """

    def __init__(self, store: SessionStore, max_items: int) -> None:
        self._store, self._max_items = store, max_items

    async def read(self, served: Served, session: str, clock: Clock) -> LiveSession:
        """Returns a session as it is; one that is not there has just begun.

        Raises:
            StoreAwayError: The store does not answer.
        """
        with clock.span("store"):
            record = await self._store.get(session)
        outcome, _ = await self._go_on(served, record, [], clock)
        return outcome.live

    async def add(
        self, served: Served, session: str, clicks: Sequence[Click], clock: Clock
    ) -> Outcome:
        """Adds clicks to a session, all or none, and returns when the store has them.

        Raises:
            DataError: An item is of another kind than the model's; nothing was added.
            StoreAwayError: The store does not answer, or the session is changed all the time; the
                clicks may come again, with ids of events in any case without counting twice.
        """
        for attempt in range(_ATTEMPTS):
            with clock.span("store"):
                old = await self._store.get(session)
            outcome, new = await self._go_on(served, old, clicks, clock)
            if new is None:
                return outcome
            with clock.span("store"):
                if await self._store.replace(session, old, new):
                    return outcome
                await asyncio.sleep(random.uniform(0, 0.001 * min(attempt, 20)))  # noqa: S311
        raise StoreAwayError("others change this session all the time; try again")

    async def forget(self, session: str) -> None:
        """Forgets a session, if it is there.

        Raises:
            StoreAwayError: The store does not answer.
        """
        await self._store.delete(session)

    async def _go_on(
        self, served: Served, record: bytes | None, clicks: Sequence[Click], clock: Clock
    ) -> tuple[Outcome, bytes | None]:
        """Goes on from a record with some clicks; returns the new record, None: nothing is new."""
        is_others = record is not None and served.gru.digest.encode() not in record
        n_steps = len(clicks) + (self._max_items if is_others else 0)
        with clock.span("model"):
            return await run(n_steps <= FEW_STEPS, self._add, served, record, clicks)

    def _add(
        self, served: Served, record: bytes | None, clicks: Sequence[Click]
    ) -> tuple[Outcome, bytes | None]:
        live, events = _open(served, record)
        outcome = _add(live, events, clicks)
        if outcome.counts["repeated"] == len(clicks):
            return outcome, None
        state = live.state()
        state["items"] = state["items"][-self._max_items :]
        content = {"state": state, "events": events[-_EVENTS:]}
        return outcome, _to_json(content).encode()


def _open(served: Served, record: bytes | None) -> tuple[LiveSession, list[str]]:
    live = served.gru.live_session()
    if record is None:
        return live, []
    try:
        content = json.loads(record)
        live.restore(content["state"])
        return live, list(content["events"])
    except (DataError, ValueError, KeyError, TypeError) as error:
        # of a server with another kind of ids, or damaged: it would be in the way for ever
        logger.warning("a session cannot go on and begins anew: %s", error)
        return served.gru.live_session(), []


def _add(live: LiveSession, events: list[str], clicks: Sequence[Click]) -> Outcome:
    """Adds clicks and the ids of their events."""
    outcome, known = Outcome(live), set(events)
    for click in clicks:
        if click.event in known:
            outcome.counts["repeated"] += 1
            continue
        outcome.counts["known" if live.add(click.item) else "unknown"] += 1
        if click.event is not None:
            known.add(click.event)
            events.append(click.event)
    return outcome
