"""Recommends to sessions that wait at the same time in one product.

Scoring reads the whole table of items, for one session as for many. While one batch is computed,
what comes in waits for the next; nothing waits where nothing is computed.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch

from gru4rec.compute import Background, FewSessions, Floats, Plain, Went
from gru4rec.model.network import Network
from gru4rec.server.clock import Clock
from gru4rec.server.metrics import Metrics
from gru4rec.serving.recommendations import best_items, go_on, reading
from gru4rec.serving.shortlist import Shortlist

_MOST = 16  # sessions of a batch: more take as much longer as they are more
_USUAL_K = 63  # up to here it costs little to find more items than were asked for
# what others may wait for, 1 to 3 milliseconds; to change threads would cost as much
_FEW_STEPS = 16
_FEW_PRODUCTS = 1 << 26
_VERY_FEW = 1 << 21  # what takes no longer than to change threads

P = ParamSpec("P")
R = TypeVar("R")


class Going(NamedTuple):
    """A session that goes on.

    Attributes:
        hidden: Its units as 32-bit floats, of each layer; None: it begins.
        items: Item indices that come next, if any.
    """

    hidden: tuple[bytes, ...] | None
    items: list[int]


class Query(NamedTuple):
    """What to recommend to some sessions when they have gone on.

    Attributes:
        network: The weights.
        sessions: They, at least one.
        k: Items for each; fewer where there are fewer.
        seen: Item indices to leave out, one list a session; None: nothing.
        shortlist: The only items to recommend; None: all.
    """

    network: Network
    sessions: list[Going]
    k: int
    seen: list[list[int]] | None
    shortlist: Shortlist | None

    @property
    def kind(self) -> tuple[object, ...]:
        """What queries that one product can answer have in common."""
        size = max(self.k, _USUAL_K).bit_length()
        return id(self.network), id(self.shortlist), size, self.n_steps > _FEW_STEPS

    @property
    def n_steps(self) -> int:
        """How many steps of the network come first."""
        return max([len(session.items) for session in self.sessions])

    @property
    def n_products(self) -> int:
        """How many numbers are multiplied with those of the table, and of the layers."""
        n_items = self.network.n_items if self.shortlist is None else len(self.shortlist)
        layers = self.network.architecture.layers
        n_steps = sum([len(session.items) for session in self.sessions])
        of_step = sum([6 * units * units for units in layers])
        return len(self.sessions) * n_items * layers[-1] + n_steps * of_step


class _Waiting(NamedTuple):
    query: Query
    kind: tuple[object, ...]
    clock: Clock
    since: float
    answer: "asyncio.Future[list[Went]]"


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
        self._ended = asyncio.Event()
        self._few: tuple[Network, FewSessions | None] | None = None

    def open(self, engine: Plain) -> None:
        """Starts a thread for sessions, if there is a core for it and no other thread scores."""
        if torch.get_num_threads() == 1 < _n_cores():
            self._background = engine.make_background()
        if self._background:
            asyncio.get_running_loop().add_reader(
                self._background.fileno(), self._tell, self._background
            )

    async def close(self) -> None:
        """Ends the thread; who still waits for an answer is cancelled."""
        if self._background:
            asyncio.get_running_loop().remove_reader(self._background.fileno())
        if self._working:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
            self._working = None
        for waiting in self._waiting:
            waiting.answer.cancel()
        self._waiting = []
        if self._background:
            self._background.close()
            self._background = None

    async def best(self, query: Query, clock: Clock) -> list[Went]:
        """Returns the best items of each session; `clock` gets the times of queue and model."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(query, query.kind, clock, time.perf_counter(), loop.create_future())
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
                for waiting in batch:
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

    async def _answer(self, queries: Sequence[Query]) -> list[list[Went]]:
        """Answers queries of one kind: at once if that is quick, else while others go on."""
        n_products = sum(query.n_products for query in queries)
        is_quick = queries[0].n_steps <= _FEW_STEPS and n_products <= _FEW_PRODUCTS
        few = self._ready(queries)
        if few is None:
            return await run(is_quick, answer_together, queries)
        if self._background and n_products > _VERY_FEW:
            await self._run_beside(self._background, few)
        else:
            await run(is_quick, few.run)
        return _apart(queries, few.result())

    async def _run_beside(self, background: Background, few: FewSessions) -> None:
        """Does it in the thread, while others go on."""
        self._ended = asyncio.Event()
        background.begin(few)
        try:
            await self._ended.wait()
        finally:
            if not self._ended.is_set():  # the server ends; the thread may still work with `few`
                background.end()

    def _tell(self, background: Background) -> None:
        background.end()
        self._ended.set()

    def _ready(self, queries: Sequence[Query]) -> FewSessions | None:
        """Makes ready what queries of one kind ask for; None where there is a better way."""
        network = queries[0].network
        if queries[0].shortlist is not None or (network.compact and len(queries) == 1):
            return None
        if self._few is None or self._few[0] is not network:
            self._few = network, network.few_sessions()
        few, sessions = self._few[1], _sessions(queries)
        k = min(max(query.k for query in queries), network.n_items)
        items = [session.items for session in sessions]
        if few and few.ready(_hidden(network, sessions), items, k, _seen(queries)):
            return few
        return None

    def _next_batch(self) -> list[_Waiting]:
        """Takes the query that waits longest, and others that one product answers with it."""
        kind, n = self._waiting[0].kind, 0
        batch, others = [], []
        for waiting in self._waiting:
            if n < _MOST and waiting.kind == kind:
                batch.append(waiting)
                n += len(waiting.query.sessions)
            else:
                others.append(waiting)
        self._waiting = others
        return batch


