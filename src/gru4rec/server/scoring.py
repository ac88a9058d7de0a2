"""Recommends to sessions that wait at the same time in one product.

Scoring reads the whole table of items, for one session as for many. While one batch is computed,
what comes in waits for the next; nothing waits where nothing is computed.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gru4rec.compute import Background, Best, Plain, Search
from gru4rec.data.vocabulary import Indices
from gru4rec.evaluation import ranking
from gru4rec.model.network import Network
from gru4rec.server.clock import Clock
from gru4rec.server.metrics import Metrics
from gru4rec.serving.recommendations import best_items, final_states, reading
from gru4rec.serving.shortlist import Shortlist

_MOST = 16  # sessions of a batch: more take as much longer as they are more
_USUAL_K = 63  # up to here it costs little to find more items than were asked for
# what others may wait for, 1 to 3 milliseconds; to change threads would cost as much
FEW_STEPS = 16
_FEW_PRODUCTS = 1 << 26
_VERY_FEW = 1 << 21  # what takes no longer than to change threads

P = ParamSpec("P")
R = TypeVar("R")


class Query(NamedTuple):
    """What to recommend to some sessions.

    Attributes:
        network: The weights.
        sessions: Hidden states of the last layer, shape (n, units), n ≥ 1; or the item indices of
            whole sessions, a list each, which are read first.
        k: Items for each; fewer where there are fewer.
        seen: Item indices to leave out, one list a session; None: nothing.
        shortlist: The only items to recommend; None: all.
    """

    network: Network
    sessions: Tensor | list[list[int]]
    k: int
    seen: list[list[int]] | None
    shortlist: Shortlist | None

    @property
    def kind(self) -> tuple[object, ...]:
        """What queries that one product can answer have in common."""
        size = max(self.k, _USUAL_K).bit_length()
        return id(self.network), id(self.shortlist), size, self.n_steps > FEW_STEPS

    @property
    def n_steps(self) -> int:
        """How many steps of the network come first."""
        return 0 if isinstance(self.sessions, Tensor) else max(map(len, self.sessions))

    @property
    def n_products(self) -> int:
        """How many numbers are multiplied with those of the table."""
        n_items = self.network.n_items if self.shortlist is None else len(self.shortlist)
        return len(self.sessions) * n_items * self.network.architecture.layers[-1]


class Ranked(NamedTuple):
    """The best items of one session, best first: their indices and scores, shape (n,) each."""

    items: Indices
    scores: npt.NDArray[np.float32]


class _Waiting(NamedTuple):
    query: Query
    clock: Clock
    since: float
    answer: "asyncio.Future[list[Ranked]]"


class Scorer:
    """Answers queries in batches; what several wait for is computed beside what Python does.

    Args:
        metrics: Where batches are counted.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: list[_Waiting] = []
        self._working: asyncio.Task[None] | None = None
        self._background: Background | None = None

    def open(self, engine: Plain) -> None:
        """Starts a thread for searches, if there is a core for it and no other thread scores."""
        if torch.get_num_threads() == 1 < _n_cores():
            self._background = engine.make_background()

    async def close(self) -> None:
        """Ends the thread; who still waits for an answer is cancelled."""
        if self._working:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
            self._working = None
        if self._background:
            self._background.close()
            self._background = None

    async def best(self, query: Query, clock: Clock) -> list[Ranked]:
        """Returns the best items of each session; `clock` gets the times of queue and model."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(query, clock, time.perf_counter(), loop.create_future())
        self._waiting.append(waiting)
        if self._working is None:
            # it begins when all that is ready to run has run: what comes at once is one batch
            self._working = loop.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        while self._waiting:
            batch, begun = self._next_batch(), time.perf_counter()
            queries = [waiting.query for waiting in batch]
            answers: Sequence[Any]
            try:
                answers = await self._answer(queries)
            except Exception as error:  # told to each who waits
                answers = [error] * len(batch)
            except asyncio.CancelledError:
                for waiting in (*batch, *self._waiting):
                    waiting.answer.cancel()
                raise
            ended = time.perf_counter()
            for waiting, answer in zip(batch, answers, strict=True):
                waiting.clock.seconds["queue"] += begun - waiting.since
                waiting.clock.seconds["model"] += ended - begun
                if waiting.answer.done():  # who asked has gone
                    continue
                if isinstance(answer, Exception):
                    waiting.answer.set_exception(answer)
                else:
                    waiting.answer.set_result(answer)
            self._metrics.batches.observe(len(batch))
        self._working = None

    async def _answer(self, queries: Sequence[Query]) -> list[list[Ranked]]:
        """Answers queries of one kind: at once if that is quick, else while others go on."""
        if self._background and (search := _search_for(queries)):
            await _run_in(self._background, search)
            return _apart(queries, search.result())
        is_quick = queries[0].n_steps <= FEW_STEPS and _n_products(queries) <= _FEW_PRODUCTS
        return await run(is_quick, answer_together, queries)

    def _next_batch(self) -> list[_Waiting]:
        """Takes the query that waits longest, and others that one product answers with it."""
        kind, n = self._waiting[0].query.kind, 0
        batch, others = [], []
        for waiting in self._waiting:
            if n < _MOST and waiting.query.kind == kind:
                batch.append(waiting)
                n += len(waiting.query.sessions)
            else:
                others.append(waiting)
        self._waiting = others
        return batch


def _n_products(queries: Sequence[Query]) -> int:
    return sum(query.n_products for query in queries)


def _search_for(queries: Sequence[Query]) -> Search | None:
    """Makes ready what queries of one kind ask for; None where there is a better way."""
    first, n_sessions = queries[0], sum(len(query.sessions) for query in queries)
    if first.shortlist is not None or first.n_steps > FEW_STEPS or n_sessions > _MOST:
        return None
    is_alone = len(queries) == 1  # and gets the answer sooner without changing threads
    if _n_products(queries) <= (_FEW_PRODUCTS if is_alone else _VERY_FEW):
        return None
    if is_alone and first.network.compact:
        return None
    with reading():
        return ranking.search(first.network, *_stacked(queries))


def answer_together(queries: Sequence[Query]) -> list[list[Ranked]]:
    """Answers queries of one kind, each with a list of what is best for each session."""
    with reading():
        states, k, seen = _stacked(queries)
        best = best_items(queries[0].network, states, k, seen, queries[0].shortlist)
    return _apart(queries, best)


def _stacked(queries: Sequence[Query]) -> tuple[Tensor, int, list[list[int]] | None]:
    """What is asked of all sessions together: states of shape (n, units), k, and what is seen."""
    seen = None
    if any(query.seen for query in queries):
        seen = [row for query in queries for row in query.seen or [[]] * len(query.sessions)]
    states = _read(queries[0].network, [query.sessions for query in queries])
    return states, max(query.k for query in queries), seen


def _apart(queries: Sequence[Query], best: Best) -> list[list[Ranked]]:
    """Gives each query what is best for its sessions."""
    ends = best.lengths.cumsum()
    rows = iter(zip((ends - best.lengths).tolist(), ends.tolist(), strict=True))
    answers = []
    for query in queries:
        parts = [slice(begin, min(end, begin + query.k))
                 for begin, end in itertools.islice(rows, len(query.sessions))]  # fmt: skip
        answers.append([Ranked(best.items[part], best.scores[part]) for part in parts])
    return answers


def _read(network: Network, sessions: Sequence[Tensor | list[list[int]]]) -> Tensor:
    """Returns the last layer's states, shape (n, units); whole sessions are read together."""
    whole = [some for some in sessions if not isinstance(some, Tensor)]
    if not whole:
        return torch.cat([some for some in sessions if isinstance(some, Tensor)])
    items = [session for some in whole for session in some]
    offsets = np.cumsum([0, *map(len, items)])
    flat = np.array([*itertools.chain.from_iterable(items)], dtype=np.int64)
    states = final_states(network, flat, offsets)
    read = iter(torch.split(states, [*map(len, whole)]))
    return torch.cat([some if isinstance(some, Tensor) else next(read) for some in sessions])


async def _run_in(background: Background, search: Search) -> None:
    """Does a search while others go on."""
    loop, file = asyncio.get_running_loop(), background.fileno()
    ended = asyncio.Event()

    def end() -> None:
        loop.remove_reader(file)
        background.end()
        ended.set()

    loop.add_reader(file, end)
    background.begin(search)
    try:
        await ended.wait()
    finally:
        if not ended.is_set():  # the server ends; what the thread works with has to stay until then
            end()


def _n_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def run(is_short: bool, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs what computes: in a thread if it takes long, else at once, without changing threads."""
    if is_short:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)
