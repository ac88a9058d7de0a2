"""What is scored together is answered as if each were alone."""

import asyncio
import base64
import contextlib
import functools
import itertools
import select
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import torch
import uvloop

from gru4rec import GRU4Rec
from gru4rec.compute import Background, using
from gru4rec.compute.compiled import engine as compiled_engine
from gru4rec.server import scoring
from gru4rec.server.clock import Clock
from gru4rec.server.metrics import Metrics
from gru4rec.server.scoring import Going, Query, Scorer, answer_together
from gru4rec.serving import LiveSession

N_ITEMS = 400  # more than are scored at a time by some ways of multiplying


@pytest.fixture(scope="module")
def gru(fit: Callable[..., GRU4Rec]) -> GRU4Rec:
    return fit(n_items=N_ITEMS)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Runs a coroutine to its end: uvicorn takes uvloop where it is."""
    function: Callable[..., Any] = request.param
    return function


@pytest.fixture(autouse=True, params=["at once", "in the background"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, one_thread: int) -> str:
    """How queries of several sessions are answered; a server has one thread of torch."""
    is_at_once = request.param == "at once"
    monkeypatch.setattr(scoring, "_VERY_FEW", scoring._FEW_PRODUCTS if is_at_once else 0)
    monkeypatch.setattr(scoring, "_n_cores", lambda: 2)
    assert one_thread == torch.get_num_threads()
    return str(request.param)


@contextlib.asynccontextmanager
async def opened(of: GRU4Rec | Query, metrics: Metrics | None = None) -> AsyncIterator[Scorer]:
    scorer = Scorer(metrics or Metrics())
    scorer.open(of.network.engine)
    yield scorer
    await scorer.close()


def background_of(scorer: Scorer) -> Background | None:
    return scorer._background


def ask(gru: GRU4Rec, sessions: list[list[int]], k: int, **options: Any) -> Query:
    known = [[gru.vocabulary.find(item) for item in items] for items in sessions]
    seen = known if options.get("exclude_seen") else None
    going = [Going(None, items) for items in known]
    if len(known) == 1:  # goes on from what it has come to
        before = gru.live_session()
        for item in sessions[0][:-1]:
            before.add(item)
        going = [Going(hidden_of(before), known[0][-1:])]
    return Query(gru.network, going, k, seen, options.get("candidates"))


def hidden_of(live: LiveSession) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(layer) for layer in live.state()["hidden"])


# sessions, k, exclude_seen
WANTED = [
    ([[3, 1, 4]], 5, False),
    ([[3, 1, 4]], 20, True),
    ([[], [2], [7, 1, 8]], 3, True),
    ([[2]], 1, False),
    ([[9, 9]], 40, True),
    ([[5], [6]], N_ITEMS, False),
    ([[5, 6]], N_ITEMS + 1, True),
]


def check(gru: GRU4Rec, wanted: Any, answer: Any, candidates: Any = None) -> None:
    sessions, k, exclude_seen = wanted
    best = gru.recommend(sessions, k, exclude_seen, candidates)
    assert len(answer) == len(sessions)
    for session, found in enumerate(answer):
        expected = best[best["session"] == session]
        assert gru.vocabulary.decode(found.items).tolist() == expected["item"].tolist()
        assert found.scores.tolist() == pytest.approx(expected["score"].tolist(), abs=1e-6)
        live = gru.live_session()
        for item in sessions[session]:
            live.add(item)
        for layer, wanted_layer in zip(found.hidden, hidden_of(live), strict=True):
            units = [np.frombuffer(units, np.float32) for units in (layer, wanted_layer)]
            assert units[0].tolist() == pytest.approx(units[1].tolist(), abs=1e-6)


def test_one_product_answers_as_many(gru: GRU4Rec) -> None:
    queries = [ask(gru, sessions, k, exclude_seen=seen) for sessions, k, seen in WANTED]
    for wanted, answer in zip(WANTED, answer_together(queries), strict=True):
        check(gru, wanted, answer)


def ask_at_once(
    queries: list[Query], run: Callable[..., Any] = asyncio.run
) -> tuple[list[Any], str]:
    metrics = Metrics()

    async def ask_all() -> list[Any]:
        async with opened(queries[0], metrics) as scorer:
            answers = (scorer.best(query, Clock()) for query in queries)
            return await asyncio.gather(*answers, return_exceptions=True)

    return run(ask_all()), metrics.text().decode()


def test_of_what_comes_at_once_one_product_answers_what_it_can(
    gru: GRU4Rec, fit: Callable[..., GRU4Rec], run: Callable[..., Any]
) -> None:
    other = fit(n_items=N_ITEMS, seed=3, layers=[9])
    stock = gru.shortlist(range(100, 200))
    cases: list[Any] = [(gru, None), (other, None), (gru, stock)]
    asked = list(itertools.product(WANTED[:5], cases))
    queries = [
        ask(model, wanted[0], wanted[1], exclude_seen=wanted[2], candidates=candidates)
        for wanted, (model, candidates) in asked
    ]
    answers, text = ask_at_once(queries, run)
    for (wanted, (model, candidates)), answer in zip(asked, answers, strict=True):
        check(model, wanted, answer, candidates)
    assert f"gru4rec_batch_requests_count {len(cases)}.0" in text
    assert f"gru4rec_batch_requests_sum {len(queries)}.0" in text


def test_a_batch_has_an_end(gru: GRU4Rec, run: Callable[..., Any]) -> None:
    answers, text = ask_at_once([ask(gru, [[3]], 5)] * 38, run)
    assert len({tuple(best.items.tolist()) for [best] in answers}) == 1
    assert 'gru4rec_batch_requests_bucket{le="4.0"} 0.0' in text
    assert 'gru4rec_batch_requests_bucket{le="16.0"} 3.0' in text  # 16, 16 and 6


def test_an_error_is_told_to_those_whom_it_concerns(gru: GRU4Rec) -> None:
    good = ask(gru, [[3]], 5)
    bad = good._replace(k=1000, sessions=[Going((bytes(4 * 99),), [])])
    answers, _ = ask_at_once([bad, good, bad])
    assert [type(answer) for answer in answers] == [ValueError, list, ValueError]


def test_who_goes_keeps_nobody_waiting(gru: GRU4Rec) -> None:
    async def go() -> Any:
        async with opened(gru) as scorer:
            query = ask(gru, [[3]], 5)
            gone, *others = (asyncio.create_task(scorer.best(query, Clock())) for _ in range(3))
            await asyncio.sleep(0)
            gone.cancel()
            answers = await asyncio.gather(gone, *others, return_exceptions=True)
            return [type(answer) for answer in [*answers, await scorer.best(query, Clock())]]

    assert asyncio.run(go()) == [asyncio.CancelledError, list, list, list]


@pytest.mark.parametrize("few_products", [0, 1 << 40], ids=["in a thread", "at once"])
def test_the_clock_tells_queue_and_model(
    gru: GRU4Rec, monkeypatch: pytest.MonkeyPatch, few_products: int
) -> None:
    monkeypatch.setattr("gru4rec.server.scoring._FEW_PRODUCTS", few_products)
    clock = Clock()
    [best] = asyncio.run(Scorer(Metrics()).best(ask(gru, [[3]], 5), clock))
    assert len(best.items) == 5
    assert clock.seconds.keys() == {"queue", "model"}
    assert min(clock.seconds.values()) > 0


def test_a_long_session_keeps_no_short_one_waiting(gru: GRU4Rec) -> None:
    short, long = ([[3]], 5, False), ([[3, 1] * 100], 5, False)
    whole = [gru.vocabulary.find(item) for item in long[0][0]]
    queries = [ask(gru, *short[:2]), Query(gru.network, [Going(None, whole)], 5, None, None)]
    answers, text = ask_at_once(queries)
    for wanted, answer in zip((short, long), answers, strict=True):
        check(gru, wanted, answer)
    assert "gru4rec_batch_requests_count 2.0" in text


def test_others_go_on_while_the_thread_works(
    gru: GRU4Rec, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(compiled_engine.Background):
        """Begins when it is told to."""

        def begin(self, sessions: Any) -> None:
            begin.append(functools.partial(super().begin, sessions))

    begin: list[Callable[[], None]] = []
    monkeypatch.setattr(compiled_engine, "Background", Late)

    async def go() -> list[Any]:
        async with opened(gru) as scorer:
            query = ask(gru, [[3]], 5)
            answers = [asyncio.create_task(scorer.best(query, Clock())) for _ in range(2)]
            while way == "in the background" and not begin:
                await asyncio.sleep(0)
            if begin:
                begin[0]()
            return await asyncio.gather(*answers)

    for answer in asyncio.run(go()):
        check(gru, ([[3]], 5, False), answer)
    assert len(begin) == (way == "in the background")


@pytest.mark.parametrize("why", ["one core", "threads", "engine"])
def test_there_is_no_background_where_it_gains_nothing(
    gru: GRU4Rec, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "one core":
        monkeypatch.setattr(scoring, "_n_cores", lambda: 1)
    if why == "threads":
        torch.set_num_threads(2)

    async def go() -> None:
        async with opened(gru) as scorer:
            assert background_of(scorer) is None

    with using("plain") if why == "engine" else contextlib.nullcontext():
        asyncio.run(go())
        answers, _ = ask_at_once([ask(gru, [[3]], 5)] * 2)
    for answer in answers:
        check(gru, ([[3]], 5, False), answer)


@pytest.mark.parametrize("way", ["in the background"], indirect=True)
@pytest.mark.parametrize("has_ended", [False, True])
def test_a_server_that_ends_waits_for_the_thread(
    gru: GRU4Rec, has_ended: bool, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    async def go() -> None:
        async with opened(gru) as scorer:
            background = background_of(scorer)
            assert background
            begin, end = background.begin, background.end
            monkeypatch.setattr(background, "begin", lambda s: (begin(s), events.append("begin")))
            monkeypatch.setattr(background, "end", lambda: (end(), events.append("end")))
            query = ask(gru, [[3]], 5)
            answers = [asyncio.create_task(scorer.best(query, Clock())) for _ in range(20)]
            while not events:
                await asyncio.sleep(0)
            if has_ended:  # and nobody has been told
                select.select([background.fileno()], [], [], 60)
        assert events == ["begin", "end"]
        for answer in await asyncio.gather(*answers, return_exceptions=True):
            assert isinstance(answer, asyncio.CancelledError)
        assert scorer._working is None

    run(go())


def test_who_has_not_begun_when_the_server_ends_is_cancelled(
    gru: GRU4Rec, run: Callable[..., Any]
) -> None:
    async def go() -> list[Any]:
        async with opened(gru) as scorer:
            answer = asyncio.create_task(scorer.best(ask(gru, [[3]], 5), Clock()))
            await asyncio.sleep(0)
        return await asyncio.gather(answer, return_exceptions=True)

    [ended] = run(go())
    assert isinstance(ended, asyncio.CancelledError)
