"""All stores do the same; each is found by its address."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gru4rec import ConfigError
from gru4rec.server.stores import open_store
from gru4rec.server.stores.base import SessionStore, StoreAwayError
from gru4rec.server.stores.memory import MemoryStore

Open = Callable[[float], SessionStore]


@pytest.fixture(params=["memory", "redis"])
def open_for(request: pytest.FixtureRequest) -> Open:
    """Opens a store that keeps sessions for so many seconds."""
    if request.param == "memory":
        return lambda seconds: open_store("memory", seconds, 1000)
    address = request.getfixturevalue("redis_server").address
    return lambda seconds: open_store(address, seconds, 1000)


def test_a_record_is_replaced_only_if_it_is_as_it_was_read(open_for: Open) -> None:
    store = open_for(60)
    assert store.get("anna") is None
    assert not store.replace("anna", b"other", b"1")
    assert store.replace("anna", None, b"1")
    assert not store.replace("anna", None, b"2")
    assert store.get("anna") == b"1"
    assert store.replace("anna", b"1", b"2\x00\xff")
    assert store.get("anna") == b"2\x00\xff"
    assert store.get("ben") is None
    store.delete("anna")
    store.delete("anna")
    assert store.get("anna") is None
    store.check()


@pytest.mark.parametrize("session", ["", "a/b c\n", "<b>ö✓</b>", "\ud800", "x" * 1000])
def test_any_text_is_a_session(open_for: Open, session: str) -> None:
    store = open_for(60)
    assert store.replace(session, None, b"1")
    assert store.get(session) == b"1"


def test_sessions_go_some_time_after_their_last_use(open_for: Open) -> None:
    store = open_for(0.5)
    store.replace("read", None, b"1")
    store.replace("left", None, b"1")
    for _ in range(4):
        time.sleep(0.2)
        assert store.get("read") == b"1"
    assert store.get("left") is None
    assert store.replace("left", None, b"2")


def test_no_change_of_many_threads_is_lost(open_for: Open) -> None:
    store = open_for(60)

    def add_ones() -> None:
        for _ in range(25):
            while True:
                old = store.get("sum")
                if store.replace("sum", old, str(int(old or 0) + 1).encode()):
                    break

    threads = [threading.Thread(target=add_ones) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("sum") == b"100"


def test_of_too_many_in_memory_the_least_recently_used_goes() -> None:
    store = MemoryStore(60, max_sessions=2)
    for session in ("a", "b"):
        store.replace(session, None, b"1")
    store.get("a")
    store.replace("c", None, b"1")
    assert [store.get(session) for session in "abc"] == [b"1", None, b"1"]


def test_memory_holds_no_session_longer_than_its_time() -> None:
    now = [0.0]
    store = MemoryStore(10, 1000, clock=lambda: now[0])
    for session in range(5):
        now[0] = float(session)
        store.replace(str(session), None, b"1")
    now[0] = 12.0
    assert store.get("other") is None
    assert len(store) == 2  # those of seconds 3 and 4


def test_one_redis_is_one_store_for_all(redis_server: Any) -> None:
    one, other = (open_store(redis_server.address, 60, 1) for _ in range(2))
    assert one.is_shared
    one.replace("a", None, b"1")
    one.replace("b", None, b"1")
    assert other.get("a") == b"1"


def test_redis_away_is_told_and_comes_back_with_its_records(redis_server: Any) -> None:
    store = open_store(redis_server.address, 60, 1)
    store.replace("a", None, b"1")
    redis_server.end()
    for call in (
        lambda: store.get("a"),
        lambda: store.replace("a", b"1", b"2"),
        lambda: store.delete("a"),
        store.check,
    ):
        with pytest.raises(StoreAwayError, match="does not answer, try again"):
            call()
    redis_server.start()
    assert store.get("a") == b"1"


def test_a_redis_that_hangs_is_away(redis_server: Any) -> None:
    store = open_store(redis_server.address, 60, 1)
    store.replace("a", None, b"1")
    redis_server.freeze()
    begun = time.monotonic()
    with pytest.raises(StoreAwayError):
        store.get("a")
    assert time.monotonic() - begun < 5
    redis_server.thaw()
    assert store.get("a") == b"1"


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
