"""Sessions of the server: read from the store, moved on by clicks, written back."""

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from gru4rec.compute import Went
from gru4rec.data.vocabulary import UNKNOWN
from gru4rec.errors import DataError
from gru4rec.server.clock import Clock
from gru4rec.server.metrics import CLICKS
from gru4rec.server.models import Served
from gru4rec.server.records import Record
from gru4rec.server.scoring import Going, Query, Scorer
from gru4rec.server.stores.base import SessionStore, StoreAwayError
from gru4rec.serving.shortlist import Shortlist

logger = logging.getLogger(__name__)

# ids of the last events are kept, to know one that comes again
_EVENTS = 64
_ATTEMPTS = 100


class Click(NamedTuple):
    """An item, and the id of the event if it has one."""

    item: Any
    event: str | None = None


class Asked(NamedTuple):
    """What is asked of a session: so many items, without its own or with them, of a shortlist."""

    k: int
    exclude_seen: bool = False
    shortlist: Shortlist | None = None


class Outcome(NamedTuple):
    """What clicks have done.

    Attributes:
        counts: Clicks on items that the model knows ("known"), clicks on others ("unknown"), and
            those whose event was there before ("repeated") and which changed nothing.
        best: The next items.
    """

    counts: dict[str, int]
    best: Went


class ServerSessions:
    """Sessions in a store.

    Args:
        store: Keeps them.
        scorer: Lets them go on, and finds their next items.
        max_items: So many last items are kept of each.
    """

    def __init__(self, store: SessionStore, scorer: Scorer, max_items: int) -> None:
        self._store, self._scorer, self._max_items = store, scorer, max_items
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def read(self, served: Served, session: str, asked: Asked, clock: Clock) -> Went:
        """Returns the next items of a session as it is; one that is not there has just begun.

        Raises:
            StoreAwayError: The store does not answer.
        """
        with clock.span("store"):
            record, _ = await self._store.get(session)
        return await self._best(_Opened(served, record), asked, clock)

    async def add(
        self, served: Served, session: str, clicks: Sequence[Click], asked: Asked, clock: Clock
    ) -> Outcome:
        """Adds clicks to a session, all or none, and returns when the store has them.

        Raises:
            DataError: An item is of another kind than the model's; nothing was added.
            StoreAwayError: The store does not answer, or the session is changed all the time; the
                clicks may come again, with ids of events in any case without counting twice.
        """
        # who comes from this process at the same time waits, instead of doing all of it in vain
        turn = self._turns.setdefault(session, asyncio.Lock())
        async with turn:
            for attempt in range(_ATTEMPTS):
                outcome = await self._try_to_add(served, session, clicks, asked, clock)
                if outcome:
                    return outcome
                with clock.span("store"):
                    await asyncio.sleep(random.uniform(0, 0.001 * min(attempt, 20)))  # noqa: S311
        raise StoreAwayError("others change this session all the time; try again")

    async def _try_to_add(
        self, served: Served, session: str, clicks: Sequence[Click], asked: Asked, clock: Clock
    ) -> Outcome | None:
        """Does what `add` does; None: another has changed the session meanwhile."""
        with clock.span("store"):
            record, version = await self._store.get(session)
        opened = _Opened(served, record)
        counts = opened.add(clicks)
        outcome = Outcome(counts, await self._best(opened, asked, clock))
        if counts["repeated"] == len(clicks):
            return outcome
        new = Record(
            served.gru.digest,
            tuple(opened.items[-self._max_items :]),
            outcome.best.hidden,
            tuple(opened.events[-_EVENTS:]),
        )
        with clock.span("store"):
            return outcome if await self._store.replace(session, version, new) else None

    async def forget(self, session: str) -> None:
        """Forgets a session, if it is there.

        Raises:
            StoreAwayError: The store does not answer.
        """
        await self._store.delete(session)

    async def _best(self, opened: "_Opened", asked: Asked, clock: Clock) -> Went:
        seen = [opened.seen()] if asked.exclude_seen else None
        query = Query(opened.served.gru.network, [opened.going], asked.k, seen, asked.shortlist)
        [best] = await self._scorer.best(query, clock)
        return best


class _Opened:
    """A session that was kept, or a new one, in the hands of a model.

    Attributes:
        served: The model.
        items: Ids of its items.
        events: Ids of its events.
        going: From where it goes on, and by which items.
    """

    def __init__(self, served: Served, record: Record | None) -> None:
        self.served, self.items, self.events = served, list[Any](), list[str]()
        self.going = Going(None, [])
        if record is None:
            return
        try:
            if record.model == served.gru.digest:
                self.going = Going(_checked(record.hidden, served), [])
            else:
                self.going = Going(None, self._known(record.items))
        except DataError as error:
            # of a server with another kind of ids, or damaged: it would be in the way for ever
            logger.warning("a session cannot go on and begins anew: %s", error)
            return
        self.items, self.events = [*record.items], [*record.events]

    def add(self, clicks: Sequence[Click]) -> dict[str, int]:
        """Adds clicks and the ids of their events, and returns the counts of an `Outcome`."""
        counts, there = dict.fromkeys(CLICKS, 0), set(self.events)
        for item, event in clicks:
            if event in there:
                counts["repeated"] += 1
                continue
            index = self.served.gru.vocabulary.find(item)
            counts["unknown" if index == UNKNOWN else "known"] += 1
            if index != UNKNOWN:
                self.going.items.append(index)
            self.items.append(item)
            if event is not None:
                there.add(event)
                self.events.append(event)
        return counts

    def seen(self) -> list[int]:
        """Returns the indices of its items that the model knows."""
        return self._known(self.items)

    def _known(self, items: Iterable[Any]) -> list[int]:
        indices = map(self.served.gru.vocabulary.find, items)
        return [index for index in indices if index != UNKNOWN]


def _checked(hidden: tuple[bytes, ...], served: Served) -> tuple[bytes, ...]:
    if [*map(len, hidden)] != [4 * n for n in served.gru.network.architecture.layers]:
        raise DataError("its state is of another size than its model's")
    return hidden
