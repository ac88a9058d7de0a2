"""All stores do the same; each is found by its address."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis import asyncio as redis

from gru4rec import ConfigError
from gru4rec.server.records import Record
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


def record(text: str) -> Record:
    return Record(text, ("a ✓", 2**53 + 1), (bytes(range(4)), b""), ("<b>",))


def put(run: Any, store: SessionStore, session: str, text: str) -> bool:
    """Replaces what is there now."""
    _, version = run(store.get(session))
    return bool(run(store.replace(session, version, record(text))))


def found(run: Any, store: SessionStore, session: str) -> str | None:
    got, _ = run(store.get(session))
    assert got is None or got == record(got.model)
    return got and str(got.model)


def test_a_record_is_replaced_only_if_it_is_as_it_was_read(open_for: Open, run: Any) -> None:
    store = open_for(60)
    nothing, none = run(store.get("anna"))
    assert nothing is None
    assert run(store.replace("anna", none, record("1")))
    assert not run(store.replace("anna", none, record("2")))
    first, version = run(store.get("anna"))
    assert first == record("1")
    assert run(store.replace("anna", version, record("2")))
    assert not run(store.replace("anna", version, record("3")))
    assert not run(store.replace("ben", version, record("3")))
    assert found(run, store, "anna") == "2"
    assert found(run, store, "ben") is None
    run(store.delete("anna"))
    run(store.delete("anna"))
    assert found(run, store, "anna") is None
    run(store.check())


@pytest.mark.parametrize("session", ["", "a/b c\n", "<b>ö✓</b>", "\ud800", "x" * 1000])
def test_any_text_is_a_session(open_for: Open, run: Any, session: str) -> None:
    store = open_for(60)
    assert put(run, store, session, "1")
    assert found(run, store, session) == "1"


def test_sessions_go_some_time_after_their_last_use(open_for: Open, run: Any) -> None:
    store = open_for(0.5)
    put(run, store, "read", "1")
    put(run, store, "left", "1")
    for _ in range(4):
        time.sleep(0.2)
        assert found(run, store, "read") == "1"
    assert found(run, store, "left") is None
    assert put(run, store, "left", "2")


def test_no_change_of_many_at_once_is_lost(open_for: Open, run: Any) -> None:
    store = open_for(60)

    async def add_ones() -> None:
        for _ in range(10):
            while True:
                old, version = await store.get("sum")
                await asyncio.sleep(0)  # others come between
                new = record(str(int(old.model if old else 0) + 1))
                if await store.replace("sum", version, new):
                    break

    async def add_all() -> None:
        await asyncio.gather(*(add_ones() for _ in range(4)))

    run(add_all())
    assert found(run, store, "sum") == "40"


def test_of_too_many_in_memory_the_least_recently_used_goes(run: Any) -> None:
    store = MemoryStore(60, max_sessions=2)
    for session in ("a", "b"):
        put(run, store, session, "1")
    run(store.get("a"))
    put(run, store, "c", "1")
    assert [found(run, store, session) for session in "abc"] == ["1", None, "1"]


def test_memory_holds_no_session_longer_than_its_time(run: Any) -> None:
    now = [0.0]
    store = MemoryStore(10, 1000, clock=lambda: now[0])
    for session in range(5):
        now[0] = float(session)
        put(run, store, str(session), "1")
    now[0] = 12.0
    assert found(run, store, "other") is None
    assert len(store) == 2  # those of seconds 3 and 4


@pytest.fixture
def in_redis(redis_server: Any, run: Any) -> Any:
    store = open_store(redis_server.address, 60, 1)
    yield store
    run(store.close())


def test_one_redis_is_one_store_for_all(in_redis: Any, redis_server: Any, run: Any) -> None:
    other = open_store(redis_server.address, 60, 1)
    assert other.is_shared
    put(run, in_redis, "a", "1")
    put(run, in_redis, "b", "1")
    assert found(run, other, "a") == "1"
    run(other.close())


def test_redis_away_is_told_and_comes_back_with_its_records(
    in_redis: Any, redis_server: Any, run: Any
) -> None:
    put(run, in_redis, "a", "1")
    redis_server.end()
    for call in (
        in_redis.get("a"),
        in_redis.replace("a", b"1", record("2")),
        in_redis.delete("a"),
        in_redis.check(),
    ):
        with pytest.raises(StoreAwayError, match="does not answer, try again"):
            run(call)
    redis_server.start()
    assert found(run, in_redis, "a") == "1"


def test_a_redis_that_hangs_is_away_for_all_who_ask(
    in_redis: Any, redis_server: Any, run: Any
) -> None:
    put(run, in_redis, "a", "1")
    redis_server.freeze()
    begun = time.monotonic()

    async def ask_all() -> list[Any]:
        calls = (in_redis.get("a") for _ in range(100))  # more than connections
        return await asyncio.gather(*calls, return_exceptions=True)

    assert {type(answer) for answer in run(ask_all())} == {StoreAwayError}
    assert time.monotonic() - begun < 10
    redis_server.thaw()
    assert found(run, in_redis, "a") == "1"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x80\x04.",
        b"[]",
        b"{}",
        b'{"state": {"model": "m", "items": [1], "hidden": ["?"]}, "events": []}',
        b'{"state": {"model": "m", "items": [1], "hidden": ["AADAfw=="]}, "events": []}',  # NaN
        b'{"state": {"model": "m", "items": [1], "hidden": ["AAA="]}, "events": []}',
        b'{"state": {"model": "m", "items": [1], "hidden": []}, "events": 1}',
    ],
)
def test_a_record_that_cannot_be_read_is_told_and_replaced(
    in_redis: Any, redis_server: Any, run: Any, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def damage() -> None:
        async with redis.Redis.from_url(redis_server.address) as client:
            await client.set("gru4rec:session:a", text)

    run(damage())
    assert found(run, in_redis, "a") is None
    assert bool(caplog.messages) == bool(text)
    assert all("a session that was kept" in message for message in caplog.messages)
    assert put(run, in_redis, "a", "1")
    assert found(run, in_redis, "a") == "1"


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