def answer_together(queries: Sequence[Query]) -> list[list[Went]]:
    """Answers queries of one kind, each with what has become of its sessions."""
    network, sessions = queries[0].network, _sessions(queries)
    with reading():
        before = [torch.from_numpy(layer.copy()) for layer in _hidden(network, sessions)]
        items = np.array([item for session in sessions for item in session.items], np.int64)
        offsets = np.cumsum([0, *(len(session.items) for session in sessions)])
        hidden = go_on(network, [layer.to(network.device) for layer in before], items, offsets)
        k = max(query.k for query in queries)
        best = best_items(network, hidden[-1], k, _seen(queries), queries[0].shortlist)
        after = [layer.cpu().numpy() for layer in hidden]
    ends = best.lengths.cumsum()[:-1]
    states = zip(*([row.tobytes() for row in layer] for layer in after), strict=True)
    rows = zip(np.split(best.items, ends), np.split(best.scores, ends), states, strict=True)
    return _apart(queries, [Went(*row) for row in rows])


def _sessions(queries: Sequence[Query]) -> list[Going]:
    return [session for query in queries for session in query.sessions]


def _seen(queries: Sequence[Query]) -> list[list[int]] | None:
    if not any(query.seen for query in queries):
        return None
    return [row for query in queries for row in query.seen or [[]] * len(query.sessions)]


def _hidden(network: Network, sessions: Sequence[Going]) -> list[Floats]:
    """Returns the states of sessions, per layer (n, units)."""
    layers = []
    for layer, units in enumerate(network.architecture.layers):
        zeros = bytes(4 * units)
        rows = [session.hidden[layer] if session.hidden else zeros for session in sessions]
        layers.append(np.frombuffer(b"".join(rows), np.float32).reshape(len(rows), units))
    return layers


def _apart(queries: Sequence[Query], went: Iterable[Went]) -> list[list[Went]]:
    """Gives each query its sessions, with as many items as it asked for."""
    rows = iter(went)
    return [
        [
            Went(items[: query.k], scores[: query.k], hidden)
            for items, scores, hidden in itertools.islice(rows, len(query.sessions))
        ]
        for query in queries
    ]


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
