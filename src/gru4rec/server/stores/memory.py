"""Sessions in the memory of one process: gone when it ends."""

import time
from collections import OrderedDict
from collections.abc import Callable

from gru4rec.server.records import Packed, Record


class MemoryStore:
    """Keeps sessions for a time after their last use; of too many, the least recently used goes.

    Args:
        seconds: How long a session is kept after its last use.
        max_sessions: How many there may be.
        clock: Tells the seconds since some moment.
    """

    is_shared = False

    def __init__(
        self, seconds: float, max_sessions: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._max_sessions, self._clock = seconds, max_sessions, clock
        # each with when it goes; in the order of their last use, which is that of going, too
        self._records: OrderedDict[str, tuple[float, Packed]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    async def get(self, session: str) -> tuple[Record | None, Packed | None]:
        """See `SessionStore.get`."""
        self._forget_old()
        if session not in self._records:
            return None, None
        _, packed = self._records[session]
        self._put(session, packed)
        return Record.unpack(packed), packed

    async def replace(self, session: str, version: Packed | None, new: Record) -> bool:
        """See `SessionStore.replace`."""
        self._forget_old()
        _, now = self._records.get(session, (0.0, None))
        if now is not version:
            return False
        self._put(session, new.pack())
        if len(self._records) > self._max_sessions:
            self._records.popitem(last=False)
        return True

    async def delete(self, session: str) -> None:
        """See `SessionStore.delete`."""
        self._records.pop(session, None)

    async def check(self) -> None:
        """Memory is always there."""

    async def close(self) -> None:
        """Memory needs no closing."""

    def _put(self, session: str, packed: Packed) -> None:
        self._records[session] = self._clock() + self._seconds, packed
        self._records.move_to_end(session)

    def _forget_old(self) -> None:
        now = self._clock()
        while self._records:
            session, (goes_at, _) = next(iter(self._records.items()))
            if goes_at > now:
                return
            del self._records[session]
