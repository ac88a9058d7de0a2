"""All stores do the same; each is found by its address."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from gru4rec import ConfigError
from gru4rec.server.stores import open_store
from gru4rec.server.stores.base import SessionStore, StoreAwayError
from gru4rec.server.stores.memory import MemoryStore

Open = Callable[[float], SessionStore]


@pytest.fixture
def run() -> Any:
    """Runs a coroutine, all of a test in one event loop."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(params=["memory", "redis"])
def open_for(request: pytest.FixtureRequest, run: Any) -> Any:
    """Opens a store that keeps sessions for so many seconds."""
    address = "memory"
    if request.param == "redis":
        address = request.getfixturevalue("redis_server").address
    opened = []

    def opening(seconds: float) -> SessionStore:
        opened.append(open_store(address, seconds, 1000))
        return opened[-1]

    yield opening
    for store in opened:
        run(store.close())


def test_a_record_is_replaced_only_if_it_is_as_it_was_read(open_for: Open, run: Any) -> None:
    store = open_for(60)
    assert run(store.get("anna")) is None
    assert not run(store.replace("anna", b"other", b"1"))
    assert run(store.replace("anna", None, b"1"))
    assert not run(store.replace("anna", None, b"2"))
    assert run(store.get("anna")) == b"1"
    assert run(store.replace("anna", b"1", b"2\x00\xff"))
    assert run(store.get("anna")) == b"2\x00\xff"
    assert run(store.get("ben")) is None
    run(store.delete("anna"))
    run(store.delete("anna"))
    assert run(store.get("anna")) is None
    run(store.check())


@pytest.mark.parametrize("session", ["", "a/b c\n", "<b>ö✓</b>", "\ud800", "x" * 1000])
def test_any_text_is_a_session(open_for: Open, run: Any, session: str) -> None:
    store = open_for(60)
    assert run(store.replace(session, None, b"1"))
    assert run(store.get(session)) == b"1"


def test_sessions_go_some_time_after_their_last_use(open_for: Open, run: Any) -> None:
    store = open_for(0.5)
    run(store.replace("read", None, b"1"))
    run(store.replace("left", None, b"1"))
    for _ in range(4):
        time.sleep(0.2)
        assert run(store.get("read")) == b"1"
    assert run(store.get("left")) is None
    assert run(store.replace("left", None, b"2"))


def test_no_change_of_many_at_once_is_lost(open_for: Open, run: Any) -> None:
    store = open_for(60)

    async def add_ones() -> None:
        for _ in range(10):
            while True:
                old = await store.get("sum")
                await asyncio.sleep(0)  # others come between
                if await store.replace("sum", old, str(int(old or 0) + 1).encode()):
                    break

    async def add_all() -> None:
        await asyncio.gather(*(add_ones() for _ in range(4)))

    run(add_all())
    assert run(store.get("sum")) == b"40"


def test_of_too_many_in_memory_the_least_recently_used_goes(run: Any) -> None:
    store = MemoryStore(60, max_sessions=2)
    for session in ("a", "b"):
        run(store.replace(session, None, b"1"))
    run(store.get("a"))
    run(store.replace("c", None, b"1"))
    assert [run(store.get(session)) for session in "abc"] == [b"1", None, b"1"]


def test_memory_holds_no_session_longer_than_its_time(run: Any) -> None:
    now = [0.0]
    store = MemoryStore(10, 1000, clock=lambda: now[0])
    for session in range(5):
        now[0] = float(session)
        run(store.replace(str(session), None, b"1"))
    now[0] = 12.0
    assert run(store.get("other")) is None
    assert len(store) == 2  # those of seconds 3 and 4


@pytest.fixture
def in_redis(redis_server: Any, run: Any) -> Any:
    store = open_store(redis_server.address, 60, 1)
    yield store
    run(store.close())


def test_one_redis_is_one_store_for_all(in_redis: Any, redis_server: Any, run: Any) -> None:
    other = open_store(redis_server.address, 60, 1)
    assert other.is_shared
    run(in_redis.replace("a", None, b"1"))
    run(in_redis.replace("b", None, b"1"))
    assert run(other.get("a")) == b"1"
    run(other.close())


def test_redis_away_is_told_and_comes_back_with_its_records(
    in_redis: Any, redis_server: Any, run: Any
) -> None:
    run(in_redis.replace("a", None, b"1"))
    redis_server.end()
    for call in (
        in_redis.get("a"),
        in_redis.replace("a", b"1", b"2"),
        in_redis.delete("a"),
        in_redis.check(),
    ):
        with pytest.raises(StoreAwayError, match="does not answer, try again"):
            run(call)
    redis_server.start()
    assert run(in_redis.get("a")) == b"1"


def test_a_redis_that_hangs_is_away_for_all_who_ask(
    in_redis: Any, redis_server: Any, run: Any
) -> None:
    run(in_redis.replace("a", None, b"1"))
    redis_server.freeze()
    begun = time.monotonic()

    async def ask_all() -> list[Any]:
        calls = (in_redis.get("a") for _ in range(100))  # more than connections
        return await asyncio.gather(*calls, return_exceptions=True)

    assert {type(answer) for answer in run(ask_all())} == {StoreAwayError}
    assert time.monotonic() - begun < 10
    redis_server.thaw()
    assert run(in_redis.get("a")) == b"1"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mongodb://localhost", "no store of sessions 'mongodb'; give memory, or an address"),
        ("", "no store of sessions ''"),
        ("redis://:secret@localhost:port/0", "address of the store is not understood"),
    ],
)
def test_other_addresses_are_refused(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        open_store(address, 60, 1)
    assert "secret" not in str(refused.value)
