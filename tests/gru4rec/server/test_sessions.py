"""What is kept of sessions, and how they go on from it."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gru4rec import DataError, GRU4Rec
from gru4rec.compute import using
from gru4rec.server.clock import Clock
from gru4rec.server.metrics import Metrics
from gru4rec.server.models import Served
from gru4rec.server.records import Record
from gru4rec.server.scoring import Scorer
from gru4rec.server.sessions import Asked, Click, Outcome, ServerSessions
from gru4rec.server.stores.base import StoreAwayError
from gru4rec.server.stores.memory import MemoryStore


@pytest.fixture(scope="module", params=[[6], [5, 4]], ids=["a layer", "two layers"])
def gru(request: pytest.FixtureRequest, fit: Callable[..., GRU4Rec]) -> GRU4Rec:
    return fit(layers=request.param)


def served(gru: GRU4Rec) -> Served:
    return Served(gru, {}, {}, (("", 0, 0, 0),))


class Kept(MemoryStore):
    """A store to look into."""

    def __init__(self, record: Record | None = None) -> None:
        super().__init__(60, 10)
        if record:
            self._put("anna", record.pack())

    def record(self) -> Record:
        return Record.unpack(self._records["anna"][1])


def add(store: MemoryStore, gru: GRU4Rec, items: Sequence[Any], **asked: Any) -> Outcome:
    sessions = ServerSessions(store, Scorer(Metrics()), 5)
    clicks = [Click(item) for item in items]
    return asyncio.run(
        sessions.add(served(gru), "anna", clicks, Asked(**{"k": 7, **asked}), Clock())
    )


def check(gru: GRU4Rec, outcome: Outcome, items: list[Any], **asked: Any) -> None:
    best = gru.recommend([items], **{"k": 7, **asked})
    assert gru.vocabulary.decode(outcome.best.items).tolist() == best["item"].tolist()
    assert outcome.best.scores.tolist() == pytest.approx(best["score"].tolist(), abs=1e-6)


def test_a_record_is_what_a_live_session_goes_on_with(gru: GRU4Rec) -> None:
    store = Kept()
    add(store, gru, [3, 99])
    outcome = add(store, gru, [4])
    check(gru, outcome, [3, 4])
    assert store.record().items == (3, 99, 4)

    again = Record.from_json(store.record().to_json())
    assert again == store.record()
    live = gru.live_session()
    for item in [3, 99, 4]:
        live.add(item)
    expected = live.state()
    assert (again.model, [*again.items]) == (expected["model"], expected["items"])
    assert [len(layer) for layer in again.hidden] == [4 * n for n in gru.config.layers]


def test_with_another_model_a_session_is_made_anew_from_its_items(
    gru: GRU4Rec, fit: Callable[..., GRU4Rec]
) -> None:
    store, newer = Kept(), fit(layers=[7], seed=5)
    add(store, gru, [3, 99, 5])
    outcome = add(store, newer, [4], exclude_seen=True)
    check(newer, outcome, [3, 5, 4], exclude_seen=True)
    assert store.record().model == newer.digest
    assert store.record().items == (3, 99, 5, 4)


@pytest.mark.parametrize("kind", ["other ids", "another size", "too few layers"])
def test_one_that_cannot_go_on_begins_anew(
    gru: GRU4Rec, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    record = {
        "other ids": Record("of another model", ("a", "b"), (b"",), ()),
        "another size": Record(gru.digest, (3,), (bytes(4),) * len(gru.config.layers), ()),
        "too few layers": Record(gru.digest, (3,), (), ()),
    }[kind]
    store = Kept(record)
    check(gru, add(store, gru, [4]), [4])
    assert store.record().items == (4,)
    assert [text.partition(":")[0] for text in caplog.messages] == [
        "a session cannot go on and begins anew"
    ]


def test_nothing_is_kept_of_clicks_that_are_refused(gru: GRU4Rec) -> None:
    store = Kept()
    add(store, gru, [3])
    before = store.record()
    with pytest.raises(DataError, match="by integers, but text"):
        add(store, gru, [4, "a"])
    assert store.record() == before


def test_clicks_that_come_at_once_are_all_kept_and_done_once(gru: GRU4Rec) -> None:
    class Counting(Scorer):
        async def best(self, *arguments: Any) -> Any:
            asked.append(None)
            return await super().best(*arguments)

    store, asked = Kept(), list[None]()
    sessions = ServerSessions(store, Counting(Metrics()), 500)

    async def add_all() -> None:
        clicks = ([Click(item)] for item in range(200))
        calls = (sessions.add(served(gru), "anna", some, Asked(3), Clock()) for some in clicks)
        await asyncio.gather(*calls)

    asyncio.run(add_all())
    assert sorted(store.record().items) == [*range(200)]
    assert len(asked) == 200


def test_of_what_is_kept_in_memory_the_garbage_collector_sees_nothing(gru: GRU4Rec) -> None:
    store = Kept()
    add(store, gru, [3, 99])
    for _ in range(3):  # from the inside to the outside
        gc.collect()
    kept = store._records["anna"]
    assert not any(map(gc.is_tracked, [kept, *kept]))


def test_a_session_that_always_changes_is_given_up(gru: GRU4Rec) -> None:
    class Changing(MemoryStore):
        async def replace(self, *_: Any) -> bool:
            return False

    with pytest.raises(StoreAwayError, match="others change this session all the time"):
        add(Changing(60, 10), gru, [3])


def test_a_model_without_loops_of_its_own_answers_alike(gru: GRU4Rec) -> None:
    store = Kept()
    with using("plain"):
        assert gru.network.few_sessions() is None
        for n in range(1, 4):
            check(gru, add(store, gru, [n]), [*range(1, n + 1)])
