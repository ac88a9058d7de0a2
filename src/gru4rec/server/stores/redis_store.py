"""Sessions in Redis or Valkey: shared by all workers, and there after a restart."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gru4rec.errors import ConfigError, DataError
from gru4rec.server.records import Record
from gru4rec.server.stores.base import StoreAwayError

logger = logging.getLogger(__name__)

_PREFIX = "gru4rec:session:"
_ANSWER_SECONDS = 2.0  # a store that is slower is away; a busy process is not to take it for that
_CONNECTIONS = 64  # of one process
_FREE_SECONDS = 5.0  # who finds none of them free waits so long for one

# writes ARGV[2] for ARGV[3] milliseconds if the record is still ARGV[1]; empty: if there is none
_REPLACE = """
local now = redis.call('GET', KEYS[1])
if (now or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class RedisStore:
    """Keeps sessions in Redis 6.2 or newer, or Valkey, for a time after their last use.

    How many there may be, and which goes then, is the server's `maxmemory` and `maxmemory-policy`
    (such as `allkeys-lru`); whether they are there after it was restarted, its `appendonly`.

    Args:
        address: Such as `redis://:password@localhost:6379/0`, `rediss://…` with TLS, or
            `unix:///run/redis.sock`.
        seconds: How long a session is kept after its last use.

    Raises:
        ConfigError: The address is not understood.
    """

    is_shared = True

    def __init__(self, address: str, seconds: float) -> None:
        self._milliseconds = max(1, round(1000 * seconds))
        try:
            pool = redis.BlockingConnectionPool.from_url(
                address,
                max_connections=_CONNECTIONS,
                timeout=_FREE_SECONDS,
                socket_timeout=_ANSWER_SECONDS,
                socket_connect_timeout=_ANSWER_SECONDS,
                # a write whose answer was lost must not be tried again: it would be taken for that
                # of another, and the click be counted twice
                retry=Retry(NoBackoff(), 0),
            )
        except (ValueError, TypeError) as error:
            # without the address: it may hold a password
            raise ConfigError(f"the address of the store is not understood: {error}") from None
        self._redis: Any = redis.Redis.from_pool(pool)
        self._replace = self._redis.register_script(_REPLACE)

    async def get(self, session: str) -> tuple[Record | None, bytes | None]:
        """See `SessionStore.get`."""
        with _answering():
            text = await self._redis.getex(_key(session), px=self._milliseconds)
        try:
            return (Record.from_json(text) if text else None), text
        except DataError as error:
            # it would be in the way for ever
            logger.warning("%s; it begins anew", error)
            return None, text

    async def replace(self, session: str, version: bytes | None, new: Record) -> bool:
        """See `SessionStore.replace`."""
        with _answering():
            arguments: list[bytes | int] = [version or b"", new.to_json(), self._milliseconds]
            return bool(await self._replace([_key(session)], arguments))

    async def delete(self, session: str) -> None:
        """See `SessionStore.delete`."""
        with _answering():
            await self._redis.delete(_key(session))

    async def check(self) -> None:
        """See `SessionStore.check`."""
        with _answering():
            await self._redis.ping()

    async def close(self) -> None:
        """See `SessionStore.close`."""
        await self._redis.aclose()


def _key(session: str) -> bytes:
    return _PREFIX.encode() + session.encode("utf-8", "surrogatepass")


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise StoreAwayError(
            f"the store of sessions does not answer, try again ({type(error).__name__})"
        ) from error
