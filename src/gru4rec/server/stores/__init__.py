"""Where sessions are kept between two requests: one entry in `STORES` for each kind.

A store keeps records by session, and changes one only if it is still what it was when it
was read, so that several workers may share it.
"""

from collections.abc import Callable

from gru4rec.errors import ConfigError
from gru4rec.server.stores.base import SessionStore
from gru4rec.server.stores.memory import MemoryStore
from gru4rec.server.stores.redis_store import RedisStore

# by what the address begins with; each takes the address, the seconds that a session is kept after
# its last use, and how many sessions there may be
STORES: dict[str, Callable[[str, float, int], SessionStore]] = {
    "memory": lambda _, seconds, n: MemoryStore(seconds, n),
    "redis": lambda address, seconds, _: RedisStore(address, seconds),
    "rediss": lambda address, seconds, _: RedisStore(address, seconds),
    "unix": lambda address, seconds, _: RedisStore(address, seconds),
}


def open_store(address: str, seconds: float, max_sessions: int) -> SessionStore:
    """Makes a store by its address, such as `memory` or `redis://localhost:6379/0`.

    Raises:
        ConfigError: There is no such kind of store, or the address is not understood.
    """
    kind = address.partition(":")[0]
    if kind not in STORES:
        raise ConfigError(
            f"there is no store of sessions {kind!r}; give memory, or an address that begins with "
            f"one of {', '.join(sorted(set(STORES) - {'memory'}))}"
        )
    return STORES[kind](address, seconds, max_sessions)
